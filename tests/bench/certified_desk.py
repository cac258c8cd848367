"""A desk for the bench of certificates: courses about to end, and the web server that ends them."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from redis import Redis
from sqlalchemy import make_url

from tests.bench.taught import School, Taught, load, school, students_of
from tests.bench.workers import Workers
from tests.certificate_keys import with_keys
from tests.faults.over_http import Browser, browsers, web_server
from tests.make import Person
from tests.services import Servers, migrate
from webapp import embedded
from webapp.accounts import service as accounts
from webapp.certificates import promising
from webapp.core.actor import SYSTEM, Role
from webapp.core.ids import COMPANY_ID
from webapp.core.job_names import JobName
from webapp.db.tenancy import acting_as
from webapp.db.work import Database, connect
from webapp.queue.doorbell import Doorbell

PATIENCE: Final = 1800.0
_COUNTED: Final = """
SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()
WHERE r.rolname = 'zonedesk_app'
  AND query !~* '^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|SHOW|SELECT set_config|SELECT pg_catalog|DEALLOCATE)'
"""


@dataclass
class Desk:
    """A furnished desk none of whose processes runs: they are started as they are measured."""

    servers: Servers
    database: Database
    school: School
    folder: Path
    env: dict[str, str]
    browser: Browser
    taught: int = 0

    @property
    def address(self) -> str:
        """A superuser's libpq address."""
        return embedded.libpq_url(self.servers.admin_url)

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the database says, asked as somebody whose statements are not counted."""
        with psycopg.connect(self.address, autocommit=True) as db:
            return db.execute(sql.encode(), parameters).fetchall()

    def teach(self, students: Sequence[int], *, open_from: int) -> list[Taught]:
        """Bookings whose sessions from one on are open."""
        with psycopg.connect(self.address, autocommit=True) as db:
            made = load(db, self.school, students, first=self.taught, open_from=open_from)
        self.taught += len(made)
        return made

    def promise(self, number: int) -> None:
        """Complete as many bookings as so many certificates need; nobody is rung."""
        made = self.teach(list(students_of(number)), open_from=31)
        with psycopg.connect(self.address, autocommit=True) as db:
            db.execute(
                "UPDATE bookings SET status = 'completed', completed_at = now() WHERE id = ANY(%s)",
                [[booking.id for booking in made]],
            )
        with acting_as(SYSTEM):
            for booking in made:
                with self.database.unit_of_work() as work:
                    now = datetime.now(UTC)
                    promising.promise_for(work, booking.id, by=SYSTEM, now=now, public_url="http://127.0.0.1:8000")
        with psycopg.connect(self.address, autocommit=True) as db:
            db.execute("VACUUM ANALYZE certificates")

    def payloads(self, number: int) -> list[dict[str, Any]]:
        """What so many of the waiting certificates say."""
        found = self.rows("SELECT payload FROM certificates WHERE state = 'pending' ORDER BY id LIMIT %s", number)
        return [row[0] for row in found]

    def ring(self) -> None:
        """One ring."""
        Doorbell(self.servers.redis_url, timeout=5).ring(JobName.ISSUE_CERTIFICATES, {})

    def forget_rings(self) -> None:
        """Empty the queue, so that a worker does what it is rung for and nothing else."""
        with contextlib.closing(Redis.from_url(self.servers.redis_url)) as queue:
            queue.flushdb()

    def wait_until_issued(self, workers: Workers) -> None:
        """Return when nothing waits any more. Raises ``RuntimeError`` when that takes too long or a worker ends."""
        ends = time.monotonic() + PATIENCE
        waiting = b"SELECT EXISTS (SELECT FROM certificates WHERE state = 'pending')"
        with psycopg.connect(self.address, autocommit=True) as db:
            while (found := db.execute(waiting).fetchone()) is not None and found[0]:
                if workers.ended() or time.monotonic() > ends:
                    raise RuntimeError("the certificates were not made")
                time.sleep(0.02)

    def files(self) -> list[Path]:
        """The files that are kept."""
        return [path for path in (self.folder / "certificates").rglob("*") if path.is_file()]

    def forget_statements(self) -> None:
        """Count statements from now on."""
        self.rows("SELECT pg_stat_statements_reset()")

    def statements(self) -> int:
        """How many the application has sent since then; transaction control and settings do not count."""
        return int(self.rows(_COUNTED)[0][0])


@contextmanager
def desk_of(servers: Servers, folder: Path) -> Iterator[Desk]:
    name = f"zonedesk_bench_{os.getpid()}_certificates"
    owner = make_url(servers.owner_url).username or ""
    embedded.create_database(servers.admin_url, name, owner=owner, template=servers.template or None)
    mine = servers.on_database(name)
    engine = connect(mine.database_url, pool_size=2)
    try:
        if not servers.template:
            migrate(mine.owner_url)
        with psycopg.connect(embedded.libpq_url(mine.admin_url), autocommit=True) as db:
            db.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        database, now = Database(engine, lambda job, ids: None), datetime.now(UTC)
        with acting_as(SYSTEM):
            at, person = school(database, now), _person(database, now)
            with_keys(database, folder / "keys", now=now)
        browser = browsers(embedded.libpq_url(mine.admin_url), person, 1, at=now)[0]
        yield Desk(mine, database, at, folder, _surroundings(mine, folder), browser)
    finally:
        engine.dispose()
        embedded.drop_database(servers.admin_url, name)


def _surroundings(servers: Servers, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "ZONEDESK_ENV": "development",
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "DATA_DIR": str(folder),
        "LOG_LEVEL": "WARNING",
    }


def _person(database: Database, now: datetime) -> Person:
    command = accounts.UserCommand(COMPANY_ID, "bench@example.org", "Bench Staff", Role.COMPANY_STAFF, "en")
    with database.unit_of_work() as work:
        user_id = accounts.create_user(work, command, "-", by=SYSTEM, now=now)
    return Person(user_id, command.email, command.name, command.role, COMPANY_ID)


class Web:
    """The web server, and somebody who uses it."""

    def __init__(self, port: int, browser: Browser) -> None:
        self._port = port
        self._browser = browser

    def mark(self, booking: Taught, session_id: UUID) -> float:
        """Complete a session; seconds until it is answered. Raises ``RuntimeError`` when it is refused."""
        marks = {f"mark-{student}": "present" for student in booking.students}
        body = urlencode({"csrf_token": self._browser.csrf, "outcome": "completed", **marks})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": self._browser.cookie}
        return self._ask("POST", f"/sessions/{session_id}/attendance", 303, body, headers)

    def visit(self, path: str, visitor: int) -> float:
        """Look at a public page; seconds until it is there. Visitors come from addresses of their own."""
        return self._ask("GET", path, 200, visitor=visitor)

    def _ask(
        self, method: str, path: str, wanted: int, body: str | None = None, headers: dict[str, str] | None = None,
        visitor: int = 1,
    ) -> float:  # fmt: skip
        source = (f"127.0.{visitor // 250}.{visitor % 250 + 1}", 0)
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60, source_address=source)) as line:
            line.connect()
            began = time.perf_counter()
            line.request(method, path, body, headers or {})
            answer = line.getresponse()
            answer.read()
            took = time.perf_counter() - began
        if answer.status != wanted:
            raise RuntimeError(f"{method} {re.sub(r'/ZD.*', '/…', path)} was answered {answer.status}")
        return took

    def with_typst(self) -> int:
        """How many processes of this session's web servers have loaded Typst's library."""
        found = 0
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
                if "gunicorn" in command and f"127.0.0.1:{self._port}" in command:
                    found += "typst" in (entry / "maps").read_text("utf-8", "replace")
            except OSError:  # it ended meanwhile
                continue
        return found


@contextmanager
def web_of(desk: Desk) -> Iterator[Web]:
    with web_server(desk.servers, desk.folder, LOG_LEVEL="WARNING") as port:
        yield Web(port, desk.browser)
