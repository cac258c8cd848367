"""Courses planned anew: holidays, a pause, one session moved, all of it at another time (rules B4, B6 to B10, A7)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.builders import KOLKATA, NEW_YORK, NOW, a_hybrid_request, a_request, utc
from tests.rules.test_bookings import codes, requests
from webapp.bookings.replanning import at_other_time, on_later_dates, plan_pause, planned_move, remaining, with_moves
from webapp.bookings.rules import (
    SESSION_LENGTH,
    CourseRequest,
    CourseSessionStatus,
    DeliveryMode,
    PlannedSession,
    SessionMode,
    check_request,
    crosses_midnight,
    plan_sessions,
)
from webapp.core.errors import Invalid

SUNDAYS = a_request(delivery_mode=DeliveryMode.SUNDAY_ONLY, start_date=date(2027, 1, 6), timeslot=time(9))
SUNDAY = 6


def january(*days: int) -> list[date]:
    return [date(2027, 1, day) for day in days]


def dates(sessions: tuple[PlannedSession, ...]) -> list[date]:
    return [session.date for session in sessions]


def clocks(sessions: tuple[PlannedSession, ...], time_zone: str) -> list[time]:
    return [session.starts_at.astimezone(ZoneInfo(time_zone)).time() for session in sessions]


def sound(sessions: tuple[PlannedSession, ...]) -> bool:
    """In the order of their numbers, 40 minutes each, none overlapping."""
    return (
        all(before.number < after.number and before.ends_at <= after.starts_at for before, after in pairwise(sessions))
    ) and all(session.period.duration == SESSION_LENGTH for session in sessions)


# ── B8: holidays ──


def test_b8_a_course_runs_longer_where_a_holiday_falls_into_it() -> None:
    holidays = frozenset(january(12, 14, 26))
    assert dates(plan_sessions(a_request(), holidays)) == january(10, 11, 13, 15, 16, 17, 18, 19, 20, 21)
    assert dates(plan_sessions(SUNDAYS, frozenset(january(17))))[::2] == [
        *january(10, 24, 31),
        *map(date.fromisoformat, ("2027-02-07", "2027-02-14")),
    ]


def test_b8_a_course_that_would_start_on_a_holiday_starts_after_it() -> None:
    assert dates(plan_sessions(a_request(), frozenset(january(10, 11))))[0] == date(2027, 1, 12)


def test_b8_holidays_leave_a_hybrid_course_its_modes() -> None:
    plain, skipping = plan_sessions(a_hybrid_request()), plan_sessions(a_hybrid_request(), frozenset(january(5, 11)))
    assert [s.mode for s in skipping] == [s.mode for s in plain]
    assert skipping[-1].date == plain[-1].date + timedelta(days=2)


def test_b8_a_first_session_put_off_by_a_holiday_may_be_booked_for_today() -> None:
    later_than_the_slot = utc(2027, 1, 10, 13)
    assert codes(a_request(), now=later_than_the_slot) == [("start-now", "timeslot")]
    check_request(a_request(), students=1, now=later_than_the_slot, skip=frozenset(january(10)))


@given(requests, st.sets(st.integers(0, 120), max_size=25))
def test_b8_the_number_never_changes_and_a_gap_is_only_where_a_holiday_is(
    request_: CourseRequest, away: set[int]
) -> None:
    skip = frozenset(request_.start_date + timedelta(days=n) for n in away)
    sessions = plan_sessions(request_, skip)
    assert [s.number for s in sessions] == list(range(1, request_.total_sessions + 1))
    assert sound(sessions)
    taught = set(dates(sessions))
    assert not taught & skip
    weekly = request_.delivery_mode is DeliveryMode.SUNDAY_ONLY
    on = request_.start_date
    while on <= max(taught):
        assert (on in taught) is (on not in skip and (not weekly or on.weekday() == SUNDAY))
        on += timedelta(days=1)
    assert [s.mode for s in sessions] == [s.mode for s in plan_sessions(request_)]


# ── B8: a pause ──


def test_b8_a_daily_course_goes_on_the_day_after_the_pause() -> None:
    sessions = plan_pause(plan_sessions(a_request())[4:], date(2027, 1, 16), date(2027, 1, 25), a_request())
    assert [(s.number, s.date.day) for s in sessions] == [(5, 14), (6, 15), (7, 26), (8, 27), (9, 28), (10, 29)]
    assert {s.timeslot for s in sessions} == {time(18, 20)}


def test_b8_a_sunday_course_goes_on_with_the_next_sunday_in_pairs() -> None:
    sessions = plan_pause(plan_sessions(SUNDAYS), date(2027, 1, 17), date(2027, 1, 24), SUNDAYS)
    assert dates(sessions)[::2] == [*january(10, 31), date(2027, 2, 7), date(2027, 2, 14), date(2027, 2, 21)]
    assert clocks(sessions, KOLKATA) == [time(9), time(9, 40)] * 5
    left = plan_pause(plan_sessions(SUNDAYS)[3:], date(2027, 1, 12), date(2027, 1, 18), SUNDAYS)
    assert [(s.number, s.date.day, s.timeslot.minute) for s in left[:4]] == [
        (4, 24, 0),
        (5, 24, 40),
        (6, 31, 0),
        (7, 31, 40),
    ]


def test_b8_a_pause_leaves_a_hybrid_sessions_mode_with_its_number_and_steps_over_holidays() -> None:
    request = a_hybrid_request()
    before = plan_sessions(request)
    after = plan_pause(before, date(2027, 1, 11), date(2027, 1, 13), request, frozenset(january(14)))
    assert [(s.number, s.mode) for s in after] == [(s.number, s.mode) for s in before]
    assert dates(after)[6:9] == january(10, 15, 16)


def test_b8_a_session_moved_on_its_own_goes_on_at_the_usual_time() -> None:
    sessions = list(plan_sessions(a_request()))
    sessions[5] = planned_move(sessions[5], sessions[5].date, time(10, 20), KOLKATA)
    after = plan_pause(sessions[::-1], date(2027, 1, 12), date(2027, 1, 12), a_request())
    assert [s.number for s in after] == list(range(1, 11))
    assert {s.timeslot for s in after} == {time(18, 20)}


def test_b8_a_pause_before_the_course_or_between_its_sessions_moves_nothing() -> None:
    sessions = plan_sessions(a_request(start_date=date(2027, 1, 10)))
    assert plan_pause(sessions, date(2027, 1, 3), date(2027, 1, 4), a_request()) == sessions
    sundays = plan_sessions(SUNDAYS)
    assert plan_pause(sundays, date(2027, 1, 11), date(2027, 1, 16), SUNDAYS) == sundays


def test_b8_a_second_pause_does_not_undo_the_first() -> None:
    once = plan_pause(plan_sessions(a_request()), date(2027, 1, 12), date(2027, 1, 25), a_request())
    twice = plan_pause(once, date(2027, 1, 14), date(2027, 1, 18), a_request())
    assert twice == once
    longer = plan_pause(once, date(2027, 1, 20), date(2027, 1, 27), a_request())
    assert dates(longer)[:4] == january(10, 11, 28, 29)


def test_b8_a_session_agreed_for_later_keeps_its_date_and_time() -> None:
    sessions = list(plan_sessions(a_request()))
    sessions[2] = planned_move(sessions[2], date(2027, 2, 20), time(9), KOLKATA)
    after = plan_pause(sessions, date(2027, 1, 13), date(2027, 1, 13), a_request())
    assert [s for s in after if s.number == 3] == [sessions[2]]
    assert dates(after)[2:4] == january(14, 15)


def test_b8_a_pause_ends_after_it_begins_and_may_hit_nothing() -> None:
    sessions = plan_sessions(a_request())
    with pytest.raises(Invalid) as refused:
        plan_pause(sessions, date(2027, 1, 12), date(2027, 1, 11), a_request())
    assert (refused.value.code, refused.value.field) == ("pause-order", "to_date")
    assert plan_pause(sessions, date(2027, 2, 1), date(2027, 2, 9), a_request()) == sessions


def test_b4_a_pause_never_carries_a_session_over_midnight() -> None:
    # In Nuuk clocks jump from 23:00 to midnight on Saturday, 27 March 2027.
    request = a_request(start_date=date(2027, 3, 1), timeslot=time(22, 50), time_zone="America/Nuuk")
    with pytest.raises(Invalid) as refused:
        plan_pause(plan_sessions(request), date(2027, 3, 2), date(2027, 3, 20), request)
    assert refused.value.code == "crosses-midnight"


# Where clocks jump over midnight itself a late session would cross it, wherever the pause puts it.
by_evening = requests.map(lambda request_: replace(request_, timeslot=min(request_.timeslot, time(21))))


@given(by_evening, st.integers(0, 30), st.integers(0, 60), st.integers(0, 40), st.sets(st.integers(0, 60), max_size=8))
def test_b8_a_pause_changes_dates_alone(
    request_: CourseRequest, taught: int, begin: int, length: int, away: set[int]
) -> None:
    sessions = plan_sessions(request_)[taught:]
    first = request_.start_date + timedelta(days=begin)
    last = first + timedelta(days=length)
    skip = frozenset(last + timedelta(days=n) for n in away)
    after = plan_pause(sessions, first, last, request_, skip)
    assert [(s.number, s.mode) for s in after] == [(s.number, s.mode) for s in sessions]
    assert sound(after)
    assert not any(first <= s.date <= last for s in after)
    assert [s for s in after if s.date < first] == [s for s in sessions if s.date < first]
    assert all(was.starts_at <= is_.starts_at for was, is_ in zip(sessions, after, strict=True))
    going_on = [s.date for s in after if s.date > last]
    assert not skip & set(going_on)
    if not any(first <= s.date <= last or s.date in skip for s in sessions):
        assert after == sessions
    elif request_.delivery_mode is DeliveryMode.SUNDAY_ONLY:
        assert {on.weekday() for on in going_on} <= {SUNDAY}
        assert max(Counter(going_on).values()) <= 2
    elif any(first <= s.date <= last for s in sessions):
        open_ones = {last + timedelta(days=n) for n in range(1, 100)} - skip
        assert going_on == sorted(open_ones)[: len(going_on)]


# ── B4, B10: one session moved ──


def test_b4_a_moved_session_keeps_its_number_and_mode() -> None:
    eighth = plan_sessions(a_hybrid_request())[7]
    moved = planned_move(eighth, date(2027, 2, 3), time(10, 20), KOLKATA)
    assert (moved.number, moved.mode, moved.date, moved.timeslot) == (8, eighth.mode, date(2027, 2, 3), time(10, 20))
    assert (moved.starts_at, moved.ends_at) == (utc(2027, 2, 3, 4, 50), utc(2027, 2, 3, 5, 30))
    assert planned_move(moved, eighth.date, eighth.timeslot, KOLKATA) == eighth


def test_b10_a_session_moved_into_a_clock_change_is_marked() -> None:
    session = plan_sessions(a_request(time_zone=NEW_YORK))[0]
    moved = planned_move(session, date(2027, 3, 14), time(2, 30), NEW_YORK)
    assert (moved.shifted, moved.timeslot, moved.starts_at) == (True, time(2, 30), utc(2027, 3, 14, 7))


@pytest.mark.parametrize(
    ("to_time", "code"),
    [
        (time(23, 21), "crosses-midnight"),
        (time(9, 0, 30), "timeslot-minutes"),
        (time(9, 0, 0, 1), "timeslot-minutes"),
        (time(9, tzinfo=ZoneInfo(KOLKATA)), "timeslot-minutes"),
    ],
)
def test_b4_a_session_is_moved_to_hours_and_minutes_that_end_by_midnight(to_time: time, code: str) -> None:
    session = plan_sessions(a_request())[0]
    assert planned_move(session, session.date, time(23, 20), KOLKATA).timeslot == time(23, 20)
    with pytest.raises(Invalid) as refused:
        planned_move(session, session.date, to_time, KOLKATA)
    assert (refused.value.code, refused.value.field) == (code, "timeslot")


# ── all sessions at another time, or later ──


@given(requests, st.integers(-180, 180))
def test_a_course_at_another_time_is_as_if_planned_for_it(request_: CourseRequest, minutes: int) -> None:
    slot = timedelta(hours=request_.timeslot.hour, minutes=request_.timeslot.minute + minutes)
    changed = at_other_time(plan_sessions(request_), minutes, request_.time_zone)
    blocks = 2 if request_.delivery_mode is DeliveryMode.SUNDAY_ONLY else 1
    if not timedelta(0) <= slot <= timedelta(days=1) - blocks * SESSION_LENGTH:
        assert changed is None
        return
    planned = plan_sessions(replace(request_, timeslot=(utc(2027, 1, 1) + slot).time()))
    assert changed == (None if any(crosses_midnight(s, request_.time_zone) for s in planned) else planned)


@given(requests, st.integers(-2, 30), st.sets(st.integers(0, 90), max_size=15))
def test_a_course_started_later_is_as_if_planned_for_then(request_: CourseRequest, days: int, away: set[int]) -> None:
    skip = frozenset(request_.start_date + timedelta(days=n) for n in away)
    sessions = plan_sessions(request_, skip)
    on = sessions[0].date + timedelta(days=days)
    changed = on_later_dates(sessions, on, request_.delivery_mode, request_.time_zone, skip)
    planned = plan_sessions(replace(request_, start_date=on), skip)
    possible = days > 0 and planned[0].date == on and not any(crosses_midnight(s, request_.time_zone) for s in planned)
    assert changed == (planned if possible else None)


def test_a_session_moved_on_its_own_keeps_its_distance_from_the_usual_time() -> None:
    sessions = list(plan_sessions(a_request()))
    sessions[5] = planned_move(sessions[5], sessions[5].date, time(10, 20), KOLKATA)
    earlier = at_other_time(sessions, -60, KOLKATA)
    assert earlier is not None
    assert (earlier[0].timeslot, earlier[5].timeslot) == (time(17, 20), time(9, 20))
    assert at_other_time(sessions, -11 * 60, KOLKATA) is None


def test_two_sessions_of_one_day_that_are_no_pair_keep_their_own_times() -> None:
    # Half past two does not exist that night: it starts at three, and what follows at 03:40 is no pair by the clock.
    night = date(2027, 3, 14)
    first = planned_move(plan_sessions(a_request(time_zone=NEW_YORK))[0], night, time(2, 30), NEW_YORK)
    second = replace(planned_move(first, night, time(3, 40), NEW_YORK), number=2)
    assert first.ends_at == second.starts_at
    moved = at_other_time((first, second), 60, NEW_YORK)
    assert moved is not None
    assert [s.timeslot for s in moved] == [time(3, 30), time(4, 40)]
    assert at_other_time((first, second), -20, NEW_YORK) is None  # 02:10 starts at three as well, and runs into 03:20


def test_sessions_that_would_meet_on_one_date_are_not_put_off() -> None:
    # The third session was moved onto the holiday that the course leaves out: later, it would meet the second.
    request, holiday = a_request(), date(2027, 1, 12)
    second, third = plan_sessions(request, frozenset({holiday}))[1:3]
    onto = planned_move(third, holiday, third.timeslot, KOLKATA)
    assert (
        on_later_dates((second, onto), date(2027, 1, 13), request.delivery_mode, KOLKATA, frozenset({holiday})) is None
    )


# ── A7 ──


@dataclass(frozen=True)
class Lesson:
    status: CourseSessionStatus
    starts_at: datetime


def test_a7_what_is_handed_over_is_scheduled_and_has_not_begun() -> None:
    scheduled = CourseSessionStatus.SCHEDULED
    ahead = [Lesson(scheduled, NOW + timedelta(minutes=n)) for n in (1, 50)]
    others = [Lesson(status, NOW + timedelta(days=1)) for status in CourseSessionStatus if status is not scheduled]
    begun = [Lesson(scheduled, NOW), Lesson(scheduled, NOW - timedelta(minutes=10))]
    assert remaining([*ahead[::-1], *others, *begun], NOW) == tuple(ahead)


def test_single_sessions_can_be_moved_within_their_day() -> None:
    sessions = plan_sessions(a_request())
    moved = with_moves(sessions, [(3, time(10, 20))], KOLKATA)
    assert [s.number for s in moved if s.timeslot != time(18, 20)] == [3]
    assert [s.date for s in moved] == [s.date for s in sessions]


@pytest.mark.parametrize(
    ("number", "at", "code"),
    [(11, time(10), "move-unknown"), (0, time(10), "move-unknown"), (3, time(23, 40), "move-time")],
)
def test_a_move_that_cannot_be_is_refused(number: int, at: time, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        with_moves(plan_sessions(a_request()), [(number, at)], KOLKATA)
    assert (caught.value.code, caught.value.field) == (code, "moves")


def test_a_session_online_keeps_its_time_and_two_of_a_day_may_not_overlap() -> None:
    hybrid = plan_sessions(a_hybrid_request())
    online = next(session.number for session in hybrid if session.mode is SessionMode.ONLINE)
    with pytest.raises(Invalid, match="online"):
        with_moves(hybrid, [(online, time(10))], KOLKATA)
    sundays = plan_sessions(a_request(delivery_mode=DeliveryMode.SUNDAY_ONLY))
    with pytest.raises(Invalid) as caught:
        with_moves(sundays, [(1, time(18, 40))], KOLKATA)
    assert caught.value.code == "move-overlap"
