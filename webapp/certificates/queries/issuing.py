"""Who has earned a certificate, and which wait to be made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, text, true
from sqlalchemy.orm import Session, aliased

from webapp.bookings.models import Booking, BookingStudent, CourseSession
from webapp.bookings.rules import BookingStatus, CourseSessionStatus
from webapp.certificates.models import Certificate
from webapp.certificates.rules import CertificateState
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.core.ids import COMPANY_ID
from webapp.course_sessions.models import Attendance
from webapp.course_sessions.rules import AttendanceMark
from webapp.courses.models import Course
from webapp.db.tenancy import owned_by
from webapp.households.models import Guardian, Student
from webapp.operators.models import Operator


@dataclass(frozen=True, slots=True)
class StudentDone:
    """A student of a completed booking; ``absences`` counts completed sessions marked absent."""

    id: UUID
    name: str
    absences: int


@dataclass(frozen=True, slots=True)
class BookingDone:
    """What certificates are made from. The two dates are local ones of the first and last session that was taught."""

    operator_id: UUID
    status: BookingStatus
    closed_short: bool
    total_sessions: int
    time_zone: str
    course_name: str
    operator_name: str
    company_name: str
    locale: str
    first_on: date | None
    last_on: date | None
    students: tuple[StudentDone, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many certificates of an operator are due but not made, and since when (UTC) the oldest waits."""

    operator_id: UUID
    due: int
    oldest: datetime


def booking_done(db: Session, booking_id: UUID) -> BookingDone:
    """A booking with its students and their absences, one statement. Raises ``NotFound``."""
    language = (
        select(Guardian.language)
        .where(Guardian.household_id == Booking.household_id)
        .order_by(Guardian.id)
        .limit(1)
        .scalar_subquery()
    )
    taught = and_(CourseSession.booking_id == booking_id, CourseSession.status == CourseSessionStatus.COMPLETED)
    span = select(func.min(CourseSession.date).label("first"), func.max(CourseSession.date).label("last")).where(taught)
    days, absences = span.subquery(), _absences(booking_id, taught).subquery()
    found = db.execute(
        select(
            Booking.operator_id,
            Booking.status,
            Booking.closed_reason,
            Booking.total_sessions,
            Booking.time_zone,
            Course.name,
            Operator.name,
            # A function of the database: a franchise sees no operator but itself.
            func.operator_name(COMPANY_ID),
            language,
            days.c.first,
            days.c.last,
            Student.id,
            Student.name,
            func.coalesce(absences.c.absences, 0),
        )
        .join(Course, Course.id == Booking.course_id)
        .join(Operator, Operator.id == Booking.operator_id)
        .join(days, true())
        .join(BookingStudent, BookingStudent.booking_id == Booking.id)
        .join(Student, Student.id == BookingStudent.student_id)
        .outerjoin(absences, absences.c.student_id == Student.id)
        .where(Booking.id == booking_id)
        .order_by(Student.id)
    ).all()
    if not found:
        raise NotFound()
    booking = found[0]
    return BookingDone(
        operator_id=booking[0],
        status=booking[1],
        closed_short=booking[2] is not None,
        total_sessions=booking[3],
        time_zone=booking[4],
        course_name=booking[5],
        operator_name=booking[6],
        company_name=booking[7],
        locale=booking[8] or "en",
        first_on=booking[9],
        last_on=booking[10],
        students=tuple(StudentDone(*row[11:]) for row in found),
    )


def _absences(booking_id: UUID, taught: ColumnElement[bool]) -> Select[UUID, int]:
    """How often each student was absent. A missed session is made up for, so only marks of completed ones count."""
    return (
        select(Attendance.student_id, func.count().label("absences"))
        .join(CourseSession, CourseSession.id == Attendance.course_session_id)
        .where(Attendance.booking_id == booking_id, Attendance.mark == AttendanceMark.ABSENT, taught)
        .group_by(Attendance.student_id)
    )


def promised_students(db: Session, booking_id: UUID) -> frozenset[UUID]:
    """The students who have a living certificate of this booking."""
    living = select(Certificate.student_id).where(
        Certificate.booking_id == booking_id, Certificate.replaced_by_id.is_(None)
    )
    return frozenset(db.scalars(living))


_OLD: Final = aliased(Certificate)
HAS_PREDECESSOR: Final = exists().where(_OLD.replaced_by_id == Certificate.id)
"""The condition of a row that takes the place of another one."""


# A function of the database that looks at every operator's certificates and tells numbers only.
_DUE = text("SELECT operator_id, due, oldest FROM certificates_due(:now)")


def waiting(db: Session, *, now: datetime) -> tuple[Waiting, ...]:
    """The certificates of each operator that are due at ``now`` and nobody is making, whose wait longest first."""
    return tuple(Waiting(*row) for row in db.execute(_DUE, {"now": now}))


# As above; it tells ids only.
_FILES_TO_ERASE = text("SELECT id, operator_id FROM certificate_files_to_erase(:limit)")


def due_file_erasures(db: Session, *, limit: int) -> tuple[tuple[UUID, UUID], ...]:
    """Erased certificates whose file is still kept, with their operators, oldest erasure first."""
    return tuple((row[0], row[1]) for row in db.execute(_FILES_TO_ERASE, {"limit": limit}))


def files_to_erase(db: Session, certificate_id: UUID) -> tuple[str, ...] | None:
    """The hashes of an erased certificate's files, but for one that a certificate that is not erased needs as well.

    ``None`` when there is none to remove, or no longer. Files differ by the number they show, so only a file that was
    put under a wrong row could be shared; it is asked all the same before something is destroyed.
    """
    files = (Certificate.pdf_sha256, Certificate.credential_sha256)
    found = db.execute(
        select(*files).where(
            Certificate.id == certificate_id,
            Certificate.pdf_sha256.is_not(None),
            Certificate.erased_at.is_not(None),
            Certificate.file_erased_at.is_(None),
        )
    ).one_or_none()
    if found is None:
        return None
    mine = {sha256 for sha256 in found if sha256 is not None}
    others = select(*files).where(
        or_(*(file.in_(mine) for file in files)), Certificate.id != certificate_id, Certificate.erased_at.is_(None)
    )
    needed = {sha256 for row in db.execute(others) for sha256 in row}
    return tuple(sorted(mine - needed))


# As above; it tells hashes only.
_NAMED = text("SELECT files_named(CAST(:hashes AS varchar[]))")


def files_named(db: Session, hashes: Collection[str]) -> frozenset[str]:
    """Those of the given hashes under which some row, of whichever operator, keeps a file."""
    return frozenset(db.scalars(_NAMED, {"hashes": list(hashes)}))


def certificate_to_change(db: Session, certificate_id: UUID, *, by: Actor) -> Certificate:
    """The row itself, locked. Raises ``NotFound`` when it is not there or not theirs."""
    wanted = select(Certificate).where(Certificate.id == certificate_id, owned_by(Certificate.operator_id, by))
    found = db.scalar(wanted.with_for_update(key_share=True))
    if found is None:
        raise NotFound()
    return found


def lock_predecessor(db: Session, certificate_id: UUID) -> UUID | None:
    """The issued certificate this one takes the place of, locked; ``None`` when there is none.

    Locked before the successor: the older row comes first, as wherever a family's certificates are locked.
    """
    wanted = select(Certificate.id).where(
        Certificate.replaced_by_id == certificate_id, Certificate.state == CertificateState.ISSUED
    )
    return db.scalar(wanted.with_for_update(key_share=True))


def household_of(db: Session, certificate_id: UUID, *, by: Actor) -> UUID:
    """The family whose certificate it is. Raises ``NotFound`` when it is not there or not theirs."""
    found = db.scalar(
        select(Booking.household_id)
        .join(Certificate, Certificate.booking_id == Booking.id)
        .where(Certificate.id == certificate_id, owned_by(Certificate.operator_id, by))
    )
    if found is None:
        raise NotFound()
    return found
