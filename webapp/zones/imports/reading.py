"""What pages show of imports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.db.tenancy import owned_by
from webapp.operators.models import Operator
from webapp.zones.files.said import FileFormat
from webapp.zones.import_models import ZoneImport, ZoneImportRow
from webapp.zones.import_rules import ENDED, OPEN, ImportMode, ImportState
from webapp.zones.judging import Verdict


@dataclass(frozen=True, slots=True)
class FaultLine:
    """What is wrong, with a file (``line`` 0 or its heading's) or a row."""

    line: int
    field: str
    sentence: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DisputeLine:
    """Ground of another operator's zone, in square kilometres."""

    operator: str
    zone: str
    km2: float


@dataclass(frozen=True, slots=True)
class ImportLine:
    """An import in the list, and what its page says above the report."""

    id: UUID
    operator_id: UUID
    operator_name: str
    state: ImportState
    format: FileFormat
    size: int
    created_at: datetime
    created_by_name: str
    progress: int
    rows: int | None
    new: int
    changed: int
    same: int
    bad: int
    mode: ImportMode | None
    asked_by_name: str
    finished_at: datetime | None
    problem: str | None
    faults: tuple[FaultLine, ...]
    touched: tuple[int, ...]

    @property
    def is_open(self) -> bool:
        """A worker is at it or expected."""
        return self.state in OPEN

    @property
    def has_ended(self) -> bool:
        """Nothing happens to it any more."""
        return self.state in ENDED

    @property
    def has_report(self) -> bool:
        """Its rows can be looked at."""
        return self.state in (ImportState.CHECKED, ImportState.WRITING, ImportState.DONE)

    @property
    def to_write(self) -> int:
        """Rows that change something."""
        return self.new + self.changed

    def count(self, verdict: Verdict) -> int:
        """Rows of a verdict."""
        found: int = getattr(self, verdict.value)
        return found


@dataclass(frozen=True, slots=True)
class RowLine:
    """A row of the report."""

    line: int
    name: str
    verdict: Verdict
    faults: tuple[FaultLine, ...]
    disputes: tuple[DisputeLine, ...]
    reason: str
    zone_id: UUID | None


_COLUMNS = (
    ZoneImport.id,
    ZoneImport.operator_id,
    Operator.name,
    ZoneImport.state,
    ZoneImport.format,
    ZoneImport.size,
    ZoneImport.created_at,
    ZoneImport.created_by_name,
    ZoneImport.progress,
    ZoneImport.rows,
    ZoneImport.count_new,
    ZoneImport.count_changed,
    ZoneImport.count_same,
    ZoneImport.count_bad,
    ZoneImport.mode,
    ZoneImport.asked_by_name,
    ZoneImport.finished_at,
    ZoneImport.problem,
    ZoneImport.faults,
    ZoneImport.touched,
)

_NAMES = tuple(field.name for field in fields(ImportLine))


def imports_index(db: Session, *, visible_to: Actor, limit: int, offset: int = 0) -> tuple[tuple[ImportLine, ...], int]:
    """The imports the actor may see, newest first; and how many there are in all."""
    own = owned_by(ZoneImport.operator_id, visible_to)
    wanted = _lines().where(own).order_by(ZoneImport.created_at.desc(), ZoneImport.id.desc())
    total = db.scalar(select(func.count()).select_from(ZoneImport).where(own)) or 0
    return tuple(_line(row) for row in db.execute(wanted.limit(limit).offset(offset))), total


def import_line(db: Session, import_id: UUID, *, visible_to: Actor) -> ImportLine:
    """One import. Raises ``NotFound``, also for another operator's (rule E2)."""
    own = owned_by(ZoneImport.operator_id, visible_to)
    row = db.execute(_lines().where(ZoneImport.id == import_id, own)).one_or_none()
    if row is None:
        raise NotFound()
    return _line(row)


def report_rows(
    db: Session, import_id: UUID, *, verdict: Verdict | None, limit: int, offset: int, visible_to: Actor
) -> tuple[RowLine, ...]:
    """The rows of a report in the order of the file, perhaps of one verdict only."""
    wanted = select(
        ZoneImportRow.line,
        ZoneImportRow.name,
        ZoneImportRow.verdict,
        ZoneImportRow.faults,
        ZoneImportRow.disputes,
        ZoneImportRow.reason,
        ZoneImportRow.zone_id,
    ).where(ZoneImportRow.import_id == import_id, owned_by(ZoneImportRow.operator_id, visible_to))
    if verdict is not None:
        wanted = wanted.where(ZoneImportRow.verdict == verdict)
    rows = db.execute(wanted.order_by(ZoneImportRow.line).limit(limit).offset(offset))
    return tuple(
        RowLine(
            row.line,
            row.name,
            row.verdict,
            tuple(FaultLine(row.line, *fault) for fault in row.faults),
            tuple(DisputeLine(*dispute) for dispute in row.disputes),
            row.reason,
            row.zone_id,
        )
        for row in rows
    )


def _lines() -> Select[Any]:
    return select(*_COLUMNS).join(Operator, Operator.id == ZoneImport.operator_id)


def _line(row: Any) -> ImportLine:
    told = dict(zip(_NAMES, row, strict=True))
    told["faults"] = tuple(FaultLine(*fault) for fault in told["faults"])
    told["touched"] = tuple(told["touched"])
    return ImportLine(**told)
