"""What lists and pages of staff show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, aliased

from webapp.bookings.models import Booking
from webapp.certificates.models import Certificate
from webapp.certificates.rules import CertificateState, normalised_number
from webapp.certificates.typeface import printable_name, unsettable
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.db.tenancy import owned_by
from webapp.households.models import Student


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """One line of the list."""

    id: UUID
    number: str
    state: CertificateState
    student_name: str
    course_name: str
    operator_name: str
    awarded_on: date


@dataclass(frozen=True, slots=True)
class Beside:
    """The certificate before or after another one."""

    id: UUID
    number: str


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """Everything staff see of one certificate. ``name_now`` is what its student is called today."""

    id: UUID
    operator_id: UUID
    household_id: UUID
    number: str
    state: CertificateState
    student_name: str
    course_name: str
    operator_name: str
    total_sessions: int
    first_session_on: date
    last_session_on: date
    awarded_on: date
    verify_url: str
    booking_id: UUID
    booking_reference: str
    time_zone: str
    issued_at: datetime | None
    pdf_sha256: str | None
    credential_sha256: str | None
    attempts: int
    next_at: datetime
    last_error: str | None
    revoked_at: datetime | None
    revoked_reason: str | None
    replaces: Beside | None
    replaced_by: Beside | None
    student_id: UUID
    name_now: str
    erased_at: datetime | None
    file_erased_at: datetime | None

    @property
    def waits_for_keys(self) -> bool:
        """Whether it waits, untried, for somebody to see to the keys."""
        return self.state is CertificateState.PENDING and (self.last_error or "").startswith("keys-")

    @property
    def being_replaced(self) -> bool:
        """Whether it is still valid, and its successor on the way."""
        return self.replaced_by is not None and self.state is CertificateState.ISSUED

    @property
    def unsettable(self) -> tuple[str, ...]:
        """The characters of its names that no font of the certificates can set."""
        names = (self.student_name, self.course_name, self.operator_name)
        return unsettable(" ".join(map(printable_name, names)))

    @property
    def settled(self) -> bool:
        """Whether nothing more happens by itself: the page stops asking."""
        return self.state is not CertificateState.PENDING


def _said(field: str) -> ColumnElement[str]:
    """A text of the frozen payload."""
    text: ColumnElement[str] = Certificate.payload[field].astext
    return text


def _rows() -> Select[UUID, str, CertificateState, str, str, str, date]:
    """The columns of a ``CertificateRow``."""
    return select(
        Certificate.id,
        Certificate.number,
        Certificate.state,
        _said("student_name"),
        _said("course_name"),
        _said("operator_name"),
        Certificate.awarded_on,
    )


def _found_by(visible_to: Actor, state: CertificateState | None, search: str) -> list[ColumnElement[bool]]:
    """The condition of the list."""
    conditions = [owned_by(Certificate.operator_id, visible_to)]
    if state is not None:
        conditions.append(Certificate.state == state)
    if search:
        number = normalised_number(search)
        conditions.append(
            Certificate.number == number
            if number is not None
            else or_(
                Certificate.number.icontains(search, autoescape=True),
                _said("student_name").icontains(search, autoescape=True),
            )
        )
    return conditions


def all_found(
    db: Session, *, visible_to: Actor, state: CertificateState | None = None, search: str = "", limit: int
) -> list[tuple[UUID, UUID]]:
    """What the list shows on all its pages, as (id, operator's id) in its order; ``limit`` at most."""
    rows = db.execute(
        select(Certificate.id, Certificate.operator_id)
        .where(*_found_by(visible_to, state, search))
        .order_by(Certificate.awarded_on.desc(), Certificate.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def certificates_index(
    db: Session,
    *,
    visible_to: Actor,
    state: CertificateState | None = None,
    search: str = "",
    limit: int,
    offset: int = 0,
) -> tuple[tuple[CertificateRow, ...], int]:
    """Certificates, newest award first, and how many there are in all.

    ``search`` is a number in any spelling, or part of a number or of the student's name.
    """
    conditions = _found_by(visible_to, state, search)
    total = db.scalar(select(func.count()).select_from(Certificate).where(*conditions)) or 0
    rows = db.execute(
        _rows()
        .where(*conditions)
        .order_by(Certificate.awarded_on.desc(), Certificate.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return tuple(CertificateRow(*row) for row in rows), total


def certificate_facts(db: Session, certificate_id: UUID, *, visible_to: Actor) -> CertificateFacts:
    """One certificate for its page. Raises ``NotFound`` when it is not there or not theirs."""
    before, after = aliased(Certificate), aliased(Certificate)
    found = db.execute(
        select(
            Certificate,
            Booking.reference,
            Booking.time_zone,
            Booking.household_id,
            Student.name,
            before.id,
            before.number,
            after.id,
            after.number,
        )
        .join(Booking, Booking.id == Certificate.booking_id)
        .join(Student, Student.id == Certificate.student_id)
        .outerjoin(before, before.replaced_by_id == Certificate.id)
        .outerjoin(after, after.id == Certificate.replaced_by_id)
        .where(Certificate.id == certificate_id, owned_by(Certificate.operator_id, visible_to))
    ).one_or_none()
    if found is None:
        raise NotFound()
    certificate, reference, time_zone, household_id, name_now, before_id, before_number, after_id, after_number = found
    said = certificate.payload
    return CertificateFacts(
        id=certificate.id,
        operator_id=certificate.operator_id,
        household_id=household_id,
        number=certificate.number,
        state=certificate.state,
        student_name=said["student_name"],
        course_name=said["course_name"],
        operator_name=said["operator_name"],
        total_sessions=said["total_sessions"],
        first_session_on=date.fromisoformat(said["first_session_on"]),
        last_session_on=date.fromisoformat(said["last_session_on"]),
        awarded_on=certificate.awarded_on,
        verify_url=said["verify_url"],
        booking_id=certificate.booking_id,
        booking_reference=reference,
        time_zone=time_zone,
        issued_at=certificate.issued_at,
        pdf_sha256=certificate.pdf_sha256,
        credential_sha256=certificate.credential_sha256,
        attempts=certificate.attempts,
        next_at=certificate.next_at,
        last_error=certificate.last_error,
        revoked_at=certificate.revoked_at,
        revoked_reason=certificate.revoked_reason,
        replaces=Beside(before_id, before_number) if before_id is not None else None,
        replaced_by=Beside(after_id, after_number) if after_id is not None else None,
        student_id=certificate.student_id,
        name_now=name_now,
        erased_at=certificate.erased_at,
        file_erased_at=certificate.file_erased_at,
    )


def certificates_of_booking(db: Session, booking_id: UUID, *, visible_to: Actor) -> tuple[CertificateRow, ...]:
    """The living certificates of a booking, by the student's name."""
    rows = db.execute(
        _rows()
        .where(
            Certificate.booking_id == booking_id,
            Certificate.replaced_by_id.is_(None),
            owned_by(Certificate.operator_id, visible_to),
        )
        .order_by(_said("student_name"), Certificate.id)
    )
    return tuple(CertificateRow(*row) for row in rows)
