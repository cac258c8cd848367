"""Somebody's passkeys as rows: adding, recognising, naming and removing them. ``ceremonies`` knows the request."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, delete, select, update
from sqlalchemy.exc import IntegrityError

from webapp.accounts import second_factors
from webapp.accounts.authenticators import NewPasskey, Recognised
from webapp.accounts.models import Passkey, RecoveryCode
from webapp.accounts.queries import Account, second_factors_of
from webapp.accounts.queries.doors import KnownPasskey
from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.ids import new_id
from webapp.core.names import clean_name
from webapp.db.base import violates
from webapp.db.work import Work

MAX_PASSKEYS: Final = 10
"""How many one person may have: more than anybody carries, and few enough to look through."""
MAX_NAME: Final = 80


def add(work: Work, account: Account, found: NewPasskey, name: str, *, first: bool, now: datetime) -> UUID:
    """Give somebody a passkey; without a name it gets a number. Returns its id.

    ``first`` says that nothing but the password spoke for the person: then it may only be their first second factor.
    Raises ``Conflict`` when it is not, when the passkey is registered already, to whomever, or when the person has
    ``MAX_PASSKEYS``; and ``Invalid`` for ``name``.
    """
    second_factors.lock(work.db, account.id)
    factors = second_factors_of(work.db, account.id)
    if first:
        second_factors.refuse_another(factors)
    refuse_more_than_enough(factors.passkeys)
    passkey = Passkey(
        id=new_id(),
        operator_id=account.operator_id,
        user_id=account.id,
        credential_id=found.credential_id,
        public_key=found.public_key,
        sign_count=found.sign_count,
        transports=list(found.transports),
        backed_up=found.backed_up,
        name=clean_passkey_name(name) if name.strip() else f"Passkey {factors.passkeys + 1}",
        created_at=now,
        last_used_at=None,
    )
    work.db.add(passkey)
    try:
        work.db.flush()  # So that a passkey in use is refused here, in words, and not at the commit.
    except IntegrityError as error:
        if violates(error, ["uq_passkeys_credential_id"]):
            raise Conflict("passkey-taken", "This passkey is registered already.") from error
        raise
    after = {"passkey_id": passkey.id}
    second_factors.told(work, account, "account.passkey_added", by=account.actor, now=now, after=after)
    return passkey.id


def note_use(work: Work, known: KnownPasskey, found: Recognised, *, now: datetime) -> bool:
    """Remember a passkey's counter; ``False``, with a trace, when it went back or stood still.

    Section 7.2, step 21: then there is a copy of the authenticator, and one of the two is not the person's. One that
    always says nought does not count.
    """
    ahead = Passkey.sign_count < found.sign_count if found.sign_count else Passkey.sign_count == 0
    used = (
        update(Passkey)
        .where(Passkey.id == known.id, ahead)
        .values(sign_count=found.sign_count, backed_up=found.backed_up, last_used_at=now)
        .returning(Passkey.id)
    )
    return work.db.scalar(used) is not None


def note_refusal(work: Work, known: KnownPasskey, why: str, *, by: Actor, now: datetime) -> None:
    """Leave a trace of a passkey that did not let its person in; ``why`` is a word of the audit's."""
    _record(work, "account.passkey_refused", known.account, by=by, now=now, passkey_id=known.id, why=why)


def rename(work: Work, account: Account, passkey_id: UUID, name: str, *, now: datetime) -> None:
    """Call a passkey something else. Raises ``Invalid`` for ``name``, ``NotFound`` for another's and for none."""
    name = clean_passkey_name(name)
    renamed = update(Passkey).where(Passkey.id == passkey_id, _own(account)).values(name=name).returning(Passkey.id)
    if work.db.scalar(renamed) is None:
        raise NotFound()
    _record(work, "account.passkey_renamed", account, by=account.actor, now=now, passkey_id=passkey_id)


def remove(work: Work, account: Account, passkey_id: UUID, *, needed: bool, now: datetime) -> None:
    """Take a passkey away; what is left of the recovery codes goes with the last second factor.

    ``needed`` is whether the person's role needs a second factor. Raises ``Conflict`` when it does and this is the
    last, ``NotFound`` for another's passkey and for none.
    """
    second_factors.lock(work.db, account.id)
    passkey = work.db.scalar(select(Passkey).where(Passkey.id == passkey_id, _own(account)))
    if passkey is None:
        raise NotFound()
    factors = second_factors_of(work.db, account.id)
    second_factors.refuse_removing_last(factors, needed=needed)
    work.db.delete(passkey)
    if factors.count == 1:
        # Recovery codes stand in for a second factor; without one there is nothing to stand in for.
        work.db.execute(delete(RecoveryCode).where(RecoveryCode.user_id == account.id))
    after = {"passkey_id": passkey_id}
    second_factors.told(work, account, "account.passkey_removed", by=account.actor, now=now, after=after)


def clean_passkey_name(name: str) -> str:
    """A passkey's name as it is stored. Raises ``Invalid`` for ``name`` when it is empty or over ``MAX_NAME``."""
    name = clean_name(name)
    if len(name) > MAX_NAME:
        raise Invalid("name-too-long", "Use at most %(limit)s characters.", field="name", limit=MAX_NAME)
    return name


def refuse_more_than_enough(count: int) -> None:
    """Raise ``Conflict`` when somebody with ``count`` passkeys may have no more."""
    if count >= MAX_PASSKEYS:
        raise Conflict(
            "passkeys-full", "You have %(limit)s passkeys already. Remove one that you do not use.", limit=MAX_PASSKEYS
        )


def _own(account: Account) -> Any:
    return and_(Passkey.user_id == account.id, Passkey.operator_id == account.operator_id)


def _record(work: Work, what: str, account: Account, *, by: Actor, now: datetime, **after: Any) -> None:
    audit.record(work, what, "user", account.id, operator_id=account.operator_id, by=by, after=after, at=now)
