"""Accounts: creating and changing them, and the sign-ins that stand on them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, fields, replace
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
    _flush(work)
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


def change_user(work: Work, user_id: UUID, command: UserCommand, *, by: Actor, now: datetime) -> bool:
    """Make an account what the command says; whether anything changed.

    Whoever moves to another operator or is switched off is signed out everywhere. Raises ``NotFound`` for an account
    that is not there or not the actor's, ``Invalid`` for email, name or role.
    """
    email, name = normalised_email(command.email), clean_name(command.name)
    check_role(command.role, kind_of(command.operator_id))
    user = _locked(work.db, user_id, by)
    wanted = replace(command, email=email, name=name)
    known = UserCommand(user.operator_id, user.email, user.name, user.role, user.locale, user.active)
    changed = [field.name for field in fields(known) if getattr(known, field.name) != getattr(wanted, field.name)]
    if not changed:
        return False
    if "operator_id" in changed or not wanted.active:
        _end_all_sign_ins(work, user)
    for field in changed:
        setattr(user, field, getattr(wanted, field))
    _flush(work)
    # The audit outlives the person: it says that name or address changed, not what they were.
    told = [field for field in changed if field not in ("email", "name")]
    audit.record(
        work,
        "account.changed",
        "user",
        user_id,
        operator_id=wanted.operator_id,
        by=by,
        before={field: getattr(known, field) for field in told},
        after={"changed": changed} | {field: getattr(wanted, field) for field in told},
        at=now,
    )
    return True


def set_password(work: Work, user_id: UUID, password_hash: str, *, by: Actor, now: datetime) -> None:
    """Give an account another password and end all its sign-ins; links that could set one are void.

    Raises ``NotFound`` like ``change_user``.
    """
    user = _locked(work.db, user_id, by)
    _end_all_sign_ins(work, user)
    void_resets(work, user_id, now=now)
    user.password = password_hash
    audit.record(work, "account.password_reset", "user", user_id, operator_id=user.operator_id, by=by, at=now)


def _locked(db: Session, user_id: UUID, by: Actor) -> User:
    user = db.scalar(select(User).where(User.id == user_id, owned_by(User.operator_id, by)).with_for_update())
    if user is None:
        raise NotFound()
    return user


def _end_all_sign_ins(work: Work, user: User) -> None:
    """Sign every browser of the account out, and make whatever cookie is still around worthless."""
    work.db.execute(delete(SignInSession).where(SignInSession.user_id == user.id))
    user.fs_uniquifier = secrets.token_hex(32)


def _flush(work: Work) -> None:
    try:
        work.db.flush()  # So that an address in use is refused here, in words, and not at the commit.
    except IntegrityError as error:
        if violates(error, ["uq_users_email"]):
            raise Invalid("email-taken", "There is already an account with this address.", field="email") from error
        raise
