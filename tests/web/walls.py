"""Applications with other settings than the one most tests share, for tests of the outer walls."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from flask import Flask

from tests.web.client import NOW, DeskClient, NothingKept
from webapp.app import create_app
from webapp.config import Settings
from webapp.core import clock
from webapp.db.work import Database, bind
from webapp.web.cache import CACHE
from webapp.web.limits import count_in, limiter


@contextmanager
def desk_with(
    settings: Settings, db: Database, routes: Callable[[Flask], None] | None = None, **changes: Any
) -> Iterator[Flask]:
    """The application with some settings changed, on this test's transaction; ``routes`` adds some of its own."""
    app = create_app(settings.model_copy(update=changes))
    app.test_client_class = DeskClient
    app.extensions[CACHE] = NothingKept()
    if routes is not None:
        routes(app)
    # Making an application names the process's database and starts its clock; this test has its own of both.
    bind(db)
    clock.freeze(NOW)
    try:
        yield app
    finally:
        with app.app_context():
            app.extensions["sqlalchemy"].engine.dispose()


def unused_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def counting_at(app: Flask, redis_url: str, *, back_to: str) -> Iterator[None]:
    """Let the limiter count at another address for a while. It is one object for all applications of a process."""
    try:
        count_in(app, redis_url)
        yield
    finally:
        count_in(app, back_to)
        limiter._storage_dead = False  # the library has no public way to forget that another server was away


def at_port(redis_url: str, port: int) -> str:
    """The same address, another port."""
    parts = urlsplit(redis_url)
    return parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")).geturl()


@contextmanager
def forwarded(port: int, redis_url: str) -> Iterator[None]:
    """Valkey at a port at which there was none: whoever connects there talks to the server of ``redis_url``."""
    target = urlsplit(redis_url)
    with socket.socket() as door, closing(_Lines()) as lines:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", port))
        door.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    near, _ = door.accept()
                    far = socket.create_connection((target.hostname or "", target.port or 0))
                    lines.join(near, far)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield
        finally:
            door.shutdown(socket.SHUT_RDWR)


class _Lines:
    """Pairs of connections, each half's words passed on to the other."""

    def __init__(self) -> None:
        self._open: list[socket.socket] = []

    def join(self, near: socket.socket, far: socket.socket) -> None:
        self._open += [near, far]
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    @staticmethod
    def _pass_on(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while said := one.recv(65536):
                other.sendall(said)

    def close(self) -> None:
        for line in self._open:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
