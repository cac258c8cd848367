"""Which zones contain a place, and which lie nearest to it (rules Z2 and Z3).

Both read across operators, with fixed columns, because a caller's home is served by whoever serves it: franchise staff
must see whose it is. Every other query of zones is by owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Double, Integer, Select, bindparam, func, select, text
from sqlalchemy.orm import Session

from webapp.core.geo import Location
from webapp.zones.rules import ZoneKind


@dataclass(frozen=True, slots=True)
class ZoneAt:
    """A zone near a place: kilometres to its centre, its reach (rule T8), its area in square kilometres."""

    id: UUID
    operator_id: UUID
    operator_name: str
    name: str
    label: str
    kind: ZoneKind
    time_zone: str
    distance_km: float
    reach_km: float
    area_km2: float
    travel_buffer_minutes: int


# Both are functions of the database that read every operator's zones (migration 0012): row-level security shows the
# asker's own only.
_COLUMNS = (
    *("id", "operator_id", "operator_name", "name", "label", "kind", "time_zone", "distance_km", "reach_km"),
    *("area_km2", "travel_buffer_minutes"),
)
_WHERE = (bindparam("lat", type_=Double), bindparam("lng", type_=Double))
_at = func.zones_at(*_WHERE).table_valued(*_COLUMNS)
_nearest = func.zones_nearest(*_WHERE, bindparam("limit", type_=Integer)).table_valued(*_COLUMNS)
_AT = select(*_at.c)
_NEAREST = select(*_nearest.c)
# The function is strict: without a latitude it is not run, and the stamp comes alone. As text, because the same put
# together by SQLAlchemy takes half as long again.
_UNLESS = text("""
    SELECT s.version, z.id, z.operator_id, z.operator_name, z.name, z.label, z.kind, z.time_zone, z.distance_km,
           z.reach_km, z.area_km2, z.travel_buffer_minutes
    FROM zone_set AS s
    LEFT JOIN LATERAL zones_at(
        CASE WHEN s.version = CAST(:known AS uuid) THEN NULL ELSE CAST(:lat AS double precision) END,
        CAST(:lng AS double precision)
    ) AS z ON true
    WHERE s.id = 1
""")


def zones_at(db: Session, place: Location) -> tuple[ZoneAt, ...]:
    """Every active zone of every operator that contains the place, the serving one first (rule Z2).

    Exactly what ``zones.rules.containing`` answers, in its order: nearest centre, then smaller area, then older zone,
    then id. A place on the border of a zone lies in it.
    """
    return _read(db, _AT, {"lat": place.lat, "lng": place.lng})


def nearest_zones(db: Session, place: Location, limit: int = 3) -> tuple[ZoneAt, ...]:
    """The active zones whose centres lie nearest, containing or not, in the same order."""
    return _read(db, _NEAREST, {"lat": place.lat, "lng": place.lng, "limit": limit})


def zones_unless(db: Session, place: Location, known: UUID | None) -> tuple[UUID, tuple[ZoneAt, ...] | None]:
    """The stamp of all zones, and ``zones_at`` unless that stamp is the ``known`` one. One statement, one snapshot."""
    rows = db.execute(_UNLESS, {"lat": place.lat, "lng": place.lng, "known": known}).all()
    version: UUID = rows[0][0]
    if version == known:
        return version, None
    return version, tuple(_zone(row[1:]) for row in rows if row[1] is not None)


def _read(db: Session, question: Select[Any], values: dict[str, float]) -> tuple[ZoneAt, ...]:
    return tuple(_zone(row) for row in db.execute(question, values))


def _zone(row: Sequence[Any]) -> ZoneAt:
    return ZoneAt(
        id=row[0],
        operator_id=row[1],
        operator_name=row[2],
        name=row[3],
        label=row[4],
        kind=ZoneKind(row[5]),
        time_zone=row[6],
        distance_km=row[7],
        reach_km=row[8],
        area_km2=row[9],
        travel_buffer_minutes=row[10],
    )
