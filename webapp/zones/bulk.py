"""Writing many zones, a statement for each ``BATCH``: memory stays flat, and the stamp of all zones is drawn seldom."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import Uuid

from webapp.audit.service import plain
from webapp.core.geo import Bounds
from webapp.db.geo_types import box_text, numbers_of

BATCH: Final = 500
Thing = TypeVar("Thing")

_INSERT: Final = text("""
    INSERT INTO zones (id, franchise_id, created_at, name, name_key, label, kind, center_lat, center_lng, radius_km,
                       ring, max_travel_km, bounds, area_km2, time_zone, travel_buffer_minutes, active,
                       changed_at, changed_by, changed_by_name, change_reason)
    SELECT id, franchise_id, created_at, name, name_key, label, kind, center_lat, center_lng, radius_km, ring,
           max_travel_km, bounds, area_km2, time_zone, travel_buffer_minutes, active,
           changed_at, changed_by, changed_by_name, change_reason
    FROM jsonb_populate_recordset(CAST(NULL AS zones), CAST(:rows AS jsonb))
    ON CONFLICT DO NOTHING
    RETURNING id
""")
_UPDATE: Final = text("""
    UPDATE zones AS z
    SET name = r.name, name_key = r.name_key, label = r.label, kind = r.kind, center_lat = r.center_lat,
        center_lng = r.center_lng, radius_km = r.radius_km, ring = r.ring, max_travel_km = r.max_travel_km,
        bounds = r.bounds, area_km2 = r.area_km2, time_zone = r.time_zone,
        travel_buffer_minutes = r.travel_buffer_minutes, active = r.active,
        changed_at = greatest(r.changed_at, z.changed_at + interval '1 microsecond'), changed_by = r.changed_by,
        changed_by_name = r.changed_by_name, change_reason = r.change_reason
    FROM jsonb_populate_recordset(CAST(NULL AS zones), CAST(:rows AS jsonb)) AS r
    WHERE z.id = r.id
""")
_LOCK: Final = text(
    "SELECT z.id FROM zones AS z WHERE z.id = ANY(:ids) ORDER BY z.id FOR NO KEY UPDATE",
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


def batches(things: Sequence[Thing]) -> Iterator[Sequence[Thing]]:
    """Things, ``BATCH`` at a time."""
    for start in range(0, len(things), BATCH):
        yield things[start : start + BATCH]


def lock_zones(db: Session, zone_ids: Collection[UUID]) -> None:
    """Take the rows' locks in one order, so that two who change the same zones wait for each other and no more."""
    db.execute(_LOCK, {"ids": list(zone_ids)})


def insert_zones(db: Session, rows: Sequence[dict[str, Any]]) -> set[UUID]:
    """Draw zones, whole rows with who draws them, but owner and version, which the database makes.

    The ids of those that are drawn: a name in use keeps its zone.
    """
    return set(db.scalars(_INSERT, {"rows": _json(rows)}))


def update_zones(db: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Make zones what the rows say, by ``id``, with who says so. Raises ``IntegrityError`` as the database refuses."""
    db.execute(_UPDATE, {"rows": _json(rows)})


def _json(rows: Sequence[dict[str, Any]]) -> str:
    return json.dumps([{name: _cell(name, value) for name, value in row.items()} for row in rows], default=plain)


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, Bounds):
        return box_text(value)
    return numbers_of(value) if name == "ring" and value is not None else value
