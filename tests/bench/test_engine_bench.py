"""The benchmark itself works: at its smallest size, where every part runs and no figure means anything."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from tests.bench import audit, zones
from tests.bench.audit import AuditBench
from tests.bench.databases import Databases
from tests.bench.engine import SMALL, EngineBench
from tests.bench.report import Report, Row, at_least, at_most
from tests.bench.world import SEED, World, WorldSpec, ZoneSpec
from tests.bench.zones import ZonesBench
from tests.services import Servers
from webapp import embedded
from webapp.db.tenancy import acting_for_nobody

PROMISED = (
    "SQL statements of a won attempt",
    "SQL statements more per lost race",
    "B against A",
    "B throughput, 8 connections, against D",
    "B median at",
    "explained answer, 10 trainers × 30 sessions: SQL statements",
    "explained answer, 10 trainers × 30 sessions: median",
    "C throughput",
    "C, 6 clients on the same evening slot",
)


@pytest.mark.race
def test_every_part_of_the_engine_bench_runs(servers: Servers, tmp_path: Path) -> None:
    with acting_for_nobody():  # as from a terminal, where nothing was said on whose behalf
        report = EngineBench(servers, SMALL, tmp_path, lambda what: None).run()
    stored = json.loads(report.write(tmp_path).read_text("utf-8"))
    assert (stored["part"], stored["seed"]) == ("engine", SEED)
    bound = {row["what"]: row for row in stored["rows"] if row["bound"] is not None}
    for promise in PROMISED:
        assert any(what.startswith(promise) for what in bound), promise
    assert all(set(row) == {"what", "value", "unit", "bound", "met"} for row in stored["rows"])
    crowd = [row for what, row in bound.items() if "same evening slot" in what]
    assert all(row["met"] for row in crowd), crowd


def test_every_part_of_the_audit_bench_runs(servers: Servers, tmp_path: Path) -> None:
    with acting_for_nobody():
        report = AuditBench(servers, audit.SMALL, lambda what: None).run()
    stored = json.loads(report.write(tmp_path).read_text("utf-8"))
    found = {row["what"]: row["value"] for row in stored["rows"]}
    assert found["entries"] == audit.SMALL.entries
    assert found["computing the chain again"] > 0


def test_every_part_of_the_zones_bench_runs(servers: Servers, tmp_path: Path) -> None:
    with acting_for_nobody():
        report = ZonesBench(servers, zones.SMALL, lambda what: None).run()
    stored = json.loads(report.write(tmp_path).read_text("utf-8"))
    assert (stored["part"], stored["seed"]) == ("zones", SEED)
    bound = [row["what"] for row in stored["rows"] if row["bound"] is not None]
    for promise in ("B median at", "B against D at", "C against D at", "C from Valkey against D at", "import of 1,200"):
        assert any(what.startswith(promise) for what in bound), promise
    assert [row for row in stored["rows"] if "dry run and write" in row["what"] and row["met"]]


def test_a_world_is_as_large_as_asked_and_nobody_is_taken_twice(servers: Servers) -> None:
    world = World(WorldSpec((ZoneSpec(4, 1.5, waiting=8),), 1_500))
    databases = Databases(servers)
    try:
        with databases.fresh(world) as copy, psycopg.connect(embedded.libpq_url(copy.admin_url)) as db:
            slots, overlapping = db.execute(
                "SELECT (SELECT count(*) FROM schedule_slots), (SELECT count(*) FROM schedule_slots a"
                " JOIN schedule_slots b ON a.trainer_id = b.trainer_id AND a.id < b.id AND a.period && b.period)"
            ).fetchone() or (0, 0)
            indexes = db.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone()
    finally:
        databases.close()
    assert slots == world.slots == 1_500
    assert overlapping == 0
    assert indexes == (0,)


def test_the_same_specification_makes_the_same_world() -> None:
    spec = WorldSpec((ZoneSpec(4, 1.5, waiting=8),), 1_500)
    assert World(spec).zones == World(spec).zones


def test_a_bound_that_is_missed_is_told() -> None:
    rows = (at_most("statements", 7, "", 6), at_least("share", 30, "%", 25), Row("median", 1.25, "ms"))
    report = Report("engine", 1, rows)
    assert [row.what for row in report.unmet] == ["statements"]
    assert "NOT MET" in report.table().splitlines()[2]
