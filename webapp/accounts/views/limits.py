"""How often second factors and one's own password may be tried, whatever the browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from webapp.accounts import signin
from webapp.accounts.sessions import settings_in_use
from webapp.web.limits import address_key, limiter

View = TypeVar("View", bound=Callable[..., Any])


def _rate() -> str:
    return settings_in_use().second_factor_rate


def _password_rate() -> str:
    return settings_in_use().sign_in_rate


def _person_key() -> str:
    """Whoever tries, their operator first: the person half-way in or signed in; the address for nobody, who is sent
    away anyway."""
    half = signin.pending()
    user = signin.person() if half is None else None
    account = half.account if half is not None else user.account if user is not None else None
    return f"{account.operator_id}:user:{account.id}" if account is not None else address_key()


_factors: Final = limiter.shared_limit(_rate, scope="second-factor", key_func=_person_key, methods=["POST"])
_passwords: Final = limiter.shared_limit(_password_rate, scope="own-password", key_func=_person_key, methods=["POST"])


def second_factor_limit(view: View) -> View:
    """Count the view's POSTs against its person's second factors, at signing in and later together."""
    return cast(View, _factors(view))


def own_password_limit(view: View) -> View:
    """Count the view's POSTs against the tries of one's own password."""
    return cast(View, _passwords(view))
