"""Territories: who serves a place, in which order, and what a sound zone is (rules Z1 to Z4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from math import isfinite
from uuid import UUID
from zoneinfo import available_timezones

from webapp.core.errors import Invalid, RuleBroken
from webapp.core.geo import Location, circle_area_km2, distance_km, ring_area_km2, ring_center, ring_contains
from webapp.core.names import clean_name, name_key

__all__ = [
    "MAX_RADIUS_KM",
    "MAX_TRAVEL_BUFFER_MINUTES",
    "ContainingZone",
    "Disputes",
    "ZoneCommand",
    "ZoneFacts",
    "ZoneKind",
    "check_zone",
    "containing",
    "faults_of",
    "is_time_zone",
    "name_key",
    "reach_km",
    "said_km2",
]

MAX_RADIUS_KM = 500.0
"""Largest radius of a circle and largest way of a polygon's trainers, in kilometres."""

MAX_TRAVEL_BUFFER_MINUTES = 240


class ZoneKind(StrEnum):
    """The two shapes of a territory."""

    CIRCLE = "circle"
    POLYGON = "polygon"


class Disputes(StrEnum):
    """What becomes of a border that takes ground of another operator's zone: it is refused, or it needs a reason."""

    REFUSE = "refuse"
    REASON = "reason"


@dataclass(frozen=True, slots=True)
class ZoneFacts:
    """A zone as rules see it: a circle has a radius, a polygon a ring and a ``max_travel_km``. Kilometres."""

    id: UUID
    operator_id: UUID
    name: str
    center: Location
    radius_km: float | None
    ring: tuple[Location, ...] | None
    area_km2: float
    created_at: datetime
    active: bool
    time_zone: str
    max_travel_km: float | None = None
    travel_buffer_minutes: int = 0

    @property
    def kind(self) -> ZoneKind:
        """A zone with a ring is a polygon."""
        return ZoneKind.CIRCLE if self.ring is None else ZoneKind.POLYGON


@dataclass(frozen=True, slots=True)
class ContainingZone:
    """A zone that contains the place asked for, with the numbers that ordered it (rule Z2)."""

    zone_id: UUID
    operator_id: UUID
    name: str
    time_zone: str
    distance_km: float
    reach_km: float
    area_km2: float
    created_at: datetime


def reach_km(zone: ZoneFacts) -> float:
    """How far from a student a trainer's base may lie (rule T8): the radius, or a polygon's ``max_travel_km``.

    Raises ``RuleBroken`` for a zone stored without it.
    """
    reach = zone.radius_km if zone.kind is ZoneKind.CIRCLE else zone.max_travel_km
    if reach is None:
        raise RuleBroken(f"zone {zone.id} has no reach")
    return reach


def _contains(zone: ZoneFacts, place: Location, away_km: float) -> bool:
    if zone.ring is not None:
        return ring_contains(zone.ring, place)
    return away_km <= reach_km(zone)


def containing(zones: Iterable[ZoneFacts], place: Location) -> list[ContainingZone]:
    """Every active zone that contains the place, borders included, the serving one first (rule Z2).

    The nearest centre wins (great-circle, rounded to one metre), then the smaller area (rounded to one square metre),
    then the older zone, then the id. Empty: nobody serves the place (rule Z4).
    """
    found = []
    for zone in zones:
        away_km = distance_km(zone.center, place)
        if zone.active and _contains(zone, place, away_km):
            found.append(
                ContainingZone(
                    zone_id=zone.id,
                    operator_id=zone.operator_id,
                    name=zone.name,
                    time_zone=zone.time_zone,
                    distance_km=away_km,
                    reach_km=reach_km(zone),
                    area_km2=zone.area_km2,
                    created_at=zone.created_at,
                )
            )
    return sorted(found, key=lambda z: (z.distance_km, round(z.area_km2 * 1_000_000), z.created_at, z.zone_id))


@dataclass(frozen=True, slots=True)
class ZoneCommand:
    """A zone to create or change. Circle: ``center`` and ``radius_km``. Polygon: ``ring`` and ``max_travel_km``.

    ``franchise_id`` is ``None`` for a zone of the company (rule Z1).
    """

    name: str
    franchise_id: UUID | None
    time_zone: str
    center: Location | None = None
    radius_km: float | None = None
    ring: tuple[Location, ...] | None = None
    max_travel_km: float | None = None
    travel_buffer_minutes: int = 0
    label: str = ""
    active: bool = True

    @property
    def kind(self) -> ZoneKind:
        """A zone with a ring is a polygon."""
        return ZoneKind.CIRCLE if self.ring is None else ZoneKind.POLYGON

    @property
    def measured_center(self) -> Location:
        """The circle's centre, or the mean of the polygon's corners. Raises ``RuleBroken`` on an unchecked command."""
        if self.ring is not None:
            return ring_center(self.ring)
        if self.center is None:
            raise RuleBroken("a circle has a centre")
        return self.center

    @property
    def area_km2(self) -> float:
        """Area in square kilometres, on the sphere."""
        return ring_area_km2(self.ring) if self.ring is not None else circle_area_km2(self.radius_km or 0.0)


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def is_time_zone(name: str) -> bool:
    """Whether the IANA time zone database of this machine knows the name."""
    return name in _time_zones()


def said_km2(area: float) -> str:
    """Square kilometres as people say them, never as none where there is some."""
    if area >= 10:
        return f"{area:.0f}"
    return f"{area:.1f}" if area >= 0.1 else f"{max(area, 0.0001):.1g}"


def _is_length(km: float | None) -> bool:
    return km is not None and isfinite(km) and 0 < km <= MAX_RADIUS_KM


def _shape_faults(zone: ZoneCommand) -> list[Invalid]:
    if zone.ring is not None:
        faults = []
        if len(set(zone.ring)) < 3 or ring_area_km2(zone.ring) == 0:
            faults.append(
                Invalid("ring-too-small", "A polygon needs at least three corners around an area.", field="ring")
            )
        if not _is_length(zone.max_travel_km):
            faults.append(
                Invalid(
                    "travel-range",
                    "Enter how far trainers may travel: more than 0 and at most %(limit)s km.",
                    field="max_travel_km",
                    limit=int(MAX_RADIUS_KM),
                )
            )
        return faults
    faults = []
    if zone.center is None:
        faults.append(Invalid("center-missing", "A circle needs a centre.", field="center"))
    if not _is_length(zone.radius_km):
        faults.append(
            Invalid(
                "radius-range",
                "Enter a radius of more than 0 and at most %(limit)s km.",
                field="radius_km",
                limit=int(MAX_RADIUS_KM),
            )
        )
    return faults


def faults_of(zone: ZoneCommand) -> list[Invalid]:
    """Everything wrong with a zone, one ``Invalid`` per field, so that a form can show them all at once."""
    faults = []
    try:
        clean_name(zone.name)
    except Invalid as fault:
        faults.append(fault)
    if not is_time_zone(zone.time_zone):
        faults.append(Invalid("time-zone-unknown", "This time zone is not known.", field="time_zone"))
    if not 0 <= zone.travel_buffer_minutes <= MAX_TRAVEL_BUFFER_MINUTES:
        faults.append(
            Invalid(
                "buffer-range",
                "Enter a travel buffer of 0 to %(limit)s minutes.",
                field="travel_buffer_minutes",
                limit=MAX_TRAVEL_BUFFER_MINUTES,
            )
        )
    return faults + _shape_faults(zone)


def check_zone(zone: ZoneCommand) -> None:
    """Raise the first fault of a zone, an ``Invalid`` naming its field."""
    for fault in faults_of(zone):
        raise fault
