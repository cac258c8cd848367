"""The facts of the trainers looked at for one course: one statement, whatever the number of trainers and sessions.

The statement is written out: it is the hottest of the desk, and its plan is what was designed. Slots are found through
the index on ``(trainer_id, date, timeslot)``, whose entries alone also tell how much a trainer is booked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from math import cos, radians
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, Date, Float, Time, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import TSTZRANGE, Range
from sqlalchemy.orm import Session

from webapp.assignments.reasons import OF_SESSIONS
from webapp.assignments.rules import CourseNeed, TrainerFacts, Verdict, assess, rank
from webapp.assignments.smallest_fix import fix_window, smallest_fix
from webapp.bookings.rules import SESSION_LENGTH
from webapp.core.geo import Location
from webapp.core.intervals import Interval
from webapp.schedule.rules import TakenSlots
from webapp.trainers.rules import MINUTES_PER_DAY, WorkingHours

_SESSION_MINUTES = SESSION_LENGTH // timedelta(minutes=1)
_SESSION_SECONDS = 60 * _SESSION_MINUTES
_CLOCK_CHANGE = 60
"""Minutes that a shifted session (rule B10) lies from its time slot at most: slots are looked up by time slot."""
_DAY_END = time(23, 59, 59)
_KM_PER_DEGREE = 111.4
"""Never less than a degree of latitude, or of longitude at the equator, is long."""


@dataclass(frozen=True, slots=True)
class Family:
    """For whom a trainer is sought; a booking already placed does not stand in its own way."""

    household_id: UUID | None = None
    student_ids: tuple[UUID, ...] = ()
    booking_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Window:
    """Which slots to read: their local dates and times of day; time off overlapping ``whole``.

    Slots matter on ``dates`` (``None``: every day from ``first`` to ``last``) near the time of day from
    ``from_minute`` to ``to_minute``, counted from midnight.
    """

    first: date
    last: date
    dates: list[date] | None
    whole: Interval
    from_minute: int = 0
    to_minute: int = MINUTES_PER_DAY


_FACTS = text("""
WITH near_by AS MATERIALIZED (
    -- All places of one trainer lie within reach of one base (rule T8), which bounds how long a way can be.
    SELECT make_time(first / 60, first % 60, 0) AS earliest, make_time(last / 60, last % 60, 59) AS latest
    FROM (SELECT GREATEST(0, :from_minute - :session_minutes - pad) AS first, LEAST(1439, :to_minute + pad) AS last
          FROM (SELECT ceil(GREATEST(:buffer, max(travel_buffer_minutes)) + :minutes_per_km
                            * (:reach_km + COALESCE(max(COALESCE(radius_km, max_travel_km)), 0)))::int AS pad
                FROM zones WHERE operator_id = :operator_id) AS longest) AS minutes
),
own AS MATERIALIZED (
    SELECT trainer_id, count(*) AS slots
    FROM schedule_slots
    WHERE booking_id = CAST(:booking_id AS uuid)
      AND (date, timeslot) BETWEEN (:first_date, :first_time) AND (:last_date, :last_time)
    GROUP BY trainer_id
)
SELECT t.id, t.name, t.operator_id, t.active, t.base_lat, t.base_lng, t.time_zone, t.languages, t.gender,
       ARRAY(SELECT course_id FROM trainer_courses WHERE trainer_id = t.id) AS course_ids,
       ARRAY(SELECT zone_id FROM trainer_zones WHERE trainer_id = t.id) AS zone_ids,
       (SELECT json_agg(json_build_array(weekday, starts, ends) ORDER BY weekday, starts)::text
        FROM working_hours WHERE trainer_id = t.id) AS hours,
       EXISTS (SELECT FROM trainer_blocks
               WHERE trainer_id = t.id AND household_id = CAST(:household_id AS uuid)) AS blocked,
       t.id = ANY(ARRAY(SELECT session.taught_by
                        FROM booking_students AS taking
                        JOIN course_sessions AS session ON session.booking_id = taking.booking_id
                        WHERE taking.student_id = ANY(:student_ids) AND session.taught_by IS NOT NULL)) AS taught,
       near.slots AS taken,
       ARRAY(SELECT period FROM time_off WHERE trainer_id = t.id AND period && :whole) AS away,
       load.slots
FROM trainers AS t
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_array(place_lat, place_lng, buffer_minutes, starts)) AS slots
    FROM (SELECT slot.place_lat, slot.place_lng, slot.buffer_minutes,
                 array_agg(date_part('epoch', lower(slot.period))::bigint) AS starts
          FROM schedule_slots AS slot
          WHERE slot.trainer_id = t.id
            AND slot.date BETWEEN :first_read AND :last_read
            AND slot.timeslot BETWEEN (SELECT earliest FROM near_by) AND (SELECT latest FROM near_by)
            AND slot.booking_id IS DISTINCT FROM CAST(:booking_id AS uuid)
            AND (CAST(:dates AS date[]) IS NULL OR slot.date = ANY(CAST(:dates AS date[])))
            -- What may overlap a wanted session, or lies nearer than the way takes: on a flat map and a little too far,
            -- for the scorer decides and only what cannot matter stays behind.
            AND (slot.timeslot BETWEEN :touches_from AND :touches_to
                 OR GREATEST(:from_minute - date_part('epoch', slot.timeslot) / 60 - :session_minutes,
                             date_part('epoch', slot.timeslot) / 60 - :to_minute)
                    < 1 + GREATEST(slot.buffer_minutes, CAST(:buffer AS int)) + CAST(:minutes_per_km AS float8)
                          * (0.1 + 1.05 * sqrt((slot.place_lat - :lat) * (slot.place_lat - :lat) * :km2_per_lat
                                               + (slot.place_lng - :lng) * (slot.place_lng - :lng) * :km2_per_lng)))
          GROUP BY 1, 2, 3) AS by_place
) AS near
CROSS JOIN LATERAL (
    SELECT count(*) - COALESCE((SELECT own.slots FROM own WHERE own.trainer_id = t.id), 0) AS slots
    FROM schedule_slots AS slot
    WHERE slot.trainer_id = t.id
      AND (slot.date, slot.timeslot) >= (:first_date, :first_time)
      AND (slot.date, slot.timeslot) <= (:last_date, :last_time)
) AS load
WHERE t.operator_id = :operator_id AND (CAST(:ids AS uuid[]) IS NULL OR t.id = ANY(CAST(:ids AS uuid[])))
ORDER BY t.id
""").bindparams(
    bindparam("operator_id", type_=Uuid()),
    bindparam("ids", type_=ARRAY(Uuid())),
    bindparam("household_id", type_=Uuid()),
    bindparam("booking_id", type_=Uuid()),
    bindparam("student_ids", type_=ARRAY(Uuid())),
    bindparam("dates", type_=ARRAY(Date())),
    *(bindparam(name, type_=Date()) for name in ("first_read", "last_read", "first_date", "last_date")),
    *(bindparam(name, type_=Time()) for name in ("touches_from", "touches_to", "first_time", "last_time")),
    bindparam("whole", type_=TSTZRANGE()),
    *(bindparam(name, type_=Float()) for name in ("reach_km", "minutes_per_km", "lat", "lng")),
)


def candidates(
    db: Session,
    need: CourseNeed,
    family: Family,
    *,
    max_courses: int,
    only: UUID | None = None,
    fixes_after: datetime | None = None,
) -> list[Verdict]:
    """The verdict on every trainer of the need's operator (or on ``only`` one of them), best first.

    This is the one scorer: pages, automatic choice and re-checks under a lock all ask here. With ``fixes_after`` (the
    present instant) each trainer whom one change would make eligible comes with that change.
    """
    return weigh(db, need, family, max_courses=max_courses, only=only, fixes_after=fixes_after).verdicts


@dataclass(frozen=True, slots=True)
class Weighed:
    """The verdicts, best first, and what they were made from, by trainer."""

    verdicts: list[Verdict]
    facts: dict[UUID, TrainerFacts]


def weigh(
    db: Session,
    need: CourseNeed,
    family: Family,
    *,
    max_courses: int,
    only: UUID | None = None,
    fixes_after: datetime | None = None,
) -> Weighed:
    """``candidates``, with the facts, for whoever shows session by session what the verdicts say as a whole."""
    ids = [only] if only else None
    window = _whole_days(need) if only else _near(need)
    looked_at = {facts.id: facts for facts in _load(db, need, family, ids, window)}
    found = {id_: assess(need, facts, max_courses=max_courses) for id_, facts in looked_at.items()}
    if fixes_after is not None:
        fixable = [trainer_id for trainer_id, verdict in found.items() if _may_be_fixed(verdict)]
        for facts in _load(db, need, family, fixable, _for_fixes(need)) if fixable else ():
            fix = smallest_fix(need, facts, now=fixes_after, max_courses=max_courses)
            found[facts.id] = replace(found[facts.id], fix=fix)
    return Weighed(rank(found.values()), looked_at)


def _may_be_fixed(verdict: Verdict) -> bool:
    """Whether only single sessions stand against the trainer, not a rule about the whole course."""
    return not verdict.eligible and all(reason.code in OF_SESSIONS for reason in verdict.reasons)


def trainer_facts(
    db: Session, need: CourseNeed, family: Family, ids: Sequence[UUID] | None = None
) -> list[TrainerFacts]:
    """The facts of all trainers of the operator, or of some, that the grid and the verdicts are made from."""
    return _load(db, need, family, list(ids) if ids is not None else None, _near(need))


def _near(need: CourseNeed) -> _Window:
    """Slots that overlap a wanted session or lie near enough for the way to matter (rule T9)."""
    slots = [session.timeslot for session in need.sessions]
    slack = _CLOCK_CHANGE if any(day.duration != timedelta(days=1) for day in need.days) else 0
    return replace(
        _whole_days(need),
        from_minute=_minute(min(slots)) - slack,
        to_minute=_minute(max(slots)) + _SESSION_MINUTES + slack,
    )


def _whole_days(need: CourseNeed) -> _Window:
    """All slots on the days of the wanted sessions: exact, for one trainer under a lock."""
    dates = sorted({session.date for session in need.sessions})
    gapless = (dates[-1] - dates[0]).days + 1 == len(dates)
    whole = Interval(need.starts[0], need.ends[-1])
    return _Window(dates[0], dates[-1], None if gapless else dates, whole)


def _for_fixes(need: CourseNeed) -> _Window:
    """All slots that a change of the course may meet."""
    window, zone = fix_window(need), need.time_zone
    days = [edge.astimezone(ZoneInfo(zone)).date() for edge in (window.starts_at, window.ends_at)]
    return _Window(days[0], days[1], None, window)


def _minute(timeslot: time) -> int:
    return timeslot.hour * 60 + timeslot.minute


def _time_of(minute: int) -> time:
    """The time of day some minutes after midnight, kept within the day: rule T9 looks at one local day."""
    return _DAY_END if minute >= MINUTES_PER_DAY else time(*divmod(max(0, minute), 60))


def _load(db: Session, need: CourseNeed, family: Family, ids: list[UUID] | None, window: _Window) -> list[TrainerFacts]:
    """The facts of the operator's trainers (or of those with ``ids``), by id."""
    first, last = need.sessions[0], need.sessions[-1]
    rows = db.execute(
        _FACTS,
        {
            "operator_id": need.operator_id,
            "ids": ids,
            "household_id": family.household_id,
            "booking_id": family.booking_id,
            "student_ids": list(family.student_ids),
            "first_read": window.first,
            "last_read": window.last,
            "dates": window.dates,
            "from_minute": window.from_minute,
            "to_minute": window.to_minute,
            "touches_from": _time_of(window.from_minute - _SESSION_MINUTES),
            "touches_to": _time_of(window.to_minute),
            "session_minutes": _SESSION_MINUTES,
            "lat": need.place.lat,
            "lng": need.place.lng,
            "km2_per_lat": _KM_PER_DEGREE**2,
            "km2_per_lng": (_KM_PER_DEGREE * cos(radians(need.place.lat))) ** 2,
            "buffer": need.buffer_minutes,
            "minutes_per_km": need.travel.detour / need.travel.speed_kmh * 60,
            "reach_km": need.reach_km,
            "first_date": first.date,
            "first_time": first.timeslot,
            "last_date": last.date,
            "last_time": last.timeslot,
            "whole": Range(window.whole.starts_at, window.whole.ends_at, bounds="[)"),
        },
    )
    return [
        TrainerFacts(
            id=row.id,
            name=row.name,
            operator_id=row.operator_id,
            active=row.active,
            course_ids=frozenset(row.course_ids),
            zone_ids=frozenset(row.zone_ids),
            base=Location(row.base_lat, row.base_lng) if row.base_lat is not None else None,
            hours=_hours(row.hours),
            time_zone=row.time_zone,
            away=tuple(Interval(period.lower, period.upper) for period in row.away or ()),
            taken=tuple(
                TakenSlots(tuple(sorted(starts)), _SESSION_SECONDS, _place(lat, lng), buffer)
                for lat, lng, buffer, starts in row.taken or ()
            ),
            blocked=row.blocked,
            languages=frozenset(row.languages),
            gender=row.gender,
            taught_students=bool(row.taught),
            booked_minutes=row.slots * _SESSION_MINUTES,
        )
        for row in rows.all()
    ]


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
