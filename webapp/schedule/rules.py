"""Schedule slots: periods in which a trainer is taken by a course session."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from webapp.core import moves
from webapp.core.intervals import Interval


class SlotStatus(StrEnum):
    """Held by a proposal, or booked by an approval. A released slot is deleted and lives on in the audit."""

    HELD = "held"
    BOOKED = "booked"


MOVES: dict[SlotStatus, frozenset[SlotStatus]] = {
    SlotStatus.HELD: frozenset({SlotStatus.BOOKED}),
    SlotStatus.BOOKED: frozenset(),
}


def moved(is_: SlotStatus, to: SlotStatus) -> SlotStatus:
    """``to``, when a slot may go there. Raises ``Conflict`` ``slot-move``."""
    return moves.moved(MOVES, is_, to, code="slot-move", sentence="This slot is %(is_)s and cannot become %(to)s.")


def hit(starts: Sequence[datetime], ends: Sequence[datetime], taken: Iterable[Interval]) -> list[int]:
    """Which of the wanted periods overlap a taken one (rules A2 and T4), as ascending indexes without repeats.

    The wanted periods, ``starts[i]`` to ``ends[i]``, are half-open, ascending and disjoint; the taken ones may come in
    any order and overlap each other. Costs two bisections per taken period.
    """
    indexes: set[int] = set()
    for period in taken:
        indexes.update(range(bisect_right(ends, period.starts_at), bisect_left(starts, period.ends_at)))
    return sorted(indexes)


def clashes(wanted: Sequence[Interval], taken: Iterable[Interval]) -> list[Interval]:
    """The wanted periods (ascending, disjoint) that overlap a taken one."""
    indexes = hit([w.starts_at for w in wanted], [w.ends_at for w in wanted], taken)
    return [wanted[i] for i in indexes]
