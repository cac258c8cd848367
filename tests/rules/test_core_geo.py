"""Places on the earth (rules Z2, Z3 and E4)."""

from __future__ import annotations

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


@given(st.floats(-1, 3), st.floats(-1, 3))
def test_a_square_holds_what_its_box_holds(lat: float, lng: float) -> None:
    assert ring_contains(SQUARE, Location(lat, lng)) == (0 <= lat <= 2 and 0 <= lng <= 2)
