"""Fixtures of the job tests: a context on the test's transaction, and a desk of its own for real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import make_url

from tests.jobs.builders import DONE, PlainRenderer, Shelf
from tests.make import Make
from tests.services import ROOT, Servers
from webapp import embedded
from webapp.certificates.signing.folder import KeyFolder
from webapp.certificates.signing.keeping import make_missing
from webapp.config import Settings, load_settings
from webapp.core.actor import SYSTEM
from webapp.db import work as work_module
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_as
from webapp.db.work import Database, connect
from webapp.queue.doorbell import Doorbell

_numbers = count()


@pytest.fixture
def ctx(db: Database, settings: Settings) -> JobContext:
    """A job's context on the test's transaction; its clock stands at ``DONE``."""
    return JobContext(settings, db, lambda: DONE)


@pytest.fixture
def renderer() -> PlainRenderer:
    """Draws without Typst: no test process may compile and then fork."""
    return PlainRenderer()


@pytest.fixture
def shelf() -> Shelf:
    """An empty file store."""
    return Shelf()


@pytest.fixture
def own_redis(redis_url: str) -> Iterator[Redis]:
    """This worker's Valkey database, empty before and after."""
    client = Redis.from_url(redis_url)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


@dataclass(frozen=True)
class OwnDesk:
    """A committed database of its own, an empty queue, and the means to start the desk's real processes on them."""

    database: Database
    make: Make
    settings: Settings
    redis: Redis
    start: Callable[..., subprocess.Popen[bytes]]

    @property
    def log(self) -> str:
        """What the processes have logged so far."""
        return (self.settings.data_dir / "log").read_text("utf-8")

    @property
    def ctx(self) -> JobContext:
        """A context whose clock stands at ``DONE``."""
        return JobContext(self.settings, self.database, lambda: DONE)


@pytest.fixture
def desk(servers: Servers, app: Flask, own_redis: Redis, at: object, tmp_path: Path) -> Iterator[OwnDesk]:
    """A fresh copy of the migrated database with keys, dropped afterwards; processes started on it are ended."""
    name = f"{servers.template}_jobs_{os.getpid()}_{next(_numbers)}"
    owner = make_url(servers.owner_url).username or ""
    embedded.create_database(servers.admin_url, name, owner=owner, template=servers.template)
    mine = servers.on_database(name)
    settings = load_settings(
        ZONEDESK_ENV="test",
        database_url=mine.database_url,
        redis_url=mine.redis_url,
        data_dir=tmp_path,
        certificate_lease_seconds=2,
    )
    engine = connect(mine.database_url, pool_size=4)
    before = work_module.database()
    database = Database(engine, Doorbell(mine.redis_url).ring)
    work_module.bind(database)
    with acting_as(SYSTEM), Database(engine, lambda job, ids: None).unit_of_work() as work:
        make_missing(work, KeyFolder(tmp_path / "keys"), by=SYSTEM, now=DONE)
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, **changed: str) -> subprocess.Popen[bytes]:
        env = {
            **os.environ,
            "ZONEDESK_ENV": "test",
            "ZONEDESK_NOW": DONE.isoformat(),
            "DATABASE_URL": mine.database_url,
            "REDIS_URL": mine.redis_url,
            "DATA_DIR": str(tmp_path),
            **changed,
        }
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen([sys.executable, "worker.py", *arguments], cwd=ROOT, env=env, stderr=log)
        started.append(process)
        return process

    try:
        yield OwnDesk(database, Make(app), settings, own_redis, start)
    finally:
        for process in started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
        work_module.bind(before)
        engine.dispose()
        embedded.drop_database(servers.admin_url, name)
