"""Holes between neighbouring zones: ground that nobody serves although it is served all around. With Shapely.

Everything is united in the plane of degrees, where a ring's edges are straight; a circle is drawn into it as a polygon
of ``_SIDES`` corners with its area, which lies within a few metres of it. Holes are measured on the sphere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import asin, atan2, cos, degrees, pi, radians, sin, sqrt
from typing import Any, Final
from uuid import UUID

import numpy as np
import shapely
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.core.geo import EARTH_RADIUS_KM, Bounds, Location, ring_area_km2
from webapp.db.tenancy import owned_by
from webapp.zones.models import Zone
from webapp.zones.neighbours import zones_meeting
from webapp.zones.shapes import Shape

SMALLEST_KM2: Final = 0.01
"""A hectare: what is smaller lies between the corners of drawn borders."""
MOST_ZONES: Final = 2_000
"""Most zones that are united at once, the oldest."""
_SIDES: Final = 128
_NEAR_THE_END: Final = 175.0
_BESIDE: Final = 1e-4
"""Degrees around a hole, some ten metres, within which a zone counts as lying at it."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A hole: a place inside it, its square kilometres, and the zones around it, those listed first that come first."""

    place: Location
    area_km2: float
    around: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Holes:
    """The holes, the largest first; ``crowded`` says that not all zones were looked at."""

    found: tuple[Hole, ...]
    crowded: bool


def holes_of(db: Session, *, visible_to: Actor, operator_id: UUID | None = None) -> Holes:
    """The holes between the active zones that the actor may see, or those of one operator alone.

    Whoever sees their own operator's zones only is told of ground among them and their neighbours' that nobody serves.
    """
    wanted = [Zone.active, owned_by(Zone.operator_id, visible_to)]
    if operator_id is not None:
        wanted.append(Zone.operator_id == operator_id)
    rows = db.execute(
        select(Zone.id, Zone.name, Zone.center_lat, Zone.center_lng, Zone.radius_km, Zone.ring, Zone.bounds)
        .where(*wanted)
        .order_by(Zone.created_at, Zone.id)
        .limit(MOST_ZONES)
    ).all()
    shapes = {
        row.id: (row.name, Shape(Location(row.center_lat, row.center_lng), row.radius_km, row.ring)) for row in rows
    }
    crowded = len(rows) == MOST_ZONES
    if rows and operator_id is None and not visible_to.sees_everything:
        around = zones_meeting(db, _all_around([row.bounds for row in rows]), most=MOST_ZONES)
        shapes |= {near.id: (near.name, near.shape) for near in around}
        crowded = crowded or len(around) == MOST_ZONES
    return Holes(holes_between(list(shapes.values())), crowded)


def holes_between(zones: Sequence[tuple[str, Shape]]) -> tuple[Hole, ...]:
    """The holes between some zones, given with their names; the largest first."""
    grounds = [(name, _ground(shape)) for name, shape in zones]
    if not grounds:
        return ()
    # Near the 180° meridian the earth is looked at in three turns, so that nothing ends there.
    wide = any(max(map(abs, ground.bounds[::2])) >= _NEAR_THE_END for _name, ground in grounds)
    turns = (-360.0, 0.0, 360.0) if wide else (0.0,)
    names = [name for _turn in turns for name, _ground in grounds]
    parts = [_turned_by(ground, turn) for turn in turns for _name, ground in grounds]
    tree = shapely.STRtree(parts)
    found = []
    for ring in _inner_rings(shapely.union_all(parts)):
        inside = ring.representative_point()
        if -180 <= inside.x < 180 and (area := _area(ring)) >= SMALLEST_KM2:
            beside = sorted(tree.query(shapely.buffer(ring, _BESIDE), "intersects"))
            around = tuple(dict.fromkeys(names[index] for index in beside))
            found.append(Hole(Location(inside.y, inside.x), area, around))
    return tuple(sorted(found, key=lambda hole: (-hole.area_km2, hole.place.lat, hole.place.lng)))


def _inner_rings(united: Any) -> Iterable[Any]:
    for part in shapely.get_parts(united):
        if part.geom_type == "Polygon":
            yield from (shapely.Polygon(ring) for ring in part.interiors)


def _area(ground: Any) -> float:
    middle = ground.centroid.x
    corners = [Location(lat, _turned(lng - middle)) for lng, lat in ground.exterior.coords[:-1]]
    return ring_area_km2(corners)


def _turned(lng: float) -> float:
    """A longitude in the one turn that places are written in."""
    return (lng + 180) % 360 - 180 if not -180 <= lng <= 180 else lng


def _turned_by(ground: Any, turn: float) -> Any:
    return shapely.transform(ground, lambda points: points + np.array((turn, 0.0))) if turn else ground


def _ground(shape: Shape) -> Any:
    """A shape in the plane of degrees."""
    ground = shapely.Polygon([(corner.lng, corner.lat) for corner in shape.ring] if shape.ring else _circle(shape))
    return ground if shapely.is_valid(ground) else shapely.make_valid(ground)


def _circle(shape: Shape) -> list[tuple[float, float]]:
    """Where one comes to in every direction from the centre; around a pole also the pole's own edge of the plane."""
    lat, lng = radians(shape.center.lat), radians(shape.center.lng)
    turn = 2 * pi / _SIDES
    arc = (shape.radius_km or 0.0) * sqrt(turn / sin(turn)) / EARTH_RADIUS_KM
    points = []
    for bearing in np.arange(_SIDES) * turn:
        to = asin(sin(lat) * cos(arc) + cos(lat) * sin(arc) * cos(bearing))
        by = atan2(sin(bearing) * sin(arc) * cos(lat), cos(arc) - sin(lat) * sin(to))
        points.append((degrees(lng + by), degrees(to)))
    if abs(shape.center.lat) + degrees(arc) < 90:
        return points
    pole = 90.0 if shape.center.lat > 0 else -90.0
    rim = sorted((_turned(at), to) for at, to in points)
    return [(-180.0, rim[0][1]), *rim, (180.0, rim[-1][1]), (180.0, pole), (-180.0, pole)]


def _all_around(boxes: Sequence[Bounds]) -> Bounds:
    return Bounds(
        min(box.south for box in boxes),
        min(box.west for box in boxes),
        max(box.north for box in boxes),
        max(box.east for box in boxes),
    )
