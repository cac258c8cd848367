"""Writing the successors of sessions: the sessions, their slots, and what the audit keeps of it.

Part of the service: only ``rescheduling`` calls it, with the booking's lock held.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from webapp.assignments.deciding import end_assignments, lock_assignments
from webapp.assignments.limits import Limits
from webapp.assignments.models import Assignment
from webapp.assignments.queries.candidates import candidates
from webapp.assignments.queries.covering import OwnTrainer, SlotsNow
from webapp.assignments.queries.needs import BookingNeed, NeededSession
from webapp.assignments.refusals import not_eligible, taken
from webapp.assignments.rules import AssignmentKind, AssignmentStatus
from webapp.audit import service as audit
from webapp.bookings.models import Booking, CourseSession
from webapp.bookings.rules import CourseSessionStatus, PlannedSession, SessionMode
from webapp.core.actor import Actor
from webapp.core.errors import Conflict
from webapp.core.ids import new_id
from webapp.course_sessions.rules import moved
from webapp.db.work import Work
from webapp.schedule import service as schedule
from webapp.schedule.rules import SlotStatus
from webapp.schedule.service import SlotToTake


@dataclass(frozen=True, slots=True)
class Course:
    """A booking under way: its sessions still scheduled, its own trainer, and who is taken for what."""

    booking: BookingNeed
    own: OwnTrainer
    slots: SlotsNow

    def with_sessions(self, sessions: Sequence[PlannedSession]) -> BookingNeed:
        """The booking in need of a trainer at these times."""
        return self.booking.at([NeededSession(new_id(), session) for session in sessions])


@dataclass(frozen=True, slots=True)
class Successor:
    """A session and the one that takes its place."""

    of: NeededSession
    is_: NeededSession


def reschedule(
    work: Work,
    booking: Booking,
    course: Course,
    changes: Sequence[Successor],
    *,
    by: Actor,
    now: datetime,
    limits: Limits,
    without_trainer: bool = False,
) -> None:
    """Give sessions of a locked booking their successors, and the successors to the booking's own trainer.

    ``without_trainer`` to nobody, and only where the own trainer cannot take them: whoever has a trainer keeps them.
    """
    own, need = course.own, course.booking.at([change.is_ for change in changes])
    ahead = {change.of.id for change in changes if change.of.starts_at > now}
    replaced = locked_substitutes(work.db, course.slots, ahead)
    schedule.lock_trainers(work.db, {own.trainer_id, *course.slots.trainers_of(ahead)})
    (verdict,) = candidates(work.db, need.need, need.family, max_courses=limits.max_courses, only=own.trainer_id)
    if without_trainer and verdict.eligible:
        raise Conflict("trainer-free", "%(name)s is free then: move it with them.", name=own.name)
    if not without_trainer and not verdict.eligible:
        raise not_eligible(verdict)
    with work.db.begin_nested():  # what the database refuses leaves nothing behind, even in its own transaction
        end_assignments(work, replaced, AssignmentStatus.REPLACED, by=by, now=now)
        schedule.release_sessions(work, booking.id, ahead, operator_id=booking.operator_id, by=by, now=now)
        _store(work, booking, changes, None if without_trainer else own.trainer_id, by=by, now=now)
        took = without_trainer or schedule.take(
            work,
            [_slot(need, change.is_) for change in changes],
            operator_id=booking.operator_id,
            trainer_id=own.trainer_id,
            booking_id=booking.id,
            assignment_id=own.assignment_id,
            status=SlotStatus.BOOKED,
        )
        if not took:
            raise taken(verdict)
    booking.version += 1


def locked_substitutes(db: Session, slots: SlotsNow, session_ids: Collection[UUID]) -> list[Assignment]:
    """The substitutes, locked, who would have no session left without these."""
    going = slots.without(session_ids).items()
    return lock_assignments(
        db,
        [id_ for id_, slot in going if slot.kind is AssignmentKind.SUBSTITUTE and slot.status is SlotStatus.BOOKED],
    )


def _slot(booking: BookingNeed, session: NeededSession) -> SlotToTake:
    need, at = booking.need, session.planned
    place = need.place if at.mode is SessionMode.OFFLINE else None
    return SlotToTake(session.id, at.period, at.date, at.timeslot, place, need.buffer_minutes)


def _store(
    work: Work, booking: Booking, changes: Sequence[Successor], trainer_id: UUID | None, *, by: Actor, now: datetime
) -> None:
    """Write the successors and point to them, with an audit entry for each that says who has them, if anybody."""
    # First those that go: a number has one session that counts.
    work.db.execute(
        update(CourseSession),
        [
            {"id": change.of.id, "status": CourseSessionStatus.RESCHEDULED, "successor_id": change.is_.id}
            for change in changes
        ],
    )
    work.db.execute(
        insert(CourseSession),
        [
            {
                "id": change.is_.id,
                "operator_id": booking.operator_id,
                "booking_id": booking.id,
                "number": change.is_.planned.number,
                "date": change.is_.planned.date,
                "timeslot": change.is_.planned.timeslot,
                "time_zone": booking.time_zone,
                "starts_at": change.is_.planned.starts_at,
                "ends_at": change.is_.planned.ends_at,
                "mode": change.is_.planned.mode,
                "shifted": change.is_.planned.shifted,
                "status": change.is_.status,
            }
            for change in changes
        ],
    )
    for change in changes:
        was, to = change.of, change.is_
        audit.record(
            work,
            "session.rescheduled",
            "course_session",
            was.id,
            operator_id=booking.operator_id,
            by=by,
            at=now,
            before={"status": was.status, "date": was.planned.date, "timeslot": was.planned.timeslot},
            after={
                "status": moved(was.status, CourseSessionStatus.RESCHEDULED),
                "date": to.planned.date,
                "timeslot": to.planned.timeslot,
                "successor_id": to.id,
                "booking_id": booking.id,
                "number": to.planned.number,
                "trainer_id": trainer_id,
            },
        )
