"""What needs somebody now: one short list and one number for each kind of thing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Date, cast, func, or_, select, true
from sqlalchemy.orm import Session

from webapp.assignments.models import Assignment
from webapp.assignments.queries.rechecks import recheck_standing, waits_for_somebody
from webapp.assignments.rules import AssignmentStatus, RecheckOutcome, RecheckStanding
from webapp.bookings.models import Booking, Enquiry
from webapp.bookings.rules import ENQUIRY_MOVES, BookingStatus, EnquiryStatus
from webapp.certificates.models import Certificate
from webapp.certificates.request_models import CertificateRequest
from webapp.certificates.rules import CertificateState, RequestKind, RequestState
from webapp.core.actor import Actor, Permission
from webapp.course_sessions.queries import SessionRow, sessions_on, waiting_for_attendance
from webapp.courses.models import Course
from webapp.db.tenancy import owned_by
from webapp.households.models import Guardian, Student
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.rules import SlotStatus
from webapp.trainers.models import Trainer
from webapp.zones.models import Zone

Item = TypeVar("Item")
SHOWN = 5
"""How many of each kind the home page lists; the rest is behind a link."""

OPEN_ENQUIRIES = tuple(status for status, moves in ENQUIRY_MOVES.items() if EnquiryStatus.BOOKED in moves)


@dataclass(frozen=True, slots=True)
class Few(Generic[Item]):
    """The first few of something, and how many there are in all."""

    items: tuple[Item, ...] = ()
    total: int = 0

    @property
    def more(self) -> int:
        """How many are not listed."""
        return self.total - len(self.items)


@dataclass(frozen=True, slots=True)
class WaitingProposal:
    """A proposal nobody has decided on."""

    id: UUID
    booking_id: UUID
    reference: str
    family: str
    course: str
    zone: str
    trainer: str
    proposed_by_name: str
    proposed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class WaitingBooking:
    """A booking on the waitlist."""

    id: UUID
    reference: str
    family: str
    course: str
    zone: str
    start_date: date
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FailedCertificate:
    """A certificate that could not be made."""

    id: UUID
    number: str
    student: str
    attempts: int


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """Something that somebody else asked about a certificate, for this actor to decide on."""

    id: UUID
    number: str
    student: str
    kind: RequestKind
    asked_by_name: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Callback:
    """An enquiry to call back about."""

    id: UUID
    name: str
    phone: str
    note: str
    callback_on: date


@dataclass(frozen=True, slots=True)
class OpenRecheck:
    """An approval made on an old roster that did not stand, or that cannot be looked at until somebody settles it.

    Its trainer has ``sessions`` of the booking ahead.
    """

    booking_id: UUID
    reference: str
    family: str
    course: str
    zone: str
    trainer_id: UUID
    trainer: str
    standing: RecheckStanding
    sessions: int
    next_at: datetime
    time_zone: str


@dataclass(frozen=True, slots=True)
class Home:
    """The home page. ``approvals`` are those the actor may decide on, or, where ``decides`` is false, their own.

    ``rechecks`` are told to those who decide.
    """

    decides: bool
    approvals: Few[WaitingProposal]
    unmarked: Few[SessionRow]
    today: int
    """How many sessions there are today, each in its zone's time."""
    waitlist: Few[WaitingBooking]
    callbacks: Few[Callback]
    failed: Few[FailedCertificate] | None
    requests: Few[WaitingRequest] | None
    rechecks: Few[OpenRecheck]
    now: datetime

    @property
    def quiet(self) -> bool:
        """Whether nothing needs anybody."""
        waiting = (self.approvals, self.unmarked, self.waitlist, self.callbacks, self.rechecks)
        of_certificates = (self.failed or Few(), self.requests or Few())
        return not any(few.total for few in (*waiting, *of_certificates))


def home(db: Session, *, visible_to: Actor, now: datetime) -> Home:
    """What needs the actor now, in ten statements at most."""
    decides = visible_to.may(Permission.ASSIGNMENT_APPROVE)
    unmarked, unmarked_total = waiting_for_attendance(db, now=now, limit=SHOWN, visible_to=visible_to)
    _first, today = sessions_on(db, None, now=now, limit=1, offset=0, visible_to=visible_to)
    return Home(
        decides=decides,
        approvals=_approvals(db, visible_to, decides),
        unmarked=Few(tuple(unmarked), unmarked_total),
        today=today,
        waitlist=_waitlist(db, visible_to),
        callbacks=_callbacks(db, visible_to, now),
        failed=_failed(db, visible_to) if visible_to.may(Permission.CERTIFICATE_RETRY) else None,
        requests=_requests(db, visible_to) if visible_to.may(Permission.CERTIFICATE_REVOKE) else None,
        rechecks=_rechecks(db, visible_to, now) if decides else Few(),
        now=now,
    )


def _few(make: Any, rows: Any) -> Few[Any]:
    """Rows whose last column is the count of all, read as ``make``."""
    found = rows.all()
    return Few(tuple(make(*row[:-1]) for row in found), found[0][-1] if found else 0)


def _family() -> ColumnElement[str]:
    return (
        select(Guardian.name)
        .where(Guardian.household_id == Booking.household_id)
        .order_by(Guardian.id)
        .limit(1)
        .correlate(Booking)
        .scalar_subquery()
    )


def _all() -> ColumnElement[int]:
    return func.count().over()


def _approvals(db: Session, actor: Actor, decides: bool) -> Few[WaitingProposal]:
    wanted = [Assignment.status == AssignmentStatus.PROPOSED, owned_by(Assignment.operator_id, actor)]
    if not decides and actor.may(Permission.ASSIGNMENT_PROPOSE):
        wanted.append(Assignment.proposed_by == actor.id)
    return _few(
        WaitingProposal,
        db.execute(
            select(
                Assignment.id,
                Assignment.booking_id,
                Booking.reference,
                _family(),
                Course.name,
                Zone.name,
                Trainer.name,
                Assignment.proposed_by_name,
                Assignment.proposed_at,
                Assignment.expires_at,
                _all(),
            )
            .join(Booking, Booking.id == Assignment.booking_id)
            .join(Course, Course.id == Booking.course_id)
            .join(Zone, Zone.id == Booking.zone_id)
            .join(Trainer, Trainer.id == Assignment.trainer_id)
            .where(*wanted)
            .order_by(Assignment.proposed_at, Assignment.id)
            .limit(SHOWN)
        ),
    )


def _waitlist(db: Session, actor: Actor) -> Few[WaitingBooking]:
    return _few(
        WaitingBooking,
        db.execute(
            select(
                Booking.id,
                Booking.reference,
                _family(),
                Course.name,
                Zone.name,
                Booking.start_date,
                Booking.created_at,
                _all(),
            )
            .join(Course, Course.id == Booking.course_id)
            .join(Zone, Zone.id == Booking.zone_id)
            .where(Booking.status == BookingStatus.WAITLISTED, owned_by(Booking.operator_id, actor))
            .order_by(Booking.created_at, Booking.id)
            .limit(SHOWN)
        ),
    )


def _callbacks(db: Session, actor: Actor, now: datetime) -> Few[Callback]:
    """Open enquiries to call back about today or earlier; today is the latest date in any zone of the actor's."""
    latest = select(func.max(cast(func.timezone(Zone.time_zone, now), Date))).where(
        Zone.active, owned_by(Zone.operator_id, actor)
    )
    today = func.coalesce(latest.scalar_subquery(), cast(func.timezone("UTC", now), Date))
    return _few(
        Callback,
        db.execute(
            select(Enquiry.id, Enquiry.guardian_name, Enquiry.phone, Enquiry.note, Enquiry.callback_on, _all())
            .where(
                Enquiry.callback_on <= today,
                Enquiry.status.in_(OPEN_ENQUIRIES),
                owned_by(Enquiry.operator_id, actor),
            )
            .order_by(Enquiry.callback_on, Enquiry.created_at)
            .limit(SHOWN)
        ),
    )


def _failed(db: Session, actor: Actor) -> Few[FailedCertificate]:
    return _few(
        FailedCertificate,
        db.execute(
            select(Certificate.id, Certificate.number, Student.name, Certificate.attempts, _all())
            .join(Student, Student.id == Certificate.student_id)
            .where(Certificate.state == CertificateState.FAILED, owned_by(Certificate.operator_id, actor))
            .order_by(Certificate.created_at, Certificate.id)
            .limit(SHOWN)
        ),
    )


def _requests(db: Session, actor: Actor) -> Few[WaitingRequest]:
    return _few(
        WaitingRequest,
        db.execute(
            select(
                CertificateRequest.id,
                Certificate.number,
                Certificate.payload["student_name"].astext,
                CertificateRequest.kind,
                CertificateRequest.asked_by_name,
                CertificateRequest.asked_at,
                _all(),
            )
            .join(Certificate, Certificate.id == CertificateRequest.certificate_id)
            .where(
                CertificateRequest.state == RequestState.OPEN,
                CertificateRequest.asked_by != actor.id,
                owned_by(CertificateRequest.operator_id, actor),
            )
            .order_by(CertificateRequest.asked_at, CertificateRequest.id)
            .limit(SHOWN)
        ),
    )


def _rechecks(db: Session, actor: Actor, now: datetime) -> Few[OpenRecheck]:
    """Approvals that did not stand when they were looked at again, or could not be, the nearest session first.

    Whoever was replaced has no session ahead: a booking that was seen to is not among them.
    """
    ahead = (
        select(func.count().label("sessions"), func.min(func.lower(ScheduleSlot.period)).label("next_at"))
        .where(
            ScheduleSlot.booking_id == Assignment.booking_id,
            ScheduleSlot.trainer_id == Assignment.trainer_id,
            ScheduleSlot.status == SlotStatus.BOOKED,
            func.lower(ScheduleSlot.period) >= now,
        )
        .correlate(Assignment)
        .lateral("ahead")
    )
    return _few(
        OpenRecheck,
        db.execute(
            select(
                Assignment.booking_id,
                Booking.reference,
                _family(),
                Course.name,
                Zone.name,
                Trainer.id,
                Trainer.name,
                recheck_standing(),
                ahead.c.sessions,
                ahead.c.next_at,
                Booking.time_zone,
                _all(),
            )
            .join(Booking, Booking.id == Assignment.booking_id)
            .join(Course, Course.id == Booking.course_id)
            .join(Zone, Zone.id == Booking.zone_id)
            .join(Trainer, Trainer.id == Assignment.trainer_id)
            .join(ahead, true())
            .where(
                or_(Assignment.recheck_outcome != RecheckOutcome.CONFIRMED, waits_for_somebody()),
                Assignment.status == AssignmentStatus.APPROVED,
                ahead.c.sessions > 0,
                owned_by(Assignment.operator_id, actor),
            )
            .order_by(ahead.c.next_at, Assignment.id)
            .limit(SHOWN)
        ),
    )
