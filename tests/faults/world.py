"""A desk under attack: a database of its own, one zone, trainers and families, and clients on real connections.

Work is generated from a seed, the same in every run of a profile; who comes first is up to the machine.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import count
from threading import Barrier
from typing import TypeVar
from uuid import UUID

import psycopg
from flask import Flask
from sqlalchemy import Engine, event, make_url

from tests.bench.report import Report, Row
from tests.faults import checkers
from tests.faults.history import History
from tests.make import Make
from tests.services import ROOT, Servers
from tests.web.client import NOW
from webapp import embedded
from webapp.assignments import service
from webapp.assignments.limits import Limits
from webapp.assignments.service import Proposed
from webapp.bookings.rules import ClassType, DeliveryMode
from webapp.bookings.service import BookingCommand, PlacedBooking, place_booking
from webapp.core.actor import Actor, ActorKind, Role
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db import work as work_module
from webapp.db.work import Database, Work, connect
from webapp.households.service import RegisteredHousehold
from webapp.trainers.rules import WorkingHours

T = TypeVar("T")
FULL = os.environ.get("PROFILE", "ci") == "full"
SEED = int(os.environ.get("SEED", "20270314"))
FOLDER = ROOT / "var" / "faults"
NEW_YORK = "America/New_York"
CENTER = Location(40.75, -73.95)
LIMITS = Limits()
ROUND_THE_CLOCK = tuple(WorkingHours(weekday, time(0), time(0)) for weekday in range(7))
_numbers = count()


def sized(ci: int, full: int) -> int:
    """A number that depends on the profile."""
    return full if FULL else ci


def client_actor(number: int, role: Role = Role.ADMIN) -> Actor:
    """Somebody at the desk. The clients of one test differ, so that four eyes are four."""
    return Actor(
        kind=ActorKind.USER, id=UUID(int=0x0193_0000 << 96 | number), name=f"Client {number}", role=role,
        operator_id=COMPANY_ID,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Home:
    """A family and where it lives."""

    household: RegisteredHousehold
    place: Location


class FaultWorld:
    """One zone of the company in New York, on a copy of the migrated database that is dropped afterwards."""

    def __init__(self, servers: Servers, engine: Engine, app: Flask) -> None:
        self.servers = servers
        self.engine = engine
        self.database = work_module.database()
        self.make = Make(app)
        self.zone_id = self.make.zone(center=CENTER, time_zone=NEW_YORK)
        self.course_id = self.make.course()
        self.sqlstates: Counter[str] = Counter()
        event.listen(engine, "handle_error", self._count_error)

    def _count_error(self, context: object) -> None:
        original = getattr(context, "original_exception", None)
        self.sqlstates[getattr(original, "sqlstate", None) or type(original).__name__] += 1

    @property
    def address(self) -> str:
        """Where checkers look: the superuser's libpq address, whom no policy binds; not the application's."""
        return embedded.libpq_url(self.servers.admin_url)

    def trainers(self, number: int) -> list[UUID]:
        """Trainers who live in the middle and work at any hour."""
        return [
            self.make.trainer((self.zone_id,), (self.course_id,), base=CENTER, hours=ROUND_THE_CLOCK)
            for _ in range(number)
        ]

    def homes(self, number: int) -> list[Home]:
        """Families along a line through the zone, 800 m from one to the next: ways of two minutes to half an hour."""
        step = 0.0072
        return [
            Home(self.make.household(), Location(round(CENTER.lat + step * (n - number // 2), 6), CENTER.lng))
            for n in range(number)
        ]

    def command(self, home: Home, start: date, timeslot: time, booking_id: UUID | None = None) -> BookingCommand:
        """A course of ten daily lessons."""
        return BookingCommand(
            household_id=home.household.household_id,
            student_ids=home.household.student_ids,
            course_id=self.course_id,
            class_type=ClassType.ONE_ON_ONE,
            delivery_mode=DeliveryMode.WEEKDAY_DAILY,
            total_sessions=10,
            start_date=start,
            timeslot=timeslot,
            address="12 Park Row",
            place=home.place,
            zone_id=self.zone_id,
            id=booking_id or new_id(),
        )

    def place(self, home: Home, start: date, timeslot: time, by: Actor) -> PlacedBooking:
        """A waitlisted booking."""
        with self.database.unit_of_work() as work:
            return place_booking(work, self.command(home, start, timeslot), by=by, now=NOW)

    def propose(self, booking_id: UUID, trainer_id: UUID | None, by: Actor, now: datetime = NOW) -> Proposed:
        """A proposal; a refusal is raised."""
        return self.database.retrying(
            lambda work: service.propose(work, booking_id, trainer_id=trainer_id, by=by, now=now, limits=LIMITS)
        )

    def withdraw(self, assignment_id: UUID, by: Actor, now: datetime = NOW) -> None:
        """One's own proposal taken back."""
        self.database.retrying(lambda work: service.withdraw(work, assignment_id, version=1, by=by, now=now))

    def as_owner(self, *statements: str) -> None:
        """Change this database and no other, past every rule."""
        with psycopg.connect(self.address, autocommit=True) as db:
            for statement in statements:
                db.execute(statement.encode())

    def breaches(self) -> dict[str, int]:
        """What the independent checkers count."""
        return checkers.breaches(self.address)

    def at_once(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """Run all tasks at the same moment, each in a thread of its own. Raises what they raise."""
        barrier = Barrier(len(tasks))

        def run(task: Callable[[], T]) -> T:
            barrier.wait(30)
            return task()

        with ThreadPoolExecutor(len(tasks)) as crowd:
            return list(crowd.map(run, tasks))

    def warm_up(self, connections: int) -> None:
        """Open so many connections before anybody measures."""
        with ExitStack() as open_at_once:
            for _ in range(connections):
                open_at_once.enter_context(self.engine.connect())


class CountedTries:
    """How often one request was tried, for the promise of three tries at most."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.most = 0

    def retrying(self, task: Callable[[Work], T]) -> T:
        """As the application does it, counting."""
        tries = 0

        def counted(work: Work) -> T:
            nonlocal tries
            tries += 1
            self.most = max(self.most, tries)
            return task(work)

        return self._database.retrying(counted)


@contextmanager
def fault_world(servers: Servers, app: Flask, *, connections: int) -> Iterator[FaultWorld]:
    """A fresh world with a pool for so many clients."""
    name = f"{servers.template}_faults_{os.getpid()}_{next(_numbers)}"
    owner = make_url(servers.owner_url).username or ""
    embedded.create_database(servers.admin_url, name, owner=owner, template=servers.template)
    mine = servers.on_database(name)
    engine = connect(mine.database_url, pool_size=connections)
    before = work_module.database()
    work_module.bind(Database(engine, lambda job, ids: None))
    try:
        yield FaultWorld(mine, engine, app)
    finally:
        work_module.bind(before)
        engine.dispose()
        embedded.drop_database(servers.admin_url, name)


@contextmanager
def recorded(part: str) -> Iterator[History]:
    """A history kept under ``var/faults``; where it is and which seed made it are printed."""
    history = History(FOLDER / f"{part}.jsonl")
    print(f"\n{part}: SEED={SEED} PROFILE={'full' if FULL else 'ci'} history={history.path}")
    try:
        yield history
    finally:
        history.close()


def report(part: str, *rows: Row) -> None:
    """Print the table, write it as JSON, and fail when a bound is not met."""
    found = Report(part, SEED, rows)
    found.write(FOLDER)
    print(found.table())
    assert not found.unmet, [row.what for row in found.unmet]


def none_of(found: dict[str, int]) -> list[Row]:
    """One row for each checker: nothing may be found."""
    return [exactly(name, number, 0) for name, number in found.items()]


def exactly(what: str, value: float, wanted: float, unit: str = "") -> Row:
    """A value that must be this one."""
    return Row(what, value, unit, f"{wanted:g}", value == wanted)
