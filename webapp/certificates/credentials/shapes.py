"""What a credential of ours looks like, member by member; nothing more and nothing less is verified.

A signature covers meaning (RDF), and several JSON texts mean the same: ``"true"`` for ``true``, a context more, a type
said twice. Holding the shape first leaves one text for each meaning, and keeps strangers' documents away from pyld.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from webapp.certificates.credentials.pinned import CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS
from webapp.certificates.credentials.proofs import CRYPTOSUITE, PROOF_TYPE, PURPOSE

CONTEXT: Final = (CREDENTIALS_V2, OPEN_BADGES, OPEN_BADGES_EXTENSIONS)
"""In this order (Open Badges 3.0). The third alone defines ``1EdTechRevocationList``."""
CREDENTIAL_TYPE: Final = ("VerifiableCredential", "OpenBadgeCredential")
STATUS_TYPE: Final = "1EdTechRevocationList"
LONGEST_TEXT: Final = 2_000
LONGEST_ADDRESS: Final = 2_000


def _just(*wanted: str) -> AfterValidator:
    """Exactly these strings in this order."""

    def check(found: list[str]) -> list[str]:
        if found != list(wanted):
            raise ValueError(f"must be {list(wanted)}")
        return found

    return AfterValidator(check)


Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT)]
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=LONGEST_ADDRESS)]
Name = Annotated[str, StringConstraints(pattern=r"^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Instant = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]


def where(error: ValidationError) -> str:
    """The place and kind of the first fault, without the value that stands there; a stranger's names are cut short."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(part)[:40] for part in first['loc'])}: {first['type']}"


class Part(BaseModel):
    """A member's value: JSON's own types as they are, and no member that is not named."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)


class Proof(Part):
    """The proof, of one kind only."""

    type: Literal["DataIntegrityProof"] = PROOF_TYPE
    cryptosuite: Literal["eddsa-rdfc-2022"] = CRYPTOSUITE
    created: Instant
    verification_method: Address
    proof_purpose: Literal["assertionMethod"] = PURPOSE
    proof_value: Text


class Profile(Part):
    """Who issued it."""

    id: Address
    type: Annotated[list[str], _just("Profile")]
    name: Text
    url: Address


class Criteria(Part):
    """What was asked for, in Markdown without anybody's words."""

    narrative: Text


class Achievement(Part):
    """The course that was completed. The same course of the same issuer has the same id."""

    id: Name
    type: Annotated[list[str], _just("Achievement")]
    achievement_type: Literal["CertificateOfCompletion"]
    name: Text
    description: Text
    criteria: Criteria


class IdentityObject(Part):
    """Whose it is, as a salted hash that tells the name only to who knows it."""

    type: Literal["IdentityObject"]
    hashed: Literal[True]
    identity_hash: Annotated[str, StringConstraints(pattern=r"^sha256\$[0-9a-f]{64}$")]
    identity_type: Literal["name", "emailAddress"]
    salt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class Subject(Part):
    """The student's side of it."""

    type: Annotated[list[str], _just("AchievementSubject")]
    identifier: Annotated[list[IdentityObject], Field(min_length=1, max_length=2)]
    license_number: Text
    narrative: Text
    achievement: Achievement


class Status(Part):
    """Where to ask whether it was revoked."""

    id: Address
    type: Literal["1EdTechRevocationList"]


class Credential(Part):
    """A signed credential."""

    context: Annotated[list[str], _just(*CONTEXT)] = Field(alias="@context")
    id: Name
    type: Annotated[list[str], _just(*CREDENTIAL_TYPE)]
    name: Text
    issuer: Profile
    valid_from: Instant
    awarded_date: Instant
    credential_subject: Subject
    credential_status: Status
    proof: Proof


class Revoked(Part):
    """One credential that is revoked."""

    id: Name
    revoked: Literal[True]
    revocation_reason: Text
