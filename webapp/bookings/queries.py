"""The list of bookings and the list of enquiries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from webapp.bookings.models import Booking, BookingStudent, CourseSession, Enquiry
from webapp.bookings.rules import ENQUIRY_MOVES, BookingStatus, CourseSessionStatus, EnquiryStatus, PaymentStatus
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.core.geo import Location
from webapp.courses.models import Course
from webapp.db.tenancy import owned_by
from webapp.households.models import Guardian, Student
from webapp.operators.models import Operator
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.rules import SlotStatus
from webapp.trainers.models import Trainer
from webapp.zones.models import Zone

OPEN_ENQUIRIES = tuple(status for status, moves in ENQUIRY_MOVES.items() if moves)
"""Enquiries somebody may still do something about."""

_FEWEST_DIGITS = 4


class Order(StrEnum):
    """How a list of bookings is sorted."""

    NEWEST = "newest"
    OLDEST = "oldest"
    STARTS = "starts"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class BookingFilter:
    """Which bookings are wanted; the empty filter wants all. ``search`` holds no control characters."""

    search: str = ""
    status: BookingStatus | None = None
    zone_id: UUID | None = None
    course_id: UUID | None = None
    order: Order = Order.NEWEST

    @property
    def narrows(self) -> bool:
        """Whether the filter hides anything."""
        return bool(self.search or self.status or self.zone_id or self.course_id)


@dataclass(frozen=True, slots=True)
class BookingRow:
    """A booking in a list; ``start_date`` and ``timeslot`` are local to ``time_zone``."""

    id: UUID
    reference: str
    status: BookingStatus
    payment_status: PaymentStatus
    operator_name: str
    zone: str
    course: str
    family: str
    phone: str
    students: tuple[str, ...]
    trainer: str | None
    start_date: date
    timeslot: time
    time_zone: str
    total_sessions: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EnquiryRow:
    """An enquiry in the list and as the start of a booking."""

    id: UUID
    operator_id: UUID
    operator_name: str
    status: EnquiryStatus
    guardian_name: str
    phone: str
    address: str
    place: Location | None
    course_id: UUID | None
    course: str | None
    serving_zone: str | None
    serving_operator: str | None
    note: str
    callback_on: date | None
    booking_id: UUID | None
    created_at: datetime
    expires_at: datetime | None

    @property
    def open(self) -> bool:
        """Whether somebody may still do something about it."""
        return self.status in OPEN_ENQUIRIES


def bookings_index(
    db: Session, wanted: BookingFilter, *, limit: int, offset: int, visible_to: Actor
) -> tuple[tuple[BookingRow, ...], int]:
    """The bookings the actor may see that a filter wants, and how many there are in all. Two statements."""
    conditions = [owned_by(Booking.operator_id, visible_to), *_conditions(wanted)]
    guardian = (
        select(Guardian.id)
        .where(Guardian.household_id == Booking.household_id)
        .order_by(Guardian.id)
        .limit(1)
        .correlate(Booking)
        .scalar_subquery()
    )
    students = (
        select(func.json_agg(aggregate_order_by(Student.name, Student.id)))
        .join(BookingStudent, BookingStudent.student_id == Student.id)
        .where(BookingStudent.booking_id == Booking.id)
        .correlate(Booking)
        .scalar_subquery()
    )
    # Whoever has the booking's slots; a released booking has none. Of several the one who is booked, not only proposed,
    # for most of what is still to be taught: not a substitute, nor whom somebody replaced.
    to_teach = func.count().filter(CourseSession.status == CourseSessionStatus.SCHEDULED)
    trainer = (
        select(Trainer.name)
        .join(ScheduleSlot, ScheduleSlot.trainer_id == Trainer.id)
        .join(CourseSession, CourseSession.id == ScheduleSlot.course_session_id)
        .where(ScheduleSlot.booking_id == Booking.id)
        .group_by(Trainer.id)
        .order_by(
            func.bool_or(ScheduleSlot.status == SlotStatus.BOOKED).desc(),
            to_teach.desc(),
            func.max(func.lower(ScheduleSlot.period)).desc(),
        )
        .limit(1)
        .correlate(Booking)
        .scalar_subquery()
    )
    rows = db.execute(
        select(
            Booking.id,
            Booking.reference,
            Booking.status,
            Booking.payment_status,
            Operator.name,
            Zone.name,
            Course.name,
            Guardian.name,
            Guardian.phone,
            students,
            trainer,
            Booking.start_date,
            Booking.timeslot,
            Booking.time_zone,
            Booking.total_sessions,
            Booking.created_at,
        )
        .join(Operator, Operator.id == Booking.operator_id)
        .join(Zone, Zone.id == Booking.zone_id)
        .join(Course, Course.id == Booking.course_id)
        .outerjoin(Guardian, Guardian.id == guardian)
        .where(*conditions)
        .order_by(*_ORDERS[wanted.order], Booking.id)
        .limit(limit)
        .offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(Booking).where(*conditions)) or 0
    return tuple(_booking(row) for row in rows), total


def _booking(row: Any) -> BookingRow:
    values: tuple[Any, ...] = (*row[:7], row[7] or "", row[8] or "", tuple(row[9] or ()), *row[10:])
    return BookingRow(*values)


_ORDERS: dict[Order, tuple[Any, ...]] = {
    Order.NEWEST: (Booking.created_at.desc(),),
    Order.OLDEST: (Booking.created_at,),
    Order.STARTS: (Booking.start_date, Booking.timeslot),
    Order.REFERENCE: (Booking.reference,),
}


def _conditions(wanted: BookingFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        conditions.append(Booking.status == wanted.status)
    if wanted.zone_id is not None:
        conditions.append(Booking.zone_id == wanted.zone_id)
    if wanted.course_id is not None:
        conditions.append(Booking.course_id == wanted.course_id)
    if wanted.search:
        conditions.append(_matches(wanted.search))
    return conditions


def _matches(search: str) -> ColumnElement[bool]:
    """The reference with or without its dash, a guardian's name or number, or a student's name."""
    code = re.sub(r"[^0-9A-Za-z]", "", search).upper()
    guardians = [Guardian.name.icontains(search, autoescape=True)]
    digits = re.sub(r"[^0-9]", "", search)
    if len(digits) >= _FEWEST_DIGITS:
        guardians.append(Guardian.phone.contains(digits, autoescape=True))
    found: list[ColumnElement[bool]] = [
        # Correlated by name: the list joins the first guardian, these look at every one.
        select(Guardian.id)
        .where(Guardian.household_id == Booking.household_id, or_(*guardians))
        .correlate(Booking)
        .exists(),
        select(Student.id)
        .join(BookingStudent, BookingStudent.student_id == Student.id)
        .where(BookingStudent.booking_id == Booking.id, Student.name.icontains(search, autoescape=True))
        .correlate(Booking)
        .exists(),
    ]
    if code:
        found.append(func.replace(Booking.reference, "-", "").contains(code, autoescape=True))
    return or_(*found)


def enquiries_index(
    db: Session,
    *,
    status: EnquiryStatus | None = None,
    everything: bool = False,
    limit: int,
    offset: int,
    visible_to: Actor,
) -> tuple[tuple[EnquiryRow, ...], int]:
    """Enquiries: of one status, or the open ones, or with ``everything`` all. To call back first, then the newest.

    The company reads every operator's demand (rule Z4). Two statements.
    """
    conditions = [may_read_enquiry(visible_to)]
    if status is not None:
        conditions.append(Enquiry.status == status)
    elif not everything:
        conditions.append(Enquiry.status.in_(OPEN_ENQUIRIES))
    rows = db.execute(
        _enquiries()
        .where(*conditions)
        .order_by(Enquiry.callback_on.asc().nulls_last(), Enquiry.created_at.desc(), Enquiry.id)
        .limit(limit)
        .offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(Enquiry).where(*conditions)) or 0
    return tuple(_enquiry(row) for row in rows), total


def enquiry(db: Session, enquiry_id: UUID, *, visible_to: Actor) -> EnquiryRow:
    """One enquiry. Raises ``NotFound``."""
    row = db.execute(_enquiries().where(Enquiry.id == enquiry_id, may_read_enquiry(visible_to))).one_or_none()
    if row is None:
        raise NotFound()
    return _enquiry(row)


def may_read_enquiry(actor: Actor) -> ColumnElement[bool]:
    """Whether an enquiry is the actor's to read: one's own, and for the company all but interrupted calls (rule Z4)."""
    everybodys = Enquiry.status != EnquiryStatus.DRAFT
    mine = owned_by(Enquiry.operator_id, actor)
    return or_(mine, everybodys) if actor.sees_all_enquiries else mine


def _enquiries() -> Any:
    return (
        # A function of the database: the company reads everybody's enquiries, and of their operators nothing but this.
        select(Enquiry, func.operator_name(Enquiry.operator_id), Course.name).outerjoin(
            Course, Course.id == Enquiry.course_id
        )
    )


def _enquiry(row: Any) -> EnquiryRow:
    found: Enquiry = row[0]
    return EnquiryRow(
        id=found.id,
        operator_id=found.operator_id,
        operator_name=row[1],
        status=found.status,
        guardian_name=found.guardian_name,
        phone=found.phone,
        address=found.address,
        place=Location(found.lat, found.lng) if found.lat is not None and found.lng is not None else None,
        course_id=found.course_id,
        course=row[2],
        serving_zone=found.serving_zone,
        serving_operator=found.serving_operator,
        note=found.note,
        callback_on=found.callback_on,
        booking_id=found.booking_id,
        created_at=found.created_at,
        expires_at=found.expires_at,
    )
