"""Teaching recorded: attendance, completed and missed sessions, and the booking's end (rules S1, S2 and C1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from webapp.audit import service as audit
from webapp.bookings.models import Booking, BookingStudent, CourseSession
from webapp.bookings.rules import TAUGHT, BookingStatus, CourseSessionStatus
from webapp.bookings.service import booking_to_change, move_booking
from webapp.core.actor import Actor
from webapp.core.errors import Conflict
from webapp.core.failpoints import Failpoint, reach
from webapp.course_sessions.models import Attendance
from webapp.course_sessions.queries import booking_of
from webapp.course_sessions.rules import (
    AttendanceMark,
    SessionFacts,
    booking_status_after,
    can_complete,
    check_marks,
    moved,
)
from webapp.db.work import Work
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.rules import SlotStatus


class Outcome(StrEnum):
    """What staff say of a session that has begun."""

    COMPLETED = "completed"
    MISSED = "missed"


class OnCompleted(Protocol):
    """What a higher room does when a booking's last session is done, in the very same transaction (rule C2)."""

    def __call__(self, work: Work, booking_id: UUID, *, by: Actor, now: datetime) -> object:
        """Promise the certificates of the booking."""


def mark(
    work: Work,
    session_id: UUID,
    outcome: Outcome,
    marks: Mapping[UUID, AttendanceMark],
    *,
    by: Actor,
    now: datetime,
    on_completed: OnCompleted,
) -> BookingStatus:
    """Record a session as completed with one mark per student, or as missed; returns the booking's status after it.

    Completing twice changes nothing but the marks, which may be corrected. Raises ``NotFound``; ``Conflict``
    ``session-not-started``, ``session-move``, ``booking-not-taught``, ``session-without-trainer``; ``Invalid``
    ``marks-incomplete``.
    """
    booking_id = booking_of(work.db, session_id, visible_to=by)
    booking = booking_to_change(work.db, booking_id, by=by)
    # The booking's lock covers its sessions: every verb that changes one takes it first.
    session = work.db.get_one(CourseSession, session_id, populate_existing=True)
    before = session.status
    if outcome is Outcome.MISSED:
        _miss(session, now)
    else:
        _complete(work, booking, session, marks, by=by, now=now)
    if session.status is before:
        return booking.status
    if booking.status not in TAUGHT:
        raise Conflict("booking-not-taught", "Sessions are marked once the trainer is approved.")
    if session.status is CourseSessionStatus.COMPLETED and session.taught_by is None:
        # It was planned without a trainer and no substitute was approved in time: nobody can have taught it.
        raise Conflict(
            "session-without-trainer",
            "Nobody is booked for this session. Mark it as missed, plan its make-up and find a substitute first.",
        )
    audit.record(
        work,
        f"session.{session.status.value}",
        "course_session",
        session_id,
        operator_id=session.operator_id,
        by=by,
        at=now,
        before={"status": before},
        after={"status": session.status, "booking_id": booking_id, "number": session.number},
    )
    work.db.flush()  # the facts below are read back from the rows
    after = booking_status_after(booking.status, _facts(work.db, booking_id), total_sessions=booking.total_sessions)
    if after is BookingStatus.COMPLETED:
        move_booking(work, booking, after, by=by, now=now, completed_at=now)
        work.db.flush()  # the promise reads the completed booking
        reach(Failpoint.COMPLETING)
        on_completed(work, booking_id, by=by, now=now)
    elif after is not booking.status:
        move_booking(work, booking, after, by=by, now=now)
    return booking.status


def _miss(session: CourseSession, now: datetime) -> None:
    """The session did not take place; it needs a make-up (rule S1)."""
    if session.status is CourseSessionStatus.MISSED:
        return
    to = moved(session.status, CourseSessionStatus.MISSED)
    if now < session.starts_at:
        raise Conflict("session-not-started", "A session cannot be missed before it starts.")
    session.status = to


def _complete(
    work: Work,
    booking: Booking,
    session: CourseSession,
    marks: Mapping[UUID, AttendanceMark],
    *,
    by: Actor,
    now: datetime,
) -> None:
    """The session took place: who was there, and who taught it (rules S1 and S2)."""
    students = work.db.scalars(select(BookingStudent.student_id).where(BookingStudent.booking_id == booking.id)).all()
    check_marks(marks, student_ids=students)
    if can_complete(_fact(session), now):
        session.status = CourseSessionStatus.COMPLETED
        session.completed_at = now
        session.taught_by = work.db.scalar(
            # A substitute may be proposed beside the trainer who has the session; whoever was booked taught it.
            select(ScheduleSlot.trainer_id).where(
                ScheduleSlot.course_session_id == session.id, ScheduleSlot.status == SlotStatus.BOOKED
            )
        )
    _record_marks(work, session, marks, by=by, now=now)


def _record_marks(
    work: Work, session: CourseSession, marks: Mapping[UUID, AttendanceMark], *, by: Actor, now: datetime
) -> None:
    """Store the marks; only a mark that changed leaves an audit entry."""
    known = {
        row.student_id: row.mark
        for row in work.db.execute(
            select(Attendance.student_id, Attendance.mark).where(Attendance.course_session_id == session.id)
        )
    }
    if known == dict(marks):
        return
    new = insert(Attendance).values(
        [
            {
                "operator_id": session.operator_id,
                "booking_id": session.booking_id,
                "course_session_id": session.id,
                "student_id": student_id,
                "mark": given,
                "marked_by": by.id,
                "marked_at": now,
            }
            for student_id, given in sorted(marks.items())
        ]
    )
    work.db.execute(
        new.on_conflict_do_update(
            index_elements=["course_session_id", "student_id"],
            set_={"mark": new.excluded.mark, "marked_by": new.excluded.marked_by, "marked_at": new.excluded.marked_at},
        )
    )
    audit.record(
        work,
        "session.attendance",
        "course_session",
        session.id,
        operator_id=session.operator_id,
        by=by,
        at=now,
        before={str(student): given for student, given in known.items()},
        after={str(student): given for student, given in marks.items()},
    )


def _fact(session: CourseSession) -> SessionFacts:
    return SessionFacts(session.id, session.number, session.status, session.starts_at, session.successor_id)


def _facts(db: Session, booking_id: UUID) -> list[SessionFacts]:
    """All sessions of a booking as rules see them."""
    rows = db.execute(
        select(
            CourseSession.id,
            CourseSession.number,
            CourseSession.status,
            CourseSession.starts_at,
            CourseSession.successor_id,
        ).where(CourseSession.booking_id == booking_id)
    )
    return [SessionFacts(*row) for row in rows]
