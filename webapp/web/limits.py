"""The rate limiter: one extension, counted in Valkey, per process while Valkey does not answer."""

from __future__ import annotations

from typing import Any, Final

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from redis.backoff import NoBackoff
from redis.retry import Retry

_SECONDS: Final = 0.5
"""How long one step of asking Valkey may take before the process counts for itself."""

limiter = Limiter(
    key_func=get_remote_address,
    in_memory_fallback_enabled=True,
    headers_enabled=True,
    key_prefix="zonedesk",
)


def init_limits(app: Flask, redis_url: str) -> None:
    """Count in the Valkey at ``redis_url``. Nothing is connected before the first limited request."""
    options: dict[str, Any] = {
        "socket_connect_timeout": _SECONDS,
        "socket_timeout": _SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    app.config["RATELIMIT_STORAGE_URI"] = f"redis+{redis_url}" if redis_url.startswith("unix:") else redis_url
    app.config["RATELIMIT_STORAGE_OPTIONS"] = options
    limiter.init_app(app)
