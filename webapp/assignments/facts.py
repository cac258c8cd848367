"""What the scorer is told: the booking's need and the trainers, as plain facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from webapp.bookings.rules import PlannedSession
from webapp.core.errors import RuleBroken
from webapp.core.geo import Location
from webapp.core.intervals import Interval
from webapp.trainers.rules import MINUTES_PER_DAY, WorkingHours


@dataclass(frozen=True, slots=True)
class TrainerFacts:
    """A trainer as the scorer sees one.

    ``busy`` (held and booked slots, of other bookings) and ``away`` (time off) need only hold what overlaps the wanted
    sessions. ``booked_minutes`` are those between the booking's first and last session. ``blocked``: family and trainer
    are kept apart. ``taught_students``: taught one of these students before. ``languages`` are ISO 639-1 codes.
    """

    id: UUID
    name: str
    operator_id: UUID
    active: bool
    course_ids: frozenset[UUID]
    zone_ids: frozenset[UUID]
    base: Location | None
    hours: tuple[WorkingHours, ...]
    time_zone: str
    away: tuple[Interval, ...] = ()
    busy: tuple[Interval, ...] = ()
    blocked: bool = False
    languages: frozenset[str] = frozenset()
    gender: str | None = None
    taught_students: bool = False
    booked_minutes: int = 0


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


@dataclass(frozen=True, slots=True)
class CourseNeed:
    """What a booking needs of its trainer. Sessions are sorted here; ``reach_km`` is the zone's (rule T8).

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
    starts: tuple[datetime, ...] = field(init=False, repr=False, compare=False)
    ends: tuple[datetime, ...] = field(init=False, repr=False, compare=False)
    # Worked out once per time zone and shared by all trainers of one question: the only part that is filled later.
    _views: dict[str, LocalView] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        sessions = tuple(sorted(self.sessions, key=lambda s: s.starts_at))
        starts, ends = (tuple(s.starts_at for s in sessions), tuple(s.ends_at for s in sessions))
        if not sessions or any(end > start for end, start in zip(ends, starts[1:], strict=False)):
            raise RuleBroken("a booking needs sessions that do not overlap")
        for name, value in (("sessions", sessions), ("starts", starts), ("ends", ends)):
            object.__setattr__(self, name, value)

    def view_in(self, time_zone: str) -> LocalView:
        """The sessions on a time zone's wall clock."""
        if time_zone not in self._views:
            self._views[time_zone] = _local_view(self.sessions, time_zone)
        return self._views[time_zone]

    @property
    def total(self) -> int:
        """How many sessions the trainer must take."""
        return len(self.sessions)
