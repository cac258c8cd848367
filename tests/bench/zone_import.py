"""How long it takes to take in many zones, and how much memory: in a process that does nothing else.

``python -m tests.bench.zone_import URL NUMBER [polygons]`` prints the figures as JSON.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from tests.bench import territories
from tests.bench.report import Row, at_most
from tests.bench.world import NOW
from tests.services import ROOT
from webapp import logs
from webapp.config import load_settings
from webapp.core.actor import Actor, ActorKind, Role
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_as
from webapp.db.work import Database, connect
from webapp.trainers.queries import worked_in
from webapp.web.csv_export import csv_lines
from webapp.zones import jobs
from webapp.zones.files.said import FileFormat
from webapp.zones.files.writing import HEADING, ExportedZone, csv_cells, geojson_pieces
from webapp.zones.import_rules import ImportMode
from webapp.zones.imports import promising, reading
from webapp.zones.rules import ZoneCommand

SECONDS = 20.0
MEGABYTES = 64.0
"""Memory is flat when it grows by no more than that for the largest file."""


def measured(url: str, number: int, *, polygons: bool) -> list[Row]:
    """The figures of an empty database at ``url``, as rows."""
    command = [sys.executable, "-m", "tests.bench.zone_import", url, str(number), *(["polygons"] if polygons else [])]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    of = f"{number:,} zones from GeoJSON, half of them polygons" if polygons else f"{number:,} zones from CSV"
    return [
        *(Row(f"import of {of}: {what}", seconds, "s") for what, seconds in found["seconds"].items()),
        at_most(f"import of {of}: dry run and write", found["both"], "s", SECONDS),
        at_most(f"import of {of}: memory it grows by", found["megabytes"], "MB", MEGABYTES),
    ]


BY = Actor(ActorKind.USER, new_id(), "Admin", Role.ADMIN, COMPANY_ID)


def _file(wanted: list[ZoneCommand], kind: FileFormat) -> bytes:
    zones = [ExportedZone("", zone) for zone in wanted]
    return b"".join(csv_lines(HEADING, csv_cells(zones)) if kind is FileFormat.CSV else geojson_pieces(zones))


def _figures(database: Database, wanted: list[ZoneCommand], *, polygons: bool) -> dict[str, object]:
    """What the worker takes for each step; the file is sent by another process, so it is made before memory counts."""
    kind = FileFormat.GEOJSON if polygons else FileFormat.CSV
    if not polygons:
        wanted = [
            replace(zone, ring=None, center=zone.measured_center, radius_km=territories.REACH_KM, max_travel_km=None)
            for zone in wanted
        ]
    number = len(wanted)
    first, changed = _file(wanted, kind), _file([replace(zone, label="New") for zone in wanted], kind)
    del wanted
    seconds: dict[str, float] = {}
    settings = load_settings(ZONEDESK_ENV="test", log_level="WARNING")
    logs.configure(settings)  # what is printed is the figures alone
    context = JobContext(settings, database, lambda: NOW)

    def send(content: bytes) -> UUID:
        with database.unit_of_work() as work:
            return promising.take_file(work, content, kind, operator_id=COMPANY_ID, by=BY, now=NOW)

    def timed(what: str) -> None:
        began = time.perf_counter()
        assert jobs.import_zones(context, worked_in=worked_in) == 1
        seconds[what] = time.perf_counter() - began

    def look(import_id: UUID, what: str, expected: tuple[int, int, int]) -> None:
        timed(what)
        with database.read_only() as db:
            line = reading.import_line(db, import_id, visible_to=BY)
        assert (line.new, line.changed, line.same) == expected, line

    def write(import_id: UUID, what: str) -> None:
        with database.unit_of_work() as work:
            promising.ask_to_write(work, import_id, ImportMode.ALL, by=BY, now=NOW)
        timed(what)

    sent = send(first)
    before = _peak()
    look(sent, "dry run", (number, 0, 0))
    write(sent, "write")
    grown = _peak() - before
    look(send(first), "the same again, which changes nothing", (0, 0, number))
    sent = send(changed)
    look(sent, "dry run of all of them changed", (0, number, 0))
    write(sent, "write of all of them changed")
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
    with acting_as(BY):
        wanted = list(territories.commands(number))
        print(json.dumps(_figures(Database(engine, lambda job, ids: None), wanted, polygons=polygons)))
    engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), polygons="polygons" in sys.argv)
