"""An authenticator in software: makes ES256 passkeys and signs with them, honestly or, when asked to, not.

W3C Web Authentication, Level 2: authenticator data (6.1), attestation object with the format "none" (6.5.4, 8.7),
client data (5.8.1), JSON as browsers' ``toJSON`` writes it (Level 3, 5.1).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field, replace
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

UP, UV, AT = 0x01, 0x04, 0x40
"""Flags of authenticator data: somebody was there, it was the owner, a new key is attached."""


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """What ``b64`` made text of."""
    return urlsafe_b64decode(text + "==")


@dataclass(frozen=True)
class Manner:
    """How an answer is given. Each default is right; a test changes one of them."""

    origin: str = "http://localhost:8000"
    rp_id: str | None = None
    """In place of the one that was asked for."""
    user_verified: bool = True
    user_present: bool = True
    cross_origin: bool = False
    challenge: bytes | None = None
    type: str | None = None
    user_handle: bytes | None = None
    tampered: bool = False
    """A bit of the signature, or of the attestation, is another."""


@dataclass
class Key:
    """One passkey: where it is good, whose it is, its private half, how often it has signed."""

    rp_id: str
    user_handle: bytes
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    sign_count: int = 0

    def cose(self) -> bytes:
        """The public half as a COSE_Key (RFC 9053, section 2.1 and 7.1.1)."""
        point = self.private.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})


@dataclass
class Authenticator:
    """A device with passkeys. ``manner`` is how it answers; ``counts`` whether it counts its signatures."""

    manner: Manner = field(default_factory=Manner)
    keys: list[Key] = field(default_factory=list)
    counts: bool = True

    def create(self, options: dict[str, Any], *, key: Key | None = None, **manner: Any) -> dict[str, Any]:
        """Answer ``navigator.credentials.create`` with a new key, or with one that there is already."""
        how = replace(self.manner, **manner)
        assert options["authenticatorSelection"]["residentKey"] == "required"
        held = {one.id for one in self.keys}
        assert not held & {unb64(known["id"]) for known in options["excludeCredentials"]}, "a passkey is here already"
        key = key or Key(options["rp"]["id"], unb64(options["user"]["id"]))
        if key not in self.keys:
            self.keys.append(key)
        attested = bytes(16) + len(key.id).to_bytes(2, "big") + key.id + key.cose()
        data = self._data(key, how, AT) + attested
        statement = {"sig": b"forged"} if how.tampered else {}
        made = cbor2.dumps({"fmt": "none", "attStmt": statement, "authData": data})
        client = self._client(options, how, how.type or "webauthn.create")
        response = {"clientDataJSON": b64(client), "attestationObject": b64(made), "transports": ["internal", "hybrid"]}
        return {"id": b64(key.id), "rawId": b64(key.id), "type": "public-key", "response": response}

    def get(self, options: dict[str, Any], *, key: Key | None = None, **manner: Any) -> dict[str, Any]:
        """Answer ``navigator.credentials.get`` with ``key``, or with the first that is asked for."""
        how = replace(self.manner, **manner)
        asked = {unb64(known["id"]) for known in options["allowCredentials"]}
        key = key or next(one for one in self.keys if one.rp_id == options["rpId"] and (not asked or one.id in asked))
        key.sign_count += self.counts
        data = self._data(key, how, 0)
        client = self._client(options, how, how.type or "webauthn.get")
        signature = key.private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        if how.tampered:
            client = client.replace(b'"origin"', b' "origin"')
        response = {
            "clientDataJSON": b64(client),
            "authenticatorData": b64(data),
            "signature": b64(signature),
            "userHandle": b64(key.user_handle if how.user_handle is None else how.user_handle) or None,
        }
        return {"id": b64(key.id), "rawId": b64(key.id), "type": "public-key", "response": response}

    def _data(self, key: Key, how: Manner, flags: int) -> bytes:
        flags |= UP * how.user_present | UV * how.user_verified
        rp_id = how.rp_id or key.rp_id
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + key.sign_count.to_bytes(4, "big")

    def _client(self, options: dict[str, Any], how: Manner, kind: str) -> bytes:
        challenge = b64(how.challenge) if how.challenge is not None else options["challenge"]
        told = {"type": kind, "challenge": challenge, "origin": how.origin, "crossOrigin": how.cross_origin}
        return json.dumps(told).encode()
