"""Who a certificate goes to by letter, which letters wait, and what the due ones need to be written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, select, text
from sqlalchemy.orm import Session

from webapp.accounts.rules import LetterState
from webapp.bookings.models import Booking
from webapp.certificates.models import Certificate, CertificateLetter
from webapp.certificates.rules import CertificateState
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.db.tenancy import owned_by
from webapp.households.models import Guardian

Letter = CertificateLetter


@dataclass(frozen=True, slots=True)
class Recipient:
    """A guardian as the page of a certificate names them; ``may_be_written_to``: they agreed and have an address."""

    guardian_id: UUID
    name: str
    may_be_written_to: bool


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A letter as pages show it: to whom, and what became of it."""

    id: UUID
    certificate_id: UUID
    number: str
    guardian_name: str
    occasion: str
    state: LetterState
    created_at: datetime
    sent_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class CertificatePost:
    """The letters of one certificate, newest first; ``round`` is the one that asking now would begin."""

    certificate_id: UUID
    sendable: bool
    recipients: tuple[Recipient, ...]
    letters: tuple[LetterRow, ...]
    round: int

    @property
    def waiting(self) -> bool:
        """Whether something may happen by itself: the page asks again."""
        return any(letter.state is LetterState.PENDING for letter in self.letters)

    @property
    def reachable(self) -> tuple[Recipient, ...]:
        """Who would get a letter."""
        return tuple(one for one in self.recipients if one.may_be_written_to)


@dataclass(frozen=True, slots=True)
class Posted:
    """Everything a due letter is written from, as it is now."""

    certificate_state: CertificateState
    erased: bool
    pdf_sha256: str | None
    number: str
    student_name: str
    course_name: str
    operator_name: str
    verify_url: str
    guardian_name: str
    email: str | None
    language: str
    consented: bool


# Functions of the database that look at every operator's letters: who has something due, and numbers only.
_DUE = text("SELECT id, operator_id FROM certificate_letters_due(:now, :limit)")
_IN_TROUBLE = text("SELECT late, failed FROM certificate_letters_in_trouble(:late)")


def due_letters(db: Session, now: datetime, limit: int) -> tuple[tuple[UUID, UUID], ...]:
    """Letters that wait to be sent at ``now``, as (id, operator's id), the one due longest first."""
    return tuple((row[0], row[1]) for row in db.execute(_DUE, {"now": now, "limit": limit}))


def letters_in_trouble(db: Session, late_since: datetime) -> tuple[int, int]:
    """How many letters were due at ``late_since`` and still are, and how many were given up."""
    late, failed = db.execute(_IN_TROUBLE, {"late": late_since}).one()
    return late, failed


def guardians_to_write_to(db: Session, certificate_id: UUID) -> tuple[UUID, ...]:
    """The guardians of the student's family who agreed to messages and have an address, in the order entered."""
    found = (
        select(Guardian.id)
        .join(Booking, Booking.household_id == Guardian.household_id)
        .join(Certificate, Certificate.booking_id == Booking.id)
        .where(Certificate.id == certificate_id, Guardian.consent_to_messages, Guardian.email.is_not(None))
        .order_by(Guardian.id)
    )
    return tuple(db.scalars(found))


def round_of(db: Session, certificate_id: UUID) -> int:
    """The number of the next time that staff sends this certificate, from 1."""
    asked = select(Letter.occasion).where(Letter.certificate_id == certificate_id, Letter.occasion != "issued")
    return next_round(db.scalars(asked.distinct()))


def next_round(asked: Iterable[str]) -> int:
    """The round after those whose occasions are given."""
    return 1 + max((int(occasion.removeprefix("asked-")) for occasion in asked), default=0)


def posted(db: Session, letter_id: UUID) -> Posted | None:
    """What a letter is written from; ``None`` once the guardian is gone, and the letter with them."""
    found = db.execute(
        select(Certificate, Guardian.name, Guardian.email, Guardian.language, Guardian.consent_to_messages)
        .join(Letter, Letter.certificate_id == Certificate.id)
        .join(Guardian, Guardian.id == Letter.guardian_id)
        .where(Letter.id == letter_id)
    ).one_or_none()
    if found is None:
        return None
    certificate, name, email, language, consented = found
    said = certificate.payload
    return Posted(
        certificate_state=certificate.state,
        erased=certificate.erased_at is not None,
        pdf_sha256=certificate.pdf_sha256,
        number=certificate.number,
        student_name=said["student_name"],
        course_name=said["course_name"],
        operator_name=said["operator_name"],
        verify_url=said["verify_url"],
        guardian_name=name,
        email=email,
        language=language,
        consented=consented,
    )


_ROW = (
    Letter.id,
    Letter.certificate_id,
    Certificate.number,
    Guardian.name,
    Letter.occasion,
    Letter.state,
    Letter.created_at,
    Letter.sent_at,
    Letter.last_error,
)


def certificate_post(db: Session, certificate_id: UUID, *, visible_to: Actor) -> CertificatePost:
    """The letters of one certificate, three statements. Raises ``NotFound`` when it is not there or not theirs."""
    owned = owned_by(Certificate.operator_id, visible_to)
    found = db.execute(
        select(Certificate.state, Certificate.erased_at, Booking.household_id)
        .join(Booking, Booking.id == Certificate.booking_id)
        .where(Certificate.id == certificate_id, owned)
    ).one_or_none()
    if found is None:
        raise NotFound()
    state, erased_at, household_id = found
    guardians = db.execute(
        select(Guardian.id, Guardian.name, and_(Guardian.consent_to_messages, Guardian.email.is_not(None)))
        .where(Guardian.household_id == household_id)
        .order_by(Guardian.id)
    )
    letters = db.execute(
        select(*_ROW)
        .join(Certificate, Certificate.id == Letter.certificate_id)
        .join(Guardian, Guardian.id == Letter.guardian_id)
        .where(Letter.certificate_id == certificate_id, owned)
        .order_by(Letter.created_at.desc(), Letter.id.desc())
    )
    rows = tuple(LetterRow(*row) for row in letters)
    return CertificatePost(
        certificate_id=certificate_id,
        sendable=state is CertificateState.ISSUED and erased_at is None,
        recipients=tuple(Recipient(*row) for row in guardians),
        letters=rows,
        round=next_round(row.occasion for row in rows if row.occasion != "issued"),
    )


def letters_given_up(
    db: Session, *, visible_to: Actor, limit: int, offset: int = 0
) -> tuple[tuple[LetterRow, ...], int]:
    """Letters that were not taken however often they were tried, newest first, and how many there are in all."""
    wanted = (Letter.state == LetterState.FAILED, owned_by(Letter.operator_id, visible_to))
    total = db.scalar(select(func.count()).select_from(Letter).where(*wanted)) or 0
    rows = db.execute(
        select(*_ROW)
        .join(Certificate, Certificate.id == Letter.certificate_id)
        .join(Guardian, Guardian.id == Letter.guardian_id)
        .where(*wanted)
        .order_by(Letter.created_at.desc(), Letter.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return tuple(LetterRow(*row) for row in rows), total


def given_up(db: Session, *, visible_to: Actor) -> int:
    """How many letters of the actor's reach were given up."""
    wanted = (Letter.state == LetterState.FAILED, owned_by(Letter.operator_id, visible_to))
    return db.scalar(select(func.count()).select_from(Letter).where(*wanted)) or 0


def letter_to_change(db: Session, letter_id: UUID, *, by: Actor) -> CertificateLetter:
    """The row itself, locked. Raises ``NotFound`` when it is not there or not theirs."""
    wanted = select(Letter).where(Letter.id == letter_id, owned_by(Letter.operator_id, by))
    found = db.scalar(wanted.with_for_update())
    if found is None:
        raise NotFound()
    return found
