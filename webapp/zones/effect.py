"""What a change of a border does: whose place is served by another zone afterwards. Pure; nothing moves by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np

from webapp.core.geo import Bounds, Location
from webapp.zones.rules import ZoneFacts, containing

_TURNS: Final = (-360.0, 0.0, 360.0)


@dataclass(frozen=True, slots=True)
class Placed:
    """A booking or a trainer with a place; ``zone_id`` is the zone a booking was made in, and of which version."""

    id: UUID
    name: str
    place: Location
    zone_id: UUID | None = None
    zone_version: int | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """Who serves a place."""

    zone_id: UUID
    zone_name: str
    operator_id: UUID
    operator_name: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A place that another zone or none serves after the change; ``left``: a booking's own zone lets it go."""

    who: Placed
    before: Server | None
    after: Server | None
    left: bool = False

    @property
    def changes_operator(self) -> bool:
        """Whether another operator serves it afterwards, or none any more."""
        return (self.before and self.before.operator_id) != (self.after and self.after.operator_id)


class Ground:
    """Some zones, and who of them serves a place (rule Z2)."""

    def __init__(self, zones: Sequence[tuple[ZoneFacts, Bounds]], operators: Mapping[UUID, str]) -> None:
        """Zones with their boxes; retired ones serve nobody."""
        self._zones = [zone for zone, _box in zones]
        self._operators = operators
        boxes = [(box.south, box.north, box.west, box.east) for _zone, box in zones]
        self._boxes = np.array(boxes, dtype=float).reshape(len(boxes), 4).T

    def server(self, place: Location) -> Server | None:
        """Who serves a place."""
        south, north, west, east = self._boxes
        lng = np.add.outer(_TURNS, np.full(south.shape, place.lng))
        near = (south <= place.lat) & (place.lat <= north) & ((west <= lng) & (lng <= east)).any(axis=0)
        found = containing((self._zones[index] for index in np.flatnonzero(near)), place)
        if not found:
            return None
        first = found[0]
        return Server(first.zone_id, first.name, first.operator_id, self._operators.get(first.operator_id, ""))


def moved(placed: Iterable[Placed], before: Ground, after: Ground, *, was: ZoneFacts, now: ZoneFacts) -> list[Moved]:
    """Who of them is served by another zone after ``was`` became ``now``, or was booked in it and lies in it no more.

    Those whose operator changes first, then by name.
    """
    found = []
    for one in placed:
        held, holds = bool(containing([was], one.place)), bool(containing([now], one.place))
        left = one.zone_id == was.id and held and not holds
        if not (held or holds):
            continue
        served, serves = before.server(one.place), after.server(one.place)
        if left or (served and served.zone_id) != (serves and serves.zone_id):
            found.append(Moved(one, served, serves, left))
    return sorted(found, key=lambda each: (not each.changes_operator, each.who.name, each.who.id))
