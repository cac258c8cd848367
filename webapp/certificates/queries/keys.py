"""The issuer's public keys and its signed lists of void credentials. Both are for everybody to read."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, literal, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from webapp.certificates.credentials.addresses import credential_id, issuer_address
from webapp.certificates.credentials.issuer import Issuer
from webapp.certificates.models import IssuerKey, RevocationList
from webapp.certificates.rules import CertificateState, KeyKind
from webapp.core.ids import COMPANY_ID


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: a Multikey or a certificate in PEM (see the table). Instants are UTC."""

    id: UUID
    operator_id: UUID
    kind: KeyKind
    public: str
    since: datetime
    retired_at: datetime | None
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class SignedList:
    """The newest signing of a year's list; ``document`` is the file, ``sha256`` its hash."""

    year: int
    number: int
    document: str
    sha256: str
    key_id: UUID
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class KeyState:
    """Whether certificates can be signed, as far as the database tells.

    ``credentials`` says that there is a key for credentials, ``operators`` how many active operators have none for
    their PDFs, and ``waiting`` how many certificates a worker has put off because it could not use a key.
    """

    credentials: bool
    operators: int
    waiting: int

    @property
    def complete(self) -> bool:
        """Whether nothing waits for a key, nor will."""
        return self.credentials and not self.operators and not self.waiting


VOID_BECAUSE: Final = {
    CertificateState.REVOKED: "Revoked by the issuer.",
    CertificateState.REPLACED: "Replaced by a newer credential of the issuer.",
}
"""What everybody reads on the list. The same for all: what staff write about a family is not for the public."""
_KEY = (
    IssuerKey.id,
    IssuerKey.operator_id,
    IssuerKey.kind,
    IssuerKey.public,
    IssuerKey.since,
    IssuerKey.retired_at,
    IssuerKey.withdrawn_at,
)
_ISSUERS: ColumnElement[bool] = and_(
    IssuerKey.operator_id == COMPANY_ID, IssuerKey.kind == KeyKind.ED25519, IssuerKey.withdrawn_at.is_(None)
)


def keys_in_use(db: Session) -> tuple[PublicKey, ...]:
    """What new certificates are signed with: of each operator at most one key of a kind."""
    rows = db.execute(select(*_KEY).where(IssuerKey.retired_at.is_(None)).order_by(IssuerKey.since, IssuerKey.id))
    return tuple(PublicKey(*row) for row in rows)


def credential_key(db: Session) -> UUID | None:
    """The key that signs credentials and lists, if there is one."""
    return db.scalar(select(IssuerKey.id).where(_ISSUERS, IssuerKey.retired_at.is_(None)))


def certificate(db: Session, key_id: UUID) -> str | None:
    """A certificate that signs or signed PDFs, in PEM; ``None`` for another kind of key and for one withdrawn."""
    return db.scalar(
        select(IssuerKey.public).where(
            IssuerKey.id == key_id, IssuerKey.kind == KeyKind.X509, IssuerKey.withdrawn_at.is_(None)
        )
    )


def all_keys(db: Session) -> tuple[PublicKey, ...]:
    """Every key there ever was, the newest first."""
    rows = db.execute(select(*_KEY).order_by(IssuerKey.since.desc(), IssuerKey.id.desc()))
    return tuple(PublicKey(*row) for row in rows)


def issuer(db: Session, public_url: str) -> Issuer:
    """Who issues credentials: the company, with the key in use first, then those it retired; one statement.

    A key that was withdrawn is not the issuer's any more, and what it signed cannot be verified.
    """
    rows = db.execute(
        select(func.operator_name(COMPANY_ID), IssuerKey.public)
        .select_from(select(literal(1)).subquery().outerjoin(IssuerKey, _ISSUERS))
        .order_by(IssuerKey.retired_at.desc().nulls_first(), IssuerKey.since.desc())
    ).all()
    keys = tuple(key for _, key in rows if key is not None)
    return Issuer(issuer_address(public_url), rows[0][0], f"{public_url.rstrip('/')}/", keys)


# A function of the database that looks at every operator's certificates; what it tells stands on the public lists.
_VOID = text("SELECT year, id, state FROM certificates_void()")


def void_credentials(db: Session) -> Mapping[int, Mapping[UUID, CertificateState]]:
    """The credentials that are not valid any more and why, by the year of their award; every year that has any."""
    found: dict[int, dict[UUID, CertificateState]] = defaultdict(dict)
    for year, certificate_id, state in db.execute(_VOID):
        of_year = found[year]
        if certificate_id is not None:
            of_year[certificate_id] = CertificateState(state)
    return found


_LIST = (
    RevocationList.year,
    RevocationList.number,
    RevocationList.document,
    RevocationList.sha256,
    RevocationList.key_id,
    RevocationList.signed_at,
)


def signed_lists(db: Session) -> Mapping[int, SignedList]:
    """The newest list of each year that has one."""
    newest = select(*_LIST).ext(distinct_on(RevocationList.year))
    rows = db.execute(newest.order_by(RevocationList.year, RevocationList.number.desc()))
    return {row[0]: SignedList(*row) for row in rows}


def years_out_of_date(
    void: Mapping[int, Mapping[UUID, CertificateState]], lists: Mapping[int, SignedList], key_id: UUID
) -> tuple[int, ...]:
    """The years whose newest list does not say what the rows do, or was not signed by the key in use, ``key_id``."""
    return tuple(
        year
        for year in sorted(void.keys() | lists.keys())
        if year not in lists or lists[year].key_id != key_id or not _says(lists[year], void.get(year, {}))
    )


def _says(signed: SignedList, void: Mapping[UUID, CertificateState]) -> bool:
    entries = json.loads(signed.document)["revokedCredential"]
    told = {credential_id(certificate_id): VOID_BECAUSE[state] for certificate_id, state in void.items()}
    return told == {entry["id"]: entry["revocationReason"] for entry in entries}


def signed_list(db: Session, year: int) -> SignedList | None:
    """The newest list of a year."""
    row = db.execute(
        select(*_LIST).where(RevocationList.year == year).order_by(RevocationList.number.desc()).limit(1)
    ).one_or_none()
    return SignedList(*row) if row is not None else None


# Operators and keys by their ids alone, and a number of certificates: nothing of anybody's rows.
_STATE = text("""
    SELECT EXISTS (SELECT FROM issuer_keys k WHERE k.kind = 'ed25519' AND k.retired_at IS NULL),
           (SELECT count(*) FROM operators_served() AS o (id)
             WHERE NOT EXISTS (SELECT FROM issuer_keys k
                                WHERE k.operator_id = o.id AND k.kind = 'x509' AND k.retired_at IS NULL)),
           certificates_without_keys()
""")


def key_state(db: Session) -> KeyState:
    """Whether certificates can be signed; one statement, on anybody's behalf."""
    return KeyState(*db.execute(_STATE).one())
