"""Erasing a family: where its trainers had to be. Part of the room's service."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from webapp.db.work import Work
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.service import lock_trainers


def taken_ahead(db: Session, booking_ids: Collection[UUID], *, now: datetime) -> bool:
    """Whether a trainer is still taken by one of the bookings, now or later."""
    ahead = select(ScheduleSlot.id).where(
        ScheduleSlot.booking_id.in_(booking_ids), func.upper(ScheduleSlot.period) > now
    )
    return db.scalar(ahead.limit(1)) is not None


def erase_places(work: Work, booking_ids: Collection[UUID]) -> None:
    """Take the place off the slots of locked bookings that are over: nobody travels to or from what is past.

    Takes the locks of their trainers, in id order, as every writer of slots does.
    """
    of_bookings = ScheduleSlot.booking_id.in_(booking_ids)
    lock_trainers(work.db, work.db.scalars(select(ScheduleSlot.trainer_id).where(of_bookings).distinct()).all())
    work.db.execute(
        update(ScheduleSlot)
        .where(of_bookings, ScheduleSlot.place_lat.is_not(None))
        .values(place_lat=None, place_lng=None)
        .execution_options(synchronize_session=False)
    )
