"""Sessions that nobody will come to: time off fell on them, their trainer has left, or they never had one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CompoundSelect, and_, exists, func, not_, select, union
from sqlalchemy.orm import Session, aliased

from webapp.assignments.models import Assignment
from webapp.assignments.rules import AssignmentStatus
from webapp.bookings.models import Booking, CourseSession
from webapp.bookings.rules import TAUGHT, CourseSessionStatus
from webapp.core.actor import Actor
from webapp.courses.models import Course
from webapp.db.tenancy import owned_by
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.rules import SlotStatus
from webapp.trainers.models import TimeOff, Trainer
from webapp.zones.models import Zone


class CoverReason(StrEnum):
    """Why a session needs somebody else."""

    OFF = "off"
    INACTIVE = "inactive"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class UncoveredSession:
    """One session that nobody will come to; ``starts_at`` is shown in the session's ``time_zone``.

    It has no ``trainer`` where it was planned without one.
    """

    session_id: UUID
    booking_id: UUID
    reference: str
    number: int
    total: int
    course: str
    zone: str
    starts_at: datetime
    time_zone: str
    trainer_id: UUID | None
    trainer: str | None
    reason: CoverReason
    proposed_id: UUID | None = None
    """The open proposal of somebody else for it, and whom it proposes: until it is approved nobody will come."""
    proposed: str | None = None
    change_open: bool = False
    """Somebody else is proposed for some session of the booking: the rest cannot be replaced until that is decided."""


def needs_cover(
    db: Session, *, now: datetime, limit: int, offset: int = 0, visible_to: Actor
) -> tuple[list[UncoveredSession], int]:
    """Sessions of courses under way from ``now`` on whose trainer is away or not active, or that nobody has.

    Earliest first, and how many in all. Two statements: which, then what the page tells of those it shows.
    """
    lacking = sorted({(starts_at, id_) for id_, starts_at in db.execute(_lacking(now, visible_to))})
    shown = [id_ for _, id_ in lacking[offset : offset + limit]]
    booked = and_(ScheduleSlot.course_session_id == CourseSession.id, ScheduleSlot.status == SlotStatus.BOOKED)
    change_open = exists().where(Assignment.booking_id == Booking.id, Assignment.status == AssignmentStatus.PROPOSED)
    held, other = aliased(ScheduleSlot), aliased(Trainer)
    found = (
        select(
            CourseSession.id,
            Booking.id,
            Booking.reference,
            CourseSession.number,
            Booking.total_sessions,
            Course.name,
            Zone.name,
            CourseSession.starts_at,
            CourseSession.time_zone,
            Trainer.id,
            Trainer.name,
            Trainer.active,
            held.assignment_id,
            other.name,
            change_open,
        )
        .join(Booking, Booking.id == CourseSession.booking_id)
        .join(Course, Course.id == Booking.course_id)
        .join(Zone, Zone.id == Booking.zone_id)
        .outerjoin(ScheduleSlot, booked)
        .outerjoin(Trainer, Trainer.id == ScheduleSlot.trainer_id)
        .outerjoin(held, and_(held.course_session_id == CourseSession.id, held.status == SlotStatus.HELD))
        .outerjoin(other, other.id == held.trainer_id)
        .where(CourseSession.id.in_(shown))
        .order_by(CourseSession.starts_at, CourseSession.id)
    )
    rows = db.execute(found).all() if shown else ()
    sessions = [
        UncoveredSession(
            session_id=row[0],
            booking_id=row[1],
            reference=row[2],
            number=row[3],
            total=row[4],
            course=row[5],
            zone=row[6],
            starts_at=row[7],
            time_zone=row[8],
            trainer_id=row[9],
            trainer=row[10],
            reason=_reason(row[11]),
            proposed_id=row[12],
            proposed=row[13],
            change_open=row[14],
        )
        for row in rows
    ]
    return sessions, len(lacking)


def _lacking(now: datetime, visible_to: Actor) -> CompoundSelect[UUID, datetime]:
    """The sessions that lack a trainer, with their starts, looked for where few are: those away, gone, or nobody's."""
    slot = (ScheduleSlot.course_session_id, func.lower(ScheduleSlot.period))
    ahead = (ScheduleSlot.status == SlotStatus.BOOKED, func.lower(ScheduleSlot.period) >= now)
    away = (
        select(*slot)
        .join(
            TimeOff,
            and_(TimeOff.trainer_id == ScheduleSlot.trainer_id, TimeOff.period.bool_op("&&")(ScheduleSlot.period)),
        )
        .where(*ahead, func.upper(TimeOff.period) > now, owned_by(TimeOff.operator_id, visible_to))
    )
    gone = (
        select(*slot)
        .join(Trainer, Trainer.id == ScheduleSlot.trainer_id)
        .where(*ahead, not_(Trainer.active), owned_by(Trainer.operator_id, visible_to))
    )
    # Only a session that was given another time can be without a trainer.
    was = aliased(CourseSession)
    taken = exists().where(ScheduleSlot.status == SlotStatus.BOOKED, ScheduleSlot.course_session_id == CourseSession.id)
    nobody = (
        select(CourseSession.id, CourseSession.starts_at)
        .join(was, was.successor_id == CourseSession.id)
        .join(Booking, Booking.id == CourseSession.booking_id)
        .where(
            was.successor_id.is_not(None),
            CourseSession.status == CourseSessionStatus.SCHEDULED,
            CourseSession.starts_at >= now,
            Booking.status.in_(TAUGHT),
            ~taken,
            owned_by(CourseSession.operator_id, visible_to),
        )
    )
    return union(away, gone, nobody)


def _reason(active: bool | None) -> CoverReason:
    """Why, by whether the trainer is active: an active one is away, and nobody is neither."""
    if active is None:
        return CoverReason.NOBODY
    return CoverReason.OFF if active else CoverReason.INACTIVE
