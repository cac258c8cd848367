"""The bulk contract: everybody, or who changed, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from webapp.clients.trainer_service.parsing import BULK_LIMIT
from webapp.clients.trainer_service.said import BulkPage, Fault, NotModified, Said, SaidTrainer, ServiceFailed
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
_SINCE: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Nobody changed before: a zero is what some languages write for an instant that is not known."""


def take_nothing_new(stage: Stage, answer: NotModified) -> str:
    """The answer is the one of last time."""
    stage.etag = stage.claim.etag
    _compare_clocks(stage, answer.served_at)
    return _write(stage, BulkPage((), None, stage.claim.etag, answer.served_at), AGAIN)


def take_first(stage: Stage, page: BulkPage) -> str:
    """Apply a run's first page; returns where it goes on."""
    stage.served_at = page.served_at
    stage.etag = page.etag if page.next_cursor is None else None
    _compare_clocks(stage, page.served_at)
    return _take(stage, page)


def take_next(stage: Stage, cursor: str) -> str:
    """Ask for the page of a cursor and apply it; returns where it goes on."""
    return _take(stage, stage.service.bulk_page(since=stage.claim.since, cursor=cursor))


def _compare_clocks(stage: Stage, served_at: datetime | None) -> None:
    """What is asked for lies in the future of the service: its clock was ahead, and its answers say nothing."""
    since = stage.claim.since
    if since is not None and served_at is not None and served_at < since:
        stage.doubt()


def _take(stage: Stage, page: BulkPage) -> str:
    if page.next_cursor is not None:
        return _write(stage, page, PAGE + page.next_cursor)
    return _write(stage, page, MISSED if stage.is_full else AGAIN)


def _write(stage: Stage, page: BulkPage, then: str) -> str:
    """Apply a page. A service that sends more than it was asked for does not make transactions longer: they would keep
    bookings waiting. The cursor goes on with the last slice, so whoever is killed before takes the page anew.
    """
    learned = Learned(Contract.BULK, _newest(stage, page), page.total)
    *earlier, last = [page.items[at : at + BULK_LIMIT] for at in range(0, len(page.items), BULK_LIMIT)] or [()]
    for slice_ in earlier:
        stage.write(partial(_apply, stage, slice_))

    def task(work: Work, run: SyncRun, state: ServiceState) -> None:
        if run.pages >= MOST_PAGES:
            raise ServiceFailed(Fault.WRONG_SHAPE)
        _apply(stage, last, work, run, state)
        progress.advance(run, cursor=then, now=stage.now(), learned=learned, pages=1)

    stage.write(task)
    return then


def _apply(stage: Stage, items: Sequence[Said], work: Work, run: SyncRun, _state: ServiceState) -> None:
    counts = apply(work, map(Heard, items), stage.cause, now=stage.now())
    progress.advance(run, cursor=run.cursor, now=stage.now(), counts=counts)


def _newest(stage: Stage, page: BulkPage) -> datetime | None:
    """Up to when changes are known with this page, by the service's own clock, however wrong that goes.

    Not later than the run's first answer: who changed since may stand on a page that was read before. Who goes on with
    a run does not know when that was, and leaves it at what is noted: asking for too much costs little. A service that
    does not say when it answered is believed up to now by our clock.
    """
    if stage.served_at is None and stage.claim.cursor is not None:
        return None
    changed = [one.updated_at for one in page.items if isinstance(one, SaidTrainer) and one.updated_at is not None]
    plausible = [at for at in changed if at >= _SINCE]
    return min(max(plausible), stage.served_at or stage.claim.started_at) if plausible else None
