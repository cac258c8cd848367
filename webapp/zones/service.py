"""Drawing and changing zones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.geo import Bounds, Location, circle_bounds, ring_bounds
from webapp.core.ids import new_id
from webapp.core.names import clean_name, name_key
from webapp.db.base import violates
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.operators.rules import operator_of
from webapp.zones import queries
from webapp.zones.importing import ImportPlan, plan_import
from webapp.zones.models import Zone
from webapp.zones.rules import ZoneCommand, check_zone
from webapp.zones.shapes import clean_ring

_NAME_TAKEN = ("uq_zones_company_name_key", "uq_zones_franchise_name_key")
_ROUNDING_KM = 0.001
"""Distances are rounded to one metre (rule Z2), so a place up to half a metre outside a circle still counts."""


@dataclass(frozen=True, slots=True)
class _Sound:
    """A command that passed every check, with clean texts."""

    command: ZoneCommand

    @property
    def bounds(self) -> Bounds:
        """The box of the index, never smaller than what the lookup counts as inside."""
        if self.command.ring is not None:
            return ring_bounds(self.command.ring)
        return circle_bounds(self.command.measured_center, (self.command.radius_km or 0.0) + _ROUNDING_KM)

    def put_on(self, zone: Zone) -> None:
        """Write everything but the owner on a row."""
        command, center = self.command, self.command.measured_center
        zone.name, zone.name_key, zone.label = command.name, name_key(command.name), command.label
        zone.kind, zone.center_lat, zone.center_lng = command.kind, center.lat, center.lng
        zone.radius_km, zone.ring, zone.max_travel_km = command.radius_km, command.ring, command.max_travel_km
        zone.bounds, zone.area_km2 = self.bounds, command.area_km2
        zone.time_zone, zone.travel_buffer_minutes = command.time_zone, command.travel_buffer_minutes
        zone.active = command.active


def _sound(command: ZoneCommand, *, kept: tuple[Location, ...] | None = None) -> _Sound:
    """Raises ``Invalid`` for the field at fault. ``kept`` is the ring that is stored: it may stay as it is."""
    if command.ring is not None:
        # First, because it says where a ring is at fault; the rule only sees that nothing is inside.
        ring = command.ring if command.ring == kept else clean_ring(command.ring)
        command = replace(command, radius_km=None, center=None, ring=ring)
    else:
        command = replace(command, max_travel_km=None)
    check_zone(command)
    label = clean_name(command.label, field="label") if command.label.strip() else ""
    return _Sound(replace(command, name=clean_name(command.name), label=label))


def create(work: Work, command: ZoneCommand, *, by: Actor, now: datetime) -> UUID:
    """Draw a zone for the company or a franchise.

    Raises ``Invalid`` for the field at fault (a name in use within the operator is one: rule Z1), ``NotFound`` for an
    operator that is not the actor's.
    """
    sound = _sound(command)
    operator_id = operator_of(command.franchise_id)
    if not by.sees_everything and by.operator_id != operator_id:
        raise NotFound()
    zone = Zone(id=new_id(), franchise_id=command.franchise_id, created_at=now)
    sound.put_on(zone)
    work.db.add(zone)
    _flush(work, sound.command.name)
    audit.record(
        work,
        "zone.created",
        "zone",
        zone.id,
        operator_id=operator_id,
        by=by,
        after=_facts(zone),
        at=now,
    )
    return zone.id


def change(work: Work, zone_id: UUID, command: ZoneCommand, *, by: Actor, now: datetime) -> bool:
    """Redraw, rename, retire or revive a zone; whether anything changed. Its operator never changes.

    Raises ``NotFound`` for a zone that is not there or not the actor's, ``Invalid`` for the field at fault, and
    ``Conflict`` for another time zone while trainers work here.
    """
    zone = work.db.scalar(
        select(Zone).where(Zone.id == zone_id, owned_by(Zone.operator_id, by)).with_for_update(key_share=True)
    )
    if zone is None:
        raise NotFound()
    sound = _sound(command, kept=zone.ring)
    before = _facts(zone)
    sound.put_on(zone)
    after = _facts(zone)
    if before == after:
        return False
    _flush(work, sound.command.name)
    changed = {name for name in after if before[name] != after[name]}
    audit.record(
        work,
        "zone.changed",
        "zone",
        zone_id,
        operator_id=zone.operator_id,
        by=by,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
        at=now,
    )
    return True


def import_zones(
    work: Work, commands: Iterable[ZoneCommand], *, operator_id: UUID, by: Actor, now: datetime
) -> ImportPlan:
    """Make an operator's zones what a file says, all or nothing; zones the file does not name stay as they are.

    A zone is known by its name. Raises like ``create`` and ``change``.
    """
    plan = plan_import(queries.zones_by_key(work.db, operator_id), commands)
    for command in plan.created:
        create(work, command, by=by, now=now)
    for zone_id, command in plan.updated:
        change(work, zone_id, command, by=by, now=now)
    return plan


def _facts(zone: Zone) -> dict[str, Any]:
    return {
        "name": zone.name,
        "label": zone.label,
        "kind": zone.kind.value,
        "center": [zone.center_lat, zone.center_lng],
        "radius_km": zone.radius_km,
        "ring": None if zone.ring is None else [[corner.lat, corner.lng] for corner in zone.ring],
        "max_travel_km": zone.max_travel_km,
        "time_zone": zone.time_zone,
        "travel_buffer_minutes": zone.travel_buffer_minutes,
        "active": zone.active,
    }


def _flush(work: Work, name: str) -> None:
    try:
        work.db.flush()  # So that the database's refusal is heard here, in words, and not at the commit.
    except IntegrityError as error:
        if violates(error, _NAME_TAKEN):
            raise Invalid(
                "zone-name-taken", "There is already a zone named %(name)s.", field="name", name=name
            ) from error
        if violates(error, ["fk_trainer_zones_operator_id_zone_id_time_zone"]):
            raise Conflict(
                "zone-has-trainers",
                "Trainers work in this zone: take them out before you change its time zone.",
            ) from error
        raise
