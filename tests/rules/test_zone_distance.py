"""How far a place lies from a zone's border."""

from __future__ import annotations

from math import radians

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.core.geo import EARTH_RADIUS_KM, Location, distance_km, ring_contains
from webapp.zones.shapes import Shape, away_km

SQUARE = (Location(17, 83), Location(17, 84), Location(18, 84), Location(18, 83))


def test_inside_and_on_the_border_it_is_nothing() -> None:
    square = Shape(Location(17.5, 83.5), ring=SQUARE)
    circle = Shape(Location(17.5, 83.5), radius_km=5.0)
    for place in (Location(17.5, 83.5), Location(17.0, 83.5), Location(17, 83)):
        assert away_km(square, place) == 0.0
    assert away_km(circle, Location(17.5, 83.52)) == 0.0


def test_from_outside_it_is_the_way_to_the_nearest_point_of_the_border() -> None:
    square = Shape(Location(17.5, 83.5), ring=SQUARE)
    # South of the southern edge, along the meridian; off a corner; east, where the nearest point lies a little north.
    assert away_km(square, Location(16.9, 83.5)) == pytest.approx(radians(0.1) * EARTH_RADIUS_KM, abs=0.02)
    assert away_km(square, Location(16.9, 82.9)) == pytest.approx(
        distance_km(Location(16.9, 82.9), SQUARE[0]), abs=0.002
    )
    assert away_km(Shape(Location(0, 0), radius_km=100.0), Location(0, 1)) == pytest.approx(11.195, abs=0.001)


def test_it_is_measured_over_the_180th_meridian_and_from_far_away() -> None:
    ring = (Location(-17, 179), Location(-17, 179.9), Location(-16, 179.9), Location(-16, 179))
    shape = Shape(Location(-16.5, 179.45), ring=ring)
    assert away_km(shape, Location(-16.5, -179.9)) == pytest.approx(
        distance_km(Location(-16.5, -179.9), Location(-16.5, 179.9)), abs=0.05
    )
    far = Location(16.5, 90.0)
    assert away_km(shape, far) == pytest.approx(distance_km(far, Location(-16, 179)), abs=0.05)


@given(
    st.builds(Location, st.floats(10, 25), st.floats(76, 91)),
    st.integers(0, 3),
    st.floats(0, 1),
)
def test_no_point_of_the_border_is_nearer(place: Location, edge: int, along: float) -> None:
    a, b = SQUARE[edge], SQUARE[(edge + 1) % 4]
    point = Location(a.lat + along * (b.lat - a.lat), a.lng + along * (b.lng - a.lng))
    away = away_km(Shape(Location(17.5, 83.5), ring=SQUARE), place)
    if ring_contains(SQUARE, place):
        assert away == 0.0
    else:
        # An edge that is straight in degrees is bent to the map every two kilometres.
        assert away <= distance_km(place, point) + 0.02
