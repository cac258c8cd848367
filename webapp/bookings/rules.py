"""Bookings: what may be asked for, and the schedule that follows from it (rules B1 to B10)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from webapp.core import moves
from webapp.core.clock import today_in
from webapp.core.errors import Invalid, RuleBroken
from webapp.core.intervals import Interval, resolve_local
from webapp.zones.rules import is_time_zone

SESSION_LENGTH = timedelta(minutes=40)
"""A course session lasts 40 minutes of elapsed time (rule B4)."""

TOTALS = (10, 20, 30)
HYBRID_TOTAL = 30
MAX_STUDENTS = 3
DRAFT_LIFE = timedelta(days=14)
"""How long an interrupted call is kept as a draft."""

HORIZON = timedelta(days=5 * 366)
"""How far ahead a course may start: nobody books later, and calendars end somewhere."""

_FIXED_ONLINE = 6
"""The first sessions of a hybrid course are online, before the two modes take turns (rule B7)."""

DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)
_SUNDAY = 6


class ClassType(StrEnum):
    """How many students share a booking."""

    ONE_ON_ONE = "one_on_one"
    ONE_ON_TWO = "one_on_two"
    ONE_ON_THREE = "one_on_three"
    HYBRID = "hybrid"


class DeliveryMode(StrEnum):
    """On which days, and how, a course is taught."""

    WEEKDAY_DAILY = "weekday_daily"
    SUNDAY_ONLY = "sunday_only"
    HYBRID = "hybrid"


class SessionMode(StrEnum):
    """Where one session is taught."""

    ONLINE = "online"
    OFFLINE = "offline"


class BookingStatus(StrEnum):
    """The life of a booking."""

    WAITLISTED = "waitlisted"
    PENDING_APPROVAL = "pending_approval"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class EnquiryStatus(StrEnum):
    """The life of an enquiry: a place asked for and not (yet) served, or a call interrupted."""

    DRAFT = "draft"
    SERVICE_NOT_AVAILABLE = "service_not_available"
    OTHER_OPERATOR = "other_operator"
    BOOKED = "booked"
    CLOSED = "closed"
    EXPIRED = "expired"


class PaymentStatus(StrEnum):
    """Told by another system or by staff, in any order; it has no table of moves."""

    UNPAID = "unpaid"
    PART_PAID = "part_paid"
    PAID = "paid"
    REFUNDED = "refunded"


class CourseSessionStatus(StrEnum):
    """The life of one course session (rule S1)."""

    SCHEDULED = "scheduled"
    COMPLETED = "completed"
    MISSED = "missed"
    CANCELLED = "cancelled"
    RESCHEDULED = "rescheduled"


_B, _E = BookingStatus, EnquiryStatus

TAUGHT = (_B.ASSIGNED, _B.IN_PROGRESS)
"""Bookings that have a trainer and sessions to teach."""

MOVES: dict[BookingStatus, frozenset[BookingStatus]] = {
    _B.WAITLISTED: frozenset({_B.PENDING_APPROVAL, _B.CANCELLED}),
    _B.PENDING_APPROVAL: frozenset({_B.ASSIGNED, _B.WAITLISTED, _B.CANCELLED}),
    _B.ASSIGNED: frozenset({_B.IN_PROGRESS, _B.WAITLISTED, _B.CANCELLED}),
    _B.IN_PROGRESS: frozenset({_B.COMPLETED, _B.CANCELLED}),
    _B.COMPLETED: frozenset(),
    _B.CANCELLED: frozenset(),
}

ENQUIRY_MOVES: dict[EnquiryStatus, frozenset[EnquiryStatus]] = {
    _E.DRAFT: frozenset({_E.SERVICE_NOT_AVAILABLE, _E.OTHER_OPERATOR, _E.BOOKED, _E.CLOSED, _E.EXPIRED}),
    _E.SERVICE_NOT_AVAILABLE: frozenset({_E.BOOKED, _E.CLOSED}),
    _E.OTHER_OPERATOR: frozenset({_E.BOOKED, _E.CLOSED}),
    _E.BOOKED: frozenset(),
    _E.CLOSED: frozenset(),
    _E.EXPIRED: frozenset(),
}

STUDENTS_OF: dict[ClassType, range] = {
    ClassType.ONE_ON_ONE: range(1, 2),
    ClassType.ONE_ON_TWO: range(2, 3),
    ClassType.ONE_ON_THREE: range(3, 4),
    ClassType.HYBRID: range(1, MAX_STUDENTS + 1),
}
"""How many students each class type takes (rule B1)."""


def moved(is_: BookingStatus, to: BookingStatus) -> BookingStatus:
    """``to``, when a booking may go there. Raises ``Conflict`` ``booking-move``."""
    return moves.moved(
        MOVES, is_, to, code="booking-move", sentence="This booking is %(is_)s and cannot become %(to)s."
    )


def enquiry_moved(is_: EnquiryStatus, to: EnquiryStatus) -> EnquiryStatus:
    """``to``, when an enquiry may go there. Raises ``Conflict`` ``enquiry-move``."""
    return moves.moved(
        ENQUIRY_MOVES, is_, to, code="enquiry-move", sentence="This enquiry is %(is_)s and cannot become %(to)s."
    )


@dataclass(frozen=True, slots=True)
class CourseRequest:
    """What a family asks for: ``start_date`` and ``timeslot`` are local to the zone's IANA ``time_zone``."""

    class_type: ClassType
    delivery_mode: DeliveryMode
    total_sessions: int
    start_date: date
    timeslot: time
    time_zone: str


@dataclass(frozen=True, slots=True)
class PlannedSession:
    """One generated session. ``date`` and ``timeslot`` are the local ones it was made from (rule E1).

    ``starts_at`` and ``ends_at`` are UTC. ``shifted``: a clock change moved the start off the time slot (rule B10).
    """

    number: int
    date: date
    timeslot: time
    starts_at: datetime
    ends_at: datetime
    mode: SessionMode
    shifted: bool = False

    @property
    def period(self) -> Interval:
        """The half-open period in which the session takes its trainer."""
        return Interval(self.starts_at, self.ends_at)


def later(timeslot: time, by: timedelta) -> time:
    """The wall-clock time ``by`` later, on a clock of 24 hours."""
    return (datetime.combine(date.min, timeslot) + by).time()


def planned(number: int, on: date, timeslot: time, time_zone: str, mode: SessionMode) -> PlannedSession:
    """The session of a local date and time in an IANA time zone (rules B4 and B10)."""
    start = resolve_local(on, timeslot, time_zone)
    return PlannedSession(number, on, timeslot, start.at, start.at + SESSION_LENGTH, mode, start.shifted)


def planned_after(first: PlannedSession, number: int, time_zone: str, mode: SessionMode) -> PlannedSession:
    """The session back to back after ``first``: at the instant it ends, even where clocks change (rule B6)."""
    slot, starts_at = later(first.timeslot, SESSION_LENGTH), first.ends_at
    shifted = starts_at.astimezone(ZoneInfo(time_zone)).time() != slot
    return PlannedSession(number, first.date, slot, starts_at, starts_at + SESSION_LENGTH, mode, shifted)


def open_dates(first: date, step: timedelta, skip: Collection[date] = ()) -> Iterator[date]:
    """``first`` and on in steps, without end, leaving out the dates to ``skip`` (rule B8)."""
    on = first
    while True:
        if on not in skip:
            yield on
        on += step


def first_sunday(start: date) -> date:
    """The first Sunday on or after a date (rule B6)."""
    return start + timedelta(days=_SUNDAY - start.weekday())


def _daily(request: CourseRequest, skip: Collection[date]) -> Iterator[PlannedSession]:
    """Rule B5: consecutive days, all seven days of the week."""
    numbers = range(1, request.total_sessions + 1)
    for number, on in zip(numbers, open_dates(request.start_date, DAY, skip), strict=False):
        yield planned(number, on, request.timeslot, request.time_zone, SessionMode.OFFLINE)


def _sundays(request: CourseRequest, skip: Collection[date]) -> Iterator[PlannedSession]:
    """Rule B6: pairs, the second starting at the instant the first ends."""
    numbers = range(1, request.total_sessions, 2)
    for number, on in zip(numbers, open_dates(first_sunday(request.start_date), WEEK, skip), strict=False):
        first = planned(number, on, request.timeslot, request.time_zone, SessionMode.OFFLINE)
        yield first
        yield planned_after(first, number + 1, request.time_zone, SessionMode.OFFLINE)


def _hybrid(request: CourseRequest, skip: Collection[date]) -> Iterator[PlannedSession]:
    """Rule B7: 30 consecutive days, six online, then online and offline in turn."""
    numbers = range(1, HYBRID_TOTAL + 1)
    for number, on in zip(numbers, open_dates(request.start_date, DAY, skip), strict=False):
        offline = number > _FIXED_ONLINE and number % 2 == 0
        mode = SessionMode.OFFLINE if offline else SessionMode.ONLINE
        yield planned(number, on, request.timeslot, request.time_zone, mode)


_PLANS = {DeliveryMode.WEEKDAY_DAILY: _daily, DeliveryMode.SUNDAY_ONLY: _sundays, DeliveryMode.HYBRID: _hybrid}


def plan_sessions(request: CourseRequest, skip: Collection[date] = frozenset()) -> tuple[PlannedSession, ...]:
    """The course's sessions in order, numbered from 1 (rules B4 to B8 and B10), for a request that was checked.

    No session falls on a local date to ``skip`` (a holiday): the series runs longer, the number never changes.
    Raises ``RuleBroken`` when the count is not ``total_sessions`` (rule B9): such a schedule is never stored.
    """
    sessions = tuple(_PLANS[request.delivery_mode](request, skip))
    if len(sessions) != request.total_sessions:
        raise RuleBroken(f"planned {len(sessions)} sessions of {request.total_sessions}")
    return sessions


def _kind_faults(request: CourseRequest, students: int) -> Iterator[Invalid]:
    """Rules B1 and B2."""
    hybrid = request.delivery_mode is DeliveryMode.HYBRID
    if (request.class_type is ClassType.HYBRID) is not hybrid:
        yield Invalid(
            "hybrid-both",
            "Class type and delivery mode are both hybrid or neither is.",
            field="delivery_mode",
        )
    allowed = STUDENTS_OF[request.class_type]
    if students not in allowed:
        yield Invalid(
            "student-count",
            "This class type takes %(fewest)s to %(most)s students, not %(count)s."
            if len(allowed) > 1
            else "This class type takes exactly %(most)s students, not %(count)s.",
            field="students",
            fewest=allowed[0],
            most=allowed[-1],
            count=students,
        )
    if request.total_sessions not in TOTALS:
        yield Invalid("session-count", "A course has 10, 20 or 30 sessions.", field="total_sessions")
    elif hybrid and request.total_sessions != HYBRID_TOTAL:
        yield Invalid("hybrid-count", "A hybrid course has exactly 30 sessions.", field="total_sessions")


def crosses_midnight(session: PlannedSession, time_zone: str) -> bool:
    """Whether a session ends on another local date than it starts on (rule B4); midnight itself ends its day."""
    zone = ZoneInfo(time_zone)
    last_instant = session.ends_at - timedelta(microseconds=1)
    return session.starts_at.astimezone(zone).date() != last_instant.astimezone(zone).date()


def _time_faults(request: CourseRequest, now: datetime, skip: Collection[date]) -> Iterator[Invalid]:
    """Rules B3 and B4, for a request that can be planned."""
    slot = request.timeslot
    if slot.second or slot.microsecond or slot.tzinfo is not None:
        yield Invalid("timeslot-minutes", "Enter the time slot as hours and minutes.", field="timeslot")
        return
    today = today_in(request.time_zone, now)
    if request.start_date < today:
        yield Invalid("start-past", "The start date lies in the past.", field="start_date")
        return
    if request.start_date > today + HORIZON:
        yield Invalid("start-far", "The start date lies too far ahead.", field="start_date")
        return
    blocks = 2 if request.delivery_mode is DeliveryMode.SUNDAY_ONLY else 1
    minutes = slot.hour * 60 + slot.minute
    if timedelta(minutes=minutes) + blocks * SESSION_LENGTH > timedelta(days=1):
        yield Invalid("crosses-midnight", "The sessions of a day must end by midnight.", field="timeslot")
        return
    sessions = tuple(_PLANS[request.delivery_mode](request, skip))
    if sessions and sessions[0].starts_at <= now:
        yield Invalid("start-now", "The first session must start later than now.", field="timeslot")
    # Where clocks jump over midnight itself a session may cross it although its time slot does not.
    if any(crosses_midnight(session, request.time_zone) for session in sessions):
        yield Invalid("crosses-midnight", "The sessions of a day must end by midnight.", field="timeslot")


def faults_of(
    request: CourseRequest, *, students: int, now: datetime, skip: Collection[date] = frozenset()
) -> list[Invalid]:
    """Everything wrong with a request (rules B1 to B4), each ``Invalid`` naming its field.

    ``now`` is an aware instant, ``skip`` the dates without sessions. Fields: ``delivery_mode``, ``students``,
    ``total_sessions``, ``start_date``, ``timeslot``, ``time_zone``. An empty list means that ``plan_sessions`` works.
    """
    faults = list(_kind_faults(request, students))
    if not is_time_zone(request.time_zone):
        faults.append(Invalid("time-zone-unknown", "This time zone is not known.", field="time_zone"))
    elif not any(fault.field == "total_sessions" for fault in faults):
        faults.extend(_time_faults(request, now, skip))
    return faults


def check_request(
    request: CourseRequest, *, students: int, now: datetime, skip: Collection[date] = frozenset()
) -> None:
    """Raise the first fault of a request, an ``Invalid`` naming its field."""
    for fault in faults_of(request, students=students, now=now, skip=skip):
        raise fault


def may_move_within_day(session: PlannedSession, to_time: time, *, delivery_mode: DeliveryMode) -> bool:
    """Whether a session may be taught at another time of its day (rule B7): offline ones of a hybrid course, and
    only where they end by midnight (rule B4). Whether trainer and family are free then is another question.
    """
    if delivery_mode is not DeliveryMode.HYBRID or session.mode is not SessionMode.OFFLINE:
        return False
    return timedelta(hours=to_time.hour, minutes=to_time.minute) + SESSION_LENGTH <= timedelta(days=1)
