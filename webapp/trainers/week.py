"""A trainer's week as a grid of hours. Pure: wall clock of the trainer's time zone in, cells out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from webapp.core.intervals import Interval, resolve_local
from webapp.trainers.rules import WorkingHours, open_periods

_YEARS = range(2000, 2200)


class HourState(StrEnum):
    """What an hour of a day is, apart from the slots in it."""

    OPEN = "open"
    OFF = "off"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class WeekSlot:
    """A period in which the trainer is taken; ``status`` is a slot's status, ``reference`` the booking's."""

    booking_id: UUID
    reference: str
    status: str
    period: Interval


@dataclass(frozen=True, slots=True)
class Lesson:
    """A slot in the grid and the wall-clock time it begins at."""

    starts: time
    slot: WeekSlot


@dataclass(frozen=True, slots=True)
class Cell:
    """One hour of one day and the lessons that begin in it."""

    state: HourState
    lessons: tuple[Lesson, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One hour of the clock on all seven days."""

    hour: time
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Week:
    """A calendar week (ISO 8601, Monday first) in an IANA time zone."""

    monday: date
    time_zone: str

    @property
    def days(self) -> tuple[date, ...]:
        """Monday to Sunday."""
        return tuple(self.monday + timedelta(days=n) for n in range(7))

    @property
    def period(self) -> Interval:
        """From Monday's midnight to the next Monday's, where the trainer lives."""
        start, end = (resolve_local(day, time(0), self.time_zone).at for day in (self.monday, self.days[-1] + _DAY))
        return Interval(start, end)

    @property
    def name(self) -> str:
        """As an address says it: "2027-W01"."""
        return _name(self.monday)

    @property
    def before(self) -> str:
        """The week before, as an address says it."""
        return _name(self.monday - timedelta(days=7))

    @property
    def after(self) -> str:
        """The week after, as an address says it."""
        return _name(self.monday + timedelta(days=7))


_DAY = timedelta(days=1)


def _name(monday: date) -> str:
    year, number, _weekday = monday.isocalendar()
    return f"{year}-W{number:02d}"


def week_of(text: str, time_zone: str, *, now: datetime) -> Week:
    """The week an address names ("2027-W01"), or the present one where it names none."""
    found = re.fullmatch(r"(\d{4})-W(\d{2})", text, re.ASCII)
    if found and int(found[1]) in _YEARS:
        try:
            return Week(date.fromisocalendar(int(found[1]), int(found[2]), 1), time_zone)
        except ValueError:  # Not every year has a week 53.
            pass
    today = now.astimezone(ZoneInfo(time_zone)).date()
    return Week(today - timedelta(days=today.weekday()), time_zone)


def grid(
    week: Week, slots: Sequence[WeekSlot], hours: Sequence[WorkingHours], away: Iterable[Interval]
) -> tuple[Row, ...]:
    """The hours from the first that is worked or taken to the last; no rows when there is neither.

    An hour is open where some of it is worked, and away where some of that is time off.
    """
    taken = [(slot, slot.period.starts_at.astimezone(ZoneInfo(week.time_zone))) for slot in slots]
    used = {local.hour for _slot, local in taken}
    for period in hours:
        used |= set(range(period.starts.hour, -(-period.end_minute // 60)))
    if not used:
        return ()
    periods = {day: open_periods(hours, day, week.time_zone) for day in week.days}
    gone = list(away)
    return tuple(
        Row(
            time(hour),
            tuple(
                Cell(
                    _state(_hour(day, hour, week.time_zone), periods[day], gone),
                    tuple(
                        Lesson(local.time(), slot)
                        for slot, local in taken
                        if local.date() == day and local.hour == hour
                    ),
                )
                for day in week.days
            ),
        )
        for hour in range(min(used), max(used) + 1)
    )


def _hour(day: date, hour: int, time_zone: str) -> Interval | None:
    starts_at = resolve_local(day, time(hour), time_zone).at
    ends_at = resolve_local(day + _DAY * (hour == 23), time((hour + 1) % 24), time_zone).at
    return Interval(starts_at, ends_at) if starts_at < ends_at else None  # None: a clock change leaves the hour out


def _state(hour: Interval | None, worked: list[Interval], away: list[Interval]) -> HourState:
    if hour is None or not any(period.overlaps(hour) for period in worked):
        return HourState.OFF
    return HourState.AWAY if any(period.overlaps(hour) for period in away) else HourState.OPEN
