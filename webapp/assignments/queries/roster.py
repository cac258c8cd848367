"""Trainers as the scorer is told them: read afresh for one under a lock, remembered for all of an operator.

Each trainer carries a stamp that the database renews with every change of what stands here: slots, working hours, time
off, courses, zones and the trainer's own row. A process remembers trainers by their stamps and reads again only those
who have changed since: after a proposal that is one. What is remembered ranks and explains; what is held was read
afresh under the trainer's lock.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from threading import Lock
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BindParameter, Date, TextClause, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import TSTZRANGE, Range
from sqlalchemy.orm import Session

from webapp.assignments.facts import CourseNeed, TrainerFacts
from webapp.bookings.rules import DAY, SESSION_LENGTH
from webapp.core.geo import Location
from webapp.core.intervals import Interval
from webapp.schedule.rules import TakenSlots
from webapp.trainers.rules import WorkingHours

_SESSION_SECONDS = SESSION_LENGTH // timedelta(seconds=1)
_AROUND = 2 * DAY
"""A local date names other instants in other time zones, and rule T9 looks at whole days: read a little more."""
_AHEAD = timedelta(days=31)
"""How much more is remembered at once, so that the next question, a little later, is answered from memory too."""
_REMEMBERED = 20_000
"""Trainers at most, of all operators together: some 5 kB each for two months of full days, more where courses further
ahead were asked for."""


@dataclass(frozen=True, slots=True)
class Family:
    """For whom a trainer is sought; a booking already placed does not stand in its own way."""

    household_id: UUID | None = None
    student_ids: tuple[UUID, ...] = ()
    booking_id: UUID | None = None


_TOWARDS_FAMILY = """
       t.id = ANY(ARRAY(SELECT trainer_id FROM schedule_slots WHERE booking_id = :booking_id)) AS own,
       EXISTS (SELECT FROM trainer_blocks
               WHERE trainer_id = t.id AND household_id = CAST(:household_id AS uuid)) AS blocked,
       COALESCE(t.id = ANY(ARRAY(SELECT session.taught_by
                                 FROM booking_students AS taking
                                 JOIN course_sessions AS session ON session.booking_id = taking.booking_id
                                 WHERE taking.student_id = ANY(:student_ids) AND session.taught_by IS NOT NULL)),
                false) AS taught"""
# A session lasts forty minutes (rule B4), so that a slot is told by its start.
_EVERYTHING = """
       t.name, t.operator_id, t.active, t.base_lat, t.base_lng, t.time_zone, t.languages, t.gender,
       t.service_id IS NOT NULL AS of_service,
       ARRAY(SELECT course_id FROM trainer_courses WHERE trainer_id = t.id) AS course_ids,
       ARRAY(SELECT zone_id FROM trainer_zones WHERE trainer_id = t.id) AS zone_ids,
       (SELECT json_agg(json_build_array(weekday, starts, ends) ORDER BY weekday, starts)::text
        FROM working_hours WHERE trainer_id = t.id) AS hours,
       ARRAY(SELECT period FROM time_off WHERE trainer_id = t.id AND period && :whole) AS away,
       (SELECT json_agg(json_build_array(booking_id, place_lat, place_lng, buffer_minutes, starts))
        FROM (SELECT booking_id, place_lat, place_lng, buffer_minutes,
                     array_agg(date_part('epoch', lower(period))::bigint) AS starts
              FROM schedule_slots
              WHERE trainer_id = t.id AND date BETWEEN :first AND :last
              GROUP BY 1, 2, 3, 4) AS together) AS taken
"""


def _statement(columns: Iterable[str], where: str, *types: BindParameter[Any]) -> TextClause:
    told = ", ".join(columns)
    pieces = f"SELECT t.id, t.stamp, {told} FROM trainers AS t WHERE {where}"  # noqa: S608 - all of them stand here
    return text(pieces).bindparams(*types)


_FAMILY = (
    bindparam("household_id", type_=Uuid()),
    bindparam("student_ids", type_=ARRAY(Uuid())),
    bindparam("booking_id", type_=Uuid()),
)
_OPERATOR = bindparam("operator_id", type_=Uuid())
_TIMES = (bindparam("whole", type_=TSTZRANGE()), bindparam("first", type_=Date()), bindparam("last", type_=Date()))
_STAMPS_OF_ALL = _statement([_TOWARDS_FAMILY], "t.operator_id = :operator_id", *_FAMILY, _OPERATOR)
_OF_SOME = _statement([_EVERYTHING], "t.id = ANY(:ids)", *_TIMES, bindparam("ids", type_=ARRAY(Uuid())))
# A statement of its own, so that the server plans for one trainer apart from many.
_OF_ONE = _statement(
    [_EVERYTHING, _TOWARDS_FAMILY],
    "t.id = :only AND t.operator_id = :operator_id",
    *(*_FAMILY, *_TIMES, _OPERATOR, bindparam("only", type_=Uuid())),
)


@dataclass(frozen=True, slots=True)
class _Known:
    """A trainer as of a stamp, with all slots and time off from one local date to another, both included."""

    stamp: UUID
    first: date
    last: date
    facts: TrainerFacts

    def covers(self, first: date, last: date) -> bool:
        return self.first <= first and last <= self.last


class _Memory:
    """What a process remembers of trainers, the least recently asked for forgotten first."""

    def __init__(self, most: int) -> None:
        self._known: OrderedDict[UUID, _Known] = OrderedDict()
        self._most = most
        self._lock = Lock()

    def of(self, ids: Iterable[UUID]) -> dict[UUID, _Known]:
        with self._lock:
            found = {id_: known for id_ in ids if (known := self._known.get(id_))}
            for id_ in found:
                self._known.move_to_end(id_)
            return found

    def forget(self) -> None:
        with self._lock:
            self._known.clear()

    def keep(self, known: Iterable[_Known]) -> None:
        with self._lock:
            for one in known:
                self._known[one.facts.id] = one
                self._known.move_to_end(one.facts.id)
            while len(self._known) > self._most:
                self._known.popitem(last=False)


_memory = _Memory(_REMEMBERED)


def forget() -> None:
    """Forget every trainer, as a process that has just started: for whoever measures what remembering is worth."""
    _memory.forget()


def trainers_of_operator(
    db: Session, need: CourseNeed, family: Family, *, window: Interval | None = None
) -> list[TrainerFacts]:
    """The facts of all trainers of the need's operator, with all that is taken on the days of the course, and more.

    With a ``window`` all that is taken in it is among the facts. One statement, and one more for the trainers who are
    not remembered as they are now.
    """
    first, last = _dates(need, window)
    present = db.execute(_STAMPS_OF_ALL, {**_asked(family), "operator_id": need.operator_id}).all()
    known = _memory.of(row[0] for row in present)
    changed = [
        id_
        for id_, stamp, *_family in present
        if (one := known.get(id_)) is None or one.stamp != stamp or not one.covers(first, last)
    ]
    if changed:
        # What is known from before stays covered, unless it lies far back by now.
        starts = (one.first for id_ in changed if (one := known.get(id_)))
        ends = (one.last for id_ in changed if (one := known.get(id_)))
        since = max(min((first, *starts)), first - _AHEAD)
        until = max((last + _AHEAD, *ends))
        fresh = _read(db, changed, since, until)
        _memory.keep(fresh)
        known |= {one.facts.id: one for one in fresh}
    # A trainer deleted between the two statements is in the first alone.
    return [
        _towards(known[id_].facts, family, own, blocked, taught)
        for id_, _stamp, own, blocked, taught in present
        if id_ in known
    ]


def trainer_as_now(db: Session, need: CourseNeed, family: Family, trainer_id: UUID) -> TrainerFacts | None:
    """The facts of one trainer of the need's operator, read afresh; ``None`` for anybody else. One statement."""
    first, last = _dates(need, None)
    asked = {**_asked(family), **_between(first, last), "only": trainer_id, "operator_id": need.operator_id}
    row = db.execute(_OF_ONE, asked).one_or_none()
    return None if row is None else _towards(_facts(*row), family, row.own, row.blocked, row.taught)


def _read(db: Session, ids: Sequence[UUID], first: date, last: date) -> list[_Known]:
    rows = db.execute(_OF_SOME, {**_between(first, last), "ids": list(ids)})
    return [_Known(row[1], first, last, _facts(*row)) for row in rows]


def _dates(need: CourseNeed, window: Interval | None) -> tuple[date, date]:
    """The local dates on which slots must be known, a little generously."""
    first, last = need.sessions[0].date, need.sessions[-1].date
    if window is not None:
        first, last = min(first, window.starts_at.date()), max(last, window.ends_at.date())
    return first - _AROUND, last + _AROUND


def _between(first: date, last: date) -> dict[str, Any]:
    whole = Range(datetime.combine(first, time.min, UTC), datetime.combine(last + DAY, time.min, UTC), bounds="[)")
    return {"first": first, "last": last, "whole": whole}


def _asked(family: Family) -> dict[str, Any]:
    return {
        "household_id": family.household_id,
        "student_ids": list(family.student_ids),
        "booking_id": family.booking_id,
    }


def _towards(whole: TrainerFacts, family: Family, own: bool, blocked: bool, taught: bool) -> TrainerFacts:
    """What is known of a trainer, for one family: mostly nothing in particular."""
    if not (own or blocked or taught):
        return whole
    others = tuple(slots for slots in whole.taken if slots.booking_id != family.booking_id) if own else whole.taken
    return replace(whole, taken=others, blocked=blocked, taught_students=taught)


def _facts(
    id_: UUID,
    _stamp: UUID,
    name: str,
    operator_id: UUID,
    active: bool,
    base_lat: float | None,
    base_lng: float | None,
    time_zone: str,
    languages: list[str],
    gender: str | None,
    of_service: bool,
    course_ids: list[UUID],
    zone_ids: list[UUID],
    hours: str | None,
    away: list[Range[datetime]],
    taken: list[tuple[str, float | None, float | None, int, list[int]]] | None,
    *_towards_family: bool,
) -> TrainerFacts:
    """One row of the statement, its columns in order, with everything that was read."""
    return TrainerFacts(
        id=id_,
        name=name,
        operator_id=operator_id,
        active=active,
        course_ids=frozenset(course_ids),
        zone_ids=frozenset(zone_ids),
        base=_place(base_lat, base_lng),
        hours=_hours(hours),
        time_zone=time_zone,
        away=tuple(_off(period) for period in away),
        taken=tuple(
            TakenSlots(tuple(sorted(starts)), _SESSION_SECONDS, _place(lat, lng), buffer, UUID(booking_id))
            for booking_id, lat, lng, buffer, starts in taken or ()
        ),
        languages=frozenset(languages),
        gender=gender,
        of_service=of_service,
    )


def _off(period: Range[datetime]) -> Interval:
    assert period.lower is not None
    assert period.upper is not None
    return Interval(period.lower, period.upper)


@lru_cache(maxsize=4096)
def _hours(stored: str | None) -> tuple[WorkingHours, ...]:
    """Working hours as the statement tells them; few patterns are shared by many trainers."""
    return tuple(
        WorkingHours(weekday, time.fromisoformat(starts), time.fromisoformat(ends))
        for weekday, starts, ends in json.loads(stored or "[]")
    )


@lru_cache(maxsize=65536)
def _place(lat: float | None, lng: float | None) -> Location | None:
    """A place; the same family is met again and again."""
    return Location(lat, lng) if lat is not None and lng is not None else None
