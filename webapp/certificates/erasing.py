"""Erasing a family: whose its certificates are, and their files. Part of the room's service.

Number, hash and status stay, so what was promised can still be verified; a trigger lets nothing else happen to a
certificate that is out. The row is the promise that its file goes too: a job removes it after the commit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from webapp.certificates.batches import take_back
from webapp.certificates.models import Certificate
from webapp.certificates.posting import must_not_be_going
from webapp.certificates.request_models import CertificateRequest
from webapp.certificates.rules import CertificateState, RequestState, draw_token
from webapp.certificates.service import tell
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict
from webapp.core.failpoints import Failpoint, reach
from webapp.core.job_names import JobName
from webapp.core.names import ERASED
from webapp.db.work import Work
from webapp.households.models import Student


def lock_certificates(work: Work, household_id: UUID, *, now: datetime) -> list[Certificate]:
    """The certificates of a family's students that still say whose they are, locked in id order.

    Raises ``Conflict`` ``certificate-pending``: a file that is being made this moment cannot be called back;
    ``letter-going`` for one that is being sent.
    """
    students = select(Student.id).where(Student.household_id == household_id)
    found = work.db.scalars(
        select(Certificate)
        .where(Certificate.student_id.in_(students), Certificate.erased_at.is_(None))
        .order_by(Certificate.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    if any(certificate.state is CertificateState.PENDING for certificate in found):
        raise Conflict(
            "certificate-pending",
            "A certificate of this family is being made. Wait until it is issued, then try again.",
        )
    must_not_be_going(work, [certificate.id for certificate in found], now=now)
    return list(found)


def erase_certificates(work: Work, locked: list[Certificate], *, by: Actor, now: datetime, erased_at: datetime) -> None:
    """Take the name, its salt, the link's token and the words of a revocation off locked certificates.

    The token is replaced by one that nobody is told, so the old link tells no more than the number does. Without the
    salt nobody who has the hashes of a credential but not the file can try names on them.
    """
    for certificate in locked:
        certificate.payload = _anonymous(certificate.payload)
        certificate.salt = None
        certificate.token = draw_token()
        certificate.revoked_reason = None
        certificate.erased_at = erased_at
        tell(work, "erased", certificate.id, certificate.operator_id, by=by, now=now)
    if locked:
        _erase_requests(work, [certificate.id for certificate in locked], by=by, now=now)
        take_back(work, [certificate.id for certificate in locked], now=now)
        work.after_commit(JobName.ERASE_FILES)
        reach(Failpoint.ERASING)


def _erase_requests(work: Work, certificate_ids: list[UUID], *, by: Actor, now: datetime) -> None:
    """Take the words out of what was ever asked about the certificates; what is open lapses."""
    about = CertificateRequest.certificate_id.in_(certificate_ids)
    for changed in (
        update(CertificateRequest)
        .where(about, CertificateRequest.state == RequestState.OPEN)
        .values(state=RequestState.LAPSED, decided_by=by.id, decided_by_name=by.name, decided_at=now, words=None),
        update(CertificateRequest).where(about, CertificateRequest.words.is_not(None)).values(words=None),
    ):
        work.db.execute(changed.execution_options(synchronize_session=False))


def _anonymous(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload without its name, and with the address of the number alone instead of the link."""
    desk, _, _ = str(payload["verify_url"]).partition("/verify/")
    return payload | {"student_name": ERASED, "verify_url": f"{desk}/verify/{payload['number']}"}


def record_file_erased(work: Work, certificate_id: UUID, *, now: datetime) -> bool:
    """Note that an erased certificate's file is gone; a second time changes nothing. Whether it was due."""
    due = (
        update(Certificate)
        .where(
            Certificate.id == certificate_id,
            Certificate.erased_at.is_not(None),
            Certificate.file_erased_at.is_(None),
        )
        .values(file_erased_at=now)
        .returning(Certificate.operator_id)
        .execution_options(synchronize_session=False)
    )
    operator_id: UUID | None = work.db.scalar(due)
    if operator_id is None:
        return False
    tell(work, "file_erased", certificate_id, operator_id, by=SYSTEM, now=now)
    reach(Failpoint.FILE_ERASED)
    return True
