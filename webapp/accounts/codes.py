"""Looking at what somebody typed as a second factor: the code of their app, or a recovery code."""

from __future__ import annotations

from webapp.accounts import second_factors
from webapp.accounts.queries import Account
from webapp.accounts.totp import totp
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.db.tenancy import acting_as
from webapp.db.work import unit_of_work


def given(account: Account, *, code: str, recovery_code: str) -> str | None:
    """``"totp"`` or ``"recovery"`` when what was typed is right, and used up by that; else ``None``, with a trace.

    A recovery code counts when something was typed for one.
    """
    now = clock.now()
    with acting_as(account.actor), unit_of_work() as work:
        if recovery_code.strip():
            method = "recovery" if second_factors.use_recovery_code(work, account, recovery_code, now=now) else None
        else:
            method = "totp" if totp().is_right(work, account.id, code) else None
        if method is None:
            second_factors.refuse_second_factor(work, account, by=SYSTEM, now=now)
    return method
