"""Recording and taking back that a trainer is away. Part of the room's service, which hands these verbs out."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import Range, insert

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, NotFound
from webapp.core.ids import new_id
from webapp.core.intervals import Interval
from webapp.core.names import clean_name
from webapp.db.work import Work
from webapp.trainers.locking import locked, ring_waitlist
from webapp.trainers.models import TimeOff


def record_time_off(
    work: Work, trainer_id: UUID, period: Interval, reason: str, *, by: Actor, now: datetime, key: UUID | None = None
) -> UUID:
    """Record that a trainer is away. It may lie over booked slots, as sickness does: those then need cover.

    Raises ``NotFound`` for a trainer that is not there or not the actor's, ``Invalid`` for too long a reason. ``key``
    is the id from a form that may be sent twice: the second time changes nothing. ``Conflict`` ``time-off-recorded``
    when it said something else the first time, ``NotFound`` when the id is another's.
    """
    trainer = locked(work.db, trainer_id, by)
    words = clean_name(reason, field="reason") if reason.strip() else ""
    fresh = insert(TimeOff).values(
        id=key or new_id(),
        operator_id=trainer.operator_id,
        trainer_id=trainer_id,
        period=Range(period.starts_at, period.ends_at, bounds="[)"),
        reason=words,
    )
    added = fresh.on_conflict_do_nothing(index_elements=[TimeOff.id]).returning(TimeOff.id)
    time_off_id: UUID | None = work.db.scalar(added)
    if time_off_id is None:
        kept = work.db.scalar(select(TimeOff).where(TimeOff.id == key, TimeOff.trainer_id == trainer_id))
        if kept is None:
            raise NotFound()
        if (kept.period.lower, kept.period.upper, kept.reason) != (period.starts_at, period.ends_at, words):
            sentence = "This page has recorded other time off already. Record again to add what stands here to it."
            raise Conflict("time-off-recorded", sentence)
        return kept.id
    audit.record(
        work,
        "trainer.time_off_recorded",
        "trainer",
        trainer_id,
        operator_id=trainer.operator_id,
        by=by,
        after=_told(time_off_id, period.starts_at, period.ends_at, words),
        at=now,
    )
    return time_off_id


def remove_time_off(
    work: Work, trainer_id: UUID, time_off_id: UUID, *, by: Actor, now: datetime, served: bool = True
) -> bool:
    """Take back that a trainer is away; doing it again changes nothing. Whether there was anything to take back.

    Raises ``NotFound`` for a trainer that is not there or not the actor's, ``Conflict`` ``owned-by-service`` for what
    the trainer service says: it would be back after the next synchronisation. Without a service (``served``) it may go.
    """
    trainer = locked(work.db, trainer_id, by)
    row = work.db.scalar(select(TimeOff).where(TimeOff.id == time_off_id, TimeOff.trainer_id == trainer_id))
    if row is None:
        return False
    if row.from_service and served:
        raise Conflict("owned-by-service", "The trainer service says so: it has to be taken back there.")
    work.db.delete(row)
    audit.record(
        work,
        "trainer.time_off_removed",
        "trainer",
        trainer_id,
        operator_id=trainer.operator_id,
        by=by,
        before=_told(row.id, row.period.lower, row.period.upper, row.reason),
        at=now,
    )
    ring_waitlist(work, trainer.operator_id)
    return True


def _told(time_off_id: UUID, starts_at: datetime | None, ends_at: datetime | None, reason: str) -> dict[str, Any]:
    """Time off for the audit. Why may tell of somebody's health: that stays on the row."""
    return {"id": time_off_id, "starts_at": starts_at, "ends_at": ends_at, "reason_given": bool(reason)}
