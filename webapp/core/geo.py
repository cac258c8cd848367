"""Places on the earth: great-circle distance, bounding boxes, point in polygon. Degrees and kilometres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, cos, degrees, isfinite, pi, radians, sin, sqrt

EARTH_RADIUS_KM = 6371.0088
"""Mean earth radius, IUGG."""
_NOTHING = 1e-12
"""Degrees that count as 0, a tenth of a micrometre: smaller ones could make a product too small for a float, which
PostgreSQL takes for an error."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place, WGS 84 degrees. Raises ``ValueError`` outside −90…90 and −180…180 or when not finite (rule E4)."""

    lat: float
    lng: float

    def __post_init__(self) -> None:
        if -_NOTHING < self.lat < _NOTHING:
            object.__setattr__(self, "lat", 0.0)
        if -_NOTHING < self.lng < _NOTHING:
            object.__setattr__(self, "lng", 0.0)
        if not (isfinite(self.lat) and isfinite(self.lng)):
            raise ValueError("coordinates are finite numbers")
        if not -90 <= self.lat <= 90:
            raise ValueError("latitude lies between -90 and 90")
        if not -180 <= self.lng <= 180:
            raise ValueError("longitude lies between -180 and 180")


@dataclass(frozen=True, slots=True)
class Bounds:
    """A box in degrees; ``west`` may lie below −180 and ``east`` above 180 where a shape crosses the 180° meridian."""

    south: float
    west: float
    north: float
    east: float

    def contains(self, place: Location) -> bool:
        """Whether the box holds the place, reading its longitude in all three turns around the earth."""
        inside = any(self.west <= place.lng + turn <= self.east for turn in (-360, 0, 360))
        return inside and self.south <= place.lat <= self.north


def distance_km(a: Location, b: Location) -> float:
    """Great-circle distance in kilometres (haversine formula, Sinnott 1984), rounded to one metre (rule Z2).

    Whole metres, halves to the even one, as ``round`` of a double precision number does in PostgreSQL too: the database
    comes to the same figure by the same steps.
    """
    half_lat = radians(b.lat - a.lat) / 2
    half_lng = radians(b.lng - a.lng) / 2
    h = sin(half_lat) ** 2 + cos(radians(a.lat)) * cos(radians(b.lat)) * sin(half_lng) ** 2
    return round(2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(h))) * 1000) / 1000


def circle_bounds(center: Location, radius_km: float) -> Bounds:
    """The smallest box that holds a circle on the sphere (Matuschek, "Finding points within a distance").

    A circle that reaches a pole takes every longitude.
    """
    reach = radius_km / EARTH_RADIUS_KM
    south, north = center.lat - degrees(reach), center.lat + degrees(reach)
    if south <= -90 or north >= 90:
        return Bounds(max(south, -90.0), -180.0, min(north, 90.0), 180.0)
    half_width = degrees(asin(min(1.0, sin(reach) / cos(radians(center.lat)))))
    return Bounds(south, center.lng - half_width, north, center.lng + half_width)


def circle_area_km2(radius_km: float) -> float:
    """Area of a circle on the sphere (a spherical cap), in square kilometres."""
    return 4 * pi * EARTH_RADIUS_KM**2 * sin(radius_km / EARTH_RADIUS_KM / 2) ** 2


def ring_bounds(ring: Sequence[Location]) -> Bounds:
    """The box around a ring of corners that does not cross the 180° meridian."""
    lats, lngs = [corner.lat for corner in ring], [corner.lng for corner in ring]
    return Bounds(min(lats), min(lngs), max(lats), max(lngs))


def ring_area_km2(ring: Sequence[Location]) -> float:
    """Area inside a simple ring, in square kilometres (Chamberlain and Duquette 2007, eq. 4)."""
    total = 0.0
    for before, after in zip(ring, [*ring[1:], ring[0]], strict=True):
        total += radians(after.lng - before.lng) * (2 + sin(radians(before.lat)) + sin(radians(after.lat)))
    return abs(total) * EARTH_RADIUS_KM**2 / 2


def ring_center(ring: Sequence[Location]) -> Location:
    """The mean of a ring's corners: what "nearest centre" (rule Z2) means for a polygon."""
    return Location(sum(c.lat for c in ring) / len(ring), sum(c.lng for c in ring) / len(ring))


def ring_contains(ring: Sequence[Location], place: Location) -> bool:
    """Whether a place lies inside a simple ring or on its border (even–odd rule; straight edges in degrees).

    The 180° meridian is one line, whichever sign it is written with. Each edge is looked at from its southern end and
    by the same two products for border and side: two rings that share an edge give the same answer about it, so no
    place between them is in neither. ``ring_holds`` in the database (migration 0012) takes the same steps.
    """
    if abs(place.lng) == 180:
        return any(_ring_holds(ring, place.lat, lng) for lng in (180.0, -180.0))
    return _ring_holds(ring, place.lat, place.lng)


def _ring_holds(ring: Sequence[Location], lat: float, lng: float) -> bool:
    inside = False
    before = ring[-1]
    for corner in ring:
        south, north = (before, corner) if before.lat < corner.lat else (corner, before)
        if south.lat <= lat <= north.lat:
            along = (north.lng - south.lng) * (lat - south.lat)
            across = (lng - south.lng) * (north.lat - south.lat)
            if along == across and min(south.lng, north.lng) <= lng <= max(south.lng, north.lng):
                return True
            if across < along and lat < north.lat:
                inside = not inside
        before = corner
    return inside
