"""Making, changing and withdrawing keys. Part of the room's service, for the command line: it writes private keys.

A private key is written before its public half is, in a transaction: whatever is killed in between leaves a file that
nothing refers to.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from sqlalchemy import func, select, update

from webapp.audit import service as audit
from webapp.certificates.credentials.keys import make_key, public_multibase
from webapp.certificates.models import Certificate, IssuerKey
from webapp.certificates.rules import CertificateState, KeyKind
from webapp.certificates.signing.certificate import self_made
from webapp.certificates.signing.folder import KeyFolder
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.core.job_names import JobName
from webapp.db.work import Work
from webapp.operators.models import Operator


def make_missing(work: Work, folder: KeyFolder, *, by: Actor, now: datetime) -> tuple[UUID, ...]:
    """Make what nobody has made yet: the company's key for credentials, and each operator's for its PDFs.

    Returns the ids of the new keys; done again it makes none. Certificates that waited for a key come round at once.
    Raises ``KeyUnusable`` for a folder that others may look into, ``OSError``.
    """
    made = []
    for operator_id, kind in _wanted(work):
        if _in_use(work, operator_id, kind) is None:
            made.append(_make(work, folder, operator_id, kind, by=by, now=now))
    _wake(work, now=now)
    return tuple(made)


def rotate(work: Work, folder: KeyFolder, operator_id: UUID, kind: KeyKind, *, by: Actor, now: datetime) -> UUID:
    """Begin a new key and retire the one in use, which stays published; returns the new one's id.

    Raises as ``make_missing`` does.
    """
    old = _in_use(work, operator_id, kind)
    if old is not None:
        _retire(work, old, by=by, now=now)
    made = _make(work, folder, operator_id, kind, by=by, now=now)
    _wake(work, now=now)
    return made


def withdraw(work: Work, key_id: UUID, *, by: Actor, now: datetime) -> None:
    """Take a key that got into wrong hands off what the issuer publishes: all it signed is void.

    Raises ``NotFound``, and ``Conflict`` ``key-withdrawn`` when that was done before.
    """
    key = work.db.scalar(select(IssuerKey).where(IssuerKey.id == key_id).with_for_update(key_share=True))
    if key is None:
        raise NotFound("key-unknown", "There is no such key.")
    if key.withdrawn_at is not None:
        raise Conflict("key-withdrawn", "This key was withdrawn before.")
    if key.retired_at is None:
        key.retired_at = now
    key.withdrawn_at = now
    _tell(work, "withdrawn", key, by=by, now=now)


def _wanted(work: Work) -> list[tuple[UUID, KeyKind]]:
    operators = work.db.scalars(select(Operator.id).order_by(Operator.id)).all()
    return [(COMPANY_ID, KeyKind.ED25519), *((operator_id, KeyKind.X509) for operator_id in operators)]


def _in_use(work: Work, operator_id: UUID, kind: KeyKind) -> IssuerKey | None:
    wanted = select(IssuerKey).where(
        IssuerKey.operator_id == operator_id, IssuerKey.kind == kind, IssuerKey.retired_at.is_(None)
    )
    return work.db.scalar(wanted.with_for_update(key_share=True))


def _retire(work: Work, key: IssuerKey, *, by: Actor, now: datetime) -> None:
    key.retired_at = now
    work.db.flush()  # the index allows one key in use, and the next one is written behind this one's back
    _tell(work, "retired", key, by=by, now=now)


def _make(work: Work, folder: KeyFolder, operator_id: UUID, kind: KeyKind, *, by: Actor, now: datetime) -> UUID:
    key_id = new_id()
    if kind is KeyKind.ED25519:
        private = make_key()
        folder.keep(kind, key_id, private)
        public = public_multibase(private)
    else:
        of_pdfs = generate_private_key(SECP256R1())
        folder.keep(kind, key_id, of_pdfs)
        names = (_name(work, operator_id), _name(work, COMPANY_ID))
        public = self_made(of_pdfs, *names, now=now)
    key = IssuerKey(id=key_id, operator_id=operator_id, kind=kind, public=public, since=now)
    work.db.add(key)
    _tell(work, "made", key, by=by, now=now)
    return key_id


def _name(work: Work, operator_id: UUID) -> str:
    name: str | None = work.db.scalar(select(func.operator_name(operator_id)))
    if name is None:
        raise NotFound("operator-unknown", "There is no such operator.")
    return name


def _wake(work: Work, *, now: datetime) -> None:
    waiting = update(Certificate).where(
        Certificate.state == CertificateState.PENDING, Certificate.last_error.startswith("keys-")
    )
    work.db.execute(waiting.values(next_at=now).execution_options(synchronize_session=False))
    work.after_commit(JobName.ISSUE_CERTIFICATES)


def _tell(work: Work, what: str, key: IssuerKey, *, by: Actor, now: datetime) -> None:
    audit.record(
        work,
        f"issuer_key.{what}",
        "issuer_key",
        key.id,
        operator_id=key.operator_id,
        by=by,
        at=now,
        after={"kind": key.kind},
    )
