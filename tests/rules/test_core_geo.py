"""Places on the earth (rules Z2, Z3 and E4)."""

from __future__ import annotations

from itertools import pairwise
from math import inf, nan, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.core.geo import (
    EARTH_RADIUS_KM,
    Bounds,
    Location,
    circle_area_km2,
    circle_bounds,
    distance_km,
    ring_area_km2,
    ring_bounds,
    ring_center,
    ring_contains,
)

SQUARE = (Location(0, 0), Location(0, 2), Location(2, 2), Location(2, 0))
NOTCHED = (Location(0, 0), Location(0, 4), Location(4, 4), Location(1, 2), Location(4, 0))
places = st.builds(Location, st.floats(-90, 90), st.floats(-180, 180))


@pytest.mark.parametrize(
    ("lat", "lng"), [(90.001, 0), (-91, 0), (0, 180.5), (0, -181), (nan, 0), (0, nan), (inf, 0), (0, -inf)]
)
def test_e4_coordinates_outside_the_earth_are_refused(lat: float, lng: float) -> None:
    with pytest.raises(ValueError, match=r"coordinates|latitude|longitude"):
        Location(lat, lng)


@pytest.mark.parametrize(("lat", "lng"), [(90, 180), (-90, -180), (0, 0)])
def test_e4_the_edges_of_the_earth_are_places(lat: float, lng: float) -> None:
    assert Location(lat, lng).lat == lat


def test_z3_distance_is_great_circle() -> None:
    assert distance_km(Location(0, 0), Location(0, 180)) == pytest.approx(pi * EARTH_RADIUS_KM, abs=0.001)
    assert distance_km(Location(17.6868, 83.2185), Location(17.7068, 83.2185)) == pytest.approx(2.224, abs=0.001)
    assert distance_km(Location(10, 179.99), Location(10, -179.99)) < 3


@given(places, places)
def test_z2_distance_is_symmetric_and_rounded_to_a_metre(a: Location, b: Location) -> None:
    assert distance_km(a, b) == distance_km(b, a) == round(distance_km(a, b), 3)
    assert 0 <= distance_km(a, b) <= pi * EARTH_RADIUS_KM + 0.001
    assert distance_km(a, a) == 0


@given(places, st.floats(0.01, 500), places)
def test_whatever_lies_in_a_circle_lies_in_its_box(center: Location, radius_km: float, place: Location) -> None:
    near = Location(
        max(-90.0, min(90.0, center.lat + place.lat / 30)), max(-180.0, min(180.0, center.lng + place.lng / 30))
    )
    for candidate in (place, near):
        if distance_km(center, candidate) < radius_km - 0.002:
            assert circle_bounds(center, radius_km).contains(candidate)


def test_a_circle_over_a_pole_takes_every_longitude() -> None:
    assert circle_bounds(Location(89.9, 10), 100).contains(Location(89.95, -170))
    assert circle_bounds(Location(-89.9, 10), 100).south == -90


def test_a_box_across_the_date_line_holds_both_sides() -> None:
    box = circle_bounds(Location(0, 179.9), 50)
    assert box.contains(Location(0, -179.9))
    assert box.contains(Location(0, 179.8))
    assert not box.contains(Location(0, 178))
    assert not Bounds(0, 0, 1, 1).contains(Location(2, 0.5))


def test_areas_are_those_of_the_sphere() -> None:
    assert circle_area_km2(3) == pytest.approx(pi * 9, rel=1e-4)
    assert circle_area_km2(pi * EARTH_RADIUS_KM) == pytest.approx(4 * pi * EARTH_RADIUS_KM**2)
    assert ring_area_km2(SQUARE) == pytest.approx((2 * 111.195) ** 2, rel=1e-3)
    assert ring_area_km2(SQUARE[::-1]) == pytest.approx(ring_area_km2(SQUARE))


def test_a_ring_has_a_box_and_a_centre() -> None:
    assert ring_bounds(SQUARE) == Bounds(0, 0, 2, 2)
    assert ring_center(SQUARE) == Location(1, 1)


@pytest.mark.parametrize(
    ("place", "inside"),
    [
        (Location(1, 1), True),
        (Location(0.5, 2), True),
        (Location(2, 2), False),
        (Location(3, 3.5), True),
        (Location(-1, 1), False),
        (Location(1, -1), False),
        (Location(1, 5), False),
        (Location(0, 2), True),
        (Location(0, 0), True),
        (Location(2.5, 3), True),
        (Location(0, 5), False),
    ],
)
def test_a_notched_polygon_holds_its_inside_and_its_border(place: Location, inside: bool) -> None:
    assert ring_contains(NOTCHED, place) is inside
    assert ring_contains(NOTCHED[::-1], place) is inside


@given(st.builds(Location, st.floats(-1, 3), st.floats(-1, 3)))
def test_a_square_holds_what_its_box_holds(place: Location) -> None:
    assert ring_contains(SQUARE, place) == (0 <= place.lat <= 2 and 0 <= place.lng <= 2)


corners = st.builds(Location, st.floats(0, 1), st.floats(0.25, 0.75))


@given(corners, corners, st.data())
def test_z2_no_place_between_two_neighbours_belongs_to_neither(a: Location, b: Location, data: st.DataObject) -> None:
    """A square cut in two along a bent line: whatever a float rounds to, every place is in one half, or on the line."""
    south, north = sorted((a, b), key=lambda corner: corner.lat)
    cut = (Location(0, 0.5), south, north, Location(1, 0.5))
    west = (Location(0, 0), *cut, Location(1, 0))
    east = (*cut[::-1], Location(0, 1), Location(1, 1))
    start, end = data.draw(st.sampled_from(list(pairwise(cut))))
    share = data.draw(st.floats(0, 1))
    near = Location(
        min(1.0, max(0.0, start.lat + share * (end.lat - start.lat))),
        min(1.0, max(0.0, start.lng + share * (end.lng - start.lng) + data.draw(st.sampled_from([0, 1e-16, -1e-16])))),
    )
    assert ring_contains(west, near) or ring_contains(east, near)


@given(st.lists(places, min_size=3, max_size=8), places)
def test_z2_a_ring_is_the_same_from_any_corner_in_either_direction(ring: list[Location], place: Location) -> None:
    held = ring_contains(ring, place)
    assert ring_contains(ring[::-1], place) == held
    assert ring_contains([*ring[1:], ring[0]], place) == held


def test_z2_every_corner_and_every_middle_of_a_straight_edge_is_on_the_border() -> None:
    for ring in (SQUARE, NOTCHED):
        for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
            assert ring_contains(ring, a)
            assert ring_contains(ring, Location((a.lat + b.lat) / 2, (a.lng + b.lng) / 2))


@pytest.mark.parametrize("side", [1, -1])
def test_the_180th_meridian_has_two_names_and_is_one_border(side: int) -> None:
    ring = [Location(0, side * 179), Location(0, side * 180), Location(1, side * 180), Location(1, side * 179)]
    assert ring_contains(ring, Location(0.5, 180))
    assert ring_contains(ring, Location(0.5, -180))
    assert not ring_contains(ring, Location(0.5, -side * 179.9))
    assert not ring_contains(ring, Location(2, 180))


@pytest.mark.parametrize("tiny", [5e-324, 1e-200, -1e-13, -0.0])
def test_what_is_smaller_than_any_place_is_nothing(tiny: float) -> None:
    assert repr(Location(tiny, tiny)) == "Location(lat=0.0, lng=0.0)"
    assert Location(1e-12, -1e-12).lat == 1e-12
