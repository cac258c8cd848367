"""Reading zones: who serves a place, what overlaps, and the pages' lists."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, String, any_, bindparam, func, select, tuple_
from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.core.errors import Invalid, NotFound
from webapp.core.geo import Location
from webapp.core.names import name_key
from webapp.db.tenancy import owned_by
from webapp.operators.models import Operator
from webapp.zones.lookup import ZoneAt, nearest_zones, zones_at, zones_unless
from webapp.zones.models import Zone
from webapp.zones.overlaps import ZoneOverlap, overlaps_of
from webapp.zones.rules import ZoneCommand, ZoneKind

__all__ = [
    "StoredZone",
    "ZoneAt",
    "ZoneChoice",
    "ZoneDetail",
    "ZoneOverlap",
    "ZoneRow",
    "ZoneTerms",
    "as_command",
    "nearest_zones",
    "overlaps_of",
    "zone",
    "zone_choices",
    "zone_named",
    "zone_terms",
    "zones_at",
    "zones_by_key",
    "zones_by_operator",
    "zones_index",
    "zones_unless",
]


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """A zone in a list. Lengths in kilometres; ``reach_km`` is the radius, or a polygon's longest way (rule T8)."""

    id: UUID
    operator_id: UUID
    operator_name: str
    name: str
    label: str
    kind: ZoneKind
    reach_km: float
    time_zone: str
    active: bool


@dataclass(frozen=True, slots=True)
class ZoneDetail:
    """A zone as its page shows it. Kilometres and square kilometres; the buffer in minutes."""

    id: UUID
    operator_id: UUID
    operator_name: str
    name: str
    label: str
    kind: ZoneKind
    center: Location
    radius_km: float | None
    ring: tuple[Location, ...] | None
    max_travel_km: float | None
    area_km2: float
    time_zone: str
    travel_buffer_minutes: int
    active: bool
    created_at: datetime
    version: int
    changed_at: datetime
    changed_by_name: str
    reason: str | None
    command: ZoneCommand
    """What would make the zone what it is."""

    @property
    def title(self) -> str:
        """Name and label in one."""
        return f"{self.name} · {self.label}" if self.label else self.name


@dataclass(frozen=True, slots=True)
class ZoneChoice:
    """A zone to choose in a filter."""

    id: UUID
    name: str
    label: str
    operator_name: str

    @property
    def title(self) -> str:
        """Name and label in one."""
        return f"{self.name} · {self.label}" if self.label else self.name


@dataclass(frozen=True, slots=True)
class ZoneOffer:
    """A zone of one operator that somebody may work in, or still does although it is switched off."""

    id: UUID
    name: str
    label: str
    time_zone: str
    active: bool


@dataclass(frozen=True, slots=True)
class ZoneTerms:
    """What a trainer who works in the zone must share with it."""

    id: UUID
    operator_id: UUID
    time_zone: str


@dataclass(frozen=True, slots=True)
class StoredZone:
    """A zone as a file of zones would give it, to be compared with one."""

    id: UUID
    name_key: str
    command: ZoneCommand


_REACH = func.coalesce(Zone.radius_km, Zone.max_travel_km)


def zones_index(
    db: Session,
    *,
    visible_to: Actor,
    search: str = "",
    operator_id: UUID | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[tuple[ZoneRow, ...], int]:
    """The zones the actor may see whose name or label holds ``search``, by name; and how many there are in all."""
    wanted = _listed(visible_to, search, operator_id)
    rows = db.execute(
        select(
            Zone.id,
            Zone.operator_id,
            Operator.name,
            Zone.name,
            Zone.label,
            Zone.kind,
            _REACH,
            Zone.time_zone,
            Zone.active,
        )
        .join(Operator, Operator.id == Zone.operator_id)
        .where(*wanted)
        .order_by(Zone.active.desc(), Zone.name_key, Operator.name_key, Zone.id)
        .limit(limit)
        .offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(Zone).where(*wanted)) or 0
    return tuple(ZoneRow(*row) for row in rows), total


def _listed(visible_to: Actor, search: str, operator_id: UUID | None) -> list[ColumnElement[bool]]:
    """What a zone of the list has to be."""
    wanted = [owned_by(Zone.operator_id, visible_to)]
    if search:
        wanted.append(Zone.name.icontains(search, autoescape=True) | Zone.label.icontains(search, autoescape=True))
    if operator_id is not None:
        wanted.append(Zone.operator_id == operator_id)
    return wanted


ListPlace = tuple[bool, str, str, UUID]
"""Where in the list a zone stands: retired ones behind, then its key, its operator's key, and its id."""


def zones_for_file(
    db: Session,
    *,
    visible_to: Actor,
    search: str,
    operator_id: UUID | None,
    limit: int,
    behind: ListPlace | None = None,
) -> list[tuple[ListPlace, str, ZoneCommand]]:
    """Zones of the list with their operators' names, in its order, from behind a place on."""
    place = (~Zone.active, Zone.name_key, Operator.name_key, Zone.id)
    wanted = _listed(visible_to, search, operator_id)
    if behind is not None:
        wanted.append(tuple_(*place) > tuple_(*behind))
    rows = db.execute(
        select(
            (~Zone.active).label("retired"),
            Zone.name_key,
            Operator.name_key.label("operator_key"),
            Zone.id,
            Operator.name.label("operator_name"),
            *(getattr(Zone, name) for name in _OF_COMMAND),
        )
        .join(Operator, Operator.id == Zone.operator_id)
        .where(*wanted)
        .order_by(*place)
        .limit(limit)
    )
    return [((row.retired, row.name_key, row.operator_key, row.id), row.operator_name, as_command(row)) for row in rows]


def zone_count(db: Session, *, visible_to: Actor, search: str, operator_id: UUID | None) -> int:
    """How many zones the list holds for a filter."""
    return db.scalar(select(func.count()).select_from(Zone).where(*_listed(visible_to, search, operator_id))) or 0


def zone(db: Session, zone_id: UUID, *, visible_to: Actor) -> ZoneDetail:
    """One zone. Raises ``NotFound``, also for another operator's (rule E2)."""
    row = db.execute(
        select(Zone, Operator.name)
        .join(Operator, Operator.id == Zone.operator_id)
        .where(Zone.id == zone_id, owned_by(Zone.operator_id, visible_to))
    ).one_or_none()
    if row is None:
        raise NotFound()
    found, operator_name = row
    return ZoneDetail(
        id=found.id,
        operator_id=found.operator_id,
        operator_name=operator_name,
        name=found.name,
        label=found.label,
        kind=found.kind,
        center=Location(found.center_lat, found.center_lng),
        radius_km=found.radius_km,
        ring=found.ring,
        max_travel_km=found.max_travel_km,
        area_km2=found.area_km2,
        time_zone=found.time_zone,
        travel_buffer_minutes=found.travel_buffer_minutes,
        active=found.active,
        created_at=found.created_at,
        version=found.version,
        changed_at=found.changed_at,
        changed_by_name=found.changed_by_name,
        reason=found.change_reason,
        command=as_command(found),
    )


def zone_choices(db: Session, *, visible_to: Actor) -> tuple[ZoneChoice, ...]:
    """The active zones the actor may see, by name: for filters."""
    rows = db.execute(
        select(Zone.id, Zone.name, Zone.label, Operator.name)
        .join(Operator, Operator.id == Zone.operator_id)
        .where(Zone.active, owned_by(Zone.operator_id, visible_to))
        .order_by(Zone.name_key, Operator.name_key, Zone.id)
    )
    return tuple(ZoneChoice(*row) for row in rows)


def zones_of_operator(
    db: Session, operator_id: UUID, *, visible_to: Actor, also: Collection[UUID] = ()
) -> tuple[ZoneOffer, ...]:
    """An operator's active zones, and those of ``also`` in any state, by name."""
    rows = db.execute(
        select(Zone.id, Zone.name, Zone.label, Zone.time_zone, Zone.active)
        .where(
            Zone.operator_id == operator_id,
            Zone.active | Zone.id.in_(also),
            owned_by(Zone.operator_id, visible_to),
        )
        .order_by(Zone.name_key, Zone.id)
    )
    return tuple(ZoneOffer(*row) for row in rows)


def time_zones(db: Session, *, visible_to: Actor) -> tuple[str, ...]:
    """The IANA time zones of the zones the actor may see, by name."""
    rows = select(Zone.time_zone).where(owned_by(Zone.operator_id, visible_to)).distinct().order_by(Zone.time_zone)
    return tuple(db.scalars(rows))


def zones_by_operator(db: Session, *, visible_to: Actor) -> dict[UUID, int]:
    """How many active zones each operator has; operators without one are absent."""
    rows = db.execute(
        select(Zone.operator_id, func.count())
        .where(Zone.active, owned_by(Zone.operator_id, visible_to))
        .group_by(Zone.operator_id)
    )
    return {row[0]: row[1] for row in rows}


def zone_terms(db: Session, zone_ids: Collection[UUID]) -> tuple[ZoneTerms, ...]:
    """Operator and time zone of the zones that exist among ``zone_ids``, whoever asks."""
    rows = db.execute(select(Zone.id, Zone.operator_id, Zone.time_zone).where(Zone.id.in_(zone_ids)))
    return tuple(ZoneTerms(*row) for row in rows)


def zone_named(db: Session, operator_id: UUID, name: str) -> StoredZone:
    """An operator's zone by its name, however spaced or capitalised. Raises ``Invalid`` for field ``zone``."""
    found = zones_by_key(db, operator_id).get(name_key(name, field="zone"))
    if found is None:
        raise Invalid("zone-unknown", "The operator has no zone named %(name)s.", field="zone", name=name)
    return found


def zones_by_key(db: Session, operator_id: UUID, keys: Collection[str] | None = None) -> dict[str, StoredZone]:
    """An operator's zones by their ``name_key``, as a file of zones would give them: all, or those of ``keys``."""
    columns = (Zone.id, Zone.name_key, *(getattr(Zone, name) for name in _OF_COMMAND))
    wanted = select(*columns).where(Zone.operator_id == operator_id)
    if keys is not None:
        wanted = wanted.where(Zone.name_key == any_(bindparam("keys", list(keys), ARRAY(String))))
    rows = db.execute(wanted)
    return {row.name_key: StoredZone(row.id, row.name_key, as_command(row)) for row in rows}


_OF_COMMAND = (
    *("franchise_id", "name", "label", "kind", "center_lat", "center_lng", "radius_km", "ring", "max_travel_km"),
    *("time_zone", "travel_buffer_minutes", "active"),
)


def as_command(zone: Any) -> ZoneCommand:
    """The command that would make a zone what it is, from its row or entity."""
    return ZoneCommand(
        name=zone.name,
        franchise_id=zone.franchise_id,
        time_zone=zone.time_zone,
        center=None if zone.kind is ZoneKind.POLYGON else Location(zone.center_lat, zone.center_lng),
        radius_km=zone.radius_km,
        ring=zone.ring,
        max_travel_km=zone.max_travel_km,
        travel_buffer_minutes=zone.travel_buffer_minutes,
        label=zone.label,
        active=zone.active,
    )
