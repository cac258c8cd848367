"""The circuit breaker of the trainer service: after five failures in a row nobody asks for ten seconds.

RQ forks a process for every job, so a breaker that lived in a process would have forgotten its failures by the next
run. What must be remembered is small (``BreakerState``): whoever runs a synchronisation keeps it in the database, hands
it in, and reads it when done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, TypeVar

from pybreaker import (
    STATE_CLOSED,
    STATE_OPEN,
    CircuitBreaker,
    CircuitBreakerError,
    CircuitMemoryStorage,
)

from webapp.clients.trainer_service.client import BreakerState
from webapp.clients.trainer_service.said import Fault, ServiceFailed

FAILURES: Final = 5
PAUSE: Final = timedelta(seconds=10)
PROBES: Final = 2
"""Questions that have to be answered, one after the other, before it closes."""
WELL: Final = frozenset({Fault.NOT_ALLOWED, Fault.REFUSED})
"""Failures that say nothing against the service's health: it is there, and it says no in good order. To ask less would
heal nothing, and an admin who mends the token should not wait. Everything else counts, also answers that arrive and are
of no use: a maintenance page, a login page to be redirected to, half a body. Asking on would cost both sides and bring
nothing. That a single trainer is unknown (404) or unreadable is a good answer."""

T = TypeVar("T")


class _Seeded(CircuitMemoryStorage):
    """The library's memory, begun where another process stopped."""

    def __init__(self, was: BreakerState) -> None:
        super().__init__(STATE_CLOSED if was.opened_at is None else STATE_OPEN)
        self._fail_counter = was.failures


class Breaker:
    """Lets questions through while the service answers. Safe for threads."""

    def __init__(self, was: BreakerState, now: Callable[[], datetime]) -> None:
        """``now`` tells the instants that are kept; the library would read the machine's clock."""
        self._now = now
        self._opened_at = was.opened_at
        self._lock = threading.Lock()
        self._probing = threading.Lock()
        self._breaker = CircuitBreaker(
            fail_max=FAILURES,
            reset_timeout=PAUSE.total_seconds(),
            success_threshold=PROBES,
            exclude=[_is_well],
            state_storage=_Seeded(was),
        )

    @property
    def state(self) -> BreakerState:
        """What the next process has to know. While it is tried whether the service is back, it still counts as open."""
        with self._lock:
            return BreakerState(self._breaker.fail_counter, self._opened_at)

    @property
    def is_open(self) -> bool:
        """Whether the next question would most likely not be asked."""
        return self._breaker.current_state == STATE_OPEN

    def call(self, ask: Callable[[], T], *, seconds: float) -> T:
        """Ask, and remember how it went; or, when open, raise ``ServiceFailed`` with ``BREAKER_OPEN`` and ask nothing.

        The library holds its lock as long as it calls, which would put questions that are asked at once one behind the
        other. So it is told the outcome afterwards. Only while it is tried whether the service is back, one asks at a
        time; the others wait for what comes of it, up to so many seconds.
        """
        if self._breaker.current_state == STATE_CLOSED:
            return self._asked(ask)
        if not self._probing.acquire(timeout=max(seconds, 0.0)):
            raise ServiceFailed(Fault.BREAKER_OPEN)
        try:
            self._let_in()
            return self._asked(ask)
        finally:
            self._probing.release()

    def _let_in(self) -> None:
        with self._lock:
            if not self.is_open:
                return
            # A clock that was set back must not keep it open for hours: what is to come is over.
            if self._opened_at is not None and timedelta(0) <= self._now() - self._opened_at < PAUSE:
                raise ServiceFailed(Fault.BREAKER_OPEN)
            self._breaker.half_open()

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            answer = ask()
        except ServiceFailed as failed:
            self._tell(failed)
            raise
        self._tell(None)
        return answer

    def _tell(self, failed: ServiceFailed | None) -> None:
        """Count an outcome. One that comes when it is open already was asked before, and changes nothing."""
        with self._lock:
            if self.is_open:
                return
            # The failure that opens it comes back as the library's own error: the caller has the cause already.
            with suppress(ServiceFailed, CircuitBreakerError):
                self._breaker.call(_come_out, failed)
            state = self._breaker.current_state
            if state == STATE_OPEN:
                self._opened_at = self._now()
            elif state == STATE_CLOSED:
                self._opened_at = None


def _come_out(failed: ServiceFailed | None) -> None:
    if failed is not None:
        raise failed


def _is_well(error: ServiceFailed) -> bool:
    return error.fault in WELL
