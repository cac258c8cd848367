"""What other rooms' pages show of accounts."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.accounts.models import User
from webapp.core.actor import Actor
from webapp.db.tenancy import owned_by


def staff_by_operator(db: Session, actor: Actor) -> dict[UUID, int]:
    """How many active accounts each operator has among those the actor may see."""
    rows = db.execute(
        select(User.operator_id, func.count())
        .where(User.active, owned_by(User.operator_id, actor))
        .group_by(User.operator_id)
    )
    return {row[0]: row[1] for row in rows}
