"""Noted heads, and before and after laid side by side."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.audit.rules import Kept, NotedHead, side_by_side
from webapp.core.errors import Invalid

HEX = "0123456789abcdef" * 4


def test_a_head_is_read_with_its_position_and_without() -> None:
    assert NotedHead.read(HEX) == NotedHead(bytes.fromhex(HEX))
    assert NotedHead.read(f" 12:{HEX.upper()} ") == NotedHead(bytes.fromhex(HEX), 12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        HEX[:-1],
        HEX + "0",
        "g" + HEX[1:],
        f":{HEX}",
        f"0:{HEX}",
        f"-1:{HEX}",
        f"１:{HEX}",
        "9" * 30 + ":" + HEX,
    ],
)
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        NotedHead.read(text)
    assert refused.value.field == "head"


def test_each_field_says_what_became_of_it() -> None:
    before = {"status": "held", "gone": 1, "same": [1, {"a": 2}], "nothing": None}
    after = {"status": "booked", "same": [1, {"a": 2}], "nothing": None, "new": 0}
    assert [(field.name, field.kept) for field in side_by_side(before, after)] == [
        ("status", Kept.CHANGED),
        ("gone", Kept.REMOVED),
        ("same", Kept.SAME),
        ("nothing", Kept.SAME),
        ("new", Kept.ADDED),
    ]
    assert side_by_side(None, None) == ()


def test_true_is_not_one() -> None:
    assert side_by_side({"a": True}, {"a": 1})[0].kept is Kept.CHANGED


FIELDS = st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=3), max_size=5)


@given(FIELDS, FIELDS)
def test_no_field_is_lost_and_nothing_is_made_up(before: dict[str, Any], after: dict[str, Any]) -> None:
    lines = side_by_side(before, after)
    assert {line.name for line in lines} == {*before, *after}
    assert len(lines) == len({*before, *after})
    for line in lines:
        assert (line.before, line.after) == (before.get(line.name), after.get(line.name))
        assert (line.kept is Kept.SAME) == (line.name in before and line.name in after and line.before == line.after)
