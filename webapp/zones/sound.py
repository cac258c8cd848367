"""A zone that passed every check, as the columns of its row and as what the audit tells of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from webapp.core.geo import Bounds, Location, circle_bounds, ring_bounds
from webapp.core.names import clean_name, name_key
from webapp.zones.rules import ZoneCommand, check_zone
from webapp.zones.shapes import clean_ring

_ROUNDING_KM = 0.001
"""Distances are rounded to one metre (rule Z2), so a place up to half a metre outside a circle still counts."""


@dataclass(frozen=True, slots=True)
class SoundZone:
    """A command that passed every check, with clean texts and a clean ring."""

    command: ZoneCommand

    @property
    def bounds(self) -> Bounds:
        """The box of the index, never smaller than what the lookup counts as inside."""
        return bounds_of(self.command.measured_center, self.command.radius_km, self.command.ring)

    @property
    def columns(self) -> dict[str, Any]:
        """Everything on its row but id, owner and when it was drawn."""
        command, center = self.command, self.command.measured_center
        return {
            "name": command.name,
            "name_key": name_key(command.name),
            "label": command.label,
            "kind": command.kind,
            "center_lat": center.lat,
            "center_lng": center.lng,
            "radius_km": command.radius_km,
            "ring": command.ring,
            "max_travel_km": command.max_travel_km,
            "bounds": self.bounds,
            "area_km2": command.area_km2,
            "time_zone": command.time_zone,
            "travel_buffer_minutes": command.travel_buffer_minutes,
            "active": command.active,
        }


def bounds_of(center: Location, radius_km: float | None, ring: tuple[Location, ...] | None) -> Bounds:
    """The box around a shape, never smaller than what a lookup counts as inside."""
    return ring_bounds(ring) if ring is not None else circle_bounds(center, (radius_km or 0.0) + _ROUNDING_KM)


def sound(command: ZoneCommand, *, kept: tuple[Location, ...] | None = None) -> SoundZone:
    """Raises ``Invalid`` for the field at fault. ``kept`` is the ring that is stored: it may stay as it is."""
    if command.ring is not None:
        # First, because it says where a ring is at fault; the rule only sees that nothing is inside.
        ring = command.ring if command.ring == kept else clean_ring(command.ring)
        command = replace(command, radius_km=None, center=None, ring=ring)
    else:
        command = replace(command, max_travel_km=None)
    check_zone(command)
    label = clean_name(command.label, field="label") if command.label.strip() else ""
    return SoundZone(replace(command, name=clean_name(command.name), label=label))


def facts_of(zone: ZoneCommand) -> dict[str, Any]:
    """What the audit tells of a zone."""
    center = zone.measured_center
    return {
        "name": zone.name,
        "label": zone.label,
        "kind": zone.kind.value,
        "center": [center.lat, center.lng],
        "radius_km": zone.radius_km,
        "ring": None if zone.ring is None else [[corner.lat, corner.lng] for corner in zone.ring],
        "max_travel_km": zone.max_travel_km,
        "time_zone": zone.time_zone,
        "travel_buffer_minutes": zone.travel_buffer_minutes,
        "active": zone.active,
    }


def changed_facts(before: ZoneCommand, after: ZoneCommand) -> tuple[dict[str, Any], dict[str, Any]]:
    """What differs between two states of a zone: as it was, and as it is."""
    was, now = facts_of(before), facts_of(after)
    changed = [name for name in now if was[name] != now[name]]
    return {name: was[name] for name in changed}, {name: now[name] for name in changed}
