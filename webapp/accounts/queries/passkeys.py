"""Reading somebody's passkeys, on their own behalf."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.accounts.models import Passkey
from webapp.accounts.queries.people import Account
from webapp.core.errors import NotFound


@dataclass(frozen=True, slots=True)
class PasskeyRow:
    """A passkey in its owner's list; the instants are UTC."""

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None
    backed_up: bool
    """It lives in more than one place, such as a password manager's cloud."""


@dataclass(frozen=True, slots=True)
class Credential:
    """How a browser is told of a passkey: its id, and the ways its authenticator can be reached."""

    id: bytes
    transports: tuple[str, ...]


_ROW = (Passkey.id, Passkey.name, Passkey.created_at, Passkey.last_used_at, Passkey.backed_up)


def passkeys_of(db: Session, account: Account) -> tuple[PasskeyRow, ...]:
    """Somebody's passkeys, the oldest first."""
    found = (
        select(*_ROW)
        .where(Passkey.user_id == account.id, Passkey.operator_id == account.operator_id)
        .order_by(Passkey.created_at, Passkey.id)
    )
    return tuple(PasskeyRow(*row) for row in db.execute(found))


def passkey_of(db: Session, account: Account, passkey_id: UUID) -> PasskeyRow:
    """One of somebody's passkeys. Raises ``NotFound`` for another's and for none."""
    mine = (Passkey.user_id == account.id, Passkey.operator_id == account.operator_id)
    row = db.execute(select(*_ROW).where(Passkey.id == passkey_id, *mine)).one_or_none()
    if row is None:
        raise NotFound()
    return PasskeyRow(*row)


def credentials_of(db: Session, account: Account) -> tuple[Credential, ...]:
    """Somebody's passkeys as browsers want to be told of them, the oldest first."""
    found = (
        select(Passkey.credential_id, Passkey.transports)
        .where(Passkey.user_id == account.id, Passkey.operator_id == account.operator_id)
        .order_by(Passkey.created_at, Passkey.id)
    )
    return tuple(Credential(row.credential_id, tuple(row.transports)) for row in db.execute(found))
