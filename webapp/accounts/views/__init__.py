"""Pages of accounts: signing in and out, second factors, letters' links, one's own account, looking after people."""

from __future__ import annotations

from webapp.accounts.views import (
    acts,
    confirming,
    forgotten,
    inviting,
    joining,
    own,
    own_factors,
    own_passkeys,
    passkeys,
    people,
    rights,
    second_factor,
    signing_in,
    viewing,
)
from webapp.accounts.views.blueprint import bp

__all__ = [
    "acts",
    "bp",
    "confirming",
    "forgotten",
    "inviting",
    "joining",
    "own",
    "own_factors",
    "own_passkeys",
    "passkeys",
    "people",
    "rights",
    "second_factor",
    "signing_in",
    "viewing",
]
