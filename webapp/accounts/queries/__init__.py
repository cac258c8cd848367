"""Reading accounts and sign-ins."""

from __future__ import annotations

from webapp.accounts.queries.doors import OpenSignIn, PendingSignIn, account_of, open_sign_in, pending_sign_in
from webapp.accounts.queries.factors import HeldTotp, SecondFactors, sealed_totps, second_factors_of, totp_of
from webapp.accounts.queries.people import Account, AccountRow, account, account_with_address, accounts_index

__all__ = [
    "Account",
    "AccountRow",
    "HeldTotp",
    "OpenSignIn",
    "PendingSignIn",
    "SecondFactors",
    "account",
    "account_of",
    "account_with_address",
    "accounts_index",
    "open_sign_in",
    "pending_sign_in",
    "sealed_totps",
    "second_factors_of",
    "totp_of",
]
