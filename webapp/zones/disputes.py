"""Ground that two operators would own: refused, or allowed with a reason. Part of the service."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core.errors import Invalid
from webapp.zones.models import ZoneSet
from webapp.zones.neighbours import SharedGround, ground_shared_with, zones_meeting
from webapp.zones.rules import Disputes, ZoneCommand, said_km2
from webapp.zones.shapes import Shape
from webapp.zones.sound import SoundZone

MOST_AROUND: Final = 10_000
"""Most zones around that are looked at: seconds of cutting shapes."""


def settle(
    db: Session,
    zone: SoundZone,
    *,
    operator_id: UUID,
    reason: str | None,
    asking: Disputes | None,
    before: ZoneCommand | None = None,
    zone_id: UUID | None = None,
) -> list[UUID]:
    """Ask about ground that a zone newly shares with zones of other operators; the ids of those zones.

    ``before`` is what the zone was. Raises ``Invalid``: for field ``reason`` where one is missing, for the shape where
    sharing is refused. From here to the commit nobody else changes any zone: of two who take the same ground at the
    same moment, the second is asked about the first.
    """
    if asking is None or not zone.command.active:
        return []
    db.execute(select(ZoneSet.version).with_for_update())
    around = zones_meeting(db, zone.bounds, most=MOST_AROUND + 1)
    if len(around) > MOST_AROUND:
        raise Invalid(
            "zones-around",
            "More than %(limit)s zones lie around this ground: draw a smaller zone.",
            field=_field_of(zone),
            limit=MOST_AROUND,
        )
    neighbours = [near for near in around if near.operator_id != operator_id and near.id != zone_id]
    grounds = ground_shared_with(neighbours, shape_of(zone.command), before=served(before))
    disputed = [ground for ground in grounds if ground.gained_km2 > 0]
    if disputed and asking is Disputes.REFUSE:
        raise _refusal(
            "zone-disputed",
            "%(zone)s of %(operator)s has %(area)s km² of this ground already. Draw the border around it.",
            _field_of(zone),
            disputed[0],
        )
    if disputed and reason is None:
        raise _refusal(
            "zone-dispute-reason",
            "%(zone)s of %(operator)s has %(area)s km² of this ground already: say why both may serve it.",
            "reason",
            disputed[0],
        )
    return [ground.zone.id for ground in disputed]


def _field_of(zone: SoundZone) -> str:
    """The field of a shape that has to give way."""
    return "corners" if zone.command.ring is not None else "radius_km"


def shape_of(command: ZoneCommand) -> Shape:
    """The shape of a checked command."""
    return Shape(command.measured_center, command.radius_km, command.ring)


def served(command: ZoneCommand | None) -> Shape | None:
    """The ground that a zone served: none while it was retired or not there."""
    return shape_of(command) if command is not None and command.active else None


def _refusal(code: str, sentence: str, field: str, ground: SharedGround) -> Invalid:
    zone = ground.zone
    return Invalid(
        code, sentence, field=field, zone=zone.name, operator=zone.operator_name, area=said_km2(ground.gained_km2)
    )
