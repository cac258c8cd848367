"""Working hours as people type them: forgiving where the meaning is plain, refused in words where it is not."""

from __future__ import annotations

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.core.errors import Invalid
from webapp.trainers.hours import read_hours, write_hours
from webapp.trainers.rules import MINUTES_PER_DAY, WorkingHours, check_hours

MORNING_AND_EVENING = "09:00-13:00, 15:00-19:30"


def read(text: str) -> str:
    """What a text means, written plainly."""
    return write_hours(read_hours(text, 2, field="hours_2"))


@pytest.mark.parametrize(
    "typed",
    [
        "09:00-13:00, 15:00-19:30",
        "9-13,15-19:30",
        " 9 – 13 ; 15 — 19.30 ",
        "15:00−19:30, 09:00‑13:00",
        "9 to 13 and 15 until 19:30",
        "9am-1pm, 3pm-7:30pm",
        "9 a.m. – 1 p.m. & 3 PM till 7:30 PM",
        "0900-1300 1500-1930",
        "9h00-13h00, 15h00-19h30",
        "９：００－１３：００，１５：００－１９：３０",
        "९-१३, १५-१९:३०",
        "9-13\n15-19:30",
    ],
)
def test_many_spellings_mean_the_same(typed: str) -> None:
    assert read(typed) == MORNING_AND_EVENING


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("20-24", "20:00-24:00"),
        ("20:00-00:00", "20:00-24:00"),
        ("8pm-midnight", "20:00-24:00"),
        ("20-midnight", "20:00-24:00"),
        ("midnight-6", "00:00-06:00"),
        ("24:00-6:00", "00:00-06:00"),
        ("12am-6am", "00:00-06:00"),
        ("10am-noon", "10:00-12:00"),
        ("noon-12:30pm", "12:00-12:30"),
        ("0-24", "00:00-24:00"),
        ("9-13, 13-15", "09:00-13:00, 13:00-15:00"),
        ("9-13,", "09:00-13:00"),
    ],
)
def test_midnight_and_noon_have_their_places(typed: str, meant: str) -> None:
    assert read(typed) == meant


@pytest.mark.parametrize("typed", ["", "  ", "-", "–", "off", "Closed", "none"])
def test_nothing_is_a_day_off(typed: str) -> None:
    assert read_hours(typed, 0) == ()


@pytest.mark.parametrize(
    ("typed", "code", "named"),
    [
        ("25:00-26:00", "hours-time", "“25:00”"),
        ("9-24:30", "hours-time", "“24:30”"),
        ("9:60-10", "hours-time", "“9:60”"),
        ("13pm-2pm", "hours-time", "“13pm”"),
        ("0am-2am", "hours-time", "“0am”"),
        ("9-13, 12-14", "hours-overlap", "09:00-13:00 and 12:00-14:00 overlap"),
        ("9-13, 9-13", "hours-overlap", "overlap"),
        ("10-24, 23-24", "hours-overlap", "10:00-24:00 and 23:00-24:00"),
        ("13-9", "hours-order", "“13-9” ends before it starts"),
        ("9-9", "hours-order", "“9-9”"),
        ("22-2", "hours-order", "Hours after midnight belong to the next day"),
        ("1-5pm", "hours-half", "“1-5pm”"),
        ("9am-5", "hours-half", "say am or pm for both"),
        ("9", "hours-unreadable", "“9”"),
        ("9-", "hours-unreadable", "“9-”"),
        ("9-13-15", "hours-unreadable", "“9-13-15”"),
        ("9,30-12", "hours-unreadable", "“9”"),
        ("mornings", "hours-unreadable", "“mornings”: write hours as 09:00-13:00"),
        ("-9-13", "hours-unreadable", "“-9-13”"),
        ("NaN-Infinity", "hours-unreadable", "“nan-infinity”"),
        ("1e1-13", "hours-unreadable", "“1e1-13”"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_piece(typed: str, code: str, named: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_hours(typed, 3, field="hours_3")
    assert (refused.value.code, refused.value.field) == (code, "hours_3")
    assert named in str(refused.value)


@st.composite
def weekday_hours(draw: st.DrawFn) -> tuple[WorkingHours, ...]:
    """Sound periods of one weekday; some touch, some end with the day."""
    weekday = draw(st.integers(0, 6))
    ends = sorted(draw(st.sets(st.integers(0, MINUTES_PER_DAY), max_size=10)))
    clocks = [time(minute // 60 % 24, minute % 60) for minute in ends]
    step = draw(st.sampled_from([1, 2]))
    return tuple(WorkingHours(weekday, clocks[n], clocks[n + 1]) for n in range(0, len(clocks) - 1, step))


@given(weekday_hours())
def test_what_is_written_reads_back_as_it_was(periods: tuple[WorkingHours, ...]) -> None:
    weekday = periods[0].weekday if periods else 0
    assert read_hours(write_hours(periods), weekday) == periods


@given(st.text(alphabet=st.sampled_from("0123456789:.-–, amphnotdi&;m\t९"), max_size=40) | st.text(max_size=40))
def test_any_text_is_read_soundly_or_refused(typed: str) -> None:
    refusal = None
    found: tuple[WorkingHours, ...] = ()
    try:
        found = read_hours(typed, 4)
    except Invalid as error:
        refusal = (error.code.partition("-")[0], error.field)
    assert refusal in (None, ("hours", "hours"))
    check_hours(found)
    assert {period.weekday for period in found} <= {4}
    assert read_hours(write_hours(found), 4) == found
