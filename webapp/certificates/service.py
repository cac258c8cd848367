"""Certificates that were promised, claimed, made and published by background work (rule C2).

The pending row is the promise (see ``promising``). A claim is fenced by a lease token: whoever lost the lease cannot
publish, so however often work is rung, repeated or overtaken, each student sees one certificate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update

from webapp.audit import service as audit
from webapp.certificates import rules
from webapp.certificates.models import Certificate
from webapp.certificates.queries import issuing
from webapp.certificates.rules import CertificateState
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict
from webapp.core.failpoints import Failpoint, reach
from webapp.core.job_names import JobName
from webapp.db.promises import FREE, NO_ANSWER, Held, RetriedPromises, doubling
from webapp.db.work import Work

MAX_ATTEMPTS: Final = 12
"""Tries, crashed ones included, after which a person has to look."""
backoff: Final = doubling(timedelta(seconds=5), timedelta(minutes=10))
CERTIFICATES: Final = RetriedPromises(
    Certificate, CertificateState.PENDING, backoff, CertificateState.FAILED, MAX_ATTEMPTS
)
WAIT_FOR_KEYS: Final = timedelta(seconds=30)
"""How soon a certificate that cannot be signed is looked at again."""


@dataclass(frozen=True, slots=True)
class Claim(Held):
    """One certificate taken for making. All but lease and attempt is the same at every try; instants are aware."""

    operator_id: UUID
    payload: Mapping[str, Any]
    salt: str
    awarded_on: date
    awarded_at: datetime
    valid_from: datetime
    created_at: datetime
    replaces: bool
    """Whether it takes another one's place when it is out. That one was named when this one was promised."""


@dataclass(frozen=True, slots=True)
class Made:
    """The files of a certificate, by their SHA-256."""

    pdf_sha256: str
    credential_sha256: str


def claim_next(work: Work, *, now: datetime, lease_for: timedelta) -> Claim | None:
    """Take the certificate that has been due longest; None when nothing is due or others have it all.

    The try is counted here and the next one put off, so a row that kills its work-horse comes round ever less often and
    ends as failed instead of being tried for ever.
    """
    due = (
        select(
            Certificate.id,
            Certificate.operator_id,
            Certificate.attempts,
            Certificate.payload,
            Certificate.salt,
            Certificate.awarded_on,
            Certificate.awarded_at,
            Certificate.valid_from,
            Certificate.created_at,
        )
        .where(CERTIFICATES.is_due(now), Certificate.attempts < MAX_ATTEMPTS)
        .order_by(Certificate.next_at, Certificate.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    found = work.db.execute(due).one_or_none()
    if found is None:
        return None
    taken = CERTIFICATES.taken(found.attempts + 1, now=now, lease_for=lease_for)
    claimed = (
        update(Certificate)
        .where(Certificate.id == found.id)
        .values(taken)
        # Asked here and not above, where it would be asked of every row that is due.
        .returning(issuing.HAS_PREDECESSOR)
        .execution_options(synchronize_session=False)
    )
    replaces = bool(work.db.scalar(claimed))
    reach(Failpoint.CLAIMING)
    return Claim(
        id=found.id,
        lease=taken["lease"],
        attempt=taken["attempts"],
        operator_id=found.operator_id,
        payload=found.payload,
        salt=found.salt,
        awarded_on=found.awarded_on,
        awarded_at=found.awarded_at,
        valid_from=found.valid_from,
        created_at=found.created_at,
        replaces=replaces,
    )


def publish(work: Work, claim: Claim, made: Made, *, now: datetime) -> bool:
    """Make a certificate visible with its files. False when the lease was lost: somebody else makes or made it."""
    files = {"pdf_sha256": made.pdf_sha256, "credential_sha256": made.credential_sha256}
    values = {"state": CertificateState.ISSUED, "issued_at": now, "last_error": None, **files}
    replaced_id = issuing.lock_predecessor(work.db, claim.id) if claim.replaces else None
    if CERTIFICATES.settle(work, claim, values) is None:
        return False
    tell(
        work,
        "issued",
        claim.id,
        claim.operator_id,
        by=SYSTEM,
        now=now,
        before={"state": CertificateState.PENDING},
        after={"state": CertificateState.ISSUED, **files},
    )
    if replaced_id is not None:
        _replace(work, replaced_id, claim, now=now)
    reach(Failpoint.PUBLISHING)
    return True


def record_failure(work: Work, claim: Claim, problem: str, *, lasting: bool, now: datetime) -> CertificateState | None:
    """Note why a try failed; see ``RetriedPromises.record_failure``. ``lasting``: trying again cannot help."""
    state = CERTIFICATES.record_failure(work, claim, problem, lasting=lasting, now=now)
    if state is CertificateState.FAILED:
        _audit_failed(work, claim.id, claim.operator_id, problem, now=now)
    elif state is CertificateState.PENDING:
        reach(Failpoint.FAILING)
    return state


def wait_for_keys(work: Work, problem: str, *, now: datetime) -> int:
    """Put off what is due of the operator acted for, because nothing can be signed; returns how many.

    No try is counted, however long it takes: they wait with ``problem`` for somebody to see to the keys.
    """
    put_off = (
        update(Certificate)
        .where(CERTIFICATES.is_due(now), Certificate.attempts < MAX_ATTEMPTS)
        .values(last_error=problem, next_at=now + WAIT_FOR_KEYS, **FREE)
        .execution_options(synchronize_session=False)
    )
    return len(work.db.scalars(put_off.returning(Certificate.id)).all())


def give_up_exhausted(work: Work, *, now: datetime) -> int:
    """Fail the rows whose last allowed try ended without a word (its process was killed); returns how many."""
    exhausted = (
        update(Certificate)
        .where(CERTIFICATES.is_due(now), Certificate.attempts >= MAX_ATTEMPTS)
        .values(state=CertificateState.FAILED, last_error=NO_ANSWER, **FREE)
        .returning(Certificate.id, Certificate.operator_id)
        .execution_options(synchronize_session=False)
    )
    gone = work.db.execute(exhausted).all()
    for certificate_id, operator_id in gone:
        _audit_failed(work, certificate_id, operator_id, NO_ANSWER, now=now)
    if gone:
        reach(Failpoint.GIVING_UP)
    return len(gone)


def retry(work: Work, certificate_id: UUID, *, by: Actor, now: datetime) -> None:
    """Have a failed certificate made after all.

    Raises ``NotFound``, and ``Conflict`` when it has not failed or its family's data was erased.
    """
    certificate = issuing.certificate_to_change(work.db, certificate_id, by=by)
    if certificate.erased_at is not None:
        raise Conflict("certificate-erased", "The family's data was erased: this certificate is not made any more.")
    before = {"state": certificate.state, "attempts": certificate.attempts, "last_error": certificate.last_error}
    certificate.state = rules.moved(certificate.state, CertificateState.PENDING)
    certificate.attempts, certificate.next_at, certificate.last_error = 0, now, None
    after = {"state": certificate.state}
    tell(work, "retried", certificate_id, certificate.operator_id, by=by, now=now, before=before, after=after)
    work.after_commit(JobName.ISSUE_CERTIFICATES)


def _replace(work: Work, replaced_id: UUID, successor: Claim, *, now: datetime) -> None:
    """End a locked certificate whose successor is out; until this moment it was valid."""
    work.db.execute(
        update(Certificate)
        .where(Certificate.id == replaced_id)
        .values(state=CertificateState.REPLACED)
        .execution_options(synchronize_session=False)
    )
    before = {"state": CertificateState.ISSUED}
    after = {"state": CertificateState.REPLACED, "replaced_by_id": successor.id}
    tell(work, "replaced", replaced_id, successor.operator_id, by=SYSTEM, now=now, before=before, after=after)
    work.after_commit(JobName.SIGN_REVOCATIONS)


def _audit_failed(work: Work, certificate_id: UUID, operator_id: UUID, problem: str, *, now: datetime) -> None:
    before = {"state": CertificateState.PENDING}
    after = {"state": CertificateState.FAILED, "last_error": problem}
    tell(work, "failed", certificate_id, operator_id, by=SYSTEM, now=now, before=before, after=after)


def tell(
    work: Work,
    what: str,
    certificate_id: UUID,
    operator_id: UUID,
    *,
    by: Actor,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append what happened to a certificate to the audit; ``what`` is the second half of its name."""
    audit.record(
        work,
        f"certificate.{what}",
        "certificate",
        certificate_id,
        operator_id=operator_id,
        by=by,
        before=before,
        after=after,
        at=now,
    )
