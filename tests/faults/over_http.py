"""A desk's web server as a test of faults starts it, and browsers that are signed in to it already."""

from __future__ import annotations

import http.client
import os
import socket
import time as clock_time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import generate_csrf

from tests.make import Person
from tests.services import Servers
from webapp.core.ids import new_id
from webapp.run import Parts

PATIENCE = 30.0
START_SECONDS = 120.0
"""A busy machine takes long to start two servers."""
SECRET = "only-for-tests-of-faults-0123456789abcdef"


class Browser(NamedTuple):
    """What somebody's browser keeps after signing in."""

    cookie: str
    csrf: str


class Answer(NamedTuple):
    """A status, and the page that came with it."""

    status: int
    page: str


def surroundings(servers: Servers, folder: Path, **changed: str) -> dict[str, str]:
    """The environment of a desk's processes."""
    return {
        **os.environ,
        "ZONEDESK_ENV": "development",
        "DATABASE_URL": servers.database_url,
        "DATABASE_OWNER_URL": servers.owner_url,
        "REDIS_URL": servers.redis_url,
        # One person does here in a minute what nobody does at a desk.
        "WRITE_RATE": "100000 per minute",
        "BOOKING_RATE": "100000 per minute",
        "DATA_DIR": str(folder),
        "SECRET_KEY": SECRET,
        **changed,
    }


@contextmanager
def web_server(servers: Servers, folder: Path, **changed: str) -> Iterator[int]:
    """The web server as ``make run`` starts it; yields the port."""
    parts = Parts(surroundings(servers, folder, **changed), folder)
    try:
        yield start_web(parts)
    finally:
        parts.stop()


def start_web(parts: Parts) -> int:
    """Start two processes of four threads; return their port when they answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    bind = ("-w", "2", "--threads", "4", "-b", f"127.0.0.1:{port}", "--no-control-socket")
    parts.start("web", "-m", "gunicorn", *bind, "webapp.app:create_app()")
    wait_until_it_answers(parts, port)
    return port


def wait_until_it_answers(parts: Parts, port: int) -> None:
    """Return when the server says that it is alive; no worker runs, so it is never ready for all."""
    ends = clock_time.monotonic() + START_SECONDS
    while clock_time.monotonic() < ends and parts.ended() is None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with suppress(OSError, http.client.HTTPException), closing(line):
            line.request("GET", "/healthz")
            if line.getresponse().status == 200:
                return
        clock_time.sleep(0.1)
    raise AssertionError("the web server did not start")


def browsers(address: str, person: Person, number: int, *, at: datetime) -> list[Browser]:
    """So many signed-in browsers of one person: the rows and cookies that signing in leaves.

    ``address`` is a superuser's, ``at`` the time by the desk's clock.
    """
    app = Flask("signer")
    app.secret_key = SECRET
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    made = []
    with psycopg.connect(address, autocommit=True) as db:
        row = db.execute("SELECT fs_uniquifier FROM users WHERE id = %s", [person.id]).fetchone()
        assert row is not None
        for _ in range(number):
            token = new_id().hex + new_id().hex
            db.execute(
                "INSERT INTO sign_in_sessions (id, operator_id, user_id, token_hash, created_at, last_seen_at, ends_at,"
                " second_factor_at, device, address, method)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s + interval '12 hours', %s, 'faults', '127.0.0.1', 'passkey')",
                [new_id(), person.operator_id, person.id, sha256(token.encode()).digest(), at, at, at, at],
            )
            raw = new_id().hex
            with app.test_request_context() as context:
                context.session["csrf_token"] = raw
                csrf = str(generate_csrf())
            cookie = signer.dumps({"_user_id": f"{row[0]}.{token}", "_fresh": True, "csrf_token": raw})
            made.append(Browser(f"zonedesk={cookie}", csrf))
    return made


def send_form(port: int, browser: Browser, path: str, body: str) -> Answer:
    """Send a form; the status of the answer, and the page to which it leads."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": browser.cookie}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as line:
        line.request("POST", path, body, headers)
        answer = line.getresponse()
        page, where = answer.read().decode(), answer.headers.get("Location")
    if answer.status != 303 or where is None:
        return Answer(answer.status, page)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as line:
        line.request("GET", urlsplit(where).path, headers={"Cookie": browser.cookie})
        following = line.getresponse()
        return Answer(answer.status if following.status == 200 else following.status, following.read().decode())
