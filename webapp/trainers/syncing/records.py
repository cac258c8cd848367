"""What is known when something is said: the records of what was said before, the trainers they are, and the world.

Whoever writes any of it first holds the meaning of names still (``hold_meanings``), a run's own row before that where
there is one; then records are locked, in the order of their ids, then trainers in the order of theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from webapp.clients.trainer_service.said import SaidAway
from webapp.core.geo import Location
from webapp.courses.models import Course
from webapp.trainers.models import Trainer
from webapp.trainers.rules import WorkingHours
from webapp.trainers.sync_models import ServiceLink, ServiceRecord
from webapp.trainers.syncing.placing import Known, OnRoster
from webapp.trainers.syncing.world import Link, World, ZoneFacts
from webapp.zones.models import Zone

ROW: Final = "row"
"""In ``said``: the digest of the entry in the deployed list that the trainer was last asked for."""


@dataclass(frozen=True, slots=True)
class Record:
    """What was last made of a trainer, without what was said."""

    service_id: str
    trainer_id: UUID | None
    digest: str
    row: str | None
    updated_at: datetime | None
    said_at: datetime
    placed_at: datetime | None
    detail_at: datetime | None
    refused_code: str | None
    refused_facts: Mapping[str, Any]
    refused_at: datetime | None
    notes: Sequence[Any]
    seen_run: UUID | None
    missed_runs: int
    gone_at: datetime | None


_COLUMNS: Final = (
    ServiceRecord.service_id,
    ServiceRecord.trainer_id,
    ServiceRecord.digest,
    ServiceRecord.said[ROW].astext,
    ServiceRecord.updated_at,
    ServiceRecord.said_at,
    ServiceRecord.placed_at,
    ServiceRecord.detail_at,
    ServiceRecord.refused_code,
    ServiceRecord.refused_facts,
    ServiceRecord.refused_at,
    ServiceRecord.notes,
    ServiceRecord.seen_run,
    ServiceRecord.missed_runs,
    ServiceRecord.gone_at,
)

# In one statement per page. It comes after the lock: what it reads cannot change any more.
_LISTS: Final = text("""
SELECT t.id,
       ARRAY(SELECT course_id FROM trainer_courses c WHERE c.trainer_id = t.id),
       ARRAY(SELECT zone_id FROM trainer_zones z WHERE z.trainer_id = t.id),
       COALESCE((SELECT jsonb_agg(jsonb_build_array(h.weekday, h.starts, h.ends) ORDER BY h.weekday, h.starts)
                 FROM working_hours h WHERE h.trainer_id = t.id), '[]'),
       COALESCE((SELECT jsonb_agg(jsonb_build_array(lower(o.period), upper(o.period), o.reason))
                 FROM time_off o WHERE o.trainer_id = t.id AND o.from_service), '[]')
FROM unnest(CAST(:ids AS uuid[])) AS t(id)
""")


_MEANINGS: Final = 0x7A6F6E65
"""The key of the advisory lock: a page that is placed reads what names mean, a link changes it, and neither would see
what the other has not committed."""


def hold_meanings(db: Session, *, to_change: bool = False) -> None:
    """Let nobody change what names mean until the transaction ends; ``to_change``: let nobody rely on it either."""
    lock = func.pg_advisory_xact_lock if to_change else func.pg_advisory_xact_lock_shared
    db.execute(select(lock(_MEANINGS)))


def read_records(db: Session, ids: Collection[str]) -> dict[str, Record]:
    """The records of some trainers of the service, as they stand."""
    rows = db.execute(select(*_COLUMNS).where(ServiceRecord.service_id.in_(ids)))
    return {row[0]: Record(*row) for row in rows}


def lock_records(db: Session, ids: Collection[str]) -> dict[str, Record]:
    """The same, locked until the transaction ends."""
    rows = db.execute(
        select(*_COLUMNS)
        .where(ServiceRecord.service_id.in_(ids))
        .order_by(ServiceRecord.service_id)
        .with_for_update(key_share=True)
    )
    return {row[0]: Record(*row) for row in rows}


def lock_known(db: Session, ids: Collection[str]) -> dict[str, Known]:
    """The service's trainers on the roster, by the service's id, locked as writers of slots lock them."""
    if not ids:
        return {}
    columns = (
        Trainer.id,
        Trainer.service_id,
        Trainer.operator_id,
        Trainer.time_zone,
        Trainer.name,
        Trainer.active,
        Trainer.base_lat,
        Trainer.base_lng,
        Trainer.service_fields,
        Trainer.left_at,
        Trainer.held_back_code,
    )
    locked = db.execute(
        select(*columns).where(Trainer.service_id.in_(ids)).order_by(Trainer.id).with_for_update(key_share=True)
    ).all()
    if not locked:
        return {}
    lists = {row[0]: row[1:] for row in db.execute(_LISTS, {"ids": [row.id for row in locked]})}
    return {row.service_id: _known(row, *lists[row.id]) for row in locked}


def _known(row: Any, courses: list[UUID], zones: list[UUID], hours: list[Any], away: list[Any]) -> Known:
    return Known(
        trainer_id=row.id,
        row=OnRoster(
            operator_id=row.operator_id,
            time_zone=row.time_zone,
            name=row.name,
            active=row.active,
            base=None if row.base_lat is None else Location(row.base_lat, row.base_lng),
            course_ids=frozenset(courses),
            zone_ids=frozenset(zones),
            hours=tuple(
                WorkingHours(weekday, time.fromisoformat(starts), time.fromisoformat(ends))
                for weekday, starts, ends in hours
            ),
            away=tuple(
                sorted(
                    SaidAway(datetime.fromisoformat(starts_at), datetime.fromisoformat(ends_at), reason)
                    for starts_at, ends_at, reason in away
                )
            ),
            owned=frozenset(row.service_fields),
        ),
        left=row.left_at is not None,
        held_back=row.held_back_code,
    )


def read_world(db: Session) -> World:
    """What the names of the service can mean, as of now."""
    zones = db.execute(select(Zone.id, Zone.operator_id, Zone.time_zone, Zone.center_lat, Zone.center_lng, Zone.active))
    links = db.execute(
        select(
            ServiceLink.kind,
            ServiceLink.external_id,
            func.coalesce(ServiceLink.to_operator_id, ServiceLink.to_zone_id, ServiceLink.to_course_id),
        )
    )
    return World(
        (
            ZoneFacts(id_, operator_id, zone, Location(lat, lng), active)
            for id_, operator_id, zone, lat, lng, active in zones
        ),
        ((id_, key) for id_, key in db.execute(select(Course.id, Course.name_key))),
        (Link(*link) for link in links),
    )
