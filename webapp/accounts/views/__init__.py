"""Pages of accounts: signing in and out, second factors, and one's own account."""

from __future__ import annotations

from webapp.accounts.views import confirming, own, own_factors, own_passkeys, passkeys, second_factor, signing_in
from webapp.accounts.views.blueprint import bp

__all__ = ["bp", "confirming", "own", "own_factors", "own_passkeys", "passkeys", "second_factor", "signing_in"]
