"""Borders as people give them, and what a place tells by itself."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from webapp.core.errors import Invalid
from webapp.core.geo import Location
from webapp.zones.borders import MOST_BYTES, read_border, read_geojson, write_border
from webapp.zones.hints import Surroundings, looks_swapped, swapped, time_zone_at
from webapp.zones.shapes import MAX_DRAWN

SOMEWHERE = st.builds(Location, st.floats(-90, 90), st.floats(-180, 180))


def outcome(read: Callable[[], tuple[Location, ...]]) -> str | None:
    """Whether a border was read, or the field of the refusal; a refusal without words fails."""
    try:
        ring = read()
    except Invalid as refused:
        return refused.field if str(refused) else None
    return "a border" if all(isinstance(corner, Location) for corner in ring) else None


@given(st.lists(SOMEWHERE, min_size=1, max_size=30))
def test_a_border_comes_back_to_the_last_digit(ring: list[Location]) -> None:
    assert read_border(write_border(ring)) == tuple(ring)


@given(st.lists(SOMEWHERE, min_size=3, max_size=30, unique=True))
def test_geojson_comes_back_to_the_last_digit_closed_or_not(ring: list[Location]) -> None:
    positions = [[corner.lng, corner.lat] for corner in ring]
    for closed in ([], positions[:1]):
        text = json.dumps({"type": "Polygon", "coordinates": [positions + closed]})
        assert read_geojson(text) == read_border(text) == tuple(ring)
        assert read_border(json.dumps(positions + closed)) == tuple(ring), "bare coordinates"


@given(st.text(max_size=200) | st.from_regex(r"[\[\]{}\",:0-9a-zE.+-]{0,80}", fullmatch=True))
@example('{"type": "Polygon", "coordinates": [[[1e400, 2]]]}')
@example("[[[0, 0], [0]]]")
@example("{}")
@example("[]")
@example("[[[[1]]]]")
@example("٣, ٤")
@example("1_0, 2")
@example("+1., .5")
@settings(max_examples=500)
def test_whatever_is_typed_is_a_border_or_refused_in_words(text: str) -> None:
    assert outcome(lambda: read_border(text)) in ("a border", "corners")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["Polygon", "Feature", "type"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "geometry", "features", "coordinates"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=500)
def test_any_json_is_a_border_or_refused_in_words(found: object) -> None:
    assert outcome(lambda: read_geojson(json.dumps(found).encode())) in ("a border", "geojson")


def test_a_third_coordinate_is_read_past() -> None:
    assert read_geojson("[[[83, 17, 5.5], [84, 17, 1], [84, 18, 0]]]")[0] == Location(17, 83)


@pytest.mark.parametrize(
    "line", ["17.5, 83.25", "17.5 83.25", "17.5;83.25", "\t17.5,\t83.25 ", "+17.5,83.25", "1.75e1, 8325e-2"]
)
def test_ways_to_write_a_corner(line: str) -> None:
    assert read_border(f"\n{line}\r\n\n") == (Location(17.5, 83.25),)


def test_bombs_cost_little_memory() -> None:
    lines = "1.0, 2.0\n" * 1_000_000
    for text in (lines, "[" * MOST_BYTES, "[[],[]," * (MOST_BYTES // 7), '{"a":' * (MOST_BYTES // 5), "9" * MOST_BYTES):
        tracemalloc.start()
        with pytest.raises(Invalid):
            read_border(text)
        _now, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 100_000_000, text[:10]


def test_more_than_the_most_is_not_read() -> None:
    with pytest.raises(Invalid) as refused:
        read_geojson(b" " * (MOST_BYTES + 1))
    assert refused.value.code == "geojson-too-large"
    positions = [[n / 1000, n % 7] for n in range(MAX_DRAWN + 2)]
    with pytest.raises(Invalid) as refused:
        read_geojson(json.dumps([positions]))
    assert refused.value.code == "ring-too-long"


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        (Location(17.6868, 83.2185), "Asia/Kolkata"),
        (Location(40.7128, -74.006), "America/New_York"),
        (Location(-16.85, 179.99), "Pacific/Fiji"),
        (Location(-90, 0), "Antarctica/McMurdo"),
        (Location(10, 85), None),
        (Location(90, 0), None),
        (Location(0, 180), None),
    ],
)
def test_the_time_zone_of_a_place(place: Location, zone: str | None) -> None:
    assert time_zone_at(place) == zone


def test_numbers_that_were_swapped() -> None:
    home, lost = Surroundings(True, 4.0), Surroundings(False, 6000.0)
    assert looks_swapped(lost, home)
    assert not looks_swapped(home, lost)
    assert not looks_swapped(home, home)
    assert not looks_swapped(lost, lost)
    assert looks_swapped(Surroundings(True, 300.1), home), "far from every zone"
    assert not looks_swapped(Surroundings(True, 300.0), home)
    assert looks_swapped(Surroundings(False, None), Surroundings(True, None)), "where there are no zones, the sea tells"
    assert not looks_swapped(Surroundings(True, None), Surroundings(True, None))
    assert swapped(Location(83.2, 17.7)) == Location(17.7, 83.2)
    assert swapped(Location(17.7, 83.2)) == Location(83.2, 17.7)
    assert swapped(Location(17.7, 90.1)) is None
