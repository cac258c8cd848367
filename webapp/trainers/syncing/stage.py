"""What every part of a run has in hand: the service, the claim, the clock, and the one way to write."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

from sqlalchemy.exc import IntegrityError

from webapp.clients.trainer_service.client import BreakerState, TrainerService
from webapp.clients.trainer_service.said import Tally
from webapp.db.base import sqlstate_of
from webapp.db.work import Database, Work
from webapp.trainers.sync_models import ServiceState, SyncRun
from webapp.trainers.sync_rules import RunKind
from webapp.trainers.syncing import progress, runs
from webapp.trainers.syncing.heard import Cause
from webapp.trainers.syncing.progress import Rhythm, Spent
from webapp.trainers.syncing.records import hold_meanings
from webapp.trainers.syncing.runs import Claim

RENEW_AFTER: Final = timedelta(seconds=10)
_FOREIGN_KEY: Final = "23503"
_TRIES: Final = 3

T = TypeVar("T")


class OutOfTime(Exception):
    """The job has used up its time: the run goes on in another."""


class Keeper(Protocol):
    """What remembers how the service fared."""

    @property
    def state(self) -> BreakerState:
        """What the next process has to know."""
        ...


class Asked(TrainerService, Protocol):
    """A service that tells what it has learned, for the next process to go on with."""

    @property
    def breaker(self) -> Keeper:
        """The circuit breaker."""
        ...

    @property
    def retry_tokens(self) -> float:
        """Retries in store."""
        ...


@dataclass(slots=True)
class Stage:
    """One run in one process."""

    database: Database
    claim: Claim
    service: Asked
    rhythm: Rhythm
    now: Callable[[], datetime]
    ends: float
    """Of the monotonic clock: when the process has to hand over."""
    etag: str | None = None
    """That of the answer, when it was a single page."""
    served_at: datetime | None = None
    """When the run's first answer was given, by the service's clock; nothing where the run is gone on with."""
    _charged: Tally = field(default_factory=Tally)
    _renewed_at: datetime | None = None

    @property
    def is_full(self) -> bool:
        """Whether it looks at everybody."""
        return self.claim.kind is RunKind.FULL

    @property
    def cause(self) -> Cause:
        """What the roster is changed because of."""
        return Cause(run_id=self.claim.run_id, full=self.is_full)

    def check_time(self) -> None:
        """Raise ``OutOfTime`` when it is time to hand over."""
        if self.is_over:
            raise OutOfTime

    @property
    def is_over(self) -> bool:
        """Whether it is time to hand over."""
        return time.monotonic() >= self.ends

    def write(self, task: Callable[[Work, SyncRun, ServiceState], T], *, whatever_kind: bool = False) -> T:
        """Do something in a transaction that holds the run, and put down what the questions before it cost.

        Raises ``LeaseLost`` and ``Widened``: then nothing was written. ``task`` may be done several times.
        """
        tally = replace(self.service.tally, errors=dict(self.service.tally.errors))
        spent = Spent(_since(self._charged, tally), self.service.breaker.state, self.service.retry_tokens)

        def page(work: Work) -> T:
            run = runs.hold(work.db, self.claim, whatever_kind=whatever_kind)
            hold_meanings(work.db)
            return task(work, run, progress.charge(work.db, run, spent))

        done = self._again(lambda: self.database.retrying(page))
        self._charged, self._renewed_at = tally, self.now()
        return done

    def _again(self, task: Callable[[], T]) -> T:
        """Do something, and once more where a zone or a course went while it was under way: then it reads anew."""
        for _ in range(_TRIES - 1):
            try:
                return task()
            except IntegrityError as error:
                if sqlstate_of(error) != _FOREIGN_KEY:
                    raise
        return task()

    def renew(self) -> None:
        """Keep the lease while questions take long."""
        at = self.now()
        if self._renewed_at is None or at - self._renewed_at >= RENEW_AFTER:
            self.write(lambda work, run, _state: progress.advance(run, cursor=run.cursor, now=at))

    def doubt(self) -> None:
        """Forget from when on changes are asked for, so that the next run looks at everybody."""

        def forget(_work: Work, _run: SyncRun, state: ServiceState) -> None:
            state.watermark = state.etag = state.etag_since = None

        self.etag = None
        self.write(forget)

    def become_full(self) -> None:
        """Look at everybody after all: the service cannot tell what changed."""

        def widen(_work: Work, run: SyncRun, _state: ServiceState) -> None:
            run.kind, run.since = RunKind.FULL, None

        if not self.is_full:
            self.write(widen)
            self.claim = replace(self.claim, kind=RunKind.FULL, since=None)


def _since(before: Tally, after: Tally) -> Tally:
    errors = {kind: count - before.errors.get(kind, 0) for kind, count in after.errors.items()}
    return Tally(
        requests=after.requests - before.requests,
        retries=after.retries - before.retries,
        received=after.received - before.received,
        errors={kind: count for kind, count in errors.items() if count},
    )
