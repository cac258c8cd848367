"""Taking, booking and releasing schedule slots. Every writer of slots holds the trainer's row lock (rule A2).

A new proposal writes its slots together with all else it changes (``assignments.holding``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Uuid,
    any_,
    cast,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE, Range
from sqlalchemy.dialects.postgresql.ranges import MultiRange
from sqlalchemy.orm import Session

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.core.intervals import Interval
from webapp.core.job_names import JobName
from webapp.db.work import Work
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.rules import SlotStatus
from webapp.trainers.models import Trainer


@dataclass(frozen=True, slots=True)
class SlotToTake:
    """The period of one course session, the local date and time it was made from, and where it is taught.

    ``place`` is ``None`` online; ``buffer_minutes`` the travel buffer of the booking's zone.
    """

    course_session_id: UUID
    period: Interval
    date: date
    timeslot: time
    place: Location | None
    buffer_minutes: int


@dataclass(frozen=True, slots=True)
class ReleasedSlot:
    """A slot that is no more: whose it was, for which session, and under which assignment."""

    trainer_id: UUID
    course_session_id: UUID
    assignment_id: UUID
    status: SlotStatus
    date: date
    timeslot: time


def lock_trainer(db: Session, trainer_id: UUID) -> None:
    """Take the trainer's row lock, which every writer of slots takes; waits up to the server's lock timeout.

    ``FOR NO KEY UPDATE``: plain ``FOR UPDATE`` would block every foreign-key check on the trainer.
    """
    db.scalar(select(Trainer.id).where(Trainer.id == trainer_id).with_for_update(key_share=True))


_CHUNK = 25
"""How many trainers are looked at in one statement: the first is free but for a crowd after the same time."""


def lock_first_free(db: Session, trainer_ids: Sequence[UUID], wanted: Sequence[Interval]) -> UUID | None:
    """Lock the first of the trainers whom nobody else is locking and who has no slot in the wanted periods.

    One statement for every 25, however many are locked or taken; without wanted periods only locks are looked at. It
    sees what was committed when it began, so the caller looks again under the lock.
    """
    periods = MultiRange([Range(period.starts_at, period.ends_at, bounds="[)") for period in wanted])
    taken = exists().where(
        ScheduleSlot.trainer_id == Trainer.id,
        ScheduleSlot.period.bool_op("&&")(cast(literal(periods, TSTZMULTIRANGE), TSTZMULTIRANGE)),
    )
    for first in range(0, len(trainer_ids), _CHUNK):
        ids = literal(list(trainer_ids[first : first + _CHUNK]), ARRAY(Uuid()))
        found = db.scalar(
            select(Trainer.id)
            .where(Trainer.id == any_(ids), ~taken if wanted else true())
            .order_by(func.array_position(ids, Trainer.id))
            .limit(1)
            .with_for_update(key_share=True, skip_locked=True, of=Trainer)
        )
        if found is not None:
            return found
    return None


def lock_trainers(db: Session, trainer_ids: Collection[UUID]) -> None:
    """Take several trainers' row locks in id order, so that two transactions never wait for each other."""
    wanted = select(Trainer.id).where(Trainer.id.in_(trainer_ids)).order_by(Trainer.id)
    db.execute(wanted.with_for_update(key_share=True)).all()


_TAKE = text("""
INSERT INTO schedule_slots (id, operator_id, trainer_id, booking_id, course_session_id, assignment_id, status, period,
                            date, timeslot, place_lat, place_lng, buffer_minutes)
SELECT wanted.id, :operator_id, :trainer_id, :booking_id, wanted.session_id, :assignment_id, :status,
       tstzrange(wanted.starts_at, wanted.ends_at, '[)'), wanted.date, wanted.timeslot, wanted.lat, wanted.lng,
       wanted.buffer
FROM unnest(CAST(:ids AS uuid[]), CAST(:session_ids AS uuid[]), CAST(:starts AS timestamptz[]),
            CAST(:ends AS timestamptz[]), CAST(:dates AS date[]), CAST(:timeslots AS time[]),
            CAST(:lats AS float8[]), CAST(:lngs AS float8[]), CAST(:buffers AS int[]))
     AS wanted (id, session_id, starts_at, ends_at, date, timeslot, lat, lng, buffer)
ON CONFLICT DO NOTHING
RETURNING 1
""")


def take(
    work: Work,
    slots: Sequence[SlotToTake],
    *,
    operator_id: UUID,
    trainer_id: UUID,
    booking_id: UUID,
    assignment_id: UUID,
    status: SlotStatus,
) -> bool:
    """Take the trainer for all slots, or report ``False`` when the database refused at least one of them.

    The caller rolls back to its savepoint on ``False``: the slots that did fit must not stay.
    """
    taken = work.db.execute(
        _TAKE,
        {
            "operator_id": operator_id,
            "trainer_id": trainer_id,
            "booking_id": booking_id,
            "assignment_id": assignment_id,
            "status": status.value,
            "ids": [new_id() for _ in slots],
            "session_ids": [slot.course_session_id for slot in slots],
            "starts": [slot.period.starts_at for slot in slots],
            "ends": [slot.period.ends_at for slot in slots],
            "dates": [slot.date for slot in slots],
            "timeslots": [slot.timeslot for slot in slots],
            "lats": [slot.place.lat if slot.place else None for slot in slots],
            "lngs": [slot.place.lng if slot.place else None for slot in slots],
            "buffers": [slot.buffer_minutes for slot in slots],
        },
    ).all()
    return len(taken) == len(slots)


def release_sessions(
    work: Work,
    booking_id: UUID,
    session_ids: Collection[UUID],
    *,
    operator_id: UUID,
    by: Actor,
    now: datetime,
    booked_only: bool = False,
) -> list[ReleasedSlot]:
    """Delete the slots of some sessions of one booking, whose trainers are locked; the audit keeps them.

    With ``booked_only`` those held by a proposal stay.
    """
    gone = delete(ScheduleSlot).where(
        ScheduleSlot.booking_id == booking_id, ScheduleSlot.course_session_id.in_(session_ids)
    )
    if booked_only:
        gone = gone.where(ScheduleSlot.status == SlotStatus.BOOKED)
    released = [ReleasedSlot(*row) for row in work.db.execute(gone.returning(*_OF_SLOT))]
    _tell(work, booking_id, released, operator_id=operator_id, by=by, now=now)
    return released


def book(work: Work, assignment_id: UUID) -> int:
    """Turn an assignment's held slots into booked ones; returns how many there were."""
    held = update(ScheduleSlot).where(
        ScheduleSlot.assignment_id == assignment_id, ScheduleSlot.status == SlotStatus.HELD
    )
    return len(work.db.scalars(held.values(status=SlotStatus.BOOKED).returning(ScheduleSlot.id)).all())


def release(
    work: Work,
    booking_id: UUID,
    *,
    operator_id: UUID,
    by: Actor,
    now: datetime,
    assignment_id: UUID | None = None,
    future_only: bool = False,
) -> int:
    """Delete a booking's slots; the audit keeps them. Returns how many.

    With an ``assignment_id`` only its slots; with ``future_only`` booked ones that have begun stay: somebody taught
    them. Takes the lock of the trainers whose slots go, in id order: callers end a booking without looking at them.
    """
    conditions: list[ColumnElement[bool]] = [ScheduleSlot.booking_id == booking_id]
    if assignment_id is not None:
        conditions.append(ScheduleSlot.assignment_id == assignment_id)
    lock_trainers(work.db, work.db.scalars(select(ScheduleSlot.trainer_id).where(*conditions).distinct()).all())
    if future_only:
        conditions.append(or_(ScheduleSlot.status == SlotStatus.HELD, func.lower(ScheduleSlot.period) > now))
    gone = work.db.execute(delete(ScheduleSlot).where(*conditions).returning(*_OF_SLOT))
    released = [ReleasedSlot(*row) for row in gone]
    _tell(work, booking_id, released, operator_id=operator_id, by=by, now=now)
    return len(released)


_OF_SLOT = (
    ScheduleSlot.trainer_id,
    ScheduleSlot.course_session_id,
    ScheduleSlot.assignment_id,
    ScheduleSlot.status,
    ScheduleSlot.date,
    ScheduleSlot.timeslot,
)


def _tell(
    work: Work, booking_id: UUID, released: Sequence[ReleasedSlot], *, operator_id: UUID, by: Actor, now: datetime
) -> None:
    if released:
        slots = [[str(slot.trainer_id), slot.status.value, f"{slot.date}T{slot.timeslot:%H:%M}"] for slot in released]
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
        # Somebody on the waitlist may be glad of the trainer (rule A6).
        work.after_commit(JobName.RETRY_WAITLIST, operator_id=str(operator_id))
