"""The zones around ground that is being drawn, of every operator, and what they share with it.

Reads across operators with fixed columns, like the lookup of a place: two operators must not own the same door without
knowing it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Double, bindparam, text
from sqlalchemy.orm import Session
from sqlalchemy.types import Uuid

from webapp.core.geo import Bounds, Location, distance_km
from webapp.db.geo_types import Ring, ring_of
from webapp.zones.rules import ZoneFacts, ZoneKind
from webapp.zones.shapes import Shape, gained_km2, overlap_km2
from webapp.zones.sound import bounds_of

MOST: Final = 1000
"""Most neighbours that are looked at: the oldest."""

_IN_BOX = text("SELECT * FROM zones_in_box(:south, :west, :north, :east, :most)")
_STUDENTS = text(
    "SELECT zone_id, students FROM students_on_shared_ground(:zones, :south, :north, :lat, :lng, :radius, :ring)"
).bindparams(
    bindparam("zones", type_=ARRAY(Uuid)),
    bindparam("radius", type_=Double),
    bindparam("ring", type_=Ring),
)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An active zone of any operator. Kilometres and square kilometres."""

    id: UUID
    operator_id: UUID
    operator_name: str
    name: str
    label: str
    center: Location
    radius_km: float | None
    ring: tuple[Location, ...] | None
    max_travel_km: float | None
    area_km2: float
    time_zone: str
    created_at: datetime

    @property
    def kind(self) -> ZoneKind:
        """A zone with a ring is a polygon."""
        return ZoneKind.CIRCLE if self.ring is None else ZoneKind.POLYGON

    @property
    def shape(self) -> Shape:
        """What is cut with others."""
        return Shape(self.center, self.radius_km, self.ring)

    @property
    def bounds(self) -> Bounds:
        """The box around it, never smaller than what a lookup counts as inside."""
        return bounds_of(self.center, self.radius_km, self.ring)

    @property
    def facts(self) -> ZoneFacts:
        """What decides who serves a place."""
        return ZoneFacts(
            id=self.id,
            operator_id=self.operator_id,
            name=self.name,
            center=self.center,
            radius_km=self.radius_km,
            ring=self.ring,
            area_km2=self.area_km2,
            created_at=self.created_at,
            active=True,
            time_zone=self.time_zone,
            max_travel_km=self.max_travel_km,
        )


@dataclass(frozen=True, slots=True)
class SharedGround:
    """What a drawn shape shares with a zone, and what of that it did not share before: square kilometres."""

    zone: Neighbour
    area_km2: float
    gained_km2: float
    apart_km: float


def zones_meeting(db: Session, bounds: Bounds, *, most: int = MOST) -> tuple[Neighbour, ...]:
    """The active zones of every operator whose boxes meet a box, the oldest first, at most ``most``."""
    box = {"south": bounds.south, "west": bounds.west, "north": bounds.north, "east": bounds.east, "most": most}
    return tuple(_neighbour(row) for row in db.execute(_IN_BOX, box))


def ground_shared_with(
    neighbours: Collection[Neighbour], shape: Shape, *, before: Shape | None = None
) -> tuple[SharedGround, ...]:
    """Which neighbours share ground with a shape, the most of it first. ``before`` is what the shape was, if it was."""
    found = []
    for zone in neighbours:
        area = overlap_km2(shape, zone.shape)
        if area > 0:
            gained = area if before is None else gained_km2(before, shape, zone.shape)
            found.append(SharedGround(zone, area, gained, distance_km(shape.center, zone.center)))
    return tuple(sorted(found, key=lambda ground: (-ground.area_km2, ground.zone.id)))


def students_there(db: Session, zone_ids: Collection[UUID], shape: Shape, bounds: Bounds) -> dict[UUID, int]:
    """How many students live both in a shape and in each of the zones; a zone where none do is absent.

    Those with a live booking of the zone's operator count. This number is all that is told of another operator's
    families.
    """
    asked: dict[str, Any] = {
        "zones": list(zone_ids),
        "south": bounds.south,
        "north": bounds.north,
        "lat": shape.center.lat,
        "lng": shape.center.lng,
        "radius": shape.radius_km,
        "ring": shape.ring,
    }
    return {row.zone_id: row.students for row in db.execute(_STUDENTS, asked)} if zone_ids else {}


def _neighbour(row: Any) -> Neighbour:
    return Neighbour(
        id=row.id,
        operator_id=row.operator_id,
        operator_name=row.operator_name,
        name=row.name,
        label=row.label,
        center=Location(row.center_lat, row.center_lng),
        radius_km=row.radius_km,
        ring=ring_of(row.ring),
        max_travel_km=row.max_travel_km,
        area_km2=row.area_km2,
        time_zone=row.time_zone,
        created_at=row.created_at,
    )
