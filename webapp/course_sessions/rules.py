"""Teaching: completing sessions, attendance, make-ups, and when a booking is done (rules S1, S2 and C1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from uuid import UUID

from webapp.bookings.replanning import plan_pause, planned_move
from webapp.bookings.rules import (
    HORIZON,
    TAUGHT,
    BookingStatus,
    CourseRequest,
    CourseSessionStatus,
    PlannedSession,
    SessionMode,
)
from webapp.core import moves
from webapp.core.clock import today_in
from webapp.core.errors import Conflict, Invalid, RuleBroken

_S = CourseSessionStatus
_TIME = "timeslot"

MOVES: dict[CourseSessionStatus, frozenset[CourseSessionStatus]] = {
    _S.SCHEDULED: frozenset({_S.COMPLETED, _S.MISSED, _S.CANCELLED, _S.RESCHEDULED}),
    _S.COMPLETED: frozenset(),
    _S.MISSED: frozenset({_S.RESCHEDULED}),
    _S.CANCELLED: frozenset({_S.RESCHEDULED}),
    _S.RESCHEDULED: frozenset(),
}
"""A missed or cancelled session becomes ``rescheduled`` when its make-up is planned and it points there."""


class AttendanceMark(StrEnum):
    """What became of one student in one session (rule S2)."""

    PRESENT = "present"
    ABSENT = "absent"
    EXCUSED = "excused"


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A course session as rules see it; a make-up has its predecessor's number, which points to it."""

    id: UUID
    number: int
    status: CourseSessionStatus
    starts_at: datetime
    successor_id: UUID | None = None


def moved(is_: CourseSessionStatus, to: CourseSessionStatus) -> CourseSessionStatus:
    """``to``, when a session may go there. Raises ``Conflict`` ``session-move``."""
    return moves.moved(
        MOVES, is_, to, code="session-move", sentence="This session is %(is_)s and cannot become %(to)s."
    )


def replanned(
    session: PlannedSession,
    status: CourseSessionStatus,
    to_date: date,
    to_time: time,
    *,
    others: Iterable[PlannedSession],
    time_zone: str,
    now: datetime,
) -> PlannedSession:
    """The successor of a session that is moved, or made up for, to a local date and time (rules B4, B7, B10 and S1).

    ``others`` are the booking's sessions still scheduled. Raises ``Invalid``: for field ``to_date`` ``move-far``, and
    ``move-past`` where the day is over; for ``timeslot`` ``move-online`` (online the time slot stays), ``move-past``,
    ``move-same``, ``move-overlap``, ``timeslot-minutes`` and ``crosses-midnight``.
    """
    moved(status, _S.RESCHEDULED)
    today = today_in(time_zone, now)
    if to_date > today + HORIZON:
        raise Invalid("move-far", "This date lies too far ahead.", field="to_date")
    if session.mode is SessionMode.ONLINE and to_time != session.timeslot:
        raise Invalid(
            "move-online", "Session %(number)s is online and keeps its time.", field=_TIME, number=session.number
        )
    if to_date < today:  # No day to work with: nothing is planned for it, not even to be refused.
        raise Invalid("move-past", "A session must start later than now.", field="to_date")
    to = planned_move(session, to_date, to_time, time_zone)
    if to.starts_at <= now:
        raise Invalid("move-past", "A session must start later than now.", field=_TIME)
    if status is _S.SCHEDULED and to.period == session.period:
        raise Invalid("move-same", "The session is at that time already.", field=_TIME)
    if any(to.period.overlaps(other.period) for other in others):
        raise Invalid(
            "move-overlap", "Session %(number)s would overlap another one.", field=_TIME, number=session.number
        )
    return to


def paused(
    sessions: Iterable[PlannedSession], from_date: date, to_date: date, request: CourseRequest, *, now: datetime
) -> tuple[tuple[PlannedSession, PlannedSession], ...]:
    """The sessions that a pause moves, each as it is and as it will be (rule B8), out of those not begun.

    Raises ``Invalid`` for field ``to_date``: ``pause-order``, ``pause-past``, ``pause-far``; and ``Conflict``
    ``pause-nothing`` when no session would move.
    """
    today = today_in(request.time_zone, now)
    if from_date <= to_date < today:
        raise Invalid("pause-past", "The pause must not be over already.", field="to_date")
    if to_date > today + HORIZON:
        raise Invalid("pause-far", "This date lies too far ahead.", field="to_date")
    ordered = sorted(sessions, key=lambda session: session.starts_at)
    pairs = zip(ordered, plan_pause(ordered, from_date, to_date, request), strict=True)
    changed = tuple((is_, will_be) for is_, will_be in pairs if is_ != will_be)
    if not changed:
        raise Conflict("pause-nothing", "This pause would move no session.")
    return changed


def can_complete(session: SessionFacts, now: datetime) -> bool:
    """Whether completing the session changes anything (rule S1): ``False`` when it is completed already.

    Raises ``Conflict`` before the session starts, and for one that is missed, cancelled or rescheduled.
    """
    if session.status is _S.COMPLETED:
        return False
    moved(session.status, _S.COMPLETED)
    if now < session.starts_at:
        raise Conflict("session-not-started", "A session cannot be completed before it starts.")
    return True


def last_sessions(sessions: Iterable[SessionFacts]) -> dict[int, SessionFacts]:
    """The session that counts for each number: the one without a successor.

    Raises ``RuleBroken`` when a number has several or none: its chain of successors is torn.
    """
    last: dict[int, SessionFacts] = {}
    numbers = set()
    for session in sessions:
        numbers.add(session.number)
        if session.successor_id is None:
            if session.number in last:
                raise RuleBroken(f"session number {session.number} ends twice")
            last[session.number] = session
    if numbers != set(last):
        raise RuleBroken(f"session numbers {sorted(numbers - set(last))} never end")
    return last


def done_numbers(sessions: Iterable[SessionFacts]) -> frozenset[int]:
    """The numbers whose session, or last successor, is completed (rule S1)."""
    return frozenset(n for n, session in last_sessions(sessions).items() if session.status is _S.COMPLETED)


def needing_make_up(sessions: Iterable[SessionFacts]) -> list[SessionFacts]:
    """Sessions that were missed or cancelled and have no successor yet, by number (rule S1)."""
    last = last_sessions(sessions)
    return [last[n] for n in sorted(last) if last[n].status in (_S.MISSED, _S.CANCELLED)]


def booking_done(sessions: Iterable[SessionFacts], *, total_sessions: int) -> bool:
    """Whether every number from 1 to ``total_sessions`` is done (rule C1)."""
    return done_numbers(sessions) == frozenset(range(1, total_sessions + 1))


def booking_status_after(is_: BookingStatus, sessions: Iterable[SessionFacts], *, total_sessions: int) -> BookingStatus:
    """The booking's status once ``sessions`` are as they are: ``in_progress`` from the first completed one,
    ``completed`` with the last (rules S1 and C1). A booking that is not being taught keeps its status.
    """
    if is_ not in TAUGHT:
        return is_
    sessions = tuple(sessions)
    if booking_done(sessions, total_sessions=total_sessions):
        return BookingStatus.COMPLETED
    return BookingStatus.IN_PROGRESS if done_numbers(sessions) else is_


def check_marks(marks: Mapping[UUID, AttendanceMark], *, student_ids: Collection[UUID]) -> None:
    """Every student of the booking has a mark and nobody else (rule S2). Raises ``Invalid`` for field ``marks``."""
    if set(marks) != set(student_ids):
        raise Invalid("marks-incomplete", "Mark the attendance of every student of this booking.", field="marks")


def count_absences(marks: Iterable[AttendanceMark]) -> int:
    """How many sessions a student was absent from. Excused ones do not count."""
    return sum(mark is AttendanceMark.ABSENT for mark in marks)
