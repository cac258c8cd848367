"""The audit: one row per change of state (rule E3). The application's role may insert and read, nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.actor import ActorKind, Role
from webapp.db.base import Base, word


class AuditEntry(Base):
    """Who did what to which row, when, from where; before and after. Never changed: a seal goes beside it."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_subject", "subject_id", "at"),
        Index("ix_audit_entries_operator_id_at", "operator_id", "at"),
        Index("ix_audit_entries_at_id", "at", "id"),
        Index("ix_audit_entries_actor_id_at", "actor_id", "at"),
        Index("ix_audit_entries_what_at", "what", "at"),
        Index("ix_audit_entries_subject_kind_at", "subject_kind", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    operator_id: Mapped[UUID]
    """The operator whose row was changed: no foreign key, an entry outlives everything."""
    actor_kind: Mapped[ActorKind] = mapped_column(word(ActorKind, "actor_kind"))
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str] = mapped_column(String(120))
    actor_role: Mapped[Role | None] = mapped_column(word(Role, "actor_role"))
    what: Mapped[str] = mapped_column(String(64))
    """What happened, as ``assignment.approved``."""
    subject_kind: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[UUID]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    source: Mapped[str] = mapped_column(String(16))
    """``web``, ``api``, ``job`` or ``cli``."""
    request_id: Mapped[str | None] = mapped_column(String(64))
    address: Mapped[str | None] = mapped_column(String(64))


class AuditSeal(Base):
    """The seal of one entry: its place in the chain, and the SHA-256 over the seal before it and the entry's content.

    Beside the entry and not in it, so that nothing of an entry is ever changed. The sweeper writes them in batches.
    """

    __tablename__ = "audit_seals"
    __table_args__ = (Index("uq_audit_seals_entry_id", "entry_id", unique=True),)

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """1, 2, 3 … without a gap."""
    operator_id: Mapped[UUID]
    """The entry's."""
    entry_id: Mapped[UUID]
    """No foreign key: a seal whose entry is gone is what tells on whoever took it away."""
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    sealed_at: Mapped[datetime]
