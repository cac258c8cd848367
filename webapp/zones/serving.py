"""How far the nearest zones are from a place that nobody serves (rule Z4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from webapp.core.geo import Location, circle_bounds
from webapp.zones.lookup import ZoneAt, nearest_zones
from webapp.zones.neighbours import zones_meeting
from webapp.zones.rules import ZoneKind
from webapp.zones.shapes import away_km

NEAREST: Final = 3
_CANDIDATES: Final = 12
"""The zone whose border is nearest need not be the one whose centre is: so many are looked at."""
_NEIGHBOURS: Final = 400


@dataclass(frozen=True, slots=True)
class ZoneAway:
    """A zone, and how far a place lies from its border in kilometres; ``None`` where only its centre is known."""

    zone: ZoneAt
    away_km: float | None


def zones_away(db: Session, place: Location) -> tuple[ZoneAway, ...]:
    """The ``NEAREST`` active zones of every operator, nearest border first. Two statements at most."""
    near = nearest_zones(db, place, limit=_CANDIDATES)
    found = [ZoneAway(zone, away) for zone, away in zip(near, _to_borders(db, place, near), strict=True)]
    # Where only the centre is known, the border lies nearer than that.
    return tuple(sorted(found, key=lambda one: (_known(one), one.zone.distance_km, one.zone.id))[:NEAREST])


def _known(one: ZoneAway) -> float:
    return one.zone.distance_km if one.away_km is None else one.away_km


def _to_borders(db: Session, place: Location, near: Sequence[ZoneAt]) -> list[float | None]:
    """The way to each zone's border. A circle's follows from its radius; for polygons their rings are read."""
    polygons = [zone.distance_km for zone in near if zone.kind is ZoneKind.POLYGON]
    # A ring's box holds the mean of its corners: whatever has its centre in the circle reaches into this box.
    box = circle_bounds(place, max(polygons) + 0.001) if polygons else None
    shapes = {zone.id: zone.shape for zone in zones_meeting(db, box, most=_NEIGHBOURS)} if box is not None else {}
    return [
        max(0.0, round(zone.distance_km - zone.reach_km, 3))
        if zone.kind is ZoneKind.CIRCLE
        else away_km(shapes[zone.id], place)
        if zone.id in shapes
        else None
        for zone in near
    ]
