"""Signing the lists of void credentials. Part of the room's service.

Two who sign at once want the same number, and the one who comes second does nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from webapp.certificates.credentials import texts
from webapp.certificates.credentials.addresses import list_address
from webapp.certificates.credentials.revocation import Revocation, signed_list
from webapp.certificates.models import RevocationList
from webapp.certificates.queries.keys import VOID_BECAUSE, SignedList
from webapp.certificates.rules import CertificateState
from webapp.certificates.signing.keyring import CredentialSigner
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.work import Work


def signed(
    year: int, void: Mapping[UUID, CertificateState], signer: CredentialSigner, *, public_url: str, now: datetime
) -> bytes:
    """The file of a year's list as of ``now`` (aware)."""
    revoked = [Revocation(certificate_id, VOID_BECAUSE[state]) for certificate_id, state in void.items()]
    address = list_address(public_url, year)
    return texts.written(signed_list(address, revoked, signer.issuer, signer.key, created=now))


def keep(
    work: Work, year: int, content: bytes, last: SignedList | None, signer: CredentialSigner, *, now: datetime
) -> bool:
    """Make a signed file the newest list of its year, after ``last``; False when somebody else was first."""
    row = {
        "id": new_id(),
        "operator_id": COMPANY_ID,
        "year": year,
        "number": last.number + 1 if last else 1,
        "document": content.decode("utf-8"),
        "sha256": hashlib.sha256(content).hexdigest(),
        "key_id": signer.key_id,
        "signed_at": now,
    }
    stored = insert(RevocationList).values(row).on_conflict_do_nothing().returning(RevocationList.id)
    return work.db.scalar(stored) is not None
