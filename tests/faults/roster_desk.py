"""A whole desk whose roster is another system's: web, workers and sweeper, and that system at the end of a bad line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from redis import Redis

from tests.fault_proxy import Proxy, proxying
from tests.faults.over_http import Browser, browsers, send_form, start_web, surroundings
from tests.faults.page_views import BADGE, Look, RosterLog
from tests.faults.world import CENTER, NEW_YORK, SEED, FaultWorld
from tests.make import Person
from tests.reference_service.running import Service, running
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.run import Parts
from webapp.trainers.sync_rules import LinkKind
from webapp.trainers.syncing import linking

LOAD_SECONDS = 60.0
LOOK_EVERY = 0.1
FRANCHISE = "F1"
BROWSERS = 4
"""Of each person."""
PAGES = ("/", "/trainers", "/trainers?page=3", "/bookings", "/bookings/new", "/approvals", "/zones", "/courses")


@dataclass(frozen=True, slots=True)
class Deed:
    """Something a person did: which booking, how it was answered, and when."""

    booking_id: UUID
    status: int
    asked_at: datetime
    answered_at: datetime
    span: tuple[float, float]
    """The same moments of the monotonic clock."""
    badge: str | None
    """What the page wore to which the person was sent on."""


@dataclass
class RosterDesk:
    """The desk, and everything a test needs to disturb it and to look at it."""

    world: FaultWorld
    service: Service
    proxy: Proxy
    parts: Parts
    port: int
    staff: Browser
    admin: Browser
    trainers: int
    visits: tuple[tuple[Browser, str], ...] = ()
    """Who looks at which page."""
    log: RosterLog = field(default_factory=RosterLog)
    rng: Random = field(default_factory=lambda: Random(SEED))

    @property
    def url(self) -> str:
        """Where the desk is found."""
        return f"http://127.0.0.1:{self.port}"

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the database says, asked as somebody whom no policy binds."""
        with psycopg.connect(self.world.address, autocommit=True) as db:
            return db.execute(sql.encode(), parameters).fetchall()

    @property
    def fresh_at(self) -> datetime | None:
        """As of when the roster is."""
        found: datetime | None = self.rows("SELECT fresh_at FROM trainer_service_state")[0][0]
        return found

    def until(self, true: Callable[[], bool], seconds: float) -> float:
        """Wait until something is true; how long that was. More than ``seconds`` when it did not become so in time."""
        began = time.monotonic()
        while not true() and time.monotonic() - began <= seconds:
            time.sleep(LOOK_EVERY)
        return time.monotonic() - began

    def is_fresh(self, within: timedelta) -> bool:
        """Whether the roster is not older than it may be."""
        at = self.fresh_at
        return at is not None and datetime.now(UTC) - at <= within

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Write down as of when the roster is, for as long as the block runs."""
        stop = threading.Event()

        def watch() -> None:
            with psycopg.connect(self.world.address, autocommit=True) as db:
                while not stop.wait(LOOK_EVERY):
                    asked_at = datetime.now(UTC)
                    found = db.execute("SELECT fresh_at FROM trainer_service_state").fetchone()
                    self.log.looks.append(Look(asked_at, datetime.now(UTC), found[0] if found else None))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
            time.sleep(3 * LOOK_EVERY)  # the last views need a look after them
        finally:
            stop.set()
            watcher.join(10)

    def propose(self) -> Deed:
        """Somebody at the desk books a course for a new family, with the best trainer there is."""
        booking_id = new_id()
        home = Location(CENTER.lat + self.rng.uniform(-0.01, 0.01), CENTER.lng + self.rng.uniform(-0.01, 0.01))
        first_day = max(datetime.now(UTC).date(), date(2027, 1, 4)) + timedelta(days=self.rng.randrange(20, 60))
        return self._press(
            self.staff,
            "/bookings/new",
            booking_id,
            key=booking_id,
            guardian_name="Lakshmi Rao",
            phone=f"+9198{self.rng.randrange(10**8):08d}",
            language="en",
            student_1="Ravi Rao",
            address="12 Park Row",
            location=f"{home.lat:.6f}, {home.lng:.6f}",
            course=self.world.course_id,
            class_type="one_on_one",
            delivery_mode="weekday_daily",
            total_sessions=10,
            start_date=first_day.isoformat(),
            timeslot=f"{self.rng.randrange(7, 19):02d}:00",
            trainer="best",
            do="propose",
        )

    def approve(self, booking_id: UUID) -> Deed:
        """An admin approves what was proposed for a booking."""
        open_one = "SELECT id, version FROM assignments WHERE booking_id = %s AND status = 'proposed'"
        [(assignment_id, version)] = self.rows(open_one, booking_id)
        return self._press(self.admin, f"/approvals/{assignment_id}/approve", booking_id, version=version)

    def _press(self, who: Browser, path: str, booking_id: UUID, **fields: object) -> Deed:
        asked_at, began = datetime.now(UTC), time.monotonic()
        answer = send_form(self.port, who, path, urlencode({"csrf_token": who.csrf, **fields}))
        answered_at, ended = datetime.now(UTC), time.monotonic()
        badge = BADGE.search(answer.page)
        return Deed(booking_id, answer.status, asked_at, answered_at, (began, ended), badge[1] if badge else None)


@contextmanager
def roster_desk(
    world: FaultWorld, folder: Path, settings: dict[str, str], *, trainers: int, workers: int = 1
) -> Iterator[RosterDesk]:
    """A desk with a zone of the company and one of a franchise, its roster loaded from a trainer service in bulk."""
    franchise_id = world.make.franchise()
    elsewhere = Location(CENTER.lat + 1, CENTER.lng)
    zone_id = world.make.zone(operator_id=franchise_id, center=elsewhere, time_zone=NEW_YORK)
    zones = {None: [world.zone_id], FRANCHISE: [zone_id]}
    places = {world.zone_id: (CENTER.lat, CENTER.lng), zone_id: (elsewhere.lat, elsewhere.lng)}
    admin, staff, manager = world.make.admin(), world.make.staff(), world.make.manager(franchise_id)
    with world.database.unit_of_work() as work:
        linking.link(work, LinkKind.FRANCHISE, FRANCHISE, franchise_id, by=admin.actor, now=datetime.now(UTC))
    courses = [world.course_id]
    with (
        running(trainers, seed=SEED, zones=zones, courses=courses, places=places, all_hours=True) as service,
        proxying(service.url, seed=SEED) as proxy,
        _started(world, folder, proxy.url, service.token, workers, settings) as (parts, port),
    ):
        booking, approving = (_browsers(world, person)[0] for person in (staff, admin))
        desk = RosterDesk(world, service, proxy, parts, port, booking, approving, trainers)
        # The worker may first have to come up, and the sweeper to take the lead.
        assert desk.until(lambda: desk.fresh_at is not None, LOAD_SECONDS) < LOAD_SECONDS, "the roster was never loaded"
        desk.visits = tuple(_visits(desk, (staff, admin, manager)))
        yield desk


def _browsers(world: FaultWorld, person: Person) -> list[Browser]:
    return browsers(world.address, person, BROWSERS, at=datetime.now(UTC))


def _visits(desk: RosterDesk, people: Sequence[Person]) -> Iterator[tuple[Browser, str]]:
    """Everybody looks at the pages of a day, and at two trainers of their own operator."""
    for person in people:
        mine = desk.rows("SELECT id FROM trainers WHERE operator_id = %s ORDER BY id LIMIT 2", person.operator_id)
        for browser in _browsers(desk.world, person):
            yield from ((browser, path) for path in (*PAGES, *(f"/trainers/{trainer_id}" for (trainer_id,) in mine)))


@contextmanager
def _started(
    world: FaultWorld, folder: Path, url: str, token: str, workers: int, settings: dict[str, str]
) -> Iterator[tuple[Parts, int]]:
    """The desk's processes on an empty queue; all of them are stopped however the block ends."""
    service = {"TRAINER_SERVICE_URL": url, "TRAINER_SERVICE_TOKEN": token}
    queue = Redis.from_url(world.servers.redis_url)
    queue.flushdb()
    parts = Parts(surroundings(world.servers, folder, **service, **settings), folder)
    try:
        port = start_web(parts)
        for number in range(workers):
            parts.start(f"worker-{number}", "worker.py")
        parts.start("sweeper", "worker.py", "sweep")
        yield parts, port
        assert parts.ended() is None, "a part of the desk ended by itself"
    finally:
        parts.stop()
        queue.flushdb()
        queue.close()
