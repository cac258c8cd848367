"""Families: the household, its guardians (the only people who are messaged) and its students, who are children."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.base import Base, owned_key, owned_table


class Household(Base):
    """A family of one operator."""

    __tablename__ = "households"
    __table_args__ = owned_table(
        CheckConstraint("erasure_noted_at IS NULL OR erased_at IS NOT NULL", name="erasure_noted"),
        Index("ix_households_operator_id_created_at", "operator_id", "created_at"),
        Index(
            "ix_households_erasure_due",
            "erased_at",
            postgresql_where=text("erased_at IS NOT NULL AND erasure_noted_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]
    """When the family's data was erased. A trigger lets nothing of theirs be entered from then on."""
    erasure_noted_at: Mapped[datetime | None]
    """When that was noted outside the database, for a backup to be restored by; until then it is due."""


class Guardian(Base):
    """A grown-up of the household, in the order they were entered; the first is who the desk calls."""

    __tablename__ = "guardians"
    __table_args__ = owned_table(
        owned_key("household_id", "households", ondelete="CASCADE"),
        CheckConstraint(r"phone ~ '^\+[1-9][0-9]{6,14}$'", name="phone"),
        CheckConstraint("(consent_at IS NOT NULL) = consent_to_messages", name="consent"),
        Index("ix_guardians_household_id", "household_id"),
        Index("ix_guardians_operator_id_phone", "operator_id", "phone"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID]
    household_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(200))
    phone: Mapped[str] = mapped_column(String(16))
    email: Mapped[str | None] = mapped_column(String(254))
    language: Mapped[str] = mapped_column(String(12))
    consent_to_messages: Mapped[bool]
    consent_at: Mapped[datetime | None]


class Student(Base):
    """A child who is taught."""

    __tablename__ = "students"
    __table_args__ = owned_table(
        owned_key("household_id", "households", ondelete="CASCADE"),
        CheckConstraint("name <> ''", name="name"),
        Index("ix_students_household_id", "household_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID]
    household_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(200))
