"""A desk as people meet it: gunicorn, the RQ worker and the sweeper as processes, on a database of their own."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from redis import Redis
from sqlalchemy import make_url

from tests.certificate_keys import with_keys
from tests.make import Make, Person
from tests.services import Servers
from tests.web.client import NOW, engine_of
from webapp import embedded
from webapp.accounts import sign_ins
from webapp.accounts.queries import account
from webapp.accounts.signin import hash_of
from webapp.app import create_app
from webapp.config import load_settings
from webapp.db import work as work_module
from webapp.run import Part, Parts, wait_until_ready

SECRET: Final = "only-for-tests-in-a-browser-0123456789"
_numbers = count()


class RunningDesk:
    """The processes, where they listen, and builders for what is on the desk before anybody looks."""

    def __init__(self, servers: Servers, folder: Path, **settings: str) -> None:
        """``settings`` are more of its environment."""
        self.folder = folder
        self.owner_url = servers.owner_url
        """The database as its owner: for what nobody at the desk can do."""
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.url_by_name = f"http://localhost:{self.port}"
        """The same desk for passkeys: browsers make none for a number."""
        self._env = os.environ | {
            "ZONEDESK_ENV": "development",
            "DATABASE_URL": servers.database_url,
            "DATABASE_OWNER_URL": servers.owner_url,
            "REDIS_URL": servers.redis_url,
            # One person does here in a minute what nobody does at a desk.
            "WRITE_RATE": "100000 per minute",
            "BOOKING_RATE": "100000 per minute",
            "DATA_DIR": str(folder),
            "PUBLIC_URL": self.url,
            "SECRET_KEY": SECRET,
            "SIGN_IN_RATE": "1000 per minute",
            "SECOND_FACTOR_RATE": "1000 per minute",
            **settings,
        }
        self._parts: Parts | None = None
        self._worker: Part
        self._started_at, self._started = NOW, time.monotonic()
        self._read: dict[Path, int] = {}
        self.app: Flask = create_app(
            load_settings(
                ZONEDESK_ENV="test",
                database_url=servers.database_url,
                redis_url=servers.redis_url,
                secret_key=SECRET,
                data_dir=folder,
                log_level="WARNING",
            )
        )
        self.database = work_module.database()
        """The desk's database, for setting scenes: what is done there is committed."""
        self.make = Make(self.app)

    def make_keys(self) -> None:
        """Give every operator there is what its certificates are signed with: without, the worker waits for it."""
        with_keys(self.database, self.folder / "keys", now=NOW)

    def start(self, now: datetime = NOW) -> None:
        """Start everything with the clock at ``now`` and return when ``/readyz`` says so."""
        self.stop()
        parts = self._parts = Parts(self._env | {"ZONEDESK_NOW": now.isoformat()}, self.folder)
        web = ("-w", "1", "--threads", "4", "-b", f"127.0.0.1:{self.port}", "--no-control-socket")
        self._started_at, self._started = now, time.monotonic()
        parts.start("web", "-m", "gunicorn", *web, "webapp.app:create_app()")
        self._worker = parts.start("worker", "worker.py")
        parts.start("sweeper", "worker.py", "sweep")
        wait_until_ready(parts, self.port)

    def now(self) -> datetime:
        """What the web server's clock says, to a few seconds: it runs on from where it was started."""
        return self._started_at + timedelta(seconds=time.monotonic() - self._started)

    def cookie_of(self, person: Person) -> dict[str, Any]:
        """The cookie of a browser in which somebody has signed in, second factor and all, without their typing it."""
        token, now = secrets.token_urlsafe(32), self.now()
        with self.database.read_only() as db:
            found = account(db, person.id)
        browser = sign_ins.Browser(hash_of(token), "Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0", "127.0.0.1")
        with self.database.unit_of_work() as work:
            sign_ins.begin_sign_in(
                work,
                found,
                browser,
                absolute=timedelta(hours=12),
                method="password+totp",
                second_factor_at=now,
                now=now,
            )
        signer = SecureCookieSessionInterface().get_signing_serializer(self.app)
        assert signer is not None
        value = signer.dumps({"_user_id": f"{found.fs_uniquifier}.{token}", "_fresh": True})
        return {"name": self.app.config["SESSION_COOKIE_NAME"], "value": value, "url": self.url}

    @contextmanager
    def worker_asleep(self) -> Iterator[None]:
        """Stop the worker for a while, so that somebody can see what waits for it."""
        os.kill(self._worker.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._worker.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End what was started, and nothing else."""
        if self._parts is not None:
            self._parts.stop()
            self._parts = None

    def new_errors(self) -> list[str]:
        """Errors the web server, the worker and the sweeper have logged since the last question."""
        found = []
        for log in sorted(self.folder.glob("*.log")):
            lines = log.read_text("utf-8").splitlines()
            found += [line for line in lines[self._read.get(log, 0) :] if _level(line) in ("error", "critical")]
            self._read[log] = len(lines)
        return found


def _level(line: str) -> str:
    try:
        said: Any = json.loads(line)
    except ValueError:
        return ""
    return str(said.get("level", "")) if isinstance(said, dict) else ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_desk(servers: Servers, folder: Path, **settings: str) -> Iterator[RunningDesk]:
    """A desk on a fresh copy of the migrated database, running at ``NOW``; gone afterwards.

    ``settings`` are more of its environment than every desk has.
    """
    name = f"{servers.template}_e2e_{os.getpid()}_{next(_numbers)}"
    owner = make_url(servers.owner_url).username or ""
    embedded.create_database(servers.admin_url, name, owner=owner, template=servers.template)
    with closing(Redis.from_url(servers.redis_url)) as queue:
        queue.flushdb()  # what the desk before this one left
    try:
        desk = RunningDesk(servers.on_database(name), folder, **settings)
        try:
            desk.start()
            yield desk
        finally:
            desk.stop()
            engine_of(desk.app).dispose()
    finally:
        embedded.drop_database(servers.admin_url, name)


@contextmanager
def running_copy(desk: RunningDesk, servers: Servers, folder: Path) -> Iterator[RunningDesk]:
    """A second desk on a copy of a desk's database; gone afterwards. The first one rests while it is looked at."""
    source, name = make_url(desk.owner_url).database or "", f"{servers.template}_copy_{os.getpid()}_{next(_numbers)}"
    desk.stop()
    engine_of(desk.app).dispose()  # a database somebody is connected to cannot be copied
    embedded.create_database(servers.admin_url, name, owner=make_url(servers.owner_url).username or "", template=source)
    before = work_module.database()
    try:
        copy = RunningDesk(servers.on_database(name), folder)
        try:
            copy.start()
            yield copy
        finally:
            copy.stop()
            engine_of(copy.app).dispose()
    finally:
        work_module.bind(before)
        embedded.drop_database(servers.admin_url, name)
        desk.start()
