"""A change of a zone, weighed before it is saved: whose place another zone would serve."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from webapp.core.geo import Bounds
from webapp.zones.effect import Ground, Moved, Placed, moved
from webapp.zones.neighbours import zones_meeting
from webapp.zones.preview import bounds_of
from webapp.zones.queries import ZoneDetail
from webapp.zones.rules import ZoneCommand, ZoneFacts

MOST_AROUND: Final = 10_000
"""Most zones around that are looked at."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Who would be served by another zone, those whose operator changes first."""

    bookings: tuple[Moved, ...]
    trainers: tuple[Moved, ...]

    @property
    def nothing(self) -> bool:
        """Whether nobody would."""
        return not self.bookings and not self.trainers

    @property
    def changing_operator(self) -> int:
        """How many bookings another operator would serve, or nobody."""
        return sum(1 for each in self.bookings if each.changes_operator)


def moves_border(before: ZoneCommand, after: ZoneCommand) -> bool:
    """Whether a change is one to look at first: another shape, another time zone, retired or revived."""
    return _ground(before) != _ground(after)


def _ground(command: ZoneCommand) -> tuple[object, ...]:
    shape = (command.center, command.radius_km, command.ring, command.max_travel_km)
    return (*shape, command.time_zone, command.active)


def box_around(before: ZoneCommand, after: ZoneCommand) -> Bounds:
    """The box around both shapes."""
    a, b = bounds_of(before), bounds_of(after)
    return Bounds(min(a.south, b.south), min(a.west, b.west), max(a.north, b.north), max(a.east, b.east))


def weigh(
    db: Session, zone: ZoneDetail, after: ZoneCommand, bookings: Iterable[Placed], trainers: Iterable[Placed]
) -> Effect:
    """What a change does to those who are placed around a zone. One statement."""
    before = zone.command
    around = zones_meeting(db, box_around(before, after), most=MOST_AROUND)
    was, now = _facts(zone, before), _facts(zone, after)
    others = [(near.facts, near.bounds) for near in around if near.id != zone.id]
    operators = {near.operator_id: near.operator_name for near in around} | {zone.operator_id: zone.operator_name}
    old = Ground([*others, (was, bounds_of(before))], operators)
    new = Ground([*others, (now, bounds_of(after))], operators)
    return Effect(
        tuple(moved(bookings, old, new, was=was, now=now)), tuple(moved(trainers, old, new, was=was, now=now))
    )


def _facts(zone: ZoneDetail, command: ZoneCommand) -> ZoneFacts:
    return ZoneFacts(
        id=zone.id,
        operator_id=zone.operator_id,
        name=command.name,
        center=command.measured_center,
        radius_km=command.radius_km,
        ring=command.ring,
        area_km2=command.area_km2,
        created_at=zone.created_at,
        active=command.active,
        time_zone=command.time_zone,
        max_travel_km=command.max_travel_km,
    )
