"""A course planned anew after it was booked: one session moved, a series paused, all of it later (rules B4, B8, B10).

Pure like the rules. Numbers and modes stay with their sessions and the count never changes; whether a trainer is free
at the new times is another question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import Protocol, TypeVar

from webapp.bookings.rules import (
    DAY,
    SESSION_LENGTH,
    WEEK,
    CourseRequest,
    CourseSessionStatus,
    DeliveryMode,
    PlannedSession,
    SessionMode,
    crosses_midnight,
    first_sunday,
    later,
    open_dates,
    planned,
    planned_after,
)
from webapp.core.errors import Invalid

_LAST_START = timedelta(days=1) - SESSION_LENGTH
"""The latest time of day at which a session may start, from midnight on (rule B4)."""


class Scheduled(Protocol):
    """What is asked of a session that may be handed over."""

    @property
    def status(self) -> CourseSessionStatus:
        """Its status (rule S1)."""

    @property
    def starts_at(self) -> datetime:
        """The instant it begins."""


S = TypeVar("S", bound=Scheduled)


def remaining(sessions: Iterable[S], now: datetime) -> tuple[S, ...]:
    """The sessions a replacement takes over: scheduled and not begun, in order (rule A7)."""
    ahead = (s for s in sessions if s.status is CourseSessionStatus.SCHEDULED and s.starts_at > now)
    return tuple(sorted(ahead, key=lambda s: s.starts_at))


def planned_move(session: PlannedSession, to_date: date, to_time: time, time_zone: str) -> PlannedSession:
    """The same session at another local date and time of an IANA time zone (rules B4 and B10).

    Raises ``Invalid`` for field ``timeslot``: ``timeslot-minutes`` for more than hours and minutes,
    ``crosses-midnight``. Which sessions may move within their day rule B7 says: ``may_move_within_day``.
    """
    if to_time.second or to_time.microsecond or to_time.tzinfo is not None:
        raise Invalid("timeslot-minutes", "Enter the time slot as hours and minutes.", field="timeslot")
    return _within_its_day(planned(session.number, to_date, to_time, time_zone, session.mode), time_zone)


def with_moves(
    sessions: Sequence[PlannedSession], moves: Iterable[tuple[int, time]], time_zone: str
) -> tuple[PlannedSession, ...]:
    """The sessions, some of them, by number, at another time of their own day; in the order of time.

    Raises ``Invalid`` for field ``moves``: ``move-unknown`` for a number there is not, ``move-online`` for a session
    online, which keeps its time slot (rule B7), ``move-time`` for a time that does not exist on that day or ends past
    midnight, and ``move-overlap``.
    """
    moved = {session.number: session for session in sessions}
    for number, to_time in moves:
        session = moved.get(number)
        if session is None:
            raise Invalid("move-unknown", "There is no session %(number)s to move.", field="moves", number=number)
        if session.mode is not SessionMode.OFFLINE:
            raise Invalid(
                "move-online", "Session %(number)s is online and keeps its time.", field="moves", number=number
            )
        changed = planned(number, session.date, to_time, time_zone, session.mode)
        if changed.shifted or crosses_midnight(changed, time_zone):
            raise Invalid("move-time", "Session %(number)s cannot be at that time.", field="moves", number=number)
        moved[number] = changed
    ordered = tuple(sorted(moved.values(), key=lambda session: session.starts_at))
    for before, after in pairwise(ordered):
        if before.ends_at > after.starts_at:
            raise Invalid(
                "move-overlap", "Session %(number)s would overlap another one.", field="moves", number=after.number
            )
    return ordered


def plan_pause(
    sessions: Iterable[PlannedSession],
    from_date: date,
    to_date: date,
    request: CourseRequest,
    skip: Collection[date] = frozenset(),
) -> tuple[PlannedSession, ...]:
    """The remaining ``sessions`` when the family pauses from one local date to another, both included (rule B8).

    Those of the pause go on after it in the pattern of the ``request``: on consecutive days, or in pairs on Sundays, at
    its time slot, never on a date to ``skip``. Later ones make room for them, as far as they must, and keep their times
    otherwise: the series runs longer, and no session comes earlier than it was. Raises ``Invalid`` ``pause-order`` for
    field ``to_date``, and ``crosses-midnight`` for field ``timeslot``.
    """
    if to_date < from_date:
        raise Invalid("pause-order", "The pause must end after it begins.", field="to_date")
    ordered = sorted(sessions, key=lambda s: s.starts_at)
    kept = [session for session in ordered if session.date < from_date]
    going_on = [session for session in ordered if session.date >= from_date]
    return (*kept, *_going_on(going_on, to_date + DAY, request, skip))


def at_other_time(
    sessions: Sequence[PlannedSession], minutes: int, time_zone: str
) -> tuple[PlannedSession, ...] | None:
    """All sessions, in order, so many minutes of the wall clock later (or earlier) on their own days.

    A session back to back after another stays so. ``None`` when one would leave its day or two would overlap.
    """
    found: list[PlannedSession] = []
    before: PlannedSession | None = None
    for session in sessions:
        wanted = timedelta(hours=session.timeslot.hour, minutes=session.timeslot.minute + minutes)
        if not timedelta(0) <= wanted <= _LAST_START:
            return None
        if before is not None and _follows(before, session):
            found.append(planned_after(found[-1], session.number, time_zone, session.mode))
        else:
            slot = later(session.timeslot, timedelta(minutes=minutes))
            found.append(planned(session.number, session.date, slot, time_zone, session.mode))
        before = session
    return _sound(found, time_zone)


def on_later_dates(
    sessions: Sequence[PlannedSession],
    first_date: date,
    delivery_mode: DeliveryMode,
    time_zone: str,
    skip: Collection[date] = frozenset(),
) -> tuple[PlannedSession, ...] | None:
    """All sessions, in order, as many days (Sundays: weeks) later as bring the first one to ``first_date``.

    Dates to ``skip`` are stepped over and not counted, so that a series planned around them comes out as if planned
    from ``first_date``. ``None`` when the first cannot come there, one would leave its day or two would overlap.
    """
    step = WEEK if delivery_mode is DeliveryMode.SUNDAY_ONLY else DAY
    steps, on = 0, sessions[0].date
    while on < first_date:
        steps, on = steps + 1, next(open_dates(on + step, step, skip))
    if on != first_date or not steps:
        return None
    found: list[PlannedSession] = []
    before: PlannedSession | None = None
    for session in sessions:
        on = next(islice(open_dates(session.date + step, step, skip), steps - 1, None))
        if before is not None and _follows(before, session):
            found.append(planned_after(found[-1], session.number, time_zone, session.mode))
        else:
            found.append(planned(session.number, on, session.timeslot, time_zone, session.mode))
        before = session
    return _sound(found, time_zone)


def _going_on(
    sessions: Sequence[PlannedSession], resume: date, request: CourseRequest, skip: Collection[date]
) -> Iterator[PlannedSession]:
    """Sessions in order, none before a local date: where they are, or at the next place of the pattern."""
    sundays, zone = request.delivery_mode is DeliveryMode.SUNDAY_ONLY, request.time_zone
    before: PlannedSession | None = None
    of_day = 0
    for session in sessions:
        number, mode, new = session.number, session.mode, session
        stays = resume <= session.date and session.date not in skip
        if not stays or (before is not None and session.starts_at < before.ends_at):
            if sundays and before is not None and of_day == 1 and _first_of_sunday(before, request):
                new = planned_after(before, number, zone, mode)
            else:
                earliest = resume if before is None else max(resume, before.date + DAY)
                dates = open_dates(first_sunday(earliest), WEEK, skip) if sundays else open_dates(earliest, DAY, skip)
                new = planned(number, next(dates), request.timeslot, zone, mode)
        of_day = of_day + 1 if before is not None and before.date == new.date else 1
        before = _within_its_day(new, zone)
        yield before


def _first_of_sunday(session: PlannedSession, request: CourseRequest) -> bool:
    """Whether a session stands where the first of a pair does (rule B6)."""
    return session.timeslot == request.timeslot and first_sunday(session.date) == session.date


def _within_its_day(session: PlannedSession, time_zone: str) -> PlannedSession:
    if crosses_midnight(session, time_zone):
        raise Invalid("crosses-midnight", "The sessions of a day must end by midnight.", field="timeslot")
    return session


def _follows(before: PlannedSession, session: PlannedSession) -> bool:
    """Whether a session stands back to back after another, as the second of a Sunday does (rule B6)."""
    return (
        before.ends_at == session.starts_at
        and before.date == session.date
        and later(before.timeslot, SESSION_LENGTH) == session.timeslot
    )


def _sound(sessions: Sequence[PlannedSession], time_zone: str) -> tuple[PlannedSession, ...] | None:
    """The sessions, unless one leaves its day or begins before the one before it has ended."""
    if any(before.ends_at > after.starts_at for before, after in pairwise(sessions)):
        return None
    return None if any(crosses_midnight(session, time_zone) for session in sessions) else tuple(sessions)
