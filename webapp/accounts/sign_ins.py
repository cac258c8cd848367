"""Verbs of sign-ins: beginning them half-way or whole, counting tries, ending them. None commits, none knows Flask."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, case, delete, or_, select, update

from webapp.accounts.letters import promise_letter
from webapp.accounts.links import void_resets
from webapp.accounts.models import SignInSession, User
from webapp.accounts.queries import Account
from webapp.accounts.rules import PENDING_FOR, PENDING_TRIES, LetterKind, SignInStage
from webapp.audit import service as audit
from webapp.core.actor import Actor, Role
from webapp.core.errors import Conflict, NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.work import Work

SeenBefore = Mapping[Role, datetime]
"""For each role the instant before which a browser was last seen that has been idle too long."""
SEEN_EVERY = timedelta(minutes=1)
"""How exactly it is known when a browser was last seen."""
_MAX_DEVICE = 200
_MAX_ADDRESS = 64


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody signs in from: the SHA-256 of the browser's token, what it calls itself, its address."""

    token_hash: bytes
    device: str
    address: str


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
    """Sign a browser in for at most ``absolute``; returns the sign-in's id.

    Raises ``Conflict`` when password, sign-ins or state of the account were changed since it was read: whoever changes
    them ends what is there at that moment, and what is still under way must not begin after it.
    """
    unchanged = update(User).where(*_as_it_was_read(account)).values(last_sign_in_at=now).returning(User.id)
    if work.db.scalar(unchanged) is None:
        raise Conflict("account-changed", "Your account was changed a moment ago. Sign in again.")
    row = _session(account, browser, SignInStage.OPEN, until=now + absolute, now=now)
    row.method, row.second_factor_at = method, second_factor_at
    work.db.add(row)
    _record(work, "account.signed_in", account, by=account.actor, now=now, after={"method": method})
    return row.id


def begin_pending(work: Work, account: Account, browser: Browser, stage: SignInStage, *, now: datetime) -> UUID:
    """Note that somebody's password was right in a browser and what they owe; returns the pending sign-in's id.

    Raises ``Conflict`` like ``begin_sign_in``.
    """
    unchanged = select(User.id).where(*_as_it_was_read(account)).with_for_update(key_share=True)
    if work.db.scalar(unchanged) is None:
        raise Conflict("account-changed", "Your account was changed a moment ago. Sign in again.")
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


def end_own_sign_in(work: Work, account: Account, session_id: UUID, *, now: datetime) -> None:
    """Sign another browser of oneself out. Raises ``NotFound`` for one that is somebody else's or over."""
    ended = work.db.scalar(
        delete(SignInSession)
        .where(
            SignInSession.id == session_id,
            SignInSession.user_id == account.id,
            SignInSession.stage == SignInStage.OPEN,
        )
        .returning(SignInSession.id)
    )
    if ended is None:
        raise NotFound()
    _record(work, "account.signed_out", account, by=account.actor, now=now, after={"from": "another browser"})


def end_every_sign_in(work: Work, account: Account, *, by: Actor, now: datetime, keep: UUID | None = None) -> int:
    """Sign every browser of an account out, but for the sign-in ``keep``; returns how many there were."""
    theirs = delete(SignInSession).where(SignInSession.user_id == account.id)
    if keep is not None:
        theirs = theirs.where(SignInSession.id != keep)
    else:
        # A sign-in that is under way at this very moment finds another account than it has read.
        renewed = update(User).where(User.id == account.id).values(fs_uniquifier=secrets.token_hex(32))
        work.db.execute(renewed)
    ended = len(work.db.scalars(theirs.returning(SignInSession.id)).all())
    what = "account.signed_out_everywhere" if keep is None else "account.signed_out_elsewhere"
    _record(work, what, account, by=by, now=now, after={"browsers": ended})
    return ended


def change_own_password(work: Work, account: Account, password_hash: str, *, keep: UUID, now: datetime) -> None:
    """Give oneself another password, sign every other browser out and void links that could set one; a letter tells.

    Raises ``Conflict`` when the password is not the one that was typed any more.
    """
    mine = (
        update(User)
        .where(User.id == account.id, User.password == account.password)
        .values(password=password_hash)
        .returning(User.id)
    )
    if work.db.scalar(mine) is None:
        raise Conflict("password-changed", "Your password was changed elsewhere just now. Sign in again.")
    void_resets(work, account.id, now=now)
    work.db.execute(delete(SignInSession).where(SignInSession.user_id == account.id, SignInSession.id != keep))
    _record(work, "account.password_changed", account, by=account.actor, now=now)
    promise_letter(
        work,
        LetterKind.PASSWORD_CHANGED,
        operator_id=account.operator_id,
        email=account.email,
        locale=account.locale,
        user_id=account.id,
        now=now,
    )


def end_overdue(work: Work, *, seen_before: SeenBefore, now: datetime) -> int:
    """Delete sign-ins that are past their absolute limit, or idle too long for their role; returns how many."""
    idle_since = case(*((User.role == role, instant) for role, instant in seen_before.items()), else_=now)
    gone = delete(SignInSession).where(
        SignInSession.user_id == User.id,
        or_(SignInSession.ends_at <= now, SignInSession.last_seen_at <= idle_since),
    )
    return len(work.db.scalars(gone.returning(SignInSession.id)).all())


def _as_it_was_read(account: Account) -> tuple[ColumnElement[bool], ...]:
    return (
        User.id == account.id,
        User.active.is_(True),
        User.password == account.password,
        User.fs_uniquifier == account.fs_uniquifier,
    )


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
