"""What waits for a second person's confirmation, and what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from webapp.bookings.models import Booking
from webapp.certificates.models import Certificate
from webapp.certificates.request_models import CertificateRequest
from webapp.certificates.rules import CertificateState, RequestKind, RequestReason, RequestState
from webapp.core.actor import Actor, Permission
from webapp.core.errors import NotFound
from webapp.db.tenancy import owned_by
from webapp.households.models import Student


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request, and the certificate it is about. ``name_now`` is what the student is called today."""

    id: UUID
    certificate_id: UUID
    kind: RequestKind
    reason: RequestReason
    words: str | None
    state: RequestState
    asked_by: UUID
    asked_by_name: str
    asked_at: datetime
    decided_by_name: str | None
    decided_at: datetime | None
    number: str
    certificate_state: CertificateState
    student_name: str
    name_now: str
    course_name: str
    operator_id: UUID
    operator_name: str
    household_id: UUID
    time_zone: str

    @property
    def is_open(self) -> bool:
        """Whether nobody has decided yet."""
        return self.state is RequestState.OPEN


def _rows() -> Select[Any]:
    """The columns of a ``RequestRow`` in its order."""
    said = Certificate.payload
    columns: tuple[Any, ...] = (
        CertificateRequest.id,
        CertificateRequest.certificate_id,
        CertificateRequest.kind,
        CertificateRequest.reason,
        CertificateRequest.words,
        CertificateRequest.state,
        CertificateRequest.asked_by,
        CertificateRequest.asked_by_name,
        CertificateRequest.asked_at,
        CertificateRequest.decided_by_name,
        CertificateRequest.decided_at,
        Certificate.number,
        Certificate.state,
        said["student_name"].astext,
        Student.name,
        said["course_name"].astext,
        Certificate.operator_id,
        said["operator_name"].astext,
        Booking.household_id,
        Booking.time_zone,
    )
    return (
        select(*columns)
        .join(Certificate, Certificate.id == CertificateRequest.certificate_id)
        .join(Booking, Booking.id == Certificate.booking_id)
        .join(Student, Student.id == Certificate.student_id)
    )


def open_requests(db: Session, *, visible_to: Actor, limit: int, offset: int = 0) -> tuple[tuple[RequestRow, ...], int]:
    """The requests nobody has decided on, oldest first, and how many there are in all."""
    wanted = _is_open(visible_to)
    rows = db.execute(
        _rows().where(wanted).order_by(CertificateRequest.asked_at, CertificateRequest.id).limit(limit).offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(CertificateRequest).where(wanted)) or 0
    return tuple(RequestRow(*row) for row in rows), total


def request_page(db: Session, request_id: UUID, *, visible_to: Actor) -> RequestRow:
    """One request, open or decided. Raises ``NotFound`` when it is not there or not theirs."""
    wanted = owned_by(CertificateRequest.operator_id, visible_to)
    found = db.execute(_rows().where(CertificateRequest.id == request_id, wanted)).one_or_none()
    if found is None:
        raise NotFound()
    return RequestRow(*found)


def requests_of(db: Session, certificate_id: UUID, *, visible_to: Actor) -> tuple[RequestRow, ...]:
    """All that was ever asked about a certificate, newest first."""
    wanted = owned_by(CertificateRequest.operator_id, visible_to)
    found = _rows().where(CertificateRequest.certificate_id == certificate_id, wanted)
    newest = found.order_by(CertificateRequest.asked_at.desc(), CertificateRequest.id.desc())
    return tuple(RequestRow(*row) for row in db.execute(newest))


def waiting_count(visible_to: Actor) -> Select[int] | None:
    """The question how many requests wait for this very actor to decide; none for a role that does not."""
    if not visible_to.may(Permission.CERTIFICATE_REVOKE):
        return None
    waiting = select(func.count()).select_from(CertificateRequest)
    return waiting.where(_is_open(visible_to), CertificateRequest.asked_by != visible_to.id)


def _is_open(actor: Actor) -> ColumnElement[bool]:
    return and_(owned_by(CertificateRequest.operator_id, actor), CertificateRequest.state == RequestState.OPEN)


def subject_of(db: Session, request_id: UUID, *, by: Actor) -> tuple[RequestKind, UUID, UUID]:
    """What a request is for, its certificate, and the household, to be locked first. Raises ``NotFound``."""
    found = db.execute(
        select(CertificateRequest.kind, CertificateRequest.certificate_id, Booking.household_id)
        .join(Certificate, Certificate.id == CertificateRequest.certificate_id)
        .join(Booking, Booking.id == Certificate.booking_id)
        .where(CertificateRequest.id == request_id, owned_by(CertificateRequest.operator_id, by))
    ).one_or_none()
    if found is None:
        raise NotFound()
    return found[0], found[1], found[2]


def locked_request(db: Session, request_id: UUID) -> CertificateRequest:
    """The request under its row lock, as it is now."""
    return db.scalars(
        select(CertificateRequest)
        .where(CertificateRequest.id == request_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def is_asked(db: Session, certificate_id: UUID) -> bool:
    """Whether a request about the certificate is open. Asked under the certificate's lock."""
    wanted = select(CertificateRequest.id).where(
        CertificateRequest.certificate_id == certificate_id, CertificateRequest.state == RequestState.OPEN
    )
    return db.scalar(wanted) is not None


def holder(db: Session, certificate: Certificate) -> tuple[UUID, str, str]:
    """The household of a certificate's student, the student's name as it is now, and the booking's time zone."""
    row = db.execute(
        select(Booking.household_id, Student.name, Booking.time_zone)
        .join(Student, Student.operator_id == Booking.operator_id)
        .where(Booking.id == certificate.booking_id, Student.id == certificate.student_id)
    ).one()
    return row[0], row[1], row[2]
