"""Rings made sound, and the ground two shapes share."""

from __future__ import annotations

from itertools import pairwise
from math import acos, asin, cos, degrees, pi, radians, sin, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.core.errors import Invalid
from webapp.core.geo import (
    EARTH_RADIUS_KM,
    Location,
    circle_area_km2,
    ring_area_km2,
    ring_center,
    ring_contains,
)
from webapp.zones.shapes import MAX_CORNERS, MAX_DRAWN, Shape, clean_ring, overlap_km2

SQUARE = (Location(17, 83), Location(17, 83.1), Location(17.1, 83.1), Location(17.1, 83))


def star(
    corners: int, *, lat: float = 17.0, lng: float = 83.0, size: float = 0.1, inner: float = 1.0
) -> list[Location]:
    """A ring around a place, every other corner ``inner`` times as far out."""
    out = []
    for number in range(corners):
        away = size * (inner if number % 2 else 1.0)
        turn = 2 * pi * number / corners
        out.append(Location(lat + away * cos(turn), lng + away * sin(turn) / cos(radians(lat))))
    return out


def polygon(*ring: Location) -> Shape:
    return Shape(ring_center(ring), ring=tuple(ring))


def code(*drawn: Location, tolerance_m: float = 0.0) -> tuple[str, dict[str, object]]:
    """What a ring is refused for."""
    with pytest.raises(Invalid) as refused:
        clean_ring(drawn, tolerance_m=tolerance_m)
    assert refused.value.field == "ring"
    assert str(refused.value)
    return refused.value.code, dict(refused.value.params)


# Rings


def test_a_sound_ring_stays_as_it_is() -> None:
    assert clean_ring(SQUARE) == SQUARE
    assert clean_ring(star(200)) == tuple(star(200))


def test_a_closed_ring_is_opened_and_doubles_go() -> None:
    a, b, c, d = SQUARE
    nearly = Location(b.lat + 9e-8, b.lng)
    assert clean_ring((a, a, b, nearly, b, c, d, d, a)) == SQUARE


@given(st.lists(st.builds(Location, st.floats(10, 12), st.floats(80, 82)), max_size=12), st.floats(0, 500))
def test_what_was_cleaned_is_clean(drawn: list[Location], tolerance_m: float) -> None:
    try:
        ring = clean_ring(drawn, tolerance_m=tolerance_m)
    except Invalid:
        return
    assert clean_ring(ring) == ring
    assert set(ring) <= set(drawn)
    assert ring_area_km2(ring) > 0


@pytest.mark.parametrize("drawn", [(), SQUARE[:1], SQUARE[:2], (*SQUARE[:2], SQUARE[0]), (SQUARE[0],) * 9])
def test_fewer_than_three_corners_are_no_ring(drawn: tuple[Location, ...]) -> None:
    assert code(*drawn)[0] == "ring-too-small"


def test_a_border_that_crosses_itself_is_refused_with_the_place() -> None:
    a, b, c, d = SQUARE
    assert code(a, c, b, d) == ("ring-crosses-itself", {"place": "17.050000, 83.050000"})


def test_a_border_that_touches_itself_is_refused_with_the_place() -> None:
    a, b, c, d = SQUARE
    middle = Location(17, 83.05)
    assert code(a, middle, b, c, middle, d) == ("ring-crosses-itself", {"place": "17.000000, 83.050000"})
    assert code(a, b, c, Location(17.2, 83.1), c, d)[0] == "ring-crosses-itself"


def test_corners_on_one_line_surround_nothing() -> None:
    assert code(Location(17, 83), Location(17, 83.1), Location(17, 83.2))[0] == "ring-crosses-itself"


def test_a_border_over_the_180th_meridian_is_refused_with_the_place() -> None:
    over = [Location(-17, 179.9), Location(-17, -179.9), Location(-16.9, -179.9), Location(-16.9, 179.9)]
    assert code(*over) == (
        "ring-crosses-180",
        {"before": "-17.000000, 179.900000", "after": "-17.000000, -179.900000"},
    )
    assert clean_ring([Location(-17, 179.9), Location(-17, 180), Location(-16.9, 180)])


def test_a_pole_is_no_corner() -> None:
    assert code(Location(90, 0), Location(80, 10), Location(80, -10))[0] == "ring-at-pole"


def test_too_many_corners_are_refused_before_anything_is_computed() -> None:
    assert code(*star(MAX_DRAWN + 1)) == ("ring-too-long", {"limit": MAX_DRAWN})


def test_many_corners_are_taken_when_simplifying_leaves_few() -> None:
    drawn = star(MAX_DRAWN)
    assert code(*drawn) == ("ring-too-many-corners", {"corners": MAX_DRAWN, "limit": MAX_CORNERS})
    ring = clean_ring(drawn, tolerance_m=5)
    assert 50 < len(ring) <= MAX_CORNERS
    assert ring_area_km2(ring) == pytest.approx(ring_area_km2(drawn), rel=0.002)


@pytest.mark.parametrize("tolerance_m", [1.0, 20.0, 200.0])
def test_simplifying_moves_the_border_no_further_than_it_may(tolerance_m: float) -> None:
    drawn = star(400, inner=1.002)
    ring = clean_ring(drawn, tolerance_m=tolerance_m)
    metre = degrees(1 / EARTH_RADIUS_KM / 1000)
    for corner in drawn:
        # A step of the tolerance and a tenth toward the middle, or away from it, has to change sides.
        step = 1.1 * tolerance_m * metre
        outward = [(corner.lat - 17) / 0.1, (corner.lng - 83) / 0.1]
        inside = Location(corner.lat - step * outward[0], corner.lng - step * outward[1])
        outside = Location(corner.lat + step * outward[0], corner.lng + step * outward[1])
        assert ring_contains(ring, inside)
        assert not ring_contains(ring, outside)


def test_nothing_is_simplified_without_being_asked_to() -> None:
    drawn = star(400, inner=1.00001)
    assert len(clean_ring(drawn)) == 400
    assert len(clean_ring(drawn, tolerance_m=2)) < 400


# Ground in common


def exact_area_km2(ring: tuple[Location, ...]) -> float:
    """Area of a ring whose edges are straight in degrees: the integral of the sine of the latitude over each edge."""
    total = 0.0
    for a, b in pairwise((*ring, ring[0])):
        south, north = radians(a.lat), radians(b.lat)
        mean = sin(south) if south == north else (cos(south) - cos(north)) / (north - south)
        total += radians(b.lng - a.lng) * mean
    return abs(total) * EARTH_RADIUS_KM**2


def test_a_shape_shares_all_of_itself_with_itself() -> None:
    circle = Shape(Location(17, 83), 3.0)
    assert overlap_km2(circle, circle) == pytest.approx(circle_area_km2(3.0), rel=1e-4)
    for ring in (SQUARE, tuple(star(50, inner=0.7)), tuple(star(9, lat=68, size=2))):
        assert overlap_km2(polygon(*ring), polygon(*ring)) == pytest.approx(exact_area_km2(ring), rel=1e-4)


@given(st.floats(-85, 85), st.floats(-179, 179), st.floats(0.1, 500), st.floats(0.1, 500))
def test_a_circle_in_a_larger_one_is_shared_whole(lat: float, lng: float, a_km: float, b_km: float) -> None:
    a, b = Shape(Location(lat, lng), a_km), Shape(Location(lat, lng), b_km)
    assert overlap_km2(a, b) == pytest.approx(circle_area_km2(min(a_km, b_km)), rel=1e-4)
    assert overlap_km2(a, b) == pytest.approx(overlap_km2(b, a), rel=1e-4)


def lens_km2(radius_km: float, apart_km: float) -> float:
    """What two equal circles share: small ones on a plane, where the sphere's formula drowns in rounding."""
    if radius_km < 10:
        half = apart_km / 2
        return 2 * radius_km**2 * acos(half / radius_km) - apart_km * sqrt(radius_km**2 - half**2)
    # Two caps meet: both sectors, less the kite between the centres and the corners of the lens, by its angles.
    r, d = radius_km / EARTH_RADIUS_KM, apart_km / EARTH_RADIUS_KM
    at_center = acos((cos(r) - cos(d) * cos(r)) / (sin(d) * sin(r)))
    at_corner = acos((cos(d) - cos(r) ** 2) / sin(r) ** 2)
    sectors = 2 * 2 * at_center * (1 - cos(r))
    kite = 2 * (2 * at_center + at_corner - pi)
    return (sectors - kite) * EARTH_RADIUS_KM**2


@pytest.mark.parametrize(("radius_km", "apart_km"), [(3.0, 2.22), (3.0, 5.5), (300.0, 100.0), (500.0, 900.0)])
@pytest.mark.parametrize("lat", [0.0, 17.7, -60.0, 85.0])
def test_two_circles_share_a_lens(radius_km: float, apart_km: float, lat: float) -> None:
    """Over the 180° meridian, and around the pole."""
    half = degrees(asin(sin(apart_km / EARTH_RADIUS_KM / 2) / cos(radians(lat))))
    a, b = Shape(Location(lat, 180 - half), radius_km), Shape(Location(lat, -180 + half), radius_km)
    allowed = 1e-4 * circle_area_km2(radius_km)
    assert overlap_km2(a, b) == pytest.approx(lens_km2(radius_km, apart_km), abs=allowed)


@given(st.floats(-70, 70), st.floats(-170, 170), st.floats(0.01, 3), st.floats(0.1, 0.9))
def test_two_polygons_share_what_their_boxes_share(lat: float, lng: float, size: float, cut: float) -> None:
    box = (Location(lat, lng), Location(lat, lng + size), Location(lat + size, lng + size), Location(lat + size, lng))
    moved = tuple(Location(corner.lat, corner.lng + cut * size) for corner in box)
    shared = (moved[0], box[1], box[2], moved[3])
    assert overlap_km2(polygon(*box), polygon(*moved)) == pytest.approx(exact_area_km2(shared), rel=1e-4)


def test_a_polygon_cuts_a_circle_in_two() -> None:
    """An edge along the meridian through the centre leaves half of the circle, wherever the circle lies."""
    for lat in (0.0, 17.0, -55.0, 80.0):
        half = polygon(Location(lat - 2, 20), Location(lat - 2, 40), Location(lat + 2, 40), Location(lat + 2, 20))
        circle = Shape(Location(lat, 20.0), 9.0)
        assert overlap_km2(half, circle) == pytest.approx(circle_area_km2(9.0) / 2, rel=2e-4)
        assert overlap_km2(circle, half) == overlap_km2(half, circle)


def test_a_circle_over_the_180th_meridian_shares_ground_on_both_sides_of_it() -> None:
    circle = Shape(Location(-17, 179.99), 10.0)
    west = polygon(Location(-17.2, 179), Location(-17.2, 180), Location(-16.8, 180), Location(-16.8, 179))
    east = polygon(Location(-17.2, -180), Location(-17.2, -179), Location(-16.8, -179), Location(-16.8, -180))
    both = overlap_km2(circle, west) + overlap_km2(circle, east)
    assert both == pytest.approx(circle_area_km2(10.0), rel=2e-4)
    assert overlap_km2(circle, east) > 100


def test_neighbours_that_share_a_border_share_no_ground() -> None:
    _a, b, c, _d = SQUARE
    third = Location(b.lat + (c.lat - b.lat) / 3, b.lng)
    east = polygon(b, Location(17, 83.2), Location(17.1, 83.2), c, third)
    assert overlap_km2(polygon(*SQUARE), east) == 0
    slanted = polygon(Location(17, 83), Location(17.1, 83.1), Location(17, 83.1))
    other = polygon(Location(17, 83), Location(17.1, 83.1), Location(17.03, 83.03), Location(17.1, 83))
    assert overlap_km2(slanted, polygon(Location(17, 83), Location(17.1, 83), Location(17.1, 83.1))) == 0
    assert overlap_km2(slanted, other) < 1e-3


@pytest.mark.parametrize("apart_km", [6.0, 6.001, 100.0, 15_000.0])
def test_circles_that_touch_or_lie_apart_share_none(apart_km: float) -> None:
    far = Location(0, degrees(apart_km / EARTH_RADIUS_KM))
    assert overlap_km2(Shape(Location(0, 0), 3.0), Shape(far, 3.0)) == 0


def test_a_polygon_beside_a_circle_shares_none_though_their_boxes_meet() -> None:
    corner = polygon(Location(17.09, 83.09), Location(17.09, 83.2), Location(17.2, 83.2), Location(17.2, 83.09))
    assert overlap_km2(Shape(Location(17, 83), 12.0), corner) == 0
    assert overlap_km2(corner, Shape(Location(17, 83), 15.0)) > 0


def test_a_ring_from_before_rings_were_checked_is_measured_all_the_same() -> None:
    a, b, c, d = SQUARE
    bow = polygon(a, c, b, d)
    half = exact_area_km2(SQUARE) / 2
    assert overlap_km2(bow, polygon(*SQUARE)) == pytest.approx(half, rel=1e-3)
    assert overlap_km2(bow, Shape(Location(17.05, 83.05), 30.0)) == pytest.approx(half, rel=1e-3)
