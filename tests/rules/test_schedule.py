"""Which wanted periods are taken, and the way between two places (rules A2, T4 and T9)."""

from __future__ import annotations

from datetime import timedelta
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.builders import HOME, ONE_KM_NORTH, utc
from webapp.core.errors import Conflict
from webapp.core.geo import Location, distance_km
from webapp.core.intervals import Interval
from webapp.schedule.rules import (
    MOVES,
    SlotStatus,
    TravelSettings,
    clashes,
    hit,
    moved,
    way_minutes,
)

NINE = utc(2027, 1, 4, 9)


def period(start_minute: int, length: int = 40) -> Interval:
    return Interval(NINE + timedelta(minutes=start_minute), NINE + timedelta(minutes=start_minute + length))


def test_example_7_overlapping_slots_clash_and_touching_ones_do_not() -> None:
    assert clashes([period(0)], [period(20)]) == [period(0)]
    assert clashes([period(0)], [period(40)]) == []
    assert clashes([period(0), period(40)], [period(-40), period(80)]) == []


def test_one_long_period_takes_every_session_it_covers() -> None:
    assert hit([NINE, NINE + timedelta(hours=2)], [NINE + timedelta(hours=1), NINE + timedelta(hours=3)], []) == []
    wanted = [period(0), period(100), period(200)]
    assert clashes(wanted, [period(120, 500)]) == wanted[1:]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), max_size=12),
    st.lists(st.builds(period, st.integers(-50, 700), st.integers(1, 300)), max_size=8),
)
def test_the_answer_is_that_of_comparing_all_with_all(steps: list[tuple[int, int]], taken: list[Interval]) -> None:
    wanted, minute = [], 0
    for gap, length in steps:
        wanted.append(period(minute + gap, length))
        minute += gap + length
    assert clashes(wanted, taken) == [w for w in wanted if any(w.overlaps(t) for t in taken)]


def test_a_held_slot_becomes_booked_and_never_held_again() -> None:
    assert set(MOVES) == set(SlotStatus)
    assert moved(SlotStatus.HELD, SlotStatus.BOOKED) is SlotStatus.BOOKED
    with pytest.raises(Conflict) as refused:
        moved(SlotStatus.BOOKED, SlotStatus.HELD)
    assert refused.value.code == "slot-move"


# ── T9: the way ──

places = st.builds(Location, st.floats(17.6, 17.8), st.floats(83.1, 83.3))


def test_t9_a_way_is_the_buffer_and_the_travel_rounded_up_to_minutes() -> None:
    # 1 km × 1.4 at 25 km/h is 3.36 minutes.
    assert way_minutes(HOME, ONE_KM_NORTH, buffer_minutes=15) == 19
    assert way_minutes(HOME, ONE_KM_NORTH, buffer_minutes=15, travel=TravelSettings(1.0, 60.0)) == 16
    assert way_minutes(HOME, ONE_KM_NORTH, buffer_minutes=0, travel=TravelSettings(2.0, 10.0)) == 12


def test_t9_no_way_at_the_same_place_and_none_online() -> None:
    next_door = Location(HOME.lat + 0.4 / 111_195, HOME.lng)
    two_doors_on = Location(HOME.lat + 0.6 / 111_195, HOME.lng)
    assert way_minutes(HOME, next_door, buffer_minutes=15) == 0
    assert way_minutes(HOME, two_doors_on, buffer_minutes=15) == 16
    assert way_minutes(None, ONE_KM_NORTH, buffer_minutes=15) == 0
    assert way_minutes(ONE_KM_NORTH, None, buffer_minutes=15) == 0


def test_t9_six_minutes_on_paper_are_six_minutes() -> None:
    eight_hundred, one = (Location(HOME.lat + m / 111_195, HOME.lng) for m in (800, 1))
    travel = TravelSettings(1.5, 12.0)
    assert way_minutes(HOME, eight_hundred, buffer_minutes=0, travel=travel) == 6  # the machine says 6.000000000000001
    assert way_minutes(HOME, one, buffer_minutes=0) == 1


@pytest.mark.parametrize("unsound", [{"detour": 0.9}, {"detour": inf}, {"speed_kmh": 0}, {"speed_kmh": nan}])
def test_t9_settings_no_way_can_be_worked_out_with_are_refused(unsound: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        TravelSettings(**unsound)


@given(places, places, st.integers(0, 60), st.builds(TravelSettings, st.floats(1, 3), st.floats(5, 80)))
def test_t9_a_way_is_as_long_as_the_way_back_and_rounded_up(
    one: Location, other: Location, buffer: int, travel: TravelSettings
) -> None:
    km = distance_km(one, other)
    exact = buffer + km * travel.detour / travel.speed_kmh * 60 if km else 0
    assert exact - 1e-6 <= way_minutes(one, other, buffer_minutes=buffer, travel=travel) < exact + 1
    assert way_minutes(one, other, buffer_minutes=buffer, travel=travel) == way_minutes(
        other, one, buffer_minutes=buffer, travel=travel
    )
