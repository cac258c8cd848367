"""Reading accounts and sign-ins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts.models import User
from webapp.core.actor import Actor, ActorKind, Role
from webapp.core.errors import Invalid, NotFound
from webapp.core.ids import COMPANY_ID
from webapp.db.tenancy import owned_by
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


ACCOUNT: tuple[Any, ...] = (
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


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account in a list; the instant is UTC."""

    id: UUID
    operator_id: UUID
    operator_name: str
    email: str
    name: str
    role: Role
    locale: str
    active: bool
    """Of the account alone: its operator may be switched off all the same."""
    last_sign_in_at: datetime | None


_ROW = (
    User.id,
    User.operator_id,
    Operator.name,
    User.email,
    User.name,
    User.role,
    User.locale,
    User.active,
    User.last_sign_in_at,
)


def accounts_index(db: Session, *, visible_to: Actor, operator_id: UUID | None = None) -> tuple[AccountRow, ...]:
    """The accounts the actor may see, the company's first, then by operator and address."""
    found = (
        select(*_ROW)
        .join(Operator, Operator.id == User.operator_id)
        .where(owned_by(User.operator_id, visible_to))
        .order_by(Operator.id != COMPANY_ID, Operator.name_key, User.email)
    )
    if operator_id is not None:
        found = found.where(User.operator_id == operator_id)
    return tuple(AccountRow(*row) for row in db.execute(found))


def account_with_address(db: Session, email: str, *, visible_to: Actor) -> AccountRow:
    """The account of a normalised e-mail address. Raises ``Invalid`` for field ``email`` when there is none."""
    found = (
        select(*_ROW)
        .join(Operator, Operator.id == User.operator_id)
        .where(User.email == email, owned_by(User.operator_id, visible_to))
    )
    row = db.execute(found).one_or_none()
    if row is None:
        raise Invalid("account-unknown", "There is no account with the address %(email)s.", field="email", email=email)
    return AccountRow(*row)


def account(db: Session, user_id: UUID) -> Account:
    """The account of a user, active or not. Raises ``NotFound``."""
    found = select(*ACCOUNT).join(Operator, Operator.id == User.operator_id).where(User.id == user_id)
    row = db.execute(found).one_or_none()
    if row is None:
        raise NotFound()
    return Account(*row)
