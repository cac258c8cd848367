"""The part ``zones``: how fast it is found who serves a place, and how fast ten thousand zones are taken in.

A) our query without its index, which computes the distance of every zone, B) our query, C) our lookup when the place
is remembered, D) the floor, a primary-key SELECT; all through the same session of SQLAlchemy and psycopg, in one open
transaction and in one run, each place asked in all ways one after the other. C opens a transaction of its own, as pages
ask, so D is measured with one as well. Half of the zones are polygons of fifty corners; a place lies in one to three.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Final
from uuid import UUID

import psycopg
from sqlalchemy import TextClause, bindparam, create_engine, make_url, select, text
from sqlalchemy.orm import Session

from tests.bench import territories, zone_import
from tests.bench.report import Report, Row, at_least, at_most, high, middle
from tests.bench.world import SEED
from tests.services import Servers, migrate
from webapp import embedded
from webapp.core.actor import SYSTEM
from webapp.core.geo import Location
from webapp.db import work as work_module
from webapp.db.tenancy import acting_as
from webapp.db.work import Database, connect
from webapp.web.cache import ValkeyCache
from webapp.zones.models import Zone
from webapp.zones.queries import zones_at, zones_unless
from webapp.zones.remembered import ZoneLookup

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many zones, how many places are asked for, how often A and a new connection are measured."""

    zones: tuple[int, ...]
    lookups: int
    scans: int
    connections: int
    imported: int


NORMAL = Sizes((60, 1_000, 100_000), 1_500, 15, 10, 10_000)
SMALL = Sizes((20, 60), 30, 3, 2, 1_200)
"""Proves that every part works; its figures mean nothing."""
_SECRET: Final = "one secret of all processes"
_numbers = count(1)

_DISTANCE = """round(2 * 6371.0088 * asin(least(1.0, sqrt(
            power(sin(radians(z.center_lat - :lat) / 2), 2)
            + cos(radians(:lat)) * cos(radians(z.center_lat)) * power(sin(radians(z.center_lng - :lng) / 2), 2)
        ))) * 1000) / 1000"""
_SCAN = f"""
    WITH f AS MATERIALIZED (
        SELECT z.id, z.operator_id, z.name, z.label, z.kind, z.time_zone, z.radius_km, z.max_travel_km, z.area_km2,
               z.travel_buffer_minutes, z.created_at, z.ring, {_DISTANCE} AS distance_km
        FROM zones z WHERE z.active
    )
    SELECT f.id, f.operator_id, o.name, f.name, f.label, f.kind, f.time_zone, f.distance_km,
           coalesce(f.radius_km, f.max_travel_km), f.area_km2, f.travel_buffer_minutes
    FROM f JOIN operators o ON o.id = f.operator_id
    WHERE f.distance_km <= coalesce(f.radius_km, {territories.FARTHEST_KM})
      AND (f.radius_km IS NOT NULL OR ring_holds(f.ring, :lat, :lng))
    ORDER BY f.distance_km, round(f.area_km2 * 1000000), f.created_at, f.id
"""
_ONCE: Final = text(_SCAN)
_FOLDED: Final = text(_SCAN.replace(" MATERIALIZED", ""))
"""Only distances are computed for all zones: no ring is looked at whose middle is too far away. Folded, the planner may
leave whole rows out as it goes, in several processes at once."""
_FLOOR: Final = select(
    *(Zone.id, Zone.operator_id, Zone.name, Zone.label, Zone.kind, Zone.time_zone, Zone.radius_km)
).where(Zone.id == bindparam("id"))
_RAW_FLOOR: Final = "SELECT id, operator_id, name, label, kind, time_zone, radius_km FROM zones WHERE id = %s"


class ZonesBench:
    """Measures size by size, each on a database of its own."""

    def __init__(self, servers: Servers, sizes: Sizes, say: Say) -> None:
        self._servers = servers
        self._sizes = sizes
        self._say = say
        self._rows: list[Row] = []

    def run(self) -> Report:
        """Everything there is to measure."""
        self._rows.append(Row("processor cores", os.cpu_count() or 1, ""))
        self._rows.append(Row("load of the machine by others, at the start", os.getloadavg()[0], ""))
        for number in self._sizes.zones:
            with self._database() as mine:
                with psycopg.connect(embedded.libpq_url(mine.admin_url), autocommit=True) as db:
                    territories.load(db, number)
                self._say(f"{number:,} zones are drawn.")
                with acting_as(SYSTEM):
                    _Size(mine, number, self._sizes, self._rows).measure()
        self._say("lookups are measured.")
        with self._database() as mine:
            self._rows += zone_import.measured(mine.database_url, self._sizes.imported, polygons=False)
        with self._database() as mine:
            self._rows += zone_import.measured(mine.database_url, self._sizes.imported, polygons=True)
        return Report("zones", SEED, tuple(self._rows))

    @contextmanager
    def _database(self) -> Iterator[Servers]:
        """A migrated, empty database; what the process calls its own meanwhile stays what it was."""
        name = f"zonedesk_bench_{os.getpid()}_zones_{next(_numbers)}"
        owner = make_url(self._servers.owner_url).username or ""
        embedded.create_database(self._servers.admin_url, name, owner=owner)
        mine = self._servers.on_database(name)
        before = work_module._database
        try:
            migrate(mine.owner_url)
            yield mine
        finally:
            work_module.bind(before)
            embedded.drop_database(self._servers.admin_url, name)


class _Size:
    """One number of zones."""

    def __init__(self, servers: Servers, zones: int, sizes: Sizes, rows: list[Row]) -> None:
        self._servers = servers
        self._zones = zones
        self._sizes = sizes
        self._rows = rows
        self._engine = connect(servers.database_url, pool_size=2)
        self._database = Database(self._engine, lambda job, ids: None)
        self._lookup = ZoneLookup(_SECRET, capacity=2 * sizes.lookups)

    def measure(self) -> None:
        """All ways to ask."""
        work_module.bind(self._database)
        with self._database.read_only() as db:
            places = territories.places(db, self._sizes.lookups, self._zones)
        ids = self._ids()
        self._as_pages_ask(places, ids)
        with self._database.read_only() as db:
            self._side_by_side(db, places, ids)
        self._first_on_a_connection(places)
        self._engine.dispose()

    def _ids(self) -> list[UUID]:
        with psycopg.connect(embedded.libpq_url(self._servers.admin_url)) as db:
            found = [row[0] for row in db.execute("SELECT id FROM zones ORDER BY md5(name) LIMIT 2000")]
        return [found[n % len(found)] for n in range(self._sizes.lookups)]

    def _median(self, what: str, values: Sequence[float]) -> float:
        """A median in microseconds, told as a row."""
        value = middle(values) * 1e6
        self._rows.append(Row(f"{what}, {self._zones:,} zones: median", value, "µs"))
        return value

    def _as_pages_ask(self, places: list[Location], ids: list[UUID]) -> None:
        """Each in a transaction of its own; the same place first unknown, then known to Valkey, then to the process."""
        valkey = ValkeyCache(self._servers.redis_url)

        def floor(id_: UUID) -> None:
            with self._database.read_only() as db:
                _floor(db, id_)

        took: dict[str, list[float]] = {"D": [], "first": [], "shared": [], "memory": []}
        another = ZoneLookup(_SECRET)
        for place, id_ in zip(places, ids, strict=True):
            took["D"].append(_timed(partial(floor, id_)))
            took["first"].append(_timed(partial(self._lookup.zones_at, place, valkey)))
            took["shared"].append(_timed(partial(another.zones_at, place, valkey)))
            took["memory"].append(_timed(partial(self._lookup.zones_at, place, valkey)))
        asked = len(set(places))
        assert (self._lookup.counts.asked, another.counts.shared) == (asked, asked)
        least = self._median("D in a transaction of its own", took["D"])
        self._median("C in its own, a place nobody asked for yet", took["first"])
        shared = self._median("C in its own, known to Valkey", took["shared"])
        memory = self._median("C in its own, known to the process", took["memory"])
        of = f"{self._zones:,} zones, each with its transaction"
        self._rows += [
            at_most(f"C from Valkey against D at {of}", shared / least, "times", 1.5),
            at_most(f"C against D at {of}", memory / least, "times", 1.5),
        ]

    def _side_by_side(self, db: Session, places: list[Location], ids: list[UUID]) -> None:
        """All in one open transaction, one after the other for each place."""
        driver: Any = db.connection().connection.driver_connection

        stamp = zones_unless(db, places[0], None)[0]

        def raw(id_: UUID) -> object:
            return driver.execute(_RAW_FLOOR, [id_]).fetchone()

        took: dict[str, list[float]] = {"D": [], "raw": [], "B": [], "C": []}
        for place, id_ in zip(places, ids, strict=True):
            took["D"].append(_timed(partial(_floor, db, id_)))
            took["raw"].append(_timed(partial(raw, id_)))
            took["B"].append(_timed(partial(zones_at, db, place)))
            took["C"].append(_timed(partial(zones_unless, db, place, stamp)))
        floor = self._median("D, a primary-key SELECT", took["D"])
        self._median("the same by the driver alone, past SQLAlchemy", took["raw"])
        ours = self._median("B, our query", took["B"])
        still = self._median("C's question, whether what is remembered is still so", took["C"])
        scan = self._median("A, the distance of every zone", self._scanned(db, _ONCE, places))
        folded = self._median("A without its CTE, in several processes", self._scanned(db, _FOLDED, places))
        of = f"{self._zones:,} zones"
        self._rows += [
            at_most(f"B median at {of}", ours / 1000, "ms", 1.0),
            Row(f"B at {of}, 95th percentile", high(took["B"]) * 1000, "ms"),
            at_most(f"B against D at {of}", ours / floor, "times", 6.0),
            at_most(f"C's question against D at {of}", still / floor, "times", 1.5),
            at_least(f"B against A at {of}", scan / ours, "times faster", 300)
            if self._zones >= 100_000
            else Row(f"B against A at {of}", scan / ours, "times faster"),
            Row(f"B against A without its CTE at {of}", folded / ours, "times faster"),
        ]

    def _scanned(self, db: Session, how: TextClause, places: list[Location]) -> list[float]:
        """A, as a superuser whom no policy slows down. Raises ``AssertionError`` when its answer is not ours."""
        engine, took = create_engine(self._servers.admin_url), []
        with Session(engine) as session:
            for place in places[: self._sizes.scans]:
                began = time.perf_counter()
                found = session.execute(how, {"lat": place.lat, "lng": place.lng}).all()
                took.append(time.perf_counter() - began)
                assert [row[0] for row in found] == [zone.id for zone in zones_at(db, place)]
        engine.dispose()
        return took

    def _first_on_a_connection(self, places: list[Location]) -> None:
        """What the plan costs that a connection makes once."""
        took = []
        for place in places[: self._sizes.connections]:
            engine = connect(self._servers.database_url, pool_size=1)
            with Database(engine, lambda job, ids: None).read_only() as db:
                db.execute(text("SELECT 1"))
                took.append(_timed(partial(zones_at, db, place)))
            engine.dispose()
        self._median("B, the first on a connection", took)


def _floor(db: Session, id_: UUID) -> object:
    return db.execute(_FLOOR, {"id": id_}).one()


def _timed(task: Callable[[], object]) -> float:
    began = time.perf_counter()
    task()
    return time.perf_counter() - began
