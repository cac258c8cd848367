"""A trainer service inside the test, for what has nothing to do with the way there: both contracts, failures at will.

It keeps to the Protocol and to nothing else. What HTTP does to answers is tested over HTTP (``test_faults``).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from webapp.clients.trainer_service.client import BreakerState
from webapp.clients.trainer_service.parsing import as_json, digest
from webapp.clients.trainer_service.said import (
    UNSAID,
    BulkPage,
    Fault,
    LegacyPage,
    LegacyRow,
    NotModified,
    Said,
    SaidTrainer,
    ServiceFailed,
    Tally,
    UnreadableTrainer,
)

SERVED_AT = datetime(2026, 9, 1, tzinfo=UTC)
"""By the service's clock, which need not be anything like ours."""


@dataclass
class Breaker:
    """Remembers what it was told."""

    state: BreakerState = field(default_factory=BreakerState)


class Told:
    """Trainers by id. ``asked`` lists every question; the next entries of ``failures`` befall the next of them."""

    def __init__(
        self, *said: Said, legacy: bool = False, per_page: int = 2, served_at: datetime | None = SERVED_AT
    ) -> None:
        self.trainers: dict[str, Said] = {}
        self.nameless = 0
        self.legacy = legacy
        self.per_page = per_page
        self.served_at = served_at
        self.asked: list[str] = []
        self.failures: deque[Fault | None] = deque()
        self.retry_after: float | None = None
        self.before_answer: Callable[[str], None] = lambda _question: None
        self.hidden: set[str] = set()
        """Whom the list leaves out although they are there."""
        self.unknown: set[str] = set()
        """Whom it lists although they are not there."""
        self.first_page_holds = 0
        """How many the first page of the list holds, when not as many as the others."""
        self.tally = Tally()
        self.breaker = Breaker()
        self.retry_tokens = 0.0
        self._lock = threading.Lock()
        self.say(*said)

    def __call__(self, *, breaker: BreakerState, retry_tokens: float) -> Told:
        """As it was left the last time."""
        self.tally = Tally()
        self.breaker.state, self.retry_tokens = breaker, retry_tokens
        return self

    def say(self, *said: Said) -> None:
        """Say something of trainers from now on."""
        self.trainers |= {one.service_id: one for one in said if one.service_id is not None}

    def first_page(self, *, since: datetime | None, etag: str | None) -> BulkPage | LegacyPage | NotModified:
        """See ``TrainerService``."""
        self._asked(f"first since={since} etag={etag}")
        if self.legacy:
            return self._rows(0, self.first_page_holds or self.per_page)
        page = self._page(since, "0")
        if etag is not None and etag == page.etag:
            return NotModified(self.served_at)
        return page

    def bulk_page(self, *, since: datetime | None, cursor: str) -> BulkPage:
        """See ``TrainerService``."""
        self._asked(f"page {cursor}")
        return self._page(since, cursor)

    def legacy_page(self, number: int) -> LegacyPage:
        """See ``TrainerService``."""
        self._asked(f"list {number}")
        return self._rows((number - 1) * self.per_page, self.per_page)

    def legacy_trainer(self, service_id: str) -> Said | None:
        """See ``TrainerService``."""
        self._asked(f"detail {service_id}")
        found = self.trainers.get(service_id) if service_id not in self.unknown else None
        return replace(found, available=UNSAID) if isinstance(found, SaidTrainer) else found

    def _page(self, since: datetime | None, cursor: str) -> BulkPage:
        def is_asked_for(said: Said) -> bool:
            changed = said.updated_at if isinstance(said, SaidTrainer) else None
            return since is None or changed is None or changed >= since

        found = [said for _id, said in sorted(self.trainers.items()) if is_asked_for(said)]
        begin, end = int(cursor), int(cursor) + self.per_page
        more = str(end) if end < len(found) else None
        nameless = [UnreadableTrainer(None, (("trainerId", "missing"),))] * (self.nameless if more is None else 0)
        items = (*found[begin:end], *nameless)
        return BulkPage(items, more, f'"{hash((items, more))}"', self.served_at, len(found))

    def _rows(self, begin: int, count: int) -> LegacyPage:
        listed = [said for _id, said in sorted(self.trainers.items()) if said.service_id not in self.hidden]
        entries = [*[None] * self.nameless, *listed][begin : begin + count]
        rows = tuple(_row(said) for said in entries if said is not None)
        return LegacyPage(rows, len(entries) - len(rows), len(entries))

    def _asked(self, question: str) -> None:
        with self._lock:
            self.asked.append(question)
            self.tally.requests += 1
            fault = self.failures.popleft() if self.failures else None
        self.before_answer(question)
        if fault is not None:
            with self._lock:
                self.tally.errors[fault.value] = self.tally.errors.get(fault.value, 0) + 1
            raise ServiceFailed(fault, retry_after=self.retry_after)


def _row(said: Said) -> LegacyRow:
    available = said.available if isinstance(said, SaidTrainer) else UNSAID
    shown = {"name": said.name if isinstance(said, SaidTrainer) and said.name is not UNSAID else None}
    if isinstance(said, SaidTrainer):
        shown |= {"available": as_json(said).get("available")}
    return LegacyRow(said.service_id or "", available, digest(shown))
