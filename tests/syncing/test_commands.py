"""``trainers sync``, the job and its timetable, and what the doctor says of the trainer service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from tests.reference_service.running import Service, running
from tests.syncing.conftest import RHYTHM, Sync, trainer
from tests.syncing.told import Told
from tests.web.client import NOW
from webapp import jobs
from webapp.cli.sync import SENTENCES
from webapp.clients.trainer_service.said import Fault
from webapp.config import Settings
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.trainers.jobs import sync as sync_job
from webapp.trainers.syncing import progress

Run = Callable[..., Result]


@pytest.fixture
def served(sync: Sync) -> Iterator[Service]:
    """A service of twenty trainers, half of them of a franchise that nobody has linked."""
    with running(20, zones={None: [sync.make.zone()], "F1": []}) as service:
        yield service


@pytest.fixture
def settings_with(app: Flask, settings: Settings, served: Service) -> Iterator[Callable[..., Settings]]:
    """The desk's settings, with the service's address and token unless changed otherwise."""

    def change(**changes: Any) -> Settings:
        known = {"trainer_service_url": served.url, "trainer_service_token": served.token}
        changed = settings.model_copy(update=known | changes)
        app.extensions["settings"] = changed
        return changed

    change()
    yield change
    app.extensions["settings"] = settings


@pytest.fixture
def run(app: Flask, settings_with: object) -> Run:
    """Runs a command; ``refused=True`` when it must fail in words."""

    def invoke(*args: str, refused: bool = False) -> Result:
        done = app.test_cli_runner().invoke(args=list(args))
        assert (done.exit_code != 0) == refused, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        return done

    return invoke


def test_a_command_loads_the_roster_in_its_own_process(sync: Sync, run: Run, served: Service) -> None:
    first = run("trainers", "sync")
    assert first.output == ("Everybody: 20 seen, 10 added, 0 changed, 0 left, 10 in quarantine; 1 requests.\n"), (
        "what changed cannot be asked for before it is known since when"
    )
    assert sync.bells == [(JobName.RETRY_WAITLIST, sync.bells[0][1])], "nobody else is rung for"
    served.edit("T000002", name="Asha")
    assert run("trainers", "sync").output.startswith("What changed: 2 seen, 0 added, 1 changed")
    assert run("trainers", "sync", "--full").output.startswith("Everybody: 20 seen, 0 added")


def test_a_run_that_is_open_already_is_gone_on_with(sync: Sync, run: Run, served: Service) -> None:
    with sync.db.unit_of_work() as work:
        progress.schedule(work, RHYTHM, now=NOW)
    assert "20 seen" in run("trainers", "sync").output
    (done,) = sync.rows("SELECT state, cause FROM trainer_sync_runs")
    assert done == {"state": "done", "cause": "schedule"}


def test_a_failure_is_told_in_words_and_by_the_exit_code(
    run: Run, served: Service, settings_with: Callable[..., Settings]
) -> None:
    served.set(fault="401")
    failed = run("trainers", "sync", refused=True)
    assert "does not take TRAINER_SERVICE_TOKEN" in failed.output
    assert failed.exit_code == 1
    settings_with(trainer_service_url=None)
    assert "is not set" in run("trainers", "sync", refused=True).output


def test_a_shrunk_service_has_to_be_believed(run: Run, served: Service) -> None:
    run("trainers", "sync")
    served.remove(*(f"T{number:06}" for number in range(1, 15)))
    assert "--accept-shrink" in run("trainers", "sync", "--full", refused=True).output
    run("trainers", "sync", "--accept-shrink")
    assert "14 left" in run("trainers", "sync", "--accept-shrink").output


def test_every_fault_has_its_words() -> None:
    assert set(Fault) <= set(SENTENCES)


def test_the_job_and_the_timetable_do_nothing_without_a_service(sync: Sync, settings: Settings) -> None:
    context = JobContext(settings, sync.db, lambda: NOW)
    for entry in jobs.PERIODIC:
        if entry.job is JobName.SYNC_TRAINERS:
            jobs.perform(context, entry.job, entry.handler, {})
            assert entry.every == timedelta(seconds=5)
    jobs.perform(context, JobName.SYNC_TRAINERS, jobs.HANDLERS[JobName.SYNC_TRAINERS], {})
    assert (sync.rows("SELECT FROM trainer_sync_runs"), sync.bells) == ([], [])


def test_the_timetable_asks_and_the_job_answers(
    sync: Sync, settings_with: Callable[..., Settings], served: Service
) -> None:
    context = JobContext(settings_with(), sync.db, lambda: NOW)
    (entry,) = (one for one in jobs.PERIODIC if one.job is JobName.SYNC_TRAINERS)
    jobs.perform(context, entry.job, entry.handler, {})
    assert sync.bells == [(JobName.SYNC_TRAINERS, {})]
    jobs.perform(context, JobName.SYNC_TRAINERS, jobs.HANDLERS[JobName.SYNC_TRAINERS], {})
    (done,) = sync.rows("SELECT state, cause, added FROM trainer_sync_runs")
    assert done == {"state": "done", "cause": "schedule", "added": 10}
    assert {row["source"] for row in sync.rows("SELECT source FROM audit_entries WHERE what = 'trainer.created'")} == {
        "job"
    }
    jobs.perform(context, JobName.SYNC_TRAINERS, jobs.HANDLERS[JobName.SYNC_TRAINERS], {})
    assert served.asked == 1, "rung once too often, it does nothing"


def test_a_job_takes_a_service_of_a_test_s_own(sync: Sync, settings: Settings) -> None:
    service = Told(trainer("T1", sync.make.zone()))
    with sync.db.unit_of_work() as work:
        progress.schedule(work, RHYTHM, now=NOW)
    sync_job(JobContext(settings, sync.db, lambda: NOW), open_service=service)
    assert sync.trainer("T1") is not None


# -- the doctor ----------------------------------------------------------------------------------------------------


def doctor(app: Flask) -> dict[str, str]:
    """The doctor's lines about the service."""
    done = app.test_cli_runner().invoke(args=["doctor"])
    cells = [line.split("  ", 1) for line in done.output.splitlines()]
    return {cell[0]: " ".join(cell[1].split()) for cell in cells if len(cell) == 2 and cell[0].startswith("trainer")}


def test_the_doctor_says_how_the_roster_is_kept(
    app: Flask, sync: Sync, settings_with: Callable[..., Settings], at: Callable[[Any], None]
) -> None:
    assert doctor(app)["trainer service"].startswith("FAILED not reached yet; the roster is as of never")
    service = Told(trainer("T1", sync.make.zone()), trainer("T2", franchise="FX"))
    sync.run(service)
    assert doctor(app) == {
        "trainer service": "ok speaks the bulk contract; the roster is as of 2027-01-01 03:30 UTC",
        "trainer quarantine": "note 1 trainers cannot be put on the roster: an admin has to say what names mean",
        "trainer service breaker": "ok closed",
    }
    with sync.db.unit_of_work() as work:
        work.db.connection().exec_driver_sql("UPDATE trainer_service_state SET opened_at = %s", (NOW,))
    assert doctor(app)["trainer service breaker"].startswith("note open since 2027-01-01 03:30 UTC")
    at(NOW + timedelta(minutes=16))
    told = doctor(app)
    assert told["trainer service"].startswith("FAILED speaks the bulk contract; the roster is as of 2027-01-01 03:30")
    settings_with(trainer_service_url=None)
    assert doctor(app) == {"trainer service": "ok TRAINER_SERVICE_URL is not set: the desk keeps the roster itself"}
