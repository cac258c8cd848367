"""Which other zones share ground with one. Reads across operators with fixed columns, like the lookup of a place."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.core.geo import Location, distance_km
from webapp.db.geo_types import ring_of
from webapp.zones.shapes import Shape, overlap_km2

SHOWN = 50
"""Most overlaps that are told."""


@dataclass(frozen=True, slots=True)
class ZoneOverlap:
    """Another zone that shares ground: how far apart the two centres are in kilometres, and how many square kilometres
    belong to both."""

    id: UUID
    operator_id: UUID
    operator_name: str
    name: str
    label: str
    distance_km: float
    area_km2: float


# A function of the database that reads every operator's zones and finds those whose boxes meet.
_SAME_BOX = text("SELECT * FROM zones_sharing_a_box(:id)")


def overlaps_of(db: Session, zone_id: UUID) -> tuple[ZoneOverlap, ...]:
    """The active zones of every operator that share ground with a zone, nearest centre first, at most ``SHOWN``."""
    found = []
    for row in db.execute(_SAME_BOX, {"id": zone_id}):
        theirs = Shape(Location(row[5], row[6]), row[7], ring_of(row[8]))
        ours = Shape(Location(row[9], row[10]), row[11], ring_of(row[12]))
        shared = overlap_km2(theirs, ours)
        if shared > 0:
            apart = distance_km(theirs.center, ours.center)
            found.append(ZoneOverlap(row[0], row[1], row[2], row[3], row[4], apart, shared))
    return tuple(sorted(found, key=lambda o: (o.distance_km, o.id))[:SHOWN])
