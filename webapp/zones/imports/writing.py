"""Writing what was looked at: one transaction, all of it or nothing, and nothing that has changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import select, text

from webapp.audit import service as audit
from webapp.core.errors import Conflict, Invalid
from webapp.db.work import Database, Work
from webapp.operators.rules import franchise_of
from webapp.zones import queries, service
from webapp.zones.import_rules import ImportState
from webapp.zones.imports import rows as report
from webapp.zones.imports.claiming import Claim, beat, settle
from webapp.zones.imports.ground import disputes_of
from webapp.zones.imports.rows import GoodRow
from webapp.zones.judging import Judged, Verdict, digest_of
from webapp.zones.models import ZoneSet
from webapp.zones.queries import StoredZone
from webapp.zones.rules import Disputes

CHANGED_SINCE: Final = "changed-since"
TOLD: Final = 50
"""Most lines of zones that changed meanwhile that are told."""
_WRITTEN: Final = (Verdict.NEW, Verdict.CHANGED)
# In one order, so that two who change the same zones wait for each other and no more.
_LOCK: Final = text(
    "SELECT z.id FROM zones AS z JOIN zone_import_rows AS r ON r.zone_id = z.id"
    " WHERE r.import_id = :import_id AND r.verdict = 'changed' ORDER BY z.id FOR NO KEY UPDATE OF z"
)


class ChangedSince(Exception):
    """Zones of the file are no longer what they were when it was looked at; ``lines`` are the first of them."""

    def __init__(self, lines: list[int]) -> None:
        super().__init__(f"{len(lines)} lines")
        self.lines = lines


def write(database: Database, held: Claim, *, asking: Disputes, now: Callable[[], datetime]) -> None:
    """Write the good rows, or say what changed since they were looked at and have them looked at again.

    Raises ``LeaseLost``, and ``Conflict`` ``too-busy`` when others were faster three times in a row.
    """
    try:
        database.retrying(lambda work: _write(database, work, held, asking, now))
    except ChangedSince as changed:
        _look_again(database, held, changed.lines, now())
    except Conflict as busy:
        if busy.code == "too-busy":
            raise
        _look_again(database, held, [], now())  # a trainer has come to work in a zone whose time zone changes
    except Invalid:
        _look_again(database, held, [], now())  # a name was taken in this very moment


def _look_again(database: Database, held: Claim, lines: list[int], at: datetime) -> None:
    with database.unit_of_work() as work:
        values = {"mode": None, "asked_by": None, "asked_by_name": "", "asked_by_role": None}
        settle(work, held, ImportState.WAITING, problem=CHANGED_SINCE, touched=lines, due_at=at, progress=0, **values)


def _write(database: Database, work: Work, held: Claim, asking: Disputes, now: Callable[[], datetime]) -> None:
    work.db.execute(_LOCK, {"import_id": held.import_id})
    # Whoever changes a zone renews the stamp, and now waits: what is read from here on stays as it is until the commit.
    stamp = work.db.scalar(select(ZoneSet.version).with_for_update())
    franchise_id = franchise_of(held.operator_id)
    if stamp != held.seen_version:
        _refuse_changed(database, work, held, asking, now)
    done = {Verdict.NEW: 0, Verdict.CHANGED: 0}
    for batch in report.good_rows(work.db, held.import_id, _WRITTEN, franchise_id=franchise_id):
        changed = [row for row in batch if row.verdict is Verdict.CHANGED]
        known = queries.zones_by_key(work.db, held.operator_id, [row.key for row in changed]) if changed else {}
        at, owner = now(), held.operator_id
        if new := [(row.zone, row.reason or None) for row in batch if row.verdict is Verdict.NEW and row.zone]:
            drawn, reasons = zip(*new, strict=True)
            service.draw_all(work, drawn, operator_id=owner, by=held.by, now=at, reasons=reasons)
        if changed:
            zones = {row.zone_id: row.zone for row in changed if row.zone_id is not None and row.zone is not None}
            service.change_all(
                work,
                zones,
                {zone.id: zone.command for zone in known.values()},
                operator_id=owner,
                by=held.by,
                now=at,
                reasons={row.zone_id: row.reason or None for row in changed if row.zone_id is not None},
            )
        done[Verdict.NEW] += len(batch) - len(changed)
        done[Verdict.CHANGED] += len(changed)
        _beat(database, held, sum(done.values()), now)
    settle(work, held, ImportState.DONE, content=None, finished_at=now(), progress=sum(done.values()), problem=None)
    audit.record(
        work,
        "zone_import.written",
        "zone_import",
        held.import_id,
        operator_id=held.operator_id,
        by=held.by,
        after={"mode": held.mode, "new": done[Verdict.NEW], "changed": done[Verdict.CHANGED]},
        at=now(),
    )


def _beat(database: Database, held: Claim, progress: int, now: Callable[[], datetime]) -> None:
    """In a transaction of its own, for others are to see it. The row of the import is not locked before the end."""
    with database.unit_of_work() as beside:
        beat(beside, held, progress=progress, now=now())


def _refuse_changed(database: Database, work: Work, held: Claim, asking: Disputes, now: Callable[[], datetime]) -> None:
    """Raises ``ChangedSince`` when a zone of the file, or the ground it takes, is not what it was."""
    touched: list[int] = []
    owner = franchise_of(held.operator_id)
    for batch in report.good_rows(work.db, held.import_id, (*_WRITTEN, Verdict.SAME), franchise_id=owner):
        stored = queries.zones_by_key(work.db, held.operator_id, [row.key for row in batch])
        lines = {row.line for row in batch if _base(stored.get(row.key)) != row.base}
        asked = [row for row in batch if row.zone is not None and (asking is Disputes.REFUSE or not row.reason)]
        unexcused = [_judged(row, stored.get(row.key)) for row in asked]
        lines |= disputes_of(work.db, unexcused, held.operator_id).keys()
        touched += sorted(lines)
        _beat(database, held, 0, now)
    if touched:
        raise ChangedSince(touched[:TOLD])


def _base(known: StoredZone | None) -> str | None:
    return digest_of(known.command) if known is not None else None


def _judged(row: GoodRow, known: StoredZone | None) -> Judged:
    return Judged(row.line, row.key, row.verdict, row.reason, zone=row.zone, known=known)
