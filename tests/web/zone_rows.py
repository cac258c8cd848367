"""Imports of zones as tests of many pages want them: one with a long report, one that waits."""

from __future__ import annotations

from uuid import UUID

from tests.web.client import NOW
from webapp.config import Settings
from webapp.core.actor import Actor
from webapp.db.job_context import JobContext
from webapp.db.work import Database
from webapp.trainers.queries import worked_in
from webapp.zones import jobs
from webapp.zones.files.said import FileFormat
from webapp.zones.imports import promising

HEAD = "name,time_zone,center_lat,center_lng,radius_km\n"


def imports_of(operator_id: UUID, database: Database, settings: Settings, *, by: Actor, marker: str = "") -> None:
    """A file of forty rows that was looked at, half of them bad; and a file that waits."""

    def send(content: str) -> None:
        with database.unit_of_work() as work:
            promising.take_file(work, content.encode(), FileFormat.CSV, operator_id=operator_id, by=by, now=NOW)

    rows = [f"{marker} Area {n},UTC,{-80 + n},{n},{'nothing' if n % 2 else 1}" for n in range(40)]
    send(HEAD + "\n".join(rows))
    jobs.import_zones(JobContext(settings, database, lambda: NOW), worked_in=worked_in)
    send(HEAD + f"{marker} Waits,UTC,1,1,1\n")
