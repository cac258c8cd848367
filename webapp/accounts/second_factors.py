"""Verbs of second factors: setting them up, using them, taking them away. None commits, none knows Flask.

Whoever calls has made sure that the person may: a right password for the first factor, a fresh factor for any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from webapp.accounts import queries
from webapp.accounts.letters import promise_letter
from webapp.accounts.models import Passkey, RecoveryCode, SignInSession, User
from webapp.accounts.queries import Account
from webapp.accounts.recovery import draw_codes, hash_of_code
from webapp.accounts.rules import LetterKind
from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, NotFound
from webapp.core.ids import new_id
from webapp.db.tenancy import owned_by
from webapp.db.work import Work


def set_up_totp(
    work: Work, account: Account, sealed: str, counter: int, *, first: bool, by: Actor, now: datetime
) -> None:
    """Give an account a TOTP secret, or another one. ``counter`` is the step of the code that confirmed it.

    ``first`` says that nothing but the password spoke for the person: raises ``Conflict`` when the account has a second
    factor by now, because then the password alone may not replace it.
    """
    lock(work.db, account.id)
    factors = queries.second_factors_of(work.db, account.id)
    if first:
        refuse_another(factors)
    work.db.execute(update(User).where(User.id == account.id).values(totp_secret=sealed, totp_counter=counter))
    told(work, account, "account.totp_replaced" if factors.totp else "account.totp_set_up", by=by, now=now)


def hand_out_totp(work: Work, user_id: UUID, sealed: str, *, by: Actor, now: datetime) -> None:
    """Give an account a secret that is known elsewhere already, as the demo does. Raises ``NotFound``."""
    lock(work.db, user_id)
    work.db.execute(update(User).where(User.id == user_id).values(totp_secret=sealed, totp_counter=None))
    _record(work, queries.account(work.db, user_id), "account.totp_set_up", by=by, now=now)


def remove_totp(work: Work, account: Account, *, needed: bool, by: Actor, now: datetime) -> None:
    """Take the authenticator app away. Raises ``NotFound`` without one, ``Conflict`` for the last of who needs one."""
    lock(work.db, account.id)
    factors = queries.second_factors_of(work.db, account.id)
    if not factors.totp:
        raise NotFound()
    refuse_removing_last(factors, needed=needed)
    work.db.execute(update(User).where(User.id == account.id).values(totp_secret=None, totp_counter=None))
    if factors.count == 1:
        # Recovery codes stand in for a second factor; without one there is nothing to stand in for.
        work.db.execute(delete(RecoveryCode).where(RecoveryCode.user_id == account.id))
    told(work, account, "account.totp_removed", by=by, now=now)


def make_recovery_codes(work: Work, account: Account, *, by: Actor, now: datetime) -> tuple[str, ...]:
    """Ten fresh codes, told to the person once and kept as hashes; all earlier ones are void."""
    lock(work.db, account.id)
    work.db.execute(delete(RecoveryCode).where(RecoveryCode.user_id == account.id))
    codes = draw_codes()
    work.db.add_all(
        RecoveryCode(
            id=new_id(),
            operator_id=account.operator_id,
            user_id=account.id,
            code_hash=hash_of_code(code),
            created_at=now,
            used_at=None,
        )
        for code in codes
    )
    _record(work, account, "account.recovery_codes_made", by=by, now=now)
    return codes


def renew_recovery_codes(work: Work, account: Account, *, by: Actor, now: datetime) -> tuple[str, ...]:
    """Fresh codes for somebody who asked for them; a letter tells of it.

    Raises ``Conflict`` without a second factor: there is nothing that they could stand in for.
    """
    lock(work.db, account.id)
    if not queries.second_factors_of(work.db, account.id).any:
        raise Conflict("no-second-factor", "Set up a second factor first.")
    codes = make_recovery_codes(work, account, by=by, now=now)
    _promise(work, account, now=now)
    return codes


def use_recovery_code(work: Work, account: Account, typed: str, *, now: datetime) -> bool:
    """Use a recovery code up; ``False`` when it is none of the account's, or was used before. Safe in a race."""
    used = work.db.scalar(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == account.id,
            RecoveryCode.code_hash == hash_of_code(typed),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(RecoveryCode.id)
    )
    if used is None:
        return False
    _record(work, account, "account.recovery_code_used", by=account.actor, now=now)
    return True


def use_counter(db: Session, user_id: UUID, counter: int) -> bool:
    """Use the code of a time step up: ``False`` when that step's, or a later one's, was accepted before."""
    mine = (
        update(User)
        .where(User.id == user_id, User.totp_counter.is_(None) | (User.totp_counter < counter))
        .values(totp_counter=counter)
        .returning(User.id)
    )
    return db.scalar(mine) is not None


def seal_anew(work: Work, user_id: UUID, seen: str, sealed: str) -> None:
    """Keep the same secret under the key now in use, unless it was replaced meanwhile."""
    work.db.execute(update(User).where(User.id == user_id, User.totp_secret == seen).values(totp_secret=sealed))


def refuse_second_factor(work: Work, account: Account, *, by: Actor, now: datetime) -> None:
    """Leave a trace of a second factor that was wrong after a password that was right."""
    _record(work, account, "account.second_factor_failed", by=by, now=now)


def reset(work: Work, user_id: UUID, *, by: Actor, now: datetime) -> None:
    """Take every second factor of somebody who lost them all, and end their sign-ins.

    The password remains; where a second factor is needed, the next sign-in has one set up. Raises ``NotFound``.
    """
    user = work.db.scalar(select(User).where(User.id == user_id, owned_by(User.operator_id, by)).with_for_update())
    if user is None:
        raise NotFound()
    account = queries.account(work.db, user_id)
    for table in (Passkey, RecoveryCode, SignInSession):
        work.db.execute(delete(table).where(table.user_id == user_id))
    user.totp_secret = user.totp_counter = None
    told(work, account, "account.second_factors_reset", by=by, now=now)


def refuse_another(factors: queries.SecondFactors) -> None:
    """Raise ``Conflict`` when there is a second factor: a password alone may only set up the first."""
    if factors.any:
        raise Conflict("second-factor-exists", "This account has a second factor by now. Sign in with it.")


def refuse_removing_last(factors: queries.SecondFactors, *, needed: bool) -> None:
    """Raise ``Conflict`` when the last second factor would go and the role needs one."""
    if needed and factors.count <= 1:
        raise Conflict(
            "last-second-factor", "Your role needs a second factor. Set up another one before you remove this one."
        )


def lock(db: Session, user_id: UUID) -> None:
    """Let changes of one account's second factors happen one after the other. Raises ``NotFound``."""
    if db.scalar(select(User.id).where(User.id == user_id).with_for_update(key_share=True)) is None:
        raise NotFound()


def told(
    work: Work, account: Account, what: str, *, by: Actor, now: datetime, after: Mapping[str, object] | None = None
) -> None:
    """Audit a change of second factors and promise the person a letter about it."""
    _record(work, account, what, by=by, now=now, after=after)
    _promise(work, account, now=now)


def _promise(work: Work, account: Account, *, now: datetime) -> None:
    promise_letter(
        work,
        LetterKind.SECOND_FACTOR_CHANGED,
        operator_id=account.operator_id,
        email=account.email,
        locale=account.locale,
        user_id=account.id,
        now=now,
    )


def _record(
    work: Work, account: Account, what: str, *, by: Actor, now: datetime, after: Mapping[str, object] | None = None
) -> None:
    audit.record(work, what, "user", account.id, operator_id=account.operator_id, by=by, after=after, at=now)
