"""A cache in Valkey for what pages show, and never more than that: without it everything is right, only slower.

Whoever keeps something here names in its key whose it is and which state of the database it was read from; nothing
that is found is believed beyond that. Ask outside a transaction: Valkey may take its time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog
from flask import Flask, current_app
from redis import RedisError

from webapp.queue.doorbell import redis_client

CACHE: Final = "zonedesk_cache"
"""Where the app keeps its cache."""
_SECONDS: Final = 0.2
"""How long one step of asking Valkey may take."""
_PAUSE: Final = 5.0
"""Seconds in which it is not asked again after it failed, or answered too late to be worth asking."""
MOST_BYTES: Final = 256 * 1024
"""Nothing larger is kept."""

log = structlog.get_logger(__name__)


class Cache(Protocol):
    """Keeps bytes under a key for a while, or does not: nobody can tell, and nothing fails."""

    def get(self, key: str) -> bytes | None:
        """What was kept; nothing where it is not there (any more), or cannot be asked for."""

    def put(self, key: str, value: bytes, *, seconds: int) -> None:
        """Keep it for so long, if it is not too large and there is somewhere to keep it."""


class ValkeyCache:
    """One process's way to the cache. Threads may share it; it connects when it is first asked."""

    def __init__(
        self,
        redis_url: str,
        *,
        timeout: float = _SECONDS,
        pause: float = _PAUSE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep things at ``redis_url``; ``monotonic`` is a clock in seconds."""
        self._client = redis_client(redis_url, timeout=timeout)
        self._late = 2 * timeout  # to connect and to answer
        self._pause = pause
        self._monotonic = monotonic
        self._away_until = monotonic()

    def get(self, key: str) -> bytes | None:
        """What was kept under the key."""
        found = self._ask(lambda: self._client.get(key))
        return found if isinstance(found, bytes) else None

    def put(self, key: str, value: bytes, *, seconds: int) -> None:
        """Keep a value for so many seconds, unless it is too large."""
        if len(value) <= MOST_BYTES:
            self._ask(lambda: self._client.set(key, value, ex=seconds))

    def _ask(self, question: Callable[[], Any]) -> Any:
        """The answer, or nothing while Valkey is away. Whoever drips is away too: each drop is a step of its own."""
        begun = self._monotonic()
        if begun < self._away_until:
            return None
        try:
            answer = question()
        except (RedisError, OSError) as error:
            self._leave_alone(type(error).__name__)
            return None
        if self._monotonic() - begun > self._late:
            self._leave_alone("slow")
        return answer

    def _leave_alone(self, why: str) -> None:
        self._away_until = self._monotonic() + self._pause
        log.warning("cache.away", error=why, seconds=self._pause)


def init_cache(app: Flask, redis_url: str) -> None:
    """Give the app its cache. Connects to nothing yet."""
    app.extensions[CACHE] = ValkeyCache(redis_url)


def cache() -> Cache:
    """The cache of the running app."""
    found: Cache = current_app.extensions[CACHE]
    return found
