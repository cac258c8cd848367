"""What is read before it is known who asks: each question one statement, with fixed columns, the owner among them.

Everything else about accounts is asked on behalf of whoever these questions find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.accounts.queries.people import Account
from webapp.accounts.rules import SignInStage, may_manage
from webapp.core.actor import Actor, ActorKind, Role


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
    view_as_id: UUID | None
    view_as_until: datetime | None
    viewed: Account | None
    """Whom the desk is seen as, without secrets; ``None`` also when that account is gone."""


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A browser whose person has typed the password and owes a second factor; the instant is UTC."""

    session_id: UUID
    stage: SignInStage
    tries: int
    ends_at: datetime
    account: Account


@dataclass(frozen=True, slots=True)
class KnownPasskey:
    """A passkey with its person, found by what its authenticator calls it."""

    id: UUID
    public_key: bytes
    sign_count: int
    account: Account


@dataclass(frozen=True, slots=True)
class Invited:
    """What an invitation says, and whoever invited as they are now; the instant is UTC."""

    invitation_id: UUID
    operator_id: UUID
    operator_name: str
    email: str
    name: str
    role: Role
    locale: str
    invited_by: UUID | None
    invited_by_name: str
    expires_at: datetime
    inviter_role: Role | None
    inviter_operator_id: UUID | None
    inviter_active: bool | None
    """Neither the inviter nor their operator is switched off; ``None`` when there is no such account any more."""

    @property
    def stands(self) -> bool:
        """Whether whoever invited could still do so; nobody but the desk itself invites without an account."""
        if self.invited_by is None:
            return True
        inviter = Actor(
            kind=ActorKind.USER,
            id=self.invited_by,
            name=self.invited_by_name,
            role=self.inviter_role,
            operator_id=self.inviter_operator_id,
        )
        return bool(self.inviter_active) and may_manage(inviter, self.role, self.operator_id)


# Functions of the database: nobody is signed in yet, so row-level security shows no operator's rows.
_ACCOUNT = "user_id, operator_id, operator_name, email, name, role, locale, active, fs_uniquifier, password"
_BY_EMAIL = text(f"SELECT {_ACCOUNT} FROM sign_in_account(:email)")  # noqa: S608 - a constant
_VIEWED = (
    "view_as_id, viewed_operator_id, viewed_operator_name, viewed_email, viewed_name, viewed_role, viewed_locale,"
    " viewed_active"
)
_BY_TOKEN = text(
    "SELECT stage, session_id, created_at, last_seen_at, ends_at, method, second_factor_at, tries,"  # noqa: S608 - as above
    f" {_ACCOUNT}, view_as_until, {_VIEWED} FROM sign_in_session(:hash, :uniquifier)"
).execution_options(uncounted=True)
_BY_CREDENTIAL = text(
    f"SELECT passkey_id, public_key, sign_count, {_ACCOUNT} FROM sign_in_passkey(:credential)"  # noqa: S608 - as above
)
_BY_RESET_LINK = text(f"SELECT {_ACCOUNT} FROM reset_link_account(:hash, :now)")  # noqa: S608 - as above
_BY_INVITATION_LINK = text("SELECT * FROM invitation_by_link(:hash, :now)")
_INVITATION = text("SELECT * FROM invitation_open(:id, :now)")
_MINE, _SEEN = slice(8, 18), slice(19, 27)


def account_of(db: Session, email: str) -> Account | None:
    """The account with a normalised e-mail address, active or not. Asked before anybody is signed in."""
    row = db.execute(_BY_EMAIL, {"email": email}).one_or_none()
    return _account(row) if row is not None else None


def open_sign_in(db: Session, token_hash: bytes, fs_uniquifier: str) -> OpenSignIn | None:
    """The signed-in browser that holds a token, with its person and whom that person sees the desk as.

    One statement, which page limits do not count.

    ``None`` when there is none, when a second factor is still owed, or when the account's ``fs_uniquifier`` has changed
    since. Time limits are asked elsewhere.
    """
    row = db.execute(_BY_TOKEN, {"hash": token_hash, "uniquifier": fs_uniquifier}).one_or_none()
    if row is None or row.stage != SignInStage.OPEN:
        return None
    return OpenSignIn(
        session_id=row.session_id,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        ends_at=row.ends_at,
        method=row.method,
        second_factor_at=row.second_factor_at,
        account=_account(row[_MINE]),
        view_as_id=row.view_as_id,
        view_as_until=row.view_as_until,
        # No secrets of whoever is only looked at.
        viewed=_account((*row[_SEEN], "", "")) if row.viewed_name is not None else None,
    )


def pending_sign_in(db: Session, token_hash: bytes, fs_uniquifier: str) -> PendingSignIn | None:
    """The browser that holds a token and whose person owes a second factor, or has to set one up.

    ``None`` when there is none or the account's ``fs_uniquifier`` has changed since. Limits are asked elsewhere.
    """
    row = db.execute(_BY_TOKEN, {"hash": token_hash, "uniquifier": fs_uniquifier}).one_or_none()
    if row is None or row.stage == SignInStage.OPEN:
        return None
    return PendingSignIn(row.session_id, SignInStage(row.stage), row.tries, row.ends_at, _account(row[_MINE]))


def passkey_known_as(db: Session, credential_id: bytes) -> KnownPasskey | None:
    """The passkey with a credential id, whoever's it is. Asked before anybody is signed in: a passkey says who."""
    row = db.execute(_BY_CREDENTIAL, {"credential": credential_id}).one_or_none()
    return KnownPasskey(row[0], row[1], row[2], _account(row[3:])) if row is not None else None


def account_of_reset_link(db: Session, token_hash: bytes, now: datetime) -> Account | None:
    """Whose password the link in a letter may set.

    ``None`` unless the link is known, unused and in time at ``now``, the account still has the address that the letter
    went to, and neither it nor its operator is switched off.
    """
    row = db.execute(_BY_RESET_LINK, {"hash": token_hash, "now": now}).one_or_none()
    return _account(row) if row is not None else None


def invited_by_link(db: Session, token_hash: bytes, now: datetime) -> Invited | None:
    """What the link of an invitation leads to.

    ``None`` unless the link is known, unused and in time at ``now``, and the invitation open. Whether whoever invited
    still may is for ``Invited.stands`` to say.
    """
    row = db.execute(_BY_INVITATION_LINK, {"hash": token_hash, "now": now}).one_or_none()
    return _invited(row) if row is not None else None


def invited(db: Session, invitation_id: UUID, now: datetime) -> Invited | None:
    """An invitation that is open and in time at ``now``, for its letter: whoever invited may be another operator's."""
    row = db.execute(_INVITATION, {"id": invitation_id, "now": now}).one_or_none()
    return _invited(row) if row is not None else None


def _invited(row: Sequence[Any]) -> Invited:
    """An invitation from the columns of its functions."""
    inviter_role = Role(row[10]) if row[10] is not None else None
    values: tuple[Any, ...] = (*row[:5], Role(row[5]), *row[6:10], inviter_role, *row[11:])
    return Invited(*values)


def _account(row: Sequence[Any]) -> Account:
    """An account from the columns of ``_ACCOUNT``."""
    values: tuple[Any, ...] = (*row[:5], Role(row[5]), *row[6:])
    return Account(*values)
