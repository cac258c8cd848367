"""Working off the open run: asking the service outside any transaction, applying each answer in one.

Whoever is killed leaves the run as the last transaction wrote it. Its lease runs out, and the next goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog
from rq.timeouts import BaseTimeoutException
from sqlalchemy.exc import SQLAlchemyError

from webapp.clients.trainer_service.client import BreakerState
from webapp.clients.trainer_service.said import BulkPage, Fault, LegacyPage, ServiceFailed
from webapp.core.errors import Conflict
from webapp.core.job_names import JobName
from webapp.db.work import Database, Work
from webapp.trainers.sync_models import ServiceState, SyncRun
from webapp.trainers.sync_rules import Contract
from webapp.trainers.syncing import bulk, closing, cursors, deployed, progress, runs, told
from webapp.trainers.syncing.leaving import Shrunk
from webapp.trainers.syncing.lists import Place
from webapp.trainers.syncing.progress import SHRUNK, Rhythm
from webapp.trainers.syncing.runs import Claim, LeaseLost, Widened
from webapp.trainers.syncing.stage import Asked, OutOfTime, Stage

log = structlog.get_logger(__name__)


class Open(Protocol):
    """Makes the service ready to be asked, as it was left the last time."""

    def __call__(self, *, breaker: BreakerState, retry_tokens: float) -> Asked:
        """The service."""
        ...


def work_off(
    database: Database, open_service: Open, rhythm: Rhythm, *, now: Callable[[], datetime], seconds: float
) -> UUID | None:
    """Work off the open run, as far as ``seconds`` go; its id, or none when nothing is due or somebody is at it.

    It acts for the desk itself, over all operators. However the service fares, that is put down with the run; what is
    raised is a fault of ours, and the run has failed then.
    """
    ends = time.monotonic() + seconds
    claim: Claim | None = database.retrying(lambda work: runs.claim(work, now=now()))
    if claim is None:
        return None
    service = open_service(breaker=claim.breaker, retry_tokens=claim.retry_tokens)
    stage = Stage(database, claim, service, rhythm, now, ends)
    with structlog.contextvars.bound_contextvars(sync_run=str(claim.run_id)):
        try:
            _carry_on(stage)
        except LeaseLost:
            log.warning("trainer_sync.overtaken")
        except (OutOfTime, Widened) as reason:
            _hand_over(stage)
            log.info("trainer_sync.handed_over", reason=type(reason).__name__)
        except ServiceFailed as failure:
            goes_on = failure.fault is not Fault.REFUSED
            _fail(stage, failure.fault.value, goes_on=goes_on, retry_after=failure.retry_after)
        except Shrunk:
            _fail(stage, SHRUNK, goes_on=False)
        except Conflict as busy:
            _fail(stage, busy.code, goes_on=True)
        except BaseTimeoutException:
            raise  # RQ stops the whole job: the lease runs out, and the next goes on from the page
        except Exception as error:
            with suppress(SQLAlchemyError):  # the database may be what failed; then, too, the lease runs out
                _fail(stage, f"unexpected-{type(error).__name__}"[:64], goes_on=False)
            raise
    return claim.run_id


def _carry_on(stage: Stage) -> None:
    cursor = stage.claim.cursor if stage.claim.cursor is not None else _begin(stage)
    while True:
        stage.check_time()
        then = _step(stage, cursor)
        if then is None:
            break
        cursor = then
    log.info("trainer_sync.done", kind=stage.claim.kind.value, requests=stage.service.tally.requests)


def _begin(stage: Stage) -> str:
    """The first question, whose answer tells the contract. Whom messages named is asked for without it."""
    if not stage.is_full and stage.claim.contract is Contract.LEGACY:
        return _take_told(stage, "")
    return _look_at_everybody(stage)


def _look_at_everybody(stage: Stage) -> str:
    answer = stage.service.first_page(since=stage.claim.since, etag=stage.claim.etag)
    if isinstance(answer, LegacyPage):
        return deployed.take_first(stage, answer)
    return bulk.take_first(stage, answer) if isinstance(answer, BulkPage) else bulk.take_nothing_new(stage, answer)


def _take_told(stage: Stage, after: str) -> str:
    """Ask for some of whom messages named; for everybody, where the list has to be seen for that."""
    then = told.take(stage, after)
    return _look_at_everybody(stage) if then is None else then


def _step(stage: Stage, cursor: str) -> str | None:
    """Do what is next; returns what is next after that."""
    word, colon, rest = cursor.partition(":")
    match word + colon:
        case cursors.PAGE:
            return bulk.take_next(stage, rest)
        case cursors.LIST:
            return deployed.take_next(stage, Place.of(rest))
        case cursors.TOLD:
            return _take_told(stage, rest)
        case cursors.AGED:
            return deployed.take_aged(stage, int(rest or 0))
        case cursors.MISSED:
            return closing.count_missed(stage)
        case cursors.LEAVE:
            return closing.let_leave(stage)
        case _:
            return closing.look_again(stage, rest)


def _hand_over(stage: Stage) -> None:
    """Let the run wait, and ring for whoever goes on with it."""

    def task(work: Work, run: SyncRun, _state: ServiceState) -> None:
        runs.put_off(run, at=stage.now())
        work.after_commit(JobName.SYNC_TRAINERS)

    with suppress(LeaseLost):
        stage.write(task, whatever_kind=True)


def _fail(stage: Stage, problem: str, *, goes_on: bool, retry_after: float | None = None) -> None:
    def task(work: Work, run: SyncRun, state: ServiceState) -> None:
        progress.fail(
            work, run, state, stage.rhythm, problem, now=stage.now(), goes_on=goes_on, retry_after=retry_after
        )

    with suppress(LeaseLost):
        stage.write(task, whatever_kind=True)
    log.warning("trainer_sync.failed", problem=problem, requests=stage.service.tally.requests)
