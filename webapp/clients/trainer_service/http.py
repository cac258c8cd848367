"""The trainer service, asked over HTTP: in bounds of time and size, gently, and with every answer checked.

Nothing that is raised, logged or shown here holds the address, the token or anything of an answer.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import stamina

from webapp.clients.addresses import AllowList
from webapp.clients.outgoing import Outgoing, OutgoingError, Reply, only_host_of
from webapp.clients.trainer_service import answers, parsing
from webapp.clients.trainer_service.breaker import Breaker
from webapp.clients.trainer_service.client import BreakerState, Profile
from webapp.clients.trainer_service.retries import Pauses, RetryBudget
from webapp.clients.trainer_service.said import (
    BulkPage,
    Fault,
    LegacyPage,
    NotModified,
    Said,
    ServiceFailed,
    Tally,
)
from webapp.config import Settings
from webapp.core import clock

REFRESHER: Final = Profile(connect_seconds=1.0, read_seconds=5.0, total_seconds=20.0, tries=3)
"""Of a worker: patient, but inside the lease of its run."""
INTERACTIVE: Final = Profile(connect_seconds=0.8, read_seconds=0.8, total_seconds=0.8, tries=1)
"""Of somebody who waits for a page, and has the replica to fall back on."""
PATH: Final = "/api/v1/trainers"
MOST_OF_PAGE: Final = 16 * 1024 * 1024
MOST_OF_TRAINER: Final = 1024 * 1024
DEADLINE: Final = "X-Deadline-Ms"
"""How long the answer is waited for: the service need not work on what nobody reads. Not an instant: clocks differ."""
_GONE: Final = (404, 410)

T = TypeVar("T")
Read = Callable[[Reply], T]


class HttpTrainerService:
    """``TrainerService`` over HTTP. Safe for threads.

    ``breaker.state`` and ``retry_tokens`` are what the next process has to begin with; ``tally`` says what it all cost.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None,
        *,
        profile: Profile,
        breaker: BreakerState = BreakerState(),  # noqa: B008 - frozen
        retry_tokens: float = 0.0,
        ends: float = inf,
        now: Callable[[], datetime] = clock.now,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``ends``: of the monotonic clock, when whoever asks has to be done. ``tls``: whose certificates count."""
        self._base = base_url.rstrip("/")
        self._profile = profile
        self._ends = ends
        self._now = now
        self._headers = {"Accept": "application/json", "User-Agent": "zonedesk"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._line = Outgoing(
            _allowed(base_url),
            seconds=profile.total_seconds,
            connect_seconds=profile.connect_seconds,
            step_seconds=profile.read_seconds,
            most_bytes=MOST_OF_PAGE,
            tls=tls,
        )
        self._budget = RetryBudget(retry_tokens)
        self._counting = threading.Lock()
        self.breaker: Final = Breaker(breaker, now)
        self.tally: Final = Tally()

    @property
    def retry_tokens(self) -> float:
        """Retries in store."""
        return self._budget.tokens

    def first_page(self, *, since: datetime | None, etag: str | None) -> BulkPage | LegacyPage | NotModified:
        """See ``TrainerService``."""

        def read(reply: Reply) -> BulkPage | LegacyPage | NotModified:
            if reply.status == 304 and etag is not None:
                return NotModified(answers.served_at(reply.headers))
            body = _body(reply)
            return parsing.legacy_page(body) if parsing.is_legacy(body) else _bulk(body, reply)

        more = {} if etag is None else {"If-None-Match": etag}
        return self._ask(PATH, _query(since), read, most_bytes=MOST_OF_PAGE, headers=more)

    def bulk_page(self, *, since: datetime | None, cursor: str) -> BulkPage:
        """See ``TrainerService``."""
        query = {**_query(since), "cursor": cursor}
        return self._ask(PATH, query, lambda reply: _bulk(_body(reply), reply, cursor), most_bytes=MOST_OF_PAGE)

    def legacy_page(self, number: int) -> LegacyPage:
        """See ``TrainerService``."""
        query = {"limit": str(parsing.LEGACY_LIMIT), "page": str(number)}
        return self._ask(PATH, query, lambda reply: parsing.legacy_page(_body(reply)), most_bytes=MOST_OF_PAGE)

    def legacy_trainer(self, service_id: str) -> Said | None:
        """See ``TrainerService``."""

        def read(reply: Reply) -> Said | None:
            if reply.status not in _GONE:
                return parsing.legacy_trainer(_body(reply), service_id)
            if not answers.is_json(reply.headers):
                raise ServiceFailed(Fault.NOT_JSON, reply.status)  # of something on the way there, who knows nobody
            parsing.read_json(reply.body)
            return None

        if not parsing.is_service_id(service_id):
            return None  # such as "..", which would ask for something else: the service has nobody of that id
        return self._ask(f"{PATH}/{quote(service_id, safe='')}", {}, read, most_bytes=MOST_OF_TRAINER)

    def _ask(
        self,
        path: str,
        query: Mapping[str, str],
        read: Read[T],
        *,
        most_bytes: int,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Ask until it is answered, or cannot be, or nobody may wait any longer."""
        url = f"{self._base}{path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        ends = min(time.monotonic() + self._profile.total_seconds, self._ends)
        pauses = Pauses(self._budget, tries=self._profile.tries, ends=ends, goes_on=lambda: not self.breaker.is_open)
        sent = {**self._headers, **(headers or {})}
        if time.monotonic() >= ends:
            raise ServiceFailed(Fault.TOO_SLOW)
        # The pauses are the hook's own; its tries and times end before these would.
        for attempt in stamina.retry_context(on=pauses, attempts=self._profile.tries, timeout=None):
            with attempt:
                once = partial(self._once, url, sent, read, ends, most_bytes, again=attempt.num > 1)
                return self.breaker.call(once, seconds=ends - time.monotonic())
        raise AssertionError("stamina raises the last failure")

    def _once(
        self, url: str, headers: Mapping[str, str], read: Read[T], ends: float, most_bytes: int, *, again: bool
    ) -> T:
        left = max(ends - time.monotonic(), 0.0)
        with self._counting:
            self.tally.requests += 1
            self.tally.retries += again
        if not again:
            self._budget.earn()
        try:
            reply = self._reply(url, {**headers, DEADLINE: str(int(left * 1000))}, left, most_bytes)
            return read(reply)
        except ServiceFailed as failed:
            with self._counting:
                self.tally.errors[failed.fault.value] = self.tally.errors.get(failed.fault.value, 0) + 1
            raise

    def _reply(self, url: str, headers: Mapping[str, str], seconds: float, most_bytes: int) -> Reply:
        try:
            reply = self._line.call("GET", url, headers=headers, seconds=seconds, most_bytes=most_bytes)
        except OutgoingError as error:
            fault = answers.fault_of_line(error.why)
        else:
            with self._counting:
                self.tally.received += len(reply.body)
            if reply.status in (200, 304, *_GONE):
                return reply
            wait = answers.retry_after(reply.headers, self._now())
            raise ServiceFailed(answers.fault_of_status(reply.status), reply.status, retry_after=wait)
        # Outside of the handler: what was raised there names the host, and the chain of causes is written to logs.
        raise ServiceFailed(fault)


def trainer_service_from(
    settings: Settings,
    *,
    profile: Profile,
    breaker: BreakerState = BreakerState(),  # noqa: B008 - frozen
    retry_tokens: float = 0.0,
    ends: float = inf,
    now: Callable[[], datetime] = clock.now,
) -> HttpTrainerService:
    """The trainer service of the settings, which have to name one; never called inside a transaction."""
    if settings.trainer_service_url is None:
        raise ValueError("TRAINER_SERVICE_URL is not set")
    return HttpTrainerService(
        settings.trainer_service_url,
        settings.trainer_service_token,
        profile=profile,
        breaker=breaker,
        retry_tokens=retry_tokens,
        ends=ends,
        now=now,
    )


def _allowed(base_url: str) -> AllowList:
    """The service's host may be private, for the desk's operator chose it. No other host is ever called."""
    try:
        return only_host_of(base_url)
    except OutgoingError:
        return AllowList(frozenset())  # an address that is none leads nowhere, whenever it is asked


def _query(since: datetime | None) -> dict[str, str]:
    query = {"limit": str(parsing.BULK_LIMIT)}
    if since is not None:
        query["updated_since"] = since.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return query


def _body(reply: Reply) -> object:
    """The JSON of a good answer; whoever can do with another status looks at it before."""
    if reply.status == 200:
        return parsing.read_json(reply.body)
    raise ServiceFailed(Fault.WRONG_SHAPE if reply.status == 304 else Fault.REFUSED, reply.status)


def _bulk(body: object, reply: Reply, asked: str | None = None) -> BulkPage:
    return parsing.bulk_page(
        body,
        asked=asked,
        etag=answers.etag(reply.headers),
        served_at=answers.served_at(reply.headers),
        total=answers.total(reply.headers),
    )
