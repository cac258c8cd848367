"""The audit's chain: how fast it is sealed and computed again, and what a sweep costs when the log is long."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import create_engine, make_url, text

from tests.bench.audit_log import load
from tests.bench.report import Report, Row, middle
from tests.bench.world import NOW, SEED
from tests.services import Servers, migrate
from webapp import embedded
from webapp.audit import sealing
from webapp.audit import service as audit
from webapp.audit.verifying import verify
from webapp.core.actor import SYSTEM
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.tenancy import acting_as
from webapp.db.work import Database, connect

Say = Callable[[str], None]
Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class LogSizes:
    """How long the log is, how often a sweep is measured, and how many new entries one finds."""

    entries: int
    sweeps: int
    new: int = 20


NORMAL: Final = LogSizes(1_000_000, 50)
SMALL: Final = LogSizes(3_000, 3)


class AuditBench:
    """Measures on a database of its own."""

    def __init__(self, servers: Servers, sizes: LogSizes, say: Say) -> None:
        self._servers = servers
        self._sizes = sizes
        self._say = say

    def run(self) -> Report:
        """Everything there is to measure."""
        name = f"zonedesk_bench_{os.getpid()}_audit"
        owner = make_url(self._servers.owner_url).username or ""
        embedded.create_database(self._servers.admin_url, name, owner=owner)
        mine = self._servers.on_database(name)
        try:
            migrate(mine.owner_url)
            admin, engine = create_engine(mine.admin_url), connect(mine.database_url, pool_size=2)
            with admin.connect() as connection:
                load(connection, self._sizes.entries, at=NOW)
                connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM (ANALYZE)"))
            self._say(f"{self._sizes.entries:,} entries are written.")
            with acting_as(SYSTEM):
                rows = self._rows(Database(engine, lambda job, ids: None))
            engine.dispose()
            admin.dispose()
        finally:
            embedded.drop_database(self._servers.admin_url, name)
        return Report("audit", SEED, tuple(rows))

    def _rows(self, database: Database) -> list[Row]:
        entries = self._sizes.entries
        rows = [
            Row("processor cores", os.cpu_count() or 0, ""),
            Row("load of the machine by others, at the start", os.getloadavg()[0], ""),
            Row("entries", entries, ""),
        ]
        took, _none = _timed(lambda: _seal_all(database))
        self._say("sealed.")
        rows += [Row("sealing a backlog", entries / took, "entries a second")]
        worked = time.process_time()
        with database.read_only() as db:
            took, verdict = _timed(lambda: verify(db))
        worked = time.process_time() - worked
        assert verdict.whole
        assert verdict.checked == entries
        rows += [
            Row("computing the chain again", entries / took, "entries a second"),
            Row("computing all of it again", took, "s"),
            Row("of that at work in Python itself, whoever else keeps the machine busy", worked, "s"),
        ]
        idle = [_timed(lambda: sealing.seal_new(database, now=NOW))[0] for _ in range(self._sizes.sweeps)]
        busy = []
        for _ in range(self._sizes.sweeps):
            _write(database, self._sizes.new)
            busy.append(_timed(lambda: sealing.seal_new(database, now=NOW))[0])
        took, _none = _timed(lambda: sealing.seal_forgotten(database, now=NOW))
        return [
            *rows,
            Row("a sweep that finds nothing new, median", middle(idle) * 1000, "ms"),
            Row(f"a sweep that seals {self._sizes.new} entries, median", middle(busy) * 1000, "ms"),
            Row("the daily look at everything", took, "s"),
        ]


def _seal_all(database: Database) -> None:
    while sealing.seal_new(database, now=NOW):
        pass


def _write(database: Database, entries: int) -> None:
    for _ in range(entries):
        with database.unit_of_work() as work:
            audit.record(work, "booking.edited", "booking", new_id(), operator_id=COMPANY_ID, by=SYSTEM, at=NOW)


def _timed(task: Callable[[], Done]) -> tuple[float, Done]:
    began = time.perf_counter()
    done = task()
    return time.perf_counter() - began, done
