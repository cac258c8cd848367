"""The part ``trainer_service``: what it takes to load a roster from the trainer service, and to hear of no change.

The reference service answers from a process of its own; the desk's side is the job a worker runs, in this process, on
a database that syncs to disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

from sqlalchemy import make_url, text

from tests.bench.report import Report, Row, at_most
from tests.bench.world import SEED, TIME_ZONE
from tests.reference_service.running import Service, running
from tests.services import Servers, migrate
from webapp import embedded, logs
from webapp.config import load_settings
from webapp.core.actor import SYSTEM
from webapp.core.geo import Location
from webapp.courses import service as courses
from webapp.courses.rules import CourseCommand
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_as
from webapp.db.work import Database, connect
from webapp.operators import service as operators
from webapp.operators.rules import OperatorCommand
from webapp.trainers import jobs
from webapp.trainers.sync_rules import LinkKind, RunCause, RunKind
from webapp.trainers.syncing import linking, runs
from webapp.zones import service as zones
from webapp.zones.rules import ZoneCommand

Say = Callable[[str], None]

FULL_LOAD_SECONDS: Final = 20.0
PAGE: Final = 500
"""Trainers to a request of the bulk contract."""
AT_ONCE: Final = 4
"""Questions to the deployed contract that may be open together."""
_FRANCHISES: Final = 10
_ZONES: Final = 4
_COURSES: Final = 40
_CHANGED: Final = 100
_PATIENCE: Final = 900.0
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class RosterSizes:
    """How many trainers there are: where the bounds hold, in the largest roster, and where they are asked one by one.

    None means that it is not measured.
    """

    trainers: int
    large: int | None = None
    deployed: int | None = None


NORMAL: Final = RosterSizes(10_000, 50_000, 1_000)
SMALL: Final = RosterSizes(600, 1_200, 50)


@dataclass(frozen=True, slots=True)
class Ran:
    """One synchronisation that was done: how long it took, and what it counted."""

    seconds: float
    worked: float
    """Seconds of that at work in this process, whoever else keeps the machine busy."""
    requests: int
    added: int
    changed: int
    refused: int


@dataclass(frozen=True)
class BareDesk:
    """A desk with zones and courses, and nobody on its roster yet; the ids are as a service would send them."""

    servers: Servers
    database: Database
    zones: dict[str | None, list[str]]
    places: dict[str, tuple[float, float]]
    courses: list[str]

    @contextmanager
    def served(self, trainers: int, **wishes: Any) -> Iterator[tuple[Service, JobContext]]:
        """A trainer service that knows the desk's zones and courses, and a worker that may ask it."""
        known: dict[str, Any] = {"zones": self.zones, "places": self.places, "courses": self.courses}
        with running(trainers, seed=SEED, **known, **wishes) as service:
            settings = load_settings(
                ZONEDESK_ENV="development",
                database_url=self.servers.database_url,
                trainer_service_url=service.url,
                trainer_service_token=service.token,
                log_level="WARNING",
            )
            logs.configure(settings)
            yield service, JobContext(settings, self.database)

    def sync(self, context: JobContext, kind: RunKind) -> Ran:
        """Ask for a synchronisation and work it off, as a worker does. Raises ``RuntimeError`` unless it is done."""
        began, worked = time.perf_counter(), time.process_time()
        with acting_as(SYSTEM), self.database.unit_of_work() as work:
            run_id = runs.request(work, kind, RunCause.PERSON, by=SYSTEM, now=context.now())
        state, problem = "waiting", None
        while state in ("waiting", "running") and time.perf_counter() - began < _PATIENCE:
            jobs.sync(context)
            with acting_as(SYSTEM), self.database.read_only() as db:
                found = db.execute(_RUN, {"id": run_id}).one()
            state, problem = found.state, found.problem
        took, worked = time.perf_counter() - began, time.process_time() - worked
        if state != "done":
            raise RuntimeError(f"the synchronisation is {state}: {problem}")
        return Ran(took, worked, found.requests, found.added, found.changed, found.refused)


_RUN: Final = text("SELECT state, problem, requests, added, changed, refused FROM trainer_sync_runs WHERE id = :id")


@contextmanager
def bare_desk(servers: Servers) -> Iterator[BareDesk]:
    """A desk on a database of its own, which is dropped afterwards."""
    name = f"zonedesk_bench_{os.getpid()}_roster_{next(_numbers)}"
    owner = make_url(servers.owner_url).username or ""
    embedded.create_database(servers.admin_url, name, owner=owner, template=servers.template or None)
    mine = servers.on_database(name)
    engine = None
    try:
        if not servers.template:
            migrate(mine.owner_url)
        engine = connect(mine.database_url, pool_size=2)
        desk = BareDesk(mine, Database(engine, lambda job, ids: None), {}, {}, [])
        with acting_as(SYSTEM):
            _furnish(desk, datetime.now(UTC))
        yield desk
    finally:
        if engine is not None:
            engine.dispose()
        embedded.drop_database(servers.admin_url, name)


def _furnish(desk: BareDesk, now: datetime) -> None:
    """Courses, and the zones of the company and of franchises, each operator's a degree from the next one's."""
    with desk.database.unit_of_work() as work:
        for number in range(_COURSES):
            desk.courses.append(str(courses.create(work, CourseCommand(f"Course {number}"), by=SYSTEM, now=now)))
        for franchise in (None, *(f"F{number}" for number in range(1, _FRANCHISES + 1))):
            operator_id = None
            if franchise is not None:
                command = OperatorCommand(f"Franchise {franchise}", auto_approve=False)
                operator_id = operators.create(work, command, by=SYSTEM, now=now)
                linking.link(work, LinkKind.FRANCHISE, franchise, operator_id, by=SYSTEM, now=now)
            for number in range(_ZONES):
                center = Location(10.0 + len(desk.zones), 77.0 + 0.2 * number)
                zone = ZoneCommand(f"Zone {number}", operator_id, TIME_ZONE, center, radius_km=5.0)
                zone_id = str(zones.create(work, zone, by=SYSTEM, now=now))
                desk.zones.setdefault(franchise, []).append(zone_id)
                desk.places[zone_id] = (center.lat, center.lng)


class TrainerServiceBench:
    """Measures on databases of its own."""

    def __init__(self, servers: Servers, sizes: RosterSizes, say: Say) -> None:
        self._servers = servers
        self._sizes = sizes
        self._say = say

    def run(self) -> Report:
        """Everything there is to measure."""
        rows = [
            Row("processor cores", os.cpu_count() or 0, ""),
            Row("load of the machine by others, at the start", os.getloadavg()[0], ""),
            *self._in_bulk(self._sizes.trainers, bounded=True),
        ]
        if self._sizes.large is not None:
            rows += self._in_bulk(self._sizes.large, bounded=False)
        if self._sizes.deployed is not None:
            rows += self._one_by_one(self._sizes.deployed)
        return Report("trainer_service", SEED, tuple(rows))

    def _in_bulk(self, trainers: int, *, bounded: bool) -> Iterator[Row]:
        """The first load, nothing changed, some changed, and everybody once more."""
        whom = f"{trainers:,} trainers in bulk"
        with bare_desk(self._servers) as desk, desk.served(trainers) as (service, worker):
            first = desk.sync(worker, RunKind.FULL)
            self._say(f"{whom} are loaded.")
            yield _bounded(f"{whom}, first load", first.seconds, "s", FULL_LOAD_SECONDS if bounded else None)
            yield Row("  of that at work in Python itself", first.worked, "s")
            yield at_most("  requests", service.asked, "", -(-trainers // PAGE))
            yield Row("  trainers on the roster", first.added, "", f"{trainers:,}", first.added == trainers)
            for time_of in ("the first time", "from then on"):
                service.reset_counts()
                nothing = desk.sync(worker, RunKind.DELTA)
                yield at_most(f"  nothing changed, {time_of}: requests", service.asked, "", 1)
                yield Row("    took", 1000 * nothing.seconds, "ms")
            unmodified = service.counts().get("status 304", 0)
            yield Row("    of them answered 304", unmodified, "", "1", unmodified == 1)
            service.edit(*(f"T{number:06d}" for number in range(1, _CHANGED + 1)), name="Somebody Else")
            service.reset_counts()
            some = desk.sync(worker, RunKind.DELTA)
            yield at_most(f"  {_CHANGED} changed: requests", service.asked, "", 1)
            yield Row("    took", 1000 * some.seconds, "ms")
            yield Row("    changed on the roster", some.changed, "", f"{_CHANGED}", some.changed == _CHANGED)
            again = desk.sync(worker, RunKind.FULL)
            yield Row("  everybody once more, nothing changed", again.seconds, "s")

    def _one_by_one(self, trainers: int) -> Iterator[Row]:
        """The contract as deployed: a list, and a question for each trainer."""
        with bare_desk(self._servers) as desk, desk.served(trainers, contract="legacy") as (service, worker):
            first = desk.sync(worker, RunKind.FULL)
            self._say(f"{trainers:,} trainers of the deployed contract are loaded.")
            yield Row(f"{trainers:,} trainers of the deployed contract, first load", first.seconds, "s")
            yield Row("  requests", service.asked, "")
            yield at_most("  requests open at once", service.counts()["most_at_once"], "", AT_ONCE)
            service.reset_counts()
            again = desk.sync(worker, RunKind.FULL)
            yield Row("  nothing changed: requests", service.asked, "")
            yield Row("    took", again.seconds, "s")


def _bounded(what: str, value: float, unit: str, limit: float | None) -> Row:
    return Row(what, value, unit) if limit is None else at_most(what, value, unit, limit)
