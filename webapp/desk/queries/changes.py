"""What the pages ask before a trainer is changed: which sessions, who has them now, and who could take them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, select
from sqlalchemy.orm import Session, aliased

from webapp.assignments.grid import course_grid
from webapp.assignments.limits import Limits
from webapp.assignments.queries.candidates import weigh
from webapp.assignments.queries.covering import Covered
from webapp.bookings.models import CourseSession
from webapp.bookings.rules import CourseSessionStatus, SessionMode
from webapp.desk.queries.booking import BookingDetail
from webapp.desk.queries.plan import Trainers
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.rules import SlotStatus
from webapp.trainers.models import Trainer


@dataclass(frozen=True, slots=True)
class SessionAhead:
    """A session still to be taught: who has it, and who is proposed instead; ``clock`` is its local start."""

    id: UUID
    number: int
    date: date
    clock: time
    mode: SessionMode
    trainer: str | None
    proposed: str | None


def sessions_ahead(db: Session, booking: BookingDetail, *, now: datetime) -> tuple[SessionAhead, ...]:
    """The sessions of a booking that have not begun, in order. One statement."""
    booked, held = aliased(ScheduleSlot), aliased(ScheduleSlot)
    has, instead = aliased(Trainer), aliased(Trainer)
    rows = db.execute(
        select(CourseSession, has.name, instead.name)
        .outerjoin(booked, and_(booked.course_session_id == CourseSession.id, booked.status == SlotStatus.BOOKED))
        .outerjoin(has, has.id == booked.trainer_id)
        .outerjoin(held, and_(held.course_session_id == CourseSession.id, held.status == SlotStatus.HELD))
        .outerjoin(instead, instead.id == held.trainer_id)
        .where(
            CourseSession.booking_id == booking.id,
            CourseSession.operator_id == booking.operator_id,
            CourseSession.status == CourseSessionStatus.SCHEDULED,
            CourseSession.starts_at > now,
        )
        .order_by(CourseSession.starts_at)
    )
    zone = ZoneInfo(booking.time_zone)
    return tuple(
        SessionAhead(
            id=session.id,
            number=session.number,
            date=session.date,
            clock=session.starts_at.astimezone(zone).time(),
            mode=session.mode,
            trainer=trainer,
            proposed=proposed,
        )
        for session, trainer, proposed in rows
    )


def trainers_to_take_over(db: Session, covered: Covered, *, limits: Limits, by_free: bool = False) -> Trainers:
    """The trainers for the covered sessions, without those whom the change is instead of. Two statements."""
    need = covered.booking.need
    found = weigh(db, need, covered.booking.family, max_courses=limits.max_courses)
    verdicts = [verdict for verdict in found.verdicts if verdict.trainer_id not in covered.instead_of]
    return Trainers(
        tuple(verdict for verdict in verdicts if verdict.eligible),
        tuple(verdict for verdict in verdicts if not verdict.eligible),
        course_grid(need, verdicts, found.facts, by_free=by_free),
    )
