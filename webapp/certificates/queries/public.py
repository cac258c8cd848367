"""What anybody may ask of a certificate, across operators, signed in or not."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.certificates.rules import CertificateState, RequestReason, normalised_number
from webapp.core.errors import NotFound

# A function of the database that reads every operator's certificates. Until one is issued it does not exist for the
# world: revoked and replaced ones do.
_SHOWN = text(
    "SELECT state, token, payload, awarded_on, pdf_sha256, credential_sha256, erased_at, revoked_at, revoked_code,"
    " revoked_reason, replaced_by FROM certificate_shown(:number)"
)
_OF_FILE = text("SELECT certificate_of_file(:sha256)")


@dataclass(frozen=True, slots=True)
class PublicCertificate:
    """What anybody holding the number sees; the student's name, and that there are files, only with the link's token.

    Once the holder's data is erased nobody is told a name, and ``erased_at`` says when that was. ``replaced_by`` is the
    number of the one that took its place.
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
    credential_sha256: str | None
    erased_at: datetime | None
    revoked_at: datetime | None
    revoked_code: RequestReason | None
    revoked_words: str | None
    replaced_by: str | None
    student_name: str | None
    held: bool
    """Whether whoever asks holds the link, and the family's data was not erased."""

    @property
    def valid(self) -> bool:
        """Whether it stands."""
        return self.state is CertificateState.ISSUED


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
    right_one = token is not None and secrets.compare_digest(token.encode(), found.token.encode())
    held = right_one and found.erased_at is None
    said = found.payload
    return PublicCertificate(
        number=wanted,
        state=CertificateState(found.state),
        issued_by=said["issued_by"],
        operator_name=said["operator_name"],
        course_name=said["course_name"],
        total_sessions=said["total_sessions"],
        first_session_on=date.fromisoformat(said["first_session_on"]),
        last_session_on=date.fromisoformat(said["last_session_on"]),
        awarded_on=found.awarded_on,
        pdf_sha256=found.pdf_sha256,
        credential_sha256=found.credential_sha256,
        erased_at=found.erased_at,
        revoked_at=found.revoked_at,
        revoked_code=RequestReason(found.revoked_code) if found.revoked_code is not None else None,
        revoked_words=found.revoked_reason,
        replaced_by=found.replaced_by,
        student_name=said["student_name"] if held else None,
        held=held,
    )


def number_of_file(db: Session, sha256: str) -> str | None:
    """The number of the certificate whose file has this hash, across operators; ``None`` when we issued none such."""
    number: str | None = db.scalar(_OF_FILE, {"sha256": sha256})
    return number
