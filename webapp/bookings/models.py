"""Bookings, their students, their generated course sessions, and enquiries."""

from __future__ import annotations

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from webapp.bookings.rules import (
    BookingStatus,
    ClassType,
    CourseSessionStatus,
    DeliveryMode,
    EnquiryStatus,
    PaymentStatus,
    SessionMode,
)
from webapp.db.base import Base, owned_key, owned_table, word

PLACE = "lat BETWEEN -90 AND 90 AND lng BETWEEN -180 AND 180"


class Booking(Base):
    """The purchase of a course by a family, in a zone of the same operator."""

    __tablename__ = "bookings"
    __table_args__ = owned_table(
        owned_key("zone_id", "zones"),
        ForeignKeyConstraint(
            ["operator_id", "zone_id", "zone_version"],
            ["zone_versions.operator_id", "zone_versions.zone_id", "zone_versions.number"],
        ),
        owned_key("household_id", "households"),
        CheckConstraint(PLACE, name="place"),
        CheckConstraint("total_sessions IN (10, 20, 30)", name="total_sessions"),
        CheckConstraint("(class_type = 'hybrid') = (delivery_mode = 'hybrid')", name="hybrid"),
        CheckConstraint("delivery_mode <> 'hybrid' OR total_sessions = 30", name="hybrid_total"),
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint("reference ~ '^[0-9A-Z]{4}-[0-9A-Z]{4}$'", name="reference"),
        Index("uq_bookings_operator_id_reference", "operator_id", "reference", unique=True),
        Index("ix_bookings_operator_id_status_created_at", "operator_id", "status", "created_at"),
        Index("ix_bookings_household_id", "household_id"),
        Index("ix_bookings_zone_id_status", "zone_id", "status"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    reference: Mapped[str] = mapped_column(String(9))
    """What people say on the phone: eight letters and digits, random."""
    zone_id: Mapped[UUID]
    zone_version: Mapped[int] = mapped_column(FetchedValue(), server_onupdate=FetchedValue())
    """The version of its zone that it was made under, by a trigger; it stays when the border moves."""
    household_id: Mapped[UUID]
    course_id: Mapped[UUID] = mapped_column(ForeignKey("courses.id"))
    class_type: Mapped[ClassType] = mapped_column(word(ClassType, "class_type"))
    delivery_mode: Mapped[DeliveryMode] = mapped_column(word(DeliveryMode, "delivery_mode"))
    total_sessions: Mapped[int]
    start_date: Mapped[date]
    timeslot: Mapped[time]
    time_zone: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(400))
    lat: Mapped[float]
    lng: Mapped[float]
    prefers_language: Mapped[str | None] = mapped_column(String(12))
    prefers_gender: Mapped[str | None] = mapped_column(String(16))
    prefers_taught_before: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    status: Mapped[BookingStatus] = mapped_column(word(BookingStatus, "status"))
    payment_status: Mapped[PaymentStatus] = mapped_column(word(PaymentStatus, "payment_status"))
    retried: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    """Freed capacity retries it while it waits (rule A6); a proposal taken back to be edited waits for its editor."""
    closed_reason: Mapped[str | None] = mapped_column(String(400))
    version: Mapped[int] = mapped_column(default=1)
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]


class BookingStudent(Base):
    """A student who takes part in a booking."""

    __tablename__ = "booking_students"
    __table_args__ = (
        owned_key("booking_id", "bookings", ondelete="CASCADE"),
        owned_key("student_id", "students"),
        UniqueConstraint("operator_id", "booking_id", "student_id"),
        Index("ix_booking_students_student_id", "student_id"),
    )

    operator_id: Mapped[UUID]
    booking_id: Mapped[UUID] = mapped_column(primary_key=True)
    student_id: Mapped[UUID] = mapped_column(primary_key=True)


class CourseSession(Base):
    """One 40-minute lesson of a booking: the instants, and the local date, time and zone they were made from."""

    __tablename__ = "course_sessions"
    __table_args__ = owned_table(
        owned_key("booking_id", "bookings", ondelete="CASCADE"),
        owned_key("successor_id", "course_sessions", deferred=True),
        CheckConstraint("number BETWEEN 1 AND 30", name="number"),
        CheckConstraint("starts_at < ends_at", name="order"),
        CheckConstraint("(status = 'rescheduled') = (successor_id IS NOT NULL)", name="successor"),
        CheckConstraint("(status = 'completed') = (completed_at IS NOT NULL)", name="completed"),
        Index(
            "uq_course_sessions_booking_id_number",
            "booking_id",
            "number",
            unique=True,
            postgresql_where=text("status <> 'rescheduled'"),
        ),
        Index("ix_course_sessions_operator_id_starts_at", "operator_id", "starts_at"),
        Index("ix_course_sessions_booking_id", "booking_id"),
        # Deleting a session asks who points to it.
        Index("ix_course_sessions_successor_id", "successor_id", postgresql_where=text("successor_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID]
    booking_id: Mapped[UUID]
    number: Mapped[int]
    date: Mapped[date]
    timeslot: Mapped[time]
    time_zone: Mapped[str] = mapped_column(String(64))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    mode: Mapped[SessionMode] = mapped_column(word(SessionMode, "mode"))
    shifted: Mapped[bool] = mapped_column(default=False)
    """A clock change moved the start (rule B10)."""
    status: Mapped[CourseSessionStatus] = mapped_column(word(CourseSessionStatus, "status"))
    successor_id: Mapped[UUID | None]
    taught_by: Mapped[UUID | None]
    """The trainer who taught it, kept when the booking's trainer is replaced (rule A7)."""
    completed_at: Mapped[datetime | None]
    cancelled_reason: Mapped[str | None] = mapped_column(String(400))


class Enquiry(Base):
    """A place asked for and not (yet) served, or a call interrupted."""

    __tablename__ = "enquiries"
    __table_args__ = owned_table(
        CheckConstraint(PLACE, name="place"),
        CheckConstraint("(lat IS NULL) = (lng IS NULL)", name="place_whole"),
        owned_key("booking_id", "bookings"),
        Index("ix_enquiries_operator_id_status_created_at", "operator_id", "status", "created_at"),
        Index("ix_enquiries_booking_id", "booking_id", postgresql_where=text("booking_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    status: Mapped[EnquiryStatus] = mapped_column(word(EnquiryStatus, "status"))
    guardian_name: Mapped[str] = mapped_column(String(200), default="")
    phone: Mapped[str] = mapped_column(String(16), default="")
    address: Mapped[str] = mapped_column(String(400), default="")
    lat: Mapped[float | None]
    lng: Mapped[float | None]
    course_id: Mapped[UUID | None] = mapped_column(ForeignKey("courses.id"))
    serving_zone: Mapped[str | None] = mapped_column(String(120))
    """Name and operator of the zone that serves the place, when it is another operator's (rule Z2)."""
    serving_operator: Mapped[str | None] = mapped_column(String(120))
    note: Mapped[str] = mapped_column(Text, default="")
    callback_on: Mapped[date | None]
    booking_id: Mapped[UUID | None]
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
