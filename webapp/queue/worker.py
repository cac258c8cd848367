"""The worker that answers the doorbell: RQ's, with the settings that make it recover in about a minute and a half.

RQ's idle worker runs its maintenance only after it stops waiting, so the waiting is kept short (``WORKER_TTL``); one
queue per worker, because only then a job is never in no list at all. Lost jobs cost time, never work: see the doorbell.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from redis import RedisError
from rq import Queue, Worker, worker_registration
from rq.serializers import JSONSerializer
from rq.utils import as_text

from webapp.core.ids import new_id
from webapp.queue.doorbell import QUEUE, redis_client

WORKER_TTL: Final = 30
"""Seconds; an idle worker gives a sign of life every 15 (RQ takes 15 off)."""
MAINTENANCE_INTERVAL: Final = 5
MONITORING_INTERVAL: Final = 10
"""Seconds between signs of life while a job runs."""
SILENT_AFTER: Final = timedelta(seconds=45)
"""A worker that gave no sign for so long counts as gone."""

_STEP_SECONDS: Final = 5.0
_LONGEST_PAUSE: Final = 10.0

log = structlog.get_logger(__name__)


class DeskWorker(Worker):
    """RQ's worker, which says who it is with every sign of life: flushing Redis does not make it invisible."""

    asked_to_stop = False

    def request_stop(self, signum: Any, frame: Any) -> None:
        """Remember that somebody asked, so that losing Redis can be told from being stopped."""
        self.asked_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # RQ leaves it untyped

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Give a sign of life, under a name that is registered."""
        super().heartbeat(timeout, pipeline)
        worker_registration.register(self, pipeline)


def make_worker(redis_url: str, queue: str = QUEUE) -> DeskWorker:
    """A worker on one queue, JSON only. Raises ``redis.RedisError`` when Redis does not answer."""
    connection = redis_client(redis_url, timeout=_STEP_SECONDS)
    return DeskWorker(
        [Queue(queue, connection=connection, serializer=JSONSerializer)],
        name=f"{queue}-{new_id().hex}",
        connection=connection,
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL,
        maintenance_interval=MAINTENANCE_INTERVAL,
        job_monitoring_interval=MONITORING_INTERVAL,
        log_job_description=False,
    )


def serve(redis_url: str, queue: str = QUEUE, *, burst: bool = False) -> None:
    """Work until SIGTERM or SIGINT (the job at hand is finished); with ``burst`` until the queue is empty.

    While Redis is away it waits and tries again. Main thread only: RQ takes the signals.
    """
    pause = 1.0
    with _stop_signals() as stop:
        while not stop.is_set():
            worker: DeskWorker | None = None
            try:
                worker = make_worker(redis_url, queue)
                pause = 1.0
                worker.work(burst=burst, logging_level=None, with_scheduler=False)
            except (RedisError, OSError) as error:
                log.warning("worker.redis_away", error=type(error).__name__)
            if burst or (worker is not None and worker.asked_to_stop):
                return
            _install(stop)
            stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _install(stop: threading.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Catch SIGTERM and SIGINT while no RQ worker does; the handlers from before come back afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stop = threading.Event()
    _install(stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the queue is: workers alive on it, jobs waiting in it."""

    workers: int
    waiting: int


def pulse(redis_url: str, queue: str = QUEUE, *, timeout: float) -> Pulse:
    """Ask Redis who works on the queue. Only reads; raises ``redis.RedisError`` when it does not answer.

    Ages are taken by Redis's own clock.
    """
    connection = redis_client(redis_url, timeout=timeout)
    try:
        seconds, _micro = connection.time()
        known = [as_text(key) for key in connection.smembers(worker_registration.WORKERS_BY_QUEUE_KEY % queue)]
        lives = [connection.hmget(key, "last_heartbeat", "death") for key in known]
        waiting = connection.llen(Queue.redis_queue_namespace_prefix + queue)
    finally:
        connection.close()
    at = datetime.fromtimestamp(seconds, UTC)
    beats = [as_text(beat) for beat, death in lives if beat and not death]
    return Pulse(
        workers=sum(at - _instant(beat) < SILENT_AFTER for beat in beats),
        waiting=waiting,
    )


def _instant(text: str) -> datetime:
    """RQ writes ``2027-01-04T09:00:00.000000Z``."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
