"""What is read before it is known who asks: each question one statement, with fixed columns, the owner among them.

Everything else about accounts is asked on behalf of whoever these questions find.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts.models import SignInSession, User
from webapp.accounts.queries.people import ACCOUNT, Account
from webapp.accounts.rules import SignInStage
from webapp.operators.models import Operator


@dataclass(frozen=True, slots=True)
class OpenSignIn:
    """A signed-in browser and its person; the instants are UTC."""

    session_id: UUID
    created_at: datetime
    last_seen_at: datetime
    ends_at: datetime
    method: str
    second_factor_at: datetime | None
    account: Account


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A browser whose person has typed the password and owes a second factor; the instant is UTC."""

    session_id: UUID
    stage: SignInStage
    tries: int
    ends_at: datetime
    account: Account


def account_of(db: Session, email: str) -> Account | None:
    """The account with a normalised e-mail address, active or not. Asked before anybody is signed in."""
    found = select(*ACCOUNT).join(Operator, Operator.id == User.operator_id).where(User.email == email)
    row = db.execute(found).one_or_none()
    return Account(*row) if row is not None else None


def open_sign_in(db: Session, token_hash: bytes, fs_uniquifier: str) -> OpenSignIn | None:
    """The signed-in browser that holds a token, with its person: one statement, which page limits do not count.

    ``None`` when there is none, when a second factor is still owed, or when the account's ``fs_uniquifier`` has changed
    since. Time limits are asked elsewhere.
    """
    found = (
        select(
            SignInSession.id,
            SignInSession.created_at,
            SignInSession.last_seen_at,
            SignInSession.ends_at,
            SignInSession.method,
            SignInSession.second_factor_at,
            *ACCOUNT,
        )
        .join(User, User.id == SignInSession.user_id)
        .join(Operator, Operator.id == User.operator_id)
        .where(
            SignInSession.token_hash == token_hash,
            SignInSession.stage == SignInStage.OPEN,
            User.fs_uniquifier == fs_uniquifier,
        )
        .execution_options(uncounted=True)
    )
    row = db.execute(found).one_or_none()
    return OpenSignIn(row[0], row[1], row[2], row[3], row[4], row[5], Account(*row[6:])) if row is not None else None


def pending_sign_in(db: Session, token_hash: bytes, fs_uniquifier: str) -> PendingSignIn | None:
    """The browser that holds a token and whose person owes a second factor, or has to set one up.

    ``None`` when there is none or the account's ``fs_uniquifier`` has changed since. Limits are asked elsewhere.
    """
    found = (
        select(SignInSession.id, SignInSession.stage, SignInSession.tries, SignInSession.ends_at, *ACCOUNT)
        .join(User, User.id == SignInSession.user_id)
        .join(Operator, Operator.id == User.operator_id)
        .where(
            SignInSession.token_hash == token_hash,
            SignInSession.stage != SignInStage.OPEN,
            User.fs_uniquifier == fs_uniquifier,
        )
        .execution_options(uncounted=True)
    )
    row = db.execute(found).one_or_none()
    return PendingSignIn(row[0], row[1], row[2], row[3], Account(*row[4:])) if row is not None else None
