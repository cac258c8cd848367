"""Which wanted periods are taken (rules A2 and T4)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.builders import utc
from webapp.core.errors import Conflict
from webapp.core.intervals import Interval
from webapp.schedule.rules import MOVES, SlotStatus, clashes, hit, moved

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
