"""The doorbell and the worker that answers it."""

from __future__ import annotations

import json
import socket
import time
import zlib
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis, RedisError
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from webapp.core.job_names import JobName
from webapp.db.work import Database
from webapp.ops import queries, service
from webapp.queue import worker
from webapp.queue.doorbell import JOB_TTL, QUEUE, RUN, Doorbell
from webapp.queue.schedule import Timetable


@pytest.fixture
def dead_redis() -> str:
    """An address nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{probe.getsockname()[1]}/0"


def queued(redis: Redis) -> list[Job]:
    return list(Queue(QUEUE, connection=redis, serializer=JSONSerializer).jobs)


@pytest.mark.parametrize("name", JobName)
def test_a_ring_is_a_job_of_json_with_a_name_and_ids_only(own_redis: Redis, redis_url: str, name: JobName) -> None:
    Doorbell(redis_url).ring(name, {"certificate_id": "one"})
    (job,) = queued(own_redis)
    assert (job.func_name, job.args) == (RUN, [name.value, {"certificate_id": "one"}])
    assert job.ttl == JOB_TTL
    stored = own_redis.hget(job.key, "data")
    assert isinstance(stored, bytes)
    assert json.loads(zlib.decompress(stored))[0] == RUN


def test_ringing_a_dead_redis_fails_soon(dead_redis: str) -> None:
    began = time.monotonic()
    with pytest.raises(RedisError):
        Doorbell(dead_redis).ring(JobName.ISSUE_CERTIFICATES, {})
    assert time.monotonic() - began < 2


def test_ringing_a_redis_that_hangs_fails_soon() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        with pytest.raises(RedisError):
            Doorbell(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", timeout=0.2).ring(JobName.EXPIRE_HOLDS, {})
        assert time.monotonic() - began < 2


def test_a_lost_ring_loses_no_work(db: Database, dead_redis: str, caplog: pytest.LogCaptureFixture) -> None:
    deaf = Database(db.bind, Doorbell(dead_redis).ring)
    with deaf.unit_of_work() as work:
        service.take_lead(work, "committed all the same", "somebody")
        work.after_commit(JobName.ISSUE_CERTIFICATES)
    with db.read_only() as session:
        assert queries.is_led(session, "committed all the same")
    assert "doorbell.lost" in caplog.text


def test_the_worker_listens_on_the_queue_the_doorbell_rings(own_redis: Redis, redis_url: str) -> None:
    made = worker.make_worker(redis_url)
    assert made.queue_names() == [QUEUE], "one queue, or a killed worker's job is in no list"
    assert made.serializer is JSONSerializer
    Doorbell(redis_url).ring(JobName.EXPIRE_HOLDS, {})
    assert worker.pulse(redis_url, timeout=1).waiting == 1
    assert own_redis.llen(made.queues[0].key) == 1


def test_a_worker_shows_with_every_sign_of_life_even_after_a_flush(own_redis: Redis, redis_url: str) -> None:
    assert worker.pulse(redis_url, timeout=1).workers == 0
    made: Any = worker.make_worker(redis_url)
    made.register_birth()
    assert worker.pulse(redis_url, timeout=1).workers == 1
    own_redis.flushdb()
    assert worker.pulse(redis_url, timeout=1).workers == 0
    made.heartbeat()
    assert worker.pulse(redis_url, timeout=1).workers == 1
    made.register_death()
    assert worker.pulse(redis_url, timeout=1).workers == 0


def test_a_worker_that_went_silent_does_not_count(own_redis: Redis, redis_url: str) -> None:
    made: Any = worker.make_worker(redis_url)
    made.register_birth()
    own_redis.hset(made.key, "last_heartbeat", "2020-01-01T00:00:00.000000Z")
    assert worker.pulse(redis_url, timeout=1).workers == 0


class Every:
    def __init__(self, name: str, seconds: int) -> None:
        self.name = name
        self.every = timedelta(seconds=seconds)


def names(entries: list[Every]) -> list[str]:
    return [entry.name for entry in entries]


def test_a_timetable_begins_with_everything_and_makes_up_for_nothing() -> None:
    table = Timetable([Every("often", 5), Every("seldom", 60)], at=100.0)
    assert names(table.due(100.0)) == ["often", "seldom"]
    assert names(table.due(104.9)) == []
    assert names(table.due(105.0)) == ["often"]
    assert names(table.due(500.0)) == ["often", "seldom"]
    assert names(table.due(500.0)) == []
