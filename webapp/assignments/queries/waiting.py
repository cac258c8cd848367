"""Which bookings of the waitlist a freed trainer may help, and who is out of the question for one of them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from webapp.assignments.models import Assignment
from webapp.assignments.rules import AssignmentStatus
from webapp.bookings.models import Booking
from webapp.bookings.rules import BookingStatus

# Functions of the database that look at every operator's rows and tell ids only: a job begins on nobody's behalf.
_TO_RETRY = text(
    "SELECT id, operator_id FROM bookings_to_retry(:now, cast(:operator_id AS uuid), cast(:after AS uuid), :limit)"
)
_ENDED_HOLDS = text("SELECT * FROM operators_with_ended_holds(:now)")


def retried_bookings(
    db: Session, *, now: datetime, limit: int, operator_id: UUID | None = None, after: UUID | None = None
) -> list[tuple[UUID, UUID]]:
    """Waitlisted bookings that are retried and still lie ahead, oldest first: of one operator, or of all.

    Each with its operator. With ``after`` only those that come after this one. Oldest first among all is oldest first
    in each zone.
    """
    asked = {"now": now, "operator_id": operator_id, "after": after, "limit": limit}
    return [(row[0], row[1]) for row in db.execute(_TO_RETRY, asked)]


def operators_with_ended_holds(db: Session, *, now: datetime) -> list[UUID]:
    """The operators of proposals whose hold is over, whose is longest over first."""
    return list(db.scalars(_ENDED_HOLDS, {"now": now}))


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
