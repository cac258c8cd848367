"""Databases to measure on: one template per world, and a fresh copy for each measurement, so that all begin equal."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from tests.bench.world import World
from tests.services import Servers, migrate
from webapp import embedded
from webapp.embedded.place import stand_in

_numbers = count(1)


class Databases:
    """Makes templates and copies on running servers and drops them all at the end."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self._templates: dict[int, str] = {}
        self._stack = ExitStack()
        self._empty = servers.template

    def close(self) -> None:
        """Drop everything made here."""
        self._stack.close()

    @contextmanager
    def fresh(self, world: World) -> Iterator[Servers]:
        """The servers with a database of its own that holds the world."""
        template = self._template(world)
        name = self._copy(template)
        try:
            # Writing the copy out now, so that no measurement pays for it.
            with psycopg.connect(embedded.libpq_url(self.servers.admin_url), autocommit=True) as db:
                db.execute("CHECKPOINT")
            yield self.servers.on_database(name)
        finally:
            embedded.drop_database(self.servers.admin_url, name)

    def forget(self, world: World) -> None:
        """Drop a world's template: it is measured."""
        name = self._templates.pop(id(world), None)
        if name is not None:
            embedded.drop_database(self.servers.admin_url, name)

    def _template(self, world: World) -> str:
        if id(world) not in self._templates:
            if not self._empty:
                self._empty = self._named("empty")
                owner = make_url(self.servers.owner_url).username or ""
                embedded.create_database(self.servers.admin_url, self._empty, owner=owner)
                migrate(self.servers.on_database(self._empty).owner_url)
            name = self._copy(self._empty)
            world.load(self.servers.on_database(name).admin_url)
            self._templates[id(world)] = name
        return self._templates[id(world)]

    def _named(self, kind: str) -> str:
        name = f"zonedesk_bench_{os.getpid()}_{kind}_{next(_numbers)}"
        self._stack.callback(embedded.drop_database, self.servers.admin_url, name)
        return name

    def _copy(self, template: str) -> str:
        name = self._named("world")
        owner = make_url(self.servers.owner_url).username or ""
        command = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY file_copy")
        with psycopg.connect(embedded.libpq_url(self.servers.admin_url), autocommit=True) as db:
            db.execute(command.format(*map(sql.Identifier, (name, owner, template))))
        return name


@contextmanager
def running_servers() -> Iterator[Servers]:
    """PostgreSQL and Valkey as a desk has them, syncing to disk, in a folder that goes afterwards.

    ``TEST_DATABASE_URL`` (a superuser's) and ``TEST_REDIS_URL`` together are used instead when set.
    """
    database, queue = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    if database and queue:
        yield Servers(database, database, database, queue)
        return
    folder = Path(tempfile.mkdtemp(prefix="zonedesk-bench-"))
    folder.chmod(0o711)  # run by root, the servers' user has to pass through
    try:
        with embedded.start(folder / "var", durable=True) as running:
            urls = running.urls
            yield Servers(urls.admin_url, urls.database_owner_url, urls.database_url, urls.redis_url)
    finally:
        for path in (folder, stand_in(folder / "var")):
            with contextlib.suppress(OSError):
                shutil.rmtree(path, ignore_errors=True)
