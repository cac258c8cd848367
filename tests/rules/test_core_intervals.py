"""Half-open periods and wall clocks (rules B10 and E1)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.builders import KOLKATA, NEW_YORK, utc
from webapp.core.intervals import Interval, merged, resolve_local

DAY = utc(2027, 1, 1)


def period(start_minute: int, end_minute: int) -> Interval:
    return Interval(DAY + timedelta(minutes=start_minute), DAY + timedelta(minutes=end_minute))


periods = st.builds(lambda start, length: period(start, start + length), st.integers(0, 300), st.integers(1, 100))


def minutes_of(intervals: list[Interval]) -> set[int]:
    return {
        minute
        for interval in intervals
        for minute in range(
            (interval.starts_at - DAY) // timedelta(minutes=1), (interval.ends_at - DAY) // timedelta(minutes=1)
        )
    }


def test_periods_that_touch_do_not_overlap() -> None:
    assert not period(0, 40).overlaps(period(40, 80))
    assert not period(40, 80).overlaps(period(0, 40))


def test_example_7_slots_conflict_by_overlap_and_not_by_start_time() -> None:
    nine, nine_twenty, nine_forty = period(540, 580), period(560, 600), period(580, 620)
    assert nine.overlaps(nine_twenty)
    assert nine_twenty.overlaps(nine)
    assert not nine.overlaps(nine_forty)


@pytest.mark.parametrize(("start", "end"), [(10, 10), (20, 10)])
def test_a_period_ends_after_it_starts(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        period(start, end)


@pytest.mark.parametrize("naive", ["starts_at", "ends_at"])
def test_naive_ends_are_refused(naive: str) -> None:
    ends = {"starts_at": DAY, "ends_at": DAY + timedelta(hours=1)}
    ends[naive] = ends[naive].replace(tzinfo=None)
    with pytest.raises(ValueError, match="aware"):
        Interval(**ends)


def test_a_period_over_the_repeated_hour_is_kept_in_utc() -> None:
    zone = ZoneInfo(NEW_YORK)
    first = datetime(2027, 11, 7, 1, 40, tzinfo=zone)
    second = datetime(2027, 11, 7, 1, 20, tzinfo=zone, fold=1)
    interval = Interval(first, second)
    assert interval.duration == timedelta(minutes=40)
    assert (interval.starts_at.tzinfo, interval.ends_at) == (UTC, utc(2027, 11, 7, 6, 20))


def test_containing_includes_both_ends() -> None:
    assert period(0, 60).contains(period(0, 60))
    assert period(0, 60).contains(period(10, 50))
    assert not period(0, 60).contains(period(10, 61))
    assert not period(10, 60).contains(period(9, 50))


def test_the_gap_between_periods_is_never_negative() -> None:
    assert period(0, 40).gap_to(period(60, 90)) == timedelta(minutes=20)
    assert period(60, 90).gap_to(period(0, 40)) == timedelta(minutes=20)
    assert period(0, 40).gap_to(period(20, 90)) == timedelta(0)


@given(periods, periods)
def test_two_periods_overlap_when_they_share_a_minute(one: Interval, other: Interval) -> None:
    assert one.overlaps(other) == other.overlaps(one) == bool(minutes_of([one]) & minutes_of([other]))
    assert not (one.overlaps(other) and one.gap_to(other))
    assert one.contains(other) == (minutes_of([other]) <= minutes_of([one]))


@given(st.lists(periods, max_size=12))
def test_merging_keeps_every_minute_and_leaves_real_gaps(intervals: list[Interval]) -> None:
    result = merged(intervals)
    assert minutes_of(result) == minutes_of(intervals)
    assert all(before.ends_at < after.starts_at for before, after in pairwise(result))


def test_merging_swallows_a_period_inside_a_longer_one() -> None:
    assert merged([period(20, 30), period(0, 60), period(60, 70)]) == [period(0, 70)]


def test_b10_a_time_in_the_gap_moves_to_the_first_valid_instant_and_is_marked() -> None:
    found = resolve_local(date(2027, 3, 14), time(2, 30), NEW_YORK)
    assert (found.at, found.shifted) == (utc(2027, 3, 14, 7), True)


def test_b10_the_whole_gap_leads_to_its_end() -> None:
    starts = {resolve_local(date(2027, 3, 14), time(2, minute), NEW_YORK).at for minute in range(60)}
    assert starts == {utc(2027, 3, 14, 7)}


def test_b10_a_gap_of_half_an_hour_is_found_exactly() -> None:
    found = resolve_local(date(2027, 10, 3), time(2, 10), "Australia/Lord_Howe")
    assert (found.at, found.shifted) == (utc(2027, 10, 2, 15, 30), True)


def test_b10_in_a_fold_the_first_occurrence_counts() -> None:
    found = resolve_local(date(2027, 11, 7), time(1, 30), NEW_YORK)
    assert (found.at, found.shifted) == (utc(2027, 11, 7, 5, 30), False)
    assert resolve_local(date(2027, 11, 7), time(1, 30, fold=1), NEW_YORK) == found


def test_an_ordinary_time_is_itself() -> None:
    assert resolve_local(date(2027, 1, 4), time(16), KOLKATA).at == utc(2027, 1, 4, 10, 30)


def test_an_unknown_time_zone_is_an_error() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        resolve_local(date(2027, 1, 4), time(16), "Mars/Olympus")


@given(
    st.dates(date(2020, 1, 1), date(2036, 12, 31)),
    st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    st.sampled_from([KOLKATA, NEW_YORK, "Europe/Berlin", "America/Santiago", "Africa/Cairo", "America/Nuuk"]),
)
def test_a_resolved_time_shows_on_the_wall_clock_unless_marked(on: date, wall_clock: time, time_zone: str) -> None:
    zone = ZoneInfo(time_zone)
    found = resolve_local(on, wall_clock, time_zone)
    local = found.at.astimezone(zone).replace(tzinfo=None)
    if found.shifted:
        # The first valid instant: a second earlier the wall clock still showed a time before the wanted one.
        before = (found.at - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
        assert before < datetime.combine(on, wall_clock) < local
    else:
        assert local == datetime.combine(on, wall_clock)
        assert found.at.astimezone(zone).fold == 0
