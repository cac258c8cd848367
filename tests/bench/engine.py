"""The part ``engine``: how fast one trainer is found and held for a whole course.

A) the plain reference, B) the engine through its service, C) through the web server, D) the floor, which writes the
same rows and does nothing else; all on one server that syncs to disk, in one run. Throughput of B and of D is
measured over eight connections of two processes with four threads each, as the desk is served; the web server of C is
of the same shape, its clients run on the same machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import event

from tests.bench import web
from tests.bench.databases import Databases
from tests.bench.floor import Floor, Sample, sample, written
from tests.bench.load import Engine, Pair, per_second, throughput
from tests.bench.reference import place_course
from tests.bench.report import Report, Row, at_least, at_most, high, middle
from tests.bench.world import NOW, SEED, BenchZone, World, WorldSpec, ZoneSpec
from tests.services import Servers
from webapp import embedded
from webapp.assignments.limits import Limits
from webapp.assignments.queries import roster
from webapp.assignments.queries.candidates import candidates
from webapp.assignments.queries.needs import booking_need
from webapp.core.actor import SYSTEM
from webapp.db.tenancy import acting_as
from webapp.db.work import Database, connect, counting_statements

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the worlds are and how long each measurement takes."""

    zones: tuple[int, int, int]
    """Trainers of the three zones."""
    slots: tuple[int, int, int]
    per_day: float
    """Sessions a day of a trainer where speed is measured."""
    thin: float
    """The same in the zone that is equal at the smallest and the largest number of slots."""
    explained: int
    """Trainers of the zone that is only explained."""
    cities: int
    waiting: int
    repeats: int
    slow_repeats: int
    seconds: float
    crowd: int


NORMAL = Sizes(
    zones=(50, 200, 1000),
    slots=(10_000, 100_000, 1_000_000),
    per_day=4,
    thin=1.5,
    explained=500,
    cities=8,
    waiting=1_200,
    repeats=40,
    slow_repeats=5,
    seconds=5.0,
    crowd=64,
)
SMALL = Sizes(
    zones=(3, 12, 15),
    slots=(600, 1_200, 2_400),
    per_day=1,
    thin=0.5,
    explained=10,
    cities=2,
    waiting=64,
    repeats=3,
    slow_repeats=1,
    seconds=0.3,
    crowd=6,
)
"""Proves that every part works; its figures mean nothing."""
_WARM = 4
_RACED = 80


class BenchBroken(Exception):
    """A measurement measured the wrong thing: its figures would be no figures."""


@dataclass(frozen=True, slots=True)
class _Medians:
    engine: float
    floor: float


class EngineBench:
    """Measures one row after the other."""

    def __init__(self, servers: Servers, sizes: Sizes, folder: Path, say: Say) -> None:
        self._sizes = sizes
        self._folder = folder
        self._say = say
        self._databases = Databases(servers)
        self._rows: list[Row] = []

    def run(self) -> Report:
        """Everything; drops its databases whatever happens."""
        self._rows.append(Row("processor cores", os.cpu_count() or 1, ""))
        self._rows.append(Row("load of the machine by others, at the start", os.getloadavg()[0], ""))
        try:
            with acting_as(SYSTEM):
                self._measure()
        finally:
            self._databases.close()
        return Report("engine", SEED, tuple(self._rows))

    def _measure(self) -> None:
        s = self._sizes
        small, middle_, large = s.slots
        few, many, most = s.zones
        thin = ZoneSpec(many, s.thin, s.repeats * 2 + 2 * _WARM)
        own = s.repeats * 2 + 2 * _WARM
        main = World(
            WorldSpec(
                (
                    ZoneSpec(few, s.per_day, own),
                    ZoneSpec(many, s.per_day, s.waiting),
                    ZoneSpec(s.explained, s.per_day, 4),
                ),
                middle_,
            )
        )
        self._say(f"{main.slots:,} live slots, {many} trainers in the zone …")
        floor_rate = self._main(main)
        self._databases.forget(main)

        self._say(f"{small:,} and {large:,} live slots …")
        little = World(WorldSpec((thin,), small))
        at_small = self._medians(little, 0)
        self._databases.forget(little)
        big = World(WorldSpec((thin, *(ZoneSpec(n, s.per_day, own) for n in (few, many, most))), large))
        at_large = self._medians(big, 0)
        growth = (at_large.engine / at_small.engine) / (at_large.floor / at_small.floor)
        what = f"B median at {big.slots:,} slots against {little.slots:,}, in growths of D's own ({many} trainers)"
        self._rows += [
            at_most(what, growth, "times", 1.3),
            Row(f"  B median at {little.slots:,} slots", at_small.engine, "ms"),
            Row(f"  B median at {big.slots:,} slots", at_large.engine, "ms"),
            Row(f"  D median at {little.slots:,} slots", at_small.floor, "ms"),
            Row(f"  D median at {big.slots:,} slots", at_large.floor, "ms"),
        ]
        for index, trainers in enumerate((few, many, most), start=1):
            found = self._medians(big, index, repeats=max(3, s.repeats // 2))
            self._rows.append(Row(f"  B median, {trainers} trainers, {big.slots:,} slots", found.engine, "ms"))
        self._databases.forget(big)

        cities = World(WorldSpec(tuple(ZoneSpec(many, s.per_day / 2) for _ in range(s.cities)), middle_), seed=SEED + 1)
        self._say(f"The web server: {s.cities} places, then {s.crowd} clients at once …")
        with self._databases.fresh(cities) as servers, web.desk(servers, self._folder) as port:
            self._rows += web.different_places(servers, port, cities, s, floor_rate)
            # Nobody was booked in the evening yet, so all its trainers are free then.
            self._rows += web.same_evening(servers, port, cities.zones[0], s)

    # One connection

    def _main(self, world: World) -> float:
        """Everything at the middle size; how many assignments a second the floor writes."""
        s = self._sizes
        zone, trainers = world.zones[1], s.zones[1]
        with self._databases.fresh(world) as servers:
            reference, asked = self._reference(servers, zone)
        with self._databases.fresh(world) as servers:
            like = self._sampled(servers, zone)
            took, statements = self._engine(servers, zone, s.repeats)
            few = self._engine(servers, world.zones[0], s.repeats)[0]
            fresh = self._engine(servers, zone, s.slow_repeats, after=_WARM + s.repeats, remembering=False)[0]
            races = lost_races(servers, zone)
            explained = self._explained(servers, world.zones[2])
        speedup = reference / middle(took)
        self._rows += [
            at_most("SQL statements of a won attempt", max(statements), "", 6),
            at_most("SQL statements more per lost race", max(races.more, default=0), "", 3),
            at_least("  races lost, two before each statement", len(races.more), f"of {races.run}", 1),
            at_least(f"B against A, {trainers} trainers × 30 sessions", speedup, "times faster", 50),
            Row(f"  A median, {asked:,} statements", reference, "ms"),
            Row(f"  B median, {trainers} trainers", middle(took), "ms"),
            Row(f"  B median, {s.zones[0]} trainers", middle(few), "ms"),
            Row(f"  B median, {trainers} trainers, none of them remembered", middle(fresh), "ms"),
        ]
        pairs = _pairs(zone)[_WARM:]
        with self._databases.fresh(world) as servers:
            self._same_rows(servers, zone, like)
            writes = throughput(servers.database_url, pairs, seconds=s.seconds, actor=zone.staff, like=like)
        with self._databases.fresh(world) as servers:
            found = throughput(servers.database_url, pairs, seconds=s.seconds, actor=zone.staff)
        if found.nobody:
            raise BenchBroken(f"{found.nobody} bookings found nobody although somebody was free")
        share = 100 * per_second(found) / per_second(writes)
        self._rows += [
            at_least("B throughput, 8 connections, against D", share, "%", 25),
            Row("  B, 8 connections, one zone", per_second(found), "a second"),
            Row("  D, 8 connections", per_second(writes), "a second"),
            Row("  B, 8 connections, most statements of one attempt", max(found.statements), ""),
            Row("  B, 8 connections, 95th percentile", 1000 * high(found.took), "ms"),
        ]
        self._rows += explained
        return per_second(writes)

    def _medians(self, world: World, index: int, repeats: int | None = None) -> _Medians:
        """Medians of B and D on one connection each, in milliseconds, one after the other on one copy."""
        zone, repeats = world.zones[index], repeats or self._sizes.repeats
        with self._databases.fresh(world) as servers:
            like = self._sampled(servers, zone)
            engine = middle(self._engine(servers, zone, repeats)[0])
            with Floor(embedded.libpq_url(servers.database_url), like) as floor:
                waiting = _pairs(zone)[_WARM + repeats :]
                # The engine chose for the first half of the families: whoever it chose is passed over here.
                free = _still_free(servers, waiting)
                took = [_timed(lambda p=pair: floor.write(*p)) for pair in free]  # type: ignore[misc]  # bound early
        return _Medians(engine, middle(took[2:]))

    def _reference(self, servers: Servers, zone: BenchZone) -> tuple[float, int]:
        """Median of A in milliseconds, and its statements."""
        engine = connect(servers.database_url, pool_size=1)
        database = Database(engine, lambda job, ids: None)
        took, asked = [], 0
        for booking in zone.waiting[: self._sizes.slow_repeats + 1]:
            with counting_statements() as statements:
                began = time.perf_counter()
                with database.unit_of_work() as work:
                    chosen = place_course(work.db, booking.id, now=NOW)
                took.append(1000 * (time.perf_counter() - began))
                asked = statements()
            if chosen is None:
                raise BenchBroken("the reference found nobody although somebody was free")
        engine.dispose()
        return middle(took[1:]), asked

    def _sampled(self, servers: Servers, zone: BenchZone) -> Sample:
        """The rows of one assignment the engine makes: what the floor has to write."""
        booking = zone.waiting[0]
        with Engine(servers.database_url, zone.staff) as engine:
            engine.propose(booking.id)
        with psycopg.connect(embedded.libpq_url(servers.admin_url)) as db:
            return sample(db, booking.id)

    def _engine(
        self, servers: Servers, zone: BenchZone, repeats: int, *, after: int = 1, remembering: bool = True
    ) -> tuple[list[float], list[int]]:
        """Milliseconds and statements of B for the families ``after`` some, one after the other on one connection.

        A process remembers the trainers it has met; without ``remembering`` it starts anew each time.
        """
        took, statements = [], []
        with Engine(servers.database_url, zone.staff) as engine:
            for booking in zone.waiting[after : after + _WARM - 1 + repeats]:
                if not remembering:
                    roster.forget()
                began = time.perf_counter()
                trainer_id, asked = engine.propose(booking.id)
                took.append(1000 * (time.perf_counter() - began))
                statements.append(asked)
                if trainer_id is None:
                    raise BenchBroken("the engine found nobody although somebody was free")
        return took[_WARM - 1 :], statements[_WARM - 1 :]

    def _explained(self, servers: Servers, zone: BenchZone) -> list[Row]:
        """The answer a booking page is made from: every trainer's reasons, with the smallest fix where there is one."""
        engine = connect(servers.database_url, pool_size=1)
        database = Database(engine, lambda job, ids: None)
        took: list[float] = []
        plain: list[float] = []
        first: list[float] = []
        asked = fixed = 0
        for n in range(self._sizes.repeats // 3 + 2):
            booking_id = zone.waiting[n % len(zone.waiting)].id
            for fixes_after, timed in ((NOW, first), (NOW, took), (None, plain)):
                if timed is first:
                    roster.forget()
                with counting_statements() as statements, database.read_only() as db:
                    began = time.perf_counter()
                    wanted = booking_need(db, booking_id)
                    verdicts = candidates(
                        db, wanted.need, wanted.family, max_courses=Limits().max_courses, fixes_after=fixes_after
                    )
                    told = [verdict.to_json() for verdict in verdicts]
                    timed.append(1000 * (time.perf_counter() - began))
                    asked = max(asked, statements())
                fixed = max(fixed, sum(verdict.fix is not None for verdict in verdicts))
                if len(told) != len(zone.trainers):
                    raise BenchBroken("the answer does not explain every trainer")
        engine.dispose()
        what = f"explained answer, {len(zone.trainers)} trainers × 30 sessions"
        return [
            at_most(f"{what}: SQL statements", asked, "", 6),
            at_most(f"{what}: median", middle(took[1:]), "ms", 150),
            Row("  of those trainers, with a smallest fix", fixed, ""),
            Row("  median without looking for fixes", middle(plain[1:]), "ms"),
            Row("  median of the first answer of a process, which remembers nobody", middle(first[1:]), "ms"),
        ]

    def _same_rows(self, servers: Servers, zone: BenchZone, like: Sample) -> None:
        """Raise ``BenchBroken`` unless the floor writes what the engine writes."""
        by_engine, (by_floor, trainer_id) = zone.waiting[0].id, _pairs(zone)[1]
        with Engine(servers.database_url, zone.staff) as engine:
            engine.propose(by_engine)
        with Floor(embedded.libpq_url(servers.database_url), like) as floor:
            floor.write(by_floor, trainer_id)
        with psycopg.connect(embedded.libpq_url(servers.admin_url)) as db:
            one, other = written(db, by_engine), written(db, by_floor)
        if one != other:
            raise BenchBroken(f"the floor writes other rows than the engine: {other}, not {one}")


@dataclass(frozen=True, slots=True)
class Races:
    """SQL statements more than without a rival, one number per race that was lost; ``run`` is how many were run.

    A rival who is there before the engine looks costs it nothing: that race is lost too.
    """

    more: list[int]
    run: int


def lost_races(servers: Servers, zone: BenchZone) -> Races:
    """Races for the trainer the engine would choose, lost just before its first, second, … statement.

    Wherever in the attempt a race can be lost, this loses it there: to a rival who books the trainer, and to a call
    that the trainer is ill. Those end where the engine has locked the trainer.
    """
    bookings = iter(_same_hour(zone))
    url = servers.database_url
    lost, run = [], 0
    with Engine(url, zone.staff) as mine, Engine(url, zone.staff) as rival:
        for _ in range(2):
            rival.propose(next(bookings))
            alone = mine.propose(next(bookings))[1]
        for nth in range(1, alone + 1):
            for act in (rival.take, rival.call_in_ill):
                own, others = next(bookings, None), next(bookings, None)
                if own is None or others is None:
                    break
                best = rival.best(own)
                with _before(mine, nth, partial(act, others, best)) as took:
                    chosen, statements = mine.propose(own)
                if chosen is None:
                    raise BenchBroken("who lost a race found nobody although somebody was free")
                run += took == [True]
                if chosen != best:
                    lost.append(statements - alone)
    return Races(lost, run)


def _same_hour(zone: BenchZone) -> list[UUID]:
    """Families that want the same hour, the one most want; the last of those who wait, whom nobody asked for yet."""
    by_hour: dict[int, list[UUID]] = {}
    for booking in zone.waiting[-len(zone.waiting) // 2 :]:
        by_hour.setdefault(booking.hour, []).append(booking.id)
    return max(by_hour.values(), key=len)[:_RACED]


@contextmanager
def _before(engine: Engine, nth: int, act: Callable[[], bool]) -> Iterator[list[bool]]:
    """Do something just before the engine's nth statement; the list says what came of it."""
    seen = 0
    came: list[bool] = []

    def count(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        nonlocal seen
        if statement.startswith(("SELECT set_config(", "SAVEPOINT", "RELEASE", "ROLLBACK")):
            return
        seen += 1
        if seen == nth:
            with counting_statements():  # the rival's statements are not the engine's
                came.append(act())

    event.listen(engine.sql, "before_cursor_execute", count)
    try:
        yield came
    finally:
        event.remove(engine.sql, "before_cursor_execute", count)


def _pairs(zone: BenchZone) -> list[Pair]:
    """The waiting bookings with a trainer each who is free at that hour."""
    return [(booking.id, trainer_id) for booking, trainer_id in zone.free_for(zone.waiting)]


def _still_free(servers: Servers, pairs: list[Pair]) -> list[Pair]:
    with psycopg.connect(embedded.libpq_url(servers.admin_url)) as db:
        taken = db.execute(
            "SELECT s.booking_id, t.id FROM course_sessions s JOIN trainers t ON t.operator_id = s.operator_id"
            " JOIN schedule_slots x ON x.trainer_id = t.id AND x.period && tstzrange(s.starts_at, s.ends_at)"
            " WHERE s.number = 1 AND s.booking_id = ANY(%s)",
            [[booking_id for booking_id, _ in pairs]],
        ).fetchall()
    busy = set(taken)
    return [pair for pair in pairs if pair not in busy]


def _timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - began)
