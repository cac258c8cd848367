"""What people ask of an import: that a file is looked at, and that it is written."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, NotFound
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.zones.files.said import FileFormat
from webapp.zones.import_models import ZoneImport
from webapp.zones.import_rules import MAX_OPEN, OPEN, ImportMode, ImportState, moved


def take_file(work: Work, content: bytes, kind: FileFormat, *, operator_id: UUID, by: Actor, now: datetime) -> UUID:
    """Promise that a file is looked at; changes no zone. The id of the import.

    Raises ``NotFound`` for an operator that is not the actor's, ``Conflict`` while too many files of the operator wait.
    """
    if not by.reaches(operator_id):
        raise NotFound()
    waiting = select(func.count()).where(ZoneImport.operator_id == operator_id, ZoneImport.state.in_(OPEN))
    if (work.db.scalar(waiting) or 0) >= MAX_OPEN:
        raise Conflict("imports-wait", "%(count)s files wait already. Try again when they are done.", count=MAX_OPEN)
    promise = ZoneImport(
        id=new_id(),
        operator_id=operator_id,
        state=ImportState.WAITING,
        format=kind,
        size=len(content),
        content=content,
        created_at=now,
        created_by=by.id,
        created_by_name=by.name,
        due_at=now,
        faults=[],
        touched=[],
    )
    work.db.add(promise)
    audit.record(
        work,
        "zone_import.sent",
        "zone_import",
        promise.id,
        operator_id=operator_id,
        by=by,
        after={"format": kind, "size": len(content)},
        at=now,
    )
    work.after_commit(JobName.IMPORT_ZONES)
    return promise.id


def ask_to_write(work: Work, import_id: UUID, mode: ImportMode, *, by: Actor, now: datetime) -> None:
    """Promise that a file that was looked at is written: all of it, or only its good rows.

    Raises ``NotFound``, and ``Conflict`` when it has moved on, has nothing to write, or a bad row forbids all of it.
    """
    wanted = select(ZoneImport).where(ZoneImport.id == import_id, owned_by(ZoneImport.operator_id, by))
    promise = work.db.scalar(wanted.with_for_update(key_share=True))
    if promise is None or by.role is None:
        raise NotFound()
    state = moved(promise.state, ImportState.WRITING)
    if mode is ImportMode.ALL and promise.count_bad:
        raise Conflict("import-bad-rows", "Some rows cannot be taken, so the file cannot be written as a whole.")
    if not promise.count_new + promise.count_changed:
        raise Conflict("import-nothing", "There is nothing to write: the zones are as the file says.")
    promise.state, promise.mode = state, mode
    promise.asked_by, promise.asked_by_name, promise.asked_by_role = by.id, by.name, by.role
    promise.due_at, promise.attempts, promise.progress, promise.problem, promise.touched = now, 0, 0, None, []
    audit.record(
        work,
        "zone_import.confirmed",
        "zone_import",
        import_id,
        operator_id=promise.operator_id,
        by=by,
        after={"mode": mode, "new": promise.count_new, "changed": promise.count_changed, "bad": promise.count_bad},
        at=now,
    )
    work.after_commit(JobName.IMPORT_ZONES)
