"""The one smallest change of a booking that would make a trainer eligible, when there is one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from webapp.assignments.conflicts import conflicts, free_for_all
from webapp.assignments.facts import CourseNeed, TrainerFacts
from webapp.assignments.fixes import Fix, MoveCourse, MoveSession, StartLater, moved_within_day
from webapp.assignments.reasons import OF_SESSIONS
from webapp.assignments.rules import assess
from webapp.core.intervals import Interval
from webapp.trainers.rules import MAX_COURSES

RASTER_MINUTES = 20
"""Only times of day that are whole steps of the clock are looked at: 10:00, 10:20, 10:40."""

MAX_SHIFT_MINUTES = 180
"""How much earlier or later a whole course may be moved."""

MAX_LATER_DAYS = 14
"""How much later a whole course may start."""

_TIMES = tuple(time(*divmod(minute, 60)) for minute in range(0, 24 * 60, RASTER_MINUTES))


def fix_window(need: CourseNeed) -> Interval:
    """The period in which a trainer's slots and time off must be known to look for a fix.

    Whole local days, from that of the first session to the last one's if the course starts as late as it may: a change
    of the time of day never leaves its day.
    """
    changed = (need, *(need.starting(on) for on in _later_dates(need)))
    return Interval(need.days[0].starts_at, max(one.days[-1].ends_at for one in changed if one))


def smallest_fix(
    need: CourseNeed, trainer: TrainerFacts, *, now: datetime, max_courses: int = MAX_COURSES
) -> Fix | None:
    """The smallest change after which ``assess`` finds nothing against the trainer, or ``None``.

    The trainer's facts must cover ``fix_window``. In this order, the first that helps: the one session in conflict, if
    taught offline, at the nearest other time of its day; the whole course at the nearest other time of day, at most
    three hours away; the whole course started later, at most 14 days. Of two times equally near the earlier one. All
    changed sessions start after ``now``. ``None`` too for a trainer who is eligible, or refused as a whole.
    """
    verdict = assess(need, trainer, max_courses=max_courses)
    if verdict.eligible or not trainer.hours or any(reason.code not in OF_SESSIONS for reason in verdict.reasons):
        return None
    return next(_fixes(need, trainer, now), None)


def _fixes(need: CourseNeed, trainer: TrainerFacts, now: datetime) -> Iterator[Fix]:
    """All changes that help, smallest first."""
    hit = conflicts(need, trainer).indexes
    free, total = need.total - len(hit), need.total
    if len(hit) == 1:
        (index,) = hit
        session = need.sessions[index]
        for to_time in _by_nearness(session.timeslot):
            moved = moved_within_day(need, session, to_time)
            if moved and moved.starts_at > now and free_for_all(need.with_sessions((moved,)), trainer):
                yield MoveSession(free, total, session.number, session.date, to_time)
    for to_time in _by_nearness(need.timeslot, MAX_SHIFT_MINUTES):
        changed = need.at(to_time)
        if changed and changed.starts[0] > now and free_for_all(changed, trainer):
            yield MoveCourse(free, total, to_time)
    for on in _later_dates(need):
        changed = need.starting(on)
        if changed and changed.starts[0] > now and free_for_all(changed, trainer):
            yield StartLater(free, total, on)


def _later_dates(need: CourseNeed) -> list[date]:
    return [need.sessions[0].date + timedelta(days=days) for days in range(1, MAX_LATER_DAYS + 1)]


@lru_cache(maxsize=256)
def _by_nearness(timeslot: time, most_minutes: int = 24 * 60) -> tuple[time, ...]:
    """The other times of day on the raster, nearest first, of two the earlier one first."""
    here = _minute(timeslot)
    away = {at: abs(_minute(at) - here) for at in _TIMES}
    return tuple(sorted((at for at in _TIMES if 0 < away[at] <= most_minutes), key=lambda at: (away[at], at)))


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute
