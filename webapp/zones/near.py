"""The zones that a map shows around what somebody looks at. Reads across operators, like the lookup of a place."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from math import isfinite
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.core.errors import Invalid
from webapp.core.geo import Bounds, Location, distance_km
from webapp.db.tenancy import owned_by
from webapp.zones.models import Zone
from webapp.zones.neighbours import Neighbour, zones_meeting
from webapp.zones.shapes import Shape

SHOWN: Final = 200
"""Most zones of one answer: a map that shows more says nothing."""
CORNERS: Final = 20_000
"""Most corners of one answer, half a megabyte; whoever lies further away is left out."""
WIDEST: Final = 6.0
"""Widest and tallest box that is asked for, in degrees."""


def read_box(given: str) -> Bounds:
    """A box as GeoJSON writes it (RFC 7946, section 5): west, south, east, north in degrees, with commas.

    Raises ``Invalid`` for the field ``bbox``: four numbers, the right way round, on the earth, at most ``WIDEST`` wide.
    """
    try:
        west, south, east, north = (float(part) for part in given.split(","))
    except ValueError as error:
        raise _no_box() from error
    sound = all(isfinite(number) for number in (west, south, east, north))
    if not (sound and -90 <= south < north <= 90 and -360 <= west < east <= 360):
        raise _no_box()
    if north - south > WIDEST or east - west > WIDEST:
        raise Invalid("box-too-wide", "The map shows too much: come nearer.", field="bbox")
    return Bounds(south, west, north, east)


def _no_box() -> Invalid:
    return Invalid("no-box", "Give west, south, east and north in degrees, with commas.", field="bbox")


def zones_near(db: Session, box: Bounds) -> tuple[tuple[Neighbour, ...], bool]:
    """Active zones of every operator that reach into a box, nearest to its middle first; and whether they are all.

    Where a box holds more than twice as many as are shown, they are the nearest of its oldest zones: whoever looks is
    told to come nearer.
    """
    found = zones_meeting(db, box, most=2 * SHOWN)
    middle = Location((box.south + box.north) / 2, _on_earth((box.west + box.east) / 2))
    nearest = sorted(found, key=lambda zone: (distance_km(middle, zone.center), zone.id))[:SHOWN]
    corners = list(accumulate(len(zone.ring or ()) for zone in nearest))
    shown = bisect_right(corners, CORNERS)
    return tuple(nearest[:shown]), shown == len(found)


def _on_earth(lng: float) -> float:
    return (lng + 180) % 360 - 180


def drawn(shape: Shape) -> dict[str, Any]:
    """A shape as the page's script draws it: degrees, latitude first, to seven digits (a centimetre); kilometres."""
    if shape.ring is not None:
        return {"ring": [_degrees(corner) for corner in shape.ring]}
    return {"center": _degrees(shape.center), "radius_km": shape.radius_km}


def _degrees(place: Location) -> list[float]:
    return [round(place.lat, 7), round(place.lng, 7)]


def own_extent(db: Session, *, visible_to: Actor) -> Bounds | None:
    """The box around the middles of the active zones that the actor may see; ``None`` where there are none."""
    lat, lng = Zone.center_lat, Zone.center_lng
    asked = select(func.min(lat), func.min(lng), func.max(lat), func.max(lng))
    south, west, north, east = db.execute(asked.where(Zone.active, owned_by(Zone.operator_id, visible_to))).one()
    return None if south is None else Bounds(south, west, north, east)
