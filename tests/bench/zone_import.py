"""How long it takes to take in many zones, and how much memory: in a process that does nothing else.

``python -m tests.bench.zone_import URL NUMBER [polygons]`` prints the figures as JSON.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.bench import territories
from tests.bench.report import Row, at_most
from tests.bench.world import NOW
from tests.services import ROOT
from webapp.core.actor import SYSTEM
from webapp.core.ids import COMPANY_ID
from webapp.db.tenancy import acting_as
from webapp.db.work import Database, connect
from webapp.zones import queries, service
from webapp.zones.importing import plan_import, read_zones
from webapp.zones.rules import ZoneCommand

SECONDS = 20.0
MEGABYTES = 64.0
"""Memory is flat when it grows by no more than that for the largest file."""


def measured(url: str, number: int, *, polygons: bool) -> list[Row]:
    """The figures of an empty database at ``url``, as rows."""
    command = [sys.executable, "-m", "tests.bench.zone_import", url, str(number), *(["polygons"] if polygons else [])]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    of = f"{number:,} zones, half of them polygons" if polygons else f"{number:,} zones from CSV"
    return [
        *(Row(f"import of {of}: {what}", seconds, "s") for what, seconds in found["seconds"].items()),
        at_most(f"import of {of}: dry run and write", found["both"], "s", SECONDS),
        at_most(f"import of {of}: memory it grows by", found["megabytes"], "MB", MEGABYTES),
    ]


def _file(wanted: list[ZoneCommand]) -> bytes:
    lines = [",".join(("name", "time_zone", "center_lat", "center_lng", "radius_km"))]
    for zone in wanted:
        center = zone.measured_center
        lines.append(f"{zone.name},{zone.time_zone},{center.lat!r},{center.lng!r},{territories.REACH_KM}")
    return "\n".join(lines).encode()


def _figures(database: Database, wanted: list[ZoneCommand], *, polygons: bool) -> dict[str, object]:
    seconds: dict[str, float] = {}

    def timed(what: str, task: Callable[[], tuple[int, int, int]], expected: tuple[int, int, int]) -> None:
        began = time.perf_counter()
        assert task() == expected
        seconds[what] = time.perf_counter() - began

    data = b"" if polygons else _file(wanted)

    def read() -> list[ZoneCommand]:
        return wanted if polygons else list(read_zones(data, franchise_id=None).commands)

    def dry_run() -> tuple[int, int, int]:
        with database.read_only() as db:
            plan = plan_import(queries.zones_by_key(db, COMPANY_ID), read())
        return len(plan.created), len(plan.updated), plan.unchanged

    def write(label: str) -> tuple[int, int, int]:
        zones = [replace(zone, label=label) for zone in read()]
        plan = database.retrying(
            lambda work: service.import_zones(work, zones, operator_id=COMPANY_ID, by=SYSTEM, now=NOW)
        )
        return len(plan.created), len(plan.updated), plan.unchanged

    number, before = len(wanted), _peak()
    timed("dry run", dry_run, (number, 0, 0))
    timed("write", lambda: write(""), (number, 0, 0))
    grown = _peak() - before
    timed("the same again, which changes nothing", lambda: write(""), (0, 0, number))
    timed("all of them changed", lambda: write("New"), (0, number, 0))
    return {"seconds": seconds, "both": seconds["dry run"] + seconds["write"], "megabytes": grown}


def _peak() -> float:
    """The most memory this process has had, in megabytes."""
    told = Path("/proc/self/status")
    if told.exists():  # Linux's getrusage counts what the process was before it became this program
        (line,) = (line for line in told.read_text("ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def main(url: str, number: int, *, polygons: bool) -> None:
    """Measure, and print what was found."""
    engine = connect(url, pool_size=1)
    with acting_as(SYSTEM):
        wanted = list(territories.commands(number))
        print(json.dumps(_figures(Database(engine, lambda job, ids: None), wanted, polygons=polygons)))
    engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), polygons="polygons" in sys.argv)
