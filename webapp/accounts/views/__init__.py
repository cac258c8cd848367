"""Pages of accounts: signing in and out."""

from __future__ import annotations

from webapp.accounts.views import signing_in
from webapp.accounts.views.blueprint import bp

__all__ = ["bp", "signing_in"]
