"""Whether a credential is what its issuer signed. Revocation is another question: see ``revocation``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from webapp.certificates.credentials import proofs
from webapp.certificates.credentials.building import identity
from webapp.certificates.credentials.issuer import Issuer
from webapp.certificates.credentials.proofs import ProofInvalid
from webapp.certificates.credentials.shapes import Credential, where


def verify(document: Mapping[str, Any], issuer: Issuer) -> Credential:
    """What ``document`` says, when it has the shape of a credential and one of the issuer's keys signed just that.

    Raises ``ProofInvalid``.
    """
    try:
        credential = Credential.model_validate(document)
    except ValidationError as error:
        raise ProofInvalid(f"not a credential of ours: {where(error)}") from None
    if credential.issuer.id != issuer.address:
        raise ProofInvalid("the credential is another issuer's")
    public_key = issuer.public_keys().get(credential.proof.verification_method)
    if public_key is None:
        raise ProofInvalid("the key is not the issuer's")
    proofs.check(document, public_key)
    return credential


def belongs_to(credential: Credential, name: str) -> bool:
    """Whether a verified credential is that of somebody with this name, written as on the certificate."""
    return any(
        identity("name", name, known.salt)["identityHash"] == known.identity_hash
        for known in credential.credential_subject.identifier
        if known.identity_type == "name"
    )
