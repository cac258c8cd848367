"""Reading sign-ins: one's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts.models import SignInSession
from webapp.accounts.rules import SignInStage


@dataclass(frozen=True, slots=True)
class SignInRow:
    """A signed-in browser, for its person; the instants are UTC."""

    id: UUID
    device: str
    """What the browser calls itself."""
    address: str
    created_at: datetime
    last_seen_at: datetime
    method: str


def open_sign_ins(db: Session, user_id: UUID, *, seen_after: datetime, now: datetime) -> tuple[SignInRow, ...]:
    """The browsers somebody is signed in with, last seen first; none that is over."""
    rows = db.execute(
        select(
            SignInSession.id,
            SignInSession.device,
            SignInSession.address,
            SignInSession.created_at,
            SignInSession.last_seen_at,
            SignInSession.method,
        )
        .where(
            SignInSession.user_id == user_id,
            SignInSession.stage == SignInStage.OPEN,
            SignInSession.ends_at > now,
            SignInSession.last_seen_at > seen_after,
        )
        .order_by(SignInSession.last_seen_at.desc(), SignInSession.id)
    )
    return tuple(SignInRow(*row) for row in rows)
