"""Whether and when a question is asked again: what may be retried, within the call's end and a budget of retries.

Three tries turn 30 % of errors into 3 %, and 1.4 times the requests: to a service that is ill already. So retries have
to be earned: a tenth of one by every question, ten at most in store. In the long run the service is asked at most 1.1
times as often as a healthy one, whatever happens.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from secrets import SystemRandom
from typing import Final

from webapp.clients.trainer_service.said import RETRIED, Fault, ServiceFailed

EARNED: Final = 0.1
"""By each question; its retries earn nothing, or a tenth would not be a tenth."""
MOST: Final = 10.0
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
_CHANCE: Final = SystemRandom()
_STATUSES: Final = frozenset({429, 502, 503, 504})
"""Of the statuses those that may be gone in a moment; 500 is an error that would happen again."""


class RetryBudget:
    """How many retries are in store. Safe for threads."""

    def __init__(self, tokens: float) -> None:
        self._tokens = min(max(tokens, 0.0), MOST)
        self._lock = threading.Lock()

    @property
    def tokens(self) -> float:
        """What is left, for the next process to go on with."""
        return self._tokens

    def earn(self) -> None:
        """A question is asked."""
        with self._lock:
            # Rounded, for ten times a tenth has to be one.
            self._tokens = min(round(self._tokens + EARNED, 6), MOST)

    def spend(self) -> bool:
        """Take one retry, if there is one."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens = round(self._tokens - 1, 6)
            return True


class Pauses:
    """Decides after each failed try of one question: how long to wait before the next, or that there is none."""

    def __init__(self, budget: RetryBudget, *, tries: int, ends: float, goes_on: Callable[[], bool]) -> None:
        """``ends``: of the monotonic clock; no try begins after it. ``goes_on``: whether asking is possible at all."""
        self._budget = budget
        self._tries_left = tries
        self._ends = ends
        self._goes_on = goes_on
        self._longest = FIRST_PAUSE

    def __call__(self, error: Exception) -> bool | float:
        """stamina's hook: seconds to wait, or False."""
        self._tries_left -= 1
        if self._tries_left <= 0 or not isinstance(error, ServiceFailed) or not may_be_retried(error):
            return False
        # Full jitter, so that those who failed together do not come back together.
        pause = max(_CHANCE.uniform(0, self._longest), error.retry_after or 0.0)
        self._longest = min(self._longest * 2, LONGEST_PAUSE)
        if time.monotonic() + pause >= self._ends or not self._goes_on() or not self._budget.spend():
            return False
        return pause


def may_be_retried(failed: ServiceFailed) -> bool:
    """Whether the same question may be answered in a moment: to be asked again it also has to be affordable."""
    return failed.fault in RETRIED and (failed.fault is Fault.NO_CONNECTION or failed.status in _STATUSES)
