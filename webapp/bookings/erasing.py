"""Erasing a family: its bookings, their sessions, and its enquiries. Part of the room's service.

What is left of a booking is a count: a course that was bought, taught or cancelled, in a zone, by nobody.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, case, exists, or_, select, update
from sqlalchemy.orm import Session

from webapp.bookings.enquiries import close_enquiry
from webapp.bookings.mentions import OVER
from webapp.bookings.models import Booking, CourseSession, Enquiry
from webapp.bookings.rules import ENQUIRY_MOVES, CourseSessionStatus, EnquiryStatus
from webapp.core.actor import Actor
from webapp.core.names import ERASED
from webapp.db.work import Work
from webapp.households.models import Guardian, Household
from webapp.zones.models import Zone


@dataclass(frozen=True, slots=True)
class BookingToErase:
    """A booking of the family; ``live`` when it is not over, or a session of it still lies ahead."""

    id: UUID
    reference: str
    live: bool


def bookings_to_erase(
    db: Session, household_id: UUID, *, now: datetime, locked: bool = False
) -> tuple[BookingToErase, ...]:
    """The family's bookings in id order; with ``locked`` under the lock of every transaction that moves one."""
    ahead = exists().where(
        CourseSession.booking_id == Booking.id,
        CourseSession.status == CourseSessionStatus.SCHEDULED,
        CourseSession.ends_at > now,
    )
    wanted = select(Booking.id).where(Booking.household_id == household_id).order_by(Booking.id)
    if locked:
        # First the locks, then a look: what a statement sees is settled before it waits.
        db.execute(wanted.with_for_update()).all()
    rows = db.execute(wanted.add_columns(Booking.reference, or_(Booking.status.not_in(OVER), ahead)))
    return tuple(BookingToErase(*row) for row in rows)


def of_family(household_id: UUID) -> ColumnElement[bool]:
    """The condition of an enquiry that a family made: it became a booking of theirs, or came from a guardian's phone.

    Within the household's operator: what another operator was asked is another operator's.
    """
    operator = select(Household.operator_id).where(Household.id == household_id).scalar_subquery()
    bookings = select(Booking.id).where(Booking.household_id == household_id)
    phones = select(Guardian.phone).where(Guardian.household_id == household_id)
    return (Enquiry.operator_id == operator) & or_(Enquiry.booking_id.in_(bookings), Enquiry.phone.in_(phones))


def erase_enquiries(work: Work, household_id: UUID, *, by: Actor, now: datetime) -> int:
    """Take what the family said out of its enquiries and close open ones; returns how many there were.

    Before the guardians go: their phone numbers are what tells whose an enquiry is.
    """
    rows = work.db.execute(
        select(Enquiry.id, Enquiry.status).where(of_family(household_id)).order_by(Enquiry.id).with_for_update()
    ).all()
    for enquiry_id, status in rows:
        if EnquiryStatus.CLOSED in ENQUIRY_MOVES[status]:
            close_enquiry(work, enquiry_id, by=by, now=now)
    work.db.flush()  # the statement below is no part of the session
    work.db.execute(
        update(Enquiry)
        .where(Enquiry.id.in_([row.id for row in rows]))
        .values(guardian_name="", phone="", address="", lat=None, lng=None, note="", callback_on=None)
        .execution_options(synchronize_session=False)
    )
    return len(rows)


def erase_bookings(work: Work, booking_ids: Collection[UUID]) -> None:
    """Take place, wishes and written words off bookings that are locked and over.

    The place becomes the middle of the zone: columns of the schedule need one, and a zone is nobody's home.
    """
    work.db.execute(
        update(Booking)
        .where(Booking.id.in_(booking_ids), Zone.id == Booking.zone_id)
        .values(
            address=ERASED,
            lat=Zone.center_lat,
            lng=Zone.center_lng,
            prefers_language=None,
            prefers_gender=None,
            prefers_taught_before=False,
            closed_reason=case((Booking.closed_reason.is_not(None), ERASED)),
            version=Booking.version + 1,
        )
        .execution_options(synchronize_session=False)
    )
    work.db.execute(
        update(CourseSession)
        .where(CourseSession.booking_id.in_(booking_ids), CourseSession.cancelled_reason.is_not(None))
        .values(cancelled_reason=ERASED)
        .execution_options(synchronize_session=False)
    )
