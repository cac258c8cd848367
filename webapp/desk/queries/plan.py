"""A booking in the making: the zone of its place, its schedule and its trainers, as far as they follow by now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.assignments.grid import Grid, course_grid
from webapp.assignments.limits import Limits
from webapp.assignments.queries.candidates import Family, weigh
from webapp.assignments.queries.needs import booking_need
from webapp.assignments.rules import CourseNeed, Verdict
from webapp.bookings.models import CourseSession
from webapp.bookings.rules import CourseRequest, CourseSessionStatus, PlannedSession, SessionMode, plan_sessions
from webapp.bookings.service import choose_zone
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid
from webapp.desk.queries.booking import BookingDetail
from webapp.desk.rules import Missing, Wish
from webapp.zones.queries import ZoneAt, nearest_zones, zones_at

_NEAREST = 3


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session as people read it: ``date`` and ``clock`` on the zone's wall clock, after any clock change."""

    number: int
    date: date
    clock: time
    mode: SessionMode
    shifted: bool


@dataclass(frozen=True, slots=True)
class Trainers:
    """The ranked trainers of a need, and those who cannot, each with every reason (rule T11)."""

    eligible: tuple[Verdict, ...] = ()
    others: tuple[Verdict, ...] = ()
    grid: Grid | None = None
    """Session by session, for those against whom nothing else stands."""

    @property
    def nearly_first(self) -> tuple[Verdict, ...]:
        """The others, first those whom one change would do for."""
        return tuple(sorted(self.others, key=lambda verdict: verdict.fix is None))

    @property
    def best(self) -> Verdict | None:
        """Who comes first."""
        return self.eligible[0] if self.eligible else None

    def named(self, trainer_id: UUID | None) -> Verdict | None:
        """The eligible trainer of an id, ``None`` when there is none."""
        return next((verdict for verdict in self.eligible if verdict.trainer_id == trainer_id), None)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that follows from a wish.

    ``zone`` is where it would be booked, out of ``zones`` of the serving operator that contain the place. Where it
    cannot be, ``elsewhere`` is another operator's serving zone, or ``nearest`` are the zones closest to a place that
    no zone contains. ``faults`` are the rules the wish breaks so far.
    """

    wish: Wish
    missing: tuple[Missing, ...]
    zone: ZoneAt | None = None
    zones: tuple[ZoneAt, ...] = ()
    elsewhere: ZoneAt | None = None
    nearest: tuple[ZoneAt, ...] = ()
    sessions: tuple[SessionLine, ...] = ()
    faults: tuple[Invalid, ...] = ()
    trainers: Trainers | None = None

    @property
    def outside(self) -> bool:
        """Whether the place is known and nobody serves it."""
        return self.wish.place is not None and self.zone is None and self.elsewhere is None

    @property
    def clocks(self) -> tuple[time, ...]:
        """The local times at which sessions usually start, ascending: two for Sundays, else one."""
        moved = dict(self.wish.moves)
        return tuple(sorted({line.clock for line in self.sessions if not line.shifted and line.number not in moved}))

    @property
    def shifted(self) -> int:
        """How many sessions a clock change moves (rule B10)."""
        return sum(line.shifted for line in self.sessions)

    @property
    def online(self) -> int:
        """How many sessions are taught online."""
        return sum(line.mode is SessionMode.ONLINE for line in self.sessions)

    @property
    def at_home(self) -> int:
        """How many sessions are taught at the family's home."""
        return len(self.sessions) - self.online


def plan_of(
    db: Session,
    wish: Wish,
    *,
    visible_to: Actor,
    now: datetime,
    limits: Limits,
    trainers: bool = True,
    by_free: bool = False,
    around: tuple[ZoneAt, ...] | None = None,
) -> Plan:
    """Look up all that follows from a wish: at most six statements, one without ``trainers``.

    ``by_free`` sorts the grid by free sessions. ``around`` are the zones that contain the wish's place, where they are
    known already.
    """
    missing = wish.missing()
    if wish.place is None:
        return Plan(wish, missing)
    if around is None:
        around = zones_at(db, wish.place)
    try:
        winner = choose_zone(around, None, by=visible_to)
    except Conflict:
        return Plan(wish, missing, elsewhere=around[0])
    except Invalid:
        return Plan(wish, missing, nearest=nearest_zones(db, wish.place, _NEAREST))
    zones = tuple(zone for zone in around if zone.operator_id == winner.operator_id)
    # A zone chosen for an earlier place no longer counts.
    zone = next((zone for zone in zones if zone.id == wish.zone_id), winner)
    planned, faults = wish.scheduled_in(zone.time_zone, now)
    if wish.owner_id is not None and wish.owner_id != zone.operator_id:
        faults = (*faults, _family_elsewhere(zone))
        return Plan(wish, missing, zone, zones, sessions=_lines(planned, zone.time_zone), faults=faults)
    return Plan(
        wish,
        missing,
        zone,
        zones,
        sessions=_lines(planned, zone.time_zone),
        faults=faults,
        trainers=_trainers(db, wish, zone, planned, now, limits, by_free)
        if trainers and planned and wish.course_id
        else None,
    )


def trainers_for(db: Session, booking_id: UUID, *, now: datetime, limits: Limits, by_free: bool = False) -> Trainers:
    """The trainers for a stored booking, which the caller has found to be visible. Four statements."""
    booking = booking_need(db, booking_id, travel=limits.travel)
    return _looked(db, booking.need, booking.family, now, limits, by_free)


def stored_moves(db: Session, booking: BookingDetail) -> tuple[tuple[int, time], ...]:
    """The sessions of a waitlisted booking that were moved within their day: number and time. One statement."""
    request = CourseRequest(
        class_type=booking.class_type,
        delivery_mode=booking.delivery_mode,
        total_sessions=booking.total_sessions,
        start_date=booking.start_date,
        timeslot=booking.timeslot,
        time_zone=booking.time_zone,
    )
    usual = {session.number: session.timeslot for session in plan_sessions(request)}
    stored = db.execute(
        select(CourseSession.number, CourseSession.timeslot)
        .where(CourseSession.booking_id == booking.id, CourseSession.status == CourseSessionStatus.SCHEDULED)
        .order_by(CourseSession.number)
    )
    return tuple((number, at) for number, at in stored if usual.get(number) != at)


def _trainers(
    db: Session,
    wish: Wish,
    zone: ZoneAt,
    planned: tuple[PlannedSession, ...],
    now: datetime,
    limits: Limits,
    by_free: bool,
) -> Trainers | None:
    if wish.course_id is None or wish.place is None:
        return None
    need = CourseNeed(
        operator_id=zone.operator_id,
        zone_id=zone.id,
        course_id=wish.course_id,
        place=wish.place,
        reach_km=zone.reach_km,
        time_zone=zone.time_zone,
        sessions=planned,
        prefers_language=wish.prefers_language,
        prefers_gender=wish.prefers_gender,
        prefers_taught_before=wish.prefers_taught_before,
        buffer_minutes=zone.travel_buffer_minutes,
        travel=limits.travel,
        booking_id=wish.booking_id,
        delivery_mode=wish.delivery_mode,
    )
    family = Family(wish.household_id, wish.student_ids, wish.booking_id)
    return _looked(db, need, family, now, limits, by_free)


def _looked(db: Session, need: CourseNeed, family: Family, now: datetime, limits: Limits, by_free: bool) -> Trainers:
    found = weigh(db, need, family, max_courses=limits.max_courses, fixes_after=now)
    return Trainers(
        tuple(verdict for verdict in found.verdicts if verdict.eligible),
        tuple(verdict for verdict in found.verdicts if not verdict.eligible),
        course_grid(need, found.verdicts, found.facts, by_free=by_free),
    )


def _lines(planned: tuple[PlannedSession, ...], time_zone: str) -> tuple[SessionLine, ...]:
    zone = ZoneInfo(time_zone)
    return tuple(SessionLine(s.number, s.date, s.starts_at.astimezone(zone).time(), s.mode, s.shifted) for s in planned)


def _family_elsewhere(zone: ZoneAt) -> Invalid:
    return Invalid(
        "family-elsewhere",
        "This family belongs to another operator than the zone (%(operator)s). Take it in as a new family there.",
        field="household",
        operator=zone.operator_name,
    )
