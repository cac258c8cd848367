"""Which of the wanted sessions a trainer cannot take: working hours, time off, taken slots, the way (rules T4, T5, T9).

One computation for the verdict, the grid and the smallest fix.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from webapp.assignments.facts import CourseNeed, TrainerFacts
from webapp.schedule.rules import hit
from webapp.trainers.rules import open_periods

_MINUTE = timedelta(minutes=1)
_NONE = timedelta(0)
_OVERLAP = timedelta(minutes=-1)


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


def conflicts(need: CourseNeed, trainer: TrainerFacts) -> Conflicts:
    """All conflicts of one trainer with the wanted sessions."""
    busy = set(hit(need.starts, need.ends, trainer.busy))
    worst: dict[int, tuple[timedelta, timedelta, timedelta]] = {}
    for index, gap, wanted in _clashes(need, trainer):
        if gap < _NONE:
            busy.add(index)
        else:
            pair = (wanted - gap, wanted, gap)
            worst[index] = max(worst.get(index, pair), pair)
    return Conflicts(
        outside=tuple(_outside_hours(need, trainer)),
        off=tuple(hit(need.starts, need.ends, trainer.away)),
        busy=tuple(sorted(busy)),
        tight=tuple(
            TightWay(index, gap // _MINUTE, wanted // _MINUTE) for index, (_, wanted, gap) in sorted(worst.items())
        ),
    )


def free_for_all(need: CourseNeed, trainer: TrainerFacts) -> bool:
    """Whether there is no conflict: the same answer as looking for all of them, given at the first."""
    return not (
        _outside_hours(need, trainer)
        or hit(need.starts, need.ends, trainer.away)
        or hit(need.starts, need.ends, trainer.busy)
        or any(True for _ in _clashes(need, trainer))
    )


def _outside_hours(need: CourseNeed, trainer: TrainerFacts) -> list[int]:
    """Indexes of the sessions that no working period holds (rule T5), ascending."""
    if not trainer.hours:
        return list(range(need.total))
    view = need.view_in(trainer.time_zone)
    by_weekday: dict[int, list[tuple[int, int]]] = {}
    for period in sorted(trainer.hours):
        of_day = by_weekday.setdefault(period.weekday, [])
        if of_day and period.start_minute <= of_day[-1][1]:
            start, end = of_day.pop()
            of_day.append((start, max(end, period.end_minute)))
        else:
            of_day.append((period.start_minute, period.end_minute))
    outside: list[int] = []
    for pattern in view.patterns:
        for start, end in by_weekday.get(pattern.weekday, ()):
            if start <= pattern.start_minute and pattern.end_minute <= end:
                break
        else:
            outside.extend(pattern.indexes)
    zone = ZoneInfo(trainer.time_zone)
    for index in view.odd:
        wanted = need.sessions[index].period
        on = wanted.starts_at.astimezone(zone).date()
        if not any(working.contains(wanted) for working in open_periods(trainer.hours, on, trainer.time_zone)):
            outside.append(index)
    return sorted(outside)


def _clashes(need: CourseNeed, trainer: TrainerFacts) -> Iterator[tuple[int, timedelta, timedelta]]:
    """Pairs of a wanted session, by its index, and a taken slot that cannot both be taught (rules T4 and T9).

    With each the time in between, below zero when they overlap, and the time needed for the way. Ways are asked of the
    sessions and slots that start on one local day of the booking's time zone; a slot of the same booking needs none, an
    overlap is no matter of the way, and online nobody travels.
    """
    starts, ends, days, places = need.starts, need.ends, need.days, need.places
    for slot in trainer.taken:
        starts_at, ends_at = slot.period.starts_at, slot.period.ends_at
        first, end = bisect_right(ends, starts_at), bisect_left(starts, ends_at)
        for index in range(first, end):
            yield index, _OVERLAP, _NONE
        wanted = need.way_to(slot)
        if not wanted:
            continue
        index = first - 1
        while index >= 0 and (gap := starts_at - ends[index]) < wanted and starts_at < days[index].ends_at:
            if places[index] is not None:
                yield index, gap, wanted
            index -= 1
        index = end
        while index < len(starts) and (gap := starts[index] - ends_at) < wanted and days[index].starts_at <= starts_at:
            if places[index] is not None:
                yield index, gap, wanted
            index += 1
