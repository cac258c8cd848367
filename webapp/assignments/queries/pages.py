"""What the approvals pages show: the queue, one proposal with its stored explanation, and which comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, true, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from webapp.assignments.models import Assignment
from webapp.assignments.queries.proposed import ProposedSession, proposed_sessions
from webapp.assignments.queries.rechecks import recheck_standing
from webapp.assignments.rules import AssignmentKind, AssignmentStatus, RecheckStanding, Verdict
from webapp.bookings.models import Booking, BookingStudent, CourseSession
from webapp.bookings.rules import (
    BookingStatus,
    ClassType,
    DeliveryMode,
    PaymentStatus,
)
from webapp.core.actor import Actor, Permission
from webapp.core.errors import NotFound
from webapp.courses.models import Course
from webapp.db.tenancy import owned_by
from webapp.households.models import Student
from webapp.operators.models import Operator
from webapp.schedule.models import ScheduleSlot
from webapp.trainers.models import Trainer
from webapp.zones.models import Zone


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """A proposal as the queue shows it; ``first_starts_at`` is the start of the first session it is for."""

    id: UUID
    operator_id: UUID
    booking_id: UUID
    household_id: UUID
    kind: AssignmentKind
    reference: str
    operator: str
    course: str
    students: tuple[str, ...]
    zone: str
    trainer_id: UUID
    trainer: str
    total_sessions: int
    first_starts_at: datetime
    time_zone: str
    automatic: bool
    proposed_by: UUID | None
    proposed_by_name: str
    proposed_at: datetime
    expires_at: datetime

    @property
    def is_change(self) -> bool:
        """The booking has a trainer already, who keeps it unless this is approved (rule A7)."""
        return self.kind is not AssignmentKind.COURSE


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal whole: the row of the queue, what the booking asks for, what was decided and why this trainer."""

    row: ProposalRow
    status: AssignmentStatus
    version: int
    four_eyes: bool
    booking_status: BookingStatus
    payment_status: PaymentStatus
    class_type: ClassType
    delivery_mode: DeliveryMode
    address: str
    prefers_language: str | None
    prefers_gender: str | None
    prefers_taught_before: bool
    decided_by_name: str | None
    decided_at: datetime | None
    reason: str | None
    purpose: str | None
    """Why a trainer is to be changed."""
    recheck_since: datetime | None
    """As of when the roster was that it was approved on, where that was too long before."""
    recheck_standing: RecheckStanding | None
    sessions: tuple[ProposedSession, ...]
    verdicts: tuple[Verdict, ...]
    """As they were when the proposal was made, best first."""

    @property
    def is_open(self) -> bool:
        """Nobody has decided yet, nor has the hold been swept."""
        return self.status is AssignmentStatus.PROPOSED

    @property
    def has_them(self) -> tuple[str, ...]:
        """Who has the covered sessions now, where that is somebody else."""
        return tuple(dict.fromkeys(session.trainer for session in self.sessions if session.trainer is not None))


def open_proposals(db: Session, *, limit: int, offset: int, visible_to: Actor) -> tuple[list[ProposalRow], int]:
    """The proposals nobody has decided on, oldest first, and how many there are on all pages."""
    waiting = (owned_by(Assignment.operator_id, visible_to), Assignment.status == AssignmentStatus.PROPOSED)
    total = db.scalar(select(func.count()).select_from(Assignment).where(*waiting)) or 0
    rows = _rows().where(*waiting).order_by(Assignment.proposed_at, Assignment.id).limit(limit).offset(offset)
    return [_read_row(row) for row in db.execute(rows)], total


def proposal(db: Session, assignment_id: UUID, *, visible_to: Actor) -> Proposal:
    """One proposal, open or decided. Raises ``NotFound``."""
    found = db.execute(
        _rows(
            Assignment.status,
            Assignment.version,
            Operator.four_eyes,
            Booking.status.label("booking_status"),
            Booking.payment_status,
            Booking.class_type,
            Booking.delivery_mode,
            Booking.address,
            Booking.prefers_language,
            Booking.prefers_gender,
            Booking.prefers_taught_before,
            Assignment.decided_by_name,
            Assignment.decided_at,
            Assignment.reason,
            Assignment.purpose,
            Assignment.recheck_since,
            recheck_standing().label("recheck_standing"),
            Assignment.explanation,
        ).where(Assignment.id == assignment_id, owned_by(Assignment.operator_id, visible_to))
    ).one_or_none()
    if found is None:
        raise NotFound()
    of_row, more = len(ProposalRow.__slots__), found._asdict()
    return Proposal(
        row=_read_row(found[:of_row]),
        sessions=proposed_sessions(db, found.booking_id, assignment_id, found.kind),
        verdicts=tuple(Verdict.from_json(stored) for stored in more.pop("explanation")),
        **dict(list(more.items())[of_row:]),
    )


def next_open(db: Session, *, after: UUID, visible_to: Actor) -> UUID | None:
    """The proposal to decide on after another: the next younger one, else the oldest; ``None`` when all are done.

    Only those the actor may decide on.
    """
    here = (
        select(Assignment.proposed_at, Assignment.id)
        .where(Assignment.id == after, owned_by(Assignment.operator_id, visible_to))
        .subquery()
    )
    place = tuple_(Assignment.proposed_at, Assignment.id)
    return db.scalar(
        select(Assignment.id)
        .join(Operator, Operator.id == Assignment.operator_id)
        .outerjoin(here, true())
        .where(_waits_for(visible_to), Assignment.id != after)
        .order_by(place < tuple_(here.c.proposed_at, here.c.id), Assignment.proposed_at, Assignment.id)
        .limit(1)
    )


def waiting_count(visible_to: Actor) -> Select[int] | None:
    """The question how many open proposals wait for this very actor; none for a role that does not decide."""
    if not visible_to.may(Permission.ASSIGNMENT_APPROVE):
        return None
    waiting = select(func.count()).select_from(Assignment).join(Operator, Operator.id == Assignment.operator_id)
    return waiting.where(_waits_for(visible_to))


def _waits_for(actor: Actor) -> ColumnElement[bool]:
    """Open, the actor's to see, and not their own proposal where four eyes are asked for (rule A5)."""
    not_own = or_(~Operator.four_eyes, Assignment.proposed_by.is_(None), Assignment.proposed_by != actor.id)
    return and_(owned_by(Assignment.operator_id, actor), Assignment.status == AssignmentStatus.PROPOSED, not_own)


def _rows(*more: Any) -> Select[Any]:
    """The columns of ``ProposalRow`` in its order, then ``more``."""
    students = (
        select(func.array_agg(aggregate_order_by(Student.name, Student.name, Student.id)))
        .select_from(BookingStudent)
        .join(Student, Student.id == BookingStudent.student_id)
        .where(BookingStudent.booking_id == Booking.id)
        .correlate(Booking)
        .scalar_subquery()
    )
    of_course = (
        select(func.min(CourseSession.starts_at))
        .where(CourseSession.booking_id == Booking.id, CourseSession.number == 1)
        .correlate(Booking)
        .scalar_subquery()
    )
    of_change = (
        select(func.min(func.lower(ScheduleSlot.period)))
        .where(ScheduleSlot.assignment_id == Assignment.id)
        .correlate(Assignment)
        .scalar_subquery()
    )
    # A change that was not approved has no slots left to tell its first session by.
    first = case((Assignment.kind == AssignmentKind.COURSE, of_course), else_=func.coalesce(of_change, of_course))
    return (
        select(
            Assignment.id,
            Assignment.operator_id,
            Assignment.booking_id,
            Booking.household_id,
            Assignment.kind,
            Booking.reference,
            Operator.name.label("operator"),
            Course.name.label("course"),
            students.label("students"),
            Zone.name.label("zone"),
            Assignment.trainer_id,
            Trainer.name.label("trainer"),
            Booking.total_sessions,
            first.label("first_starts_at"),
            Booking.time_zone,
            Assignment.automatic,
            Assignment.proposed_by,
            Assignment.proposed_by_name,
            Assignment.proposed_at,
            Assignment.expires_at,
            *more,
        )
        .join(Booking, Booking.id == Assignment.booking_id)
        .join(Operator, Operator.id == Assignment.operator_id)
        .join(Course, Course.id == Booking.course_id)
        .join(Zone, Zone.id == Booking.zone_id)
        .join(Trainer, Trainer.id == Assignment.trainer_id)
    )


def _read_row(row: Sequence[Any]) -> ProposalRow:
    values = dict(zip(ProposalRow.__slots__, row, strict=True))
    return ProposalRow(**values | {"students": tuple(values["students"] or ())})
