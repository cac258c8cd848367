"""Half-open periods of time: [starts_at, ends_at), so 10–11 and 11–12 do not clash."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A half-open period between two aware instants, kept in UTC.

    Raises ``ValueError`` when an end is naive or the period is empty or runs backwards.
    """

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if self.starts_at.tzinfo is None or self.ends_at.tzinfo is None:
            raise ValueError("an interval needs aware instants")
        # Two instants of one time zone compare by their wall clocks, which run backwards when clocks go back.
        if self.starts_at.tzinfo is not UTC or self.ends_at.tzinfo is not UTC:
            object.__setattr__(self, "starts_at", self.starts_at.astimezone(UTC))
            object.__setattr__(self, "ends_at", self.ends_at.astimezone(UTC))
        if not self.starts_at < self.ends_at:
            raise ValueError("an interval ends after it starts")

    def overlaps(self, other: Interval) -> bool:
        """Whether the two periods share an instant."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at

    def contains(self, other: Interval) -> bool:
        """Whether the other period lies wholly inside this one."""
        return self.starts_at <= other.starts_at and other.ends_at <= self.ends_at

    def gap_to(self, other: Interval) -> timedelta:
        """Free time between the two periods; zero when they touch or overlap."""
        first, second = sorted((self, other))
        return max(timedelta(0), second.starts_at - first.ends_at)

    @property
    def duration(self) -> timedelta:
        """Elapsed time, not wall-clock time."""
        return self.ends_at - self.starts_at


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same instants as few as possible, sorted and disjoint; touching periods become one."""
    result: list[Interval] = []
    for interval in sorted(intervals):
        if result and interval.starts_at <= result[-1].ends_at:
            last = result.pop()
            result.append(Interval(last.starts_at, max(last.ends_at, interval.ends_at)))
        else:
            result.append(interval)
    return result


@dataclass(frozen=True, slots=True)
class LocalInstant:
    """What a wall-clock time came out as: the instant in UTC, and whether a clock change moved it (rule B10)."""

    at: datetime
    shifted: bool


def resolve_local(on: date, wall_clock: time, time_zone: str, *, last: bool = False) -> LocalInstant:
    """The instant of a local date and wall-clock time in an IANA time zone (rule B10).

    In a gap (clocks go forward) the first valid instant after it, marked ``shifted``; in a fold (clocks go back) the
    first of the two occurrences, or the ``last``. Raises ``ZoneInfoNotFoundError`` for an unknown time zone.
    """
    zone = ZoneInfo(time_zone)
    local = datetime.combine(on, wall_clock, tzinfo=zone).replace(fold=0)
    at = local.astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return LocalInstant(local.replace(fold=1).astimezone(UTC) if last else at, shifted=False)
    # In a gap the offset before it (fold=0) and the one after it (fold=1) differ by the gap's length: reading the
    # wall clock with either lands on the two sides of the change, which lies on the earlier side's next offset step.
    low, high = local.replace(fold=1).astimezone(UTC), at
    after = high.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == after:
            high = middle
        else:
            low = middle
    return LocalInstant(high.replace(microsecond=0), shifted=True)
