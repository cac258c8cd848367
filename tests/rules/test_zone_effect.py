"""What a change of a border does, gains and leaves open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import cos, pi, sin
from random import Random
from uuid import UUID

import pytest

from webapp.core.geo import Location, circle_area_km2, distance_km
from webapp.zones.effect import Ground, Placed, moved
from webapp.zones.holes import holes_between
from webapp.zones.rules import ZoneFacts, containing
from webapp.zones.shapes import Shape, gained_km2, overlap_km2
from webapp.zones.sound import bounds_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
HERE = Location(17.7, 83.2)


def circle(number: int, center: Location, radius_km: float, *, owner: int = 1, active: bool = True) -> ZoneFacts:
    """A zone, the older the smaller its number."""
    return ZoneFacts(
        id=UUID(int=number),
        operator_id=UUID(int=owner),
        name=f"Z{number}",
        center=center,
        radius_km=radius_km,
        ring=None,
        area_km2=circle_area_km2(radius_km),
        created_at=AT + timedelta(days=number),
        active=active,
        time_zone="Asia/Kolkata",
    )


def ground(*zones: ZoneFacts) -> Ground:
    """Zones with their boxes."""
    names = {UUID(int=owner): f"Operator {owner}" for owner in range(5)}
    return Ground([(zone, bounds_of(zone.center, zone.radius_km, zone.ring)) for zone in zones], names)


def placed(name: str, km_north: float, zone: ZoneFacts | None = None) -> Placed:
    """A booking so far north of here."""
    place = Location(HERE.lat + km_north / 111.195, HERE.lng)
    return Placed(UUID(int=hash(name) % 2**64), name, place, zone.id if zone else None, 1 if zone else None)


def test_a_border_that_shrinks_lets_places_go_to_others_and_to_nobody() -> None:
    was, other = circle(1, HERE, 10), circle(2, Location(HERE.lat + 0.09, HERE.lng), 3, owner=2)
    now = replace(was, radius_km=5.0, area_km2=circle_area_km2(5))
    people = [placed("stays", 4, was), placed("to nobody", 6, was), placed("to the other", 8, was), placed("far", 30)]
    found = moved(people, ground(was, other), ground(now, other), was=was, now=now)
    told = {each.who.name: (each.before, each.after, each.left, each.changes_operator) for each in found}
    assert set(told) == {"to nobody", "to the other"}, "8 km north the other's centre is nearer already, but it is left"
    before, after, left, changes = told["to nobody"]
    assert before is not None
    assert (before.zone_name, after, left, changes) == ("Z1", None, True, True)
    before, after, left, changes = told["to the other"]
    assert before is not None
    assert after is not None
    assert (before.zone_name, after.zone_name, after.operator_name) == ("Z2", "Z2", "Operator 2")
    assert (left, changes) == (True, False)


def test_a_border_that_grows_takes_places_in_and_retiring_lets_all_go() -> None:
    was, other = circle(1, HERE, 2), circle(2, Location(HERE.lat + 0.05, HERE.lng), 9, owner=2)
    now = replace(was, radius_km=4.0)
    theirs = placed("theirs", 2.5, other)
    (found,) = moved([theirs, placed("mine", 1, was)], ground(was, other), ground(now, other), was=was, now=now)
    assert (found.who, found.left, found.changes_operator) == (theirs, False, True)
    gone = replace(now, active=False)
    found_all = moved([theirs, placed("mine", 1, was)], ground(now, other), ground(gone, other), was=now, now=gone)
    assert [(each.who.name, each.after and each.after.zone_name) for each in found_all] == [
        ("mine", "Z2"),
        ("theirs", "Z2"),
    ]
    assert moved([theirs], ground(was, other), ground(was, other), was=was, now=was) == []


def test_a_centre_that_moves_within_its_border_changes_who_is_nearest() -> None:
    was, other = circle(1, HERE, 10), circle(2, Location(HERE.lat + 0.09, HERE.lng), 10)
    now = replace(was, center=Location(HERE.lat + 0.03, HERE.lng))
    (found,) = moved([placed("between", 6)], ground(was, other), ground(now, other), was=was, now=now)
    assert (found.before and found.before.zone_name, found.after and found.after.zone_name) == ("Z2", "Z1")
    assert not found.changes_operator


@pytest.mark.parametrize("lng", [83.2, 179.99, -179.98])
def test_who_serves_a_place_is_what_the_rule_says(lng: float) -> None:
    random = Random(20270104)
    zones = []
    for number in range(60):
        center = Location(random.uniform(-1, 1), (lng + random.uniform(-1, 1) + 180) % 360 - 180)
        zones.append(circle(number, center, random.choice([5.0, 20.0, 60.0]), owner=number % 4, active=number % 7 > 0))
    around = ground(*zones)
    served = 0
    for _ in range(300):
        place = Location(random.uniform(-1.5, 1.5), (lng + random.uniform(-1.5, 1.5) + 180) % 360 - 180)
        found, said = containing(zones, place), around.server(place)
        assert (said and said.zone_id) == (found[0].zone_id if found else None)
        served += bool(found)
    assert 100 < served < 300


# Ground that is gained

SQUARE = (Location(17.0, 83.0), Location(17.0, 83.1), Location(17.1, 83.1), Location(17.1, 83.0))
ROUND = Shape(Location(17.05, 83.05), 3.0)


def shape(ring: tuple[Location, ...]) -> Shape:
    """A polygon's shape."""
    return Shape(Location(sum(c.lat for c in ring) / len(ring), sum(c.lng for c in ring) / len(ring)), None, ring)


def by(ring: tuple[Location, ...], lat: float, lng: float) -> tuple[Location, ...]:
    """The ring moved."""
    return tuple(Location(corner.lat + lat, corner.lng + lng) for corner in ring)


@pytest.mark.parametrize("other", [shape(by(SQUARE, 0.02, 0.03)), ROUND])
@pytest.mark.parametrize("drawn", [shape(SQUARE), ROUND])
def test_a_border_that_stays_or_shrinks_gains_nothing(drawn: Shape, other: Shape) -> None:
    assert gained_km2(drawn, drawn, other) == 0
    if drawn.ring is None:
        assert gained_km2(drawn, replace(drawn, radius_km=2.5), other) == 0
        assert gained_km2(replace(drawn, radius_km=2.5), drawn, other) > 1
    else:
        smaller = shape((SQUARE[0], SQUARE[1], SQUARE[2]))
        assert gained_km2(drawn, smaller, other) == 0
        assert gained_km2(smaller, drawn, other) > 1
        on_it = shape((SQUARE[0], Location(17.0, 83.05), *SQUARE[1:]))
        assert gained_km2(drawn, on_it, other) == 0, "a corner on the border moves nothing"


def test_as_much_ground_elsewhere_is_ground_gained() -> None:
    other = shape(SQUARE)
    before, after = shape(by(SQUARE, 0.0, 0.05)), shape(by(SQUARE, 0.0, -0.05))
    assert overlap_km2(before, other) == pytest.approx(overlap_km2(after, other))
    assert gained_km2(before, after, other) == pytest.approx(overlap_km2(after, other), rel=1e-3)
    away = shape(by(SQUARE, 5.0, 0.0))
    assert gained_km2(away, before, other) == pytest.approx(overlap_km2(before, other), rel=1e-3)
    assert gained_km2(before, away, other) == 0


# Holes


def ring_of_circles(
    center: Location, count: int = 6, out: float = 0.05, radius_km: float = 3.2
) -> list[tuple[str, Shape]]:
    """Circles in a ring around a place, which they do not reach."""
    found = []
    for number in range(count):
        lat = center.lat + out * sin(2 * pi * number / count)
        lng = center.lng + out * cos(2 * pi * number / count)
        found.append((f"Z{number}", Shape(Location(lat, (lng + 180) % 360 - 180), radius_km)))
    return found


@pytest.mark.parametrize("lng", [83.2, 180.0, 179.96, -179.97])
def test_a_ring_of_circles_leaves_a_hole_in_its_middle_also_on_the_date_line(lng: float) -> None:
    center = Location(0.5, lng)
    zones = ring_of_circles(center)
    (hole,) = holes_between(zones)
    assert distance_km(hole.place, center) < 3
    assert all(distance_km(hole.place, shape.center) > (shape.radius_km or 0) for _name, shape in zones)
    assert 1 < hole.area_km2 < 25
    assert sorted(hole.around) == [f"Z{number}" for number in range(6)]
    assert holes_between([*zones, ("middle", Shape(center, 3.6))]) == ()
    assert holes_between(zones[:5]) == ()


def test_a_polygon_around_another_leaves_a_hole_as_large_as_what_is_between() -> None:
    frame = [
        by(((Location(17.0, 83.0)), Location(17.0, 83.3), Location(17.1, 83.3), Location(17.1, 83.0)), 0, 0),
        by(((Location(17.2, 83.0)), Location(17.2, 83.3), Location(17.3, 83.3), Location(17.3, 83.0)), 0, 0),
        by(((Location(17.1, 83.0)), Location(17.1, 83.1), Location(17.2, 83.1), Location(17.2, 83.0)), 0, 0),
        by(((Location(17.1, 83.2)), Location(17.1, 83.3), Location(17.2, 83.3), Location(17.2, 83.2)), 0, 0),
    ]
    (hole,) = holes_between([(f"side {n}", shape(ring)) for n, ring in enumerate(frame)])
    assert hole.area_km2 == pytest.approx(
        overlap_km2(shape(by(SQUARE, 0.1, 0.1)), shape(by(SQUARE, 0.1, 0.1))), rel=1e-3
    )
    assert 17.1 < hole.place.lat < 17.2
    assert 83.1 < hole.place.lng < 83.2


def test_circles_at_a_pole_are_drawn_too() -> None:
    zones = [("pole", Shape(Location(-89.9, 0), 100.0)), ("beside", Shape(Location(-89.0, 120), 50.0))]
    assert holes_between(zones) == ()
    assert holes_between([]) == ()
