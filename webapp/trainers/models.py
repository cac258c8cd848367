"""The roster: trainers, what they teach, where, when, and when they are away."""

from __future__ import annotations

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import TSTZRANGE, Range
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.base import Base, owned_key, owned_table


class Trainer(Base):
    """A trainer of one operator. Without a base location the reach (rule T8) is unknown, so they are refused."""

    __tablename__ = "trainers"
    __table_args__ = (
        *owned_table(
            UniqueConstraint("operator_id", "id", "time_zone"),
            CheckConstraint("(base_lat IS NULL) = (base_lng IS NULL)", name="base"),
            CheckConstraint("base_lat BETWEEN -90 AND 90 AND base_lng BETWEEN -180 AND 180", name="base_range"),
            CheckConstraint("name <> ''", name="name"),
            CheckConstraint("left_at IS NULL OR NOT active", name="left"),
            CheckConstraint("service_id IS NOT NULL OR service_fields = '{}'", name="service_fields"),
            CheckConstraint("(held_back_code IS NULL) = (held_back_at IS NULL)", name="held_back"),
            Index("ix_trainers_operator_id_name", "operator_id", "name"),
            Index("uq_trainers_service_id", "service_id", unique=True, postgresql_where=text("service_id IS NOT NULL")),
        ),
        {"postgresql_with": {"fillfactor": 70}},  # a renewed stamp finds room on its page
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    name: Mapped[str] = mapped_column(String(200))
    active: Mapped[bool] = mapped_column(default=True)
    time_zone: Mapped[str] = mapped_column(String(64))
    base_lat: Mapped[float | None]
    base_lng: Mapped[float | None]
    gender: Mapped[str | None] = mapped_column(String(16))
    languages: Mapped[list[str]] = mapped_column(ARRAY(String(12)), default=list)
    notes: Mapped[str] = mapped_column(String(2000), server_default="")
    """The desk's own, whatever the service says."""
    service_id: Mapped[str | None] = mapped_column(String(64))
    """Who this is to the trainer service; nothing for a trainer the desk looks after by itself."""
    service_fields: Mapped[list[str]] = mapped_column(ARRAY(String(20)), server_default="{}")
    """Which fields the service owns (``sync_rules.Owned``): they are read-only here."""
    held_back_at: Mapped[datetime | None]
    """Since when what the service says of the trainer cannot be used: what is here is as of then."""
    held_back_code: Mapped[str | None] = mapped_column(String(64))
    left_at: Mapped[datetime | None]
    """When the trainer was taken to have left: two full runs did not see them."""
    created_at: Mapped[datetime]
    stamp: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    """Renewed by triggers whenever the trainer, their slots, hours, time off, courses or zones change: who remembers a
    trainer is up to date as long as the stamp is the same. Random, so that no other state ever bears the same one."""


class TrainerCourse(Base):
    """A certification: the trainer may teach the course."""

    __tablename__ = "trainer_courses"
    __table_args__ = (
        owned_key("trainer_id", "trainers", ondelete="CASCADE"),
        Index("ix_trainer_courses_course_id", "course_id"),
    )

    operator_id: Mapped[UUID]
    trainer_id: Mapped[UUID] = mapped_column(primary_key=True)
    course_id: Mapped[UUID] = mapped_column(ForeignKey("courses.id"), primary_key=True)


class TrainerZone(Base):
    """The trainer works in the zone. The time zone is in both keys, so they cannot differ."""

    __tablename__ = "trainer_zones"
    __table_args__ = (
        ForeignKeyConstraint(
            ["operator_id", "trainer_id", "time_zone"],
            ["trainers.operator_id", "trainers.id", "trainers.time_zone"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["operator_id", "zone_id", "time_zone"], ["zones.operator_id", "zones.id", "zones.time_zone"]
        ),
        Index("ix_trainer_zones_zone_id", "zone_id"),
    )

    operator_id: Mapped[UUID]
    trainer_id: Mapped[UUID] = mapped_column(primary_key=True)
    zone_id: Mapped[UUID] = mapped_column(primary_key=True)
    time_zone: Mapped[str] = mapped_column(String(64))


class TrainerHours(Base):
    """Weekly working hours, wall clock in the trainer's time zone; ``ends`` 00:00 means midnight at the day's end."""

    __tablename__ = "working_hours"
    __table_args__ = (
        owned_key("trainer_id", "trainers", ondelete="CASCADE"),
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint("starts < ends OR ends = '00:00'", name="order"),
    )

    operator_id: Mapped[UUID]
    trainer_id: Mapped[UUID] = mapped_column(primary_key=True)
    weekday: Mapped[int] = mapped_column(primary_key=True)
    """0 is Monday."""
    starts: Mapped[time] = mapped_column(primary_key=True)
    ends: Mapped[time]


class TimeOff(Base):
    """A period in which the trainer is away. It may overlap booked slots: those need cover."""

    __tablename__ = "time_off"
    __table_args__ = owned_table(
        owned_key("trainer_id", "trainers", ondelete="CASCADE"),
        CheckConstraint("NOT isempty(period) AND NOT lower_inf(period) AND NOT upper_inf(period)", name="period"),
        Index("ix_time_off_trainer_id_period", "trainer_id", "period", postgresql_using="gist"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID]
    trainer_id: Mapped[UUID]
    period: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
    reason: Mapped[str] = mapped_column(String(200), default="")
    from_service: Mapped[bool] = mapped_column(server_default="false")
    """Whether the trainer service says so; what people record here stays when it does not."""


class RosterVersion(Base):
    """Which state an operator's roster is in: triggers count it up with every change of what its pages show."""

    __tablename__ = "roster_versions"

    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, server_default="1")


class TrainerBlock(Base):
    """Family and trainer are kept apart (rule T10)."""

    __tablename__ = "trainer_blocks"
    __table_args__ = (
        owned_key("trainer_id", "trainers", ondelete="CASCADE"),
        owned_key("household_id", "households", ondelete="CASCADE"),
        Index("ix_trainer_blocks_household_id", "household_id"),
    )

    operator_id: Mapped[UUID]
    trainer_id: Mapped[UUID] = mapped_column(primary_key=True)
    household_id: Mapped[UUID] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(300))
    created_at: Mapped[datetime]
