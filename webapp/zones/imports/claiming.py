"""The lease of an import: taking it up, showing that one is still at it, and settling what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import delete, or_, select, text, update
from sqlalchemy.orm import Session

from webapp.audit import service as audit
from webapp.core.actor import SYSTEM, Actor, ActorKind
from webapp.core.ids import COMPANY_ID
from webapp.db.work import Work
from webapp.zones.files.said import Fault, FileFormat
from webapp.zones.import_models import ZoneImport, ZoneImportRow
from webapp.zones.import_rules import LEASE, MAX_ATTEMPTS, OPEN, ImportMode, ImportState

# Functions of the database that look at every operator's imports and tell ids only.
_DUE: Final = text("SELECT id, operator_id, due_at FROM zone_imports_due(:now)")
_OLD: Final = text("SELECT id, operator_id FROM zone_imports_old(:before, :limit)")


class LeaseLost(Exception):
    """Somebody else has taken the import up: whatever was done here is thrown away."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An import that was taken up, with what its step needs to know of it."""

    import_id: UUID
    operator_id: UUID
    lease: UUID
    step: ImportState
    format: FileFormat
    seen_version: UUID | None
    mode: ImportMode | None
    by: Actor
    """Who asked for it to be written; the desk itself before anybody has."""


@dataclass(frozen=True, slots=True)
class DueImport:
    """An import that waits for a worker."""

    id: UUID
    operator_id: UUID
    due_at: datetime


def due(db: Session, *, now: datetime) -> tuple[DueImport, ...]:
    """The imports of every operator that a worker should take up, longest waiting first."""
    return tuple(DueImport(*row) for row in db.execute(_DUE, {"now": now}))


def old(db: Session, *, before: datetime, limit: int) -> tuple[tuple[UUID, UUID], ...]:
    """Imports that were sent before an instant and that nobody is at, with their operators."""
    return tuple((row[0], row[1]) for row in db.execute(_OLD, {"before": before, "limit": limit}))


def forget(work: Work, import_id: UUID) -> None:
    """Let an import and its report go; the audit keeps that it was."""
    work.db.execute(delete(ZoneImport).where(ZoneImport.id == import_id, ZoneImport.state.not_in(OPEN)))


def claim(work: Work, import_id: UUID, *, now: datetime) -> Claim | None:
    """Take an import up; ``None`` when there is nothing to do or somebody is at it.

    A look begins anew: rows of a look that was cut short go. One whose process was killed too often ends as failed.
    """
    free = or_(ZoneImport.lease_until.is_(None), ZoneImport.lease_until <= now)
    columns = (
        ZoneImport.operator_id,
        ZoneImport.state,
        ZoneImport.format,
        ZoneImport.attempts,
        ZoneImport.seen_version,
        ZoneImport.mode,
        ZoneImport.asked_by,
        ZoneImport.asked_by_name,
        ZoneImport.asked_by_role,
    )
    wanted = select(*columns).where(ZoneImport.id == import_id, ZoneImport.state.in_(OPEN), free)
    found = work.db.execute(wanted.with_for_update(skip_locked=True)).one_or_none()
    if found is None:
        return None
    step = ImportState.WRITING if found.state is ImportState.WRITING else ImportState.CHECKING
    by = SYSTEM
    if found.asked_by_role is not None:
        owner = COMPANY_ID if found.asked_by_role.value == "admin" else found.operator_id
        by = Actor(ActorKind.USER, found.asked_by, found.asked_by_name, found.asked_by_role, owner)
    taken = Claim(import_id, found.operator_id, uuid4(), step, found.format, found.seen_version, found.mode, by)
    work.db.execute(
        update(ZoneImport)
        .where(ZoneImport.id == import_id)
        .values(state=step, lease=taken.lease, lease_until=now + LEASE, attempts=found.attempts + 1, progress=0)
        .execution_options(synchronize_session=False)
    )
    if found.attempts >= MAX_ATTEMPTS:
        fail(work, taken, "no-answer", now=now)
        return None
    if step is ImportState.CHECKING:
        work.db.execute(delete(ZoneImportRow).where(ZoneImportRow.import_id == import_id))
    return taken


def beat(work: Work, held: Claim, *, progress: int, now: datetime) -> None:
    """Show that one is still at it and how far. Raises ``LeaseLost``."""
    _mine(work, held, {"progress": progress, "lease_until": now + LEASE})


def settle(work: Work, held: Claim, state: ImportState, **values: Any) -> None:
    """End a step. Raises ``LeaseLost``."""
    _mine(work, held, {"state": state, "lease": None, "lease_until": None, "attempts": 0, **values})


def put_off(work: Work, held: Claim, wait: timedelta, *, now: datetime) -> None:
    """Let it wait, and be taken up again. Raises ``LeaseLost``."""
    _mine(work, held, {"lease": None, "lease_until": None, "due_at": now + wait, "attempts": 0})


def fail(work: Work, held: Claim, problem: str, *, now: datetime, faults: tuple[Fault, ...] = ()) -> None:
    """Give an import up; ``faults`` say what is wrong with its file. Raises ``LeaseLost``."""
    told = [[fault.line, fault.field, fault.sentence, dict(fault.params)] for fault in faults]
    values = {"content": None, "finished_at": now, "problem": problem, "faults": told}
    settle(work, held, ImportState.FAILED, **values)
    if held.step is ImportState.CHECKING:
        work.db.execute(delete(ZoneImportRow).where(ZoneImportRow.import_id == held.import_id))
    audit.record(
        work,
        "zone_import.failed",
        "zone_import",
        held.import_id,
        operator_id=held.operator_id,
        by=SYSTEM,
        after={"problem": problem},
        at=now,
    )


def _mine(work: Work, held: Claim, values: Mapping[str, Any]) -> None:
    mine = (
        update(ZoneImport)
        .where(ZoneImport.id == held.import_id, ZoneImport.lease == held.lease)
        .values(**values)
        .returning(ZoneImport.id)
        .execution_options(synchronize_session=False)
    )
    if work.db.scalar(mine) is None:
        raise LeaseLost()
