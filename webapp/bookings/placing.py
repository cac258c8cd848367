"""What a booking is placed from, and how its rows are written.

Part of the service: only ``bookings.service`` writes with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from webapp.bookings.models import Booking, BookingStudent, CourseSession
from webapp.bookings.rules import (
    ClassType,
    CourseRequest,
    CourseSessionStatus,
    DeliveryMode,
    PlannedSession,
)
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.courses.models import Course
from webapp.households.erasing import must_live_at
from webapp.households.models import Student
from webapp.zones.queries import ZoneAt

_REFERENCE_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter is taken for a digit on the phone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseWanted:
    """What somebody wants taught, where and when, whoever the students are.

    ``zone_id`` None lets the serving zone of ``place`` win (rule Z2). ``start_date`` and ``timeslot`` are local to the
    zone.
    """

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


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingCommand(CourseWanted):
    """A booking as asked for, for students of a family that is stored.

    ``id`` is given by whoever may ask twice for one booking (a form sent twice): the second time is refused with
    ``booking-placed``.
    """

    household_id: UUID
    student_ids: tuple[UUID, ...]
    id: UUID | None = None


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


def check_family(db: Session, command: BookingCommand, operator_id: UUID) -> None:
    """The household, its students and the course exist and are the operator's, or it is ``NotFound``.

    Nobody erases the household until the transaction ends; raises ``Conflict`` when somebody has.
    """
    db.flush()  # a family may have been registered in this very transaction
    must_live_at(db, command.household_id, operator_id)
    wanted = set(command.student_ids)
    students = (
        select(func.count())
        .select_from(Student)
        .where(Student.id.in_(wanted), Student.household_id == command.household_id)
        .scalar_subquery()
    )
    course = select(func.count()).select_from(Course).where(Course.id == command.course_id, Course.active)
    found = db.execute(select(students, course.scalar_subquery())).one()
    if tuple(found) != (len(wanted), 1):
        raise NotFound()


def stored(command: BookingCommand, zone: ZoneAt) -> dict[str, Any]:
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


PLACE = frozenset({"address", "lat", "lng"})
"""Where a family lives."""
UNTOLD = PLACE | {"prefers_language", "prefers_gender", "prefers_taught_before"}
"""What a family lives in and wishes for, which the audit never says: its entries cannot be erased."""


def told(command: BookingCommand, zone: ZoneAt) -> dict[str, Any]:
    """What the audit says of a booking's content."""
    moves = {"moves": [[number, f"{at:%H:%M}"] for number, at in command.moves]} if command.moves else {}
    said = {name: value for name, value in stored(command, zone).items() if name not in UNTOLD}
    return {**said, "student_ids": sorted(command.student_ids), **moves}


def insert_with_reference(db: Session, values: dict[str, Any]) -> str:
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


def store_parts(
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
