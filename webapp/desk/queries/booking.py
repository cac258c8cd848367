"""One booking whole: its facts, sessions, proposals, certificates and history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session, aliased

from webapp.assignments.rules import AssignmentKind, AssignmentStatus, RecheckStanding
from webapp.audit.queries import Happened, history
from webapp.bookings.models import Booking, BookingStudent, CourseSession
from webapp.bookings.rules import (
    BookingStatus,
    ClassType,
    CourseSessionStatus,
    DeliveryMode,
    PaymentStatus,
    SessionMode,
)
from webapp.certificates.models import Certificate
from webapp.certificates.rules import CertificateState
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.core.geo import Location
from webapp.course_sessions.models import Attendance
from webapp.course_sessions.rules import AttendanceMark
from webapp.courses.models import Course
from webapp.db.tenancy import owned_by
from webapp.desk.queries.proposals import Proposal, proposals_of
from webapp.households.models import Guardian, Household, Student
from webapp.operators.models import Operator
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.rules import SlotStatus
from webapp.trainers.models import Trainer
from webapp.zones.models import Zone


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a name."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Contact:
    """A guardian to call."""

    name: str
    phone: str
    language: str
    consents: bool


@dataclass(frozen=True, slots=True)
class BookingDetail:
    """A booking's facts. ``start_date`` and ``timeslot`` are local to ``time_zone``."""

    id: UUID
    operator_id: UUID
    operator_name: str
    reference: str
    status: BookingStatus
    payment_status: PaymentStatus
    version: int
    zone_id: UUID
    zone: str
    course_id: UUID
    course: str
    household_id: UUID
    class_type: ClassType
    delivery_mode: DeliveryMode
    total_sessions: int
    start_date: date
    timeslot: time
    time_zone: str
    address: str
    place: Location
    prefers_language: str | None
    prefers_gender: str | None
    prefers_taught_before: bool
    closed_reason: str | None
    retried: bool
    """While it waits, freed capacity retries it by itself (rule A6)."""
    created_at: datetime
    completed_at: datetime | None
    erased: bool
    """The family's data was erased: the place is the middle of its zone, and nobody is left to call."""
    guardians: tuple[Contact, ...]
    students: tuple[Person, ...]

    @property
    def family(self) -> str:
        """What the family is called."""
        return self.guardians[0].name if self.guardians else ""


@dataclass(frozen=True, slots=True)
class SessionOfBooking:
    """A session in the strip and the table; ``clock`` is the local start after any clock change."""

    id: UUID
    number: int
    date: date
    clock: time
    starts_at: datetime
    mode: SessionMode
    shifted: bool
    status: CourseSessionStatus
    trainer: str | None
    """Who taught it or has it."""
    proposed: str | None
    """Who is proposed for it instead, by the open proposal ``proposed_by_change``."""
    proposed_by_change: UUID | None
    marks: tuple[tuple[AttendanceMark, int], ...]
    cancelled_reason: str | None

    def ahead(self, now: datetime) -> bool:
        """Whether it is still to be taught and has not begun."""
        return self.status is CourseSessionStatus.SCHEDULED and self.starts_at > now

    @property
    def lost(self) -> bool:
        """Whether it did not take place and needs a make-up (rule S1)."""
        return self.status in (CourseSessionStatus.MISSED, CourseSessionStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class CertificateOfBooking:
    """A certificate of one of the students."""

    id: UUID
    number: str
    student: str
    state: CertificateState


@dataclass(frozen=True, slots=True)
class BookingPage:
    """Everything the page of a booking shows."""

    booking: BookingDetail
    sessions: tuple[SessionOfBooking, ...]
    proposals: tuple[Proposal, ...]
    certificates: tuple[CertificateOfBooking, ...]
    happened: tuple[Happened, ...]
    me: UUID | None
    cancelled_for: Mapping[UUID, str]
    """Why sessions were cancelled, also ones that were made up since."""

    @property
    def live(self) -> Proposal | None:
        """The open proposal of a booking without a trainer."""
        open_ = (proposal for proposal in self.proposals if proposal.status is AssignmentStatus.PROPOSED)
        return next((proposal for proposal in open_ if not proposal.is_change), None)

    @property
    def last(self) -> Proposal | None:
        """Whom the booking has; before that the newest proposal for all of it."""
        whole = [proposal for proposal in self.proposals if proposal.kind is not AssignmentKind.SUBSTITUTE]
        has = (proposal for proposal in whole if proposal.status is AssignmentStatus.APPROVED)
        return next(has, whole[0] if whole else None)

    @property
    def changes(self) -> tuple[Proposal, ...]:
        """The open proposals of somebody else for what remains or for single sessions."""
        open_ = (proposal for proposal in self.proposals if proposal.status is AssignmentStatus.PROPOSED)
        return tuple(proposal for proposal in open_ if proposal.is_change)

    def rechecks(self, now: datetime) -> tuple[Proposal, ...]:
        """Approvals made on too old a roster that are to be looked at again or did not stand, while it matters."""
        ahead = {session.trainer for session in self.sessions if session.ahead(now)}
        return tuple(
            proposal
            for proposal in self.proposals
            if proposal.status is AssignmentStatus.APPROVED
            and proposal.recheck_standing is not None
            and proposal.recheck_standing is not RecheckStanding.CONFIRMED
            and proposal.trainer in ahead
        )

    def proposed_for(self, change: Proposal) -> int:
        """How many sessions an open change covers."""
        return sum(session.proposed_by_change == change.id for session in self.sessions)

    @property
    def substitutes(self) -> tuple[tuple[str, int], ...]:
        """Who teaches single sessions that lie ahead instead of the booking's trainer, and how many each."""
        has = self.last.trainer if self.last and self.last.status is AssignmentStatus.APPROVED else None
        planned = (s.trainer for s in self.sessions if s.status is CourseSessionStatus.SCHEDULED)
        return tuple(Counter(name for name in planned if has and name and name != has).items())

    @property
    def done(self) -> int:
        """How many sessions are completed."""
        return sum(session.status is CourseSessionStatus.COMPLETED for session in self.sessions)

    @property
    def planned(self) -> int:
        """How many sessions are still to be taught."""
        return sum(session.status is CourseSessionStatus.SCHEDULED for session in self.sessions)

    def trainer_of(self, subject_id: UUID) -> str:
        """The trainer of one of the proposals; nothing for the id of something else."""
        return next((proposal.trainer for proposal in self.proposals if proposal.id == subject_id), "")

    def proposed_in(self, subject_id: UUID) -> Happened | None:
        """The entry that tells of one of the proposals what it is for; ``None`` for the id of something else."""
        told = (entry for entry in self.happened if entry.what == "assignment.proposed")
        return next((entry for entry in told if entry.subject_id == subject_id), None)

    def number_of(self, subject_id: UUID) -> int | None:
        """The number of one of the sessions; ``None`` for the id of something else, or of one that was moved."""
        return next((session.number for session in self.sessions if session.id == subject_id), None)

    def reason_of(self, happened: Happened) -> str:
        """What was given as the reason for what happened; nothing where none was."""
        match happened.what:
            case "booking.cancelled" | "booking.completed":
                return self.booking.closed_reason or ""
            case "session.cancelled":
                return self.cancelled_for.get(happened.subject_id, "")
            case "assignment.proposed":
                return next((p.purpose or "" for p in self.proposals if p.id == happened.subject_id), "")
            case "assignment.rejected" | "assignment.withdrawn" | "assignment.replaced":
                return next((p.reason or "" for p in self.proposals if p.id == happened.subject_id), "")
            case _:
                return ""

    @property
    def next_session(self) -> SessionOfBooking | None:
        """The earliest session still to be taught."""
        open_ = (s for s in self.sessions if s.status is CourseSessionStatus.SCHEDULED)
        return min(open_, key=lambda s: s.starts_at, default=None)


def booking_detail(db: Session, booking_id: UUID, *, visible_to: Actor) -> BookingDetail:
    """A booking's facts. Raises ``NotFound``, also for another operator's (rule E2). One statement."""
    row = db.execute(
        select(
            Booking,
            Operator.name.label("operator_name"),
            Zone.name.label("zone"),
            Course.name.label("course"),
            _guardians().label("guardians"),
            _students().label("students"),
            Household.erased_at.is_not(None).label("erased"),
        )
        .join(Household, Household.id == Booking.household_id)
        .join(Operator, Operator.id == Booking.operator_id)
        .join(Zone, Zone.id == Booking.zone_id)
        .join(Course, Course.id == Booking.course_id)
        .where(Booking.id == booking_id, owned_by(Booking.operator_id, visible_to))
    ).one_or_none()
    if row is None:
        raise NotFound()
    found: Booking = row[0]
    return BookingDetail(
        id=found.id,
        operator_id=found.operator_id,
        operator_name=row.operator_name,
        reference=found.reference,
        status=found.status,
        payment_status=found.payment_status,
        version=found.version,
        zone_id=found.zone_id,
        zone=row.zone,
        course_id=found.course_id,
        course=row.course,
        household_id=found.household_id,
        class_type=found.class_type,
        delivery_mode=found.delivery_mode,
        total_sessions=found.total_sessions,
        start_date=found.start_date,
        timeslot=found.timeslot,
        time_zone=found.time_zone,
        address=found.address,
        place=Location(found.lat, found.lng),
        prefers_language=found.prefers_language,
        prefers_gender=found.prefers_gender,
        prefers_taught_before=found.prefers_taught_before,
        closed_reason=found.closed_reason,
        retried=found.retried,
        created_at=found.created_at,
        completed_at=found.completed_at,
        erased=row.erased,
        guardians=tuple(Contact(*guardian) for guardian in row.guardians or ()),
        students=tuple(Person(UUID(id_), name) for id_, name in row.students or ()),
    )


def booking_page(db: Session, booking_id: UUID, *, visible_to: Actor) -> BookingPage:
    """Everything about one booking, in five statements. Raises ``NotFound``."""
    booking = booking_detail(db, booking_id, visible_to=visible_to)
    sessions = _sessions(db, booking)
    proposals = proposals_of(db, booking_id)
    about = [booking_id, *(proposal.id for proposal in proposals), *(session.id for session in sessions)]
    return BookingPage(
        booking=booking,
        sessions=tuple(s for s in sessions if s.status is not CourseSessionStatus.RESCHEDULED),
        proposals=proposals,
        certificates=_certificates(db, booking_id),
        happened=_told(history(db, about, visible_to=visible_to)),
        me=visible_to.id,
        cancelled_for={session.id: session.cancelled_reason for session in sessions if session.cancelled_reason},
    )


def _told(happened: tuple[Happened, ...]) -> tuple[Happened, ...]:
    """What happened, without the sessions that a pause moved: the pause says it for all of them."""
    paused = {entry.at for entry in happened if entry.what == "booking.paused"}
    return tuple(entry for entry in happened if entry.what != "session.rescheduled" or entry.at not in paused)


def _guardians() -> ColumnElement[Any]:
    facts = func.json_build_array(Guardian.name, Guardian.phone, Guardian.language, Guardian.consent_to_messages)
    return (
        select(func.json_agg(aggregate_order_by(facts, Guardian.id)))
        .where(Guardian.household_id == Booking.household_id)
        .correlate(Booking)
        .scalar_subquery()
    )


def _students() -> ColumnElement[Any]:
    facts = func.json_build_array(Student.id, Student.name)
    return (
        select(func.json_agg(aggregate_order_by(facts, Student.id)))
        .join(BookingStudent, BookingStudent.student_id == Student.id)
        .where(BookingStudent.booking_id == Booking.id)
        .correlate(Booking)
        .scalar_subquery()
    )


def _sessions(db: Session, booking: BookingDetail) -> tuple[SessionOfBooking, ...]:
    """The sessions in order; those that were moved stand beside their successors."""
    counted = (
        select(Attendance.mark, func.count().label("times"))
        .where(Attendance.course_session_id == CourseSession.id)
        .group_by(Attendance.mark)
        .correlate(CourseSession)
        .subquery()
    )
    booked, held = aliased(ScheduleSlot), aliased(ScheduleSlot)
    has, instead = aliased(Trainer), aliased(Trainer)
    marks = select(func.json_object_agg(counted.c.mark, counted.c.times)).scalar_subquery()
    rows = db.execute(
        select(CourseSession, has.name, instead.name, held.assignment_id, marks)
        .outerjoin(booked, and_(booked.course_session_id == CourseSession.id, booked.status == SlotStatus.BOOKED))
        .outerjoin(held, and_(held.course_session_id == CourseSession.id, held.status == SlotStatus.HELD))
        .outerjoin(has, has.id == func.coalesce(CourseSession.taught_by, booked.trainer_id))
        .outerjoin(instead, instead.id == held.trainer_id)
        .where(
            CourseSession.booking_id == booking.id,
            CourseSession.operator_id == booking.operator_id,
        )
        .order_by(CourseSession.number)
    )
    zone = ZoneInfo(booking.time_zone)
    return tuple(
        SessionOfBooking(
            id=session.id,
            number=session.number,
            date=session.date,
            clock=session.starts_at.astimezone(zone).time(),
            starts_at=session.starts_at,
            mode=session.mode,
            shifted=session.shifted,
            status=session.status,
            trainer=trainer,
            proposed=proposed,
            proposed_by_change=change_id,
            marks=tuple((mark, found[mark.value]) for mark in AttendanceMark if mark.value in (found or {})),
            cancelled_reason=session.cancelled_reason,
        )
        for session, trainer, proposed, change_id, found in rows
    )


def _certificates(db: Session, booking_id: UUID) -> tuple[CertificateOfBooking, ...]:
    rows = db.execute(
        select(Certificate.id, Certificate.number, Student.name, Certificate.state)
        .join(Student, Student.id == Certificate.student_id)
        .where(Certificate.booking_id == booking_id, Certificate.replaced_by_id.is_(None))
        .order_by(Student.name, Certificate.id)
    )
    return tuple(CertificateOfBooking(*row) for row in rows)
