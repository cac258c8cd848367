"""Who serves a place, and what a sound zone is (rules Z1 to Z4, T8)."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any
from uuid import UUID

import pytest

from tests.rules.builders import HOME, OPERATOR, OTHER_OPERATOR, OTHER_ZONE, ZONE, a_circle, utc
from webapp.core.errors import Invalid, RuleBroken
from webapp.core.geo import Location, circle_area_km2, ring_center
from webapp.zones.rules import (
    ZoneCommand,
    ZoneKind,
    check_zone,
    containing,
    faults_of,
    is_time_zone,
    reach_km,
)

BLOCK = (Location(17.68, 83.21), Location(17.68, 83.23), Location(17.70, 83.23), Location(17.70, 83.21))
A = a_circle()
B = a_circle(id=OTHER_ZONE, name="North", center=Location(17.7068, 83.2185), created_at=utc(2026, 6, 1))
POLYGON = a_circle(
    id=UUID(int=13), radius_km=None, ring=BLOCK, center=ring_center(BLOCK), area_km2=4.7, max_travel_km=5.0
)
BETWEEN = Location(17.6968, 83.2185)


def a_command(**changes: Any) -> ZoneCommand:
    facts: dict[str, Any] = {
        "name": "Central",
        "franchise_id": None,
        "time_zone": "Asia/Kolkata",
        "center": HOME,
        "radius_km": 3.0,
    }
    return ZoneCommand(**facts | changes)


def codes(command: ZoneCommand) -> list[tuple[str, str | None]]:
    return [(fault.code, fault.field) for fault in faults_of(command)]


def test_example_4_a_student_in_two_zones_is_served_by_the_older() -> None:
    found = containing([B, A], BETWEEN)
    assert [zone.zone_id for zone in found] == [A.id, B.id]
    assert [zone.distance_km for zone in found] == [pytest.approx(1.11, abs=0.005)] * 2
    assert found[0].distance_km == found[1].distance_km


def test_z2_the_nearest_centre_wins() -> None:
    assert [zone.zone_id for zone in containing([A, B], Location(17.70, 83.2185))] == [B.id, A.id]


def test_z2_equally_near_the_smaller_area_wins_over_the_older_zone() -> None:
    smaller = replace(B, radius_km=2.0, area_km2=circle_area_km2(2.0))
    assert containing([A, smaller], BETWEEN)[0].zone_id == smaller.id


def test_z2_equal_in_all_the_id_decides() -> None:
    twin = replace(A, id=OTHER_ZONE)
    assert [zone.zone_id for zone in containing([twin, A], HOME)] == [ZONE, OTHER_ZONE]


def test_z2_only_active_zones_serve() -> None:
    assert [zone.zone_id for zone in containing([replace(A, active=False), B], BETWEEN)] == [B.id]


def test_z2_another_operators_zone_is_found_with_its_owner() -> None:
    theirs = replace(B, operator_id=OTHER_OPERATOR)
    found = containing([A, theirs], B.center)
    assert (found[0].operator_id, found[1].operator_id) == (OTHER_OPERATOR, OPERATOR)
    assert (found[0].name, found[0].time_zone, found[0].reach_km) == ("North", "Asia/Kolkata", 3.0)


def test_z2_a_place_on_the_border_is_inside_and_a_metre_beyond_is_not() -> None:
    border_km = containing([A], BETWEEN)[0].distance_km
    assert containing([replace(A, radius_km=border_km)], BETWEEN)
    assert not containing([replace(A, radius_km=border_km - 0.001)], BETWEEN)


def test_z2_a_polygon_serves_its_inside_whatever_its_reach() -> None:
    assert [zone.reach_km for zone in containing([POLYGON], Location(17.681, 83.229))] == [5.0]
    assert not containing([POLYGON], Location(17.701, 83.22))


def test_z4_a_place_outside_every_zone_is_served_by_nobody() -> None:
    assert containing([A, B, POLYGON], Location(0, 0)) == []


def test_t8_the_reach_is_the_radius_or_a_polygons_max_travel() -> None:
    assert (A.kind, reach_km(A)) == (ZoneKind.CIRCLE, 3.0)
    assert (POLYGON.kind, reach_km(POLYGON)) == (ZoneKind.POLYGON, 5.0)
    assert reach_km(replace(A, max_travel_km=9.0)) == 3.0
    with pytest.raises(RuleBroken, match="no reach"):
        reach_km(replace(POLYGON, max_travel_km=None))


def test_a_sound_circle_and_a_sound_polygon_have_no_faults() -> None:
    circle, polygon = a_command(), a_command(center=None, radius_km=None, ring=BLOCK, max_travel_km=5.0)
    check_zone(circle)
    check_zone(polygon)
    assert (circle.kind, circle.measured_center, circle.area_km2) == (ZoneKind.CIRCLE, HOME, circle_area_km2(3.0))
    assert (polygon.kind, polygon.measured_center) == (ZoneKind.POLYGON, ring_center(BLOCK))
    assert polygon.area_km2 == pytest.approx(4.71, abs=0.02)


@pytest.mark.parametrize("radius_km", [None, 0, -1, 500.1, inf, nan])
def test_a_radius_lies_above_0_and_within_500_km(radius_km: float | None) -> None:
    assert codes(a_command(radius_km=radius_km)) == [("radius-range", "radius_km")]
    polygon = a_command(center=None, radius_km=None, ring=BLOCK, max_travel_km=radius_km)
    assert codes(polygon) == [("travel-range", "max_travel_km")]


@pytest.mark.parametrize("radius_km", [0.001, 500])
def test_the_ends_of_the_range_are_allowed(radius_km: float) -> None:
    assert codes(a_command(radius_km=radius_km)) == []


@pytest.mark.parametrize("ring", [(), BLOCK[:2], (BLOCK[0], BLOCK[1], BLOCK[0]), (HOME, HOME, HOME, HOME)])
def test_a_polygon_needs_three_corners_around_an_area(ring: tuple[Location, ...]) -> None:
    assert ("ring-too-small", "ring") in codes(a_command(center=None, radius_km=None, ring=ring, max_travel_km=5.0))


def test_corners_on_one_line_surround_nothing() -> None:
    line = (Location(0, 0), Location(0, 1), Location(0, 2))
    assert codes(a_command(ring=line, max_travel_km=5.0)) == [("ring-too-small", "ring")]


def test_a_circle_needs_a_centre() -> None:
    assert codes(a_command(center=None)) == [("center-missing", "center")]
    with pytest.raises(RuleBroken, match="centre"):
        _ = a_command(center=None).measured_center
    assert a_command(radius_km=None).area_km2 == 0


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../zoneinfo/UTC", "asia/kolkata"])
def test_the_time_zone_is_known(name: str) -> None:
    assert codes(a_command(time_zone=name)) == [("time-zone-unknown", "time_zone")]
    assert is_time_zone("America/New_York")


@pytest.mark.parametrize(("minutes", "sound"), [(-1, False), (0, True), (240, True), (241, False)])
def test_the_travel_buffer_is_at_most_four_hours(minutes: int, sound: bool) -> None:
    assert codes(a_command(travel_buffer_minutes=minutes)) == (
        [] if sound else [("buffer-range", "travel_buffer_minutes")]
    )


def test_every_fault_of_a_zone_shows_at_once_and_checking_raises_the_first() -> None:
    command = a_command(name=" ", time_zone="x", center=None, radius_km=0)
    assert [field for _, field in codes(command)] == ["name", "time_zone", "center", "radius_km"]
    with pytest.raises(Invalid) as refused:
        check_zone(command)
    assert refused.value.field == "name"
