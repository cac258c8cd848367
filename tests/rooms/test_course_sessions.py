"""Recording sessions: attendance, completion, and the booking's end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from tests.make import Make
from tests.web.client import NOW
from webapp.assignments import service as assignments
from webapp.assignments.limits import Limits
from webapp.audit.models import AuditEntry
from webapp.bookings.models import Booking, CourseSession
from webapp.bookings.rules import BookingStatus, CourseSessionStatus, DeliveryMode
from webapp.bookings.service import PlacedBooking
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.course_sessions import queries, service
from webapp.course_sessions.models import Attendance
from webapp.course_sessions.rules import AttendanceMark
from webapp.course_sessions.service import Outcome
from webapp.db.work import Database, Work

PRESENT, ABSENT = AttendanceMark.PRESENT, AttendanceMark.ABSENT


class Taught:
    """An approved booking of ten sessions with two students, and what was told when it ended."""

    def __init__(self, make: Make, db: Database, *, total: int = 10) -> None:
        self.db = db
        course, zone = make.course(), make.zone()
        self.trainer_id = make.trainer((zone,), (course,))
        self.family = make.household("Arun", "Divya")
        self.staff = make.staff().actor
        self.booking: PlacedBooking = make.booking(
            zone_id=zone,
            course_id=course,
            household=self.family,
            total_sessions=total,
            delivery_mode=DeliveryMode.WEEKDAY_DAILY,
        )
        proposed = make.proposal(self.booking, self.trainer_id)
        assert proposed.assignment_id is not None
        with db.unit_of_work() as work:
            assignments.approve(
                work, proposed.assignment_id, version=1, by=make.admin().actor, now=NOW, limits=Limits()
            )
        self.ended: list[UUID] = []

    def session(self, number: int) -> CourseSession:
        with self.db.read_only() as db:
            return db.scalars(
                select(CourseSession).where(CourseSession.booking_id == self.booking.id, CourseSession.number == number)
            ).one()

    def on_completed(self, work: Work, booking_id: UUID, *, by: Actor, now: datetime) -> None:
        self.ended.append(booking_id)

    def mark(
        self,
        number: int,
        outcome: Outcome = Outcome.COMPLETED,
        marks: Mapping[UUID, AttendanceMark] | None = None,
        *,
        by: Actor | None = None,
        early: timedelta = timedelta(),
    ) -> BookingStatus:
        session = self.session(number)
        given = dict.fromkeys(self.family.student_ids, PRESENT) if marks is None else marks
        with self.db.unit_of_work() as work:
            return service.mark(
                work,
                session.id,
                outcome,
                given,
                by=by or self.staff,
                now=session.starts_at - early,
                on_completed=self.on_completed,
            )


@pytest.fixture
def taught(make: Make, db: Database) -> Taught:
    return Taught(make, db)


def test_the_first_completed_session_puts_the_booking_in_progress(taught: Taught) -> None:
    assert taught.mark(1) is BookingStatus.IN_PROGRESS
    session = taught.session(1)
    assert session.status is CourseSessionStatus.COMPLETED
    assert session.taught_by == taught.trainer_id
    assert session.completed_at == session.starts_at


def test_a_session_cannot_be_completed_before_it_starts(taught: Taught) -> None:
    for outcome in Outcome:
        with pytest.raises(Conflict) as refusal:
            taught.mark(1, outcome, early=timedelta(seconds=1))
        assert refusal.value.code == "session-not-started"
    assert taught.session(1).status is CourseSessionStatus.SCHEDULED


def test_completing_twice_changes_nothing_and_leaves_one_audit_entry(taught: Taught) -> None:
    taught.mark(1)
    before = taught.session(1).completed_at
    taught.mark(1)
    assert taught.session(1).completed_at == before
    with taught.db.read_only() as db:
        told = select(func.count()).where(
            AuditEntry.what == "session.completed", AuditEntry.subject_id == taught.session(1).id
        )
        marked = select(func.count()).where(AuditEntry.what == "session.attendance")
        assert (db.scalar(told), db.scalar(marked)) == (1, 1)


def test_a_mark_can_be_corrected_and_the_audit_keeps_both(taught: Taught) -> None:
    taught.mark(1)
    arun, divya = taught.family.student_ids
    taught.mark(1, marks={arun: ABSENT, divya: PRESENT})
    with taught.db.read_only() as db:
        marks = {row.student_id: row.mark for row in db.execute(select(Attendance.student_id, Attendance.mark))}
        told = select(AuditEntry).where(AuditEntry.what == "session.attendance").order_by(AuditEntry.id)
        entry = db.scalars(told).all()[-1]
    assert marks == {arun: ABSENT, divya: PRESENT}
    assert (entry.before or {})[str(arun)] == "present"
    assert (entry.after or {})[str(arun)] == "absent"


def test_every_student_needs_a_mark_and_nobody_else_gets_one(taught: Taught, make: Make) -> None:
    arun, divya = taught.family.student_ids
    (stranger,) = make.household().student_ids
    for marks in ({arun: PRESENT}, {arun: PRESENT, divya: PRESENT, stranger: PRESENT}, {}):
        with pytest.raises(Invalid) as refusal:
            taught.mark(1, marks=marks)
        assert refusal.value.field == "marks"


def test_the_last_session_completes_the_booking_and_tells_so_once(taught: Taught) -> None:
    for number in range(1, 10):
        assert taught.mark(number) is BookingStatus.IN_PROGRESS
        assert taught.ended == []
    assert taught.mark(10) is BookingStatus.COMPLETED
    taught.mark(10)
    assert taught.ended == [taught.booking.id]
    with taught.db.read_only() as db:
        booking = db.get_one(Booking, taught.booking.id)
    assert booking.completed_at == taught.session(10).starts_at


def test_a_missed_session_keeps_the_booking_open(taught: Taught) -> None:
    taught.mark(1, Outcome.MISSED)
    for number in range(2, 11):
        taught.mark(number)
    assert taught.session(1).status is CourseSessionStatus.MISSED
    assert taught.ended == []
    with taught.db.read_only() as db:
        assert db.get_one(Booking, taught.booking.id).status is BookingStatus.IN_PROGRESS
        assert db.scalar(select(func.count()).where(Attendance.course_session_id == taught.session(1).id)) == 0


def test_a_completed_session_cannot_become_missed(taught: Taught) -> None:
    taught.mark(1)
    with pytest.raises(Conflict) as refusal:
        taught.mark(1, Outcome.MISSED)
    assert refusal.value.code == "session-move"


def test_a_session_of_a_booking_without_an_approved_trainer_is_not_marked(make: Make, db: Database) -> None:
    waiting = make.booking()
    with db.read_only() as reading:
        session = reading.scalars(
            select(CourseSession).where(CourseSession.booking_id == waiting.id, CourseSession.number == 1)
        ).one()
    with db.read_only() as reading:
        (student,) = queries.session_row(reading, session.id, visible_to=SYSTEM).students
    with pytest.raises(Conflict) as refusal, db.unit_of_work() as work:
        service.mark(
            work,
            session.id,
            Outcome.COMPLETED,
            {student.id: PRESENT},
            by=make.staff().actor,
            now=session.starts_at,
            on_completed=lambda *_args, **_more: None,
        )
    assert refusal.value.code == "booking-not-taught"


def test_another_operators_session_is_not_there(taught: Taught, make: Make, db: Database) -> None:
    stranger = make.manager().actor
    with pytest.raises(NotFound):
        taught.mark(1, by=stranger)
    with db.read_only() as reading, pytest.raises(NotFound):
        queries.session_row(reading, taught.session(1).id, visible_to=stranger)


def test_a_days_sessions_are_those_of_the_local_day(taught: Taught, db: Database) -> None:
    first = taught.session(1)
    with db.read_only() as reading:
        at_start, total = queries.sessions_on(
            reading, None, now=first.starts_at, limit=25, offset=0, visible_to=taught.staff
        )
        # 23:50 in Kolkata is still the first day, though it is the evening before in much of the world.
        late, _ = queries.sessions_on(
            reading, None, now=first.starts_at + timedelta(hours=7, minutes=50), limit=25, offset=0, visible_to=SYSTEM
        )
        by_date, _ = queries.sessions_on(reading, first.date, now=NOW, limit=25, offset=0, visible_to=taught.staff)
        strangers, none = queries.sessions_on(
            reading, first.date + timedelta(days=40), now=NOW, limit=25, offset=0, visible_to=taught.staff
        )
    assert [row.number for row in at_start] == [row.number for row in late] == [row.number for row in by_date] == [1]
    assert (total, strangers, none) == (1, [], 0)
    assert [student.name for student in at_start[0].students] == ["Arun", "Divya"]


def test_sessions_that_have_begun_wait_for_attendance_oldest_first(taught: Taught, db: Database) -> None:
    third = taught.session(3).starts_at
    taught.mark(2)
    with db.read_only() as reading:
        rows, total = queries.waiting_for_attendance(reading, now=third, limit=25, visible_to=taught.staff)
    assert ([row.number for row in rows], total) == ([1, 3], 2)
