"""What the tests of the synchronisation share: runs worked off in the test's transaction, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.make import Make
from tests.syncing.told import Told
from tests.web.client import NOW, Bell
from webapp.clients.trainer_service.said import SaidTrainer
from webapp.core.actor import SYSTEM
from webapp.core.job_names import JobName
from webapp.db.tenancy import acting_as
from webapp.db.work import Database
from webapp.trainers.sync_rules import LinkKind, RunCause, RunKind
from webapp.trainers.syncing import linking, runs
from webapp.trainers.syncing.progress import Rhythm
from webapp.trainers.syncing.running import work_off

RHYTHM = Rhythm(timedelta(seconds=30), timedelta(hours=6))
LONG_AGO = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass
class Sync:
    """The synchronisation of one test."""

    db: Database
    make: Make
    bells: list[Bell]

    def run(
        self,
        service: Told,
        kind: RunKind = RunKind.FULL,
        *,
        cause: RunCause = RunCause.PERSON,
        now: datetime = NOW,
        accept_shrink: bool = False,
        seconds: float = 60.0,
    ) -> dict[str, Any]:
        """Ask for a run and work it off; the run as it stands then."""
        with self.db.unit_of_work() as work:
            run_id = runs.request(work, kind, cause, by=SYSTEM, now=now, accept_shrink=accept_shrink)
        self.go_on(service, now=now, seconds=seconds)
        return self.run_of(run_id)

    def go_on(self, service: Told, *, now: datetime = NOW, seconds: float = 60.0) -> UUID | None:
        """Work off whatever is open."""
        with acting_as(SYSTEM):
            return work_off(self.db, service, RHYTHM, now=lambda: now, seconds=seconds)

    def link(self, kind: LinkKind, name: str, target_id: UUID, *, moves: bool = True) -> UUID:
        """Say what a name means; that a trainer moves by it is meant."""
        with self.db.unit_of_work() as work:
            return linking.link(work, kind, name, target_id, moves=moves, by=SYSTEM, now=NOW)

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """Whatever a test wants to look at."""
        with self.db.read_only() as db:
            return [dict(row) for row in db.execute(text(sql), values).mappings()]

    def run_of(self, run_id: UUID) -> dict[str, Any]:
        """A run."""
        return self.rows("SELECT * FROM trainer_sync_runs WHERE id = :id", id=run_id)[0]

    def state(self) -> dict[str, Any]:
        """What is known of the service."""
        return self.rows("SELECT * FROM trainer_service_state")[0]

    def trainer(self, service_id: str) -> dict[str, Any] | None:
        """A trainer of the service on the roster, with their lists."""
        found = self.rows(
            """
            SELECT t.*, ARRAY(SELECT c.name FROM trainer_courses x JOIN courses c ON c.id = x.course_id
                              WHERE x.trainer_id = t.id ORDER BY c.name) AS courses,
                   ARRAY(SELECT zone_id FROM trainer_zones z WHERE z.trainer_id = t.id ORDER BY zone_id) AS zones,
                   (SELECT count(*) FROM working_hours h WHERE h.trainer_id = t.id) AS hours,
                   ARRAY(SELECT o.reason FROM time_off o WHERE o.trainer_id = t.id AND o.from_service
                         ORDER BY o.period) AS away
            FROM trainers t WHERE service_id = :id
            """,
            id=service_id,
        )
        return found[0] if found else None

    def record(self, service_id: str) -> dict[str, Any]:
        """What was said of a trainer and what came of it."""
        return self.rows("SELECT * FROM trainer_service_records WHERE service_id = :id", id=service_id)[0]

    def changes(self, run: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
        """What a run changed: kind, id and facts."""
        sql = "SELECT kind, service_id, facts FROM trainer_sync_changes WHERE run_id = :id ORDER BY service_id, kind"
        return [(row["kind"], row["service_id"], row["facts"]) for row in self.rows(sql, id=run["id"])]

    def audited(self, what: str = "trainer.%") -> list[dict[str, Any]]:
        """Entries of the audit, oldest first."""
        return self.rows("SELECT * FROM audit_entries WHERE what LIKE :what ORDER BY id", what=what)

    def helped(self) -> set[str]:
        """The operators whose waitlist was rung for."""
        return {ids["operator_id"] for job, ids in self.bells if job is JobName.RETRY_WAITLIST}


@pytest.fixture
def sync(db: Database, make: Make, bells: list[Bell]) -> Sync:
    """The synchronisation, on the test's transaction; courses Mathematics and Hindi exist."""
    make.course("Mathematics")
    make.course("Hindi")
    return Sync(db, make, bells)


def trainer(service_id: str = "T1", *zones: UUID | str, **fields: Any) -> SaidTrainer:
    """A trainer of the company, as the service says."""
    said: dict[str, Any] = {
        "updated_at": LONG_AGO,
        "name": f"Trainer {service_id}",
        "available": True,
        "franchise": None,
        "courses": ("Mathematics",),
    }
    if zones:
        said["zones"] = tuple(map(str, zones))
    return SaidTrainer(service_id, **said | fields)


def counts(run: dict[str, Any]) -> dict[str, int]:
    """What a run counted, but for nothing."""
    names: Sequence[str] = ("seen", "added", "changed", "unchanged", "refused", "gone")
    return {name: run[name] for name in names if run[name]}
