"""Working hours, certifications and shared time zones (rules T3 and T5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta
from uuid import UUID

import pytest

from tests.rules.builders import COURSE, EVERY_DAY, HOME, KOLKATA, NEW_YORK, OPERATOR, ZONE, utc
from webapp.core.errors import Invalid
from webapp.core.intervals import Interval
from webapp.households.rules import Gender, Language
from webapp.trainers.rules import (
    Standing,
    TrainerCommand,
    WorkingHours,
    check_courses,
    check_hours,
    open_periods,
    shared_time_zone,
    time_off_period,
)

MONDAY = date(2027, 1, 4)
SPRING_SUNDAY = date(2027, 3, 14)


def hours(weekday: int, starts: str, ends: str) -> WorkingHours:
    return WorkingHours(weekday, time.fromisoformat(starts), time.fromisoformat(ends))


def test_t5_hours_open_on_their_weekday_alone() -> None:
    week = [hours(0, "09:00", "12:00"), hours(0, "14:00", "18:00"), hours(1, "09:00", "10:00")]
    assert open_periods(week, MONDAY, KOLKATA) == [
        Interval(utc(2027, 1, 4, 3, 30), utc(2027, 1, 4, 6, 30)),
        Interval(utc(2027, 1, 4, 8, 30), utc(2027, 1, 4, 12, 30)),
    ]
    assert open_periods(week, MONDAY + timedelta(days=2), KOLKATA) == []


def test_t5_hours_that_touch_become_one() -> None:
    week = [hours(0, "12:00", "15:00"), hours(0, "09:00", "12:00")]
    assert open_periods(week, MONDAY, KOLKATA) == [Interval(utc(2027, 1, 4, 3, 30), utc(2027, 1, 4, 9, 30))]


def test_t5_an_end_at_midnight_is_the_days_last_midnight() -> None:
    assert open_periods([hours(0, "20:00", "00:00")], MONDAY, KOLKATA) == [
        Interval(utc(2027, 1, 4, 14, 30), utc(2027, 1, 4, 18, 30))
    ]


def test_t5_on_the_day_clocks_change_hours_follow_the_wall_clock() -> None:
    assert open_periods([hours(6, "01:00", "04:00")], SPRING_SUNDAY, NEW_YORK) == [
        Interval(utc(2027, 3, 14, 6), utc(2027, 3, 14, 8))
    ]
    assert open_periods([hours(6, "02:10", "02:50")], SPRING_SUNDAY, NEW_YORK) == []


def test_an_ordinary_week_is_sound() -> None:
    check_hours(EVERY_DAY)
    check_hours([hours(0, "12:00", "00:00"), hours(0, "09:00", "12:00"), hours(1, "09:00", "12:00")])


@pytest.mark.parametrize(
    ("week", "code"),
    [
        ([hours(7, "09:00", "10:00")], "hours-weekday"),
        ([hours(-1, "09:00", "10:00")], "hours-weekday"),
        ([hours(0, "10:00", "10:00")], "hours-order"),
        ([hours(0, "22:00", "02:00")], "hours-order"),
        ([hours(0, "11:00", "13:00"), hours(0, "09:00", "11:01")], "hours-overlap"),
        ([hours(0, "09:00", "00:00"), hours(0, "10:00", "11:00")], "hours-overlap"),
    ],
)
def test_unsound_hours_are_refused(week: list[WorkingHours], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_hours(week)
    assert (refused.value.code, refused.value.field) == (code, "hours")


def test_all_zones_of_a_trainer_share_a_time_zone() -> None:
    assert shared_time_zone([KOLKATA, KOLKATA]) == KOLKATA
    for wrong, code in ([], "no-zone"), ([KOLKATA, NEW_YORK], "zones-time-zone"):
        with pytest.raises(Invalid) as refused:
            shared_time_zone(wrong)
        assert (refused.value.code, refused.value.field) == (code, "zones")


def test_t3_at_most_three_courses_and_the_same_twice_counts_once() -> None:
    three = [UUID(int=n) for n in range(3)]
    check_courses([*three, three[0]])
    check_courses([*three, UUID(int=9)], max_courses=4)
    with pytest.raises(Invalid, match="at most 3 courses"):
        check_courses([*three, UUID(int=9)])


A_TRAINER = TrainerCommand(
    operator_id=OPERATOR,
    name=" Asha   Rao",
    base=HOME,
    gender=Gender.FEMALE,
    languages=(Language.TELUGU, Language.ENGLISH, Language.TELUGU),
    course_ids=(COURSE, COURSE),
    zone_ids=(ZONE, ZONE),
    hours=EVERY_DAY[::-1],
)


def test_a_trainer_is_cleaned_and_has_nothing_twice() -> None:
    assert A_TRAINER.checked() == replace(
        A_TRAINER,
        name="Asha Rao",
        languages=(Language.TELUGU, Language.ENGLISH),
        course_ids=(COURSE,),
        zone_ids=(ZONE,),
        hours=EVERY_DAY,
    )


@pytest.mark.parametrize(
    ("unsound", "field"),
    [
        (replace(A_TRAINER, name=" "), "name"),
        (replace(A_TRAINER, course_ids=tuple(UUID(int=n) for n in range(4))), "courses"),
        (replace(A_TRAINER, hours=(hours(0, "10:00", "09:00"),)), "hours"),
        (replace(A_TRAINER, notes="x" * 2001), "notes"),
    ],
)
def test_a_fault_of_a_trainer_names_its_field(unsound: TrainerCommand, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        unsound.checked()
    assert refused.value.field == field


def test_notes_keep_their_lines_and_lose_what_cannot_be_stored() -> None:
    typed = "\x00 Has a car.\r\nSpeaks some\ud800 Tamil.\t \n"
    assert replace(A_TRAINER, notes=typed).checked().notes == "Has a car.\nSpeaks some Tamil."
    assert replace(A_TRAINER, notes="x" * 2000 + " \n").checked().notes == "x" * 2000


def test_who_left_stands_apart_from_who_is_merely_inactive() -> None:
    left = utc(2027, 1, 1, 0, 0)
    assert [Standing.of(True, None), Standing.of(False, None), Standing.of(False, left)] == list(Standing)


NOW = utc(2027, 1, 1, 3, 30)


def test_time_off_counts_whole_days_and_takes_times_where_they_are_given() -> None:
    whole = time_off_period(MONDAY, None, MONDAY, None, KOLKATA, now=NOW)
    assert whole == Interval(utc(2027, 1, 3, 18, 30), utc(2027, 1, 4, 18, 30))
    afternoon = time_off_period(MONDAY, time(14), MONDAY, time(18, 30), KOLKATA, now=NOW)
    assert afternoon == Interval(utc(2027, 1, 4, 8, 30), utc(2027, 1, 4, 13))
    under_way = time_off_period(date(2026, 12, 31), None, date(2027, 1, 1), time(9, 1), KOLKATA, now=NOW)
    assert under_way.ends_at == utc(2027, 1, 1, 3, 31)
    spring = time_off_period(SPRING_SUNDAY, None, SPRING_SUNDAY, None, NEW_YORK, now=NOW)
    assert spring.duration == timedelta(hours=23)
    until_midnight = time_off_period(MONDAY, time(14), MONDAY, time(0), KOLKATA, now=NOW)
    assert until_midnight == Interval(utc(2027, 1, 4, 8, 30), utc(2027, 1, 4, 18, 30)), "as working hours say it"


def test_time_off_to_an_hour_that_comes_twice_lasts_until_it_is_over() -> None:
    autumn = date(2027, 11, 7)  # clocks go back from 02:00 to 01:00
    away = time_off_period(autumn, time(1, 30), autumn, time(1, 30), NEW_YORK, now=NOW)
    assert away == Interval(utc(2027, 11, 7, 5, 30), utc(2027, 11, 7, 6, 30))
    gap = time_off_period(SPRING_SUNDAY, None, SPRING_SUNDAY, time(2, 30), NEW_YORK, now=NOW)
    assert gap.duration == timedelta(hours=2), "a time that does not come is over when clocks have gone forward"


@pytest.mark.parametrize(
    ("first", "starts", "last", "ends", "code", "field"),
    [
        (MONDAY, None, MONDAY - timedelta(days=1), None, "time-off-order", "to_date"),
        (MONDAY, time(9), MONDAY, time(9), "time-off-order", "to_date"),
        (date(2026, 12, 1), None, date(2026, 12, 31), None, "time-off-over", "to_date"),
        (date(2026, 12, 1), None, date(2027, 1, 1), time(9), "time-off-over", "to_date"),
        (MONDAY, None, date(2029, 1, 6), None, "time-off-long", "to_date"),
        (date(1999, 12, 31), None, MONDAY, None, "time-off-year", "from_date"),
        (date.min, None, MONDAY, None, "time-off-year", "from_date"),
        (MONDAY, None, date.max, None, "time-off-year", "to_date"),
    ],
)
def test_time_off_that_cannot_be_meant_is_refused(
    first: date, starts: time | None, last: date, ends: time | None, code: str, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        time_off_period(first, starts, last, ends, KOLKATA, now=NOW)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_t5_a_trainer_without_hours_may_be_kept() -> None:
    assert replace(A_TRAINER, hours=(), base=None).checked().hours == ()
