"""Accounts: creating and changing them, and the sign-ins that stand on them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.accounts.links import void_resets
from webapp.accounts.models import SignInSession, User
from webapp.accounts.rules import check_role, normalised_email
from webapp.audit import service as audit
from webapp.core.actor import Actor, Role
from webapp.core.errors import Invalid, NotFound
from webapp.core.ids import new_id
from webapp.core.names import clean_name
from webapp.db.base import violates
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.operators.rules import kind_of


@dataclass(frozen=True, slots=True)
class UserCommand:
    """A person to give an account to."""

    operator_id: UUID
    email: str
    name: str
    role: Role
    locale: str = "en"
    active: bool = True


def create_user(work: Work, command: UserCommand, password_hash: str, *, by: Actor, now: datetime) -> UUID:
    """Give a person an account with an argon2id hash. Raises ``Invalid`` for email, name or role."""
    email = normalised_email(command.email)
    name = clean_name(command.name)
    check_role(command.role, kind_of(command.operator_id))
    user_id = new_id()
    work.db.add(
        User(
            id=user_id,
            operator_id=command.operator_id,
            email=email,
            name=name,
            role=command.role,
            password=password_hash,
            fs_uniquifier=secrets.token_hex(32),
            active=command.active,
            locale=command.locale,
            created_at=now,
            last_sign_in_at=None,
        )
    )
    flush(work)
    audit.record(
        work,
        "account.created",
        "user",
        user_id,
        operator_id=command.operator_id,
        by=by,
        after={"role": command.role, "locale": command.locale},
        at=now,
    )
    return user_id


def set_password(work: Work, user_id: UUID, password_hash: str, *, by: Actor, now: datetime) -> None:
    """Give an account another password and end all its sign-ins; links that could set one are void.

    Raises ``NotFound`` like ``change_user``.
    """
    user = _locked(work.db, user_id, by)
    end_all_sign_ins(work, user)
    void_resets(work, user_id, now=now)
    user.password = password_hash
    audit.record(work, "account.password_reset", "user", user_id, operator_id=user.operator_id, by=by, at=now)


def _locked(db: Session, user_id: UUID, by: Actor) -> User:
    user = db.scalar(select(User).where(User.id == user_id, owned_by(User.operator_id, by)).with_for_update())
    if user is None:
        raise NotFound()
    return user


def end_all_sign_ins(work: Work, user: User) -> None:
    """Sign every browser of the account out, and make whatever cookie is still around worthless."""
    work.db.execute(delete(SignInSession).where(SignInSession.user_id == user.id))
    user.fs_uniquifier = secrets.token_hex(32)


def flush(work: Work) -> None:
    """Send what waits to the database. Raises ``Invalid`` for field ``email`` when the address is in use."""
    try:
        work.db.flush()  # So that an address in use is refused here, in words, and not at the commit.
    except IntegrityError as error:
        if violates(error, ["uq_users_email"]):
            raise Invalid("email-taken", "There is already an account with this address.", field="email") from error
        raise
