"""Reading schedule slots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.core.intervals import Interval
from webapp.db.tenancy import owned_by
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.rules import SlotStatus


@dataclass(frozen=True, slots=True)
class SlotRow:
    """A period in which a trainer is taken, and the booking and course session that take it."""

    id: UUID
    booking_id: UUID
    course_session_id: UUID
    status: SlotStatus
    period: Interval


def slots_of_trainer(db: Session, trainer_id: UUID, period: Interval, *, visible_to: Actor) -> tuple[SlotRow, ...]:
    """The slots of a trainer that touch a period (a week, say), earliest first."""
    asked = func.tstzrange(period.starts_at, period.ends_at)
    rows = db.execute(
        select(
            ScheduleSlot.id,
            ScheduleSlot.booking_id,
            ScheduleSlot.course_session_id,
            ScheduleSlot.status,
            func.lower(ScheduleSlot.period),
            func.upper(ScheduleSlot.period),
        )
        .where(
            ScheduleSlot.trainer_id == trainer_id,
            owned_by(ScheduleSlot.operator_id, visible_to),
            ScheduleSlot.period.op("&&")(asked),
        )
        .order_by(func.lower(ScheduleSlot.period))
    )
    return tuple(
        SlotRow(id_, booking_id, session_id, status, Interval(starts_at, ends_at))
        for id_, booking_id, session_id, status, starts_at, ends_at in rows
    )


def booked_from(db: Session, trainer_id: UUID, since: datetime, *, visible_to: Actor) -> tuple[Interval, ...]:
    """When a trainer teaches from an instant on, as far as it is approved, earliest first."""
    ahead = func.tstzrange(since, None)
    rows = db.execute(
        select(func.lower(ScheduleSlot.period), func.upper(ScheduleSlot.period))
        .where(
            ScheduleSlot.trainer_id == trainer_id,
            ScheduleSlot.status == SlotStatus.BOOKED,
            ScheduleSlot.period.op("&&")(ahead),  # the index knows what lies ahead; what has begun is no more to cover
            func.lower(ScheduleSlot.period) >= since,
            owned_by(ScheduleSlot.operator_id, visible_to),
        )
        .order_by(func.lower(ScheduleSlot.period))
    )
    return tuple(Interval(*row) for row in rows)
