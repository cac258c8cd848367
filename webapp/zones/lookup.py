"""Which zones contain a place, and which lie nearest to it (rules Z2 and Z3).

These two read across operators, with fixed columns, because a caller's home is served by whoever serves it: franchise
staff must see whose it is. Every other query of zones is by owner.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from webapp.core.geo import EARTH_RADIUS_KM, Location
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


# Haversine (Sinnott 1984), as in core.geo.distance_km, rounded to one metre.
_DISTANCE = f"""
round((2 * {EARTH_RADIUS_KM} * asin(least(1.0, sqrt(
    power(sin(radians(z.center_lat - :lat) / 2), 2)
    + cos(radians(:lat)) * cos(radians(z.center_lat)) * power(sin(radians(z.center_lng - :lng) / 2), 2)
))))::numeric, 3)::double precision"""

_COLUMNS = """
found.id, found.operator_id, operators.name, found.name, found.label, found.kind, found.time_zone,
found.distance_km, coalesce(found.radius_km, found.max_travel_km), found.area_km2,
found.travel_buffer_minutes"""

# The boxes of zones may reach over the 180° meridian, so the longitude is asked for in all three turns. A box of no
# size instead of a point: the GiST operator class of boxes indexes `box @> box`.
_AT = text(
    f"""
WITH found AS MATERIALIZED (
    SELECT z.*, {_DISTANCE} AS distance_km
    FROM zones z
    WHERE z.active AND (
        z.bounds @> box(point(:lng, :lat), point(:lng, :lat))
        OR z.bounds @> box(point(:lng - 360, :lat), point(:lng - 360, :lat))
        OR z.bounds @> box(point(:lng + 360, :lat), point(:lng + 360, :lat))
    )
)
SELECT {_COLUMNS}
FROM found JOIN operators ON operators.id = found.operator_id
WHERE (found.kind = 'circle' AND found.distance_km <= found.radius_km)
   OR (found.kind = 'polygon' AND found.ring @> point(:lng, :lat))
ORDER BY found.distance_km, round(found.area_km2::numeric, 6), found.created_at, found.id
"""  # noqa: S608 - made of the constants above; what people typed is bound
)

_LOOKED_AT = 50
_TURN = "(SELECT * FROM zones WHERE active ORDER BY bounds <-> point({lng}, :lat) LIMIT {limit})"
_TURNS = " UNION ALL ".join(_TURN.format(lng=lng, limit=_LOOKED_AT) for lng in (":lng", ":lng - 360", ":lng + 360"))

# The index finds the boxes nearest in degrees; great-circle distance then orders those few.
_NEAREST = text(
    f"""
WITH found AS MATERIALIZED (
    SELECT DISTINCT ON (z.id) z.*, {_DISTANCE} AS distance_km FROM ({_TURNS}) AS z ORDER BY z.id
)
SELECT {_COLUMNS}
FROM found JOIN operators ON operators.id = found.operator_id
ORDER BY found.distance_km, round(found.area_km2::numeric, 6), found.created_at, found.id
LIMIT :limit
"""  # noqa: S608 - as above
)


def zones_at(db: Session, place: Location) -> tuple[ZoneAt, ...]:
    """Every active zone of every operator that contains the place, the serving one first (rule Z2).

    Nearest centre, then smaller area, then older zone, then id: the order of ``zones.rules.containing``.
    """
    return _read(db, _AT, {"lat": place.lat, "lng": place.lng})


def nearest_zones(db: Session, place: Location, limit: int = 3) -> tuple[ZoneAt, ...]:
    """The active zones whose centres lie nearest, containing or not, out of the 50 with the nearest boxes."""
    return _read(db, _NEAREST, {"lat": place.lat, "lng": place.lng, "limit": limit})


def _read(db: Session, question: TextClause, values: dict[str, float]) -> tuple[ZoneAt, ...]:
    return tuple(
        ZoneAt(
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
        for row in db.execute(question, values)
    )
