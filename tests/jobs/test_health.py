"""/healthz and /readyz."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import Engine

from tests.web.client import DeskClient
from webapp.config import Settings
from webapp.db import work as work_module
from webapp.db.work import Database, connect
from webapp.ops import health, service
from webapp.ops.health import Readiness, State
from webapp.queue import worker

DEAD_DATABASE = "postgresql+psycopg://nobody:very-secret@127.0.0.1:1/nothing"
DEAD_REDIS = "redis://:very-secret@127.0.0.1:1/0"


@dataclass
class Desk:
    """A desk whose parts a test starts one by one."""

    client: DeskClient
    redis_url: str

    def asked(self) -> tuple[int, str, dict[str, str]]:
        """Code, status and the state of each check."""
        answer = self.client.get("/readyz")
        found = answer.get_json()
        states = {name: check["state"] for name, check in found["checks"].items()}
        states.pop("certificate_keys")  # which are no reason not to be ready: tests of their own
        return answer.status_code, found["status"], states


@pytest.fixture
def desk(client: DeskClient, own_redis: Redis, redis_url: str, db: Database) -> Desk:
    return Desk(client, redis_url)


@pytest.fixture
def dead_engine() -> Iterator[Engine]:
    engine = connect(DEAD_DATABASE)
    yield engine
    engine.dispose()


def with_worker(redis_url: str) -> None:
    born: Any = worker.make_worker(redis_url)
    born.register_birth()


def with_sweeper(db: Database) -> None:
    with db.unit_of_work() as work:
        service.take_lead(work, service.SWEEPER, "somebody")


def test_alive_asks_no_server(client: DeskClient) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "alive"})
    assert client.statements == 0


def test_ready_when_all_four_work(desk: Desk, db: Database) -> None:
    with_worker(desk.redis_url)
    with_sweeper(db)
    ok = dict.fromkeys(("database", "redis", "worker", "sweeper"), "ok")
    assert desk.asked() == (200, "ready", ok)


def test_without_a_worker_it_is_degraded(desk: Desk, db: Database) -> None:
    with_sweeper(db)
    code, status, checks = desk.asked()
    assert (code, status) == (503, "degraded")
    assert checks == {"database": "ok", "redis": "ok", "worker": "failed", "sweeper": "ok"}


def test_a_sweeper_whose_lease_ran_out_is_gone(desk: Desk, db: Database) -> None:
    with_worker(desk.redis_url)
    with db.unit_of_work() as work:
        service.take_lead(work, service.SWEEPER, "killed", length=timedelta(seconds=-1))
    code, _status, checks = desk.asked()
    assert code == 503
    assert checks == {"database": "ok", "redis": "ok", "worker": "ok", "sweeper": "failed"}


def test_without_redis_nothing_is_known_of_workers(desk: Desk, app: Flask, settings: Settings, db: Database) -> None:
    with_sweeper(db)
    app.extensions["settings"] = settings.model_copy(update={"redis_url": DEAD_REDIS})
    try:
        code, _status, checks = desk.asked()
        assert "very-secret" not in desk.client.get("/readyz").text
    finally:
        app.extensions["settings"] = settings
    assert code == 503
    assert checks == {"database": "ok", "redis": "failed", "worker": "unknown", "sweeper": "ok"}


def test_without_the_database_nothing_is_known_of_the_sweeper(desk: Desk, db: Database, dead_engine: Engine) -> None:
    with_worker(desk.redis_url)
    work_module.bind(Database(dead_engine, lambda job, ids: None))
    try:
        code, _status, checks = desk.asked()
        assert "very-secret" not in desk.client.get("/readyz").text
    finally:
        work_module.bind(db)
    assert code == 503
    assert checks == {"database": "failed", "redis": "ok", "worker": "ok", "sweeper": "unknown"}


def test_a_database_that_hangs_is_not_waited_for(
    own_redis: Redis, redis_url: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_told_by", lambda database: time.sleep(2.5))
    began = time.monotonic()
    found = health.readiness(db, redis_url)
    assert time.monotonic() - began < 2
    assert found == Readiness(State.FAILED, State.OK, State.FAILED, State.UNKNOWN)
