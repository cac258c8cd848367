"""Signing in: the password, then a second factor where one is owed, then a fresh session; and signing out.

Who is signed in is told by ``sessions``, who is half-way there by ``pending``; both are named here too, so that this
module is all that other rooms and faces need.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta

import flask_security

from webapp.accounts import passwords, queries, sign_ins, view_as
from webapp.accounts.passwords import hash_password
from webapp.accounts.pending import Pending, begin_pending, end_pending, pending, take_try
from webapp.accounts.queries import Account
from webapp.accounts.rules import MAX_EMAIL, SignInStage, absolute_limit
from webapp.accounts.sessions import (
    SignedIn,
    browser_with,
    forget_browser,
    hash_of,
    init_sign_in,
    person,
    settings_in_use,
)
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.core.errors import Invalid
from webapp.core.ids import COMPANY_ID
from webapp.db.tenancy import acting_as, acting_for
from webapp.db.work import read_only, unit_of_work

__all__ = [
    "Pending",
    "SignedIn",
    "end_pending",
    "hash_of",
    "hash_password",
    "init_sign_in",
    "let_in",
    "locale_of_person",
    "pending",
    "person",
    "second_factor_given",
    "sign_in",
    "sign_out",
    "take_try",
]


def locale_of_person() -> str | None:
    """The language of whoever is signed in, or has typed their password."""
    user = person()
    if user is not None:
        return user.locale
    half = pending()
    return half.account.locale if half is not None else None


def sign_in(email: str, password: str) -> SignInStage:
    """Take a normalised address and a password, and say how far that leads.

    ``OPEN``: in, under a fresh session. ``SECOND_FACTOR``: the account has one, it is owed. ``ENROLMENT``: the role
    needs one and there is none, it is set up next. Whatever this browser was signed in as before is over.

    Raises ``Invalid``, the same after the same work, for an unknown address, a wrong password and an account that is
    switched off.
    """
    # What no address looks like is looked up all the same, as one that nobody has: it takes as long.
    known_shape = len(email) <= MAX_EMAIL and email.isprintable()
    with read_only() as db:
        account = queries.account_of(db, email if known_shape else "")
    right = passwords.is_right(password, account.password if account else None)
    if account is None or not right or not account.active:
        _refuse(account)
        raise Invalid("sign-in-failed", "The e-mail address or the password is not right.")
    renewed = hash_password(password) if passwords.is_outdated(account.password) else None
    with acting_as(account.actor), unit_of_work() as work:
        if renewed is not None:
            sign_ins.keep_hash_current(work, account, renewed)
            account = replace(account, password=renewed)
        factors = queries.second_factors_of(work.db, account.id)
    if factors.any:
        stage = SignInStage.SECOND_FACTOR
    elif settings_in_use().needs_second_factor(account.role):
        stage = SignInStage.ENROLMENT
    else:
        let_in(account, method="password", second_factor=False)
        return SignInStage.OPEN
    _end_what_was_before()
    begin_pending(account, stage)
    return stage


def let_in(account: Account, *, method: str, second_factor: bool) -> SignedIn:
    """Sign this browser in as somebody who has proved who they are: a fresh session under a fresh token.

    Whatever this browser held before, half-way or signed in, is over; its cookie begins anew. ``second_factor`` says
    that one was given just now. Everybody who completes a sign-in comes through here.
    """
    _end_what_was_before()
    now, token = clock.now(), secrets.token_urlsafe(32)
    given_at = now if second_factor else None
    absolute = absolute_limit(account.role, timedelta(hours=settings_in_use().session_absolute_hours))
    with acting_as(account.actor), unit_of_work() as work:
        session_id = sign_ins.begin_sign_in(
            work, account, browser_with(token), absolute=absolute, method=method, second_factor_at=given_at, now=now
        )
    forget_browser()
    user = SignedIn(account, token, session_id, method, given_at)
    flask_security.login_user(user, remember=False, authn_via=[method])
    return user


def second_factor_given(user: SignedIn, *, method: str) -> None:
    """Note that somebody signed in has just given a second factor again: acts of weight are open for a while.

    ``method`` is ``totp``, ``recovery`` or ``passkey``, for the audit.
    """
    with acting_as(user.actor), unit_of_work() as work:
        sign_ins.note_second_factor(work, user.account, user.session_id, method=method, now=clock.now())


def sign_out() -> None:
    """End this browser's sign-in, in the database and in the cookie."""
    user = person()
    _end_what_was_before()
    if user is not None:
        flask_security.logout_user()
    forget_browser()


def _end_what_was_before() -> None:
    end_pending()
    before = person()
    if before is not None:
        now, by = clock.now(), before.account.actor
        # On behalf of whoever it was: it may be somebody of another operator.
        with acting_as(by), unit_of_work() as work:
            if before.viewed is not None:
                seen = before.viewed
                view_as.end(work, before.session_id, seen.id, seen.operator_id, by=by, now=now, why="signed_out")
            sign_ins.end_sign_in(work, before.account, hash_of(before.token), now=now)


def _refuse(account: Account | None) -> None:
    """Leave a trace, which costs the same whether the address is known or not: one entry, one commit."""
    now = clock.now()
    if account is None:
        with acting_for(COMPANY_ID), unit_of_work() as work:
            sign_ins.refuse_unknown(work, by=SYSTEM, now=now)
    else:
        with acting_for(account.operator_id), unit_of_work() as work:
            sign_ins.refuse_sign_in(work, account, by=SYSTEM, now=now)
