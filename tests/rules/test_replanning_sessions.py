"""One session at another time and a series paused: what may become of which session (rules A7, B4, B7, B8 and S1)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.builders import KOLKATA, NEW_YORK, NOW, a_hybrid_request, a_request
from tests.rules.test_bookings import requests
from webapp.bookings.rules import (
    HORIZON,
    SESSION_LENGTH,
    CourseRequest,
    CourseSessionStatus,
    PlannedSession,
    SessionMode,
    plan_sessions,
)
from webapp.core.errors import Conflict, Invalid
from webapp.course_sessions.rules import paused, replanned

SCHEDULED, MISSED, CANCELLED = (CourseSessionStatus(word) for word in ("scheduled", "missed", "cancelled"))
DAILY = plan_sessions(a_request())
"""Ten sessions at 18:20 in Kolkata, from 10 January 2027 on."""
HYBRID = plan_sessions(a_hybrid_request())


def jan(day: int) -> date:
    return date(2027, 1, day)


def move(
    session: PlannedSession,
    to_date: date,
    to_time: time = time(18, 20),
    *,
    status: CourseSessionStatus = SCHEDULED,
    among: tuple[PlannedSession, ...] = DAILY,
    time_zone: str = KOLKATA,
    now: datetime = NOW,
) -> PlannedSession:
    others = [other for other in among if other.number != session.number]
    return replanned(session, status, to_date, to_time, others=others, time_zone=time_zone, now=now)


def refusal(*args: Any, **how: Any) -> tuple[str, str | None]:
    with pytest.raises(Invalid) as refused:
        move(*args, **how)
    return refused.value.code, refused.value.field


def test_a7_a_moved_session_keeps_its_number_and_mode() -> None:
    to = move(DAILY[2], jan(25), time(9))
    assert (to.number, to.mode, to.date, to.timeslot) == (3, SessionMode.OFFLINE, jan(25), time(9))
    assert to.ends_at - to.starts_at == SESSION_LENGTH


def test_a7_a_session_moves_to_a_time_later_than_now_that_it_has_not_already() -> None:
    first = DAILY[0]
    just_before = first.starts_at - timedelta(minutes=1)
    assert refusal(DAILY[2], jan(10), time(18, 19), now=just_before) == ("move-past", "timeslot")
    assert refusal(DAILY[2], date(1, 1, 1), time(9)) == ("move-past", "to_date"), "the day is what is wrong"
    assert refusal(DAILY[2], jan(10) - timedelta(days=1), now=just_before) == ("move-past", "to_date")
    assert refusal(DAILY[2], jan(12)) == ("move-same", "timeslot")
    assert refusal(DAILY[2], date(2099, 1, 1)) == ("move-far", "to_date")
    assert refusal(DAILY[2], date.max) == ("move-far", "to_date")
    assert refusal(DAILY[2], jan(25), time(23, 30)) == ("crosses-midnight", "timeslot")
    assert refusal(DAILY[2], jan(25), time(9, 0, 1)) == ("timeslot-minutes", "timeslot")
    assert move(DAILY[2], jan(10) + HORIZON - timedelta(days=9)).number == 3


def test_a7_no_session_of_the_booking_overlaps_another() -> None:
    assert refusal(DAILY[2], jan(13)) == ("move-overlap", "timeslot")
    assert refusal(DAILY[2], jan(13), time(18, 59)) == ("move-overlap", "timeslot")
    assert move(DAILY[2], jan(13), time(19)).starts_at == DAILY[3].ends_at


def test_b7_online_the_time_slot_stays_and_only_the_date_may_change() -> None:
    online, offline = HYBRID[6], HYBRID[7]
    assert (online.mode, offline.mode) == (SessionMode.ONLINE, SessionMode.OFFLINE)
    assert refusal(online, online.date, time(9), among=HYBRID) == ("move-online", "timeslot")
    assert move(online, date(2027, 3, 1), time(16), among=HYBRID).mode is SessionMode.ONLINE
    assert move(offline, offline.date, time(9), among=HYBRID).timeslot == time(9)


def test_s1_a_cancelled_session_may_come_back_at_its_own_time_and_a_missed_one_later() -> None:
    assert move(DAILY[2], jan(12), status=CANCELLED) == DAILY[2]
    over = DAILY[2].starts_at + timedelta(hours=1)
    assert refusal(DAILY[2], jan(12), status=MISSED, now=over) == ("move-past", "timeslot")
    assert move(DAILY[2], jan(12), time(20), status=MISSED, now=over).number == 3


@pytest.mark.parametrize("status", [CourseSessionStatus.COMPLETED, CourseSessionStatus.RESCHEDULED])
def test_s1_what_is_done_or_was_moved_stays(status: CourseSessionStatus) -> None:
    with pytest.raises(Conflict) as refused:
        move(DAILY[2], jan(25), status=status)
    assert refused.value.code == "session-move"


def test_b10_a_session_moved_into_a_clock_change_moves_to_the_first_valid_instant() -> None:
    course = plan_sessions(a_request(time_zone=NEW_YORK, start_date=date(2027, 3, 1), timeslot=time(9)))
    to = move(course[0], date(2027, 3, 14), time(2, 30), among=course, time_zone=NEW_YORK)
    assert to.shifted
    assert to.starts_at.astimezone(ZoneInfo(NEW_YORK)).time() == time(3)


def pause(
    from_date: date, to_date: date, *, request: CourseRequest | None = None, now: datetime = NOW
) -> tuple[tuple[PlannedSession, PlannedSession], ...]:
    request = request or a_request()
    return paused(plan_sessions(request), from_date, to_date, request, now=now)


def test_b8_only_what_lies_in_a_pause_or_after_it_changes() -> None:
    changed = pause(jan(12), jan(13))
    assert [is_.number for is_, _ in changed] == list(range(3, 11))
    assert [will_be.date for _, will_be in changed] == [jan(day) for day in range(14, 22)]


@pytest.mark.parametrize(
    ("from_date", "to_date", "code"),
    [
        (jan(13), jan(12), "pause-order"),
        (date(2026, 1, 1), date(2026, 1, 9), "pause-past"),
        (jan(12), date(2099, 1, 1), "pause-far"),
        (date.min, date.max, "pause-far"),
    ],
)
def test_b8_a_pause_that_cannot_be_is_refused_for_its_end(from_date: date, to_date: date, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        pause(from_date, to_date)
    assert (refused.value.code, refused.value.field) == (code, "to_date")


def test_b8_a_pause_after_the_last_session_changes_nothing() -> None:
    with pytest.raises(Conflict) as refused:
        pause(jan(20), jan(25))
    assert refused.value.code == "pause-nothing"


@given(requests, st.integers(0, 40), st.integers(0, 30))
def test_b8_whatever_is_paused_nothing_overlaps_and_numbers_and_modes_stay(
    request: CourseRequest, begins: int, days: int
) -> None:
    sessions = plan_sessions(request)
    from_date = sessions[0].date + timedelta(days=begins)
    now = sessions[0].starts_at - timedelta(days=1)
    try:
        changed = dict(paused(sessions, from_date, from_date + timedelta(days=days), request, now=now))
    except (Invalid, Conflict):
        return
    after = [changed.get(session, session) for session in sessions]
    assert [(s.number, s.mode) for s in after] == [(s.number, s.mode) for s in sessions]
    assert all(one.ends_at <= other.starts_at for one, other in pairwise(after))
    assert all(will_be.date > from_date + timedelta(days=days) for will_be in changed.values())


@given(st.integers(0, 9), st.integers(-3, 40), st.integers(0, 71))
def test_a7_a_move_either_fits_the_course_or_is_refused(number: int, days: int, twenties: int) -> None:
    session, to_time = DAILY[number], time(*divmod(twenties * 20, 60))
    try:
        to = move(session, jan(10) + timedelta(days=days), to_time)
    except Invalid:
        return
    after = sorted([to, *(s for s in DAILY if s is not session)], key=lambda s: s.starts_at)
    assert all(one.ends_at <= other.starts_at for one, other in pairwise(after))
    assert to.starts_at > NOW
