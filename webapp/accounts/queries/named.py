"""Finding people by what they are called."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from webapp.accounts.models import User
from webapp.core.actor import Actor
from webapp.db.tenancy import owned_by

MOST: Final = 200
"""So many people at most; whoever finds more is asked to say more."""


def people_called(db: Session, text: str, *, visible_to: Actor) -> frozenset[UUID]:
    """The ids of the accounts whose name or e-mail address contains a text, of those the actor may see."""
    called = or_(User.name.icontains(text, autoescape=True), User.email.icontains(text, autoescape=True))
    return frozenset(
        db.scalars(select(User.id).where(called, owned_by(User.operator_id, visible_to)).order_by(User.id).limit(MOST))
    )
