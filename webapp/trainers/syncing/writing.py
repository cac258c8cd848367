"""Writing what a page of trainers changes: some twenty statements at most, however many trainers there are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from webapp.audit.models import AuditEntry
from webapp.audit.service import as_rows, plain
from webapp.core.ids import new_id
from webapp.trainers.syncing.placing import OnRoster

Row = dict[str, Any]


@dataclass(slots=True)
class Writes:
    """Rows to write, gathered while a page is gone through. Every trainer in it is locked."""

    moved: list[Row] = field(default_factory=list)
    """Whoever goes to another operator: ``id`` there, and who they ``were``."""
    added: list[Row] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)
    held_back: list[Row] = field(default_factory=list)
    clear: dict[str, list[UUID]] = field(default_factory=dict)
    """By table: whose lists are replaced."""
    lists: dict[str, list[Row]] = field(default_factory=dict)
    """By table: what stands there instead."""
    own_time_off: list[UUID] = field(default_factory=list)
    """Whose time off is the desk's from now on."""
    records: list[Row] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """Whose records need nothing but to be seen by the run."""
    changes: list[Row] = field(default_factory=list)
    entries: list[AuditEntry] = field(default_factory=list)

    _new: set[UUID] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Put a trainer on the roster, who has no lists to be cleared."""
        self.added.append(row)
        self._new.add(row["id"])

    def list_courses(self, trainer_id: UUID, row: OnRoster) -> None:
        """Replace a trainer's certifications."""
        self._list("trainer_courses", trainer_id, row, [{"course_id": course_id} for course_id in row.course_ids])

    def list_zones(self, trainer_id: UUID, row: OnRoster) -> None:
        """Replace a trainer's zones."""
        zones = [{"zone_id": zone_id, "time_zone": row.time_zone} for zone_id in row.zone_ids]
        self._list("trainer_zones", trainer_id, row, zones)

    def list_hours(self, trainer_id: UUID, row: OnRoster) -> None:
        """Replace a trainer's working hours."""
        hours = [{"weekday": one.weekday, "starts": one.starts, "ends": one.ends} for one in row.hours]
        self._list("working_hours", trainer_id, row, hours)

    def list_away(self, trainer_id: UUID, row: OnRoster) -> None:
        """Replace the service's time off of a trainer; what people recorded stays."""
        away = [
            {
                "id": new_id(),
                "period": f"[{one.starts_at.isoformat()},{one.ends_at.isoformat()})",
                "reason": one.reason,
                "from_service": True,
            }
            for one in row.away
        ]
        self._list("time_off", trainer_id, row, away)

    def _list(self, table: str, trainer_id: UUID, row: OnRoster, entries: Sequence[Row]) -> None:
        mine = {"trainer_id": trainer_id, "operator_id": row.operator_id}
        if trainer_id not in self._new:
            self.clear.setdefault(table, []).append(trainer_id)
        self.lists.setdefault(table, []).extend(mine | entry for entry in entries)


# What only the desk knows of a person goes with them; notes stay with those who wrote them.
_CARRY: Final = text("""
UPDATE trainers n SET gender = o.gender, languages = o.languages
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS c(id uuid, were uuid) JOIN trainers o ON o.id = c.were
WHERE n.id = c.id
""")
# Time off that the service stopped telling is the desk's own; told again, it is one and the same.
_SAME_TIME_OFF: Final = text("""
DELETE FROM time_off o USING jsonb_populate_recordset(NULL::time_off, CAST(:rows AS jsonb)) c
WHERE o.trainer_id = c.trainer_id AND o.period = c.period AND o.reason = c.reason AND NOT o.from_service
""")
# Whoever is moved gives up the service's id before their new row takes it.
_MOVE_AWAY: Final = text("""
UPDATE trainers SET active = false, left_at = :now, service_id = NULL, service_fields = '{}',
                    held_back_at = NULL, held_back_code = NULL
WHERE id = ANY(CAST(:ids AS uuid[]))
""")
_ADD: Final = text("""
INSERT INTO trainers (id, operator_id, name, active, time_zone, base_lat, base_lng, languages, service_id,
                      service_fields, created_at)
SELECT id, operator_id, name, active, time_zone, base_lat, base_lng, '{}', service_id, service_fields, created_at
FROM jsonb_populate_recordset(NULL::trainers, CAST(:rows AS jsonb)) ORDER BY id
""")
_CHANGE: Final = text("""
UPDATE trainers t
SET name = c.name, active = c.active, time_zone = c.time_zone, base_lat = c.base_lat, base_lng = c.base_lng,
    service_fields = c.service_fields, held_back_at = NULL, held_back_code = NULL, left_at = NULL
FROM jsonb_populate_recordset(NULL::trainers, CAST(:rows AS jsonb)) c WHERE t.id = c.id
""")
_HOLD_BACK: Final = text("""
UPDATE trainers t SET held_back_at = :now, held_back_code = c.held_back_code
FROM jsonb_populate_recordset(NULL::trainers, CAST(:rows AS jsonb)) c WHERE t.id = c.id
""")
# The checks of foreign keys are planned once for a connection. Planned while there were few trainers, they would go
# through all of an operator's for each row of a list, ever slower while a roster is loaded.
_PLAN_ANEW: Final = text("DISCARD PLANS")
_MANY: Final = 50
# Zones are cleared before the trainers change, whose time zone they carry, and written after it.
_CLEAR: Final[Mapping[str, TextClause]] = {
    "trainer_courses": text("DELETE FROM trainer_courses WHERE trainer_id = ANY(CAST(:ids AS uuid[]))"),
    "trainer_zones": text("DELETE FROM trainer_zones WHERE trainer_id = ANY(CAST(:ids AS uuid[]))"),
    "working_hours": text("DELETE FROM working_hours WHERE trainer_id = ANY(CAST(:ids AS uuid[]))"),
    "time_off": text("DELETE FROM time_off WHERE trainer_id = ANY(CAST(:ids AS uuid[])) AND from_service"),
}
_FILL: Final[Mapping[str, TextClause]] = {
    "trainer_courses": text("""
        INSERT INTO trainer_courses (operator_id, trainer_id, course_id) SELECT operator_id, trainer_id, course_id
        FROM jsonb_populate_recordset(NULL::trainer_courses, CAST(:rows AS jsonb))
    """),
    "trainer_zones": text("""
        INSERT INTO trainer_zones (operator_id, trainer_id, zone_id, time_zone)
        SELECT operator_id, trainer_id, zone_id, time_zone
        FROM jsonb_populate_recordset(NULL::trainer_zones, CAST(:rows AS jsonb))
    """),
    "working_hours": text("""
        INSERT INTO working_hours (operator_id, trainer_id, weekday, starts, ends)
        SELECT operator_id, trainer_id, weekday, starts, ends
        FROM jsonb_populate_recordset(NULL::working_hours, CAST(:rows AS jsonb))
    """),
    "time_off": text("""
        INSERT INTO time_off (id, operator_id, trainer_id, period, reason, from_service)
        SELECT id, operator_id, trainer_id, period, reason, from_service
        FROM jsonb_populate_recordset(NULL::time_off, CAST(:rows AS jsonb))
    """),
}
_OWN_TIME_OFF: Final = text(
    "UPDATE time_off SET from_service = false WHERE trainer_id = ANY(CAST(:ids AS uuid[])) AND from_service"
)
# What could not be read has no digest: what was said before it stays, to be placed again when it is repeated.
_RECORD: Final = text("""
INSERT INTO trainer_service_records AS r
SELECT * FROM jsonb_populate_recordset(NULL::trainer_service_records, CAST(:rows AS jsonb)) ORDER BY service_id
ON CONFLICT (service_id) DO UPDATE
SET trainer_id = excluded.trainer_id,
    said = CASE excluded.digest WHEN '' THEN r.said || excluded.said ELSE excluded.said END,
    digest = CASE excluded.digest WHEN '' THEN r.digest ELSE excluded.digest END,
    updated_at = excluded.updated_at, said_at = excluded.said_at, placed_at = excluded.placed_at,
    detail_at = excluded.detail_at, refused_code = excluded.refused_code, refused_facts = excluded.refused_facts,
    refused_at = excluded.refused_at, notes = excluded.notes, seen_run = excluded.seen_run,
    missed_runs = excluded.missed_runs, gone_at = excluded.gone_at
""")
_SEEN: Final = text("""
UPDATE trainer_service_records SET seen_run = COALESCE(CAST(:run_id AS uuid), seen_run), missed_runs = 0
WHERE service_id = ANY(:ids)
""")
_CHANGES: Final = text("""
INSERT INTO trainer_sync_changes
SELECT * FROM jsonb_populate_recordset(NULL::trainer_sync_changes, CAST(:rows AS jsonb))
""")
_ENTRIES: Final = text("""
INSERT INTO audit_entries SELECT * FROM jsonb_populate_recordset(NULL::audit_entries, CAST(:rows AS jsonb))
""")


def write(db: Session, writes: Writes, *, run_id: UUID | None, now: datetime) -> None:
    """Write it all; ``run_id`` is that of a full run, which marks whom it saw."""
    if writes.moved:
        db.execute(_MOVE_AWAY, {"ids": [one["were"] for one in writes.moved], "now": now})
    _rows(db, _ADD, writes.added)
    _rows(db, _CARRY, writes.moved)
    if len(writes.added) >= _MANY:
        db.execute(_PLAN_ANEW)
    for table, ids in writes.clear.items():
        db.execute(_CLEAR[table], {"ids": ids})
    _rows(db, _CHANGE, writes.changed)
    _rows(db, _HOLD_BACK, writes.held_back, now=now)
    _rows(db, _SAME_TIME_OFF, writes.lists.get("time_off", ()))
    for table, rows in writes.lists.items():
        _rows(db, _FILL[table], rows)
    if writes.own_time_off:
        db.execute(_OWN_TIME_OFF, {"ids": writes.own_time_off})
    _rows(db, _RECORD, writes.records)
    if writes.seen:
        db.execute(_SEEN, {"ids": writes.seen, "run_id": run_id})
    _rows(db, _CHANGES, writes.changes)
    write_entries(db, writes.entries)


def write_changes(db: Session, rows: Sequence[Row]) -> None:
    """Note what a run changed, trainer by trainer."""
    _rows(db, _CHANGES, rows)


def write_entries(db: Session, entries: Sequence[AuditEntry]) -> None:
    """Append to the audit, in one statement."""
    if entries:
        db.execute(_ENTRIES, {"rows": as_rows(entries)})


def _rows(db: Session, statement: TextClause, rows: Sequence[Row], **values: Any) -> None:
    if rows:
        db.execute(statement, {"rows": json.dumps(rows, default=plain), **values})
