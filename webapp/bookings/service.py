"""Placing, changing and closing bookings."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from webapp.audit import service as audit
from webapp.bookings.models import Booking, BookingStudent, CourseSession
from webapp.bookings.placing import (
    PLACE,
    UNTOLD,
    BookingCommand,
    PlacedBooking,
    check_family,
    choose_zone,
    insert_with_reference,
    store_parts,
    stored,
    told,
)
from webapp.bookings.replanning import with_moves
from webapp.bookings.rules import (
    BookingStatus,
    CourseSessionStatus,
    PaymentStatus,
    check_request,
    moved,
    plan_sessions,
)
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.ids import new_id
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.schedule import service as schedule
from webapp.zones.queries import zones_at

__all__ = [
    "BookingCommand",
    "PlacedBooking",
    "booking_to_change",
    "cancel_remaining",
    "choose_zone",
    "close_short",
    "edit_booking",
    "move_booking",
    "place_booking",
    "required_reason",
    "set_payment_status",
]


def place_booking(work: Work, command: BookingCommand, *, by: Actor, now: datetime) -> PlacedBooking:
    """Store a booking with its sessions, ``waitlisted`` until a trainer is proposed.

    Raises ``Invalid`` naming a field for anything wrong with the request (rules B1 to B4), ``Conflict``
    ``other-operator`` (rule Z2) and ``booking-placed`` (its id is taken), and ``NotFound`` for a household, student or
    course that is not the operator's.
    """
    zone = choose_zone(zones_at(work.db, command.place), command.zone_id, by=by)
    request = command.request_in(zone.time_zone)
    check_request(request, students=len(set(command.student_ids)), now=now)
    check_family(work.db, command, zone.operator_id)
    sessions = with_moves(plan_sessions(request), command.moves, zone.time_zone)
    booking_id = command.id or new_id()
    values = {
        "id": booking_id,
        "operator_id": zone.operator_id,
        "status": BookingStatus.WAITLISTED,
        "payment_status": PaymentStatus.UNPAID,
        "version": 1,
        "created_by": by.id,
        "created_at": now,
        **stored(command, zone),
    }
    reference = insert_with_reference(work.db, values)
    store_parts(work.db, booking_id, zone, command, sessions)
    audit.record(
        work,
        "booking.placed",
        "booking",
        booking_id,
        operator_id=zone.operator_id,
        by=by,
        at=now,
        after={"reference": reference, "status": BookingStatus.WAITLISTED, **told(command, zone)},
    )
    return PlacedBooking(booking_id, reference, zone.operator_id, sessions)


def edit_booking(
    work: Work, booking_id: UUID, command: BookingCommand, *, version: int, by: Actor, now: datetime
) -> PlacedBooking:
    """Change a waitlisted booking; its sessions are generated anew. The family stays.

    Raises like ``place_booking``, and ``Conflict`` when the booking has moved on or was changed by somebody else.
    """
    booking = booking_to_change(work.db, booking_id, by=by, version=version)
    if booking.status is not BookingStatus.WAITLISTED:
        raise Conflict("booking-not-editable", "Withdraw the proposal first: only a waitlisted booking can be edited.")
    zone = choose_zone(zones_at(work.db, command.place), command.zone_id, by=by)
    if zone.operator_id != booking.operator_id:
        raise Conflict("booking-operator", "This place belongs to another operator. Make a new booking there.")
    if command.household_id != booking.household_id:
        raise Invalid("booking-household", "A booking stays with its family.", field="household_id")
    request = command.request_in(zone.time_zone)
    check_request(request, students=len(set(command.student_ids)), now=now)
    check_family(work.db, command, zone.operator_id)
    sessions = with_moves(plan_sessions(request), command.moves, zone.time_zone)
    wanted = stored(command, zone)
    before = {name: getattr(booking, name) for name in wanted}
    work.db.execute(delete(CourseSession).where(CourseSession.booking_id == booking_id))
    work.db.execute(delete(BookingStudent).where(BookingStudent.booking_id == booking_id))
    work.db.execute(
        update(Booking)
        .where(Booking.id == booking_id)
        .values(version=Booking.version + 1, **wanted)
        .execution_options(synchronize_session=False)
    )
    store_parts(work.db, booking_id, zone, command, sessions)
    audit.record(
        work,
        "booking.edited",
        "booking",
        booking_id,
        operator_id=booking.operator_id,
        by=by,
        at=now,
        before={name: value for name, value in before.items() if name not in UNTOLD},
        after=told(command, zone) | {"place_changed": any(before[name] != wanted[name] for name in PLACE)},
    )
    return PlacedBooking(booking_id, booking.reference, booking.operator_id, sessions)


def booking_to_change(db: Session, booking_id: UUID, *, by: Actor, version: int | None = None) -> Booking:
    """The booking under its row lock, the first lock of every transaction that moves a booking.

    Raises ``NotFound``, and ``Conflict`` ``booking-changed`` when ``version`` is given and no longer the present one.
    """
    db.flush()  # an earlier verb of this transaction may have changed the row; reading it anew must not undo that
    booking = db.scalar(
        select(Booking)
        .where(Booking.id == booking_id, owned_by(Booking.operator_id, by))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if booking is None:
        raise NotFound()
    if version is not None and booking.version != version:
        raise Conflict("booking-changed", "Somebody changed this booking meanwhile. Look at it again.")
    return booking


def move_booking(
    work: Work,
    booking: Booking,
    to: BookingStatus,
    *,
    by: Actor,
    now: datetime,
    **changes: Any,
) -> None:
    """Move a locked booking's status through the table of allowed moves, with its audit entry.

    A reason stands on the row and never in the audit: people write of families in it, who may want it erased. Raises
    ``Conflict`` ``booking-move``.
    """
    before = booking.status
    booking.status = moved(before, to)
    booking.version += 1
    for name, value in changes.items():
        setattr(booking, name, value)
    audit.record(
        work,
        f"booking.{to.value}",
        "booking",
        booking.id,
        operator_id=booking.operator_id,
        by=by,
        at=now,
        before={"status": before},
        after={"status": to},
    )


def set_payment_status(
    work: Work, booking_id: UUID, status: PaymentStatus, *, version: int, by: Actor, now: datetime
) -> None:
    """Note what another system or the family says about the payment."""
    booking = booking_to_change(work.db, booking_id, by=by, version=version)
    before = booking.payment_status
    booking.payment_status = status
    booking.version += 1
    audit.record(
        work,
        "booking.payment",
        "booking",
        booking_id,
        operator_id=booking.operator_id,
        by=by,
        at=now,
        before={"payment_status": before},
        after={"payment_status": status},
    )


def close_short(work: Work, booking_id: UUID, *, version: int, reason: str, by: Actor, now: datetime) -> None:
    """Complete a booking before its last session, with a reason and without certificates (rule C1: admins only).

    Future slots are released and the sessions not taught are cancelled.
    """
    booking = booking_to_change(work.db, booking_id, by=by, version=version)
    reason = required_reason(reason)
    move_booking(
        work,
        booking,
        BookingStatus.COMPLETED,
        by=by,
        now=now,
        closed_reason=reason,
        completed_at=now,
    )
    cancel_remaining(work, booking, by=by, now=now)


def cancel_remaining(work: Work, booking: Booking, *, by: Actor, now: datetime) -> None:
    """Cancel a locked booking's sessions that are still scheduled and release its future slots."""
    schedule.release(work, booking.id, operator_id=booking.operator_id, by=by, now=now, future_only=True)
    work.db.execute(
        update(CourseSession)
        .where(
            CourseSession.booking_id == booking.id,
            CourseSession.status == CourseSessionStatus.SCHEDULED,
            CourseSession.starts_at > now,
        )
        .values(status=CourseSessionStatus.CANCELLED)
        .execution_options(synchronize_session=False)
    )


def required_reason(reason: str) -> str:
    """A reason that says something, at most 400 characters. Raises ``Invalid`` for field ``reason``."""
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid("reason-missing", "Give a reason.", field="reason")
    if len(reason) > 400:
        raise Invalid("reason-long", "Keep the reason under 400 characters.", field="reason")
    return reason
