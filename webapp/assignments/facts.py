"""What the scorer is told: the booking's need and the trainers, as plain facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

from webapp.bookings.replanning import at_other_time, on_later_dates
from webapp.bookings.rules import DAY, DeliveryMode, PlannedSession, SessionMode
from webapp.core.errors import RuleBroken
from webapp.core.geo import Location
from webapp.core.intervals import Interval, resolve_local
from webapp.schedule.rules import DEFAULT_TRAVEL, SECONDS_PER_DAY, TakenSlots, TravelSettings, phases_of, way_minutes
from webapp.trainers.rules import MINUTES_PER_DAY, WorkingHours, open_periods

Week = tuple[WorkingHours, ...]
"""A trainer's working hours; empty when none are known."""


@dataclass(frozen=True, slots=True)
class TrainerFacts:
    """A trainer as the scorer sees one.

    ``taken`` are the held and booked slots by place, without those of the wanted sessions themselves; the booking's
    other slots may be among them and then only refuse an overlap. A verdict needs those that overlap a wanted session
    or lie on its local day less than a way from it, and for the rank all between the first and the last session; a
    smallest fix needs all of ``fix_window``. ``busy`` are
    periods that are taken too, but need no way. ``away`` (time off) need only hold what overlaps the wanted sessions
    (for a fix, the window). ``blocked``: family and trainer are kept apart. ``taught_students``: taught one of these
    students before. ``languages`` are ISO 639-1 codes. ``of_service``: they come from the trainer service. No rule
    asks that. More than is needed does no harm.
    """

    id: UUID
    name: str
    operator_id: UUID
    active: bool
    course_ids: frozenset[UUID]
    zone_ids: frozenset[UUID]
    base: Location | None
    hours: Week
    time_zone: str
    away: tuple[Interval, ...] = ()
    busy: tuple[Interval, ...] = ()
    blocked: bool = False
    languages: frozenset[str] = frozenset()
    gender: str | None = None
    taught_students: bool = False
    taken: tuple[TakenSlots, ...] = ()
    of_service: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    """Sessions of the same weekday and wall-clock minutes, by their indexes: one look at the hours answers for all."""

    weekday: int
    start_minute: int
    end_minute: int
    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LocalView:
    """The wanted sessions on a time zone's wall clock. ``odd`` ones run through a clock change or over midnight."""

    patterns: tuple[Pattern, ...]
    odd: tuple[int, ...]


def _minutes(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute


def _local_view(sessions: Sequence[PlannedSession], time_zone: str) -> LocalView:
    zone = ZoneInfo(time_zone)
    groups: dict[tuple[int, int, int], list[int]] = {}
    odd = []
    for index, session in enumerate(sessions):
        starts, ends = (session.starts_at.astimezone(zone), session.ends_at.astimezone(zone))
        start_minute = _minutes(starts)
        end_minute = _minutes(ends) + MINUTES_PER_DAY * (ends.date() - starts.date()).days
        elapsed = (session.ends_at - session.starts_at) / timedelta(minutes=1)
        if starts.fold or end_minute - start_minute != elapsed or end_minute > MINUTES_PER_DAY:
            odd.append(index)
        else:
            groups.setdefault((starts.weekday(), start_minute, end_minute), []).append(index)
    return LocalView(tuple(Pattern(*key, tuple(indexes)) for key, indexes in groups.items()), tuple(odd))


@lru_cache(maxsize=4096)
def _midnight(on: date, time_zone: str) -> datetime:
    return resolve_local(on, time(0), time_zone).at


def local_day(at: datetime, time_zone: str) -> Interval:
    """The whole local day of an instant, from midnight to midnight, in an IANA time zone."""
    on = at.astimezone(ZoneInfo(time_zone)).date()
    return Interval(_midnight(on, time_zone), _midnight(on + DAY, time_zone))


_KM_PER_DEGREE = 111.4
"""No degree of latitude, and none of longitude anywhere, is longer."""


@dataclass(frozen=True, slots=True)
class CourseNeed:
    """What a booking needs of its trainer. Sessions are sorted here; ``reach_km`` is the zone's (rule T8).

    ``place`` is where its offline sessions are taught; ``buffer_minutes`` the zone's travel buffer and ``travel`` the
    settings of rule T9. ``booking_id`` is that of a booking already stored. Only a smallest fix asks for
    ``delivery_mode`` and ``skip``, the dates the booking leaves out (rule B8): they say how the course may be put off.
    Raises ``RuleBroken`` when there is no session or two of them overlap.
    """

    operator_id: UUID
    zone_id: UUID
    course_id: UUID
    place: Location
    reach_km: float
    time_zone: str
    sessions: tuple[PlannedSession, ...]
    prefers_language: str | None = None
    prefers_gender: str | None = None
    prefers_taught_before: bool = False
    prefers_trainers: frozenset[UUID] = frozenset()
    buffer_minutes: int = 0
    travel: TravelSettings = DEFAULT_TRAVEL
    booking_id: UUID | None = None
    delivery_mode: DeliveryMode | None = None
    skip: frozenset[date] = frozenset()
    starts: tuple[datetime, ...] = field(init=False, repr=False, compare=False)
    ends: tuple[datetime, ...] = field(init=False, repr=False, compare=False)
    start_seconds: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """The same in POSIX seconds, as slots are told: numbers are compared faster than moments."""
    end_seconds: tuple[int, ...] = field(init=False, repr=False, compare=False)
    index_at: dict[int, int] = field(init=False, repr=False, compare=False)
    """The index of the session that starts at a POSIX second."""
    least_gap: int = field(init=False, repr=False, compare=False)
    """The shortest time between two sessions of one local day, in seconds; a day's length where each has its own."""
    phases: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """The seconds of the UTC day at which sessions start (see ``TakenSlots``)."""
    longest: int = field(init=False, repr=False, compare=False)
    """The seconds the longest session lasts."""
    at_home: tuple[bool, ...] = field(init=False, repr=False, compare=False)
    """Whether each session is taught at ``place``, not online."""
    # Worked out once and shared by all trainers of one question: the only parts that are filled later.
    _days: list[Interval] = field(init=False, repr=False, compare=False, default_factory=list)
    _told: dict[int, str] = field(init=False, repr=False, compare=False, default_factory=dict)
    _views: dict[str, LocalView] = field(init=False, repr=False, compare=False, default_factory=dict)
    _outside: dict[tuple[int, str], tuple[Week, tuple[int, ...]]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    _gaps: dict[tuple[tuple[int, ...], int], int] = field(init=False, repr=False, compare=False, default_factory=dict)
    _ways: dict[tuple[float, float, int], int] = field(init=False, repr=False, compare=False, default_factory=dict)
    _others: dict[time | date, CourseNeed | None] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        sessions = tuple(sorted(self.sessions, key=lambda s: s.starts_at))
        starts, ends = (tuple(s.starts_at for s in sessions), tuple(s.ends_at for s in sessions))
        if not sessions or any(end > start for end, start in zip(ends, starts[1:], strict=False)):
            raise RuleBroken("a booking needs sessions that do not overlap")
        seconds = tuple(int(start.timestamp()) for start in starts)
        end_seconds = tuple(int(end.timestamp()) for end in ends)
        kept = {
            "sessions": sessions,
            "starts": starts,
            "ends": ends,
            "start_seconds": seconds,
            "end_seconds": end_seconds,
            "phases": phases_of(seconds),
            "longest": max(end - start for start, end in zip(seconds, end_seconds, strict=True)),
            "index_at": {start: index for index, start in enumerate(seconds)},
            "least_gap": min(
                (int((b.starts_at - a.ends_at).total_seconds()) for a, b in pairwise(sessions) if a.date == b.date),
                default=60 * MINUTES_PER_DAY,
            ),
            "at_home": tuple(s.mode is SessionMode.OFFLINE for s in sessions),
        }
        for name, value in kept.items():
            object.__setattr__(self, name, value)

    @property
    def days(self) -> Sequence[Interval]:
        """The local day of each session, in the booking's time zone."""
        if not self._days:
            self._days.extend(local_day(start, self.time_zone) for start in self.starts)
        return self._days

    def told_start(self, index: int) -> str:
        """When a session starts on the booking's wall clock, as reasons keep it: ``2027-01-12T09:00``."""
        told = self._told.get(index)
        if told is None:
            told = self.starts[index].astimezone(ZoneInfo(self.time_zone)).strftime("%Y-%m-%dT%H:%M")
            self._told[index] = told
        return told

    def outside(self, hours: Week, time_zone: str) -> tuple[int, ...]:
        """Indexes of the sessions that no period of a working week holds (rule T5), ascending; all for no hours.

        Few weeks are worked by many trainers: who hands in the same object is answered from memory.
        """
        known = self._outside.get((id(hours), time_zone))
        if known is None:
            view = _local_view(self.sessions, time_zone) if time_zone not in self._views else self._views[time_zone]
            self._views[time_zone] = view
            # The week is kept beside the answer, so that its id is nobody else's.
            known = self._outside[id(hours), time_zone] = (hours, _outside_hours(self, view, hours, time_zone))
        return known[1]

    def way_to(self, slots: TakenSlots) -> int:
        """The seconds a trainer needs between an offline session and a taken slot (rule T9); 0 within one booking."""
        place = slots.place
        if place is None or (slots.booking_id is not None and slots.booking_id == self.booking_id):
            return 0
        key = (place.lat, place.lng, slots.buffer_minutes)
        way = self._ways.get(key)
        if way is None:
            larger = max(self.buffer_minutes, slots.buffer_minutes)
            way = 60 * way_minutes(self.place, place, buffer_minutes=larger, travel=self.travel)
            self._ways[key] = way
        return way

    def gap_to(self, slots: TakenSlots) -> int:
        """The shortest time between a session and one of the slots, in seconds, by their times of day alone.

        Below zero where they would overlap on one day.
        """
        key = (slots.phases, slots.seconds)
        gap = self._gaps.get(key)
        if gap is None:
            after = [(taken - wanted) % SECONDS_PER_DAY for wanted in self.phases for taken in slots.phases]
            gap = min(min(one - self.longest, SECONDS_PER_DAY - one - slots.seconds) for one in after)
            self._gaps[key] = gap
        return gap

    def way_at_most(self, slots: TakenSlots) -> float:
        """Seconds that ``way_to`` never exceeds, found without trigonometry: on a flat map, along two sides."""
        place = slots.place
        if place is None:
            return 0
        km = _KM_PER_DEGREE * (abs(place.lat - self.place.lat) + abs(place.lng - self.place.lng))
        buffer = max(self.buffer_minutes, slots.buffer_minutes)
        return 60 * (buffer + 1) + 3600 * km * self.travel.detour / self.travel.speed_kmh

    def with_sessions(self, sessions: tuple[PlannedSession, ...]) -> CourseNeed:
        """The same course with other sessions; the ways between homes that are known by now stay known."""
        other = replace(self, sessions=sessions)
        object.__setattr__(other, "_ways", self._ways)
        return other

    @property
    def total(self) -> int:
        """How many sessions the trainer must take."""
        return len(self.sessions)

    @property
    def timeslot(self) -> time:
        """The usual local time of a day's first session: the earliest where several are as usual."""
        of_days: dict[date, time] = {}
        for session in self.sessions:
            of_days.setdefault(session.date, session.timeslot)
        counted = Counter(of_days.values())
        return min(counted, key=lambda slot: (-counted[slot], slot))

    def at(self, timeslot: time) -> CourseNeed | None:
        """The same course with all its sessions so much earlier or later that ``timeslot`` is the usual one.

        ``None`` when a session would leave its day or two would overlap.
        """
        if timeslot not in self._others:
            usual = self.timeslot
            minutes = (timeslot.hour - usual.hour) * 60 + timeslot.minute - usual.minute
            self._keep(timeslot, at_other_time(self.sessions, minutes, self.time_zone))
        return self._others[timeslot]

    def starting(self, on: date) -> CourseNeed | None:
        """The same course as many days (Sundays: weeks) later as bring its first session to a local date.

        ``None`` when it cannot start there, or where the need does not know its ``delivery_mode``.
        """
        if on not in self._others:
            mode = self.delivery_mode
            later = None if mode is None else on_later_dates(self.sessions, on, mode, self.time_zone, self.skip)
            self._keep(on, later)
        return self._others[on]

    def _keep(self, key: time | date, sessions: tuple[PlannedSession, ...] | None) -> None:
        self._others[key] = None if sessions is None else self.with_sessions(sessions)


def _outside_hours(need: CourseNeed, view: LocalView, hours: Week, time_zone: str) -> tuple[int, ...]:
    """``CourseNeed.outside``, worked out."""
    if not hours:
        return tuple(range(need.total))
    by_weekday: dict[int, list[tuple[int, int]]] = {}
    for period in sorted(hours):
        of_day = by_weekday.setdefault(period.weekday, [])
        if of_day and period.start_minute <= of_day[-1][1]:
            start, end = of_day.pop()
            of_day.append((start, max(end, period.end_minute)))
        else:
            of_day.append((period.start_minute, period.end_minute))
    outside: list[int] = []
    for pattern in view.patterns:
        for start, end in by_weekday.get(pattern.weekday, ()):
            if start <= pattern.start_minute and pattern.end_minute <= end:
                break
        else:
            outside.extend(pattern.indexes)
    zone = ZoneInfo(time_zone)
    for index in view.odd:
        wanted = need.sessions[index].period
        on = wanted.starts_at.astimezone(zone).date()
        if not any(working.contains(wanted) for working in open_periods(hours, on, time_zone)):
            outside.append(index)
    return tuple(sorted(outside))
