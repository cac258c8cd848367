"""The list of revoked credentials (1EdTech Revocation List Status Method v1.0), signed like a credential.

The specification is plain JSON and knows no contexts, so the list brings definitions of its own, under its own address.
1EdTech's first validator reads ``revokedCredentials``, its later one ``revokedCredential``: both are there, with the
same entries. pyld compares each value of a property with every other, so a list of thousands takes long to sign: begin
another in good time, for example each year. A credential names the list it is on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import Field, ValidationError

from webapp.certificates.credentials import proofs
from webapp.certificates.credentials.addresses import credential_id
from webapp.certificates.credentials.issuer import Issuer
from webapp.certificates.credentials.keys import SigningKey
from webapp.certificates.credentials.pinned import DATA_INTEGRITY
from webapp.certificates.credentials.proofs import ProofInvalid
from webapp.certificates.credentials.shapes import Address, Part, Proof, Revoked

_ISSUER: Final = "https://www.w3.org/2018/credentials#issuer"
_BOOLEAN: Final = "http://www.w3.org/2001/XMLSchema#boolean"


@dataclass(frozen=True, slots=True)
class Revocation:
    """A certificate whose credential is void, and why in words for everybody."""

    certificate_id: UUID
    reason: str


class RevocationList(Part):
    """A signed list."""

    context: list[Any] = Field(alias="@context")
    id: Address
    issuer: Address
    revoked_credential: list[Revoked]
    revoked_credentials: list[Revoked]
    proof: Proof


def signed_list(
    address: str, revoked: Iterable[Revocation], issuer: Issuer, key: SigningKey, *, created: datetime
) -> dict[str, Any]:
    """The list at ``address`` as of ``created``, in the order of ids. Raises ``NotCanonical`` for an odd reason."""
    entries = [
        {"id": credential_id(one.certificate_id), "revoked": True, "revocationReason": one.reason}
        for one in sorted(revoked, key=lambda one: one.certificate_id)
    ]
    document = {
        "@context": _contexts(address),
        "id": address,
        "issuer": issuer.address,
        "revokedCredential": entries,
        "revokedCredentials": entries,
    }
    return proofs.signed(document, key, created=created)


def verify_list(document: Mapping[str, Any], issuer: Issuer) -> RevocationList:
    """What a list says, when one of the issuer's keys signed just that. Raises ``ProofInvalid``."""
    try:
        found = RevocationList.model_validate(document)
    except ValidationError:
        raise ProofInvalid("not a revocation list of ours") from None
    if found.context != _contexts(found.id) or found.issuer != issuer.address:
        raise ProofInvalid("the list is another issuer's")
    if found.revoked_credential != found.revoked_credentials:
        raise ProofInvalid("the list says two things")
    public_key = issuer.public_keys().get(found.proof.verification_method)
    if public_key is None:
        raise ProofInvalid("the key is not the issuer's")
    proofs.check(document, public_key)
    return found


def reason_revoked(found: RevocationList, certificate_id: UUID) -> str | None:
    """Why a certificate's credential is on a verified list; ``None`` when it is not."""
    wanted = credential_id(certificate_id)
    return next((one.revocation_reason for one in found.revoked_credential if one.id == wanted), None)


def _contexts(address: str) -> list[Any]:
    entry = {"id": "@id", "revoked": {"@id": f"{address}#revoked", "@type": _BOOLEAN}}
    entry["revocationReason"] = f"{address}#revocationReason"
    lists = {
        name: {"@id": f"{address}#{name}", "@container": "@set"} for name in ("revokedCredential", "revokedCredentials")
    }
    return [DATA_INTEGRITY, {**entry, "issuer": {"@id": _ISSUER, "@type": "@id"}, **lists}]
