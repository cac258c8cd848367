"""What the names of the service mean here: the links that were made, and the names that wait for one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CompoundSelect, Select, String, and_, column, exists, func, literal, select, true, union_all
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from webapp.core.errors import NotFound
from webapp.courses.models import Course
from webapp.operators.models import Operator
from webapp.trainers.sync_models import ServiceLink, ServiceRecord
from webapp.trainers.sync_rules import LinkKind
from webapp.trainers.syncing.reading import IN_QUARANTINE
from webapp.zones.models import Zone


@dataclass(frozen=True, slots=True)
class Unlinked:
    """A name of the service that nobody has said the meaning of, and at how many trainers it stands."""

    kind: LinkKind
    name: str
    trainers: int


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A name of the service and what it means here: the operator, zone or course called ``target_name``."""

    id: UUID
    kind: LinkKind
    external_id: str
    target_id: UUID
    target_name: str
    created_at: datetime
    created_by_name: str


def unlinked(
    db: Session, *, limit: int, offset: int = 0, kind: LinkKind | None = None, name: str | None = None
) -> tuple[tuple[Unlinked, ...], int]:
    """The names that wait for a link, those at most trainers first; and how many there are."""
    asked = _asked().subquery()
    known = exists().where(ServiceLink.kind == asked.c.kind, ServiceLink.external_id == asked.c.name)
    waiting = (
        select(asked.c.kind, asked.c.name, func.count(asked.c.service_id.distinct()).label("trainers"))
        .where(~known)
        .group_by(asked.c.kind, asked.c.name)
        .subquery()
    )
    wanted = [column == value for column, value in ((waiting.c.kind, kind), (waiting.c.name, name)) if value]
    rows = db.execute(
        select(waiting)
        .where(*wanted)
        .order_by(waiting.c.trainers.desc(), waiting.c.kind, waiting.c.name)
        .limit(limit)
        .offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(waiting).where(*wanted)) or 0
    return tuple(Unlinked(LinkKind(kind), name, trainers) for kind, name, trainers in rows), total


def unlinked_total(db: Session) -> int:
    """How many names wait for a link."""
    asked = _asked().subquery()
    known = exists().where(ServiceLink.kind == asked.c.kind, ServiceLink.external_id == asked.c.name)
    waiting = select(asked.c.kind, asked.c.name).where(~known).distinct().subquery()
    return db.scalar(select(func.count()).select_from(waiting)) or 0


def links_index(db: Session, *, limit: int, offset: int = 0) -> tuple[tuple[LinkRow, ...], int]:
    """The links, by what they are links of and by name; and how many there are."""
    rows = db.execute(_links().order_by(ServiceLink.kind, ServiceLink.external_id).limit(limit).offset(offset))
    return tuple(LinkRow(*row) for row in rows), links_total(db)


def links_total(db: Session) -> int:
    """How many links there are."""
    return db.scalar(select(func.count()).select_from(ServiceLink)) or 0


def link_page(db: Session, link_id: UUID) -> LinkRow:
    """One link. Raises ``NotFound``."""
    found = db.execute(_links().where(ServiceLink.id == link_id)).one_or_none()
    if found is None:
        raise NotFound()
    return LinkRow(*found)


def link_of(db: Session, kind: LinkKind, external_id: str) -> LinkRow | None:
    """What a name means here, if somebody has said so."""
    named = and_(ServiceLink.kind == kind, ServiceLink.external_id == external_id)
    found = db.execute(_links().where(named)).one_or_none()
    return LinkRow(*found) if found else None


def names_of(db: Session, ids: Collection[UUID]) -> dict[UUID, str]:
    """What operators and zones are called here, a zone with its operator; ids of nothing are absent."""
    if not ids:
        return {}
    zone = func.concat(Zone.name, " (", Operator.name, ")")
    asked = union_all(
        select(Operator.id, Operator.name).where(Operator.id.in_(ids)),
        select(Zone.id, zone).join(Operator, Operator.id == Zone.operator_id).where(Zone.id.in_(ids)),
    )
    return {row[0]: row[1] for row in db.execute(asked)}


def _links() -> Select[UUID, LinkKind, str, UUID, str, datetime, str]:
    """The columns of ``LinkRow`` in its order."""
    return (
        select(
            ServiceLink.id,
            ServiceLink.kind,
            ServiceLink.external_id,
            func.coalesce(ServiceLink.to_operator_id, ServiceLink.to_zone_id, ServiceLink.to_course_id),
            func.coalesce(Operator.name, Zone.name, Course.name),
            ServiceLink.created_at,
            ServiceLink.created_by_name,
        )
        .outerjoin(Operator, Operator.id == ServiceLink.to_operator_id)
        .outerjoin(Zone, Zone.id == ServiceLink.to_zone_id)
        .outerjoin(Course, Course.id == ServiceLink.to_course_id)
    )


def _asked() -> CompoundSelect[Any]:
    """Every name that stands in the way of a trainer or was left out of one, as (kind, name, service_id)."""
    facts, service_id = ServiceRecord.refused_facts, ServiceRecord.service_id
    franchises = select(
        literal(LinkKind.FRANCHISE.value, String).label("kind"), facts["franchise"].astext.label("name"), service_id
    ).where(IN_QUARANTINE, ServiceRecord.refused_code == "franchise-unknown")
    zone = func.jsonb_array_elements_text(facts["zones"]).table_valued("value", name="zone")
    zones = (
        select(literal(LinkKind.ZONE.value, String), zone.c.value, service_id)
        .join(zone, true())
        .where(IN_QUARANTINE, ServiceRecord.refused_code == "zones-unknown")
    )
    note = func.jsonb_array_elements(ServiceRecord.notes).table_valued(column("value", JSONB), name="note")
    left_out = (
        select(note.c.value["kind"].astext, note.c.value["name"].astext, service_id)
        .join(note, true())
        .where(ServiceRecord.notes != [], ServiceRecord.gone_at.is_(None))
    )
    return union_all(franchises, zones, left_out)
