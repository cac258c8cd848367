"""What a zone was: its versions, newest first, and what changed from one to the next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.core.geo import Location
from webapp.db.tenancy import owned_by
from webapp.operators.rules import franchise_of
from webapp.zones.models import Zone, ZoneVersion
from webapp.zones.queries import as_command
from webapp.zones.rules import ZoneCommand, ZoneKind
from webapp.zones.sound import changed_facts


@dataclass(frozen=True, slots=True)
class Version:
    """What a zone was (``valid_until`` ``None``: is), who made it so and why; ``before`` is what it was before that."""

    number: int
    valid_from: datetime
    valid_until: datetime | None
    zone: ZoneCommand
    area_km2: float
    changed_by_name: str
    reason: str | None
    before: ZoneCommand | None

    @property
    def changed(self) -> tuple[str, ...]:
        """The facts that the version before had otherwise; nothing for the first one."""
        return tuple(changed_facts(self.before, self.zone)[1]) if self.before is not None else ()


def versions_of(
    db: Session, zone_id: UUID, *, visible_to: Actor, limit: int, offset: int = 0
) -> tuple[tuple[Version, ...], int]:
    """A zone's versions, newest first; and how many there are. None for a zone that is not the actor's."""
    mine = (ZoneVersion.zone_id == zone_id, owned_by(ZoneVersion.operator_id, visible_to))
    # One more than is shown: what the oldest of them changed is told by the one before it.
    rows = db.scalars(
        select(ZoneVersion).where(*mine).order_by(ZoneVersion.number.desc()).limit(limit + 1).offset(offset)
    ).all()
    total = db.scalar(select(func.count()).select_from(ZoneVersion).where(*mine)) or 0
    older = [*rows[1:], None]
    found = [_version(row, before) for row, before in zip(rows, older, strict=True)]
    return tuple(found[:limit]), total


def changed_since(db: Session, zone_id: UUID, seen: int, *, visible_to: Actor) -> tuple[str, ...]:
    """The facts of a zone that are otherwise than in version ``seen``."""
    row = db.execute(
        select(ZoneVersion, Zone)
        .join(Zone, Zone.id == ZoneVersion.zone_id)
        .where(ZoneVersion.zone_id == zone_id, ZoneVersion.number == seen, owned_by(Zone.operator_id, visible_to))
    ).one_or_none()
    if row is None:
        return ()
    return tuple(changed_facts(_command(row[0]), as_command(row[1]))[1])


def _version(row: ZoneVersion, before: ZoneVersion | None) -> Version:
    return Version(
        number=row.number,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        zone=_command(row),
        area_km2=row.area_km2,
        changed_by_name=row.changed_by_name,
        reason=row.reason,
        before=_command(before) if before is not None else None,
    )


def _command(row: ZoneVersion) -> ZoneCommand:
    """What would make a zone what it was."""
    return ZoneCommand(
        name=row.name,
        franchise_id=franchise_of(row.operator_id),
        time_zone=row.time_zone,
        center=None if row.kind is ZoneKind.POLYGON else Location(row.center_lat, row.center_lng),
        radius_km=row.radius_km,
        ring=row.ring,
        max_travel_km=row.max_travel_km,
        travel_buffer_minutes=row.travel_buffer_minutes,
        label=row.label,
        active=row.active,
    )
