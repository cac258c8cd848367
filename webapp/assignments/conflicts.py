"""Which of the wanted sessions a trainer cannot take: working hours, time off, taken slots, the way (rules T4, T5, T9).

One computation for the verdict, the grid and the smallest fix.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from webapp.assignments.facts import CourseNeed, TrainerFacts
from webapp.core.intervals import Interval
from webapp.schedule.rules import SECONDS_PER_DAY, TakenSlots, hit

_TWO_DAYS = 2 * SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class TightWay:
    """A wanted session, by its index, with too little time for the way to or from a slot.

    ``gap_minutes`` there are, rounded down, ``need_minutes`` there should be: those of the pair that lacks most.
    """

    index: int
    gap_minutes: int
    need_minutes: int


@dataclass(frozen=True, slots=True)
class Conflicts:
    """The wanted sessions in conflict, each kind as ascending indexes; a session may be in several.

    Without any hours known every session is ``outside`` them.
    """

    outside: tuple[int, ...] = ()
    off: tuple[int, ...] = ()
    busy: tuple[int, ...] = ()
    tight: tuple[TightWay, ...] = ()

    @property
    def indexes(self) -> frozenset[int]:
        """Every session with a conflict."""
        return frozenset(chain(self.outside, self.off, self.busy, (way.index for way in self.tight)))

    @property
    def count(self) -> int:
        """How many sessions have a conflict; mostly they are of one kind, which needs no set."""
        kinds = [kind for kind in (self.outside, self.off, self.busy, self.tight) if kind]
        return len(kinds[0]) if len(kinds) == 1 else len(self.indexes) if kinds else 0


_FREE = Conflicts()


def conflicts(need: CourseNeed, trainer: TrainerFacts) -> Conflicts:
    """All conflicts of one trainer with the wanted sessions."""
    outside = need.outside(trainer.hours, trainer.time_zone)
    off = _hit(need, trainer.away)
    busy = set(_hit(need, trainer.busy))
    worst: dict[int, tuple[int, int, int]] = {}
    for slots in trainer.taken:
        if not _apart(need, slots):
            _clashes(need, slots, busy, worst)
    if not (outside or off or busy or worst):
        return _FREE
    return Conflicts(
        outside=outside,
        off=off,
        busy=tuple(sorted(busy)),
        tight=tuple(TightWay(index, gap // 60, way // 60) for index, (_, way, gap) in sorted(worst.items())),
    )


def free_for_all(need: CourseNeed, trainer: TrainerFacts) -> bool:
    """Whether there is no conflict: the same answer as looking for all of them, given at the first.

    It goes through the wanted sessions and not through the slots: a trainer has many of these.
    """
    return not (
        need.outside(trainer.hours, trainer.time_zone)
        or _hit(need, trainer.away)
        or _hit(need, trainer.busy)
        or any(not _apart(need, slots) and _any_clash(need, slots) for slots in trainer.taken)
    )


def _hit(need: CourseNeed, taken: Sequence[Interval]) -> tuple[int, ...]:
    """Indexes of the sessions that a period overlaps; most periods lie far from the course."""
    first, last = need.starts[0], need.ends[-1]
    close = [period for period in taken if period.starts_at < last and first < period.ends_at]
    return tuple(hit(need.starts, need.ends, close)) if close else ()


def _apart(need: CourseNeed, slots: TakenSlots) -> bool:
    """Whether days or times of day alone keep the slots clear of the course, the way included: most that there are.

    ``True`` is certain, ``False`` wants a look.
    """
    starts = slots.starts
    if starts[-1] < need.start_seconds[0] - _TWO_DAYS or need.end_seconds[-1] + _TWO_DAYS < starts[0]:
        return True  # rule T9 is about one local day
    gap = need.gap_to(slots)
    return gap >= 0 and need.way_at_most(slots) <= gap


def _clashes(need: CourseNeed, slots: TakenSlots, busy: set[int], worst: dict[int, tuple[int, int, int]]) -> None:
    """Note which wanted sessions, by index, cannot be taught beside some slots (rules T4 and T9).

    ``busy`` are overlapped. Of those with too little time for the way ``worst`` keeps, in seconds, what lacks most, the
    way and the gap. Ways are asked of the sessions and slots that start on one local day of the booking's time zone; a
    slot of the same booking needs none, an overlap is no matter of the way, and online nobody travels.
    """
    starts, ends, total = need.start_seconds, need.end_seconds, need.total
    way, lasts = need.way_to(slots), slots.seconds
    roomy = way <= need.least_gap
    for start in slots.starts:
        end = start + lasts
        same = need.index_at.get(start)
        if same is not None and end <= ends[same]:  # the usual clash, found without searching
            first, after = same, same + 1
            busy.add(same)
            if roomy:
                continue
        else:
            first, after = bisect_right(ends, start), bisect_left(starts, end)
            busy.update(range(first, after))
        if not way:
            continue
        index = first - 1
        while index >= 0 and (gap := start - ends[index]) < way and _on_its_day(need, index, start):
            _note_way(need, worst, index, way, gap)
            index -= 1
        index = after
        while index < total and (gap := starts[index] - end) < way and _on_its_day(need, index, start):
            _note_way(need, worst, index, way, gap)
            index += 1


def _note_way(need: CourseNeed, worst: dict[int, tuple[int, int, int]], index: int, way: int, gap: int) -> None:
    if need.at_home[index]:
        pair = (way - gap, way, gap)
        worst[index] = max(worst.get(index, pair), pair)


def _on_its_day(need: CourseNeed, index: int, start: int) -> bool:
    """Whether a slot that starts then starts on the local day of a wanted session."""
    day = need.days[index]
    return day.starts_at.timestamp() <= start < day.ends_at.timestamp()


def _any_clash(need: CourseNeed, slots: TakenSlots) -> bool:
    """Whether ``_clashes`` would note anything, found session by session."""
    way, lasts, taken = need.way_to(slots), slots.seconds, slots.starts
    for index, (start, end) in enumerate(zip(need.start_seconds, need.end_seconds, strict=True)):
        reach = way if need.at_home[index] else 0
        at = bisect_right(taken, start - lasts - reach)
        # Taken slots that begin from here on end after the session begins, less the way.
        while at < len(taken) and taken[at] < end + reach:
            slot = taken[at]
            if (slot < end and start < slot + lasts) or _on_its_day(need, index, slot):
                return True
            at += 1
    return False
