"""Between password and second factor: who has typed the right password in this browser and is not in yet.

It is a row of ``sign_in_sessions`` whose stage is not open, for ten minutes and five tries. Its token stands in the
cookie under a key of its own, which Flask-Login never looks at, so a pending sign-in opens no page at all.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from flask import g, session

from webapp.accounts import queries, sign_ins
from webapp.accounts.queries import Account
from webapp.accounts.rules import PENDING_TRIES, SignInStage
from webapp.accounts.sessions import browser_with, forget_browser, hash_of
from webapp.core import clock
from webapp.db.tenancy import acting_as
from webapp.db.work import read_only, unit_of_work

_KEY: Final = "pending"
_LOADED: Final = "pending_sign_in"


@dataclass(frozen=True, slots=True)
class Pending:
    """Somebody whose password was right and who owes a second factor, or has to set one up first."""

    account: Account
    stage: SignInStage
    session_id: UUID
    token: str
    tries: int
    """Second factors tried so far, right or wrong."""

    @property
    def tries_left(self) -> int:
        """How many tries are left before the password is asked again."""
        return max(0, PENDING_TRIES - self.tries)


def pending() -> Pending | None:
    """Whoever owes a second factor in this browser; ``None`` when nobody does, or the ten minutes or tries are up."""
    if _LOADED not in g:
        # Should the database not answer, the error page must not ask it again in whose language to say so.
        setattr(g, _LOADED, None)
        setattr(g, _LOADED, _load())
    found: Pending | None = g.get(_LOADED)
    return found


def begin_pending(account: Account, stage: SignInStage) -> Pending:
    """Note that the password was right. Whatever this browser held before must be over; its cookie begins anew."""
    token = secrets.token_urlsafe(32)
    with acting_as(account.actor), unit_of_work() as work:
        session_id = sign_ins.begin_pending(work, account, browser_with(token), stage, now=clock.now())
    forget_browser()
    session[_KEY] = f"{account.fs_uniquifier}.{token}"
    begun = Pending(account, stage, session_id, token, 0)
    setattr(g, _LOADED, begun)
    return begun


def end_pending() -> None:
    """Forget who owes a second factor in this browser, in the database and in the cookie."""
    found = pending()
    if found is not None:
        with acting_as(found.account.actor), unit_of_work() as work:
            sign_ins.end_pending(work, found.session_id)
    session.pop(_KEY, None)
    setattr(g, _LOADED, None)


def take_try(found: Pending) -> bool:
    """Use one of the five tries, before the second factor is looked at, so that none is free in a race.

    ``False`` when there was none left: the password has to be typed again.
    """
    with acting_as(found.account.actor), unit_of_work() as work:
        return sign_ins.take_try(work, found.session_id, now=clock.now())


def _load() -> Pending | None:
    uniquifier, _dot, token = str(session.get(_KEY, "")).partition(".")
    if not token:
        return None
    with read_only() as db:
        found = queries.pending_sign_in(db, hash_of(token), uniquifier)
    if found is None or not found.account.active or found.ends_at <= clock.now() or found.tries >= PENDING_TRIES:
        return None
    return Pending(found.account, found.stage, found.session_id, token, found.tries)
