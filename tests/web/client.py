"""The application under test, a savepoint per test, and a browser that looks closely at every page it fetches.

``app``        one application per worker, on the worker's database
``db``         the process's database for one test: real commits inside one outer transaction that is rolled back
``bells``      the jobs rung so far, as (name, ids); nothing goes to RQ
``client``     a ``DeskClient``; ``new_client()`` makes more of them, for several people in one test
``make``       typed builders, see ``tests.make``
``at``         stops the clock at an instant; tests begin at ``NOW``
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from tests.services import Servers
from tests.web.linter import lint_page
from webapp.accounts import queries, sign_ins
from webapp.accounts.signin import hash_of
from webapp.config import Settings, load_settings
from webapp.core import clock
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db import work as work_module
from webapp.db.work import Database, statement_count
from webapp.web.cache import CACHE

if TYPE_CHECKING:
    from tests.make import Make, Person

NOW: Final = datetime(2027, 1, 1, 3, 30, tzinfo=UTC)
"""New Year's Day 2027, 09:00 in Kolkata: when tests begin."""
Bell = tuple[JobName, dict[str, str]]
_OPTIONS: Final = frozenset(
    {"data", "json", "headers", "query_string", "follow_redirects", "content_type", "environ_overrides", "base_url"}
)


class WatchedDatabase(Database):
    """A database that remembers changes that no commit ever took."""

    left: list[str]

    @contextmanager
    def read_only(self) -> Iterator[Session]:
        """Like the real one; whatever waits in the session afterwards was meant to be written and is lost."""
        with super().read_only() as session:
            yield session
            waiting = [*session.new, *session.dirty, *session.deleted]
            self.left += [f"{type(row).__name__} changed in a read-only transaction" for row in waiting]

    def settled(self) -> None:
        """Fail when a request left changes uncommitted or a transaction open."""
        left, self.left = self.left, []
        assert not left, f"uncommitted: {left}"


class DeskClient(FlaskClient):
    """A browser without JavaScript, or with htmx when asked. Endpoints may stand in for addresses.

    ``client.get("bookings.show", booking_id=id)``, ``client.post("zones.create", data={...}, htmx=True)``. The CSRF
    token is filled in (``csrf=False`` leaves it out). Each HTML answer is linted; ``statements`` tells how many SQL
    statements the last request took.
    """

    statements: int = 0
    lint: bool = True

    def sign_in(self, person: Person) -> Person:
        """Sign in without typing anything: the session row and the cookie a real sign-in would make.

        A second factor was given just now, so acts of weight are open for ten minutes.
        """
        token = new_id().hex + new_id().hex
        database = work_module.database()
        with database.read_only() as db:
            account = queries.account(db, person.id)
        browser = sign_ins.Browser(hash_of(token), "test", "127.0.0.1")
        with database.unit_of_work() as work:
            sign_ins.begin_sign_in(
                work,
                account,
                browser,
                absolute=timedelta(hours=12),
                method="password+totp",
                second_factor_at=clock.now(),
                now=clock.now(),
            )
        with self.session_transaction() as cookie:
            cookie.clear()
            cookie["_user_id"] = f"{account.fs_uniquifier}.{token}"
            cookie["_fresh"] = True
        return person

    def sign_out(self) -> TestResponse:
        """Press the sign-out button."""
        return self.post("accounts.sign_out")

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Ask for an endpoint or an address, then look closely at the answer."""
        target = args[0] if args and isinstance(args[0], str) else kwargs.pop("path", None)
        if target is None:  # a redirect being followed hands a built request over
            return super().open(*args, **kwargs)
        htmx, csrf = kwargs.pop("htmx", False), kwargs.pop("csrf", True)
        method = kwargs.pop("method", "GET")
        if not target.startswith(("/", "http:", "https:")):
            values = {key: kwargs.pop(key) for key in list(kwargs) if key not in _OPTIONS}
            with self.application.test_request_context():
                target = url_for(target, **values)
        headers = dict(kwargs.pop("headers", None) or {})
        if htmx:
            headers |= {"HX-Request": "true", "HX-Current-URL": headers.get("HX-Current-URL", "http://localhost/")}
        if method in ("POST", "PUT", "PATCH", "DELETE") and csrf and "json" not in kwargs:
            kwargs["data"] = dict(kwargs.get("data") or {}) | {"csrf_token": self.csrf_token()}
        response = super().open(target, method=method, headers=headers, **kwargs)
        self.statements = statement_count()
        database = work_module.database()
        if isinstance(database, WatchedDatabase):
            database.settled()
        redirects = 300 <= response.status_code < 400
        if self.lint and response.mimetype == "text/html" and response.data and not redirects:
            found = lint_page(response.text, status=response.status_code, fragment=htmx)
            assert not found, f"{method} {target} → {response.status_code}: " + "; ".join(found)
        return response

    def csrf_token(self) -> str:
        """A token that is good for this browser's session."""
        with self.session_transaction() as cookie:
            raw = cookie.setdefault("csrf_token", new_id().hex)
        with self.application.test_request_context() as context:
            context.session["csrf_token"] = raw
            token: str = generate_csrf()
        return token


class NothingKept:
    """A cache that keeps nothing.

    A test's transaction is rolled back and the next one counts the same versions again, for other rows: what one test
    kept would be another test's. Tests of the cache bring a real one.
    """

    def get(self, key: str) -> bytes | None:
        """Nothing."""
        return None

    def put(self, key: str, value: bytes, *, seconds: int) -> None:
        """Let go."""


@pytest.fixture(scope="session")
def settings(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the application under test."""
    return load_settings(
        ZONEDESK_ENV="test",
        database_url=servers.database_url,
        database_owner_url=servers.owner_url,
        redis_url=servers.redis_url,
        data_dir=tmp_path_factory.mktemp("data"),
        log_level="WARNING",
        sentry_dsn=None,
        # How many clicks a test makes in a minute is no matter of the test; ``tests/web/test_limits.py`` lowers these.
        write_rate="100000 per minute",
        booking_rate="100000 per minute",
        export_rate="100000 per minute",
    )


@pytest.fixture(scope="session")
def app(settings: Settings) -> Iterator[Flask]:
    """The application, on this worker's database."""
    from webapp.app import create_app

    application = create_app(settings)
    application.test_client_class = DeskClient
    application.extensions[CACHE] = NothingKept()
    yield application
    engine_of(application).dispose()


def engine_of(app: Flask) -> Engine:
    """The application's engine."""
    with app.app_context():
        engine: Engine = app.extensions["sqlalchemy"].engine
    return engine


@pytest.fixture
def bells() -> list[Bell]:
    """Every job rung in this test."""
    return []


@pytest.fixture
def at() -> Iterator[Callable[[datetime], None]]:
    """Stops the clock; ``at(instant)`` moves it."""
    clock.freeze(NOW)
    yield clock.freeze
    clock.freeze(None)


@pytest.fixture
def db(app: Flask, at: Callable[[datetime], None], bells: list[Bell]) -> Iterator[Database]:
    """One connection whose outer transaction is rolled back; every unit of work is a savepoint in it."""
    before = work_module.database()
    with engine_of(app).connect() as connection, connection.begin() as outer:
        # A test may think longer than a request may.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        database = WatchedDatabase(connection, lambda job, ids: bells.append((job, ids)))
        database.left = []
        work_module.bind(database)
        yield database
        work_module.bind(before)
        outer.rollback()


@pytest.fixture
def make(db: Database, app: Flask) -> Make:
    """Builders for rows, through the services."""
    from tests.make import Make

    return Make(app)


@pytest.fixture
def new_client(app: Flask, db: Database) -> Callable[[], DeskClient]:
    """Makes browsers, one per person."""

    def new() -> DeskClient:
        client = app.test_client()
        assert isinstance(client, DeskClient)
        return client

    return new


@pytest.fixture
def client(new_client: Callable[[], DeskClient]) -> DeskClient:
    """A browser nobody is signed in with."""
    return new_client()
