"""What the pages of the synchronisation are made of: one frozen page each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from urllib.parse import urlsplit
from uuid import UUID

from webapp.clients.trainer_service.breaker import PAUSE
from webapp.clients.trainer_service.retries import MOST
from webapp.config import Settings
from webapp.trainers.freshness import Freshness, fresh_target, freshness
from webapp.trainers.sync_rules import Contract, LinkKind
from webapp.trainers.syncing.names import LinkRow
from webapp.trainers.syncing.progress import SHRUNK
from webapp.trainers.syncing.reading import ChangeRow, RecordRow, RunRow, StateRow
from webapp.web.pagination import Page


class Breaker(StrEnum):
    """Whether the service is asked."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class ServiceCard:
    """The service as it is ``now``."""

    state: StateRow
    settings: Settings
    now: datetime

    @property
    def host(self) -> str | None:
        """Where the service is, without its path; nothing when none is set up."""
        url = self.settings.trainer_service_url
        return urlsplit(url).netloc if url else None

    @property
    def legacy(self) -> bool:
        """It speaks the deployed contract, which cannot tell what changed."""
        return self.state.contract is Contract.LEGACY

    @property
    def fresh_seconds(self) -> float:
        """How old the roster may be."""
        return fresh_target(self.state.contract, self.settings).total_seconds()

    @property
    def freshness(self) -> Freshness:
        """How old the roster is against that."""
        return freshness(self.state.fresh_at, self.state.contract, self.settings, now=self.now)

    @property
    def pause_left(self) -> int:
        """For how many seconds more no call is made; 0 when calls are made."""
        opened = self.state.opened_at
        left = opened + PAUSE - self.now if opened is not None else timedelta()
        # As the breaker itself sees it: what is to come, after a clock was set back, is over.
        return ceil(left.total_seconds()) if timedelta() < left <= PAUSE else 0

    @property
    def breaker(self) -> Breaker:
        """Whether the service is asked; half open, the next calls decide."""
        if self.state.opened_at is None:
            return Breaker.CLOSED
        return Breaker.OPEN if self.pause_left else Breaker.HALF_OPEN

    @property
    def is_due(self) -> bool:
        """The next run by schedule is due."""
        return self.state.next_at <= self.now

    @property
    def retries(self) -> tuple[float, float]:
        """How many retries are left, and of how many at most."""
        return self.state.retry_tokens, MOST


@dataclass(frozen=True, slots=True)
class ServicePage:
    """The overview: the service, the run that is open, and the runs before."""

    service: ServiceCard
    run: RunRow | None
    full: RunRow | None
    page: Page[RunRow]
    everything: bool
    """Every run is shown, also those that changed nothing."""
    in_quarantine: int
    unlinked: int
    linked: int

    @property
    def may_ask(self) -> bool:
        """There is something to press: no run is open, or it waits, and whoever asks lets it go on now."""
        return self.run is None or self.run.put_off

    @property
    def may_shrink(self) -> bool:
        """The last run for everybody stopped because there were far fewer trainers."""
        return self.full is not None and self.full.problem == SHRUNK


@dataclass(frozen=True, slots=True)
class ProgressPage:
    """How far the open run is, on the overview that shows page ``number`` of the runs before."""

    run: RunRow
    everything: bool
    number: int


@dataclass(frozen=True, slots=True)
class RunPage:
    """One run and what it changed."""

    run: RunRow
    page: Page[ChangeRow]
    names: Mapping[UUID, str]


@dataclass(frozen=True, slots=True)
class QuarantinePage:
    """Who is in quarantine, by reason; ``names`` are what the ids in the facts are called."""

    page: Page[RecordRow]
    by_code: Mapping[str, int]
    code: str | None
    names: Mapping[UUID, str]


@dataclass(frozen=True, slots=True)
class LinkPage:
    """What one name shall mean. ``trainer`` is set where it is a trainer's; ``waiting`` trainers are held up by it."""

    kind: LinkKind
    name: str
    waiting: int
    trainer: RecordRow | None
    known: LinkRow | None
