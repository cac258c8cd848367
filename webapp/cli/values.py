"""Values as people type them at a command: places, rings, working hours, days. Each fault is one sentence."""

from __future__ import annotations

import json
import re
from datetime import date, time
from pathlib import Path
from typing import Any, Final

import click

from webapp.core.geo import Location
from webapp.trainers.rules import WorkingHours

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_FILE: Final = 1024 * 1024
"""Largest GeoJSON file, in bytes."""

_HOURS: Final = re.compile(r"([a-z,-]+)\s+([0-9]{1,2}:[0-9]{2})-([0-9]{1,2}:[0-9]{2})")


def place(text: str) -> Location:
    """``LAT,LNG`` in degrees. Raises ``click.BadParameter``."""
    parts = text.split(",")
    try:
        lat, lng = (float(part) for part in parts)
        return Location(lat, lng)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a place like 17.6868,83.2185.") from error


def hours(text: str) -> tuple[WorkingHours, ...]:
    """``mon-sun 07:00-21:00``, ``mon,wed 14:00-24:00`` … as one period per day. Raises ``click.BadParameter``."""
    found = _HOURS.fullmatch(text.strip().lower())
    if found is None:
        raise click.BadParameter(f"{text!r} is not like 'mon-fri 07:00-21:00'.")
    days, starts, ends = found.groups()
    return tuple(WorkingHours(day, _time(starts), _time(ends)) for day in _days(days, text))


def instant(text: str) -> tuple[date, time | None]:
    """``YYYY-MM-DD`` or ``YYYY-MM-DD HH:MM``, local wall clock. Raises ``click.BadParameter``."""
    day, _space, clock = text.strip().partition(" ")
    try:
        return date.fromisoformat(day), _time(clock.strip()) if clock else None
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a day like 2027-01-04, or 2027-01-04 09:00.") from error


def ring(text: str) -> tuple[Location, ...]:
    """A GeoJSON file with one polygon, or ``lat,lng lat,lng …``, as it stands there.

    Raises ``click.BadParameter``, also for a polygon with holes or several parts.
    """
    return _from_file(Path(text)) if text.lower().endswith(("json", ".geojson")) else _typed(text)


def _typed(text: str) -> tuple[Location, ...]:
    return tuple(place(part) for part in text.split())


def _from_file(path: Path) -> tuple[Location, ...]:
    try:
        if path.stat().st_size > MAX_FILE:
            raise click.BadParameter(f"{path} is larger than {MAX_FILE // 1024} KiB.")
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise click.BadParameter(f"{path} is not JSON.") from error
    try:
        rings = _polygon(found)
        corners = tuple(Location(float(corner[1]), float(corner[0])) for corner in rings[0])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise click.BadParameter(f"{path} is not GeoJSON with one polygon.") from error
    if len(rings) > 1:
        raise click.BadParameter(f"The polygon of {path} has holes; a zone has none.")
    return corners


def _polygon(found: Any) -> list[Any]:
    """The rings of the one polygon in a geometry, feature or collection of one. Raises ``ValueError`` and its like."""
    if found["type"] == "FeatureCollection":
        (found,) = found["features"]
    if found["type"] == "Feature":
        found = found["geometry"]
    if found["type"] != "Polygon":
        raise ValueError(found["type"])
    rings: list[Any] = found["coordinates"]
    return rings


def _time(text: str) -> time:
    """``24:00`` is the midnight that ends the day, which the domain writes 00:00."""
    hour, _colon, minute = text.partition(":")
    try:
        return time(0) if text == "24:00" else time(int(hour), int(minute))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a time like 07:00.") from error


def _days(text: str, whole: str) -> list[int]:
    days: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last if dash else first)
        except ValueError as error:
            raise click.BadParameter(f"{whole!r}: weekdays are {', '.join(WEEKDAYS)}.") from error
        days += [day % 7 for day in range(begin, end + 1 if begin <= end else end + 8)]
    return days
