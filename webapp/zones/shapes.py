"""Whether two territories share ground. Pure; kilometres and degrees."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, radians

from webapp.core.geo import EARTH_RADIUS_KM, Location, distance_km, ring_contains

_KM_PER_DEGREE = radians(1) * EARTH_RADIUS_KM


def circles_meet(a: Location, a_radius_km: float, b: Location, b_radius_km: float) -> bool:
    """Whether two circles on the sphere share more than a border point."""
    return distance_km(a, b) < a_radius_km + b_radius_km


def circle_meets_ring(center: Location, radius_km: float, ring: Sequence[Location]) -> bool:
    """Whether a circle and the inside of a ring share ground.

    Edges are straight in degrees, seen on a plane that touches the earth at the circle's centre: good to a few metres
    at the size of a city.
    """
    if ring_contains(ring, center):
        return True
    ends = zip(ring, [*ring[1:], ring[0]], strict=True)
    return min(_km_to_edge(center, a, b) for a, b in ends) < radius_km


def _km_to_edge(place: Location, a: Location, b: Location) -> float:
    width = _KM_PER_DEGREE * cos(radians(place.lat))
    ax, ay = (a.lng - place.lng) * width, (a.lat - place.lat) * _KM_PER_DEGREE
    bx, by = (b.lng - place.lng) * width, (b.lat - place.lat) * _KM_PER_DEGREE
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    along = 0.0 if length == 0 else max(0.0, min(1.0, -(ax * dx + ay * dy) / length))
    return hypot(ax + along * dx, ay + along * dy)
