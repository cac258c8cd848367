"""Reading accounts and sign-ins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts.models import SignInSession, User
from webapp.core.actor import Actor, ActorKind, Role
from webapp.core.errors import NotFound
from webapp.operators.models import Operator


@dataclass(frozen=True, slots=True)
class Account:
    """A person with an account, as signing in needs it. ``password`` is the argon2id hash."""

    id: UUID
    operator_id: UUID
    operator_name: str
    email: str
    name: str
    role: Role
    locale: str
    active: bool
    """Neither the account nor its operator is switched off."""
    fs_uniquifier: str
    password: str

    @property
    def actor(self) -> Actor:
        """The person as whoever acts."""
        return Actor(kind=ActorKind.USER, id=self.id, name=self.name, role=self.role, operator_id=self.operator_id)


@dataclass(frozen=True, slots=True)
class OpenSignIn:
    """A signed-in browser and its person; the instants are UTC."""

    session_id: UUID
    created_at: datetime
    last_seen_at: datetime
    ends_at: datetime
    account: Account


_ACCOUNT: tuple[Any, ...] = (
    User.id,
    User.operator_id,
    Operator.name,
    User.email,
    User.name,
    User.role,
    User.locale,
    User.active & Operator.active,
    User.fs_uniquifier,
    User.password,
)


def account_of(db: Session, email: str) -> Account | None:
    """The account with a normalised e-mail address, active or not. Asked before anybody is signed in."""
    found = select(*_ACCOUNT).join(Operator, Operator.id == User.operator_id).where(User.email == email)
    row = db.execute(found).one_or_none()
    return Account(*row) if row is not None else None


def account(db: Session, user_id: UUID) -> Account:
    """The account of a user, active or not. Raises ``NotFound``."""
    found = select(*_ACCOUNT).join(Operator, Operator.id == User.operator_id).where(User.id == user_id)
    row = db.execute(found).one_or_none()
    if row is None:
        raise NotFound()
    return Account(*row)


def open_sign_in(db: Session, token_hash: bytes, fs_uniquifier: str) -> OpenSignIn | None:
    """The signed-in browser that holds a token, with its person: one statement, which page limits do not count.

    ``None`` when there is none or the account's ``fs_uniquifier`` has changed since. Time limits are asked elsewhere.
    """
    found = (
        select(
            SignInSession.id,
            SignInSession.created_at,
            SignInSession.last_seen_at,
            SignInSession.ends_at,
            *_ACCOUNT,
        )
        .join(User, User.id == SignInSession.user_id)
        .join(Operator, Operator.id == User.operator_id)
        .where(SignInSession.token_hash == token_hash, User.fs_uniquifier == fs_uniquifier)
        .execution_options(uncounted=True)
    )
    row = db.execute(found).one_or_none()
    return OpenSignIn(row[0], row[1], row[2], row[3], Account(*row[4:])) if row is not None else None
