"""Which families were erased, as the audit tells."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.audit.models import AuditEntry


def erasures_told(db: Session) -> Mapping[UUID, datetime]:
    """Every household the audit says was erased, and when it first was. For the desk itself: it crosses operators."""
    entries = select(AuditEntry.subject_id, AuditEntry.after["erased_at"].astext).where(
        AuditEntry.what == "household.erased", AuditEntry.subject_kind == "household"
    )
    found: dict[UUID, datetime] = {}
    for household_id, at in db.execute(entries.order_by(AuditEntry.at, AuditEntry.id)):
        found.setdefault(household_id, datetime.fromisoformat(at))
    return found
