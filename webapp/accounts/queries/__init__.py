"""Reading accounts and sign-ins."""

from __future__ import annotations

from webapp.accounts.queries.doors import (
    Invited,
    OpenSignIn,
    PendingSignIn,
    account_of,
    account_of_reset_link,
    invited,
    invited_by_link,
    open_sign_in,
    pending_sign_in,
)
from webapp.accounts.queries.factors import HeldTotp, SecondFactors, sealed_totps, second_factors_of, totp_of
from webapp.accounts.queries.people import Account, AccountRow, account, account_with_address, accounts_index

__all__ = [
    "Account",
    "AccountRow",
    "HeldTotp",
    "Invited",
    "OpenSignIn",
    "PendingSignIn",
    "SecondFactors",
    "account",
    "account_of",
    "account_of_reset_link",
    "account_with_address",
    "accounts_index",
    "invited",
    "invited_by_link",
    "open_sign_in",
    "pending_sign_in",
    "sealed_totps",
    "second_factors_of",
    "totp_of",
]
