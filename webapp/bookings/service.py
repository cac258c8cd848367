"""Placing, changing and closing bookings."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from webapp.audit import service as audit
from webapp.bookings.models import Booking, BookingStudent, CourseSession
from webapp.bookings.replanning import with_moves
from webapp.bookings.rules import (
    BookingStatus,
    ClassType,
    CourseRequest,
    CourseSessionStatus,
    DeliveryMode,
    PaymentStatus,
    PlannedSession,
    check_request,
    moved,
    plan_sessions,
)
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.courses.models import Course
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.households.models import Household, Student
from webapp.schedule import service as schedule
from webapp.zones.queries import ZoneAt, zones_at

_REFERENCE_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter is taken for a digit on the phone."""


@dataclass(frozen=True, slots=True)
class BookingCommand:
    """A booking as asked for. ``zone_id`` None lets the serving zone of ``place`` win (rule Z2).

    ``start_date`` and ``timeslot`` are local to the zone. ``id`` is given by whoever may ask twice for one booking (a
    form sent twice): the second time is refused with ``booking-placed``.
    """

    household_id: UUID
    student_ids: tuple[UUID, ...]
    course_id: UUID
    class_type: ClassType
    delivery_mode: DeliveryMode
    total_sessions: int
    start_date: date
    timeslot: time
    address: str
    place: Location
    zone_id: UUID | None = None
    prefers_language: str | None = None
    prefers_gender: str | None = None
    prefers_taught_before: bool = False
    id: UUID | None = None
    moves: tuple[tuple[int, time], ...] = ()
    """Sessions, by number, taught at another time of their own day."""

    def request_in(self, time_zone: str) -> CourseRequest:
        """The part the schedule follows from, in the zone's time zone."""
        return CourseRequest(
            class_type=self.class_type,
            delivery_mode=self.delivery_mode,
            total_sessions=self.total_sessions,
            start_date=self.start_date,
            timeslot=self.timeslot,
            time_zone=time_zone,
        )


@dataclass(frozen=True, slots=True)
class PlacedBooking:
    """A stored booking: its id, what people call it, its operator and its generated sessions."""

    id: UUID
    reference: str
    operator_id: UUID
    sessions: tuple[PlannedSession, ...]


def choose_zone(zones: Sequence[ZoneAt], wanted: UUID | None, *, by: Actor) -> ZoneAt:
    """The zone a booking is made in, out of those that contain its place, the serving one first (rule Z2).

    Raises ``Invalid`` for field ``place`` when no zone contains it (``service-not-available``), and ``Conflict``
    ``other-operator`` when the serving zone is one the actor may not book in.
    """
    if not zones:
        raise Invalid("service-not-available", "No zone serves this place.", field="place")
    winner = zones[0]
    if not (by.sees_everything or winner.operator_id == by.operator_id):
        raise Conflict(
            "other-operator",
            "%(operator)s serves this place (zone %(zone)s). You can record an enquiry for them.",
            operator=winner.operator_name,
            zone=winner.name,
        )
    if wanted is None:
        return winner
    for zone in zones:
        if zone.id == wanted and zone.operator_id == winner.operator_id:
            return zone
    raise Invalid("zone-elsewhere", "This zone does not contain the place. Choose one that does.", field="zone_id")


def place_booking(work: Work, command: BookingCommand, *, by: Actor, now: datetime) -> PlacedBooking:
    """Store a booking with its sessions, ``waitlisted`` until a trainer is proposed.

    Raises ``Invalid`` naming a field for anything wrong with the request (rules B1 to B4), ``Conflict``
    ``other-operator`` (rule Z2) and ``booking-placed`` (its id is taken), and ``NotFound`` for a household, student or
    course that is not the operator's.
    """
    zone = choose_zone(zones_at(work.db, command.place), command.zone_id, by=by)
    request = command.request_in(zone.time_zone)
    check_request(request, students=len(set(command.student_ids)), now=now)
    _check_family(work.db, command, zone.operator_id)
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
        **_stored(command, zone),
    }
    reference = _insert_with_reference(work.db, values)
    _store_parts(work.db, booking_id, zone, command, sessions)
    audit.record(
        work,
        "booking.placed",
        "booking",
        booking_id,
        operator_id=zone.operator_id,
        by=by,
        at=now,
        after={"reference": reference, "status": BookingStatus.WAITLISTED, **_told(command, zone)},
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
    _check_family(work.db, command, zone.operator_id)
    sessions = with_moves(plan_sessions(request), command.moves, zone.time_zone)
    before = {name: getattr(booking, name) for name in _stored(command, zone)}
    work.db.execute(delete(CourseSession).where(CourseSession.booking_id == booking_id))
    work.db.execute(delete(BookingStudent).where(BookingStudent.booking_id == booking_id))
    work.db.execute(
        update(Booking)
        .where(Booking.id == booking_id)
        .values(version=Booking.version + 1, **_stored(command, zone))
        .execution_options(synchronize_session=False)
    )
    _store_parts(work.db, booking_id, zone, command, sessions)
    audit.record(
        work,
        "booking.edited",
        "booking",
        booking_id,
        operator_id=booking.operator_id,
        by=by,
        at=now,
        before=before,
        after=_told(command, zone),
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
    reason: str | None = None,
    **changes: Any,
) -> None:
    """Move a locked booking's status through the table of allowed moves, with its audit entry.

    Raises ``Conflict`` ``booking-move``.
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
        after={"status": to, **({"reason": reason} if reason else {})},
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
        reason=reason,
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


def _check_family(db: Session, command: BookingCommand, operator_id: UUID) -> None:
    """The household, its students and the course exist and are the operator's, or it is ``NotFound``."""
    db.flush()  # a family may have been registered in this very transaction
    wanted = set(command.student_ids)
    students = (
        select(func.count())
        .select_from(Student)
        .join(Household, Household.id == Student.household_id)
        .where(
            Student.id.in_(wanted),
            Student.household_id == command.household_id,
            Household.operator_id == operator_id,
        )
        .scalar_subquery()
    )
    course = select(func.count()).select_from(Course).where(Course.id == command.course_id, Course.active)
    found = db.execute(select(students, course.scalar_subquery())).one()
    if tuple(found) != (len(wanted), 1):
        raise NotFound()


def _stored(command: BookingCommand, zone: ZoneAt) -> dict[str, Any]:
    """The columns of a booking that its command decides."""
    return {
        "zone_id": zone.id,
        "household_id": command.household_id,
        "course_id": command.course_id,
        "class_type": command.class_type,
        "delivery_mode": command.delivery_mode,
        "total_sessions": command.total_sessions,
        "start_date": command.start_date,
        "timeslot": command.timeslot,
        "time_zone": zone.time_zone,
        "address": command.address,
        "lat": command.place.lat,
        "lng": command.place.lng,
        "prefers_language": command.prefers_language,
        "prefers_gender": command.prefers_gender,
        "prefers_taught_before": command.prefers_taught_before,
    }


def _told(command: BookingCommand, zone: ZoneAt) -> dict[str, Any]:
    """What the audit says of a booking's content."""
    moves = {"moves": [[number, f"{at:%H:%M}"] for number, at in command.moves]} if command.moves else {}
    return {**_stored(command, zone), "student_ids": sorted(command.student_ids), **moves}


def _insert_with_reference(db: Session, values: dict[str, Any]) -> str:
    """Insert a booking under a fresh random reference; a reference already taken draws again.

    Raises ``Conflict`` ``booking-placed`` for an id already taken, by now or by a transaction that was waited for.
    """
    while True:
        letters = "".join(secrets.choice(_REFERENCE_LETTERS) for _ in range(8))
        reference = f"{letters[:4]}-{letters[4:]}"
        placed = upsert(Booking).values(reference=reference, **values)
        if db.scalar(placed.on_conflict_do_nothing().returning(Booking.id)) is not None:
            return reference
        if db.scalar(select(Booking.id).where(Booking.id == values["id"])) is not None:
            raise Conflict("booking-placed", "This booking was placed already.")


def _store_parts(
    db: Session, booking_id: UUID, zone: ZoneAt, command: BookingCommand, sessions: Sequence[PlannedSession]
) -> None:
    """Store who takes part and the generated sessions."""
    db.execute(
        insert(BookingStudent),
        [
            {"operator_id": zone.operator_id, "booking_id": booking_id, "student_id": student_id}
            for student_id in sorted(set(command.student_ids))
        ],
    )
    db.execute(
        insert(CourseSession),
        [
            {
                "id": new_id(),
                "operator_id": zone.operator_id,
                "booking_id": booking_id,
                "number": session.number,
                "date": session.date,
                "timeslot": session.timeslot,
                "time_zone": zone.time_zone,
                "starts_at": session.starts_at,
                "ends_at": session.ends_at,
                "mode": session.mode,
                "shifted": session.shifted,
                "status": CourseSessionStatus.SCHEDULED,
            }
            for session in sessions
        ],
    )
