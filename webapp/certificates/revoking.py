"""Revoking a certificate, and making a revoked one anew: what one person asks for, a second one confirms.

Part of the room's service. Locks are always taken in this order: household, certificate, request.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from webapp.certificates import reissuing, rules
from webapp.certificates.models import Certificate
from webapp.certificates.queries import requests
from webapp.certificates.queries.issuing import certificate_to_change
from webapp.certificates.request_models import CertificateRequest
from webapp.certificates.rules import CertificateState, RequestCommand, RequestKind, RequestState
from webapp.certificates.service import tell
from webapp.core import moves
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Forbidden
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.core.words import msgid
from webapp.db.work import Work
from webapp.households.erasing import must_live

DECIDED: Final = {
    RequestState.CONFIRMED: msgid("%(who)s confirmed this on %(when)s."),
    RequestState.REFUSED: msgid("%(who)s refused this on %(when)s."),
    RequestState.WITHDRAWN: msgid("%(who)s withdrew this on %(when)s."),
    RequestState.LAPSED: msgid("The family's data was erased on %(when)s, before anybody decided."),
}


def ask(work: Work, certificate_id: UUID, command: RequestCommand, *, by: Actor, now: datetime) -> UUID:
    """Ask a second person to confirm what ``command`` says; nothing happens to the certificate before that.

    Raises ``NotFound``, ``Forbidden``, ``Invalid`` for ``reason`` or ``words``, and ``Conflict``: ``certificate-move``
    where its state does not allow it, ``certificate-erased``, ``being-replaced``, ``already-replaced``,
    ``already-asked``.
    """
    if by.id is None or not by.may(Permission.CERTIFICATE_REVOKE):
        raise Forbidden("not-allowed", "Only an admin asks for this.")
    certificate = certificate_to_change(work.db, certificate_id, by=by)
    _must_allow(certificate, command.kind)
    checked = command.checked(holder=certificate.payload["student_name"])
    if requests.is_asked(work.db, certificate_id):
        raise Conflict("already-asked", "This was asked for already, and waits for a second person.")
    request = CertificateRequest(
        id=new_id(),
        operator_id=certificate.operator_id,
        certificate_id=certificate_id,
        kind=checked.kind,
        reason=checked.reason,
        words=checked.words or None,
        state=RequestState.OPEN,
        asked_by=by.id,
        asked_by_name=by.name,
        asked_at=now,
    )
    work.db.add(request)
    about = {"request_id": request.id, "kind": checked.kind, "reason": checked.reason}
    tell(work, f"{checked.kind}_asked", certificate_id, certificate.operator_id, by=by, now=now, after=about)
    return request.id


def confirm(
    work: Work,
    request_id: UUID,
    *,
    by: Actor,
    now: datetime,
    public_url: str,
    name: str = "",
    draw: Callable[[int], str] = rules.draw_number,
) -> None:
    """Do what somebody else asked for.

    Of a revoked certificate that is made anew, ``name`` is the student's present one as the page showed it. Raises
    ``NotFound``, ``Forbidden`` (``own-request`` for whoever asked), and ``Conflict``: ``already-decided`` says who
    decided and when; the others as ``ask`` and ``reissuing.reissue``.
    """
    certificate, request = _to_decide(work.db, request_id, by=by)
    rules.may_decide(request.asked_by, by)
    _must_allow(certificate, request.kind)
    _decide(work, certificate, request, RequestState.CONFIRMED, by=by, now=now)
    work.db.flush()  # what is done to the certificate is allowed by the request, and a trigger looks
    if request.kind is RequestKind.REISSUE:
        reissuing.make_successor(work, certificate, name, by=by, now=now, public_url=public_url, draw=draw)
        return
    before = {"state": certificate.state}
    certificate.state = rules.moved(certificate.state, CertificateState.REVOKED)
    certificate.revoked_at, certificate.revoked_reason = now, request.words
    after = {
        "state": certificate.state,
        "reason": request.reason,
        "request_id": request.id,
        "asked_by": request.asked_by,
    }
    tell(work, "revoked", certificate.id, certificate.operator_id, by=by, now=now, before=before, after=after)
    work.after_commit(JobName.SIGN_REVOCATIONS)


def refuse(work: Work, request_id: UUID, *, by: Actor, now: datetime) -> None:
    """Let a request of somebody else's come to nothing. Raises as ``confirm``."""
    certificate, request = _to_decide(work.db, request_id, by=by)
    rules.may_decide(request.asked_by, by)
    _decide(work, certificate, request, RequestState.REFUSED, by=by, now=now)


def withdraw(work: Work, request_id: UUID, *, by: Actor, now: datetime) -> None:
    """Take one's own request back. Raises as ``confirm``, and ``Forbidden`` for another's."""
    certificate, request = _to_decide(work.db, request_id, by=by)
    if by.id != request.asked_by:
        raise Forbidden("withdraw-other", "Only %(who)s can withdraw this.", who=request.asked_by_name)
    _decide(work, certificate, request, RequestState.WITHDRAWN, by=by, now=now)


def _must_allow(certificate: Certificate, kind: RequestKind) -> None:
    """Raises ``Conflict`` where the certificate is not, or no longer, one to which this is done."""
    if kind is RequestKind.REVOKE:
        reissuing.must_stand_alone(certificate)
        rules.moved(certificate.state, CertificateState.REVOKED)
        return
    if certificate.state is not CertificateState.REVOKED:
        raise Conflict("not-revoked", "This certificate is not revoked.")
    reissuing.must_be_made_anew(certificate)


def _to_decide(db: Session, request_id: UUID, *, by: Actor) -> tuple[Certificate, CertificateRequest]:
    """An open request and its certificate, both locked, or why it is open no longer."""
    kind, certificate_id, household_id = requests.subject_of(db, request_id, by=by)
    if kind is RequestKind.REISSUE:
        must_live(db, household_id, by=by)
    certificate = certificate_to_change(db, certificate_id, by=by)
    request = requests.locked_request(db, request_id)
    if request.state is not RequestState.OPEN:
        _household, _name, time_zone = requests.holder(db, certificate)
        assert request.decided_at is not None
        local = request.decided_at.astimezone(ZoneInfo(time_zone))
        raise Conflict(
            "already-decided",
            DECIDED[request.state],
            who=request.decided_by_name or "",
            when=f"{local:%-d %b %Y, %H:%M} {local.tzname()}",
        )
    return certificate, request


def _decide(
    work: Work, certificate: Certificate, request: CertificateRequest, to: RequestState, *, by: Actor, now: datetime
) -> None:
    """Write a decision onto a locked request, with its audit entry."""
    request.state = moves.moved(
        rules.REQUEST_MOVES, request.state, to, code="request-move", sentence="This was decided already."
    )
    request.decided_by, request.decided_by_name, request.decided_at = by.id, by.name, now
    about = {"request_id": request.id, "kind": request.kind, "state": to}
    before = {"request_id": request.id, "state": RequestState.OPEN, "asked_by": request.asked_by}
    what = f"{request.kind}_{to}"
    tell(work, what, certificate.id, certificate.operator_id, by=by, now=now, before=before, after=about)
