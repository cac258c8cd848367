"""When periodic work is due. Seconds of a monotonic clock are handed in: a clock turned back skips nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, Protocol, TypeVar


class Recurring(Protocol):
    """Anything that comes round."""

    @property
    def every(self) -> timedelta:
        """Time from one turn to the next."""


Entry = TypeVar("Entry", bound=Recurring)


@dataclass(slots=True)
class _Turn(Generic[Entry]):
    entry: Entry
    at: float


class Timetable(Generic[Entry]):
    """Which entries are due. Everything is due at once at first; turns missed while away are not made up for."""

    def __init__(self, entries: Sequence[Entry], *, at: float) -> None:
        """Begin at second ``at``."""
        self._turns = [_Turn(entry, at) for entry in entries]

    def due(self, at: float) -> list[Entry]:
        """The entries whose turn has come by second ``at``, in their order; each is then due one period later."""
        come = [turn for turn in self._turns if turn.at <= at]
        for turn in come:
            turn.at = at + turn.entry.every.total_seconds()
        return [turn.entry for turn in come]
