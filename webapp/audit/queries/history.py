"""Reading the audit: what happened to a thing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.audit.models import AuditEntry
from webapp.core.actor import Actor, ActorKind
from webapp.db.tenancy import owned_by


@dataclass(frozen=True, slots=True)
class Happened:
    """One entry: ``what`` happened (``assignment.approved``), when, by whom, and the fields that changed."""

    id: UUID
    at: datetime
    actor_kind: ActorKind
    actor_id: UUID | None
    actor_name: str
    what: str
    subject_kind: str
    subject_id: UUID
    before: dict[str, Any]
    after: dict[str, Any]
    source: str


def history(db: Session, subject_ids: Collection[UUID], *, visible_to: Actor, limit: int = 200) -> tuple[Happened, ...]:
    """What happened to the given things, newest first, at most ``limit`` entries; nothing of another operator's."""
    rows: Sequence[Any] = db.execute(
        select(
            AuditEntry.id,
            AuditEntry.at,
            AuditEntry.actor_kind,
            AuditEntry.actor_id,
            AuditEntry.actor_name,
            AuditEntry.what,
            AuditEntry.subject_kind,
            AuditEntry.subject_id,
            AuditEntry.before,
            AuditEntry.after,
            AuditEntry.source,
        )
        .where(AuditEntry.subject_id.in_(subject_ids), owned_by(AuditEntry.operator_id, visible_to))
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(limit)
    ).all()
    return tuple(_happened(row) for row in rows)


def _happened(row: Any) -> Happened:
    values: tuple[Any, ...] = (*row[:8], row[8] or {}, row[9] or {}, row[10])
    return Happened(*values)
