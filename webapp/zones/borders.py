"""Borders as people give them: corners line by line, or GeoJSON. Pure.

Whatever comes in is bounded before it is read: bytes, lines, nesting. Coordinates keep every digit they are given with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from math import isfinite
from typing import Any, Final, NoReturn

from webapp.core.errors import Invalid
from webapp.core.geo import Location
from webapp.zones.shapes import MAX_DRAWN

MOST_BYTES: Final = 2 * 1024 * 1024
"""Largest GeoJSON, in bytes."""

_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?", re.ASCII)
_DECIMAL_COMMAS: Final = re.compile(r"[-+]?\d+,\d+(?:\s*[,;]\s*|\s+)[-+]?\d+,\d+", re.ASCII)
_ONE_COMMA: Final = re.compile(r"[-+]?\d+,\d+", re.ASCII)


def read_border(text: str, *, field: str = "corners") -> tuple[Location, ...]:
    """A border from text: a corner on each line, "17.6868, 83.2185", or GeoJSON.

    Raises ``Invalid`` for ``field`` with the line that is at fault.
    """
    return read_geojson(text, field=field) if text.lstrip()[:1] in ("{", "[") else _read_lines(text, field)


def write_border(ring: Sequence[Location]) -> str:
    """A border as ``read_border`` takes it, to the last digit."""
    return "\n".join(f"{float(corner.lat)!r}, {float(corner.lng)!r}" for corner in ring)


def _read_lines(text: str, field: str) -> tuple[Location, ...]:
    if text.count("\n") > 2 * MAX_DRAWN:  # said by their number, without reading them
        _too_many(text.count("\n") + 1, field)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if len(lines) > MAX_DRAWN:
        _too_many(len(lines), field)
    return tuple(_corner(number, line, field) for number, line in lines)


def _corner(number: int, line: str, field: str) -> Location:
    parts = [part for part in re.split(r"[,;\s]+", line) if part]
    if (len(parts) == 4 and _DECIMAL_COMMAS.fullmatch(line)) or _ONE_COMMA.fullmatch(line):
        raise Invalid(
            "corner-comma",
            "Line %(line)s: write the decimals with a point, 17.6868, 83.2185.",
            field=field,
            line=number,
        )
    if len(parts) != 2:
        raise Invalid(
            "corner-shape", "Line %(line)s: give latitude and longitude, 17.6868, 83.2185.", field=field, line=number
        )
    if not all(_NUMBER.fullmatch(part) for part in parts):
        raise Invalid(
            "corner-number", "Line %(line)s: %(text)s is no number.", field=field, line=number, text=line[:60]
        )
    return _place(float(parts[0]), float(parts[1]), f"{number}", field)


def _place(lat: float, lng: float, where: str, field: str) -> Location:
    if not -90 <= lat <= 90:
        raise Invalid(
            "corner-latitude",
            "Corner %(corner)s: a latitude lies between -90 and 90, and %(number)s does not.",
            field=field,
            corner=where,
            number=f"{lat:g}" if abs(lat) >= 91 else repr(lat),
        )
    if not -180 <= lng <= 180:
        raise Invalid(
            "corner-longitude",
            "Corner %(corner)s: a longitude lies between -180 and 180, and %(number)s does not.",
            field=field,
            corner=where,
            number=f"{lng:g}" if abs(lng) >= 181 else repr(lng),
        )
    return Location(lat, lng)


def _too_many(corners: int, field: str) -> NoReturn:
    raise Invalid(
        "ring-too-long",
        "This border has %(corners)s corners; draw at most %(limit)s.",
        field=field,
        corners=corners,
        limit=MAX_DRAWN,
    )


def read_geojson(text: str | bytes, *, field: str = "geojson") -> tuple[Location, ...]:
    """The border of a GeoJSON Polygon (RFC 7946), of a Feature with one, or of a collection of one such feature.

    Raises ``Invalid`` for ``field``: no JSON, no polygon, several of them, a hole, more than ``MOST_BYTES``.
    """
    if len(text) > MOST_BYTES:
        raise Invalid(
            "geojson-too-large", "This is larger than %(limit)s MB.", field=field, limit=MOST_BYTES // 1024**2
        )
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        found = json.loads(text, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise Invalid("geojson-utf8", "This file is no UTF-8 text. Save it as UTF-8.", field=field) from error
    except json.JSONDecodeError as error:
        raise Invalid(
            "geojson-syntax", "This is no GeoJSON: look at line %(line)s.", field=field, line=error.lineno
        ) from error
    except (ValueError, RecursionError) as error:  # a NaN, a number of ten thousand digits, a bomb of brackets
        raise Invalid("geojson-unreadable", "This GeoJSON cannot be read.", field=field) from error
    return _ring(_polygon(found, field), field)


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _polygon(found: Any, field: str) -> list[Any]:
    """The rings of the one polygon."""
    if isinstance(found, list):  # bare coordinates: of a ring, or of a polygon
        return [found] if _is_position(found[:1]) else found
    for _step in range(3):
        kind = found.get("type") if isinstance(found, dict) else None
        if kind == "FeatureCollection":
            found = _only(found.get("features"), field)
        elif kind == "Feature":
            found = found.get("geometry")
        elif kind == "GeometryCollection":
            found = _only(found.get("geometries"), field)
        elif kind == "MultiPolygon":
            return _rings(_only(found.get("coordinates"), field), field)
        elif kind == "Polygon":
            return _rings(found.get("coordinates"), field)
    raise Invalid("geojson-no-polygon", "There is no GeoJSON Polygon in this.", field=field)


def _is_position(inside: list[Any]) -> bool:
    return bool(inside) and isinstance(inside[0], list) and bool(inside[0]) and isinstance(inside[0][0], int | float)


def _only(things: Any, field: str) -> Any:
    if not isinstance(things, list) or len(things) != 1:
        count = len(things) if isinstance(things, list) else 0
        raise Invalid(
            "geojson-several", "Give one polygon; there are %(count)s things in this.", field=field, count=count
        )
    return things[0]


def _rings(coordinates: Any, field: str) -> list[Any]:
    if not isinstance(coordinates, list):
        raise Invalid("geojson-no-polygon", "There is no GeoJSON Polygon in this.", field=field)
    return coordinates


def _ring(rings: list[Any], field: str) -> tuple[Location, ...]:
    if len(rings) > 1:
        hole = rings[1][0] if isinstance(rings[1], list) and rings[1] else None
        corner = _location(hole, "1", field)
        raise Invalid(
            "ring-hole",
            "This polygon has a hole at %(place)s: draw the border around it, or two zones beside it.",
            field=field,
            place=f"{corner.lat:.6f}, {corner.lng:.6f}",
        )
    ring = rings[0] if rings else []
    if not isinstance(ring, list):
        raise Invalid("geojson-no-polygon", "There is no GeoJSON Polygon in this.", field=field)
    if len(ring) > MAX_DRAWN + 1:
        _too_many(len(ring), field)
    corners = tuple(_location(position, f"{number}", field) for number, position in enumerate(ring, 1))
    # A ring is closed by its first corner; here the last one leads back to the first by itself.
    return corners[:-1] if len(corners) > 1 and corners[0] == corners[-1] else corners


def _location(position: Any, where: str, field: str) -> Location:
    numbers = position[:2] if isinstance(position, list) else []
    sound = len(numbers) == 2 and all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers)
    if not sound or not all(abs(n) < 1e9 and isfinite(n) for n in numbers):
        raise Invalid(
            "corner-position", "Corner %(corner)s is no pair of longitude and latitude.", field=field, corner=where
        )
    return _place(float(numbers[1]), float(numbers[0]), where, field)
