"""Lists of the service made tidy: periods of work that overlap become one, time off said twice stands once. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import time
from typing import Final

from webapp.clients.trainer_service.said import SaidAway
from webapp.core.errors import Invalid
from webapp.core.names import search_words
from webapp.trainers.rules import MINUTES_PER_DAY, WorkingHours

MAX_REASON: Final = 120
"""Longest reason of time off that is kept, in characters."""


def as_periods(hours: Iterable[WorkingHours]) -> tuple[WorkingHours, ...]:
    """The same hours in as few periods as there can be, sorted: what overlaps or touches is one period."""
    found: list[tuple[int, int, int]] = []
    for period in sorted(hours, key=lambda one: (one.weekday, one.start_minute)):
        if found and found[-1][0] == period.weekday and period.start_minute <= found[-1][2]:
            weekday, start, end = found.pop()
            found.append((weekday, start, max(end, period.end_minute)))
        else:
            found.append((period.weekday, period.start_minute, period.end_minute))
    return tuple(WorkingHours(weekday, _clock(start), _clock(end)) for weekday, start, end in found)


def tidy_away(away: Iterable[SaidAway]) -> tuple[SaidAway, ...]:
    """Time off, sorted, each period once. Raises ``Invalid`` for field ``time_off`` when one ends before it starts."""
    kept = {(one.starts_at, one.ends_at): one for one in sorted(away, reverse=True)}
    if any(one.starts_at >= one.ends_at for one in kept.values()):
        raise Invalid("time-off-order", "Time off must end after it starts.", field="time_off")
    return tuple(sorted(replace(one, reason=search_words(one.reason)[:MAX_REASON]) for one in kept.values()))


def _clock(minute: int) -> time:
    minute %= MINUTES_PER_DAY
    return time(minute // 60, minute % 60)
