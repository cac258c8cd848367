"""Schedule slots: the periods in which trainers are taken. Here the database forbids double booking (rule A2)."""

from __future__ import annotations

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.base import Base, owned_key, owned_table, word
from webapp.schedule.rules import SlotStatus

NO_OVERLAP = "ex_schedule_slots_trainer_period"
SAME_START = "uq_schedule_slots_trainer_start"


class ScheduleSlot(Base):
    """A trainer taken by a course session, held or booked. A released slot is deleted; the audit keeps it."""

    __tablename__ = "schedule_slots"
    __table_args__ = owned_table(
        owned_key("trainer_id", "trainers"),
        owned_key("booking_id", "bookings"),
        owned_key("course_session_id", "course_sessions"),
        owned_key("assignment_id", "assignments"),
        ExcludeConstraint(("trainer_id", "="), ("period", "&&"), name=NO_OVERLAP, using="gist"),
        UniqueConstraint("trainer_id", "date", "timeslot", name=SAME_START),
        # The trainer a session has, and one who is proposed instead (rule A7).
        UniqueConstraint("course_session_id", "status"),
        CheckConstraint("(place_lat IS NULL) = (place_lng IS NULL)", name="place_whole"),
        CheckConstraint("place_lat BETWEEN -90 AND 90 AND place_lng BETWEEN -180 AND 180", name="place"),
        CheckConstraint("buffer_minutes BETWEEN 0 AND 240", name="buffer"),
        CheckConstraint(
            "NOT isempty(period) AND lower_inc(period) AND NOT upper_inc(period)"
            " AND isfinite(lower(period)) AND isfinite(upper(period))",
            name="period",
        ),
        Index("ix_schedule_slots_booking_id", "booking_id"),
        Index("ix_schedule_slots_assignment_id", "assignment_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    operator_id: Mapped[UUID]
    trainer_id: Mapped[UUID]
    booking_id: Mapped[UUID]
    course_session_id: Mapped[UUID]
    assignment_id: Mapped[UUID]
    status: Mapped[SlotStatus] = mapped_column(word(SlotStatus, "status"))
    period: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
    date: Mapped[date]
    """The local date and time the period was made from."""
    timeslot: Mapped[time]
    place_lat: Mapped[float | None]
    """Where the trainer must be; none while teaching online. Kept here so that the way between two sessions of one
    trainer (rule T9) is asked of one table."""
    place_lng: Mapped[float | None]
    buffer_minutes: Mapped[int]
    """The travel buffer of the booking's zone."""
