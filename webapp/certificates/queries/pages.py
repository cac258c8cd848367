"""What lists, pages and the public verification show."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select, text
from sqlalchemy.orm import Session

from webapp.bookings.models import Booking
from webapp.certificates.models import Certificate
from webapp.certificates.rules import CertificateState, normalised_number
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.db.tenancy import owned_by

# A function of the database that reads every operator's certificates. Until one is issued it does not exist for the
# world: revoked and replaced ones do.
_SHOWN = text("SELECT state, token, payload, awarded_on, pdf_sha256, erased_at FROM certificate_shown(:number)")


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
class CertificateFacts:
    """Everything staff see of one certificate."""

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
    revoked_reason: str | None
    erased_at: datetime | None
    file_erased_at: datetime | None

    @property
    def waits_for_keys(self) -> bool:
        """Whether it waits, untried, for somebody to see to the keys."""
        return self.state is CertificateState.PENDING and (self.last_error or "").startswith("keys-")

    @property
    def settled(self) -> bool:
        """Whether nothing more happens by itself: the page stops asking."""
        return self.state is not CertificateState.PENDING


@dataclass(frozen=True, slots=True)
class PublicCertificate:
    """What anybody holding the number sees; the student's name only with the link's token.

    Once the holder's data is erased nobody is told a name, and ``erased_at`` says when that was.
    """

    number: str
    state: CertificateState
    issued_by: str
    operator_name: str
    course_name: str
    total_sessions: int
    first_session_on: date
    last_session_on: date
    awarded_on: date
    pdf_sha256: str
    erased_at: datetime | None
    student_name: str | None


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
    found = db.execute(
        select(Certificate, Booking.reference, Booking.time_zone, Booking.household_id)
        .join(Booking, Booking.id == Certificate.booking_id)
        .where(Certificate.id == certificate_id, owned_by(Certificate.operator_id, visible_to))
    ).one_or_none()
    if found is None:
        raise NotFound()
    certificate, reference, time_zone, household_id = found
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
        revoked_reason=certificate.revoked_reason,
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


def public_certificate(db: Session, number: str, *, token: str | None = None) -> PublicCertificate:
    """What the public page says about a number in any spelling, across operators; one statement.

    The name is told only with the right ``token``, compared in constant time; a wrong one counts as none. Raises
    ``NotFound`` for a number that cannot be, does not exist or is not issued yet: the three look alike.
    """
    wanted = normalised_number(number)
    if wanted is None:
        raise NotFound()
    found = db.execute(_SHOWN, {"number": wanted}).one_or_none()
    if found is None:
        raise NotFound()
    state, right, said, awarded_on, pdf_sha256, erased_at = found
    right_one = token is not None and secrets.compare_digest(token.encode(), right.encode())
    told = right_one and erased_at is None
    return PublicCertificate(
        number=wanted,
        state=CertificateState(state),
        issued_by=said["issued_by"],
        operator_name=said["operator_name"],
        course_name=said["course_name"],
        total_sessions=said["total_sessions"],
        first_session_on=date.fromisoformat(said["first_session_on"]),
        last_session_on=date.fromisoformat(said["last_session_on"]),
        awarded_on=awarded_on,
        pdf_sha256=pdf_sha256,
        erased_at=erased_at,
        student_name=said["student_name"] if told else None,
    )
