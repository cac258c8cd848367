"""A certificate's credential, from its frozen payload. Its sentences are English, for systems read it; names stay."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import ValidationError

from webapp.certificates.credentials import proofs
from webapp.certificates.credentials.addresses import credential_id
from webapp.certificates.credentials.issuer import Issuer
from webapp.certificates.credentials.keys import SigningKey
from webapp.certificates.credentials.proofs import instant
from webapp.certificates.credentials.shapes import CONTEXT, CREDENTIAL_TYPE, STATUS_TYPE, Credential, where
from webapp.certificates.pdf import CertificatePayload, printable_name

SALT_BYTES: Final = 16
CRITERIA: Final = "All {total} sessions were held, and no more of them missed than the course allows."
_MEMBERS: Final = ("student_name", "course_name", "operator_name", "issued_by")


class CredentialImpossible(Exception):
    """A payload cannot be made into a credential. Trying again does not help."""


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """What a credential says beside the payload. Fixed with it: the same facts make the same credential.

    ``awarded_at`` stays through reissues and ``valid_from`` marks the newest; both are aware instants. ``salt`` is
    ``SALT_BYTES`` random bytes in hexadecimal, another for each credential. ``status_list`` is the address of the
    revocation list. ``email`` is that of the family, when it is to be recognised by it.
    """

    certificate_id: UUID
    awarded_at: datetime
    valid_from: datetime
    salt: str
    status_list: str
    email: str | None = None


def issue(
    payload: CertificatePayload, facts: CredentialFacts, issuer: Issuer, key: SigningKey, *, created: datetime
) -> dict[str, Any]:
    """The signed credential. The same arguments give the same one, letter by letter.

    Raises ``CredentialImpossible``, and ``ValueError`` for a key that the issuer does not publish.
    """
    if key.public_multibase not in issuer.keys or key.address != issuer.key_address(key.public_multibase):
        raise ValueError("the key is not one the issuer publishes")
    credential = proofs.signed(build(payload, facts, issuer), key, created=created)
    try:
        Credential.model_validate(credential)  # what goes out can be verified
    except ValidationError as error:
        raise CredentialImpossible(where(error)) from None
    return credential


def build(payload: CertificatePayload, facts: CredentialFacts, issuer: Issuer) -> dict[str, Any]:
    """The credential, not yet signed (Open Badges 3.0, AchievementCredential).

    The issuer has the name it had when the certificate was earned. Raises ``CredentialImpossible`` for a name without
    a visible character.
    """
    names = {member: printable_name(getattr(payload, member)) for member in _MEMBERS}
    for member, name in names.items():
        if not name:
            raise CredentialImpossible(f"{member} has no visible character")
    identities = [identity("name", names["student_name"], facts.salt)]
    if facts.email is not None:
        identities.append(identity("emailAddress", facts.email, facts.salt))
    course, total = names["course_name"], payload.total_sessions
    by = "" if names["operator_name"] == names["issued_by"] else f", taught by {names['operator_name']}"
    return {
        "@context": list(CONTEXT),
        "id": credential_id(facts.certificate_id),
        "type": list(CREDENTIAL_TYPE),
        "name": course,
        "issuer": {"id": issuer.address, "type": ["Profile"], "name": names["issued_by"], "url": issuer.url},
        "validFrom": instant(facts.valid_from),
        "awardedDate": instant(facts.awarded_at),
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "identifier": identities,
            "licenseNumber": payload.number,
            "narrative": f"{total} sessions, from {payload.first_session_on} to {payload.last_session_on}.",
            "achievement": {
                "id": _achievement_id(issuer.address, course, total),
                "type": ["Achievement"],
                "achievementType": "CertificateOfCompletion",
                "name": course,
                "description": f"{course}: {total} sessions{by}.",
                "criteria": {"narrative": CRITERIA.format(total=total)},
            },
        },
        "credentialStatus": {"id": facts.status_list, "type": STATUS_TYPE},
    }


def identity(kind: Literal["name", "emailAddress"], value: str, salt: str) -> dict[str, Any]:
    """Somebody's name or e-mail address as an IdentityObject: ``sha256$`` and the hash of value and salt.

    Whoever compares writes names as the certificate shows them, and addresses in small letters.
    """
    plain = value.strip().lower() if kind == "emailAddress" else printable_name(value)
    return {
        "type": "IdentityObject",
        "hashed": True,
        "identityHash": "sha256$" + hashlib.sha256((plain + salt).encode("utf-8")).hexdigest(),
        "identityType": kind,
        "salt": salt,
    }


def _achievement_id(issuer: str, course: str, total_sessions: int) -> str:
    """The same for all who complete a course of an issuer, without a register of them."""
    return uuid5(NAMESPACE_URL, f"{issuer}\n{course}\n{total_sessions}").urn
