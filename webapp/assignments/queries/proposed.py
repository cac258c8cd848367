"""The sessions a proposal is for: all of a course, or those a change of trainer covers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from webapp.assignments.rules import AssignmentKind
from webapp.bookings.models import CourseSession
from webapp.bookings.rules import CourseSessionStatus, SessionMode
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.rules import SlotStatus
from webapp.trainers.models import Trainer


@dataclass(frozen=True, slots=True)
class ProposedSession:
    """A session the proposal covers; ``date`` and ``timeslot`` are local to the booking's time zone.

    ``trainer`` is who has it now, where that is somebody else.
    """

    id: UUID
    number: int
    date: date
    timeslot: time
    mode: SessionMode
    shifted: bool
    trainer: str | None


def proposed_sessions(
    db: Session, booking_id: UUID, assignment_id: UUID, kind: AssignmentKind
) -> tuple[ProposedSession, ...]:
    """The sessions a proposal is for: all of a course; of a change those it has slots of, none once it has let go."""
    booked = (
        select(Trainer.name)
        .join(ScheduleSlot, ScheduleSlot.trainer_id == Trainer.id)
        .where(
            ScheduleSlot.course_session_id == CourseSession.id,
            ScheduleSlot.status == SlotStatus.BOOKED,
            ScheduleSlot.assignment_id != assignment_id,
        )
        .correlate(CourseSession)
        .scalar_subquery()
    )
    shown = select(
        CourseSession.id,
        CourseSession.number,
        CourseSession.date,
        CourseSession.timeslot,
        CourseSession.mode,
        CourseSession.shifted,
        booked,
    ).where(CourseSession.booking_id == booking_id, CourseSession.status != CourseSessionStatus.RESCHEDULED)
    if kind is not AssignmentKind.COURSE:
        taken = exists().where(
            ScheduleSlot.course_session_id == CourseSession.id, ScheduleSlot.assignment_id == assignment_id
        )
        shown = shown.where(taken)
    return tuple(ProposedSession(*row) for row in db.execute(shown.order_by(CourseSession.starts_at)))
