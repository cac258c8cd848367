"""The one boundary of a transaction: ``unit_of_work`` commits once, ``read_only`` always rolls back.

Views, jobs and commands open them; nothing else calls ``commit`` or ``rollback``. Jobs rung with
``Work.after_commit`` go out after the commit and never before it, and a doorbell that fails is only logged: the row is
the promise and the sweeper rings again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from random import uniform
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

from webapp.core.errors import Conflict
from webapp.core.failpoints import Failpoint, reach
from webapp.core.job_names import JobName
from webapp.db.base import sqlstate_of
from webapp.db.flush_order import parents_first
from webapp.db.tenancy import current_tenant

T = TypeVar("T")
Ring = Callable[[JobName, dict[str, str]], None]

APP_ROLE = "zonedesk_app"
"""The database role that serves: it owns nothing. Every application connection puts it on."""

RETRIED = frozenset({"40001", "40P01", "55P03"})
"""Serialisation failure, deadlock, lock not available: worth doing the whole transaction again."""
MAX_TRIES = 3

_TIMEOUTS = (
    "SET statement_timeout = '5s'; SET lock_timeout = '3s'; SET idle_in_transaction_session_timeout = '10s'; "
    "SET TIME ZONE 'UTC'"
)
_BEGIN = text(
    "SELECT set_config('app.operator_id', :operator_id, true), set_config('app.sees_everything', :all, true), "
    "set_config('transaction_read_only', :read_only, true)"
)

log = structlog.get_logger(__name__)
_statements: ContextVar[list[int] | None] = ContextVar("statements", default=None)


class Work:
    """One transaction under way, and the jobs to ring when it has committed."""

    def __init__(self, db: Session) -> None:
        self.db = db
        self.bells: list[tuple[JobName, dict[str, str]]] = []

    def after_commit(self, job: JobName, **ids: str) -> None:
        """Ring ``job`` with string ids after the commit; the same bell asked for twice rings once."""
        if (job, ids) not in self.bells:
            self.bells.append((job, ids))


class Database:
    """Opens transactions on an engine (or, in tests, on one connection whose outer transaction is rolled back)."""

    def __init__(self, bind: Engine | Connection, ring: Ring) -> None:
        self.bind = bind
        self._ring = ring
        mode: Any = "create_savepoint" if isinstance(bind, Connection) else "conditional_savepoint"
        self._sessions = sessionmaker(bind, expire_on_commit=False, autoflush=False, join_transaction_mode=mode)

    @contextmanager
    def unit_of_work(self) -> Iterator[Work]:
        """A transaction that commits once, at the end of the block, then rings its jobs; rolls back on any error."""
        with self._session(read_only=False) as session:
            work = Work(session)
            yield work
            session.commit()
        if work.bells:
            self._ring_all(work.bells)

    def _ring_all(self, bells: list[tuple[JobName, dict[str, str]]]) -> None:
        reach(Failpoint.BEFORE_RING)
        for job, ids in bells:
            try:
                self._ring(job, ids)
            except Exception:
                log.warning("doorbell.lost", job=job, exc_info=True)
        reach(Failpoint.AFTER_RING)

    @contextmanager
    def read_only(self) -> Iterator[Session]:
        """A READ ONLY transaction that is always rolled back."""
        with self._session(read_only=True) as session:
            yield session

    def retrying(self, task: Callable[[Work], T]) -> T:
        """Run ``task`` in a unit of work, again as a whole after a serialisation failure or deadlock.

        At most three tries, with full jitter between them. When all have failed raises ``Conflict`` ``too-busy``: the
        loser of a race hears a refusal, never of an error of ours (rule A2).
        """
        for attempt in range(1, MAX_TRIES + 1):
            try:
                with self.unit_of_work() as work:
                    return task(work)
            except DBAPIError as error:
                if sqlstate_of(error) not in RETRIED:
                    raise
                if attempt == MAX_TRIES:
                    raise Conflict(
                        "too-busy", "Many people are changing the same thing. Nothing was changed; try again."
                    ) from error
                log.info("transaction.retried", sqlstate=sqlstate_of(error), attempt=attempt)
                time.sleep(uniform(0, 0.05 * 2**attempt))  # noqa: S311 - jitter keeps no secret
        raise AssertionError("unreachable")

    @contextmanager
    def _session(self, *, read_only: bool) -> Iterator[Session]:
        session = self._sessions()

        def announce(_session: Session, transaction: SessionTransaction, connection: Connection) -> None:
            if transaction.nested:
                return
            tenant = current_tenant()
            connection.execute(
                _BEGIN,
                {
                    "operator_id": str(tenant.operator_id or ""),
                    "all": "on" if tenant.sees_everything else "off",
                    "read_only": "on" if read_only or tenant.reading_only else "off",
                },
            )

        event.listen(session, "after_begin", announce)
        event.listen(session, "before_flush", parents_first)
        try:
            yield session
        finally:
            session.close()


_database: Database | None = None


def bind(database: Database | None) -> None:
    """Name the process's database: what ``unit_of_work`` and ``read_only`` of this module open."""
    global _database
    _database = database


def database() -> Database:
    """The process's database. Raises ``RuntimeError`` before ``bind``."""
    if _database is None:
        raise RuntimeError("no database is bound in this process")
    return _database


@contextmanager
def unit_of_work() -> Iterator[Work]:
    """``Database.unit_of_work`` of the process's database."""
    with database().unit_of_work() as work:
        yield work


@contextmanager
def read_only() -> Iterator[Session]:
    """``Database.read_only`` of the process's database."""
    with database().read_only() as session:
        yield session


def retrying(task: Callable[[Work], T]) -> T:
    """``Database.retrying`` of the process's database."""
    return database().retrying(task)


def engine_options(pool_size: int = 8) -> dict[str, Any]:
    """Engine options said once: isolation, pool, and how long to wait for a connection (seconds)."""
    return {
        "isolation_level": "READ COMMITTED",
        "pool_size": pool_size,
        "max_overflow": 4,
        "pool_timeout": 5,
        "pool_pre_ping": True,
        "connect_args": {"connect_timeout": 5},
        # A failed statement's error is logged and reported; its parameters are what families told us.
        "hide_parameters": True,
    }


def prepare_engine(engine: Engine) -> Engine:
    """Make every connection of the engine put on the application's role and time limits, and count its statements."""

    def put_on_role(dbapi_connection: Any, _record: Any) -> None:
        before = dbapi_connection.autocommit
        dbapi_connection.autocommit = True
        dbapi_connection.execute(f"SET ROLE {APP_ROLE}; {_TIMEOUTS}")
        dbapi_connection.autocommit = before

    event.listen(engine, "connect", put_on_role)
    count_statements_of(engine)
    return engine


def connect(database_url: str, *, pool_size: int = 8) -> Engine:
    """A prepared engine for a process without Flask (worker, sweeper, tests)."""
    return prepare_engine(create_engine(database_url, **engine_options(pool_size)))


def count_statements_of(engine: Engine) -> None:
    """Count the statements that run on an engine inside ``counting_statements``.

    Transaction control, the tenant's ``set_config`` and the one load of session and user do not count.
    """

    def count(_c: Any, _cursor: Any, statement: str, _p: Any, context: Any, _many: bool) -> None:
        counter = _statements.get()
        if counter is None or statement.startswith(("SELECT set_config(", "SAVEPOINT", "RELEASE", "ROLLBACK TO")):
            return
        if context is not None and context.execution_options.get("uncounted"):
            return
        counter[0] += 1

    event.listen(engine, "before_cursor_execute", count)


@contextmanager
def counting_statements() -> Iterator[Callable[[], int]]:
    """Count the SQL statements of a block; the yielded callable tells how many there were so far."""
    counter = [0]
    token = _statements.set(counter)
    try:
        yield lambda: counter[0]
    finally:
        _statements.reset(token)


def start_counting() -> None:
    """Begin a fresh count for the running request (web hooks have no block to wrap)."""
    _statements.set([0])


def statement_count() -> int:
    """Statements since ``start_counting`` or the start of ``counting_statements``; 0 outside both."""
    counter = _statements.get()
    return counter[0] if counter is not None else 0
