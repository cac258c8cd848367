"""Pages of accounts: signing in and out, second factors, letters' links, and one's own account."""

from __future__ import annotations

from webapp.accounts.views import (
    confirming,
    forgotten,
    joining,
    own,
    own_factors,
    own_passkeys,
    passkeys,
    second_factor,
    signing_in,
)
from webapp.accounts.views.blueprint import bp

__all__ = [
    "bp",
    "confirming",
    "forgotten",
    "joining",
    "own",
    "own_factors",
    "own_passkeys",
    "passkeys",
    "second_factor",
    "signing_in",
]
