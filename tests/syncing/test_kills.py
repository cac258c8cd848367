"""A worker that is killed between pages or inside one loses nothing, and repeats nothing that matters."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.jobs.builders import DONE, until
from tests.jobs.conftest import OwnDesk, desk, own_redis
from tests.reference_service.running import Service, running
from webapp.core.actor import SYSTEM
from webapp.db.tenancy import acting_as
from webapp.trainers.sync_rules import RunCause, RunKind
from webapp.trainers.syncing import runs

pytestmark = pytest.mark.race
__all__ = ["desk", "own_redis"]

TRAINERS = 1200
LATER = DONE + timedelta(minutes=1)


def run_now(desk: OwnDesk) -> dict[str, Any]:
    """The one run, as it stands."""
    with desk.database.read_only() as db:
        return dict(db.execute(text("SELECT * FROM trainer_sync_runs")).mappings().one())


def number(desk: OwnDesk, sql: str) -> int:
    with desk.database.read_only() as db:
        found: int = db.execute(text(sql)).scalar_one()
    return found


def ring(desk: OwnDesk) -> None:
    """Ask for everybody, or ring again for the run there is."""
    with acting_as(SYSTEM), desk.database.unit_of_work() as work:
        runs.request(work, RunKind.FULL, RunCause.PERSON, by=SYSTEM, now=DONE)


def start(desk: OwnDesk, service: Service, now: datetime) -> subprocess.Popen[bytes]:
    """A worker that asks the service; its clock begins at ``now``."""
    return desk.start(
        ZONEDESK_NOW=now.isoformat(), TRAINER_SERVICE_URL=service.url, TRAINER_SERVICE_TOKEN=service.token
    )


def kill(worker: subprocess.Popen[bytes]) -> None:
    """The worker and the work-horse at work, as by losing power."""
    horses = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text("utf-8").split()
    os.kill(worker.pid, signal.SIGKILL)
    for horse in horses:
        os.kill(int(horse), signal.SIGKILL)
    worker.wait()


@pytest.fixture
def service(desk: OwnDesk) -> Iterator[Service]:
    """A service of three pages, each of which takes its time."""
    zone = desk.make.zone()
    with running(TRAINERS, zones={None: [zone]}, all_hours=True, latency_ms=700) as started:
        yield started


def all_is_well(desk: OwnDesk) -> None:
    assert run_now(desk)["problem"] is None
    assert number(desk, "SELECT count(*) FROM trainers") == TRAINERS
    assert number(desk, "SELECT count(*) FROM working_hours") == 7 * TRAINERS
    created = "FROM audit_entries WHERE what = 'trainer.created'"
    assert number(desk, f"SELECT count(*) {created}") == TRAINERS
    assert number(desk, f"SELECT count(DISTINCT subject_id) {created}") == TRAINERS
    assert number(desk, "SELECT count(*) FROM trainer_sync_changes") == TRAINERS
    assert run_now(desk)["seen"] == run_now(desk)["added"] == TRAINERS


def test_between_two_pages(desk: OwnDesk, service: Service) -> None:
    ring(desk)
    worker = start(desk, service, DONE)
    until(lambda: run_now(desk)["pages"] == 1, "the first page is on the roster")
    kill(worker)
    assert (run_now(desk)["state"], run_now(desk)["pages"]) == ("running", 1)
    assert number(desk, "SELECT count(*) FROM trainers") == 500
    service.set(latency_ms=0)
    service.reset_counts()
    ring(desk)
    start(desk, service, LATER)
    until(lambda: run_now(desk)["state"] == "done", "another worker goes on")
    all_is_well(desk)
    assert service.asked == 2, "the first page is not asked for again"


def test_inside_a_page(desk: OwnDesk, service: Service) -> None:
    service.set(latency_ms=0)
    with held(desk):
        ring(desk)
        worker = start(desk, service, DONE)
        until(lambda: waits(desk), "the page is written and about to be committed")
        kill(worker)
    assert number(desk, "SELECT count(*) FROM trainers") == 0
    assert (run_now(desk)["state"], run_now(desk)["cursor"]) == ("running", None)
    ring(desk)
    start(desk, service, LATER)
    until(lambda: run_now(desk)["state"] == "done", "another worker begins again")
    all_is_well(desk)


@contextmanager
def held(desk: OwnDesk) -> Iterator[None]:
    """Hold what a page writes last."""
    engine = create_engine(desk.settings.database_url)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SET ROLE zonedesk_app; SET app.sees_everything = 'on'"))
        connection.execute(text("SELECT FROM trainer_service_state FOR UPDATE"))
        yield
    engine.dispose()


def waits(desk: OwnDesk) -> bool:
    """Whether somebody waits for a lock."""
    return number(desk, "SELECT count(*) FROM pg_locks WHERE NOT granted") > 0
