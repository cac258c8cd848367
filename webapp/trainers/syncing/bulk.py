"""The bulk contract: everybody, or who changed, page by page."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from webapp.clients.trainer_service.said import BulkPage, Fault, NotModified, SaidTrainer, ServiceFailed
from webapp.db.work import Work
from webapp.trainers.sync_models import ServiceState, SyncRun
from webapp.trainers.sync_rules import Contract
from webapp.trainers.syncing import progress
from webapp.trainers.syncing.applying import apply
from webapp.trainers.syncing.cursors import AGAIN, MISSED, PAGE
from webapp.trainers.syncing.heard import Heard
from webapp.trainers.syncing.progress import Learned
from webapp.trainers.syncing.stage import Stage

MOST_PAGES: Final = 10_000
"""A service that always names another page is asked no further."""


def take_nothing_new(stage: Stage, answer: NotModified) -> str:
    """The answer is the one of last time."""
    stage.etag = stage.claim.etag
    return _write(stage, BulkPage((), None, stage.claim.etag, answer.served_at), AGAIN)


def take_first(stage: Stage, page: BulkPage) -> str:
    """Apply a run's first page; returns where it goes on."""
    stage.served_at = page.served_at
    stage.etag = page.etag if page.next_cursor is None else None
    return _take(stage, page)


def take_next(stage: Stage, cursor: str) -> str:
    """Ask for the page of a cursor and apply it; returns where it goes on."""
    return _take(stage, stage.service.bulk_page(since=stage.claim.since, cursor=cursor))


def _take(stage: Stage, page: BulkPage) -> str:
    if page.next_cursor is not None:
        return _write(stage, page, PAGE + page.next_cursor)
    return _write(stage, page, MISSED if stage.is_full else AGAIN)


def _write(stage: Stage, page: BulkPage, then: str) -> str:
    learned = Learned(Contract.BULK, _newest(stage, page), page.total)

    def task(work: Work, run: SyncRun, _state: ServiceState) -> None:
        if run.pages >= MOST_PAGES:
            raise ServiceFailed(Fault.WRONG_SHAPE)
        counts = apply(work, map(Heard, page.items), stage.cause, now=stage.now())
        progress.advance(run, cursor=then, now=stage.now(), counts=counts, learned=learned, pages=1)

    stage.write(task)
    return then


def _newest(stage: Stage, page: BulkPage) -> datetime | None:
    """Up to when changes are known with this page, by the service's own clock, however wrong that goes.

    Not later than the run's first answer: who changed since may stand on a page that was read before. Who goes on with
    a run does not know when that was, and leaves it at what is noted: asking for too much costs little.
    """
    if stage.served_at is None:
        return None
    changed = [one.updated_at for one in page.items if isinstance(one, SaidTrainer) and one.updated_at is not None]
    return min(max(changed), stage.served_at) if changed else None
