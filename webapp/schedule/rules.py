"""Schedule slots: periods in which a trainer is taken by a course session, and the way between two of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import ceil, inf
from uuid import UUID

from webapp.core import moves
from webapp.core.geo import Location, distance_km
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


@dataclass(frozen=True, slots=True)
class TravelSettings:
    """How long a way takes (rule T9): the great-circle distance times ``detour``, at ``speed_kmh``.

    Raises ``ValueError`` for a detour below 1, a speed that is not above 0, and what is no finite number.
    """

    detour: float = 1.4
    speed_kmh: float = 25.0

    def __post_init__(self) -> None:
        if not 1 <= self.detour < inf:
            raise ValueError("a detour is a finite factor of at least 1")
        if not 0 < self.speed_kmh < inf:
            raise ValueError("a speed is a finite number above 0")


DEFAULT_TRAVEL = TravelSettings()


@dataclass(frozen=True, slots=True)
class TakenSlots:
    """Slots, held or booked, that a trainer already has at one place: mostly those of one booking.

    ``starts`` are their beginnings, POSIX seconds, ascending; each lasts ``seconds``. ``place`` is where they are
    taught, ``None`` online: teaching online needs no way to it or from it. ``buffer_minutes`` is that of their
    booking's zone. ``booking_id`` is only compared, never told. Columns: a scorer meets thousands of slots.
    """

    starts: tuple[int, ...]
    seconds: int
    place: Location | None
    buffer_minutes: int = 0
    booking_id: UUID | None = None
    phases: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """The seconds of the UTC day at which they start: one for a daily course, two where a clock change lies in it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "phases", phases_of(self.starts))


SECONDS_PER_DAY = 24 * 60 * 60


def phases_of(starts: Iterable[int]) -> tuple[int, ...]:
    """The distinct seconds of the UTC day of some POSIX seconds."""
    return tuple({start % SECONDS_PER_DAY for start in starts})


def way_minutes(
    one: Location | None, other: Location | None, *, buffer_minutes: int, travel: TravelSettings = DEFAULT_TRAVEL
) -> int:
    """Whole minutes a trainer needs between two sessions of different bookings (rule T9), rounded up.

    Nothing at the same place (less than half a metre apart) and to or from teaching online; else the larger of the two
    zones' buffers, ``buffer_minutes``, plus the travel.
    """
    if one is None or other is None or (km := distance_km(one, other)) == 0:
        return 0
    return _minutes_for(km, buffer_minutes, travel)


def _minutes_for(km: float, buffer_minutes: int, travel: TravelSettings) -> int:
    # Rounded to a millionth first: what is ten minutes on paper must not become eleven by the last bit.
    return ceil(round(buffer_minutes + km * travel.detour / travel.speed_kmh * 60, 6))
