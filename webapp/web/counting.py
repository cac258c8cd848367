"""How hits are counted: in Valkey for the whole desk, and while that is away by each process alone.

Flask-Limiter falls back to the memory of its process with the limits it was given. That is wrong in both directions: a
guesser would have as many tries as there are processes, and a reader would be shut out by a cache that is down. This
strategy says what holds instead:

- reading is open: it changes nothing, and certificate numbers cannot be guessed however often one asks;
- what signed-in people change is counted at the full rate: they are known, and their work goes on;
- everything else (signing in, second factors, forgotten passwords, exports) is counted at half the rate, so that two
  processes together allow what one Valkey does.

It is a strategy and not a second set of limits, so that no limit, whoever declares it, can forget what holds.
"""

from __future__ import annotations

from typing import Final

import structlog
from flask import g, has_request_context, request
from limits import RateLimitItem, WindowStats
from limits.storage import MemoryStorage
from limits.strategies import STRATEGIES, FixedWindowRateLimiter

NAME: Final = "zonedesk"
"""What Flask-Limiter calls the strategy; both of its limiters, over Valkey and over memory, are made of it."""
WRITES: Final = "writes"
BOOKINGS: Final = "bookings"
EXPORTS: Final = "exports"
"""The scopes of what signed-in people do."""
_FULL_RATE: Final = frozenset({WRITES, BOOKINGS})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_AFTERWARDS: Final = "zonedesk_counts_afterwards"

log = structlog.get_logger(__name__)


def counting_afterwards() -> None:
    """Say that the next hit counts what has been done already, so that it can refuse nothing any more."""
    setattr(g, _AFTERWARDS, True)


class SharedWindow(FixedWindowRateLimiter):
    """Fixed windows that begin with the first hit; the last identifier of a hit is its scope."""

    def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Count a hit; ``False`` when it was one too many.

        Valkey may go between a request's first look and its answer. The answer is made then: not counting it is right,
        losing it is not. Before the view, the failure is Flask-Limiter's, which falls back to memory.
        """
        if self._is_open(identifiers):
            return True
        try:
            return super().hit(self._here(item, identifiers), *identifiers, cost=cost)
        except Exception:
            if has_request_context() and g.get(_AFTERWARDS):
                log.warning("limits.not_counted", scope=identifiers[-1])
                return True
            raise

    def test(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Whether a hit would be allowed; counts nothing."""
        return self._is_open(identifiers) or super().test(self._here(item, identifiers), *identifiers, cost=cost)

    def get_window_stats(self, item: RateLimitItem, *identifiers: str) -> WindowStats:
        """When the window ends (seconds since 1970) and how many hits are left."""
        return super().get_window_stats(self._here(item, identifiers), *identifiers)

    @property
    def alone(self) -> bool:
        """Whether this process counts for itself."""
        return isinstance(self.storage, MemoryStorage)

    def _is_open(self, identifiers: tuple[str, ...]) -> bool:
        reading = has_request_context() and request.method in _SAFE
        return self.alone and reading and identifiers[-1] != EXPORTS

    def _here(self, item: RateLimitItem, identifiers: tuple[str, ...]) -> RateLimitItem:
        """The limit as it holds here; half of an odd number is rounded down, half of one is one."""
        if not self.alone or identifiers[-1] in _FULL_RATE:
            return item
        return type(item)(max(1, item.amount // 2), item.multiples, item.namespace)


# Flask-Limiter takes a strategy by its name in this table of the library it stands on.
STRATEGIES[NAME] = SharedWindow
