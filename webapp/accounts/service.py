"""Accounts: creating and changing them, and the sign-ins that stand on them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.accounts.models import SignInSession, User
from webapp.accounts.queries import Account
from webapp.accounts.rules import PENDING_FOR, PENDING_TRIES, SignInStage, check_role, normalised_email
from webapp.audit import service as audit
from webapp.core.actor import Actor, Role
from webapp.core.errors import Invalid, NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.core.names import clean_name
from webapp.db.base import violates
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.operators.rules import kind_of

SEEN_EVERY = timedelta(minutes=1)
"""How exactly it is known when a browser was last seen."""
_MAX_DEVICE = 200
_MAX_ADDRESS = 64


@dataclass(frozen=True, slots=True)
class UserCommand:
    """A person to give an account to."""

    operator_id: UUID
    email: str
    name: str
    role: Role
    locale: str = "en"
    active: bool = True


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody signs in from: the SHA-256 of the browser's token, what it calls itself, its address."""

    token_hash: bytes
    device: str
    address: str


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
    """Give an account another password and end all its sign-ins. Raises ``NotFound`` like ``change_user``."""
    user = _locked(work.db, user_id, by)
    _end_all_sign_ins(work, user)
    user.password = password_hash
    audit.record(work, "account.password_reset", "user", user_id, operator_id=user.operator_id, by=by, at=now)


def begin_sign_in(
    work: Work,
    account: Account,
    browser: Browser,
    *,
    absolute: timedelta,
    now: datetime,
    method: str = "password",
    second_factor_at: datetime | None = None,
) -> UUID:
    """Sign a browser in for at most ``absolute``; returns the sign-in's id."""
    row = _session(account, browser, SignInStage.OPEN, until=now + absolute, now=now)
    row.method, row.second_factor_at = method, second_factor_at
    work.db.add(row)
    work.db.execute(update(User).where(User.id == account.id).values(last_sign_in_at=now))
    _record(work, "account.signed_in", account, by=account.actor, now=now, after={"method": method})
    return row.id


def begin_pending(work: Work, account: Account, browser: Browser, stage: SignInStage, *, now: datetime) -> UUID:
    """Note that somebody's password was right in a browser and what they owe; returns the pending sign-in's id."""
    row = _session(account, browser, stage, until=now + PENDING_FOR, now=now)
    work.db.add(row)
    return row.id


def take_try(work: Work, session_id: UUID, *, now: datetime) -> bool:
    """Count one try of a second factor; ``False`` when none is left or the pending sign-in is over."""
    taken = work.db.scalar(
        update(SignInSession)
        .where(
            SignInSession.id == session_id,
            SignInSession.stage != SignInStage.OPEN,
            SignInSession.tries < PENDING_TRIES,
            SignInSession.ends_at > now,
        )
        .values(tries=SignInSession.tries + 1)
        .returning(SignInSession.id)
    )
    return taken is not None


def end_pending(work: Work, session_id: UUID) -> None:
    """Forget a pending sign-in; whoever it was never was in."""
    work.db.execute(
        delete(SignInSession).where(SignInSession.id == session_id, SignInSession.stage != SignInStage.OPEN)
    )


def note_second_factor(work: Work, account: Account, session_id: UUID, *, method: str, now: datetime) -> None:
    """Remember that somebody signed in gave a second factor just now."""
    work.db.execute(update(SignInSession).where(SignInSession.id == session_id).values(second_factor_at=now))
    _record(work, "account.confirmed", account, by=account.actor, now=now, after={"method": method})


def refuse_sign_in(work: Work, account: Account, *, by: Actor, now: datetime) -> None:
    """Leave a trace of a wrong password, or of a right one for an account that is switched off."""
    _record(work, "account.sign_in_failed", account, by=by, now=now)


def refuse_unknown(work: Work, *, by: Actor, now: datetime) -> None:
    """Leave a trace of a sign-in with an address nobody has: the company's, and naming nobody."""
    audit.record(work, "account.sign_in_failed", "operator", COMPANY_ID, operator_id=COMPANY_ID, by=by, at=now)


def end_sign_in(work: Work, account: Account, token_hash: bytes, *, now: datetime) -> bool:
    """Sign a browser out; ``False`` when it was not signed in any more."""
    ended = work.db.scalar(
        delete(SignInSession)
        .where(SignInSession.token_hash == token_hash, SignInSession.user_id == account.id)
        .returning(SignInSession.id)
    )
    if ended is None:
        return False
    _record(work, "account.signed_out", account, by=account.actor, now=now)
    return True


def note_seen(work: Work, session_id: UUID, *, now: datetime) -> None:
    """Remember when a browser was last seen; several requests of one minute write once."""
    work.db.execute(
        update(SignInSession)
        .where(SignInSession.id == session_id, SignInSession.last_seen_at <= now - SEEN_EVERY)
        .values(last_seen_at=now)
    )


def keep_hash_current(work: Work, account: Account, password_hash: str) -> None:
    """Store a password's new hash after the hashing grew stronger, unless the password was changed meanwhile."""
    work.db.execute(
        update(User).where(User.id == account.id, User.password == account.password).values(password=password_hash)
    )


def end_overdue_sign_ins(work: Work, *, idle: timedelta, now: datetime) -> int:
    """Delete sign-ins past their absolute limit, or not seen for ``idle``; returns how many."""
    overdue = or_(SignInSession.ends_at <= now, SignInSession.last_seen_at <= now - idle)
    return len(work.db.scalars(delete(SignInSession).where(overdue).returning(SignInSession.id)).all())


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


def _session(
    account: Account, browser: Browser, stage: SignInStage, *, until: datetime, now: datetime
) -> SignInSession:
    return SignInSession(
        id=new_id(),
        operator_id=account.operator_id,
        user_id=account.id,
        token_hash=browser.token_hash,
        created_at=now,
        last_seen_at=now,
        ends_at=until,
        device=browser.device[:_MAX_DEVICE],
        address=browser.address[:_MAX_ADDRESS],
        stage=stage,
    )


def _record(
    work: Work, what: str, account: Account, *, by: Actor, now: datetime, after: Mapping[str, object] | None = None
) -> None:
    audit.record(work, what, "user", account.id, operator_id=account.operator_id, by=by, after=after, at=now)
