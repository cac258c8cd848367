"""The report's rows in the database: a statement for each batch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from webapp.audit.service import plain
from webapp.core.geo import Location
from webapp.core.names import name_key
from webapp.db.work import Work
from webapp.zones.bulk import BATCH
from webapp.zones.files.said import Fault
from webapp.zones.import_models import ZoneImportRow
from webapp.zones.imports.claiming import Claim
from webapp.zones.imports.ground import Dispute
from webapp.zones.judging import Judged, Verdict, digest_of
from webapp.zones.rules import ZoneCommand
from webapp.zones.sound import SoundZone, facts_of

_INSERT: Final = text("""
    INSERT INTO zone_import_rows
    SELECT * FROM jsonb_populate_recordset(CAST(NULL AS zone_import_rows), CAST(:rows AS jsonb))
""")
_REFUSE: Final = text("""
    UPDATE zone_import_rows AS r
    SET verdict = 'bad', zone = NULL, faults = r.faults || jsonb_build_array(d.fault)
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS d(line integer, fault jsonb)
    WHERE r.import_id = :import_id AND r.line = d.line
""")


@dataclass(frozen=True, slots=True)
class GoodRow:
    """A row that can be taken, as it is kept: ``zone`` is what would be written, nothing where nothing changes."""

    line: int
    key: str
    verdict: Verdict
    reason: str
    zone: SoundZone | None
    zone_id: UUID | None
    base: str | None


def keep(work: Work, held: Claim, rows: Sequence[Judged], disputes: Mapping[int, Sequence[Dispute]]) -> None:
    """Put a batch of judged rows into the report."""
    told = [_columns(held, row, disputes.get(row.line, ())) for row in rows]
    work.db.execute(_INSERT, {"rows": json.dumps(told, default=plain)})


def refuse(work: Work, import_id: UUID, faults: Sequence[Fault]) -> None:
    """Turn rows that were kept already into bad ones."""
    told = [{"line": fault.line, "fault": _fault(fault)} for fault in faults]
    work.db.execute(_REFUSE, {"rows": json.dumps(told, default=plain), "import_id": import_id})


def counts(db: Session, import_id: UUID) -> dict[Verdict, int]:
    """How many rows came to each verdict."""
    found = select(ZoneImportRow.verdict, func.count()).where(ZoneImportRow.import_id == import_id)
    told = {row[0]: row[1] for row in db.execute(found.group_by(ZoneImportRow.verdict))}
    return {verdict: told.get(verdict, 0) for verdict in Verdict}


def good_rows(
    db: Session, import_id: UUID, verdicts: Sequence[Verdict], *, franchise_id: UUID | None
) -> Iterator[list[GoodRow]]:
    """The rows of some verdicts, a batch at a time, in the order of the file."""
    line = -1
    while True:
        wanted = (
            select(
                ZoneImportRow.line,
                ZoneImportRow.name,
                ZoneImportRow.verdict,
                ZoneImportRow.reason,
                ZoneImportRow.zone,
                ZoneImportRow.zone_id,
                ZoneImportRow.base,
            )
            .where(
                ZoneImportRow.import_id == import_id,
                ZoneImportRow.verdict.in_(verdicts),
                ZoneImportRow.line > line,
            )
            .order_by(ZoneImportRow.line)
            .limit(BATCH)
        )
        found = [_good(row, franchise_id) for row in db.execute(wanted)]
        if found:
            yield found
        if len(found) < BATCH:
            return
        line = found[-1].line


def _columns(held: Claim, row: Judged, disputes: Sequence[Dispute]) -> dict[str, Any]:
    writes = row.verdict in (Verdict.NEW, Verdict.CHANGED) and row.zone is not None
    return {
        "operator_id": held.operator_id,
        "import_id": held.import_id,
        "line": row.line,
        "name": row.name,
        "verdict": row.verdict,
        "faults": [_fault(fault) for fault in row.faults],
        "disputes": [[one.operator, one.zone, one.km2] for one in disputes],
        "reason": row.reason,
        "zone": facts_of(row.zone.command) if writes and row.zone is not None else None,
        "zone_id": row.known.id if row.known is not None else None,
        "base": digest_of(row.known.command) if row.known is not None else None,
    }


def _fault(fault: Fault) -> list[Any]:
    return [fault.field, fault.sentence, dict(fault.params)]


def _good(row: Any, franchise_id: UUID | None) -> GoodRow:
    zone = SoundZone(_command(row.zone, franchise_id)) if row.zone is not None else None
    return GoodRow(row.line, name_key(row.name), row.verdict, row.reason, zone, row.zone_id, row.base)


def _command(facts: Mapping[str, Any], franchise_id: UUID | None) -> ZoneCommand:
    """The command whose facts these are."""
    ring = facts["ring"]
    return ZoneCommand(
        name=facts["name"],
        franchise_id=franchise_id,
        time_zone=facts["time_zone"],
        center=None if ring is not None else Location(*facts["center"]),
        radius_km=facts["radius_km"],
        ring=None if ring is None else tuple(Location(lat, lng) for lat, lng in ring),
        max_travel_km=facts["max_travel_km"],
        travel_buffer_minutes=facts["travel_buffer_minutes"],
        label=facts["label"],
        active=facts["active"],
    )
