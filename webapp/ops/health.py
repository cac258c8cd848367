"""Whether the desk can do its work: database, Redis, a worker, a sweeper. Only reads, and never waits long."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

import structlog
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from webapp.certificates.queries.keys import KeyState, key_state
from webapp.db.work import Database
from webapp.ops import queries, service
from webapp.queue.worker import Pulse, pulse

LIMIT: Final = 1.0
"""Seconds a server may take to answer before it counts as failed."""

Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)
_askers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="health")
"""Few on purpose: when servers hang, questions pile up here and not in the threads that serve pages."""


class State(StrEnum):
    """What a check found. ``unknown``: what would tell does not answer itself."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Readiness:
    """The four checks together."""

    database: State
    redis: State
    worker: State
    sweeper: State
    keys: KeyState | None = None
    """Whether certificates can be signed; ``None`` when the database does not answer. Without keys certificates wait,
    and everything else works: the desk is ready."""

    @property
    def ready(self) -> bool:
        """Whether everything works."""
        return all(state is State.OK for state in (self.database, self.redis, self.worker, self.sweeper))

    def to_json(self) -> dict[str, object]:
        """What ``GET /readyz`` answers; names and states, nothing about where servers are."""
        return {
            "status": "ready" if self.ready else "degraded",
            "checks": {
                "database": {"state": self.database.value},
                "redis": {"state": self.redis.value},
                "worker": {"state": self.worker.value},
                "sweeper": {"state": self.sweeper.value},
                "certificate_keys": self._keys(),
            },
        }

    def _keys(self) -> dict[str, str]:
        if self.keys is None:
            return {"state": State.UNKNOWN.value}
        if self.keys.complete:
            return {"state": State.OK.value}
        return {"state": State.FAILED.value, "why": missing_keys(self.keys)}


def missing_keys(keys: KeyState) -> str:
    """What the keys lack, in words for whoever looks after the desk."""
    wanting = []
    if not keys.credentials:
        wanting.append("there is no key for credentials")
    if keys.operators:
        wanting.append(f"operators without a key for their PDFs: {keys.operators}")
    if keys.waiting:
        wanting.append(f"certificates that wait because a worker could not use a key: {keys.waiting}")
    return f"{'; '.join(wanting)}. See flask --app webapp keys make, and the worker's log."


def readiness(database: Database, redis_url: str) -> Readiness:
    """Ask the database and Redis, side by side, at most ``LIMIT`` seconds together."""
    until = time.monotonic() + LIMIT
    asked_database = _askers.submit(_told_by, database)
    asked_redis = _askers.submit(_pulse, redis_url)
    led = _answer("database", asked_database, until)
    beat = _answer("redis", asked_redis, until)
    return Readiness(
        database=_state(led, lambda _led: True),
        redis=_state(beat, lambda _beat: True),
        worker=State.UNKNOWN if beat is None else _state(beat, lambda found: found.workers > 0),
        sweeper=State.UNKNOWN if led is None else _state(led, lambda found: found[0]),
        keys=None if led is None else led[1],
    )


def _told_by(database: Database) -> tuple[bool, KeyState]:
    with database.read_only() as db:
        return queries.is_led(db, service.SWEEPER), key_state(db)


def _pulse(redis_url: str) -> Pulse:
    return pulse(redis_url, timeout=LIMIT / 2)


def _answer(what: str, asked: Future[Answer], until: float) -> Answer | None:
    """The answer, or ``None`` when it failed or took too long; which of them goes to the log."""
    try:
        return asked.result(timeout=max(0.0, until - time.monotonic()))
    except (SQLAlchemyError, RedisError, OSError, CancelledError) as error:
        asked.cancel()
        log.warning("readiness.failed", check=what, error=type(error).__name__)
        return None


def _state(answer: Answer | None, good: Callable[[Answer], bool]) -> State:
    return State.OK if answer is not None and good(answer) else State.FAILED
