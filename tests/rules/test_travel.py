"""Time for the way between two sessions of one trainer, and the grid that shows it (rules T9 and T11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.builders import (
    HOME,
    KOLKATA,
    NEW_YORK,
    ONE_KM_NORTH,
    TakenSlot,
    a_hybrid_request,
    a_need,
    a_request,
    a_slot,
    a_slot_after,
    a_slot_before,
    a_trainer,
    apart,
    utc,
)
from webapp.assignments.conflicts import Conflicts, conflicts, free_for_all
from webapp.assignments.facts import CourseNeed, TrainerFacts, local_day
from webapp.assignments.grid import Cell, free_count, grid_row
from webapp.assignments.reasons import ReasonCode
from webapp.assignments.rules import assess
from webapp.bookings.rules import DeliveryMode, SessionMode, plan_sessions
from webapp.core.geo import Location
from webapp.core.intervals import Interval
from webapp.schedule.rules import TravelSettings, way_minutes
from webapp.trainers.rules import WorkingHours

BOOKING = UUID(int=77)


def told(need: CourseNeed, *taken: TakenSlot, **changes: Any) -> list[str]:
    return [str(reason) for reason in assess(need, a_trainer(taken=taken, **changes)).reasons]


# ── T9 ──


def test_t9_too_little_time_for_the_way_is_told_in_the_words_of_the_domain() -> None:
    # 15 minutes of buffer and 3.36 of travel, rounded up.
    need = a_need(a_request(total_sessions=30, start_date=date(2027, 1, 12), timeslot=time(9)), buffer_minutes=15)
    taken = (a_slot_after(need.sessions[29], 3), a_slot_before(need.sessions[0], 10))
    assert told(need, *taken) == [
        "Too little time for the way before or after 2 of 30 sessions, first 12 Jan 09:00: 10 min, 19 min needed"
    ]
    [reason] = assess(need, a_trainer(taken=taken)).reasons
    assert reason.to_json() == {
        "code": "travel",
        "facts": {"count": 2, "total": 30, "first": "2027-01-12T09:00", "gap": 10, "need": 19},
    }


@pytest.mark.parametrize("beside", [a_slot_before, a_slot_after])
def test_t9_the_time_needed_is_enough_and_a_second_less_is_not(beside: Any) -> None:
    need = a_need(buffer_minutes=15)
    assert told(need, beside(need.sessions[3], 19)) == []
    slot = beside(need.sessions[3], 19)
    nearer = timedelta(seconds=1 if beside is a_slot_before else -1)
    period = Interval(slot.period.starts_at + nearer, slot.period.ends_at + nearer)
    [reason] = assess(need, a_trainer(taken=(replace(slot, period=period),))).reasons
    assert (reason.code, reason.facts["gap"], reason.facts["need"]) == (ReasonCode.TRAVEL, 18, 19)


def test_t9_the_larger_buffer_of_the_two_zones_counts() -> None:
    for own, other in ((15, 5), (5, 15), (15, 15)):
        need = a_need(buffer_minutes=own)
        assert told(need, a_slot_before(need.sessions[0], 19, buffer_minutes=other)) == []
        assert len(told(need, a_slot_before(need.sessions[0], 18, buffer_minutes=other))) == 1


def test_t9_the_way_follows_the_settings() -> None:
    need = a_need(travel=TravelSettings(detour=2.0, speed_kmh=10.0))
    assert told(need, a_slot_before(need.sessions[0], 12)) == []
    assert len(told(need, a_slot_before(need.sessions[0], 11))) == 1


def test_t9_no_way_is_needed_at_the_same_place_online_or_within_one_booking() -> None:
    need = a_need(buffer_minutes=30, booking_id=BOOKING)
    first = need.sessions[0]
    assert told(need, a_slot_before(first, place=HOME)) == []
    assert told(need, a_slot_before(first, place=None)) == []
    assert told(need, a_slot_before(first, booking_id=BOOKING)) == []
    assert len(told(need, a_slot_before(first, booking_id=None))) == 1
    assert len(told(replace(need, booking_id=None), a_slot_before(first, booking_id=None))) == 1


def test_t9_the_online_sessions_of_a_hybrid_course_need_no_way() -> None:
    need = a_need(a_hybrid_request(), buffer_minutes=15)
    assert (
        told(need, *(a_slot_before(session) for session in need.sessions if session.mode is SessionMode.ONLINE)) == []
    )
    assert told(need, *(a_slot_before(session) for session in need.sessions)) == [
        "Too little time for the way before or after 12 of 30 sessions, first 11 Jan 16:00: 0 min, 19 min needed"
    ]


@pytest.mark.parametrize(("beside", "session", "gap"), [(a_slot_after, 1, 40), (a_slot_before, 0, 0)])
def test_t9_a_slot_far_away_is_too_near_to_both_sessions_of_a_sunday(beside: Any, session: int, gap: int) -> None:
    sundays = a_request(delivery_mode=DeliveryMode.SUNDAY_ONLY, timeslot=time(9))
    need = a_need(sundays, buffer_minutes=60)
    assert assess(need, a_trainer(taken=(beside(need.sessions[session]),))).reasons[0].facts == {
        "count": 2,
        "total": 10,
        "first": "2027-01-10T09:00",
        "gap": gap,
        "need": 64,
    }


def test_t9_between_two_days_there_is_always_room() -> None:
    all_day = tuple(WorkingHours(day, time(0), time(0)) for day in range(7))
    early, late = (a_need(a_request(timeslot=slot), buffer_minutes=60) for slot in (time(0), time(23, 20)))
    assert told(early, a_slot_before(early.sessions[0]), hours=all_day) == []
    assert len(told(early, a_slot_after(early.sessions[0]), hours=all_day)) == 1
    assert told(late, a_slot_after(late.sessions[0]), hours=all_day) == []
    assert len(told(late, a_slot_before(late.sessions[0]), hours=all_day)) == 1


def test_t9_an_overlap_is_busy_and_no_matter_of_the_way() -> None:
    need = a_need(buffer_minutes=15, booking_id=BOOKING)
    overlapping = a_slot(need.starts[0] + timedelta(minutes=39))
    assert told(need, overlapping) == ["Busy in 1 of 10 sessions, first 10 Jan 18:20"]
    assert told(need, replace(overlapping, booking_id=BOOKING)) == ["Busy in 1 of 10 sessions, first 10 Jan 18:20"]
    assert told(need, replace(overlapping, place=None)) == ["Busy in 1 of 10 sessions, first 10 Jan 18:20"]


def test_t9_of_several_slots_around_one_session_the_one_that_lacks_most_is_told() -> None:
    need = a_need(buffer_minutes=15)
    first = need.sessions[0]
    far = Location(HOME.lat + 5 / 111.195, HOME.lng)  # 16.8 minutes of travel
    taken = (a_slot_before(first, 2), a_slot_after(first, 10, place=far), a_slot_after(need.sessions[1]))
    facts = assess(need, a_trainer(taken=taken)).reasons[0].facts
    assert (facts["count"], facts["gap"], facts["need"]) == (2, 10, 32)
    facts = assess(need, a_trainer(taken=(*taken[1::-1], taken[2]))).reasons[0].facts
    assert (facts["count"], facts["gap"], facts["need"]) == (2, 10, 32)


def test_t9_a_local_day_runs_from_midnight_to_midnight_also_when_clocks_change() -> None:
    day = local_day(utc(2027, 3, 14, 12), NEW_YORK)
    assert (day.starts_at, day.ends_at) == (utc(2027, 3, 14, 5), utc(2027, 3, 15, 4))
    assert local_day(day.starts_at, NEW_YORK) == day
    assert local_day(day.ends_at, NEW_YORK) == local_day(utc(2027, 3, 15, 12), NEW_YORK)


# ── properties: one computation, whichever way one looks ──

near_places = st.sampled_from([None, HOME, ONE_KM_NORTH, Location(HOME.lat, HOME.lng + 0.02)])
buffers = st.sampled_from([0, 5, 15, 45])


@st.composite
def cases(draw: st.DrawFn) -> tuple[CourseNeed, TrainerFacts]:
    """A course and a trainer with slots and time off around it, at places near and far."""
    mode = draw(st.sampled_from(DeliveryMode))
    time_zone = draw(st.sampled_from([KOLKATA, NEW_YORK]))
    start = draw(st.sampled_from([date(2027, 1, 4), date(2027, 3, 1), date(2027, 10, 20)]))
    request = a_hybrid_request(
        delivery_mode=mode, start_date=start, timeslot=time(draw(st.integers(0, 22))), time_zone=time_zone
    )
    need = a_need(request, buffer_minutes=draw(buffers), booking_id=BOOKING)

    def period() -> Interval:
        starts_at = draw(st.sampled_from(need.starts)) + timedelta(minutes=10 * draw(st.integers(-18, 18)))
        return Interval(starts_at, starts_at + timedelta(minutes=draw(st.sampled_from([20, 40, 90]))))

    owners = st.sampled_from([None, BOOKING, UUID(int=900), UUID(int=901)])
    trainer = a_trainer(
        time_zone=time_zone,
        hours=draw(
            st.sampled_from([(), *(tuple(WorkingHours(d, time(6), time(0)) for d in range(n)) for n in (6, 7))])
        ),
        away=tuple(period() for _ in range(draw(st.integers(0, 2)))),
        busy=tuple(period() for _ in range(draw(st.integers(0, 1)))),
        taken=tuple(
            TakenSlot(period(), draw(near_places), draw(buffers), draw(owners)) for _ in range(draw(st.integers(0, 8)))
        ),
    )
    return need, trainer


def minutes(period: timedelta) -> float:
    return period / timedelta(minutes=1)


@given(cases())
def test_t9_the_sessions_without_room_are_those_of_comparing_all_with_all(
    case: tuple[CourseNeed, TrainerFacts],
) -> None:
    need, trainer = case
    zone = ZoneInfo(need.time_zone)

    def on(moment: datetime) -> date:
        return moment.astimezone(zone).date()

    short: dict[int, list[tuple[float, int]]] = {}
    for index, session in enumerate(need.sessions):
        for slot in apart(trainer.taken):
            place = need.place if session.mode is SessionMode.OFFLINE else None
            larger = max(need.buffer_minutes, slot.buffer_minutes)
            way = way_minutes(place, slot.place, buffer_minutes=larger, travel=need.travel)
            gap = minutes(session.period.gap_to(slot.period))
            no_matter = session.period.overlaps(slot.period) or slot.booking_id == need.booking_id
            if not no_matter and on(session.starts_at) == on(slot.period.starts_at) and gap < way:
                short.setdefault(index, []).append((way - gap, way))
    found = conflicts(need, trainer).tight
    assert [way.index for way in found] == sorted(short)
    assert [(way.need_minutes - way.gap_minutes, way.need_minutes) for way in found] == [
        max(short[index]) for index in sorted(short)
    ]


@given(cases())
def test_t11_every_cell_of_the_grid_is_the_verdict_on_that_session_alone(
    case: tuple[CourseNeed, TrainerFacts],
) -> None:
    need, trainer = case
    shown = {
        ReasonCode.NO_HOURS: Cell.OUTSIDE_HOURS,
        ReasonCode.OUTSIDE_HOURS: Cell.OUTSIDE_HOURS,
        ReasonCode.OFF: Cell.OFF,
        ReasonCode.BUSY: Cell.BUSY,
        ReasonCode.TRAVEL: Cell.TRAVEL_TIGHT,
    }
    alone = [assess(replace(need, sessions=(session,)), trainer) for session in need.sessions]
    row = grid_row(need, trainer)
    assert row == tuple(shown[v.reasons[0].code] if v.reasons else Cell.FREE for v in alone)
    whole = assess(need, trainer)
    assert free_count(row) == whole.free == sum(verdict.eligible for verdict in alone)
    assert whole.eligible is (free_count(row) == need.total) is free_for_all(need, trainer)
    assert {r.code for r in whole.reasons} == {r.code for verdict in alone for r in verdict.reasons}


def test_t11_rows_of_a_grid_are_sorted_by_how_many_sessions_are_free() -> None:
    need = a_need()
    one, two = a_trainer(taken=(a_slot(need.starts[0]),)), a_trainer(hours=())
    rows = sorted((grid_row(need, trainer) for trainer in (two, one, a_trainer())), key=free_count, reverse=True)
    assert [free_count(row) for row in rows] == [10, 9, 0]
    assert rows[1] == (Cell.BUSY, *[Cell.FREE] * 9)


def test_t11_where_several_things_stand_in_the_way_the_grid_shows_the_first_reason() -> None:
    need = a_need(buffer_minutes=15)
    first = need.sessions[0]
    tight, busy, away = a_slot_before(first), a_slot(first.starts_at), first.period
    none = ()
    for hours, off, taken, cell in (
        (none, (away,), (tight, busy), Cell.OUTSIDE_HOURS),
        (a_trainer().hours, (away,), (tight, busy), Cell.OFF),
        (a_trainer().hours, none, (tight, busy), Cell.BUSY),
        (a_trainer().hours, none, (tight,), Cell.TRAVEL_TIGHT),
        (a_trainer().hours, none, none, Cell.FREE),
    ):
        assert grid_row(need, a_trainer(hours=hours, away=off, taken=taken))[0] is cell


def test_no_conflict_is_none_of_any_kind() -> None:
    assert conflicts(a_need(), a_trainer()) == Conflicts()
    assert Conflicts().indexes == frozenset()


def test_t9_slots_of_other_days_never_change_a_verdict() -> None:
    need = a_need(a_request(total_sessions=10), buffer_minutes=45)
    before, after = (
        plan_sessions(a_request(start_date=date(2027, 1, 9))),
        plan_sessions(a_request(start_date=date(2027, 1, 20))),
    )
    taken = (a_slot_after(before[0]), a_slot_before(after[0]))
    assert assess(need, a_trainer(taken=taken)) == assess(need, a_trainer())
