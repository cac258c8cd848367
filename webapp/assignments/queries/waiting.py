"""Which bookings of the waitlist a freed trainer may help, and who is out of the question for one of them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from webapp.assignments.models import Assignment
from webapp.assignments.rules import AssignmentStatus
from webapp.bookings.models import Booking, CourseSession
from webapp.bookings.rules import BookingStatus, CourseSessionStatus


def retried_bookings(
    db: Session, *, now: datetime, limit: int, operator_id: UUID | None = None, after: UUID | None = None
) -> list[UUID]:
    """Waitlisted bookings that are retried and still lie ahead, oldest first: of one operator, or of all.

    With ``after`` only those that come after this one. Oldest first among all is oldest first in each zone.
    """
    first = (
        select(func.min(CourseSession.starts_at))
        .where(CourseSession.booking_id == Booking.id, CourseSession.status == CourseSessionStatus.SCHEDULED)
        .correlate(Booking)
        .scalar_subquery()
    )
    place = tuple_(Booking.created_at, Booking.id)
    wanted = select(Booking.id).where(Booking.status == BookingStatus.WAITLISTED, Booking.retried, first > now)
    if operator_id is not None:
        wanted = wanted.where(Booking.operator_id == operator_id)
    if after is not None:
        last = db.execute(select(Booking.created_at, Booking.id).where(Booking.id == after)).one_or_none()
        if last is not None:
            wanted = wanted.where(place > tuple_(*last))
    return list(db.scalars(wanted.order_by(Booking.created_at, Booking.id).limit(limit)))


def locked_waiting(db: Session, booking_id: UUID) -> bool:
    """Whether the booking is now locked and waits to be retried; ``False`` when somebody else is at it."""
    waiting = select(Booking.id).where(
        Booking.id == booking_id, Booking.status == BookingStatus.WAITLISTED, Booking.retried
    )
    return db.scalar(waiting.with_for_update(skip_locked=True)) is not None


def rejected_trainers(db: Session, booking_id: UUID) -> frozenset[UUID]:
    """The trainers whose proposal for this booking somebody rejected."""
    rejected = select(Assignment.trainer_id).where(
        Assignment.booking_id == booking_id, Assignment.status == AssignmentStatus.REJECTED
    )
    return frozenset(db.scalars(rejected))
