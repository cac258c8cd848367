"""Reading accounts and open invitations for the pages on which people are looked after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, exists, func, or_, select
from sqlalchemy.orm import Session

from webapp.accounts.models import Invitation, Letter, Passkey, RecoveryCode, SignInSession, User
from webapp.accounts.rules import InvitationState, LetterState, SignInStage
from webapp.core.actor import Actor, Role
from webapp.core.errors import NotFound
from webapp.db.tenancy import owned_by
from webapp.operators.models import Operator


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which accounts to list; ``search`` is looked for in names and addresses."""

    search: str = ""
    operator_id: UUID | None = None
    role: Role | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class UserRow:
    """An account in the list; the instant is UTC."""

    id: UUID
    operator_name: str
    email: str
    name: str
    role: Role
    active: bool
    operator_active: bool
    last_sign_in_at: datetime | None
    second_factor: bool
    """Whether there is an authenticator app or a passkey."""


@dataclass(frozen=True, slots=True)
class UserDetail:
    """An account as its page shows it; the instants are UTC. Of second factors it says that they are there, no more."""

    id: UUID
    operator_id: UUID
    operator_name: str
    operator_active: bool
    email: str
    name: str
    role: Role
    locale: str
    active: bool
    created_at: datetime
    last_sign_in_at: datetime | None
    totp: bool
    passkeys: int
    recovery_codes: int
    """Recovery codes that are not used up."""
    sign_ins: int
    """Browsers signed in now."""

    @property
    def may_sign_in(self) -> bool:
        """Neither the account nor its operator is switched off."""
        return self.active and self.operator_active


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """An open invitation; the instants are UTC, ``letter`` is what became of the newest letter."""

    id: UUID
    operator_id: UUID
    operator_name: str
    email: str
    name: str
    role: Role
    invited_by_name: str
    created_at: datetime
    expires_at: datetime
    letter: LetterState | None


def users_index(
    db: Session, wanted: UserFilter, *, visible_to: Actor, limit: int | None = None, offset: int = 0
) -> tuple[tuple[UserRow, ...], int]:
    """The accounts the actor may see by name, and how many there are in all."""
    conditions = _matching(wanted, visible_to)
    factor = User.totp_secret.is_not(None) | exists().where(Passkey.user_id == User.id)
    rows = db.execute(
        select(
            User.id,
            Operator.name,
            User.email,
            User.name,
            User.role,
            User.active,
            Operator.active,
            User.last_sign_in_at,
            factor,
        )
        .join(Operator, Operator.id == User.operator_id)
        .where(*conditions)
        .order_by(func.lower(User.name), User.id)
        .limit(limit)
        .offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(User).where(*conditions)) or 0
    return tuple(UserRow(*row) for row in rows), total


def user_detail(
    db: Session, user_id: UUID, *, visible_to: Actor, seen_after: Mapping[Role, datetime], now: datetime
) -> UserDetail:
    """One account; browsers of a role not ``seen_after`` that role's instant are over.

    Raises ``NotFound``, also for another operator's (rule E2).
    """
    not_idle = SignInSession.last_seen_at > case(dict(seen_after), value=User.role)
    row: Any = db.execute(
        select(
            User.id,
            User.operator_id,
            Operator.name,
            Operator.active,
            User.email,
            User.name,
            User.role,
            User.locale,
            User.active,
            User.created_at,
            User.last_sign_in_at,
            User.totp_secret.is_not(None),
            _count_of(Passkey),
            _count_of(RecoveryCode, RecoveryCode.used_at.is_(None)),
            _count_of(SignInSession, SignInSession.stage == SignInStage.OPEN, SignInSession.ends_at > now, not_idle),
        )
        .join(Operator, Operator.id == User.operator_id)
        .where(User.id == user_id, owned_by(User.operator_id, visible_to))
    ).one_or_none()
    if row is None:
        raise NotFound()
    return UserDetail(*row)


def open_invitations(db: Session, *, visible_to: Actor, now: datetime, limit: int = 50) -> tuple[InvitationRow, ...]:
    """The invitations nobody has accepted yet that are still good at ``now``, newest first."""
    letter = (
        select(Letter.state)
        .where(Letter.invitation_id == Invitation.id)
        .order_by(Letter.created_at.desc(), Letter.id.desc())
        .limit(1)
        .correlate(Invitation)
        .scalar_subquery()
    )
    rows = db.execute(
        select(
            Invitation.id,
            Invitation.operator_id,
            Operator.name,
            Invitation.email,
            Invitation.name,
            Invitation.role,
            Invitation.invited_by_name,
            Invitation.created_at,
            Invitation.expires_at,
            letter,
        )
        .join(Operator, Operator.id == Invitation.operator_id)
        .where(
            Invitation.state == InvitationState.OPEN,
            Invitation.expires_at > now,
            owned_by(Invitation.operator_id, visible_to),
        )
        .order_by(Invitation.created_at.desc(), Invitation.id.desc())
        .limit(limit)
    )
    return tuple(InvitationRow(*row) for row in rows)


def _matching(wanted: UserFilter, visible_to: Actor) -> list[ColumnElement[bool]]:
    conditions = [owned_by(User.operator_id, visible_to)]
    if wanted.search:
        found = (column.icontains(wanted.search, autoescape=True) for column in (User.name, User.email))
        conditions.append(or_(*found))
    if wanted.operator_id is not None:
        conditions.append(User.operator_id == wanted.operator_id)
    if wanted.role is not None:
        conditions.append(User.role == wanted.role)
    if wanted.active is not None:
        conditions.append(User.active == wanted.active)
    return conditions


def _count_of(table: Any, *conditions: ColumnElement[bool]) -> Any:
    return select(func.count()).where(table.user_id == User.id, *conditions).correlate(User).scalar_subquery()
