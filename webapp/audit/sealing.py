"""Sealing: the sweeper appends a seal for every entry, beside the entries, in batches.

A chain kept inside the business transactions would make them wait for each other; here they never meet it. Two sweepers
at once do no harm: one takes the lock, the other goes away, and whoever came past the lock would meet the position's
primary key, which lets no chain fork.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, select

from webapp.audit.canonical import canonical, seal
from webapp.audit.models import AuditSeal
from webapp.audit.queries.seals import Unsealed, chain_head, end_of_stretch, unsealed, watermark
from webapp.db.work import Database, Work

BATCH: Final = 1000
"""Entries one transaction seals."""
MOST_BATCHES: Final = 20
"""Batches of one run; what is left waits for the next, some seconds later."""
STRETCH: Final = 50_000
"""Entries looked through at once when all of them are."""

_LOCK: Final = 0x5A44_5345_414C
"""The advisory lock of the chain, held to the end of the transaction (a pooler does not mind those): "ZDSEAL"."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a run did, and where the chain ends now."""

    entries: int
    position: int
    head: bytes

    @property
    def name(self) -> str:
        """The head as people note it down: position and hash."""
        return f"{self.position}:{self.head.hex()}"


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one transaction sealed; nothing when another sweeper is at it."""

    entries: tuple[UUID, ...] = ()
    position: int = 0
    head: bytes = b""

    @property
    def full(self) -> bool:
        return len(self.entries) == BATCH


def seal_new(database: Database, *, now: datetime) -> Sealed | None:
    """Seal what was written lately; ``None`` when there was nothing, or another sweeper is sealing.

    Cheap however long the log is. ``now`` is what the seals say of when they were made.
    """
    return _told(_run(database, None, None, now=now))


def seal_forgotten(database: Database, *, now: datetime) -> Sealed | None:
    """Look through all entries and seal what ``seal_new`` can have missed: what became visible hours late."""
    done: list[_Batch] = []
    lo: UUID | None = UUID(int=0)
    while lo is not None and len(done) < MOST_BATCHES:
        with database.read_only() as db:
            hi = end_of_stretch(db, after=lo, length=STRETCH)
        done += [batch for batch in _run(database, lo, hi, now=now) if batch.entries]
        lo = hi
    return _told(done)


def _run(database: Database, after: UUID | None, upto: UUID | None, *, now: datetime) -> list[_Batch]:
    done: list[_Batch] = []
    while len(done) < MOST_BATCHES and (not done or done[-1].full):
        with database.unit_of_work() as work:
            done.append(_seal_batch(work, after if not done else done[-1].entries[-1], upto, now=now))
    return done


def _seal_batch(work: Work, after: UUID | None, upto: UUID | None, *, now: datetime) -> _Batch:
    """Seal the next entries in one transaction. ``after=None`` starts at the watermark."""
    if not work.db.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
        return _Batch()
    # Asked after the lock was taken, in a statement of its own: it sees what its last holder committed.
    head = chain_head(work.db)
    found = unsealed(work.db, after=watermark(work.db) if after is None else after, upto=upto, limit=BATCH)
    return append(work, head.position, head.hash, found, now=now)


def append(work: Work, position: int, head: bytes, found: tuple[Unsealed, ...], *, now: datetime) -> _Batch:
    """Add the seals of entries behind a head. Raises ``IntegrityError`` when somebody else went on from there."""
    rows = []
    for one in found:
        position, head = position + 1, seal(head, canonical(one.stored))
        rows.append(
            {"position": position, "operator_id": one.operator_id, "entry_id": one.id, "hash": head, "sealed_at": now}
        )
    if rows:
        work.db.execute(insert(AuditSeal), rows)
    return _Batch(tuple(one.id for one in found), position, head)


def _told(done: list[_Batch]) -> Sealed | None:
    with_seals = [batch for batch in done if batch.entries]
    if not with_seals:
        return None
    return Sealed(sum(len(batch.entries) for batch in with_seals), with_seals[-1].position, with_seals[-1].head)
