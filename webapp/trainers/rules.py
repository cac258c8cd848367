"""Trainers: weekly working hours, certifications, and the one time zone their zones share."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from webapp.core.errors import Invalid
from webapp.core.geo import Location
from webapp.core.intervals import Interval, merged, resolve_local
from webapp.core.names import clean_lines, clean_name
from webapp.households.rules import Gender, Language

MAX_COURSES = 3
"""Default of the setting for rule T3: how many courses a trainer may be certified for."""

MINUTES_PER_DAY = 24 * 60

MAX_NOTES = 2000
"""Longest notes about a trainer, in characters."""

LONGEST_TIME_OFF: Final = timedelta(days=2 * 366)
"""Whoever is away for longer is no longer active."""
_YEARS: Final = range(2000, 2200)


class Source(StrEnum):
    """Where a trainer is kept."""

    DESK = "desk"
    SERVICE = "service"


class Standing(StrEnum):
    """Whether a trainer can be proposed; one who has left the trainer service is not merely inactive."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    LEFT = "left"

    @classmethod
    def of(cls, active: bool, left_at: datetime | None) -> Standing:
        """How a trainer stands."""
        if active:
            return cls.ACTIVE
        return cls.INACTIVE if left_at is None else cls.LEFT


@dataclass(frozen=True, slots=True, order=True)
class WorkingHours:
    """A weekly period, on the wall clock of the trainer's zones. ``weekday`` 0 is Monday.

    ``ends`` 00:00 means midnight at the end of that day. Hours never run over midnight: enter two periods.
    """

    weekday: int
    starts: time
    ends: time

    @property
    def start_minute(self) -> int:
        """Minutes from the day's midnight to the start."""
        return self.starts.hour * 60 + self.starts.minute

    @property
    def end_minute(self) -> int:
        """Minutes from the day's midnight to the end; 1,440 for the midnight that ends the day."""
        return self.ends.hour * 60 + self.ends.minute or MINUTES_PER_DAY


def check_hours(hours: Iterable[WorkingHours]) -> None:
    """Raise ``Invalid`` for field ``hours`` when a weekday is none, a period is empty or backwards, or two overlap."""
    before: WorkingHours | None = None
    for period in sorted(hours, key=lambda h: (h.weekday, h.start_minute)):
        if period.weekday not in range(7):
            raise Invalid("hours-weekday", "A weekday is one of seven.", field="hours")
        if period.start_minute >= period.end_minute:
            raise Invalid("hours-order", "Working hours must end after they start.", field="hours")
        if before is not None and before.weekday == period.weekday and period.start_minute < before.end_minute:
            raise Invalid("hours-overlap", "Two periods of one day overlap.", field="hours")
        before = period


def open_periods(hours: Iterable[WorkingHours], on: date, time_zone: str) -> list[Interval]:
    """When a trainer works on a local date, as sorted disjoint UTC periods; touching hours become one.

    An end that falls into a clock change is resolved like a session's start (rule B10); a period that a change
    swallows whole is left out.
    """
    found = []
    for period in hours:
        if period.weekday != on.weekday():
            continue
        at_midnight = period.end_minute == MINUTES_PER_DAY
        starts_at = resolve_local(on, period.starts, time_zone).at
        ends_at = resolve_local(on + timedelta(days=at_midnight), period.ends, time_zone).at
        if starts_at < ends_at:
            found.append(Interval(starts_at, ends_at))
    return merged(found)


def time_off_period(
    first: date, starts: time | None, last: date, ends: time | None, time_zone: str, *, now: datetime
) -> Interval:
    """Time off from one local date to another, as UTC; a day without a time counts whole.

    ``ends`` 00:00 is the midnight that ends the last day, as in ``WorkingHours``. A time that clocks show twice begins
    with the first and ends with the last: whoever is away until then is not free in between.

    Raises ``Invalid`` for field ``to_date`` when it ends before it starts, is over already or lasts too long, and for
    either field when a date is out of every calendar.
    """
    for day, field in ((first, "from_date"), (last, "to_date")):
        if day.year not in _YEARS:
            raise Invalid("time-off-year", "Give a date of this century.", field=field)
    starts_at = resolve_local(first, time(0) if starts is None else starts, time_zone).at
    if ends is None or ends == time(0):
        ends_at = resolve_local(last + timedelta(days=1), time(0), time_zone).at
    else:
        ends_at = resolve_local(last, ends, time_zone, last=True).at
    if starts_at >= ends_at:
        raise Invalid("time-off-order", "Time off must end after it starts.", field="to_date")
    if ends_at <= now:
        raise Invalid("time-off-over", "This time is over already: nothing would come of it.", field="to_date")
    if ends_at - starts_at > LONGEST_TIME_OFF:
        sentence = "That is more than two years. Make the trainer inactive instead."
        raise Invalid("time-off-long", sentence, field="to_date")
    return Interval(starts_at, ends_at)


def shared_time_zone(time_zones: Collection[str]) -> str:
    """The one time zone of all of a trainer's zones. Raises ``Invalid`` for field ``zones`` when none or several."""
    distinct = set(time_zones)
    if not distinct:
        raise Invalid("no-zone", "A trainer works in at least one zone.", field="zones")
    if len(distinct) > 1:
        raise Invalid("zones-time-zone", "All zones of one trainer share a time zone.", field="zones")
    return distinct.pop()


def check_courses(course_ids: Collection[UUID], *, max_courses: int = MAX_COURSES) -> None:
    """Rule T3 where staff enter certifications. Raises ``Invalid`` for field ``courses``."""
    if len(set(course_ids)) > max_courses:
        raise Invalid(
            "too-many-courses",
            "A trainer may be certified for at most %(limit)s courses.",
            field="courses",
            limit=max_courses,
        )


@dataclass(frozen=True, slots=True)
class TrainerCommand:
    """A trainer to create or change. ``hours`` empty: unknown, so refused as such (rule T5); ``base`` None likewise."""

    operator_id: UUID
    name: str
    base: Location | None
    gender: Gender | None
    languages: tuple[Language, ...]
    course_ids: tuple[UUID, ...]
    zone_ids: tuple[UUID, ...]
    hours: tuple[WorkingHours, ...]
    active: bool = True
    notes: str = ""

    def checked(self, *, max_courses: int = MAX_COURSES) -> TrainerCommand:
        """The same, cleaned, nothing twice. Raises ``Invalid`` for ``name``, ``courses``, ``hours`` or ``notes``."""
        check_courses(self.course_ids, max_courses=max_courses)
        check_hours(self.hours)
        return replace(
            self,
            name=clean_name(self.name),
            languages=tuple(dict.fromkeys(self.languages)),
            course_ids=tuple(dict.fromkeys(self.course_ids)),
            zone_ids=tuple(dict.fromkeys(self.zone_ids)),
            hours=tuple(sorted(self.hours)),
            notes=clean_lines(self.notes, limit=MAX_NOTES, field="notes"),
        )
