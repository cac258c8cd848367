"""Sessions at other times: one moved or made up for, one cancelled, a series paused (rules A7, B8 and S1).

Part of the service. A session is never changed in place: it becomes ``rescheduled`` and points to its successor, which
has its number and mode. No approval is asked for, because the trainer stays the same: the booking's own, also where a
substitute had the session. Under the trainer's lock the one scorer judges the new times; if it refuses nothing changes,
unless one session is planned without a trainer on purpose: a substitute is found for it afterwards.
Locks are taken in this order: booking, assignments, trainers by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.assignments.conflicts import conflicts
from webapp.assignments.deciding import end_assignments, lock_assignments
from webapp.assignments.facts import TrainerFacts
from webapp.assignments.limits import Limits
from webapp.assignments.models import Assignment
from webapp.assignments.queries.candidates import candidates, weigh
from webapp.assignments.queries.covering import must_be_taught, must_lie_ahead, own_trainer, slots_now
from webapp.assignments.queries.needs import NeededSession, booking_need, session_need
from webapp.assignments.rules import AssignmentStatus, Verdict, assess
from webapp.audit import service as audit
from webapp.bookings.models import Booking, CourseSession
from webapp.bookings.replanning import remaining
from webapp.bookings.rules import DAY, CourseSessionStatus, PlannedSession, SessionMode, crosses_midnight, planned
from webapp.bookings.service import booking_to_change, required_reason
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid
from webapp.core.ids import new_id
from webapp.course_sessions.queries import booking_of, request_of
from webapp.course_sessions.rules import moved, paused, replanned
from webapp.course_sessions.successors import Course, Successor, locked_substitutes, reschedule
from webapp.db.work import Work
from webapp.schedule import service as schedule

_RASTER = [time(*divmod(minute, 60)) for minute in range(0, 24 * 60 - 20, 20)]
"""The times of day that are looked at for a session: every twenty minutes, as long as it ends by midnight."""
_RESUMES_WITHIN = 14
"""How many days after the wished one a refused pause looks for a date to resume on."""


@dataclass(frozen=True, slots=True)
class MoveAnswer:
    """What a move would come to: the session as it would be, and whether the booking's own trainer is free for it.

    ``free_times`` are those of that local date, every twenty minutes, at which the trainer is free and no session of
    the booking is in the way; ``others`` the eligible others for the time asked for, best first.
    """

    session: PlannedSession
    trainer: Verdict
    free_times: tuple[time, ...]
    others: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class PauseAnswer:
    """What a pause would come to: the sessions that change, as they are and as they would be, in the same order.

    Where the booking's own trainer is not free for them, ``resume_on`` is the first date within two weeks after the
    one wished for on which the course could go on, if there is one.
    """

    before: tuple[PlannedSession, ...]
    after: tuple[PlannedSession, ...]
    trainer: Verdict
    resume_on: date | None


def move_answer(
    db: Session, session_id: UUID, to_date: date, to_time: time, *, visible_to: Actor, now: datetime, limits: Limits
) -> MoveAnswer:
    """Whether a session can be moved, or made up for, and what else would do. Seven statements at most.

    Raises like ``move_session``, but for what stands against the trainer: that is part of the answer.
    """
    course, change = _move(db, session_id, to_date, to_time, visible_to=visible_to, now=now, limits=limits)
    to, own = change.is_.planned, course.own.trainer_id
    facts = _facts(db, course, [to], limits)  # they tell of whole days
    need = course.with_sessions([to])
    others = candidates(db, need.need, need.family, max_courses=limits.max_courses)
    return MoveAnswer(
        session=to,
        trainer=assess(need.need, facts, max_courses=limits.max_courses),
        free_times=_free_times(course, change, facts, now),
        others=tuple(verdict for verdict in others if verdict.eligible and verdict.trainer_id != own),
    )


def move_session(
    work: Work,
    session_id: UUID,
    to_date: date,
    to_time: time,
    *,
    version: int,
    by: Actor,
    now: datetime,
    limits: Limits,
    without_trainer: bool = False,
) -> UUID:
    """Move a session that has not begun to a local date and time, or plan the make-up of one missed or cancelled.

    Returns the id of its successor; ``version`` is the booking's. A cancelled one that still lies ahead may come back
    at its own time. ``without_trainer`` plans it although the booking's own trainer cannot take it: it needs cover
    then, and a substitute can be proposed for it. Otherwise a course whose trainer has left could never be made whole.

    Raises ``NotFound``; ``Invalid`` as ``rules.replanned`` does; ``Conflict`` ``booking-changed``,
    ``booking-not-taught``, ``session-begun``, ``session-done``, ``cover-pending``, ``trainer-taken`` and
    ``trainer-not-eligible``, or ``trainer-free`` where the session could have its trainer after all.
    """
    booking = _locked(work.db, session_id, version=version, by=by)
    course, change = _move(work.db, session_id, to_date, to_time, visible_to=by, now=now, limits=limits)
    reschedule(work, booking, course, [change], by=by, now=now, limits=limits, without_trainer=without_trainer)
    return change.is_.id


def cancel_session(work: Work, session_id: UUID, *, version: int, reason: str, by: Actor, now: datetime) -> None:
    """Cancel one session that has not begun, with a reason: its trainer is free, and it needs a make-up (rule S1).

    An open proposal that covers it goes on without it, as another version, and is withdrawn when it covered nothing
    else. Raises
    ``NotFound``, ``Invalid`` for the ``reason``, and ``Conflict`` ``booking-changed``, ``booking-not-taught``,
    ``session-begun`` and ``session-done``.
    """
    reason = required_reason(reason)
    booking = _locked(work.db, session_id, version=version, by=by)
    must_be_taught(booking.status)
    session = work.db.get_one(CourseSession, session_id, populate_existing=True)
    must_lie_ahead(session.status, session.starts_at, now)
    slots = slots_now(work.db, booking.id)
    going = slots.without({session_id})
    losing = {slot.assignment_id for slot in slots.held_for({session_id})}
    withdrawn: list[Assignment] = []
    shorter: list[Assignment] = []
    for assignment in lock_assignments(work.db, losing):
        (withdrawn if assignment.id in going else shorter).append(assignment)
    replaced = locked_substitutes(work.db, slots, {session_id})
    schedule.lock_trainers(work.db, {slot.trainer_id for slot in slots.slots if slot.session_id == session_id})
    end_assignments(work, withdrawn, AssignmentStatus.WITHDRAWN, by=by, now=now, reason=reason)
    for assignment in shorter:
        assignment.version += 1  # nobody approves what they have not seen
    end_assignments(work, replaced, AssignmentStatus.REPLACED, by=by, now=now, reason=reason)
    schedule.release_sessions(work, booking.id, [session_id], operator_id=booking.operator_id, by=by, now=now)
    before = session.status
    session.status = moved(before, CourseSessionStatus.CANCELLED)
    session.cancelled_reason = reason
    booking.version += 1
    audit.record(
        work,
        "session.cancelled",
        "course_session",
        session_id,
        operator_id=session.operator_id,
        by=by,
        at=now,
        before={"status": before},
        after={"status": session.status, "booking_id": booking.id, "number": session.number},
    )


def pause_answer(
    db: Session, booking_id: UUID, from_date: date, to_date: date, *, visible_to: Actor, now: datetime, limits: Limits
) -> PauseAnswer:
    """What pausing from one local date to another, both included, would come to. Five statements.

    Raises like ``pause``, but for what stands against the trainer: that is part of the answer.
    """
    course = _course(db, booking_id, visible_to=visible_to, limits=limits)
    wished, *later = _pauses(db, course, from_date, to_date, now=now, later=_RESUMES_WITHIN)
    wide = {session.starts_at: session for changes in (wished, *later) for _, session in changes}
    facts = _facts(db, course, list(wide.values()), limits)

    def verdict(changes: _Moves) -> Verdict:
        need = course.with_sessions([session for _, session in changes]).need
        return assess(need, facts, max_courses=limits.max_courses)

    trainer = verdict(wished)
    resumes = None
    if not trainer.eligible:
        resumes = next((min(s.date for _, s in changes) for changes in later if verdict(changes).eligible), None)
    return PauseAnswer(
        before=tuple(session.planned for session, _ in wished),
        after=tuple(session for _, session in wished),
        trainer=trainer,
        resume_on=resumes,
    )


def pause(
    work: Work,
    booking_id: UUID,
    from_date: date,
    to_date: date,
    *,
    version: int,
    by: Actor,
    now: datetime,
    limits: Limits,
) -> int:
    """Pause a series from one local date to another, both included: the sessions not begun go on after it (rule B8).

    All are moved or none; returns how many. Raises ``NotFound``; ``Invalid`` and ``Conflict`` as ``rules.paused`` does;
    and ``Conflict`` as ``move_session`` does.
    """
    booking = booking_to_change(work.db, booking_id, by=by, version=version)
    course = _course(work.db, booking_id, visible_to=by, limits=limits)
    (wished,) = _pauses(work.db, course, from_date, to_date, now=now)
    changes = [Successor(session, NeededSession(new_id(), after)) for session, after in wished]
    reschedule(work, booking, course, changes, by=by, now=now, limits=limits)
    audit.record(
        work,
        "booking.paused",
        "booking",
        booking_id,
        operator_id=booking.operator_id,
        by=by,
        at=now,
        after={"from_date": from_date, "to_date": to_date, "sessions": len(changes)},
    )
    return len(changes)


def _locked(db: Session, session_id: UUID, *, version: int, by: Actor) -> Booking:
    """The booking of a session under its lock, the first of every change."""
    return booking_to_change(db, booking_of(db, session_id, visible_to=by), by=by, version=version)


def _move(
    db: Session, session_id: UUID, to_date: date, to_time: time, *, visible_to: Actor, now: datetime, limits: Limits
) -> tuple[Course, Successor]:
    """A session that may be moved, its booking, and the successor it would have."""
    booking, session = session_need(db, session_id, visible_to=visible_to, travel=limits.travel)
    must_be_taught(booking.status)
    if session.status is CourseSessionStatus.SCHEDULED:
        must_lie_ahead(session.status, session.starts_at, now)
    slots = slots_now(db, booking.id)
    slots.refuse_pending({session_id}, times_change=True)
    to = replanned(
        session.planned,
        session.status,
        to_date,
        to_time,
        others=[other.planned for other in booking.sessions if other.id != session_id],
        time_zone=booking.need.time_zone,
        now=now,
    )
    course = Course(booking, own_trainer(db, booking.id), slots)
    return course, Successor(session, NeededSession(new_id(), to))


def _course(db: Session, booking_id: UUID, *, visible_to: Actor, limits: Limits) -> Course:
    booking = booking_need(db, booking_id, visible_to=visible_to, travel=limits.travel)
    must_be_taught(booking.status)
    return Course(booking, own_trainer(db, booking_id), slots_now(db, booking_id))


_Moves = list[tuple[NeededSession, PlannedSession]]
"""Sessions, each with what would become of it."""


def _pauses(
    db: Session, course: Course, from_date: date, to_date: date, *, now: datetime, later: int = 0
) -> list[_Moves]:
    """What a pause would move, and what the pauses would that last one day longer each, as far as there are any."""
    request = request_of(db, course.booking.id)
    ahead = {session.planned.number: session for session in remaining(course.booking.sessions, now)}

    def ending(on: date) -> _Moves:
        changes = paused([session.planned for session in ahead.values()], from_date, on, request, now=now)
        return [(ahead[is_.number], will_be) for is_, will_be in changes]

    found = [ending(to_date)]
    course.slots.refuse_pending({session.id for session, _ in found[0]}, times_change=True)
    for days in range(1, later + 1):
        with suppress(Invalid, Conflict):
            found.append(ending(to_date + days * DAY))
    return found


def _facts(db: Session, course: Course, sessions: Sequence[PlannedSession], limits: Limits) -> TrainerFacts:
    """What the scorer has to know of the booking's own trainer on the days of these sessions."""
    booking, own = course.with_sessions(sessions), course.own.trainer_id
    return weigh(db, booking.need, booking.family, max_courses=limits.max_courses, only=own).facts[own]


def _free_times(course: Course, change: Successor, facts: TrainerFacts, now: datetime) -> tuple[time, ...]:
    """The times of the day of a move that would do; online the time slot stays (rule B7)."""
    to, zone = change.is_.planned, course.booking.need.time_zone
    others = [other.planned.period for other in course.booking.sessions if other.id != change.of.id]
    at = (planned(to.number, to.date, slot, zone, to.mode) for slot in _slots_for(to))
    wanted = [
        session
        for session in at
        if not session.shifted
        and not crosses_midnight(session, zone)
        and session.starts_at > now
        and not any(session.period.overlaps(other) for other in others)
    ]
    free: set[time] = set()
    for together in _apart(wanted):
        need = course.with_sessions(together).need
        blocked = conflicts(need, facts).indexes
        free.update(session.timeslot for index, session in enumerate(need.sessions) if index not in blocked)
    return tuple(sorted(free))


def _slots_for(session: PlannedSession) -> Sequence[time]:
    return _RASTER if session.mode is SessionMode.OFFLINE else [session.timeslot]


def _apart(sessions: Sequence[PlannedSession]) -> list[list[PlannedSession]]:
    """Sessions in as few groups as they can be looked at together: those of a group do not overlap."""
    groups: list[list[PlannedSession]] = []
    for session in sorted(sessions, key=lambda one: one.starts_at):
        group = next((group for group in groups if group[-1].ends_at <= session.starts_at), None)
        if group is None:
            groups.append([session])
        else:
            group.append(session)
    return groups
