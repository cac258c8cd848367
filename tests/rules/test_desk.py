"""A booking as far as it is known: what is missing, and what follows already."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import uuid4

import pytest

from webapp.bookings.rules import ClassType, DeliveryMode
from webapp.core.geo import Location
from webapp.desk.rules import Missing, Wish, nearest_times

NOW = datetime(2027, 1, 1, 3, 30, tzinfo=UTC)
KOLKATA = "Asia/Kolkata"
WHOLE = Wish(
    place=Location(17.6868, 83.2185),
    course_id=uuid4(),
    class_type=ClassType.ONE_ON_ONE,
    delivery_mode=DeliveryMode.WEEKDAY_DAILY,
    total_sessions=10,
    start_date=date(2027, 1, 4),
    timeslot=time(16),
    students=1,
)


def test_nothing_said_means_everything_is_missing_in_the_order_of_the_page() -> None:
    assert Wish().missing() == tuple(Missing)


def test_a_whole_wish_lacks_nothing_and_has_its_sessions() -> None:
    sessions, faults = WHOLE.scheduled_in(KOLKATA, NOW)
    assert WHOLE.missing() == ()
    assert len(sessions) == 10
    assert faults == ()


@pytest.mark.parametrize("part", ["class_type", "delivery_mode", "total_sessions", "start_date", "timeslot"])
def test_without_one_part_there_is_no_schedule_and_nobody_is_blamed(part: str) -> None:
    lacking: dict[str, Any] = {part: None}
    wish = replace(WHOLE, **lacking)
    assert wish.request_in(KOLKATA) is None
    assert wish.scheduled_in(KOLKATA, NOW) == ((), ())


def test_students_not_named_yet_are_no_fault() -> None:
    assert replace(WHOLE, students=0).scheduled_in(KOLKATA, NOW)[1] == ()


def test_too_many_students_are_said_and_the_schedule_still_shows() -> None:
    sessions, faults = replace(WHOLE, students=2).scheduled_in(KOLKATA, NOW)
    assert [fault.code for fault in faults] == ["student-count"]
    assert len(sessions) == 10


def test_a_start_in_the_past_leaves_no_schedule_to_show() -> None:
    sessions, faults = replace(WHOLE, start_date=date(2026, 12, 31)).scheduled_in(KOLKATA, NOW)
    assert sessions == ()
    assert [fault.code for fault in faults] == ["start-past"]


def test_the_nearest_times_come_in_the_order_of_the_day() -> None:
    times = [time(7), time(9), time(15, 40), time(16), time(16, 20), time(18)]
    assert nearest_times(times, time(16), 3) == (time(15, 40), time(16), time(16, 20))
    assert nearest_times(times, time(5), 2) == (time(7), time(9))
    assert nearest_times([], time(5), 2) == ()
