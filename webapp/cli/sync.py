"""``flask --app webapp trainers sync``: the synchronisation with the trainer service, now, in this process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy import select

from webapp.cli.common import as_the_system
from webapp.clients.trainer_service.said import Fault
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.db import work
from webapp.db.work import Work
from webapp.trainers.jobs import service_of
from webapp.trainers.sync_models import SyncRun
from webapp.trainers.sync_rules import RunCause, RunKind, RunState
from webapp.trainers.syncing import runs
from webapp.trainers.syncing.progress import SHRUNK, Rhythm
from webapp.trainers.syncing.running import work_off

trainers_group = AppGroup("trainers", help="The roster as a whole.")

LONGEST: Final = 3600.0
"""Seconds after which a run is left to the workers."""
LOOK_UP: Final = 0.5
"""Seconds between two looks at a run that somebody else is at."""

SENTENCES: Final = {
    Fault.NO_CONNECTION: "it could not be reached",
    Fault.TOO_SLOW: "it did not answer in time",
    Fault.TOO_MANY: "it asked to be left alone for a while",
    Fault.SERVER_ERROR: "it answered with an error of its own",
    Fault.NOT_ALLOWED: "it does not take TRAINER_SERVICE_TOKEN",
    Fault.REFUSED: "it did not understand the question: does TRAINER_SERVICE_URL name it?",
    Fault.REDIRECT: "it pointed to another address, and nobody is followed there: set TRAINER_SERVICE_URL anew",
    Fault.TOO_LARGE: "an answer was larger than the desk takes",
    Fault.NOT_JSON: "an answer was no JSON: does something else answer in its place?",
    Fault.WRONG_SHAPE: "an answer did not have the shape of the contract in docs/contracts",
    Fault.BREAKER_OPEN: "it was not asked, for it failed call after call: try again in some seconds",
    SHRUNK: "it named less than half of the trainers it named before, and nobody was taken to have left;"
    " if so many have, say --accept-shrink",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run stands."""

    state: RunState
    kind: RunKind
    problem: str | None
    seen: int
    added: int
    changed: int
    refused: int
    gone: int
    requests: int


@trainers_group.command("sync")
@click.option("--full", is_flag=True, help="Ask for everybody, and find out who has left.")
@click.option("--accept-shrink", is_flag=True, help="Believe it when far fewer trainers are left than there were.")
def sync_trainers(full: bool, accept_shrink: bool) -> None:
    """Make the roster what the trainer service says, now; goes on with a run that is open already."""
    settings: Settings = current_app.extensions["settings"]
    if settings.trainer_service_url is None:
        raise click.ClickException("TRAINER_SERVICE_URL is not set: the desk keeps the roster itself.")
    with as_the_system():
        found = _synchronised(settings, RunKind.FULL if full or accept_shrink else RunKind.DELTA, accept_shrink)
    if found.problem is not None:
        words = SENTENCES.get(found.problem, found.problem)
        raise click.ClickException(f"The trainer service was asked {found.requests} times, but {words}.")
    if found.state is not RunState.DONE:
        raise click.ClickException("It takes long; a worker goes on with it.")
    click.echo(
        f"{'Everybody' if found.kind is RunKind.FULL else 'What changed'}: {found.seen} seen, {found.added} added,"
        f" {found.changed} changed, {found.gone} left, {found.refused} in quarantine; {found.requests} requests."
    )


def _synchronised(settings: Settings, kind: RunKind, accept_shrink: bool) -> Outcome:
    """Ask for a run and work it off, or wait for whoever is at it."""

    def ask(unit: Work) -> UUID:
        # Nobody is rung for: this process does it.
        return runs.request(
            unit,
            kind,
            RunCause.PERSON,
            by=SYSTEM,
            now=clock.now(),
            accept_shrink=accept_shrink,
            after=timedelta(),
        )

    run_id, ends = work.retrying(ask), time.monotonic() + LONGEST
    while True:
        left = ends - time.monotonic()
        done = work_off(
            work.database(), service_of(settings, ends=ends), Rhythm.of(settings), now=clock.now, seconds=left
        )
        found = _outcome(run_id)
        if found.state in (RunState.DONE, RunState.FAILED) or found.problem is not None or left <= 0:
            return found
        if done is None:
            time.sleep(LOOK_UP)


def _outcome(run_id: UUID) -> Outcome:
    with work.read_only() as db:
        return Outcome(
            *db.execute(
                select(*(getattr(SyncRun, name) for name in Outcome.__slots__)).where(SyncRun.id == run_id)
            ).one()
        )
