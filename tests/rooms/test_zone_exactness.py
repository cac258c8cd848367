"""The database answers who serves a place exactly as the rule does: a hundred thousand places, most of them on borders.

Ten neighbourhoods of the earth with forty zones each, and in each ten thousand places: corners, middles and points of
edges, points a last bit beside them, rims of circles at half a metre, the latitudes of corners, and places at random.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from math import asin, atan2, cos, degrees, inf, nextafter, pi, radians, sin
from random import Random
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.web.client import NOW
from webapp.core.actor import SYSTEM
from webapp.core.errors import Invalid
from webapp.core.geo import EARTH_RADIUS_KM, Location, distance_km
from webapp.core.ids import COMPANY_ID
from webapp.db.work import Database
from webapp.zones import queries, service
from webapp.zones.rules import ZoneCommand, ZoneFacts, containing

ZONES = 40
PLACES = 10_000
AT_ONCE = 1_000
KM_PER_DEGREE = radians(1) * EARTH_RADIUS_KM


@dataclass(frozen=True, slots=True)
class Hood:
    """A part of the earth: zones lie within ``spread_km`` of ``center`` and reach about ``size_km``."""

    name: str
    center: Location
    spread_km: float
    size_km: float


HOODS = (
    Hood("a city", Location(17.7, 83.2), 12, 3),
    Hood("one street", Location(17.7, 83.2), 0.3, 0.1),
    Hood("where both signs change", Location(0, 0), 20, 5),
    Hood("a large country", Location(22, 79), 1500, 400),
    Hood("the date line", Location(-16.85, 180), 60, 20),
    Hood("the date line, from the other side", Location(65, -179.9), 300, 80),
    Hood("beside the north pole", Location(88.5, 40), 150, 60),
    Hood("on the north pole", Location(89.95, -170), 60, 30),
    Hood("beside the south pole", Location(-89, 179.5), 150, 60),
    Hood("a grid of squares", Location(52, 5), 60, 15),
)


def towards(start: Location, km: float, bearing: float) -> Location:
    """Where one comes to on the sphere, ``bearing`` in radians from north."""
    lat, lng, arc = radians(start.lat), radians(start.lng), km / EARTH_RADIUS_KM
    there = asin(max(-1.0, min(1.0, sin(lat) * cos(arc) + cos(lat) * sin(arc) * cos(bearing))))
    turned = atan2(sin(bearing) * sin(arc) * cos(lat), cos(arc) - sin(lat) * sin(there))
    return Location(degrees(there), (degrees(lng + turned) + 540) % 360 - 180)


class Scene:
    """The zones of one neighbourhood, in the database and as the rule sees them."""

    def __init__(self, db: Database, hood: Hood, number: int) -> None:
        self.hood = hood
        self.random = Random(20270104 + number)
        self.zones: list[ZoneFacts] = []
        squares = self._squares() if hood.name == "a grid of squares" else iter(())
        while len(self.zones) < ZONES:
            shape = next(squares, None) or self._circle() or self._ring()
            if shape is not None:
                self._draw(db, shape)

    def _somewhere(self, spread: float = 1.0) -> Location:
        away = self.hood.spread_km * spread * self.random.random() ** 0.5
        return towards(self.hood.center, away, self.random.uniform(0, 2 * pi))

    def _circle(self) -> ZoneCommand | None:
        """Every other time, and whole metres: a rim is found at half a metre beyond."""
        if self.random.random() < 0.5:
            return None
        radius = round(self.hood.size_km * self.random.uniform(0.2, 1.5), 3)
        return ZoneCommand("", None, "UTC", self._somewhere(), min(500.0, max(0.001, radius)))

    def _ring(self) -> ZoneCommand | None:
        """A star of 3 to 200 corners; nothing where it would cross the date line or a pole."""
        center, corners = self._somewhere(), self.random.choice([3, 4, 5, 8, 13, 50, 200])
        ring = tuple(
            towards(center, self.hood.size_km * self.random.uniform(0.4, 1.3), 2 * pi * n / corners)
            for n in range(corners)
        )
        if self.random.random() < 0.5:
            ring = ring[::-1]
        return ZoneCommand("", None, "UTC", ring=ring, max_travel_km=5.0)

    def _squares(self) -> Iterator[ZoneCommand]:
        """Squares side by side: every place of a border belongs to two of them, of a corner to four."""
        for row in range(5):
            for column in range(5):
                south, west = 51.5 + row * 0.1, 4.5 + column * 0.1
                north, east = 51.5 + (row + 1) * 0.1, 4.5 + (column + 1) * 0.1
                ring = (Location(south, west), Location(south, east), Location(north, east), Location(north, west))
                yield ZoneCommand("", None, "UTC", ring=ring, max_travel_km=5.0)

    def _draw(self, db: Database, command: ZoneCommand) -> None:
        at = NOW + timedelta(minutes=self.random.randrange(3))
        command = replace(command, name=f"Zone {len(self.zones)}", active=self.random.random() < 0.95)
        try:
            with db.unit_of_work() as work:
                zone_id = service.create(work, command, by=SYSTEM, now=at)
        except Invalid:
            return
        self.zones.append(
            ZoneFacts(
                id=zone_id,
                operator_id=COMPANY_ID,
                name=command.name,
                center=command.measured_center,
                radius_km=command.radius_km,
                ring=command.ring,
                area_km2=command.area_km2,
                created_at=at,
                active=command.active,
                time_zone="UTC",
                max_travel_km=command.max_travel_km,
            )
        )

    def places(self) -> list[Location]:
        """Ten thousand places, most of them where answers change."""
        made = [Location(90, 0), Location(-90, 0), Location(0, 180), Location(0, -180), Location(0, 0)]
        while len(made) < PLACES:
            zone = self.random.choice(self.zones)
            place = self._on_rim(zone) if zone.ring is None else self._on_ring(zone.ring)
            made += [place, self._beside(place), self._somewhere(1.5)]
        return made[:PLACES]

    def _on_rim(self, zone: ZoneFacts) -> Location:
        beyond = self.random.choice([0, 0, 0.0004, 0.0005, 0.0006, -0.001, 0.002])
        return towards(zone.center, (zone.radius_km or 0) + beyond, self.random.uniform(0, 2 * pi))

    def _on_ring(self, ring: tuple[Location, ...]) -> Location:
        number = self.random.randrange(len(ring))
        a, b = ring[number], ring[(number + 1) % len(ring)]
        share = self.random.choice([0, 0.5, self.random.random(), self.random.random()])
        lat, lng = a.lat + share * (b.lat - a.lat), a.lng + share * (b.lng - a.lng)
        if self.random.random() < 0.2:  # level with a corner, somewhere along
            lat, lng = a.lat, self.random.choice(ring).lng + self.random.uniform(-0.01, 0.01)
        return Location(lat, max(-180.0, min(180.0, lng)))

    def _beside(self, place: Location) -> Location:
        """A last bit off, or on the other name of the date line."""
        lat, lng = place.lat, place.lng
        match self.random.randrange(5):
            case 0:
                lat = nextafter(lat, self.random.choice([-inf, inf]))
            case 1:
                lng = nextafter(lng, self.random.choice([-inf, inf]))
            case 2:
                lat, lng = (nextafter(number, self.random.choice([-inf, inf])) for number in (lat, lng))
            case 3:
                lng = self.random.choice([-180.0, 180.0]) if abs(lng) > 170 else lng
            case _:
                lat, lng = round(lat, 6), round(lng, 6)
        return Location(max(-90.0, min(90.0, lat)), max(-180.0, min(180.0, lng)))


_ALL_AT = text(
    "SELECT p.n, z.id, z.distance_km FROM unnest(CAST(:lats AS float8[]), CAST(:lngs AS float8[]))"
    " WITH ORDINALITY AS p(lat, lng, n), LATERAL zones_at(p.lat, p.lng) WITH ORDINALITY AS z ORDER BY p.n, z.ordinality"
)


def answered(db: Database, places: list[Location]) -> list[list[tuple[UUID, float]]]:
    """What the database says of each place: the zones in order, and how far their centres are."""
    said: list[list[tuple[UUID, float]]] = [[] for _ in places]
    for start in range(0, len(places), AT_ONCE):
        some = places[start : start + AT_ONCE]
        given = {"lats": [float(place.lat) for place in some], "lngs": [float(place.lng) for place in some]}
        with db.read_only() as session:
            for number, zone_id, away_km in session.execute(_ALL_AT, given):
                said[start + number - 1].append((zone_id, away_km))
    return said


@pytest.mark.parametrize("hood", HOODS, ids=lambda hood: hood.name)
def test_z2_the_database_says_what_the_rule_says(db: Database, hood: Hood) -> None:
    scene = Scene(db, hood, HOODS.index(hood))
    places = scene.places()
    said = answered(db, places)
    for place, found in zip(places, said, strict=True):
        assert found == [(zone.zone_id, zone.distance_km) for zone in containing(scene.zones, place)], place
    assert sum(map(bool, said)) > PLACES / 3
    assert sum(len(found) > 1 for found in said) > PLACES / 20
    assert sum(not found for found in said) > PLACES / 100


@pytest.mark.parametrize("hood", HOODS, ids=lambda hood: hood.name)
def test_the_nearest_zones_are_the_nearest(db: Database, hood: Hood) -> None:
    scene = Scene(db, hood, HOODS.index(hood))
    random = Random(1)
    places = scene.places()[::100]
    places += [Location(random.uniform(-90, 90), random.uniform(-180, 180)) for _ in range(200)]
    with db.read_only() as session:
        for place in places:
            said = [(zone.id, zone.distance_km) for zone in queries.nearest_zones(session, place)]
            away = [
                (distance_km(z.center, place), round(z.area_km2 * 1e6), z.created_at, z.id)
                for z in scene.zones
                if z.active
            ]
            assert said == [(zone_id, km) for km, _area, _at, zone_id in sorted(away)[:3]], place


def test_what_the_tolerant_operators_of_the_database_would_have_said(db: Database) -> None:
    """The reason for all this: ``polygon @> point`` takes a place in that lies fifty metres outside."""
    size, lat, lng = 0.0009, 17.7, 83.2
    ring = (Location(lat + size, lng), Location(lat, lng + size), Location(lat - size, lng), Location(lat, lng - size))
    outside = Location(lat + 0.0008, lng + 0.0008)
    corners = "(" + ",".join(f"({corner.lng!r},{corner.lat!r})" for corner in ring) + ")"
    with db.unit_of_work() as work:
        service.create(work, ZoneCommand("A", None, "UTC", ring=ring, max_travel_km=5.0), by=SYSTEM, now=NOW)
        tolerant = text("SELECT CAST(:ring AS polygon) @> point(:lng, :lat)")
        assert work.db.scalar(tolerant, {"ring": corners, "lng": outside.lng, "lat": outside.lat}) is True
        assert queries.zones_at(work.db, outside) == ()
        assert [zone.name for zone in queries.zones_at(work.db, Location(lat + size, lng))] == ["A"]
