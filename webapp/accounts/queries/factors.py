"""Reading second factors: which a person has."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.accounts.models import Passkey, RecoveryCode, User


@dataclass(frozen=True, slots=True)
class SecondFactors:
    """What a person can prove themselves with beside the password."""

    totp: bool
    passkeys: int
    recovery_codes_left: int

    @property
    def any(self) -> bool:
        """Whether there is one at all. Recovery codes stand in for one and are none themselves."""
        return self.totp or self.passkeys > 0

    @property
    def count(self) -> int:
        """How many there are: whoever needs one may not remove the last."""
        return int(self.totp) + self.passkeys


def second_factors_of(db: Session, user_id: UUID) -> SecondFactors:
    """The second factors of a user; none for a user there is not."""
    passkeys = select(func.count()).where(Passkey.user_id == User.id).correlate(User).scalar_subquery()
    codes = (
        select(func.count())
        .where(RecoveryCode.user_id == User.id, RecoveryCode.used_at.is_(None))
        .correlate(User)
        .scalar_subquery()
    )
    row = db.execute(select(User.totp_secret.is_not(None), passkeys, codes).where(User.id == user_id)).one_or_none()
    return SecondFactors(*row) if row is not None else SecondFactors(False, 0, 0)


@dataclass(frozen=True, slots=True)
class HeldTotp:
    """A user's TOTP secret, sealed, and the time step of the last code that was accepted."""

    sealed: str
    counter: int | None


def totp_of(db: Session, user_id: UUID) -> HeldTotp | None:
    """The authenticator app of a user, if there is one."""
    row = db.execute(select(User.totp_secret, User.totp_counter).where(User.id == user_id)).one_or_none()
    return HeldTotp(row[0], row[1]) if row is not None and row[0] is not None else None


def sealed_totps(db: Session) -> tuple[tuple[UUID, str], ...]:
    """Every sealed TOTP secret with its user, for sealing it anew. Asked by the desk itself."""
    found = select(User.id, User.totp_secret).where(User.totp_secret.is_not(None)).order_by(User.id)
    return tuple((user_id, sealed) for user_id, sealed in db.execute(found) if sealed is not None)
