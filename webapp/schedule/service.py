"""The only writer of schedule slots. ``hold`` and ``book`` expect the trainer's row lock to be held (rule A3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, cast, delete, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE, Range, insert
from sqlalchemy.dialects.postgresql.ranges import MultiRange
from sqlalchemy.orm import Session

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.ids import new_id
from webapp.core.intervals import Interval
from webapp.db.work import Work
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.rules import SlotStatus
from webapp.trainers.models import Trainer


@dataclass(frozen=True, slots=True)
class SlotToHold:
    """The period of one course session, with the local date and time it was made from."""

    course_session_id: UUID
    period: Interval
    date: date
    timeslot: time


def lock_trainer(db: Session, trainer_id: UUID) -> None:
    """Take the trainer's row lock, which every writer of slots takes; waits up to the server's lock timeout.

    ``FOR NO KEY UPDATE``: plain ``FOR UPDATE`` would block every foreign-key check on the trainer.
    """
    db.scalar(select(Trainer.id).where(Trainer.id == trainer_id).with_for_update(key_share=True))


def lock_first_free(db: Session, trainer_ids: Sequence[UUID], wanted: Sequence[Interval]) -> UUID | None:
    """Lock the first of the trainers whom nobody else is locking and who has no slot in the wanted periods.

    One statement, however many are locked or taken: with a crowd after the same time that is most of them. It sees what
    was committed when it began, so the caller looks again under the lock.
    """
    ids = literal(list(trainer_ids), ARRAY(Uuid()))
    periods = MultiRange([Range(period.starts_at, period.ends_at, bounds="[)") for period in wanted])
    taken = exists().where(
        ScheduleSlot.trainer_id == Trainer.id,
        ScheduleSlot.period.bool_op("&&")(cast(literal(periods, TSTZMULTIRANGE), TSTZMULTIRANGE)),
    )
    return db.scalar(
        select(Trainer.id)
        .where(Trainer.id == any_(ids), ~taken)
        .order_by(func.array_position(ids, Trainer.id))
        .limit(1)
        .with_for_update(key_share=True, skip_locked=True, of=Trainer)
    )


def hold(
    work: Work,
    slots: Sequence[SlotToHold],
    *,
    operator_id: UUID,
    trainer_id: UUID,
    booking_id: UUID,
    assignment_id: UUID,
) -> bool:
    """Hold all slots for the trainer, or report ``False`` when the database refused at least one of them.

    The caller rolls back to its savepoint on ``False``: the slots that did fit must not stay.
    """
    rows = [
        {
            "id": new_id(),
            "operator_id": operator_id,
            "trainer_id": trainer_id,
            "booking_id": booking_id,
            "course_session_id": slot.course_session_id,
            "assignment_id": assignment_id,
            "status": SlotStatus.HELD,
            "period": Range(slot.period.starts_at, slot.period.ends_at, bounds="[)"),
            "date": slot.date,
            "timeslot": slot.timeslot,
        }
        for slot in slots
    ]
    held = work.db.scalars(insert(ScheduleSlot).values(rows).on_conflict_do_nothing().returning(ScheduleSlot.id)).all()
    return len(held) == len(rows)


def book(work: Work, assignment_id: UUID) -> int:
    """Turn an assignment's held slots into booked ones; returns how many there were."""
    held = update(ScheduleSlot).where(
        ScheduleSlot.assignment_id == assignment_id, ScheduleSlot.status == SlotStatus.HELD
    )
    return len(work.db.scalars(held.values(status=SlotStatus.BOOKED).returning(ScheduleSlot.id)).all())


def release(
    work: Work, booking_id: UUID, *, operator_id: UUID, by: Actor, now: datetime, future_only: bool = False
) -> int:
    """Delete a booking's slots (from ``now`` on, with ``future_only``); the audit keeps them. Returns how many.

    Takes the lock of the trainers whose slots go, in id order: callers end a booking without looking at its trainers.
    """
    theirs = select(ScheduleSlot.trainer_id).where(ScheduleSlot.booking_id == booking_id)
    locks = select(Trainer.id).where(Trainer.id.in_(theirs)).order_by(Trainer.id)
    work.db.execute(locks.with_for_update(key_share=True)).all()
    conditions: list[Any] = [ScheduleSlot.booking_id == booking_id]
    if future_only:
        conditions.append(func.lower(ScheduleSlot.period) > now)
    gone = work.db.execute(
        delete(ScheduleSlot)
        .where(*conditions)
        .returning(ScheduleSlot.trainer_id, ScheduleSlot.status, ScheduleSlot.date, ScheduleSlot.timeslot)
    ).all()
    if gone:
        slots = [[str(row.trainer_id), row.status.value, f"{row.date}T{row.timeslot:%H:%M}"] for row in gone]
        audit.record(
            work,
            "slots.released",
            "booking",
            booking_id,
            operator_id=operator_id,
            by=by,
            at=now,
            before={"slots": sorted(slots)},
        )
    return len(gone)
