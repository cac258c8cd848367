"""Shapes of territories, with Shapely: a drawn ring made sound, and the ground that two shapes share. Pure.

A ring's edges are straight in degrees, here as everywhere. Two rings are cut in that plane. Whatever involves a circle
is cut, and every area is measured, on Lambert's azimuthal equal-area map of the sphere of ``core.geo`` (Snyder 1987,
"Map Projections: A Working Manual", eq. 24-2 to 24-4), where a circle about the centre of the map stays one.

How right an area is: a circle is a polygon of ``_SIDES`` corners with the circle's area, and an edge is bent to the map
every ``_STEP_KM``; together less than a ten-thousandth of the smaller shape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, ceil, cos, hypot, pi, radians, sin, sqrt
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from webapp.core.errors import Invalid
from webapp.core.geo import EARTH_RADIUS_KM, Location, distance_km

MAX_DRAWN: Final = 10_000
"""Most corners of a ring as it is drawn or read."""
MAX_CORNERS: Final = 1_000
"""Most corners that are kept: a lookup looks at each of them, a quarter of a microsecond apiece."""
MAX_TOLERANCE_M: Final = 1_000.0
"""A border is not moved further than that by simplifying it."""

_CLOSE: Final = 1e-7
"""Corners within so many degrees, a centimetre, are one."""
_KM_PER_DEGREE: Final = radians(1) * EARTH_RADIUS_KM
_SIDES: Final = 512
_STEP_KM: Final = 2.0
_MOST_STEPS: Final = 256
_NOTHING_KM2: Final = 1e-6
"""A square metre: neighbours share a border, not ground, whatever their floats make of it."""
_NEVER_MOVED_KM2: Final = 1e-4
"""A hundred square metres: a border that a corner was put on is bent to a map at other places, and has not moved."""
_WHERE: Final = re.compile(r"\[(\S+) (\S+)\]")

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shape:
    """A circle (``radius_km``) about ``center``, or a ``ring`` whose corners' mean is ``center``."""

    center: Location
    radius_km: float | None = None
    ring: tuple[Location, ...] | None = None


def clean_ring(drawn: Sequence[Location], *, tolerance_m: float = 0.0) -> tuple[Location, ...]:
    """A drawn ring as it is kept: not closed, no corner twice, and simplified by at most ``tolerance_m`` metres.

    A clean ring stays as it is. Raises ``Invalid`` for the field ``ring``: fewer than three corners around an area,
    more than ``MAX_DRAWN`` drawn or ``MAX_CORNERS`` left, a pole, the 180° meridian crossed, or a border that crosses
    or touches itself; the last two say where.
    """
    if len(drawn) > MAX_DRAWN:
        raise Invalid("ring-too-long", "Draw at most %(limit)s corners.", field="ring", limit=MAX_DRAWN)
    ring = _without_doubles(drawn)
    _check(ring)
    if 0 < tolerance_m <= MAX_TOLERANCE_M:
        ring = _without_doubles(_simplified(ring, tolerance_m))
        _check(ring)
    if len(ring) > MAX_CORNERS:
        raise Invalid(
            "ring-too-many-corners",
            "%(corners)s corners are left and at most %(limit)s are kept: simplify the border more.",
            field="ring",
            corners=len(ring),
            limit=MAX_CORNERS,
        )
    return ring


def overlap_km2(a: Shape, b: Shape) -> float:
    """The ground two shapes share, in square kilometres; 0 where they share a border at most."""
    if a.ring is not None and b.ring is not None:
        shared = _cut(_flat(a.ring), _flat(b.ring))
        area = sum(_area_km2(part) for part in shapely.get_parts(shared))
    else:
        circle, other = (a, b) if a.ring is None else (b, a)
        area = _with_circle(circle.center, circle.radius_km or 0.0, other)
    return area if area > _NOTHING_KM2 else 0.0


def gained_km2(before: Shape, after: Shape, other: Shape) -> float:
    """The ground of ``other`` that a shape has taken in with a change and did not have before, in square kilometres."""
    if overlap_km2(after, other) == 0:
        return 0.0
    if before.ring is not None and after.ring is not None and other.ring is not None:
        gained = _less(_cut(_flat(after.ring), _flat(other.ring)), _flat(before.ring))
        area = sum(_area_km2(part) for part in shapely.get_parts(gained))
    else:
        on_map = _Map(other.center)
        now, theirs, was = (on_map.shape(shape) for shape in (after, other, before))
        area = float(shapely.area(_less(_cut(now, theirs), was)))
    return area if area > _NEVER_MOVED_KM2 else 0.0


def _with_circle(center: Location, radius_km: float, other: Shape) -> float:
    on_map = _Map(center)
    if other.ring is None:
        if distance_km(center, other.center) >= radius_km + (other.radius_km or 0.0):
            return 0.0
        ground = on_map.circle(other.center, other.radius_km or 0.0)
    else:
        ground = on_map.ring(other.ring)
        if shapely.distance(ground, shapely.Point(0, 0)) >= _map_radius(radius_km):
            return 0.0
    return float(shapely.area(_cut(on_map.own_circle(radius_km), ground)))


def away_km(shape: Shape, place: Location) -> float:
    """How far a place lies from a shape, in kilometres on the sphere, to the metre; 0 inside and on the border.

    On the map about the place the nearest point of a ring is the nearest on the sphere as well. Right to a few metres
    within a quarter of the earth; towards the other side of it the map has no edges worth the name.
    """
    if shape.ring is None:
        return max(0.0, round(distance_km(shape.center, place) - (shape.radius_km or 0.0), 3))
    ring = _Map(place).ring(shape.ring)
    flat = float(shapely.distance(shapely.Point(0, 0), ring if shapely.is_valid(ring) else shapely.make_valid(ring)))
    return round(2 * EARTH_RADIUS_KM * asin(min(1.0, flat / (2 * EARTH_RADIUS_KM))), 3)


def _near(a: Location, b: Location) -> bool:
    return abs(a.lat - b.lat) <= _CLOSE and abs(a.lng - b.lng) <= _CLOSE


def _without_doubles(drawn: Sequence[Location]) -> tuple[Location, ...]:
    ring: list[Location] = []
    for corner in drawn:
        if not ring or not _near(ring[-1], corner):
            ring.append(corner)
    while len(ring) > 1 and _near(ring[-1], ring[0]):
        ring.pop()
    return tuple(ring)


def _check(ring: tuple[Location, ...]) -> None:
    if len(set(ring)) < 3:
        raise Invalid("ring-too-small", "A polygon needs at least three corners around an area.", field="ring")
    for corner, after in zip(ring, [*ring[1:], ring[0]], strict=True):
        if abs(corner.lat) == 90:
            raise Invalid("ring-at-pole", "A polygon cannot reach a pole: draw a circle there.", field="ring")
        if abs(after.lng - corner.lng) > 180:
            raise Invalid(
                "ring-crosses-180",
                "The border crosses the 180° meridian between %(before)s and %(after)s: draw a zone on each side.",
                field="ring",
                before=_said(corner.lat, corner.lng),
                after=_said(after.lat, after.lng),
            )
    flat = _flat(ring)
    if not shapely.is_valid(flat):
        found = _WHERE.search(str(shapely.is_valid_reason(flat)))
        lng, lat = (float(number) for number in found.groups()) if found else (ring[0].lng, ring[0].lat)
        raise Invalid(
            "ring-crosses-itself",
            "The border crosses or touches itself near %(place)s.",
            field="ring",
            place=_said(lat, lng),
        )


def _said(lat: float, lng: float) -> str:
    return f"{lat:.6f}, {lng:.6f}"


def _flat(ring: Sequence[Location]) -> Any:
    """The ring in the plane of degrees."""
    return shapely.Polygon([(corner.lng, corner.lat) for corner in ring])


def _cut(a: Any, b: Any) -> Any:
    """What two polygons share. A ring from before rings were checked may cross itself, as may one bent to a map."""
    return shapely.intersection(*(shape if shapely.is_valid(shape) else shapely.make_valid(shape) for shape in (a, b)))


def _less(a: Any, b: Any) -> Any:
    """What the first has and the second has not."""
    return shapely.difference(a, b if shapely.is_valid(b) else shapely.make_valid(b))


def _simplified(ring: tuple[Location, ...], tolerance_m: float) -> tuple[Location, ...]:
    """Fewer of the same corners (Douglas and Peucker 1973, keeping the ring simple), in metres at its middle."""
    width = _KM_PER_DEGREE * 1000 * cos(radians(sum(corner.lat for corner in ring) / len(ring)))
    height = _KM_PER_DEGREE * 1000
    by_point = {(corner.lng * width, corner.lat * height): corner for corner in ring}
    simple = shapely.simplify(shapely.Polygon(list(by_point)), tolerance_m, preserve_topology=True)
    return tuple(by_point[point] for point in simple.exterior.coords[:-1])


def _map_radius(radius_km: float) -> float:
    """How far from the centre of an equal-area map everything lies that is ``radius_km`` away on the sphere."""
    return 2 * EARTH_RADIUS_KM * sin(radius_km / EARTH_RADIUS_KM / 2)


def _area_km2(part: Any) -> float:
    """The area on the sphere of a part of the plane of degrees."""
    if part.geom_type != "Polygon" or part.is_empty:
        return 0.0
    corners = [Location(lat, lng) for lng, lat in part.exterior.coords[:-1]]
    middle = part.centroid
    return float(shapely.area(_Map(Location(middle.y, middle.x)).ring(corners)))


class _Map:
    """Lambert's azimuthal equal-area map about a place; kilometres east and north."""

    def __init__(self, center: Location) -> None:
        self._lat, self._lng = radians(center.lat), radians(center.lng)

    def shape(self, shape: Shape) -> Any:
        """A shape on the map."""
        return self.ring(shape.ring) if shape.ring is not None else self.circle(shape.center, shape.radius_km or 0.0)

    def own_circle(self, radius_km: float) -> Any:
        """The circle about the centre of the map."""
        around = np.arange(_SIDES) * (2 * pi / _SIDES)
        away = _map_radius(radius_km) * _widened(1.0)
        return shapely.Polygon(np.column_stack((away * np.sin(around), away * np.cos(around))))

    def ring(self, ring: Sequence[Location]) -> Any:
        """A ring on the map, its edges bent as they are on the sphere."""
        points = []
        for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
            long_km = _KM_PER_DEGREE * hypot(b.lat - a.lat, (b.lng - a.lng) * cos(radians((a.lat + b.lat) / 2)))
            steps = min(_MOST_STEPS, max(1, ceil(long_km / _STEP_KM)))
            share = np.arange(steps) / steps
            points.append(np.column_stack((a.lat + share * (b.lat - a.lat), a.lng + share * (b.lng - a.lng))))
        return self._drawn(np.radians(np.vstack(points)))

    def circle(self, center: Location, radius_km: float) -> Any:
        """A circle about another place: where one comes to in every direction from it."""
        lat, lng = radians(center.lat), radians(center.lng)
        arc = _widened(radius_km) / EARTH_RADIUS_KM
        around = np.arange(_SIDES) * (2 * pi / _SIDES)
        lats = np.arcsin(sin(lat) * cos(arc) + cos(lat) * sin(arc) * np.cos(around))
        lngs = lng + np.arctan2(np.sin(around) * sin(arc) * cos(lat), cos(arc) - sin(lat) * np.sin(lats))
        return self._drawn(np.column_stack((lats, lngs)))

    def _drawn(self, points: Points) -> Any:
        """A polygon of points in radians, latitude first."""
        lats, lngs = points[:, 0], points[:, 1] - self._lng
        toward = sin(self._lat) * np.sin(lats) + cos(self._lat) * np.cos(lats) * np.cos(lngs)
        scale = EARTH_RADIUS_KM * np.sqrt(2 / np.maximum(1 + toward, 1e-12))
        east = scale * np.cos(lats) * np.sin(lngs)
        north = scale * (cos(self._lat) * np.sin(lats) - sin(self._lat) * np.cos(lats) * np.cos(lngs))
        return shapely.Polygon(np.column_stack((east, north)))


def _widened(length: float) -> float:
    """The corners' distance from the middle of a polygon of ``_SIDES`` that has the area of a circle."""
    turn = 2 * pi / _SIDES
    return length * sqrt(turn / sin(turn))
