"""A: the plain reference. A desk that asks trainer by trainer and session by session, as the replaced system did.

It goes through the same SQLAlchemy and the same driver as the engine, on one connection and in one transaction; the
HTTP calls of that system are left out. Like it, and like the engine, it looks at every trainer and every session,
because whoever asks wants to hear why somebody was refused. It takes no locks, writes no audit and explains nothing:
all of that would only make it slower.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from webapp.assignments.models import Assignment
from webapp.assignments.rules import AssignmentStatus
from webapp.bookings.models import Booking, CourseSession
from webapp.bookings.rules import BookingStatus
from webapp.core.geo import Location, distance_km
from webapp.core.ids import new_id
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.rules import SlotStatus
from webapp.trainers.models import TimeOff, Trainer, TrainerCourse, TrainerHours, TrainerZone
from webapp.zones.models import Zone


def place_course(db: Session, booking_id: UUID, *, now: datetime) -> UUID | None:
    """Hold all sessions of a waiting booking for the nearest trainer who is free for them; that trainer, if any."""
    booking = db.execute(select(Booking.__table__).where(Booking.id == booking_id)).one()
    zone = db.execute(select(Zone.radius_km).where(Zone.id == booking.zone_id)).one()
    sessions = db.execute(
        select(CourseSession.__table__).where(CourseSession.booking_id == booking_id).order_by(CourseSession.number)
    ).all()
    home = Location(booking.lat, booking.lng)
    trainers = db.execute(
        select(Trainer.id, Trainer.active, Trainer.base_lat, Trainer.base_lng)
        .where(Trainer.operator_id == booking.operator_id)
        .order_by(Trainer.id)
    ).all()
    free: list[tuple[float, UUID]] = []
    for trainer in trainers:
        away_km = distance_km(Location(trainer.base_lat, trainer.base_lng), home)
        fits = _fits(db, trainer.id, booking) and trainer.active and away_km <= zone.radius_km
        hours = db.execute(select(TrainerHours.__table__).where(TrainerHours.trainer_id == trainer.id)).all()
        off = db.execute(select(TimeOff.period).where(TimeOff.trainer_id == trainer.id)).scalars().all()
        busy = sum(not _can_teach(db, trainer.id, session, hours, off) for session in sessions)
        if fits and not busy:
            free.append((away_km, trainer.id))
    if not free:
        return None
    chosen = min(free)[1]
    _hold(db, booking, sessions, chosen, now)
    return chosen


def _fits(db: Session, trainer_id: UUID, booking: Any) -> bool:
    courses = db.execute(select(TrainerCourse.course_id).where(TrainerCourse.trainer_id == trainer_id)).scalars().all()
    zones = db.execute(select(TrainerZone.zone_id).where(TrainerZone.trainer_id == trainer_id)).scalars().all()
    return booking.course_id in courses and booking.zone_id in zones


def _can_teach(db: Session, trainer_id: UUID, session: Any, hours: Any, off: Any) -> bool:
    """Whether one trainer can give one session: one statement each time."""
    wanted = Range(session.starts_at, session.ends_at, bounds="[)")
    taken = db.scalar(
        select(func.count()).where(ScheduleSlot.trainer_id == trainer_id, ScheduleSlot.period.overlaps(wanted))
    )
    ends = (datetime.combine(session.date, session.timeslot) + timedelta(minutes=40)).time()
    works = any(
        row.weekday == session.date.weekday() and row.starts <= session.timeslot and ends <= row.ends for row in hours
    )
    return not taken and works and not any(period.overlaps(wanted) for period in off)


def _hold(db: Session, booking: Any, sessions: Any, trainer_id: UUID, now: datetime) -> None:
    assignment_id = new_id()
    owned = {"operator_id": booking.operator_id, "booking_id": booking.id, "trainer_id": trainer_id}
    db.execute(
        insert(Assignment).values(
            id=assignment_id,
            **owned,
            status=AssignmentStatus.PROPOSED,
            automatic=True,
            proposed_by_name="reference",
            proposed_at=now,
            expires_at=now + timedelta(hours=48),
            explanation=[],
        )
    )
    for session in sessions:
        db.execute(
            insert(ScheduleSlot).values(
                id=new_id(),
                **owned,
                course_session_id=session.id,
                assignment_id=assignment_id,
                status=SlotStatus.HELD,
                period=Range(session.starts_at, session.ends_at, bounds="[)"),
                date=session.date,
                timeslot=session.timeslot,
                place_lat=booking.lat,
                place_lng=booking.lng,
                buffer_minutes=0,
            )
        )
    db.execute(
        update(Booking)
        .where(Booking.id == booking.id)
        .values(status=BookingStatus.PENDING_APPROVAL, version=Booking.version + 1)
        .execution_options(synchronize_session=False)
    )
