"""Many certificates in one file: promised as a row, made by a work-horse, there for a day. Part of the room's service.

What was chosen is frozen on the row; what becomes of each certificate until the file is made counts as it is then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from webapp.audit import service as audit
from webapp.certificates.models import CertificateBatch
from webapp.certificates.queries import batches as queries
from webapp.certificates.rules import BatchKind, BatchState, LeftOut
from webapp.certificates.service import backoff
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid
from webapp.core.ids import COMPANY_ID, new_id
from webapp.core.job_names import JobName
from webapp.db.promises import Held, RetriedPromises
from webapp.db.work import Work

Batch = CertificateBatch
MAX_TRIES: Final = 5
BATCHES: Final = RetriedPromises(Batch, BatchState.PENDING, backoff, BatchState.FAILED, MAX_TRIES)
MOST: Final = 1000
"""Certificates in one batch."""
MOST_WAITING: Final = 3
"""Batches of one person that are being made at a time."""
KEPT_FOR: Final = timedelta(days=1)
"""How long a file is there for whoever asked for it."""


@dataclass(frozen=True, slots=True)
class Claim(Held):
    """One batch taken for making."""

    kind: BatchKind
    items: tuple[queries.Item, ...]


def ask(
    work: Work,
    kind: BatchKind,
    chosen: Sequence[tuple[UUID, UUID]],
    *,
    batch_id: UUID,
    by: Actor,
    now: datetime,
) -> UUID:
    """Promise a file of the chosen certificates, as (id, operator's id) in their order; returns the batch's id.

    ``batch_id`` is the one that the page offered: a second click finds the same batch. Where another one was made under
    it meanwhile, this gets a new id. Raises ``Invalid`` for none or too many, ``Conflict`` ``batches-waiting``.
    """
    if not chosen:
        raise Invalid("batch-empty", "Tick at least one certificate.")
    if len(chosen) > MOST:
        raise Invalid("batch-too-large", "A batch holds at most %(most)s certificates. Narrow the list.", most=MOST)
    if by.id is None:
        raise Conflict("batch-nobody", "Only a person can take a batch home.")
    items = queries.items_of(chosen)
    before = work.db.execute(select(Batch.asked_by, Batch.kind, Batch.items).where(Batch.id == batch_id)).one_or_none()
    if before is not None and tuple(before) == (by.id, kind, items):
        return batch_id
    waiting = select(Batch.id).where(Batch.asked_by == by.id, Batch.state == BatchState.PENDING).limit(MOST_WAITING)
    if len(work.db.scalars(waiting).all()) >= MOST_WAITING:
        raise Conflict("batches-waiting", "Your earlier batches are still being made. Wait until one is ready.")
    operator_id = by.operator_id or COMPANY_ID
    values = {
        "id": batch_id,
        "operator_id": operator_id,
        "kind": kind,
        "state": BatchState.PENDING,
        "asked_by": by.id,
        "asked_at": now,
        "items": items,
        "chosen": len(items),
        "done": 0,
        "included": 0,
        "left_out": [],
        "attempts": 0,
        "next_at": now,
    }
    if work.db.scalar(insert(Batch).values(values).on_conflict_do_nothing().returning(Batch.id)) is None:
        if before is None and _is_the_same(work, batch_id, by, kind, items):
            return batch_id  # the other click was a moment faster
        batch_id = new_id()
        work.db.execute(insert(Batch).values(values | {"id": batch_id}))
    _tell(work, "asked", batch_id, operator_id, by=by, now=now, after={"kind": kind, "certificates": len(items)})
    work.after_commit(JobName.MAKE_BATCHES)
    return batch_id


def _is_the_same(work: Work, batch_id: UUID, by: Actor, kind: BatchKind, items: list[dict[str, str]]) -> bool:
    found = work.db.execute(select(Batch.asked_by, Batch.kind, Batch.items).where(Batch.id == batch_id)).one_or_none()
    return found is not None and tuple(found) == (by.id, kind, items)


def claim(work: Work, batch_id: UUID, *, now: datetime, lease_for: timedelta) -> Claim | None:
    """Take a batch for making from its beginning; ``None`` when it is not due, taken, or its tries are over."""
    found = BATCHES.claim(work, batch_id, now=now, lease_for=lease_for)
    if found is None:
        return None
    batch, held = found
    batch.done, batch.included, batch.left_out = 0, 0, []
    return Claim(held.id, held.lease, held.attempt, batch.kind, queries.items_in(batch.items))


def record_progress(work: Work, claim: Claim, done: int, *, now: datetime, lease_for: timedelta) -> bool:
    """Note how far it is and go on holding the batch; ``False`` when the lease was lost: somebody else makes it."""
    return BATCHES.settle(work, claim, {"done": done, "lease_until": now + lease_for}, go_on=True) is not None


def publish(
    work: Work,
    claim: Claim,
    *,
    sha256: str | None,
    size: int,
    left_out: Sequence[tuple[UUID, LeftOut]],
    now: datetime,
) -> bool:
    """Let whoever asked have the file; ``False`` when the lease was lost. Without a file, nothing could be put in."""
    included = len(claim.items) - len(left_out)
    values: dict[str, Any] = {
        "done": len(claim.items),
        "included": included,
        "left_out": [{"certificate": str(certificate_id), "why": why.value} for certificate_id, why in left_out],
    }
    if sha256 is None:
        values |= {"state": BatchState.FAILED, "last_error": "nothing-in-it"}
    else:
        values |= {"state": BatchState.READY, "file_sha256": sha256, "size": size, "expires_at": now + KEPT_FOR}
        values |= {"last_error": None}
    return BATCHES.settle(work, claim, values) is not None


def record_failure(work: Work, claim: Claim, problem: str, *, now: datetime) -> BatchState | None:
    """Note why a try failed; see ``RetriedPromises.record_failure``."""
    return BATCHES.record_failure(work, claim, problem, now=now)


def record_gone(work: Work, batch_id: UUID, *, now: datetime) -> bool:
    """Note that a file whose day is over was removed; a second time changes nothing."""
    over = (
        update(Batch)
        .where(Batch.id == batch_id, Batch.state == BatchState.READY, Batch.expires_at <= now)
        .values(state=BatchState.GONE, file_sha256=None)
        .returning(Batch.id)
    )
    return work.db.scalar(over) is not None


def forget(work: Work, batch_id: UUID) -> None:
    """Delete the row of a batch of long ago; its audit entries stay."""
    work.db.execute(delete(Batch).where(Batch.id == batch_id, Batch.state.in_((BatchState.FAILED, BatchState.GONE))))


def take_back(work: Work, certificate_ids: Iterable[UUID], *, now: datetime) -> int:
    """Take certificates whose family is erased out of reach in batches; returns how many batches it concerned.

    A file that is there ends now and is removed by the tidying job; one that is being made is begun anew, without them.
    Asked by somebody who sees every operator's batches, as whoever erases does.
    """
    holds = or_(*(Batch.items.contains([{"certificate": str(id_)}]) for id_ in certificate_ids))
    held = select(Batch).where(holds, Batch.state.in_((BatchState.PENDING, BatchState.READY)))
    found = work.db.scalars(held.order_by(Batch.id).with_for_update()).all()
    for batch in found:
        if batch.state is BatchState.READY:
            batch.expires_at = min(now, batch.expires_at or now)
            work.after_commit(JobName.TIDY_BATCHES)
        else:
            batch.lease, batch.lease_until, batch.next_at = None, None, now
            work.after_commit(JobName.MAKE_BATCHES)
    return len(found)


def _tell(
    work: Work, what: str, batch_id: UUID, operator_id: UUID, *, by: Actor, now: datetime, after: Mapping[str, Any]
) -> None:
    audit.record(
        work,
        f"certificate_batch.{what}",
        "certificate_batch",
        batch_id,
        operator_id=operator_id,
        by=by,
        after=after,
        at=now,
    )
