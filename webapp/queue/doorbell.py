"""The doorbell: a row that waits becomes a job in RQ. Losing a ring costs time, never work: the sweeper rings again.

Messages are JSON and carry a stable name and ids only, so writing to Redis never means running code on a worker. RQ's
``unique``, callbacks and retries are not used: the row decides whether there is something to do.
"""

from __future__ import annotations

import re
from typing import Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

from webapp.core.ids import new_id
from webapp.core.job_names import JobName

QUEUE: Final = "zonedesk"
"""The one queue. RQ takes a job off safely only when its worker listens on a single queue."""

RUN: Final = "webapp.jobs.run"
"""The only function RQ ever calls."""

JOB_TTL: Final = 900
"""Seconds after which a job nobody took is forgotten: by then the sweeper has rung again."""
JOB_TIMEOUT: Final = 300
"""Seconds a work-horse may take for one job before it is stopped."""
RESULT_TTL: Final = 60
FAILURE_TTL: Final = 86_400

_NOT_IN_JOB_IDS: Final = re.compile(r"[^A-Za-z0-9_-]+")


def redis_client(redis_url: str, *, timeout: float) -> Redis:
    """A client that gives up after ``timeout`` seconds per step and never tries twice; it connects when first used."""
    return Redis.from_url(
        redis_url,
        socket_connect_timeout=timeout,
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
    )


class Doorbell:
    """Rings jobs. Safe to share between threads; it connects at the first ring."""

    def __init__(self, redis_url: str, *, timeout: float = 0.5, queue: str = QUEUE) -> None:
        """Ring on ``queue`` at ``redis_url``, waiting at most ``timeout`` seconds for each step."""
        self._queue = Queue(
            queue,
            connection=redis_client(redis_url, timeout=timeout),
            serializer=JSONSerializer,
            default_timeout=JOB_TIMEOUT,
        )

    def ring(self, job: JobName, ids: dict[str, str]) -> None:
        """Ask for ``job`` with string ids. Raises ``redis.RedisError`` soon when Redis does not answer."""
        self._queue.enqueue_call(
            RUN,
            args=(job.value, ids),
            job_id=f"{_NOT_IN_JOB_IDS.sub('-', job.value)}-{new_id().hex}",
            ttl=JOB_TTL,
            result_ttl=RESULT_TTL,
            failure_ttl=FAILURE_TTL,
        )
