"""Which other zones share ground with one. Reads across operators with fixed columns, like the lookup of a place."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.core.geo import Location, distance_km
from webapp.db.geo_types import Ring
from webapp.zones.shapes import circle_meets_ring, circles_meet

SHOWN = 50
"""Most overlaps that are looked at."""


@dataclass(frozen=True, slots=True)
class ZoneOverlap:
    """Another zone that shares ground, and how far apart the two centres are, in kilometres."""

    id: UUID
    operator_id: UUID
    operator_name: str
    name: str
    label: str
    distance_km: float


# A function of the database that reads every operator's zones. `rings_meet` is decided there for two polygons; the
# other pairs need distances on the sphere.
_SAME_BOX = text("SELECT * FROM zones_sharing_a_box(:id)")


def overlaps_of(db: Session, zone_id: UUID) -> tuple[ZoneOverlap, ...]:
    """The active zones of every operator that share ground with a zone, nearest centre first, at most ``SHOWN``."""
    read_ring = Ring().result_processor(db.get_bind().dialect, None)
    found = []
    for row in db.execute(_SAME_BOX, {"id": zone_id}):
        theirs = (Location(row[6], row[7]), row[8], read_ring(row[9]))
        ours = (Location(row[11], row[12]), row[13], read_ring(row[14]))
        if row.rings_meet or _share_ground(theirs, ours):
            found.append(ZoneOverlap(row[0], row[1], row[2], row[3], row[4], distance_km(theirs[0], ours[0])))
    return tuple(sorted(found, key=lambda o: (o.distance_km, o.id))[:SHOWN])


_Shape = tuple[Location, float | None, tuple[Location, ...] | None]


def _share_ground(a: _Shape, b: _Shape) -> bool:
    (a_center, a_radius, a_ring), (b_center, b_radius, b_ring) = a, b
    if a_radius is not None and b_radius is not None:
        return circles_meet(a_center, a_radius, b_center, b_radius)
    if a_radius is not None and b_ring is not None:
        return circle_meets_ring(a_center, a_radius, b_ring)
    if b_radius is not None and a_ring is not None:
        return circle_meets_ring(b_center, b_radius, a_ring)
    return False
