"""Zones as a file: CSV for a spreadsheet, GeoJSON for a map. What is written here is read back as no change at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from webapp.zones.files.csv_rows import ESCAPED
from webapp.zones.rules import ZoneCommand

HEADING: Final = (
    "name",
    "label",
    "operator",
    "kind",
    "time_zone",
    "center_lat",
    "center_lng",
    "radius_km",
    "corners",
    "max_travel_km",
    "travel_buffer_minutes",
    "active",
)
_MOST_AT_ONCE: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class ExportedZone:
    """A zone with the name of whose it is."""

    operator_name: str
    command: ZoneCommand


def csv_cells(zones: Iterable[ExportedZone]) -> Iterator[tuple[Any, ...]]:
    """The cells under ``HEADING``. A border is WKT, for which no spreadsheet knows a sum."""
    for one in zones:
        zone = one.command
        yield (
            _text(zone.name),
            _text(zone.label),
            _text(one.operator_name),
            zone.kind,
            zone.time_zone,
            zone.center.lat if zone.center is not None else None,
            zone.center.lng if zone.center is not None else None,
            zone.radius_km,
            _wkt(zone) if zone.ring is not None else None,
            zone.max_travel_km,
            zone.travel_buffer_minutes,
            zone.active,
        )


def geojson_pieces(zones: Iterable[ExportedZone]) -> Iterator[bytes]:
    """A FeatureCollection in pieces of some 32 kB, a feature on each line (RFC 7946)."""
    pieces, size, first = ['{"type":"FeatureCollection","features":[\n'], 0, True
    for one in zones:
        piece = ("" if first else ",\n") + json.dumps(_feature(one), ensure_ascii=False, separators=(",", ":"))
        pieces.append(piece)
        size, first = size + len(piece), False
        if size >= _MOST_AT_ONCE:
            yield "".join(pieces).encode()
            pieces, size = [], 0
    pieces.append("\n]}\n")
    yield "".join(pieces).encode()


def _text(text: str) -> str:
    """Text that looks as if it were kept from being a formula already gets one more apostrophe (see ``csv_rows``)."""
    return "'" + text if ESCAPED.match(text) else text


def _wkt(zone: ZoneCommand) -> str:
    ring = zone.ring or ()
    return "POLYGON ((" + ", ".join(f"{corner.lng!r} {corner.lat!r}" for corner in (*ring, *ring[:1])) + "))"


def _feature(one: ExportedZone) -> dict[str, Any]:
    zone = one.command
    properties: dict[str, Any] = {
        "name": zone.name,
        "label": zone.label,
        "operator": one.operator_name,
        "time_zone": zone.time_zone,
        "travel_buffer_minutes": zone.travel_buffer_minutes,
        "active": zone.active,
    }
    if zone.ring is not None:
        corners = [[corner.lng, corner.lat] for corner in (*zone.ring, *zone.ring[:1])]
        properties["max_travel_km"] = zone.max_travel_km
        return {
            "type": "Feature",
            "properties": properties,
            "geometry": {"type": "Polygon", "coordinates": [corners]},
        }
    properties["radius_km"] = zone.radius_km
    center = zone.measured_center
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": "Point", "coordinates": [center.lng, center.lat]},
    }
