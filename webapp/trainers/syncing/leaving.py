"""Who is no longer there: missed by two full runs in a row, and then taken to have left. Nobody is ever deleted.

Whoever is seen again comes back by being placed (``settling``).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from webapp.audit.service import entry
from webapp.core.actor import SYSTEM
from webapp.core.ids import new_id
from webapp.db.work import Work
from webapp.trainers.models import Trainer
from webapp.trainers.sync_models import ServiceRecord, SyncChange, SyncRun
from webapp.trainers.sync_rules import ChangeKind
from webapp.trainers.syncing.writing import write_changes, write_entries

MISSES: Final = 2
"""One full run may miss somebody because the pages shifted while they were read; two in a row do not."""
FEW: Final = 10
"""Of fewer trainers than this half may leave at any time."""
BATCH: Final = 500

_MISS: Final = text("""
UPDATE trainer_service_records SET missed_runs = missed_runs + 1
WHERE gone_at IS NULL AND seen_run IS DISTINCT FROM :run_id
""")
_LEAVE: Final = text("""
UPDATE trainers SET active = false, left_at = :now, held_back_at = NULL, held_back_code = NULL
WHERE id = ANY(CAST(:ids AS uuid[]))
""")
_GONE: Final = text("UPDATE trainer_service_records SET gone_at = :now WHERE service_id = ANY(:ids)")
_HERE: Final = ServiceRecord.gone_at.is_(None)


class Shrunk(Exception):
    """The service names less than half of the trainers it named before: that has to be believed by a person."""


def count_missed(db: Session, run: SyncRun) -> None:
    """Count whom a full run did not see. Raises ``Shrunk``.

    Where entries did not say whom they were about, anybody may be behind them, and nobody counts as missed.
    """
    seen, missed = db.execute(
        select(
            func.count().filter(ServiceRecord.seen_run == run.id),
            func.count().filter(ServiceRecord.seen_run.is_distinct_from(run.id)),
        ).where(_HERE)
    ).one()
    first, nameless = db.execute(
        select(
            func.count().filter(
                (SyncChange.kind == ChangeKind.ADDED) & ~SyncChange.facts.has_key("moved_from")
                | SyncChange.facts.has_key("first")
            ),
            func.count().filter(SyncChange.service_id == ""),
        ).where(SyncChange.run_id == run.id)
    ).one()
    known = seen + missed - first
    if known >= FEW and (seen - first) * 2 < known and not run.accept_shrink:
        raise Shrunk
    if not nameless:
        db.execute(_MISS, {"run_id": run.id})


def long_missed(db: Session, *, limit: int = BATCH) -> list[str]:
    """Trainers of the service whom two full runs in a row did not see, by id."""
    missed = select(ServiceRecord.service_id).where(_HERE, ServiceRecord.missed_runs >= MISSES)
    return [*db.scalars(missed.order_by(ServiceRecord.service_id).limit(limit))]


def leave(work: Work, run: SyncRun, ids: Collection[str], *, now: datetime) -> int:
    """Take trainers of the service to have left; whom they teach is on the list of those who need cover. How many."""
    gone = work.db.scalars(
        select(ServiceRecord.service_id)
        .where(ServiceRecord.service_id.in_(ids), _HERE)
        .order_by(ServiceRecord.service_id)
        .with_for_update(key_share=True)
    ).all()
    trainers = work.db.execute(
        select(Trainer.id, Trainer.service_id, Trainer.operator_id, Trainer.name, Trainer.active)
        .where(Trainer.service_id.in_(gone), Trainer.left_at.is_(None))
        .order_by(Trainer.id)
        .with_for_update(key_share=True)
    ).all()
    if trainers:
        work.db.execute(_LEAVE, {"ids": [trainer.id for trainer in trainers], "now": now})
    if gone:
        work.db.execute(_GONE, {"ids": list(gone), "now": now})
    by_id = {trainer.service_id: trainer for trainer in trainers}
    write_changes(work.db, [_change(run.id, service_id, by_id.get(service_id), now) for service_id in gone])
    after = {"active": False, "run_id": run.id}
    write_entries(
        work.db,
        [
            entry(
                "trainer.left",
                "trainer",
                trainer.id,
                operator_id=trainer.operator_id,
                by=SYSTEM,
                before={"active": trainer.active},
                after=after,
                at=now,
            )
            for trainer in trainers
        ],
    )
    return len(gone)


def _change(run_id: UUID, service_id: str, trainer: Any, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "run_id": run_id,
        "at": now,
        "kind": ChangeKind.GONE,
        "service_id": service_id,
        "trainer_id": trainer.id if trainer else None,
        "name": trainer.name if trainer else "",
        "facts": {},
    }
