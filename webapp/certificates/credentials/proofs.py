"""Data Integrity proofs with the cryptosuite ``eddsa-rdfc-2022`` (W3C "Data Integrity EdDSA Cryptosuites v1.0", 3.2).

What is signed are 64 bytes: the SHA-256 of the canonical proof options, then that of the canonical document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from webapp.certificates.credentials import base58
from webapp.certificates.credentials.canonical import Canonicaliser, NotCanonical
from webapp.certificates.credentials.keys import SigningKey
from webapp.certificates.credentials.pinned import ContextRefused

CRYPTOSUITE: Final = "eddsa-rdfc-2022"
PROOF_TYPE: Final = "DataIntegrityProof"
PURPOSE: Final = "assertionMethod"
OPTIONS: Final = frozenset({"type", "cryptosuite", "created", "verificationMethod", "proofPurpose"})

_SIGNATURE_BYTES: Final = 64
_BASE58BTC: Final = "z"
_PINNED: Final = Canonicaliser()


class ProofInvalid(Exception):
    """A document is not what was signed, or is not signed in the way it has to be."""


def instant(at: datetime) -> str:
    """An aware instant as credentials write it: UTC, whole seconds, ``Z``. Raises ``ValueError`` for a naive one."""
    if at.tzinfo is None:
        raise ValueError("an instant without a time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def signed(
    document: Mapping[str, Any], key: SigningKey, *, created: datetime, canonical: Canonicaliser = _PINNED
) -> dict[str, Any]:
    """``document`` with its proof. The same document, key and instant give the same bytes.

    Raises ``NotCanonical`` or ``ContextRefused`` for a document that cannot be signed whole, ``ValueError`` for one
    that has a proof already.
    """
    if "proof" in document:
        raise ValueError("the document has a proof already")
    options = {
        "type": PROOF_TYPE,
        "cryptosuite": CRYPTOSUITE,
        "created": instant(created),
        "verificationMethod": key.address,
        "proofPurpose": PURPOSE,
    }
    signature = key.private.sign(hash_data(document, options, canonical))
    return {**document, "proof": {**options, "proofValue": _BASE58BTC + base58.encode(signature)}}


def hash_data(document: Mapping[str, Any], options: Mapping[str, Any], canonical: Canonicaliser = _PINNED) -> bytes:
    """The 64 bytes to sign. ``document`` has no proof and ``options`` no proof value.

    Raises ``NotCanonical`` and ``ContextRefused``.
    """
    # The options take the document's contexts for their own (3.2.5 of the cryptosuite).
    halves = (canonical({**options, "@context": document.get("@context")}), canonical(document))
    return b"".join(hashlib.sha256(half.encode("utf-8")).digest() for half in halves)


def check(document: Mapping[str, Any], public_key: bytes, *, canonical: Canonicaliser = _PINNED) -> None:
    """Raise ``ProofInvalid`` unless ``document`` carries one proof for assertion by the owner of ``public_key``.

    Whose key that is, and what the document must say, is the caller's to know.
    """
    proof = document.get("proof")
    if not isinstance(proof, Mapping) or proof.keys() != OPTIONS | {"proofValue"}:
        raise ProofInvalid("there is no proof with just the usual members")
    if (proof["type"], proof["cryptosuite"], proof["proofPurpose"]) != (PROOF_TYPE, CRYPTOSUITE, PURPOSE):
        raise ProofInvalid("the proof is of another kind")
    options = {name: proof[name] for name in OPTIONS}
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    try:
        data = hash_data(unsecured, options, canonical)
    except (NotCanonical, ContextRefused) as error:
        raise ProofInvalid(str(error)) from error
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(_signature(proof["proofValue"]), data)
    except InvalidSignature:
        raise ProofInvalid("the signature is not of this document by this key") from None


def _signature(proof_value: object) -> bytes:
    if not isinstance(proof_value, str) or not proof_value.startswith(_BASE58BTC):
        raise ProofInvalid("the signature is not written in base58btc")
    try:
        signature = base58.decode(proof_value[1:])
    except ValueError as error:
        raise ProofInvalid(str(error)) from error
    if len(signature) != _SIGNATURE_BYTES:
        raise ProofInvalid("the signature does not have 64 bytes")
    return signature
