"""What is to be said of a shape while it is drawn: how large it is, whose ground it takes, where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.core.errors import Invalid
from webapp.core.geo import Bounds, Location
from webapp.zones.disputes import served, shape_of
from webapp.zones.hints import Surroundings, looks_swapped, swapped, time_zone_at
from webapp.zones.lookup import nearest_zones
from webapp.zones.neighbours import MOST, SharedGround, ground_shared_with, students_there, zones_meeting
from webapp.zones.rules import ZoneCommand
from webapp.zones.shapes import MAX_DRAWN, clean_ring
from webapp.zones.sound import SoundZone

MANY_CORNERS: Final = 60
"""More corners than that, and fewer are offered."""
SHOWN: Final = 20
"""Most zones that share ground are listed, those that share most."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """A zone that shares ground with the shape; how many students live there, ``None`` where nobody asked."""

    ground: SharedGround
    students: int


@dataclass(frozen=True, slots=True)
class Preview:
    """A sound shape. ``disputes`` are other operators' zones, ``own`` the operator's, those that share most first.

    ``more`` counts those not listed. ``time_zone`` is the place's own, ``None`` at sea. ``swapped`` is where the place
    would lie with its numbers changed over, when that is likelier.
    """

    center: Location
    area_km2: float
    corners: int | None
    drawn: int | None
    disputes: tuple[Overlap, ...]
    own: tuple[Overlap, ...]
    more: int
    crowded: bool
    time_zone: str | None
    swapped: Location | None

    @property
    def disputed(self) -> bool:
        """Whether ground of another operator is newly taken."""
        return any(each.ground.gained_km2 > 0 for each in self.disputes)


def bounds_of(command: ZoneCommand) -> Bounds:
    """The box around a checked shape."""
    return SoundZone(command).bounds


def preview_of(
    db: Session,
    command: ZoneCommand,
    *,
    operator_id: UUID,
    drawn: int | None = None,
    before: ZoneCommand | None = None,
    zone_id: UUID | None = None,
) -> Preview:
    """What is to be said of a shape that is sound. ``before`` and ``zone_id`` are the zone's that is changed.

    A retired zone takes nobody's ground. At most five statements.
    """
    bounds, shape, center = bounds_of(command), shape_of(command), command.measured_center
    around = zones_meeting(db, bounds) if command.active else ()
    others = [zone for zone in around if zone.id != zone_id]
    grounds = ground_shared_with(others, shape, before=served(before))
    disputes = [ground for ground in grounds if ground.zone.operator_id != operator_id]
    own = [ground for ground in grounds if ground.zone.operator_id == operator_id]
    listed = (*disputes[:SHOWN], *own[:SHOWN])
    students = students_there(db, [ground.zone.id for ground in listed], shape, bounds)
    zone_here = time_zone_at(center)
    return Preview(
        center=center,
        area_km2=command.area_km2,
        corners=len(command.ring) if command.ring is not None else None,
        drawn=drawn,
        disputes=tuple(Overlap(ground, students.get(ground.zone.id, 0)) for ground in disputes[:SHOWN]),
        own=tuple(Overlap(ground, students.get(ground.zone.id, 0)) for ground in own[:SHOWN]),
        more=len(grounds) - len(listed),
        crowded=len(around) >= MOST,
        time_zone=zone_here,
        swapped=_swapped(db, center, on_land=zone_here is not None),
    )


def fewer_corners(drawn: Sequence[Location], tolerances: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """How many corners are left of a border with many when it is moved by so many metres: (metres, corners).

    Only what makes a difference; nothing for a border that is not sound.
    """
    if not MANY_CORNERS < len(drawn) <= MAX_DRAWN:
        return ()
    found: list[tuple[int, int]] = []
    fewest = len(drawn)
    for metres in tolerances:
        try:
            left = len(clean_ring(drawn, tolerance_m=float(metres)))
        except Invalid:
            continue
        if left < fewest:
            found.append((metres, left))
            fewest = left
    return tuple(found)


def _swapped(db: Session, place: Location, *, on_land: bool) -> Location | None:
    other = swapped(place)
    if other is None:
        return None
    here = Surroundings(on_land, _nearest_km(db, place))
    if here.likely:
        return None
    there = Surroundings(time_zone_at(other) is not None, _nearest_km(db, other))
    return other if looks_swapped(here, there) else None


def _nearest_km(db: Session, place: Location) -> float | None:
    found = nearest_zones(db, place, limit=1)
    return found[0].distance_km if found else None
