"""The smallest change that would make a trainer eligible, said, stored and applied (rules T4, T5, T9, T11 and B7)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.builders import (
    KOLKATA,
    NEW_YORK,
    NOW,
    ONE_KM_NORTH,
    TakenSlot,
    a_hybrid_request,
    a_need,
    a_request,
    a_slot,
    a_slot_before,
    a_trainer,
    clock_time,
    together,
    utc,
)
from webapp.assignments.conflicts import conflicts
from webapp.assignments.facts import CourseNeed, TrainerFacts
from webapp.assignments.fixes import (
    Fix,
    FixKind,
    MoveCourse,
    MoveSession,
    StartLater,
    applied,
    fix_from_json,
    moved_within_day,
)
from webapp.assignments.rules import assess
from webapp.assignments.smallest_fix import MAX_LATER_DAYS, MAX_SHIFT_MINUTES, fix_window, smallest_fix
from webapp.bookings.replanning import planned_move
from webapp.bookings.rules import DeliveryMode, SessionMode, may_move_within_day, plan_sessions
from webapp.core.errors import Conflict
from webapp.core.intervals import Interval
from webapp.trainers.rules import WorkingHours

MORNINGS = a_request(total_sessions=30, start_date=date(2027, 1, 12), timeslot=time(10))


def taken_at(need: CourseNeed, numbers: list[int], minutes: int = 0) -> tuple[TakenSlot, ...]:
    """Slots at the place of the course, so many minutes after the start of the sessions of these numbers."""
    return tuple(
        a_slot(session.starts_at + timedelta(minutes=minutes), place=need.place)
        for session in need.sessions
        if session.number in numbers
    )


def found(need: CourseNeed, trainer: TrainerFacts, now: datetime = NOW) -> Fix | None:
    return smallest_fix(need, trainer, now=now)


# ── one session to another time of its day ──


def test_the_one_session_in_conflict_is_moved_to_the_nearest_time_in_the_words_of_the_domain() -> None:
    need = a_need(MORNINGS)
    fix = found(need, a_trainer(taken=taken_at(need, [17], minutes=-20)))
    assert fix == MoveSession(free=29, total=30, number=17, on=date(2027, 1, 28), to_time=time(10, 20))
    assert str(fix) == "Free for 29 of 30: move session 17 to 10:20"


def test_of_two_times_equally_near_the_earlier_is_offered() -> None:
    need = a_need(MORNINGS)
    fix = found(need, a_trainer(taken=taken_at(need, [17])))
    assert isinstance(fix, MoveSession)
    assert fix.to_time == time(9, 20)


def test_times_are_whole_steps_of_the_clock_also_for_an_odd_time_slot() -> None:
    need = a_need(replace(MORNINGS, timeslot=time(10, 5)))
    fix = found(need, a_trainer(taken=(a_slot_before(need.sessions[3], -1, place=need.place),)))
    assert isinstance(fix, MoveSession)
    assert fix.to_time == time(10, 20)


def test_the_new_time_leaves_room_for_the_way() -> None:
    need = a_need(MORNINGS, buffer_minutes=15)
    fix = found(need, a_trainer(taken=(a_slot(need.starts[16], place=ONE_KM_NORTH),)))
    assert isinstance(fix, MoveSession)
    assert fix.to_time == time(9)  # 09:20 would end as the other begins, 19 minutes away


def test_the_new_time_lies_within_hours_and_outside_time_off_and_the_bookings_own_sessions() -> None:
    need = a_need(MORNINGS)
    hours = tuple(WorkingHours(weekday, time(10), time(14)) for weekday in range(7))
    starts_at = need.starts[16]
    hour = timedelta(hours=1)
    trainer = a_trainer(hours=hours, away=(Interval(starts_at + hour / 2, starts_at + hour),))
    assert found(need, trainer) == MoveSession(29, 30, 17, date(2027, 1, 28), time(11))
    # The eighteenth was moved to eleven of the same day.
    eighteenth = planned_move(need.sessions[17], date(2027, 1, 28), time(11), KOLKATA)
    crowded = replace(need, sessions=(*need.sessions[:17], eighteenth, *need.sessions[18:]))
    assert found(crowded, trainer) == MoveSession(29, 30, 17, date(2027, 1, 28), time(11, 40))


def test_the_new_time_lies_ahead() -> None:
    need = a_need(MORNINGS)
    at_noon = utc(2027, 1, 12, 6, 30)
    fix = found(need, a_trainer(taken=taken_at(need, [1])), now=at_noon - timedelta(hours=4))
    assert fix == MoveSession(29, 30, 1, date(2027, 1, 12), time(9, 20))
    fix = found(need, a_trainer(taken=taken_at(need, [1])), now=at_noon)
    assert fix == MoveSession(29, 30, 1, date(2027, 1, 12), time(12, 20))


def test_b7_an_offline_session_of_a_hybrid_course_moves_and_an_online_one_keeps_its_slot() -> None:
    need = a_need(a_hybrid_request())
    for number in (8, 30):
        fix = found(need, a_trainer(taken=taken_at(need, [number])))
        assert isinstance(fix, MoveSession)
        assert may_move_within_day(need.sessions[number - 1], fix.to_time, delivery_mode=DeliveryMode.HYBRID)
    assert found(need, a_trainer(taken=taken_at(need, [9]))) == MoveCourse(29, 30, time(15, 20))


def test_b10_no_session_is_moved_to_a_time_that_does_not_exist() -> None:
    need = a_need(a_request(start_date=date(2027, 3, 10), timeslot=time(1, 40), time_zone=NEW_YORK))
    all_day = tuple(WorkingHours(day, time(1, 40), time(0)) for day in range(7))
    twenty_minutes = Interval(need.starts[4], need.starts[4] + timedelta(minutes=20))
    fix = found(need, a_trainer(time_zone=NEW_YORK, hours=all_day, busy=(twenty_minutes,)))
    # Two o'clock does not exist on 14 March: a session put there would start at three, which is said as three.
    assert fix == MoveSession(9, 10, 5, date(2027, 3, 14), time(3))


# ── the whole course to another time of day ──


def test_when_several_sessions_are_in_conflict_the_whole_course_is_moved() -> None:
    need = a_need(MORNINGS)
    fix = found(need, a_trainer(taken=taken_at(need, [3, 17], minutes=-20)))
    assert fix == MoveCourse(free=28, total=30, to_time=time(10, 20))
    assert str(fix) == "Free for 28 of 30: move the whole course to 10:20"
    assert applied(need, fix).sessions == plan_sessions(replace(MORNINGS, timeslot=time(10, 20)))


def test_a_change_without_which_nothing_is_free_says_no_count_and_is_stored_like_the_others() -> None:
    for fix, sentence in (
        (MoveSession(0, 1, 4, date(2027, 1, 7), time(10, 20)), "Move session 4 to 10:20"),
        (MoveCourse(0, 10, time(10, 20)), "Move the whole course to 10:20"),
        (StartLater(0, 10, date(2027, 1, 15)), "Start the course on 15 Jan"),
    ):
        assert str(fix) == sentence
        assert fix_from_json(fix.to_json()) == fix


def test_a_whole_course_is_moved_by_three_hours_at_most() -> None:
    need = a_need(MORNINGS)
    for opens, expected in ((time(13), MoveCourse(0, 30, time(13))), (time(13, 20), None)):
        hours = tuple(WorkingHours(day, opens, time(21)) for day in range(7))
        assert found(need, a_trainer(hours=hours)) == expected


def test_both_sessions_of_the_sundays_move_together() -> None:
    request = a_request(delivery_mode=DeliveryMode.SUNDAY_ONLY, timeslot=time(9))
    need = a_need(request)
    assert need.timeslot == time(9)
    hours = (WorkingHours(6, time(9, 20), time(12)),)
    fix = found(need, a_trainer(hours=hours))
    assert fix == MoveCourse(5, 10, time(9, 20))
    assert applied(need, fix).sessions == plan_sessions(replace(request, timeslot=time(9, 20)))


def test_the_usual_time_is_that_of_most_days_and_of_two_the_earlier() -> None:
    sessions = list(plan_sessions(MORNINGS))
    for n in range(15):
        assert a_need(sessions=tuple(sessions)).timeslot == time(10)
        sessions[n] = planned_move(sessions[n], sessions[n].date, time(16), KOLKATA)
    assert a_need(sessions=tuple(sessions)).timeslot == time(10)
    sessions[15] = planned_move(sessions[15], sessions[15].date, time(16), KOLKATA)
    assert a_need(sessions=tuple(sessions)).timeslot == time(16)


# ── the whole course later ──


def test_when_no_time_of_day_helps_the_course_starts_later() -> None:
    need = a_need(MORNINGS)
    trainer = a_trainer(away=(Interval(need.days[0].starts_at, need.days[2].ends_at),))
    fix = found(need, trainer)
    assert fix == StartLater(free=27, total=30, on=date(2027, 1, 15))
    assert str(fix) == "Free for 27 of 30: start the course on 15 Jan"
    assert applied(need, fix).sessions == plan_sessions(replace(MORNINGS, start_date=date(2027, 1, 15)))


def test_a_course_starts_two_weeks_later_at_most() -> None:
    need = a_need(MORNINGS)
    for days, on in ((14, date(2027, 1, 26)), (15, None)):
        fix = found(need, a_trainer(away=(Interval(need.days[0].starts_at, need.days[days - 1].ends_at),)))
        assert fix == (StartLater(30 - days, 30, on) if on else None)


def test_the_window_of_a_fix_is_whole_days_from_the_first_to_the_last_of_the_latest_start() -> None:
    assert fix_window(a_need(MORNINGS)) == Interval(utc(2027, 1, 11, 18, 30), utc(2027, 2, 24, 18, 30))
    assert fix_window(a_need(MORNINGS, delivery_mode=None)).ends_at == utc(2027, 2, 10, 18, 30)
    skip = frozenset({date(2027, 2, 20)})
    assert fix_window(a_need(MORNINGS, skip=skip)).ends_at == utc(2027, 2, 25, 18, 30)


def test_a_sunday_course_is_put_off_by_weeks_and_over_holidays() -> None:
    request = a_request(delivery_mode=DeliveryMode.SUNDAY_ONLY, timeslot=time(9))
    away = (Interval(utc(2027, 1, 9), utc(2027, 1, 11)),)
    assert found(a_need(request), a_trainer(away=away)) == StartLater(8, 10, date(2027, 1, 17))
    skip = frozenset({date(2027, 1, 17)})
    need = a_need(request, sessions=plan_sessions(request, skip), skip=skip)
    fix = found(need, a_trainer(away=away))
    assert fix == StartLater(8, 10, date(2027, 1, 24))
    assert applied(need, fix).sessions == plan_sessions(replace(request, start_date=date(2027, 1, 17)), skip)


def test_a_need_that_does_not_know_its_days_is_not_put_off() -> None:
    need = a_need(MORNINGS, delivery_mode=None)
    assert found(need, a_trainer(away=(Interval(need.days[0].starts_at, need.days[2].ends_at),))) is None


def test_a_course_that_has_begun_is_put_off_or_moved_only_to_what_lies_ahead() -> None:
    need = a_need(MORNINGS)
    noon_of_the_second_day = utc(2027, 1, 13, 6, 30)
    trainer = a_trainer(away=(need.sessions[0].period,))
    assert found(need, trainer, now=noon_of_the_second_day) == StartLater(29, 30, date(2027, 1, 14))
    hours = tuple(WorkingHours(day, time(12), time(21)) for day in range(7))
    now = utc(2027, 1, 12, 6, 40)  # 12:10
    assert found(need, a_trainer(hours=hours), now=now) == MoveCourse(0, 30, time(12, 20))


# ── when there is none ──


@pytest.mark.parametrize(
    "changes",
    [
        {"active": False},
        {"course_ids": frozenset()},
        {"operator_id": UUID(int=999)},
        {"zone_ids": frozenset()},
        {"base": None},
        {"blocked": True},
        {"hours": ()},
    ],
)
def test_no_change_of_the_booking_helps_a_trainer_refused_as_a_whole(changes: dict[str, Any]) -> None:
    need = a_need(MORNINGS)
    assert found(need, a_trainer(taken=taken_at(need, [17]))) is not None
    assert found(need, a_trainer(**{"taken": taken_at(need, [17])} | changes)) is None


def test_t3_the_limit_of_courses_is_that_of_the_setting() -> None:
    need = a_need(MORNINGS)
    trainer = a_trainer(taken=taken_at(need, [17]))
    assert smallest_fix(need, trainer, now=NOW, max_courses=0) is None
    assert smallest_fix(need, trainer, now=NOW, max_courses=1) is not None


def test_an_eligible_trainer_needs_no_fix() -> None:
    assert found(a_need(), a_trainer()) is None


# ── said, stored, applied ──

ONE_OF_EACH: list[Fix] = [
    MoveSession(29, 30, 17, date(2027, 1, 28), time(10, 20)),
    MoveCourse(28, 30, time(10, 20)),
    StartLater(27, 30, date(2027, 1, 15)),
]


@pytest.mark.parametrize("fix", ONE_OF_EACH)
def test_a_fix_survives_storing_and_all_its_words_are_in_its_sentence(fix: Fix) -> None:
    assert fix_from_json(json.loads(json.dumps(fix.to_json()))) == fix
    sentence, words = fix.sentence(clock=lambda at: f"{at:%H h %M}", day=lambda on: f"{on:%d.%m.}")
    said = sentence % words
    assert ("10 h 20" in said) or ("15.01." in said)
    assert "%" not in said


def test_each_kind_of_fix_is_stored_under_its_own_name() -> None:
    assert [fix.to_json()["kind"] for fix in ONE_OF_EACH] == list(FixKind)
    assert ONE_OF_EACH[0].to_json() == {
        "kind": "move_session",
        "free": 29,
        "total": 30,
        "number": 17,
        "on": "2027-01-28",
        "to_time": "10:20:00",
    }
    with pytest.raises(ValueError, match="magic"):
        fix_from_json({"kind": "magic", "free": 1, "total": 2})


@pytest.mark.parametrize(
    "fix",
    [
        MoveSession(29, 30, 31, date(2027, 1, 28), time(10, 20)),
        MoveSession(29, 30, 17, date(2027, 1, 27), time(10, 20)),
        MoveSession(29, 30, 17, date(2027, 1, 28), time(23, 40)),
        MoveCourse(28, 30, time(23, 40)),
        StartLater(27, 30, date(2027, 1, 12)),
        StartLater(27, 30, date(2026, 1, 12)),
    ],
)
def test_a_fix_for_another_booking_than_it_was_found_for_is_a_conflict(fix: Fix) -> None:
    with pytest.raises(Conflict) as refused:
        applied(a_need(MORNINGS), fix)
    assert refused.value.code == "fix-outdated"


def test_a_session_is_not_moved_onto_another_of_its_booking() -> None:
    need = a_need(a_request(delivery_mode=DeliveryMode.SUNDAY_ONLY, timeslot=time(9)))
    first = need.sessions[0]
    assert moved_within_day(need, first, time(9, 20)) is None
    moved = moved_within_day(need, first, time(10, 20))
    assert moved is not None
    assert moved.number == 1


# ── properties ──


@st.composite
def cases(draw: st.DrawFn) -> tuple[CourseNeed, TrainerFacts, datetime]:
    """A course with holidays, and a trainer with a few things in the way all over the fix's window."""
    mode = draw(st.sampled_from(DeliveryMode))
    time_zone = draw(st.sampled_from([KOLKATA, NEW_YORK]))
    start = draw(st.sampled_from([date(2027, 1, 12), date(2027, 2, 20), date(2027, 10, 20)]))
    skip = frozenset(start + timedelta(days=n) for n in draw(st.sets(st.integers(1, 40), max_size=4)))
    request = a_hybrid_request(
        delivery_mode=mode,
        start_date=start,
        timeslot=clock_time(5 * draw(st.integers(0, 22 * 12))),
        time_zone=time_zone,
    )
    need = a_need(
        request, sessions=plan_sessions(request, skip), skip=skip, buffer_minutes=draw(st.sampled_from([0, 15]))
    )
    window = fix_window(need)

    def slots(count: int, minutes: st.SearchStrategy[int], lengths: list[int]) -> list[Interval]:
        found = []
        for _ in range(count):
            starts_at = draw(st.sampled_from(need.starts)) + timedelta(minutes=draw(minutes))
            found.append(Interval(starts_at, starts_at + timedelta(minutes=draw(st.sampled_from(lengths)))))
        return [period for period in found if window.contains(period)]

    near = st.integers(-12, 12).map(lambda n: 10 * n)
    anywhere = st.integers(-300, 2000).map(lambda n: 10 * n)
    places = st.sampled_from([None, need.place, ONE_KM_NORTH])
    periods = slots(draw(st.integers(0, 3)), near, [20, 40]) + slots(draw(st.integers(0, 6)), anywhere, [40, 200])
    trainer = a_trainer(
        time_zone=time_zone,
        hours=tuple(
            WorkingHours(day, *draw(st.sampled_from([(time(0), time(0)), (time(0), time(0)), (time(7), time(22))])))
            for day in range(7)
        ),
        away=tuple(slots(draw(st.integers(0, 1)), near, [60, 2000]))
        + ((Interval(window.starts_at, need.days[0].ends_at),) if draw(st.booleans()) and draw(st.booleans()) else ()),
        taken=tuple(TakenSlot(period, draw(places), 15, UUID(int=900)) for period in periods),
    )
    now = need.starts[0] + timedelta(minutes=draw(st.sampled_from([-100_000, -200, -30])))
    return need, trainer, now


def single_moves(need: CourseNeed, number: int) -> list[MoveSession]:
    """Every move of one session to a time of its day on the raster, by hand."""
    [session] = [s for s in need.sessions if s.number == number]
    return [
        MoveSession(need.total - 1, need.total, number, session.date, clock_time(minute))
        for minute in range(0, 24 * 60, 20)
        if clock_time(minute) != session.timeslot
    ]


def helps(need: CourseNeed, trainer: TrainerFacts, fix: Fix, now: datetime) -> bool:
    try:
        changed = applied(need, fix)
    except Conflict:
        return False
    unchanged = {session.starts_at for session in need.sessions}
    ahead = all(start > now for start in changed.starts if start not in unchanged)
    return ahead and assess(changed, trainer).eligible


@given(cases())
def test_applying_the_printed_fix_makes_the_trainer_eligible(
    case: tuple[CourseNeed, TrainerFacts, datetime],
) -> None:
    need, trainer, now = case
    fix = found(need, trainer, now)
    if fix is None:
        return
    changed = applied(need, fix)
    assert assess(changed, trainer).eligible
    assert assess(changed, trainer).free == need.total
    assert [(s.number, s.mode) for s in sorted(changed.sessions, key=lambda s: s.number)] == [
        (s.number, s.mode) for s in sorted(need.sessions, key=lambda s: s.number)
    ]
    assert all(fix_window(need).contains(session.period) for session in changed.sessions)
    assert not need.skip & {session.date for session in changed.sessions}
    assert (fix.free, fix.total) == (assess(need, trainer).free, need.total)


@given(cases())
def test_the_fix_is_the_smallest_and_where_there_is_none_trying_everything_finds_none(
    case: tuple[CourseNeed, TrainerFacts, datetime],
) -> None:
    need, trainer, now = case
    hit = conflicts(need, trainer).indexes
    tries: list[list[tuple[int, Fix]]] = [[], [], []]

    def away(one: time, other: time) -> int:
        return abs(one.hour * 60 + one.minute - other.hour * 60 - other.minute)

    free = need.total - len(hit)
    if len(hit) == 1:
        session = need.sessions[min(hit)]
        if session.mode is SessionMode.OFFLINE:
            tries[0] = [(away(fix.to_time, session.timeslot), fix) for fix in single_moves(need, session.number)]
    for minute in range(0, 24 * 60, 20):
        far = away(clock_time(minute), need.timeslot)
        if 0 < far <= MAX_SHIFT_MINUTES:
            tries[1].append((far, MoveCourse(free, need.total, clock_time(minute))))
    tries[2] = [
        (days, StartLater(free, need.total, need.sessions[0].date + timedelta(days=days)))
        for days in range(1, MAX_LATER_DAYS + 1)
    ]
    smallest: Fix | None = None
    for some in tries:
        helping = [(far, fix) for far, fix in some if helps(need, trainer, fix, now)]
        if hit and helping:
            smallest = min(helping, key=lambda one: one[0])[1]  # the first of two is the earlier
            break
    assert found(need, trainer, now) == smallest


@given(cases())
def test_what_lies_outside_the_window_plays_no_part(case: tuple[CourseNeed, TrainerFacts, datetime]) -> None:
    need, trainer, now = case
    window, hour = fix_window(need), timedelta(hours=1)
    outside = (Interval(window.starts_at - hour, window.starts_at), Interval(window.ends_at, window.ends_at + hour))
    taken = together(TakenSlot(period, ONE_KM_NORTH, 60) for period in outside)
    more = replace(trainer, taken=trainer.taken + taken, away=trainer.away + outside)
    assert found(need, more, now) == found(need, trainer, now)
    zone = ZoneInfo(need.time_zone)
    for end in (window.starts_at, window.ends_at):
        assert end.astimezone(zone).time() == time(0)
