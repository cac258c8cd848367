"""What authenticators are asked, and what their answers prove. No database, no request.

The ceremonies of W3C Web Authentication, Level 2, sections 7.1 and 7.2, are checked by py_webauthn; what it leaves to
the desk is checked here: frames of other sites, and who a passkey says it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
import webauthn
from webauthn.helpers import options_to_json_dict, parse_client_data_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from webapp.accounts.challenges import LASTS
from webapp.accounts.queries import Account
from webapp.accounts.queries.doors import KnownPasskey
from webapp.accounts.queries.passkeys import Credential
from webapp.accounts.relying_party import RelyingParty
from webapp.core.errors import Invalid

MAX_CREDENTIAL_ID: Final = 1023
"""W3C Web Authentication, Level 2, section 4: the longest credential id, in bytes."""
_TIMEOUT: Final = int(LASTS.total_seconds() * 1000)
_TRANSPORTS: Final = frozenset(way.value for way in AuthenticatorTransport)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that an authenticator has just made and proved."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a proven answer says of its passkey: its counter, and whether it has a copy elsewhere."""

    sign_count: int
    backed_up: bool


def registration_options(
    account: Account, party: RelyingParty, challenge: bytes, known: tuple[Credential, ...]
) -> dict[str, Any]:
    """What ``navigator.credentials.create`` is given, as JSON: a key that says who its person is, and asks for them.

    The user handle is the account's id, which says nothing about the person; no attestation is asked for, so the desk
    learns nothing about the make of a device. Authenticators that hold one of the ``known`` passkeys make no second.
    """
    made = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=account.id.bytes,
        user_name=account.email,
        user_display_name=account.name,
        challenge=challenge,
        timeout=_TIMEOUT,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_descriptors(known),
    )
    return options_to_json_dict(made)


def request_options(party: RelyingParty, challenge: bytes, known: tuple[Credential, ...]) -> dict[str, Any]:
    """What ``navigator.credentials.get`` is given, as JSON; without ``known`` ones any passkey of the desk will do."""
    made = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=_TIMEOUT,
        allow_credentials=_descriptors(known),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(made)


def proven_new(party: RelyingParty, challenge: bytes, answer: Mapping[str, Any]) -> NewPasskey:
    """The passkey in the answer of ``navigator.credentials.create``. Raises ``Invalid`` for any that proves nothing."""
    try:
        _refuse_frames(answer)
        found = webauthn.verify_registration_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            require_user_verification=True,
        )
        if len(found.credential_id) > MAX_CREDENTIAL_ID:
            raise ValueError("the credential id is too long")
    except Exception as error:
        raise _refused(error) from error
    told = answer["response"].get("transports")
    ways = [way for way in told if isinstance(way, str)] if isinstance(told, list) else []
    return NewPasskey(
        found.credential_id,
        found.credential_public_key,
        found.sign_count,
        tuple(sorted(_TRANSPORTS.intersection(ways))),
        found.credential_backed_up,
    )


def proven(
    party: RelyingParty, challenge: bytes, known: KnownPasskey, answer: Mapping[str, Any], *, must_name: bool
) -> Recognised:
    """What the answer of ``navigator.credentials.get`` proves. Raises ``Invalid`` for any that proves nothing.

    Whose passkey it is the answer ``must_name`` where nobody is known yet, and may name nobody else in any case
    (section 7.2, step 6).
    """
    try:
        _refuse_frames(answer)
        handle = answer["response"].get("userHandle") or ""
        if (handle or must_name) and webauthn.base64url_to_bytes(handle) != known.account.id.bytes:
            raise ValueError("the user handle is not its person's")
        found = webauthn.verify_authentication_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            credential_public_key=known.public_key,
            # The library compares counters before signatures; a counter nobody signed would be worth no alarm.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception as error:
        raise _refused(error) from error
    return Recognised(found.new_sign_count, found.credential_backed_up)


def credential_id_of(answer: Mapping[str, Any]) -> bytes:
    """Which passkey an answer says it is from. Raises ``Invalid``."""
    try:
        return webauthn.base64url_to_bytes(answer["rawId"])
    except Exception as error:
        raise _refused(error) from error


def _descriptors(known: tuple[Credential, ...]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(id=one.id, transports=[AuthenticatorTransport(way) for way in one.transports])
        for one in known
    ]


def _refuse_frames(answer: Mapping[str, Any]) -> None:
    """The desk is in nobody's frame, so no answer comes from one (section 7.1, step 10 of Level 3)."""
    told = parse_client_data_json(webauthn.base64url_to_bytes(answer["response"]["clientDataJSON"]))
    if told.cross_origin:
        raise ValueError("the answer was given in another site's frame")


def _refused(error: Exception) -> Invalid:
    """One sentence for whatever is wrong with an answer: nobody honest ever sees it, and nobody else learns from it.

    Besides errors of its own the library lets through those of CBOR, base64 and cryptography, and key and type errors
    for what is shaped wrongly; all of them mean the same.
    """
    log.info("passkey.refused", why=f"{type(error).__name__}: {error}"[:200])
    return refusal()


def refusal() -> Invalid:
    """The one sentence for a passkey that is not accepted."""
    return Invalid("passkey-refused", "This passkey was not accepted. Try again, or use another way.")
