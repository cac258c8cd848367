"""Assignments: the proposal of one trainer for a whole booking, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from webapp.assignments.rules import AssignmentKind, AssignmentStatus, RecheckOutcome
from webapp.db.base import Base, owned_key, owned_table, word


class Assignment(Base):
    """One proposal. Besides substitutes for single sessions a booking has at most one proposed and one approved."""

    __tablename__ = "assignments"
    __table_args__ = owned_table(
        owned_key("booking_id", "bookings"),
        owned_key("trainer_id", "trainers"),
        CheckConstraint("(status = 'proposed') = (decided_at IS NULL)", name="decided"),
        CheckConstraint("version >= 1", name="version"),
        Index(
            "uq_assignments_live_booking_id_status",
            "booking_id",
            "status",
            unique=True,
            postgresql_where=text("status IN ('proposed', 'approved') AND kind <> 'substitute'"),
        ),
        Index(
            "ix_assignments_operator_id_status_proposed_at",
            "operator_id",
            "status",
            "proposed_at",
        ),
        Index("ix_assignments_booking_id", "booking_id"),
        Index("ix_assignments_trainer_id", "trainer_id"),
        Index(
            "ix_assignments_expires_at",
            "expires_at",
            postgresql_where=text("status = 'proposed'"),
        ),
        CheckConstraint("recheck_outcome IS NULL OR recheck_since IS NOT NULL", name="recheck"),
        CheckConstraint("(recheck_outcome IS NULL) = (rechecked_at IS NULL)", name="rechecked"),
        Index(
            "ix_assignments_recheck_since",
            "recheck_since",
            postgresql_where=text("recheck_since IS NOT NULL AND rechecked_at IS NULL"),
        ),
        Index(
            "ix_assignments_recheck_outcome",
            "operator_id",
            postgresql_where=text("recheck_outcome IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID]
    booking_id: Mapped[UUID]
    trainer_id: Mapped[UUID]
    status: Mapped[AssignmentStatus] = mapped_column(word(AssignmentStatus, "status"))
    kind: Mapped[AssignmentKind] = mapped_column(word(AssignmentKind, "kind"), server_default="course")
    automatic: Mapped[bool] = mapped_column(default=False)
    """The engine chose the trainer, not a person."""
    proposed_by: Mapped[UUID | None]
    proposed_by_name: Mapped[str] = mapped_column(String(120))
    proposed_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_by: Mapped[UUID | None]
    decided_by_name: Mapped[str | None] = mapped_column(String(120))
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(400))
    """Why it was decided as it was."""
    purpose: Mapped[str | None] = mapped_column(String(400))
    """Why a trainer is to be changed (rule A7); a first proposal needs no reason."""
    explanation: Mapped[list[Any]] = mapped_column(JSONB)
    """The verdict on every trainer looked at, as it was when this proposal was made (rule T11)."""
    recheck_since: Mapped[datetime | None]
    """As of when the roster was that it was approved on, where that was too long ago: it is looked at again."""
    rechecked_at: Mapped[datetime | None]
    recheck_outcome: Mapped[RecheckOutcome | None] = mapped_column(word(RecheckOutcome, "recheck_outcome"))
    version: Mapped[int] = mapped_column(default=1)
