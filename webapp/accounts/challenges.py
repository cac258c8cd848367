"""What an authenticator is asked to sign: 256 random bits, good once, for one purpose, one person and one browser.

The browser holds a token in a cookie, the row only the token's SHA-256 (W3C Web Authentication, Level 2,
section 13.4.3: challenges are made and remembered by the server).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete

from webapp.accounts.models import PasskeyChallenge
from webapp.accounts.rules import ChallengePurpose
from webapp.core.ids import new_id
from webapp.db.work import Work

LASTS: Final = timedelta(minutes=5)
"""How long somebody may look for their key."""
_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Question:
    """What the answer to a challenge is wanted for, and from whom; ``None`` when a passkey alone is to say who."""

    purpose: ChallengePurpose
    user_id: UUID | None


def issue(work: Work, question: Question, token_hash: bytes, *, instead_of: bytes | None, now: datetime) -> bytes:
    """A new challenge for the browser whose token hashes to ``token_hash``; returns the bytes to sign.

    ``instead_of`` is the hash of the browser's token before: a browser has one challenge at a time.
    """
    if instead_of is not None:
        work.db.execute(delete(PasskeyChallenge).where(PasskeyChallenge.token_hash == instead_of))
    challenge = secrets.token_bytes(_BYTES)
    work.db.add(
        PasskeyChallenge(
            id=new_id(),
            token_hash=token_hash,
            challenge=challenge,
            purpose=question.purpose,
            user_id=question.user_id,
            ends_at=now + LASTS,
        )
    )
    return challenge


def take(work: Work, question: Question, token_hash: bytes, *, now: datetime) -> bytes | None:
    """Use a challenge up, whatever comes of it; ``None`` when there is none, it is over, or it asked something else.

    One statement deletes and reads it, so of two requests with the same answer one finds nothing.
    """
    taken = (
        delete(PasskeyChallenge)
        .where(PasskeyChallenge.token_hash == token_hash)
        .returning(
            PasskeyChallenge.challenge, PasskeyChallenge.purpose, PasskeyChallenge.user_id, PasskeyChallenge.ends_at
        )
    )
    row = work.db.execute(taken).one_or_none()
    if row is None or now >= row.ends_at or Question(row.purpose, row.user_id) != question:
        return None
    challenge: bytes = row.challenge
    return challenge


def forget_overdue(work: Work, *, now: datetime) -> int:
    """Delete challenges nobody answered in time; returns how many."""
    overdue = delete(PasskeyChallenge).where(PasskeyChallenge.ends_at <= now).returning(PasskeyChallenge.id)
    return len(work.db.scalars(overdue).all())
