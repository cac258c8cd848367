"""What the pages of lower rooms show of bookings: counts and references, always within the actor's operator."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from webapp.bookings.models import Booking
from webapp.bookings.rules import BookingStatus
from webapp.core.actor import Actor
from webapp.core.geo import Bounds, Location
from webapp.courses.models import Course
from webapp.db.tenancy import owned_by
from webapp.zones.effect import Placed

OVER = (BookingStatus.COMPLETED, BookingStatus.CANCELLED)
"""Bookings that need nobody any more; all others are live."""
SHOWN = 100
"""Most bookings that a family's page lists."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A booking in a line."""

    id: UUID
    reference: str
    course: str
    status: BookingStatus
    start_date: date
    total_sessions: int


def live_by_zone(db: Session, zone_ids: Collection[UUID], actor: Actor) -> dict[UUID, int]:
    """How many live bookings each of the zones has; zones without one are absent."""
    return _counts(db, _live(Booking.zone_id, actor).where(Booking.zone_id.in_(zone_ids)))


def live_in(db: Session, zone_id: UUID, bounds: Bounds, actor: Actor) -> tuple[Placed, ...]:
    """The live bookings that were made in a zone or whose place lies in a box, among those the actor may see."""
    rows = db.execute(
        select(Booking.id, Booking.reference, Booking.lat, Booking.lng, Booking.zone_id, Booking.zone_version).where(
            Booking.status.not_in(OVER),
            owned_by(Booking.operator_id, actor),
            (Booking.zone_id == zone_id) | Booking.lat.between(bounds.south, bounds.north),
        )
    )
    found = (Placed(row.id, row.reference, Location(row.lat, row.lng), row.zone_id, row.zone_version) for row in rows)
    return tuple(one for one in found if one.zone_id == zone_id or bounds.contains(one.place))


def live_by_course(db: Session, actor: Actor) -> dict[UUID, int]:
    """How many live bookings each course has among those the actor may see."""
    return _counts(db, _live(Booking.course_id, actor))


def live_by_operator(db: Session, actor: Actor) -> dict[UUID, int]:
    """How many live bookings each operator has among those the actor may see."""
    return _counts(db, _live(Booking.operator_id, actor))


def bookings_of_household(db: Session, household_id: UUID, actor: Actor) -> tuple[Mention, ...]:
    """A family's bookings, newest first, at most ``SHOWN``."""
    rows = db.execute(
        select(Booking.id, Booking.reference, Course.name, Booking.status, Booking.start_date, Booking.total_sessions)
        .join(Course, Course.id == Booking.course_id)
        .where(Booking.household_id == household_id, owned_by(Booking.operator_id, actor))
        .order_by(Booking.created_at.desc(), Booking.id.desc())
        .limit(SHOWN)
    )
    return tuple(Mention(*row) for row in rows)


def references(db: Session, booking_ids: Collection[UUID], actor: Actor) -> dict[UUID, str]:
    """What people call the bookings on the phone; those the actor may not see are absent."""
    rows = db.execute(
        select(Booking.id, Booking.reference).where(Booking.id.in_(booking_ids), owned_by(Booking.operator_id, actor))
    )
    return {row[0]: row[1] for row in rows}


def _live(column: Any, actor: Actor) -> Select[UUID, int]:
    return (
        select(column, func.count())
        .where(Booking.status.not_in(OVER), owned_by(Booking.operator_id, actor))
        .group_by(column)
    )


def _counts(db: Session, question: Select[UUID, int]) -> dict[UUID, int]:
    return {row[0]: row[1] for row in db.execute(question)}
