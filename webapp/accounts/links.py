"""Links in letters: 256 random bits in the letter, their SHA-256 in the row, good once and for a while."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, or_, update

from webapp.accounts.models import LinkToken
from webapp.accounts.rules import LinkPurpose
from webapp.core.ids import new_id
from webapp.db.work import Work

TOKEN_BYTES: Final = 32


def token_hash(token: str) -> bytes:
    """What the database knows of a token: its SHA-256. A slow hash would add nothing to 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


def make_link(
    work: Work,
    purpose: LinkPurpose,
    *,
    operator_id: UUID,
    email: str,
    expires_at: datetime,
    user_id: UUID | None = None,
    invitation_id: UUID | None = None,
    now: datetime,
) -> str:
    """A new token for a letter to ``email``: about a user to reset, or about an invitation.

    Links made before stay good: of two copies of a letter people open either.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    work.db.add(
        LinkToken(
            id=new_id(),
            operator_id=operator_id,
            purpose=purpose,
            token_hash=token_hash(token),
            user_id=user_id,
            invitation_id=invitation_id,
            email=email,
            created_at=now,
            expires_at=expires_at,
            used_at=None,
        )
    )
    return token


def use_link(work: Work, hashed: bytes, *, now: datetime) -> bool:
    """Use a link up, by compare-and-set: of several who try at once exactly one may go on."""
    used = (
        update(LinkToken)
        .where(LinkToken.token_hash == hashed, LinkToken.used_at.is_(None), LinkToken.expires_at > now)
        .values(used_at=now)
        .returning(LinkToken.id)
    )
    return work.db.scalar(used) is not None


def void_resets(work: Work, user_id: UUID, *, now: datetime) -> None:
    """Make every link that could set a person's password worthless."""
    work.db.execute(
        update(LinkToken)
        .where(LinkToken.user_id == user_id, LinkToken.purpose == LinkPurpose.RESET, LinkToken.used_at.is_(None))
        .values(used_at=now)
    )


def void_invitation(work: Work, invitation_id: UUID, *, now: datetime) -> None:
    """Make every link of an invitation worthless."""
    mine = update(LinkToken).where(LinkToken.invitation_id == invitation_id, LinkToken.used_at.is_(None))
    work.db.execute(mine.values(used_at=now))


def forget_dead(work: Work, *, now: datetime) -> int:
    """Delete links of the operator at hand that are good for nothing any more; returns how many."""
    dead = delete(LinkToken).where(or_(LinkToken.expires_at <= now, LinkToken.used_at.is_not(None)))
    return len(work.db.scalars(dead.returning(LinkToken.id)).all())
