"""After the password: giving the second factor that is owed, or setting the first one up; and changing them later."""

from __future__ import annotations

from typing import Final, NoReturn

from flask import session

from webapp.accounts import codes, passwords, queries, second_factors, sign_ins
from webapp.accounts.pending import Pending, end_pending, take_try
from webapp.accounts.queries import Account
from webapp.accounts.rules import check_password
from webapp.accounts.sessions import SignedIn, settings_in_use
from webapp.accounts.signin import let_in, second_factor_given
from webapp.accounts.totp import totp
from webapp.core import clock
from webapp.core.errors import Conflict, Invalid
from webapp.db.tenancy import acting_as
from webapp.db.work import unit_of_work

_KEY: Final = "totp_new"
_SECRET_FOR: Final = 600
"""Seconds a secret that nobody has confirmed is shown again; after that the page shows a fresh one."""


def give(half: Pending, *, code: str, recovery_code: str) -> SignedIn:
    """Let somebody in who owes a second factor.

    Raises ``Invalid`` for field ``code`` or ``recovery_code`` when it is wrong or was used before, ``Conflict`` after
    five tries: the password has to be typed again.
    """
    _take_try(half)
    method = codes.given(half.account, code=code, recovery_code=recovery_code)
    if method is None:
        _count_down(half, field="recovery_code" if recovery_code.strip() else "code")
    return let_in(half.account, method=f"password+{method}", second_factor=True)


def enrol(half: Pending, code: str) -> tuple[str, ...]:
    """Set up the authenticator app of somebody who has only the password so far, and let them in.

    Returns the recovery codes, to be shown once. Raises ``Invalid`` for field ``code``, and ``Conflict`` after five
    tries or when the account has a second factor by now.
    """
    _take_try(half)
    account, now, sealed = half.account, clock.now(), secret_in_hand(half.account)
    counter = totp().counter_of(sealed, account.id, code)
    if counter is None:
        _count_down(half, field="code")
    with acting_as(account.actor), unit_of_work() as work:
        second_factors.set_up_totp(work, account, sealed, counter, first=True, by=account.actor, now=now)
        made = second_factors.make_recovery_codes(work, account, by=account.actor, now=now)
    let_in(account, method="password+totp", second_factor=True)
    return made


def set_up(user: SignedIn, *, code: str, password: str | None) -> tuple[str, ...]:
    """Set up or replace the authenticator app of somebody signed in.

    ``password`` is theirs when they have no second factor yet; with ``None`` they have just given one. Returns recovery
    codes to be shown once when there were none left, else nothing. Raises ``Invalid`` for ``password`` or ``code``,
    ``Conflict`` when the account has a second factor by now and only the password was given.
    """
    account, now, sealed = user.account, clock.now(), secret_in_hand(user.account)
    if password is not None:
        check_own_password(account, password, field="password")
    counter = totp().counter_of(sealed, account.id, code)
    if counter is None:
        raise Invalid("code-wrong", "That code is not right. Enter the one the app shows now.", field="code")
    with acting_as(user.actor), unit_of_work() as work:
        second_factors.set_up_totp(work, account, sealed, counter, first=password is not None, by=user.actor, now=now)
        left = queries.second_factors_of(work.db, account.id).recovery_codes_left
        made = () if left else second_factors.make_recovery_codes(work, account, by=user.actor, now=now)
    session.pop(_KEY, None)
    second_factor_given(user, method="totp")
    return made


def change_password(user: SignedIn, *, current: str, new: str) -> None:
    """Give oneself another password; every other browser is signed out.

    Raises ``Invalid`` for field ``current`` or ``new``, ``Conflict`` when it was changed elsewhere meanwhile.
    """
    account = user.account
    check_own_password(account, current, field="current")
    check_password(new, field="new", email=account.email, name=account.name)
    if passwords.is_right(new, account.password):
        raise Invalid("password-same", "That is the password you have now. Choose another one.", field="new")
    hashed = passwords.hash_password(new)
    with acting_as(user.actor), unit_of_work() as work:
        sign_ins.change_own_password(work, account, hashed, keep=user.session_id, now=clock.now())


def check_own_password(account: Account, password: str, *, field: str) -> None:
    """Make sure that whoever is signed in knows the password. Raises ``Invalid`` for ``field``."""
    if not passwords.is_right(password, account.password):
        raise Invalid("password-wrong", "That is not your password.", field=field)


def needed(account: Account) -> bool:
    """Whether the account's role may not be without a second factor."""
    return settings_in_use().needs_second_factor(account.role)


def secret_in_hand(account: Account) -> str:
    """The sealed secret an account is setting up: the same while the page is open, a fresh one after some minutes.

    It waits in the cookie, sealed, so that showing a page writes nothing.
    """
    now = int(clock.now().timestamp())
    sealed, drawn_at = session.get(_KEY) or ("", 0)
    if not 0 <= now - int(drawn_at) < _SECRET_FOR or not totp().reads(str(sealed), account.id):
        sealed = totp().new_secret(account.id)
        session[_KEY] = [sealed, now]
    return str(sealed)


def _take_try(half: Pending) -> None:
    if not take_try(half):
        end_pending()
        raise Conflict("password-again", "That took too long, or too many tries. Type your password again.")


def _count_down(half: Pending, *, field: str) -> NoReturn:
    """Refuse what was typed; after the fifth time, the whole sign-in."""
    left = half.tries_left - 1
    if left <= 0:
        end_pending()
        raise Conflict("password-again", "That took too long, or too many tries. Type your password again.")
    raise Invalid(
        "code-wrong", "That code is not right, or it was used before. Tries left: %(left)s.", field=field, left=left
    )
