"""Making a certificate anew under the student's corrected name. Part of the room's service.

The old one names its successor at once and stays valid until that is issued: the family is never without a valid one,
and never has two. Locks are always taken in this order: household, certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from webapp.certificates import rules
from webapp.certificates.models import Certificate
from webapp.certificates.pdf import CertificatePayload
from webapp.certificates.promising import MAX_DRAWS, STORE, link, row
from webapp.certificates.queries import issuing, requests
from webapp.certificates.rules import CertificateState
from webapp.certificates.service import tell
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Forbidden, RuleBroken
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.work import Work
from webapp.households.erasing import must_live


def reissue(
    work: Work,
    certificate_id: UUID,
    name: str,
    *,
    by: Actor,
    now: datetime,
    public_url: str,
    draw: Callable[[int], str] = rules.draw_number,
) -> UUID:
    """Make a certificate anew under ``name``, the student's present one as the page showed it; returns the new id.

    One that failed was never out: it gets the name itself, and is tried again. Raises ``NotFound``, ``Forbidden``, and
    ``Conflict``: ``certificate-erased``, ``being-replaced``, ``already-replaced``, ``certificate-pending``,
    ``certificate-revoked`` (two people make that anew), ``revocation-asked``, ``name-changed`` when the student is
    called otherwise by now, ``same-name``.
    """
    if not by.may(Permission.CERTIFICATE_REISSUE):
        raise Forbidden("not-allowed", "Only a manager or an admin issues certificates anew.")
    must_live(work.db, issuing.household_of(work.db, certificate_id, by=by), by=by)
    certificate = issuing.certificate_to_change(work.db, certificate_id, by=by)
    must_be_made_anew(certificate)
    if certificate.state is CertificateState.PENDING:
        raise Conflict("certificate-pending", "This certificate is being made. Wait until it is issued.")
    if certificate.state is CertificateState.REVOKED:
        raise Conflict("certificate-revoked", "This certificate was revoked. Two people have to agree to make it anew.")
    if requests.is_asked(work.db, certificate_id):
        raise Conflict("revocation-asked", "Somebody asked for this certificate to be revoked. Decide on that first.")
    if name == certificate.payload["student_name"]:
        raise Conflict("same-name", "The certificate bears this name already.")
    if certificate.state is CertificateState.FAILED:
        return _correct(work, certificate, name, by=by, now=now)
    return make_successor(work, certificate, name, by=by, now=now, public_url=public_url, draw=draw)


def make_successor(
    work: Work,
    certificate: Certificate,
    name: str,
    *,
    by: Actor,
    now: datetime,
    public_url: str,
    draw: Callable[[int], str],
) -> UUID:
    """Promise the successor of a locked certificate of a living family; returns its id. Raises as ``reissue``."""
    _must_be_called(work, certificate, name)
    successor_id = new_id()
    certificate.replaced_by_id = successor_id
    work.db.flush()  # the old one makes room: a student has one certificate without a successor
    number = _store(work, certificate, successor_id, name, now=now, public_url=public_url, draw=draw)
    about = {"replaced_by_id": successor_id, "number": number}
    tell(work, "reissued", certificate.id, certificate.operator_id, by=by, now=now, after=about)
    after = {"state": CertificateState.PENDING, "number": number, "replaces_id": certificate.id}
    after["booking_id"] = certificate.booking_id
    tell(work, "promised", successor_id, certificate.operator_id, by=by, now=now, after=after)
    work.after_commit(JobName.ISSUE_CERTIFICATES)
    return successor_id


def must_be_made_anew(certificate: Certificate) -> None:
    """Raises ``Conflict`` when the family was erased, or the certificate has a successor."""
    if certificate.erased_at is not None:
        raise Conflict("certificate-erased", "The family's data was erased: this certificate is not made any more.")
    must_stand_alone(certificate)


def must_stand_alone(certificate: Certificate) -> None:
    """Raises ``Conflict`` when the certificate has a successor, or one is on its way."""
    if certificate.replaced_by_id is None:
        return
    if certificate.state is CertificateState.ISSUED:
        raise Conflict("being-replaced", "A new certificate is being made in the place of this one. Wait for that one.")
    raise Conflict("already-replaced", "A newer certificate has taken the place of this one. Go to that one.")


def _must_be_called(work: Work, certificate: Certificate, name: str) -> None:
    """What staff saw on the page must still be what the student is called."""
    _household_id, name_now, _zone = requests.holder(work.db, certificate)
    if name != name_now:
        raise Conflict("name-changed", "The student is called otherwise by now. Look at the names again.")


def _correct(work: Work, certificate: Certificate, name: str, *, by: Actor, now: datetime) -> UUID:
    """Give a locked certificate that failed, and so was never out, the right name, and have it tried again."""
    _must_be_called(work, certificate, name)
    before = {"state": certificate.state, "attempts": certificate.attempts, "last_error": certificate.last_error}
    certificate.payload = certificate.payload | {"student_name": name}
    certificate.state = rules.moved(certificate.state, CertificateState.PENDING)
    certificate.attempts, certificate.next_at, certificate.last_error = 0, now, None
    after = {"state": certificate.state}
    tell(work, "corrected", certificate.id, certificate.operator_id, by=by, now=now, before=before, after=after)
    work.after_commit(JobName.ISSUE_CERTIFICATES)
    return certificate.id


def _store(
    work: Work,
    old: Certificate,
    successor_id: UUID,
    name: str,
    *,
    now: datetime,
    public_url: str,
    draw: Callable[[int], str],
) -> str:
    """Write the successor's row and return its number: the old award, a new number, token and salt."""
    for _ in range(MAX_DRAWS):
        number, token = draw(old.awarded_on.year), rules.draw_token()
        said = {"number": number, "student_name": name, "verify_url": link(public_url, number, token)}
        payload = CertificatePayload.from_json(old.payload | said)
        made = row(
            old.operator_id,
            old.booking_id,
            old.student_id,
            token,
            payload,
            awarded_at=old.awarded_at,
            now=now,
        )
        stored = STORE.values(made | {"id": successor_id})
        if work.db.scalar(stored) is not None:
            return number
    raise RuleBroken(f"{MAX_DRAWS} certificate numbers in a row were taken")
