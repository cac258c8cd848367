"""Everything the desk holds of one family, table by table as the ledger says (``desk.family_ledger``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, func, or_, select, union_all
from sqlalchemy.orm import Session

from webapp.assignments.models import Assignment
from webapp.audit.models import AuditEntry
from webapp.bookings.erasing import BookingToErase, bookings_to_erase, of_family
from webapp.bookings.models import Booking, BookingStudent, CourseSession, Enquiry
from webapp.certificates.models import Certificate, CertificateLetter
from webapp.certificates.request_models import CertificateRequest
from webapp.certificates.rules import CertificateState
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.course_sessions.models import Attendance
from webapp.courses.models import Course
from webapp.db.base import Base
from webapp.db.tenancy import owned_by
from webapp.desk.family_ledger import LEDGER
from webapp.households.models import Guardian, Household, Student
from webapp.households.queries import HouseholdDetail, household
from webapp.operators.models import Operator
from webapp.schedule.erasing import taken_ahead
from webapp.trainers.models import Trainer, TrainerBlock
from webapp.zones.models import Zone

Row = Mapping[str, Any]

_BLOCKS: Final = ("trainer.blocked", "trainer.unblocked")
"""Entries about a trainer that name the family."""


@dataclass(frozen=True, slots=True)
class FamilyData:
    """The rows of each part of the export by its key, and what the ids of other things in them are called."""

    parts: Mapping[str, tuple[Row, ...]]
    names: Mapping[str, Mapping[UUID, str]]

    @property
    def household(self) -> Row:
        """The household's own row."""
        return self.parts["household"][0]

    def named(self, kind: str, id_: UUID | None) -> str:
        """What a course, zone, trainer or operator is called; nothing for none."""
        return self.names[kind].get(id_, "") if id_ is not None else ""


@dataclass(frozen=True, slots=True)
class FamilyDataPage:
    """A family, how much is held of it, and what stands in the way of erasing it."""

    household: HouseholdDetail
    bookings: tuple[BookingToErase, ...]
    sessions: int
    certificates: int
    pending: int
    """Certificates that are being made."""
    enquiries: int
    ahead: bool
    """A trainer is still taken by one of the bookings."""

    @property
    def live(self) -> tuple[str, ...]:
        """References of the bookings that have to be over first."""
        return tuple(booking.reference for booking in self.bookings if booking.live or self.ahead)

    @property
    def may_be_erased(self) -> bool:
        """Nothing stands in the way."""
        return not (self.household.erased_at or self.live or self.pending)


def family_data_page(db: Session, household_id: UUID, *, visible_to: Actor, now: datetime) -> FamilyDataPage:
    """What the page about a family's data shows, in six statements. Raises ``NotFound``."""
    found = household(db, household_id, visible_to=visible_to)
    bookings = bookings_to_erase(db, household_id, now=now)
    ids = [booking.id for booking in bookings]
    students = select(Student.id).where(Student.household_id == household_id)
    of_students = Certificate.student_id.in_(students)

    def number(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return select(func.count()).where(*conditions).scalar_subquery()

    sessions, certificates, pending, enquiries = db.execute(
        select(
            number(CourseSession.booking_id.in_(ids)),
            number(of_students),
            number(of_students, Certificate.state == CertificateState.PENDING),
            number(of_family(household_id)),
        )
    ).one()
    ahead = taken_ahead(db, ids, now=now)
    return FamilyDataPage(found, bookings, sessions, certificates, pending, enquiries, ahead)


def family_data(db: Session, household_id: UUID, *, visible_to: Actor) -> FamilyData:
    """All rows of one family, the older first. Raises ``NotFound``, also for another operator's (rule E2).

    ``visible_to`` is asked once: what hangs on a household carries its operator in every foreign key.
    """
    mine = select(Household.id).where(Household.id == household_id, owned_by(Household.operator_id, visible_to))
    if db.scalar(mine) is None:
        raise NotFound()
    bookings = select(Booking.id).where(Booking.household_id == household_id)
    students = select(Student.id).where(Student.household_id == household_id)
    belongs: dict[type[Base], ColumnElement[bool]] = {
        Household: Household.id == household_id,
        Guardian: Guardian.household_id == household_id,
        Student: Student.household_id == household_id,
        Enquiry: of_family(household_id),
        Booking: Booking.household_id == household_id,
        BookingStudent: BookingStudent.booking_id.in_(bookings),
        CourseSession: CourseSession.booking_id.in_(bookings),
        Attendance: Attendance.booking_id.in_(bookings),
        Assignment: Assignment.booking_id.in_(bookings),
        TrainerBlock: TrainerBlock.household_id == household_id,
        Certificate: Certificate.student_id.in_(students),
        CertificateRequest: CertificateRequest.certificate_id.in_(
            select(Certificate.id).where(Certificate.student_id.in_(students))
        ),
        CertificateLetter: CertificateLetter.certificate_id.in_(
            select(Certificate.id).where(Certificate.student_id.in_(students))
        ),
    }
    parts = {}
    for model, condition in belongs.items():
        table = model.__table__
        parts[_key(table)] = _rows(db, table, condition)
    about = union_all(
        select(Household.id).where(Household.id == household_id),
        bookings,
        *(select(model.id).where(belongs[model]) for model in (Enquiry, CourseSession, Assignment, Certificate)),
    )
    audit = AuditEntry.__table__
    told = _rows(db, audit, AuditEntry.subject_id.in_(about))
    apart = _rows(
        db,
        audit,
        AuditEntry.subject_id.in_(select(Trainer.id).where(owned_by(Trainer.operator_id, visible_to))),
        AuditEntry.what.in_(_BLOCKS),
        or_(
            AuditEntry.before["household_id"].astext == str(household_id),
            AuditEntry.after["household_id"].astext == str(household_id),
        ),
    )
    parts[_key(audit)] = tuple(sorted((*told, *apart), key=lambda row: (row["at"], row["id"])))
    return FamilyData(parts, _names(db, parts))


def _key(table: FromClause) -> str:
    key = LEDGER[table.description].key
    assert key is not None
    return key


def _rows(db: Session, table: FromClause, *conditions: ColumnElement[bool]) -> tuple[Row, ...]:
    """The columns that are given out, in the order of the primary key: ids grow with time."""
    withheld = {name for names in LEDGER[table.description].withheld.values() for name in names}
    columns = [column for column in table.columns if column.name not in withheld]
    wanted = select(*columns).select_from(table).where(*conditions).order_by(*table.primary_key)
    return tuple(dict(row) for row in db.execute(wanted).mappings())


def _names(db: Session, parts: Mapping[str, tuple[Row, ...]]) -> dict[str, dict[UUID, str]]:
    """What the courses, zones, trainers and the operator in the rows are called."""

    def ids(*columns: tuple[str, str]) -> set[UUID]:
        found = (row[column] for key, column in columns for row in parts[key])
        return {id_ for id_ in found if id_ is not None}

    wanted: Iterable[tuple[str, Any, set[UUID]]] = (
        ("operators", Operator, ids(("household", "operator_id"))),
        ("courses", Course, ids(("bookings", "course_id"), ("enquiries", "course_id"))),
        ("zones", Zone, ids(("bookings", "zone_id"))),
        (
            "trainers",
            Trainer,
            ids(("course_sessions", "taught_by"), ("assignments", "trainer_id"), ("trainer_blocks", "trainer_id")),
        ),
    )
    return {
        kind: {row[0]: row[1] for row in db.execute(select(model.id, model.name).where(model.id.in_(known)))}
        for kind, model, known in wanted
    }
