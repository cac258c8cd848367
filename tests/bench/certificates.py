"""The part ``certificates``: what completing a course costs, how fast certificates are made, and that pages stay quick.

One desk on a database that syncs to disk: the web and the workers are processes as in ``make run``, and what they are
measured against, Typst and the signature alone, is a process as well, in turns with them.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from redis import Redis
from sqlalchemy import make_url

from tests.bench.report import Report, Row, at_least, at_most, high, middle
from tests.bench.taught import School, Taught, load, school, students_of
from tests.bench.workers import Workers
from tests.bench.world import SEED
from tests.certificate_keys import with_keys
from tests.faults.over_http import Browser, browsers, web_server
from tests.make import Person
from tests.services import ROOT, Servers, migrate
from webapp import embedded
from webapp.accounts import service as accounts
from webapp.certificates import service
from webapp.core.actor import SYSTEM, Role
from webapp.core.ids import COMPANY_ID
from webapp.core.job_names import JobName
from webapp.db.tenancy import acting_as
from webapp.db.work import Database, connect
from webapp.queue.doorbell import Doorbell

Say = Callable[[str], None]
PATIENCE: Final = 1800.0
_COUNTED: Final = """
SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()
WHERE r.rolname = 'zonedesk_app'
  AND query !~* '^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|SHOW|SELECT set_config|SELECT pg_catalog|DEALLOCATE)'
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: bookings completed by hand, rounds of certificates against the floor, and all at once."""

    completions: int
    rounds: int
    of: int
    at_once: int
    verified: int


NORMAL: Final = Sizes(completions=60, rounds=3, of=400, at_once=10_000, verified=60)
SMALL: Final = Sizes(completions=4, rounds=1, of=12, at_once=24, verified=4)


class CertificatesBench:
    """Measures on a database of its own."""

    def __init__(self, servers: Servers, sizes: Sizes, say: Say) -> None:
        self._servers = servers
        self._sizes = sizes
        self._say = say

    def run(self) -> Report:
        """Everything there is to measure."""
        rows = [
            Row("processor cores", os.cpu_count() or 0, ""),
            Row("load of the machine by others, at the start", os.getloadavg()[0], ""),
        ]
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zonedesk-certificates-")))
            desk = stack.enter_context(_desk(self._servers, folder))
            with _web(desk) as web:
                rows += self._completions(desk, web)
                self._say("the last sessions are completed.")
                rows += self._against_the_floor(desk)
                self._say("one worker is measured.")
                rows += self._verifications(desk, web)
                self._say("verifications are measured.")
            rows += self._at_once(desk)
        return Report("certificates", SEED, tuple(rows))

    def _completions(self, desk: Desk, web: Web) -> Iterator[Row]:
        """Each booking's 29th session, then its 30th; no worker runs."""
        bookings = desk.teach([2] * (self._sizes.completions + 2), open_from=29)
        took: dict[int, list[float]] = {29: [], 30: []}
        for n, booking in enumerate(bookings):
            for number, session_id in zip((29, 30), booking.sessions, strict=True):
                seconds = web.mark(booking, session_id)
                if n >= 2:  # the first pages of a process take longer
                    took[number].append(seconds * 1000)
        before, last = middle(took[29]), middle(took[30])
        yield Row("completing the 29th session: median", before, "ms")
        yield Row("completing the 30th session, two certificates promised: median", last, "ms")
        yield at_most("  of that for its being the last", last - before, "ms", 10)
        states = desk.rows("SELECT state, count(*), max(attempts) FROM certificates GROUP BY state")
        untouched = states == [("pending", 2 * len(bookings), 0)] and not any(desk.files())
        yield Row("  certificates promised and left alone", float(untouched), "", "1", untouched)
        yield at_most("  web processes that have loaded Typst", web.with_typst(), "", 0)

    def _against_the_floor(self, desk: Desk) -> Iterator[Row]:
        """One worker and the bare calls by turns, on payloads of the same kind."""
        ours, floor, loaded, statements = [], [], [], []
        desk.forget_rings()
        with Workers(desk.env, desk.folder, 1) as workers:
            workers.wait_until_idle()
            desk.ring()
            desk.wait_until_issued(workers)  # what the completions above promised
            for _ in range(self._sizes.rounds):
                workers.wait_until_idle()
                desk.promise(self._sizes.of)
                bare = _bare(desk.payloads(self._sizes.of))
                floor.append(bare["documented"])
                loaded.append(bare["loaded"])
                desk.forget_statements()
                began = time.perf_counter()
                desk.ring()
                desk.wait_until_issued(workers)
                ours.append(self._sizes.of / (time.perf_counter() - began))
                statements.append(desk.statements() / self._sizes.of)
        yield at_least("one worker: signed PDFs, each with its credential", middle(ours), "a second", 35)
        yield Row("bare Typst and bare pyHanko, no credential", middle(floor), "a second")
        yield at_least("  one worker against that", _percent(ours, floor), "%", 80)
        yield Row("bare Typst and our signer alone, no credential", middle(loaded), "a second")
        yield Row("  one worker against that", _percent(ours, loaded), "%")
        self._statements = middle(statements)
        yield Row(f"SQL statements for each of {self._sizes.of:,} certificates", self._statements, "")

    def _verifications(self, desk: Desk, web: Web) -> Iterator[Row]:
        """The public page, for numbers alone and with their links, while all workers are down."""
        found = desk.rows(
            "SELECT number, token FROM certificates WHERE state = 'issued' ORDER BY id LIMIT %s", self._sizes.verified
        )
        paths = [
            f"/verify/{number}" if n % 2 else f"/verify/{number}/{token}" for n, (number, token) in enumerate(found)
        ]
        for path in paths[:4]:
            web.visit(path, 250)
        desk.forget_statements()
        took = [web.visit(path, n // 5 + 1) for n, path in enumerate(paths)]
        yield at_most("/verify: SQL statements a page", desk.statements() / len(paths), "", 3)
        yield Row(
            "/verify with all workers down: pages answered", len(took), "", f"{len(found)}", len(took) == len(found)
        )
        yield Row("  median", middle(took) * 1000, "ms")
        yield Row("  95th percentile", high(took) * 1000, "ms")

    def _at_once(self, desk: Desk) -> Iterator[Row]:
        """All due at once, two workers."""
        number = self._sizes.at_once
        desk.promise(number)
        self._say(f"{number:,} certificates are due.")
        desk.forget_statements()
        with Workers(desk.env, desk.folder, 2) as workers:
            workers.wait_until_idle()
            began = time.perf_counter()
            for _ in range(2):
                desk.ring()
            with workers.watched() as memory:
                desk.wait_until_issued(workers)
            seconds = time.perf_counter() - began
        issued, open_ones = desk.rows(
            "SELECT count(*) FILTER (WHERE state = 'issued'), count(*) FILTER (WHERE state <> 'issued')"
            " FROM certificates"
        )[0]
        what = f"{number:,} due at once, two workers"
        yield Row(f"{what}: issued a second", number / seconds, "")
        yield Row("  certificates issued in all", issued, "")
        yield at_most("  certificates left", open_ones, "", 0)
        more = desk.statements() / number / self._statements
        yield at_most("  SQL statements for each, against a few hundred due", more, "times", 1.1)
        yield Row("  memory of a worker, highest", memory.highest("worker"), "MB")
        yield Row("  memory of a work-horse, highest", memory.highest("horse"), "MB")
        yield at_most("  a worker at the end against the beginning", memory.growth("worker"), "times", 1.1)
        yield at_most("  work-horses at the end against the beginning", memory.growth("horse"), "times", 1.1)


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
                    service.promise_for(work, booking.id, by=SYSTEM, now=now, public_url="http://127.0.0.1:8000")
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
def _desk(servers: Servers, folder: Path) -> Iterator[Desk]:
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
def _web(desk: Desk) -> Iterator[Web]:
    with web_server(desk.servers, desk.folder, LOG_LEVEL="WARNING") as port:
        yield Web(port, desk.browser)


def _percent(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return 100 * middle(our / their for our, their in zip(ours, theirs, strict=True))


def _bare(payloads: list[dict[str, Any]]) -> dict[str, float]:
    """What Typst and the signature alone make a second of these, in a process of their own."""
    command = [sys.executable, "-m", "tests.bench.bare_pdfs"]
    said = subprocess.run(command, cwd=ROOT, input=json.dumps(payloads), capture_output=True, text=True, check=True)
    return {how: len(payloads) / float(seconds) for how, seconds in json.loads(said.stdout).items()}
