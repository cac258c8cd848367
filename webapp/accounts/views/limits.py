"""How often second factors and one's own password may be tried, whatever the browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from flask import request

from webapp.accounts import signin
from webapp.accounts.sessions import settings_in_use
from webapp.web.limits import limiter

View = TypeVar("View", bound=Callable[..., Any])


def _rate() -> str:
    return settings_in_use().second_factor_rate


def _password_rate() -> str:
    return settings_in_use().sign_in_rate


def _person_key() -> str:
    """Whoever tries: the person half-way in or signed in; the address for nobody, who is sent away anyway."""
    half = signin.pending()
    user = signin.person() if half is None else None
    if half is not None:
        return f"person:{half.account.id}"
    return f"person:{user.id}" if user is not None else f"address:{request.remote_addr or ''}"


_factors: Final = limiter.shared_limit(_rate, scope="second-factor", key_func=_person_key, methods=["POST"])
_passwords: Final = limiter.shared_limit(_password_rate, scope="own-password", key_func=_person_key, methods=["POST"])


def second_factor_limit(view: View) -> View:
    """Count the view's POSTs against its person's second factors, at signing in and later together."""
    return cast(View, _factors(view))


def own_password_limit(view: View) -> View:
    """Count the view's POSTs against the tries of one's own password."""
    return cast(View, _passwords(view))
