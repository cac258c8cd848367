"""Zones at size, the same for the same seed: a grid of circles and polygons of fifty corners, by turns.

Their centres are some eleven kilometres apart and they reach nine: a place in their midst lies in two as a rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, cos, pi, radians, sin, sqrt
from random import Random
from uuid import UUID

from psycopg import Connection
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.bench.loading import Db, copy_rows, keep_zone_versions, without_triggers
from tests.bench.world import NOW, SEED
from webapp.core.geo import EARTH_RADIUS_KM, Location
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.geo_types import box_text, numbers_of
from webapp.operators.rules import franchise_of
from webapp.zones.rules import ZoneCommand
from webapp.zones.sound import SoundZone

SOUTH, WEST = 6.0, 66.0
STEP = 0.1
"""Degrees from one centre to the next."""
REACH_KM = 9.0
FARTHEST_KM = 1.1 * REACH_KM
"""No corner lies further from the middle of its ring."""
CORNERS = 50
OPERATORS = 20
_KM_PER_DEGREE = radians(1) * EARTH_RADIUS_KM


def commands(number: int, *, owners: tuple[UUID, ...] = (COMPANY_ID,), seed: int = SEED) -> Iterator[ZoneCommand]:
    """So many zones, row by row of the grid."""
    random = Random(seed)
    for n in range(number):
        row, column = divmod(n, side_of(number))
        center = Location(SOUTH + STEP * (row + random.random() / 2), WEST + STEP * (column + random.random() / 2))
        owner = franchise_of(owners[n % len(owners)])
        if n % 2:
            ring = _ring(random, center)
            yield ZoneCommand(f"Zone {n}", owner, "Asia/Kolkata", ring=ring, max_travel_km=REACH_KM)
        else:
            yield ZoneCommand(f"Zone {n}", owner, "Asia/Kolkata", center, REACH_KM)


def side_of(number: int) -> int:
    """How many zones lie in a row."""
    return ceil(sqrt(number))


def _ring(random: Random, center: Location) -> tuple[Location, ...]:
    corners = []
    for n in range(CORNERS):
        away, turn = random.uniform(0.8 * REACH_KM, FARTHEST_KM - 0.5) / _KM_PER_DEGREE, 2 * pi * n / CORNERS
        lng = center.lng + away * sin(turn) / cos(radians(center.lat))
        corners.append(Location(round(center.lat + away * cos(turn), 6), round(lng, 6)))
    return tuple(corners)


def load(db: Connection, number: int) -> None:
    """Load the zones of as many operators as a company has, as a superuser, then ANALYZE."""
    owners = [new_id() for _ in range(OPERATORS)]
    with without_triggers(db):
        copy_rows(
            db,
            "operators",
            ("id", "kind", "name", "name_key", "created_at"),
            ((id_, "franchise", f"Franchise {n}", f"franchise {n}", NOW) for n, id_ in enumerate(owners)),
        )
        _copy_zones(db, number, tuple(owners))
        keep_zone_versions(db)
    db.execute("UPDATE zone_set SET version = gen_random_uuid()")
    db.execute("VACUUM (ANALYZE)")


def _copy_zones(db: Db, number: int, owners: tuple[UUID, ...]) -> None:
    columns: list[str] | None = None
    rows = []
    for command in commands(number, owners=owners):
        row = SoundZone(command).columns
        row |= {"id": new_id(), "franchise_id": command.franchise_id, "created_at": NOW, "changed_at": NOW}
        row |= {"bounds": box_text(row["bounds"]), "kind": row["kind"].value}
        row["ring"] = row["ring"] and numbers_of(row["ring"])
        columns = columns or list(row)
        rows.append(tuple(row.values()))
    copy_rows(db, "zones", columns or [], rows)


_HOW_MANY = text(
    "SELECT p.n, (SELECT count(*) FROM zones_at(p.lat, p.lng))"
    " FROM unnest(CAST(:lats AS float8[]), CAST(:lngs AS float8[])) WITH ORDINALITY AS p(lat, lng, n) ORDER BY p.n"
)


def places(db: Session, number: int, zones: int) -> list[Location]:
    """So many random places that lie in one to three of ``zones``."""
    random = Random(SEED + 1)
    found: list[Location] = []
    extent = STEP * side_of(zones)
    while len(found) < number:
        drawn = [
            Location(SOUTH + random.random() * extent, WEST + random.random() * extent) for _ in range(min(number, 500))
        ]
        given = {"lats": [place.lat for place in drawn], "lngs": [place.lng for place in drawn]}
        held = db.execute(_HOW_MANY, given).all()
        found += [place for place, (_n, many) in zip(drawn, held, strict=True) if 1 <= many <= 3]
    return found[:number]
