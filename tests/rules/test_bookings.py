"""What may be booked and the schedule that follows (rules B1 to B10, E1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.builders import KOLKATA, NEW_YORK, NOW, a_hybrid_request, a_request, clock_time, utc
from webapp.bookings.rules import (
    ENQUIRY_MOVES,
    HORIZON,
    MOVES,
    SESSION_LENGTH,
    BookingStatus,
    ClassType,
    CourseRequest,
    DeliveryMode,
    EnquiryStatus,
    PlannedSession,
    SessionMode,
    check_request,
    enquiry_moved,
    faults_of,
    may_move_within_day,
    moved,
    plan_sessions,
)
from webapp.core.errors import Conflict, Invalid, RuleBroken

TIME_ZONES = [
    KOLKATA,
    NEW_YORK,
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
    "America/Nuuk",
    "Pacific/Auckland",
    "America/Sao_Paulo",
]


def codes(request: CourseRequest, *, students: int = 1, now: datetime = NOW) -> list[tuple[str, str | None]]:
    return [(fault.code, fault.field) for fault in faults_of(request, students=students, now=now)]


def local(session: PlannedSession, time_zone: str) -> datetime:
    return session.starts_at.astimezone(ZoneInfo(time_zone)).replace(tzinfo=None)


# ── the domain's examples ──


def test_example_1_a_hybrid_course_is_18_online_and_12_offline() -> None:
    sessions = plan_sessions(a_hybrid_request())
    assert [s.mode for s in sessions[:7]] == [SessionMode.ONLINE] * 7
    assert [s.date for s in sessions[:7]] == [date(2027, 1, day) for day in range(4, 11)]
    assert (sessions[7].mode, sessions[7].date) == (SessionMode.OFFLINE, date(2027, 1, 11))
    assert [s.mode for s in sessions[8:10]] == [SessionMode.ONLINE, SessionMode.OFFLINE]
    assert (sessions[29].mode, sessions[29].date) == (SessionMode.OFFLINE, date(2027, 2, 2))
    modes = [s.mode for s in sessions]
    assert (modes.count(SessionMode.ONLINE), modes.count(SessionMode.OFFLINE)) == (18, 12)
    assert {s.timeslot for s in sessions} == {time(16)}


def test_example_2_sunday_only_is_two_sessions_back_to_back_on_five_sundays() -> None:
    sessions = plan_sessions(
        a_request(delivery_mode=DeliveryMode.SUNDAY_ONLY, start_date=date(2027, 1, 6), timeslot=time(9))
    )
    sundays = [date(2027, 1, 10), date(2027, 1, 17), date(2027, 1, 24), date(2027, 1, 31), date(2027, 2, 7)]
    assert [(s.date, s.timeslot) for s in sessions] == [
        (sunday, timeslot) for sunday in sundays for timeslot in (time(9), time(9, 40))
    ]
    assert all(first.ends_at == second.starts_at for first, second in zip(sessions[::2], sessions[1::2], strict=True))


def test_example_3_weekday_daily_runs_on_ten_days_in_a_row() -> None:
    sessions = plan_sessions(a_request(start_date=date(2027, 1, 1)))
    assert [s.date for s in sessions] == [date(2027, 1, day) for day in range(1, 11)]
    assert {local(s, KOLKATA).time() for s in sessions} == {time(18, 20)}
    assert {s.ends_at.astimezone(ZoneInfo(KOLKATA)).time() for s in sessions} == {time(19)}
    assert {s.mode for s in sessions} == {SessionMode.OFFLINE}


def test_example_6_nine_oclock_stays_nine_oclock_when_clocks_change() -> None:
    sessions = plan_sessions(a_request(start_date=date(2027, 3, 10), timeslot=time(9), time_zone=NEW_YORK))
    by_day = {s.date: s for s in sessions}
    assert by_day[date(2027, 3, 13)].starts_at == utc(2027, 3, 13, 14)
    assert by_day[date(2027, 3, 14)].starts_at == utc(2027, 3, 14, 13)
    assert not any(s.shifted for s in sessions)


def test_example_6_half_past_two_moves_to_three_where_it_does_not_exist() -> None:
    sessions = plan_sessions(a_request(start_date=date(2027, 3, 10), timeslot=time(2, 30), time_zone=NEW_YORK))
    moved_ones = [s for s in sessions if s.shifted]
    assert [(s.date, s.timeslot, s.starts_at) for s in moved_ones] == [
        (date(2027, 3, 14), time(2, 30), utc(2027, 3, 14, 7))
    ]
    assert local(moved_ones[0], NEW_YORK).time() == time(3)
    assert moved_ones[0].ends_at == utc(2027, 3, 14, 7, 40)


# ── B1 to B4: what may be asked for ──


@pytest.mark.parametrize(
    ("class_type", "takes"),
    [
        (ClassType.ONE_ON_ONE, {1}),
        (ClassType.ONE_ON_TWO, {2}),
        (ClassType.ONE_ON_THREE, {3}),
        (ClassType.HYBRID, {1, 2, 3}),
    ],
)
def test_b1_each_class_type_takes_its_number_of_students(class_type: ClassType, takes: set[int]) -> None:
    request = a_request(class_type=class_type)
    if class_type is ClassType.HYBRID:
        request = a_hybrid_request()
    accepted = {count for count in range(6) if not faults_of(request, students=count, now=NOW)}
    assert accepted == takes


def test_b1_a_wrong_number_of_students_says_how_many_are_right() -> None:
    [fault] = faults_of(a_request(class_type=ClassType.ONE_ON_TWO), students=1, now=NOW)
    assert (fault.field, str(fault)) == ("students", "This class type takes exactly 2 students, not 1.")
    [fault] = faults_of(a_hybrid_request(), students=4, now=NOW)
    assert str(fault) == "This class type takes 1 to 3 students, not 4."


@pytest.mark.parametrize("mode", [DeliveryMode.WEEKDAY_DAILY, DeliveryMode.SUNDAY_ONLY])
def test_b1_class_type_is_hybrid_only_with_hybrid_delivery(mode: DeliveryMode) -> None:
    assert codes(a_request(class_type=ClassType.HYBRID, delivery_mode=mode)) == [("hybrid-both", "delivery_mode")]
    assert codes(a_hybrid_request(class_type=ClassType.ONE_ON_ONE)) == [("hybrid-both", "delivery_mode")]


@pytest.mark.parametrize("mode", [DeliveryMode.WEEKDAY_DAILY, DeliveryMode.SUNDAY_ONLY])
def test_b2_a_course_has_10_20_or_30_sessions(mode: DeliveryMode) -> None:
    accepted = {n for n in range(-1, 45) if not codes(a_request(delivery_mode=mode, total_sessions=n))}
    assert accepted == {10, 20, 30}
    assert codes(a_request(total_sessions=0)) == [("session-count", "total_sessions")]


def test_b2_a_hybrid_course_has_exactly_30_sessions() -> None:
    assert codes(a_hybrid_request(total_sessions=20)) == [("hybrid-count", "total_sessions")]
    assert codes(a_hybrid_request()) == []


def test_b3_the_start_date_is_today_or_later_where_the_zone_is() -> None:
    late_in_utc = utc(2027, 1, 9, 20)  # 01:30 on the 10th in Kolkata, 15:00 on the 9th in New York
    assert codes(a_request(start_date=date(2027, 1, 9)), now=late_in_utc) == [("start-past", "start_date")]
    assert codes(a_request(start_date=date(2027, 1, 10)), now=late_in_utc) == []
    assert codes(a_request(start_date=date(2027, 1, 9), time_zone=NEW_YORK), now=late_in_utc) == []


def test_b3_the_first_session_starts_later_than_now() -> None:
    starts_at = utc(2027, 1, 10, 12, 50)  # 18:20 in Kolkata
    assert codes(a_request(), now=starts_at) == [("start-now", "timeslot")]
    assert codes(a_request(), now=starts_at - timedelta(seconds=1)) == []


def test_b3_a_sunday_course_may_be_booked_today_for_next_sunday() -> None:
    thursday_evening = utc(2027, 1, 7, 15)
    request = a_request(delivery_mode=DeliveryMode.SUNDAY_ONLY, start_date=date(2027, 1, 7), timeslot=time(9))
    assert codes(request, now=thursday_evening) == []


def test_b3_a_start_beyond_the_horizon_is_refused_and_breaks_nothing() -> None:
    assert codes(a_request(start_date=date.max)) == [("start-far", "start_date")]
    assert codes(a_request(start_date=date(2027, 1, 1) + HORIZON)) == []


@pytest.mark.parametrize("timeslot", [time(9, 0, 30), time(9, 0, 0, 5), time(9, tzinfo=ZoneInfo(KOLKATA))])
def test_b3_a_time_slot_is_hours_and_minutes(timeslot: time) -> None:
    assert codes(a_request(timeslot=timeslot)) == [("timeslot-minutes", "timeslot")]


@pytest.mark.parametrize(
    ("mode", "last"), [(DeliveryMode.WEEKDAY_DAILY, time(23, 20)), (DeliveryMode.SUNDAY_ONLY, time(22, 40))]
)
def test_b4_no_session_crosses_midnight_nor_does_the_second_of_a_sunday(mode: DeliveryMode, last: time) -> None:
    a_minute_later = last.replace(minute=last.minute + 1)
    assert codes(a_request(delivery_mode=mode, timeslot=last)) == []
    assert codes(a_request(delivery_mode=mode, timeslot=a_minute_later)) == [("crosses-midnight", "timeslot")]


def test_b4_a_session_that_a_clock_change_carries_over_midnight_is_refused() -> None:
    # In Nuuk clocks jump from 23:00 to midnight on Saturday, 27 March 2027: 22:50 would end at 00:30 on Sunday.
    request = a_request(start_date=date(2027, 3, 20), timeslot=time(22, 50), time_zone="America/Nuuk")
    assert codes(request) == [("crosses-midnight", "timeslot")]
    assert codes(replace(request, start_date=date(2027, 4, 1))) == []


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "America"])
def test_an_unknown_time_zone_is_refused_on_its_field(name: str) -> None:
    assert codes(a_request(time_zone=name)) == [("time-zone-unknown", "time_zone")]


def test_every_fault_shows_at_once() -> None:
    request = a_request(delivery_mode=DeliveryMode.HYBRID, total_sessions=30, start_date=date(2026, 12, 1))
    assert codes(request, students=2) == [
        ("hybrid-both", "delivery_mode"),
        ("student-count", "students"),
        ("start-past", "start_date"),
    ]


def test_checking_raises_the_first_fault_and_passes_a_sound_request() -> None:
    with pytest.raises(Invalid) as refused:
        check_request(a_request(total_sessions=11), students=2, now=NOW)
    assert refused.value.code == "student-count"
    check_request(a_request(), students=1, now=NOW)


# ── B4 to B10: the schedule ──

requests = st.builds(
    lambda mode, total, start, slot, zone: CourseRequest(
        class_type=ClassType.HYBRID if mode is DeliveryMode.HYBRID else ClassType.ONE_ON_ONE,
        delivery_mode=mode,
        total_sessions=30 if mode is DeliveryMode.HYBRID else total,
        start_date=start,
        timeslot=clock_time(slot),
        time_zone=zone,
    ),
    st.sampled_from(DeliveryMode),
    st.sampled_from([10, 20, 30]),
    st.dates(date(2027, 1, 1), date(2030, 12, 31)),
    st.one_of(st.integers(0, 22 * 60 + 40), st.integers(0, 200), st.integers(22 * 60, 22 * 60 + 40)),
    st.sampled_from(TIME_ZONES),
)


@given(requests)
def test_b9_every_schedule_has_all_its_sessions_and_none_overlaps(request_: CourseRequest) -> None:
    sessions = plan_sessions(request_)
    assert [s.number for s in sessions] == list(range(1, request_.total_sessions + 1))
    assert all(s.ends_at - s.starts_at == SESSION_LENGTH == s.period.duration for s in sessions)
    assert all(before.ends_at <= after.starts_at for before, after in pairwise(sessions))
    assert len({(s.date, s.timeslot) for s in sessions}) == len(sessions)


@given(requests)
def test_e1_the_wall_clock_is_kept_across_clock_changes(request_: CourseRequest) -> None:
    for session in plan_sessions(request_):
        wanted = datetime.combine(session.date, session.timeslot)
        if session.shifted:
            assert local(session, request_.time_zone) != wanted
        else:
            assert local(session, request_.time_zone) == wanted


@pytest.mark.parametrize("time_zone", [zone for zone in TIME_ZONES if zone not in (KOLKATA, "America/Sao_Paulo")])
def test_e1_a_daily_course_over_a_clock_change_keeps_its_time_and_not_its_utc_time(time_zone: str) -> None:
    utc_times = set()
    for month in (1, 2, 3, 4, 9, 10, 11):
        for session in plan_sessions(
            a_request(start_date=date(2027, month, 1), timeslot=time(15), total_sessions=30, time_zone=time_zone)
        ):
            assert local(session, time_zone) == datetime.combine(session.date, time(15))
            utc_times.add(session.starts_at.time())
    assert len(utc_times) == 2


@given(requests.filter(lambda r: r.delivery_mode is not DeliveryMode.SUNDAY_ONLY))
def test_b5_daily_courses_leave_no_day_out(request_: CourseRequest) -> None:
    sessions = plan_sessions(request_)
    assert [s.date - request_.start_date for s in sessions] == [timedelta(days=n) for n in range(len(sessions))]
    assert {s.timeslot for s in sessions} == {request_.timeslot}


@given(requests.filter(lambda r: r.delivery_mode is DeliveryMode.SUNDAY_ONLY))
def test_b6_sundays_come_in_pairs_back_to_back_week_after_week(request_: CourseRequest) -> None:
    sessions = plan_sessions(request_)
    first, second = sessions[::2], sessions[1::2]
    assert {s.date.weekday() for s in sessions} == {6}
    assert timedelta(0) <= first[0].date - request_.start_date < timedelta(days=7)
    assert [s.date - first[0].date for s in first] == [timedelta(weeks=n) for n in range(len(first))]
    assert [s.date for s in second] == [s.date for s in first]
    assert all(a.ends_at == b.starts_at for a, b in zip(first, second, strict=True))
    assert {s.mode for s in sessions} == {SessionMode.OFFLINE}


def test_b6_the_second_of_a_sunday_follows_the_first_through_a_clock_change() -> None:
    def pair(timeslot: time, on: date) -> list[tuple[time, bool]]:
        request = a_request(
            delivery_mode=DeliveryMode.SUNDAY_ONLY, start_date=on, timeslot=timeslot, time_zone=NEW_YORK
        )
        return [(local(s, NEW_YORK).time(), s.shifted) for s in plan_sessions(request)[:2]]

    spring, autumn = date(2027, 3, 14), date(2027, 11, 7)
    assert pair(time(2, 10), spring) == [(time(3), True), (time(3, 40), True)]
    assert pair(time(1, 40), spring) == [(time(1, 40), False), (time(3, 20), True)]
    assert pair(time(1, 20), spring) == [(time(1, 20), False), (time(3), True)]
    assert pair(time(2, 20), spring) == [(time(3), True), (time(3, 40), True)]
    assert pair(time(1, 40), autumn) == [(time(1, 40), False), (time(1, 20), True)]
    assert pair(time(0, 20), autumn) == [(time(0, 20), False), (time(1), False)]


@given(requests.filter(lambda r: r.delivery_mode is DeliveryMode.HYBRID))
def test_b7_hybrid_is_six_online_then_turns(request_: CourseRequest) -> None:
    modes = [s.mode for s in plan_sessions(request_)]
    assert modes == [SessionMode.ONLINE] * 6 + [SessionMode.ONLINE, SessionMode.OFFLINE] * 12


def test_b7_only_offline_sessions_of_a_hybrid_course_move_within_their_day() -> None:
    sessions = plan_sessions(a_hybrid_request())
    movable = [s.number for s in sessions if may_move_within_day(s, time(10), delivery_mode=DeliveryMode.HYBRID)]
    assert movable == list(range(8, 31, 2))
    daily = plan_sessions(a_request())[0]
    assert not may_move_within_day(daily, time(10), delivery_mode=DeliveryMode.WEEKDAY_DAILY)


def test_b7_a_moved_session_still_ends_by_midnight() -> None:
    eighth = plan_sessions(a_hybrid_request())[7]
    assert may_move_within_day(eighth, time(23, 20), delivery_mode=DeliveryMode.HYBRID)
    assert not may_move_within_day(eighth, time(23, 21), delivery_mode=DeliveryMode.HYBRID)


@pytest.mark.parametrize(
    "unsound",
    [a_request(delivery_mode=DeliveryMode.SUNDAY_ONLY, total_sessions=11), a_hybrid_request(total_sessions=20)],
)
def test_b9_a_schedule_of_another_length_is_a_bug(unsound: CourseRequest) -> None:
    with pytest.raises(RuleBroken, match="planned"):
        plan_sessions(unsound)


@given(
    st.builds(
        CourseRequest,
        st.sampled_from(ClassType),
        st.sampled_from(DeliveryMode),
        st.sampled_from([-10, 0, 1, 10, 11, 20, 30, 31, 10**9]),
        st.dates(),
        st.times(),
        st.sampled_from([*TIME_ZONES, "nowhere"]),
    ),
    st.integers(-1, 5),
)
def test_a_request_without_faults_can_be_planned_and_lies_ahead(request_: CourseRequest, students: int) -> None:
    if not faults_of(request_, students=students, now=NOW):
        sessions = plan_sessions(request_)
        assert sessions[0].starts_at > NOW
        zone = ZoneInfo(request_.time_zone)
        for session in sessions:
            ends = session.ends_at - timedelta(microseconds=1)
            assert session.starts_at.astimezone(zone).date() == ends.astimezone(zone).date()


# ── lives ──


@pytest.mark.parametrize(
    ("is_", "to"),
    [
        ("waitlisted", "pending_approval"),
        ("pending_approval", "waitlisted"),
        ("pending_approval", "assigned"),
        ("assigned", "waitlisted"),
        ("assigned", "in_progress"),
        ("in_progress", "completed"),
        ("in_progress", "cancelled"),
        ("assigned", "cancelled"),
    ],
)
def test_a_booking_lives_as_drawn(is_: str, to: str) -> None:
    assert moved(BookingStatus(is_), BookingStatus(to)) == to


@pytest.mark.parametrize(
    ("is_", "to"),
    [
        ("waitlisted", "assigned"),
        ("pending_approval", "in_progress"),
        ("assigned", "completed"),
        ("completed", "in_progress"),
        ("cancelled", "waitlisted"),
        ("in_progress", "waitlisted"),
    ],
)
def test_a_booking_skips_no_step_and_never_comes_back(is_: str, to: str) -> None:
    with pytest.raises(Conflict, match=f"is {is_} and cannot become {to}"):
        moved(BookingStatus(is_), BookingStatus(to))


def test_every_status_has_its_moves_and_none_stays_where_it_is() -> None:
    assert set(MOVES) == set(BookingStatus)
    assert set(ENQUIRY_MOVES) == set(EnquiryStatus)
    assert not any(status in moves for status, moves in MOVES.items())
    assert not any(status in moves for status, moves in ENQUIRY_MOVES.items())


def test_a_draft_may_expire_and_an_unserved_place_be_booked_later() -> None:
    assert enquiry_moved(EnquiryStatus.DRAFT, EnquiryStatus.EXPIRED) is EnquiryStatus.EXPIRED
    assert enquiry_moved(EnquiryStatus.SERVICE_NOT_AVAILABLE, EnquiryStatus.BOOKED) is EnquiryStatus.BOOKED
    with pytest.raises(Conflict) as refused:
        enquiry_moved(EnquiryStatus.EXPIRED, EnquiryStatus.BOOKED)
    assert refused.value.code == "enquiry-move"
