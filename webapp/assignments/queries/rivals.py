"""Who else waits for a proposed trainer: bookings of the waitlist that want the trainer at the same times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, select, true
from sqlalchemy.orm import Session

from webapp.assignments.models import Assignment
from webapp.bookings.models import Booking, CourseSession
from webapp.bookings.rules import BookingStatus, CourseSessionStatus
from webapp.core.actor import Actor
from webapp.courses.models import Course
from webapp.db.tenancy import owned_by
from webapp.schedule.models import ScheduleSlot
from webapp.trainers.models import TrainerBlock, TrainerCourse, TrainerZone
from webapp.zones.models import Zone

SHOWN = 5
"""Most rivals a page lists; it says how many there are."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A waitlisted booking; ``overlapping`` of its sessions overlap those of the proposal."""

    booking_id: UUID
    reference: str
    course: str
    zone: str
    time_zone: str
    since: datetime
    """Since when it waits: the end of its last proposal, else when it was placed."""
    overlapping: int


def rivals(db: Session, assignment_id: UUID, *, visible_to: Actor, limit: int = SHOWN) -> tuple[list[Rival], int]:
    """The bookings that want this proposal's trainer at its times, longest waiting first, and how many there are.

    Of the same operator, for a course the trainer is certified for, in a zone the trainer works in, and not kept apart
    from the trainer. The times are those of the proposal's slots: a proposal that let them go has no rivals.
    """
    asked = select(Assignment.operator_id, Assignment.trainer_id, Assignment.booking_id).where(
        Assignment.id == assignment_id, owned_by(Assignment.operator_id, visible_to)
    )
    wanted = asked.cte("wanted")
    clash = exists().where(
        ScheduleSlot.assignment_id == assignment_id,
        ScheduleSlot.period.op("&&")(func.tstzrange(CourseSession.starts_at, CourseSession.ends_at)),
    )
    clashing = (
        select(func.count().label("sessions"))
        .where(CourseSession.booking_id == Booking.id, CourseSession.status == CourseSessionStatus.SCHEDULED, clash)
        .correlate(Booking)
        .lateral("clashing")
    )
    ended = select(func.max(Assignment.decided_at)).where(Assignment.booking_id == Booking.id).correlate(Booking)
    since = func.coalesce(ended.scalar_subquery(), Booking.created_at).label("since")
    certified = exists().where(
        TrainerCourse.trainer_id == wanted.c.trainer_id, TrainerCourse.course_id == Booking.course_id
    )
    works_there = exists().where(TrainerZone.trainer_id == wanted.c.trainer_id, TrainerZone.zone_id == Booking.zone_id)
    apart = exists().where(
        TrainerBlock.trainer_id == wanted.c.trainer_id, TrainerBlock.household_id == Booking.household_id
    )
    found = (
        select(
            Booking.id,
            Booking.reference,
            Course.name,
            Zone.name,
            Booking.time_zone,
            since,
            clashing.c.sessions,
            func.count().over(),
        )
        .join(wanted, wanted.c.operator_id == Booking.operator_id)
        .join(Course, Course.id == Booking.course_id)
        .join(Zone, Zone.id == Booking.zone_id)
        .join(clashing, true())
        .where(
            Booking.status == BookingStatus.WAITLISTED,
            Booking.id != wanted.c.booking_id,
            clashing.c.sessions > 0,
            certified,
            works_there,
            ~apart,
        )
        .order_by(since, Booking.id)
        .limit(limit)
    )
    rows = db.execute(found).all()
    return [Rival(*row[:7]) for row in rows], rows[0][7] if rows else 0
