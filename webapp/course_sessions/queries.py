"""Which sessions there are on a day, which wait for attendance, and one session whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Select, case, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session, aliased

from webapp.bookings.models import Booking, BookingStudent, CourseSession
from webapp.bookings.rules import TAUGHT, BookingStatus, CourseRequest, CourseSessionStatus, SessionMode
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.course_sessions.models import Attendance
from webapp.course_sessions.rules import AttendanceMark
from webapp.courses.models import Course
from webapp.db.tenancy import owned_by
from webapp.households.models import Student
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.rules import SlotStatus
from webapp.trainers.models import Trainer
from webapp.zones.models import Zone

_WIDEST_DAY = timedelta(hours=40)
"""A local day starts and ends within this of the same day in UTC, wherever on earth: it bounds the index scan."""


@dataclass(frozen=True, slots=True)
class Participant:
    """A student of a session, with the mark if there is one."""

    id: UUID
    name: str
    mark: AttendanceMark | None


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as lists and its own page show it; ``date`` and ``timeslot`` are local to ``time_zone``."""

    id: UUID
    operator_id: UUID
    booking_id: UUID
    household_id: UUID
    reference: str
    booking_status: BookingStatus
    number: int
    total: int
    course: str
    zone: str
    address: str
    date: date
    timeslot: time
    time_zone: str
    starts_at: datetime
    mode: SessionMode
    status: CourseSessionStatus
    trainer_id: UUID | None
    trainer: str | None
    proposed_id: UUID | None
    """The open proposal of another trainer for it, and whom it proposes."""
    proposed: str | None
    successor_id: UUID | None
    """The session it was moved to."""
    students: tuple[Participant, ...]

    def ahead_at(self, now: datetime) -> bool:
        """Whether it can be moved, cancelled or taught by a substitute: the course is taught and it has not begun."""
        return self.status is CourseSessionStatus.SCHEDULED and self.starts_at > now and self.booking_status in TAUGHT

    @property
    def without_trainer(self) -> bool:
        """Whether it was planned although nobody could take it, and nobody is booked for it yet."""
        scheduled = self.status is CourseSessionStatus.SCHEDULED and self.booking_status in TAUGHT
        return scheduled and self.trainer_id is None

    @property
    def lost(self) -> bool:
        """Whether it did not take place and a make-up can be planned (rule S1)."""
        return self.status in (CourseSessionStatus.MISSED, CourseSessionStatus.CANCELLED) and (
            self.booking_status in TAUGHT
        )

    def open_at(self, now: datetime) -> bool:
        """Whether attendance can be marked: it has begun, the trainer is approved, nobody has marked it yet."""
        return self.status is CourseSessionStatus.SCHEDULED and self.starts_at <= now and self.booking_status in TAUGHT


def sessions_on(
    db: Session, on: date | None, *, now: datetime, limit: int, offset: int, visible_to: Actor
) -> tuple[list[SessionRow], int]:
    """The sessions of a local day (``None``: today, each in its own zone) that have a trainer approved, by time."""
    today = cast(func.timezone(CourseSession.time_zone, now), Date)
    middle = datetime.combine(on, time(12), now.tzinfo) if on is not None else now
    rows = _rows(visible_to).where(
        CourseSession.date == (on if on is not None else today),
        CourseSession.starts_at.between(middle - _WIDEST_DAY, middle + _WIDEST_DAY),
        CourseSession.status.not_in((CourseSessionStatus.CANCELLED, CourseSessionStatus.RESCHEDULED)),
        Booking.status.in_((*TAUGHT, BookingStatus.COMPLETED)),
    )
    return _page(db, rows, limit, offset)


def waiting_for_attendance(
    db: Session, *, now: datetime, limit: int, offset: int = 0, visible_to: Actor
) -> tuple[list[SessionRow], int]:
    """Sessions that have begun and that nobody has marked, oldest first."""
    rows = _rows(visible_to).where(
        CourseSession.status == CourseSessionStatus.SCHEDULED,
        CourseSession.starts_at <= now,
        Booking.status.in_(TAUGHT),
    )
    return _page(db, rows, limit, offset)


def session_row(db: Session, session_id: UUID, *, visible_to: Actor) -> SessionRow:
    """One session. Raises ``NotFound``."""
    row = db.execute(_rows(visible_to).where(CourseSession.id == session_id)).one_or_none()
    if row is None:
        raise NotFound()
    return _read(row)


def booking_of(db: Session, session_id: UUID, *, visible_to: Actor) -> UUID:
    """The booking a session belongs to. Raises ``NotFound``."""
    found = db.scalar(
        select(CourseSession.booking_id).where(
            CourseSession.id == session_id, owned_by(CourseSession.operator_id, visible_to)
        )
    )
    if found is None:
        raise NotFound()
    return found


def request_of(db: Session, booking_id: UUID) -> CourseRequest:
    """What the schedule of a booking, which the caller has found to be visible, was made from."""
    row = db.execute(
        select(
            Booking.class_type,
            Booking.delivery_mode,
            Booking.total_sessions,
            Booking.start_date,
            Booking.timeslot,
            Booking.time_zone,
        ).where(Booking.id == booking_id)
    ).one()
    return CourseRequest(*row)


def _page(db: Session, rows: Select[*tuple[Any, ...]], limit: int, offset: int) -> tuple[list[SessionRow], int]:
    total = db.scalar(select(func.count()).select_from(rows.order_by(None).subquery())) or 0
    ordered = rows.order_by(CourseSession.starts_at, CourseSession.id).limit(limit).offset(offset)
    return [_read(row) for row in db.execute(ordered)], total


def _rows(visible_to: Actor) -> Select[*tuple[Any, ...]]:
    students = (
        select(
            func.json_agg(
                aggregate_order_by(
                    func.json_build_array(Student.id, Student.name, Attendance.mark), Student.name, Student.id
                )
            )
        )
        .select_from(BookingStudent)
        .join(Student, Student.id == BookingStudent.student_id)
        .outerjoin(
            Attendance,
            (Attendance.student_id == Student.id) & (Attendance.course_session_id == CourseSession.id),
        )
        .where(BookingStudent.booking_id == Booking.id)
        .correlate(Booking, CourseSession)
        .scalar_subquery()
    )
    instead, other = aliased(ScheduleSlot), aliased(Trainer)
    first_proposal = Booking.status == BookingStatus.PENDING_APPROVAL
    return (
        select(
            CourseSession.id,
            CourseSession.operator_id,
            CourseSession.booking_id,
            Booking.household_id,
            Booking.reference,
            Booking.status.label("booking_status"),
            CourseSession.number,
            Booking.total_sessions.label("total"),
            Course.name.label("course"),
            Zone.name.label("zone"),
            Booking.address,
            CourseSession.date,
            CourseSession.timeslot,
            CourseSession.time_zone,
            CourseSession.starts_at,
            CourseSession.mode,
            CourseSession.status,
            Trainer.id.label("trainer_id"),
            Trainer.name.label("trainer"),
            instead.assignment_id.label("proposed_id"),
            other.name.label("proposed"),
            CourseSession.successor_id,
            students.label("students"),
        )
        .join(Booking, Booking.id == CourseSession.booking_id)
        .join(Course, Course.id == Booking.course_id)
        .join(Zone, Zone.id == Booking.zone_id)
        # Beside the trainer a session has another may be proposed (rule A7); before the first approval only one is.
        .outerjoin(
            ScheduleSlot,
            (ScheduleSlot.course_session_id == CourseSession.id)
            & (ScheduleSlot.status == case((first_proposal, SlotStatus.HELD), else_=SlotStatus.BOOKED)),
        )
        .outerjoin(Trainer, Trainer.id == func.coalesce(CourseSession.taught_by, ScheduleSlot.trainer_id))
        .outerjoin(
            instead,
            (instead.course_session_id == CourseSession.id)
            & (instead.status == SlotStatus.HELD)
            & (Booking.status != BookingStatus.PENDING_APPROVAL),
        )
        .outerjoin(other, other.id == instead.trainer_id)
        .where(owned_by(CourseSession.operator_id, visible_to))
    )


def _read(row: Any) -> SessionRow:
    people = tuple(
        Participant(UUID(student_id), name, AttendanceMark(given) if given else None)
        for student_id, name, given in row.students or ()
    )
    return SessionRow(**{**row._mapping, "students": people})
