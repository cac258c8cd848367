"""The rate limiter: one extension, counted in Valkey, per process while Valkey does not answer (``web.counting``).

Every changing request is counted without being asked to: by its person, or by its address when nobody is signed in.
Three rates hold side by side: *writes* for all of it; *bookings* for what was really booked, proposed or moved (a form
that is only looked at or refused is a write, no booking); *exports* for files with other people's data, however they
are asked for. A view declares limits of its own where nobody is signed in yet::

    @limiter.limit(rate("reset_rate"), key_func=lambda: account_key(request.form.get("email", "")), methods=["POST"])

Such a limit stands instead of *writes*. Keys name the operator first, and never an e-mail address.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import time
from collections.abc import Callable
from typing import Any, Final

import limits
from flask import Flask, Response, current_app, g, request
from flask_limiter import Limit, Limiter, RateLimitExceeded
from redis.backoff import NoBackoff
from redis.retry import Retry

from webapp.config import Settings
from webapp.core.actor import Actor, Permission
from webapp.web import counting
from webapp.web.access import guard_of
from webapp.web.errors import answer
from webapp.web.headers import SAFE_METHODS
from webapp.web.words import ngettext

_SECONDS: Final = 0.5
"""How long one step of asking Valkey may take before the process counts for itself."""
_BOOKING: Final = frozenset({Permission.BOOKING_WRITE, Permission.ASSIGNMENT_PROPOSE})
_EXPORT: Final = frozenset(
    {
        Permission.HOUSEHOLD_EXPORT,
        Permission.AUDIT_EXPORT,
        Permission.ZONE_EXPORT,
        Permission.CERTIFICATE_BATCH,
    }
)
_NOBODY: Final = "nobody"
"""Stands for the operator where it is not known yet."""


def rate(setting: str) -> Callable[[], str]:
    """The rate kept in a setting, asked for at each request: ``rate("reset_rate")``."""

    def kept() -> str:
        settings: Settings = current_app.extensions["settings"]
        return str(getattr(settings, setting))

    return kept


def address() -> str:
    """The visitor's address for counting: an IPv6 one by its /64, which is what one line is given (RFC 6177)."""
    try:
        found = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.IPv6Network((found.packed, 64), strict=False))
    return str(found)


def address_key() -> str:
    """The key of an address nobody is signed in from."""
    return f"{_NOBODY}:address:{address()}"


def account_key(email: str) -> str:
    """The key of an account somebody tries to open, known or not: a keyed hash.

    Valkey need not know who works here, and a plain hash would be found by hashing every address of a staff list.
    """
    tried = hmac.new(_secret(), email.strip().lower().encode(), hashlib.sha256)
    return f"{_NOBODY}:account:{tried.hexdigest()[:32]}"


def times(text: str, factor: int) -> str:
    """A rate as it is written, that many times as often: an address stands for several people of one office."""
    kept = limits.parse(text)
    return f"{kept.amount * factor} per {kept.multiples} {kept.GRANULARITY.name}"


def account_asked_for() -> str:
    """The key of the account that the form's ``email`` names."""
    return account_key(request.form.get("email", ""))


def person_key() -> str:
    """The key of whoever is signed in, their operator first; of the address when nobody is."""
    actor: Actor | None = g.get("actor")
    return f"{actor.operator_id}:user:{actor.id}" if actor is not None else address_key()


def _secret() -> bytes:
    return str(current_app.secret_key).encode()


def _permission() -> object:
    return guard_of(current_app, request.endpoint) if request.endpoint else None


def _reads() -> bool:
    return request.method in SAFE_METHODS


def _booked(response: Response) -> bool:
    """Whether the answer says that something was booked: it leads on to another page, as every success does."""
    counting.counting_afterwards()
    return response.status_code in (301, 302, 303) or (response.status_code < 300 and "HX-Redirect" in response.headers)


def _exported(response: Response) -> bool:
    """Whether the answer is the export and not the page that asks for it."""
    counting.counting_afterwards()
    return response.status_code < 400 and not (_reads() and response.mimetype == "text/html")


_DEFAULTS: Final = [
    Limit(rate("write_rate"), person_key, shared=True, scope=counting.WRITES, exempt_when=_reads),
    Limit(
        rate("booking_rate"),
        person_key,
        shared=True,
        scope=counting.BOOKINGS,
        exempt_when=lambda: _reads() or _permission() not in _BOOKING,
        deduct_when=_booked,
    ),
    Limit(
        rate("export_rate"),
        person_key,
        shared=True,
        scope=counting.EXPORTS,
        exempt_when=lambda: _permission() not in _EXPORT,
        deduct_when=_exported,
    ),
]

limiter = Limiter(
    key_func=address_key,
    default_limits=[*_DEFAULTS],
    in_memory_fallback_enabled=True,
    # Retry-After belongs to a refusal (``too_many``); the library would write it on every answer, redirects included.
    headers_enabled=False,
    strategy=counting.NAME,
    key_prefix="zonedesk",
)


def too_many(_error: RateLimitExceeded) -> Response:
    """Answer a request that was one too many: 429 with Retry-After in seconds; a page, a toast, or problem+json."""
    seconds = 60
    breached = limiter.current_limit
    if breached is not None:
        try:
            seconds = max(1, math.ceil(breached.reset_at - time.time()))
        except Exception:
            # Valkey went between counting and asking when the window ends. A minute is a fair guess.
            counting.log.warning("limits.window_unknown")
    minutes = max(1, round(seconds / 60))
    sentence = ngettext(
        "Too many tries. Wait %(num)s minute and try again.",
        "Too many tries. Wait %(num)s minutes and try again.",
        minutes,
    )
    response = answer(429, sentence, code="too-many")
    response.headers["Retry-After"] = str(seconds)
    return response


def count_in(app: Flask, redis_url: str) -> None:
    """Count in the Valkey at ``redis_url`` from now on. Nothing is connected before the first limited request."""
    options: dict[str, Any] = {
        "socket_connect_timeout": _SECONDS,
        "socket_timeout": _SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    app.config["RATELIMIT_STORAGE_URI"] = f"redis+{redis_url}" if redis_url.startswith("unix:") else redis_url
    app.config["RATELIMIT_STORAGE_OPTIONS"] = options
    limiter.init_app(app)


def init_limits(app: Flask, redis_url: str) -> None:
    """Put the limits into the app, after the guard: they are counted by whoever the guard has found."""
    count_in(app, redis_url)
    app.register_error_handler(RateLimitExceeded, too_many)
