"""Reading accounts and sign-ins."""

from __future__ import annotations

from webapp.accounts.queries.doors import OpenSignIn, account_of, open_sign_in
from webapp.accounts.queries.people import Account, AccountRow, account, account_with_address, accounts_index

__all__ = [
    "Account",
    "AccountRow",
    "OpenSignIn",
    "account",
    "account_of",
    "account_with_address",
    "accounts_index",
    "open_sign_in",
]
