"""Published test vectors: W3C's for the cryptosuite, to the last byte, and 1EdTech's canonical forms of a badge."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.credential_samples import AWARDED
from webapp.certificates.credentials import base58, multikey, proofs
from webapp.certificates.credentials.canonical import Canonicaliser
from webapp.certificates.credentials.keys import SigningKey
from webapp.certificates.credentials.pinned import CONTEXTS, CREDENTIALS_V2, OPEN_BADGES, PINS, Pin, PinnedLoader
from webapp.certificates.credentials.proofs import ProofInvalid

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "w3c-eddsa-rdfc-2022"
EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"
EXAMPLES_TEXT = """{
  "@context": {
    "@vocab": "https://www.w3.org/ns/credentials/examples#"
  }
}
"""
"""W3C's context of examples, which only its vectors use; the hash below is that of the published file."""
EXAMPLES_PIN = Pin("examples-v2.jsonld", "57393fbc69d6efb9b9b5dc9cb6b9880b0944360abfe2eaf459c9e58cf2279d7c")


@pytest.fixture
def vector() -> Callable[[str], Any]:
    if not VECTORS.is_dir():
        pytest.skip("W3C's test vectors are not beside this clone")

    def read(name: str) -> Any:
        text = (VECTORS / name).read_text("utf-8")
        return json.loads(text) if name.endswith(".json") else text

    return read


@pytest.fixture
def of_the_vectors(tmp_path: Path) -> Canonicaliser:
    for pin in PINS.values():
        (tmp_path / pin.file).write_bytes((CONTEXTS / pin.file).read_bytes())
    (tmp_path / EXAMPLES_PIN.file).write_text(EXAMPLES_TEXT, "utf-8")
    return Canonicaliser(PinnedLoader(tmp_path, {**PINS, EXAMPLES: EXAMPLES_PIN}))


def test_w3c_the_canonical_document_and_its_hash(vector: Any, of_the_vectors: Canonicaliser) -> None:
    assert of_the_vectors(vector("unsigned.json")) == vector("canonDocDataInt.txt")
    assert of_the_vectors(vector("proofConfigDataInt.json")) == vector("proofCanonDataInt.txt")
    options = vector("proofConfigDataInt.json")
    options.pop("@context")
    data = proofs.hash_data(vector("unsigned.json"), options, of_the_vectors)
    assert data.hex() == vector("combinedHashDataInt.txt")
    assert data.hex() == vector("proofHashDataInt.txt") + vector("docHashDataInt.txt")


def test_w3c_the_signature_and_the_signed_document(vector: Any, of_the_vectors: Canonicaliser) -> None:
    pair = vector("keyPair.json")
    secret = base58.decode(pair["privateKeyMultibase"][1:])
    assert secret[:2] == b"\x80\x26", "the multicodec of an Ed25519 private key"
    private = Ed25519PrivateKey.from_private_bytes(secret[2:])
    key = SigningKey(vector("proofConfigDataInt.json")["verificationMethod"], private)
    assert key.public_multibase == pair["publicKeyMultibase"]
    created = AWARDED.replace(2023, 2, 24, 23, 36, 38)
    signed = proofs.signed(vector("unsigned.json"), key, created=created, canonical=of_the_vectors)
    assert signed == vector("signedDataInt.json")
    assert signed["proof"]["proofValue"] == vector("sigBTC58DataInt.txt")
    assert base58.decode(signed["proof"]["proofValue"][1:]).hex() == vector("sigHexDataInt.txt")


def test_w3c_the_signed_document_verifies_and_no_other(vector: Any, of_the_vectors: Canonicaliser) -> None:
    public = multikey.decode(vector("keyPair.json")["publicKeyMultibase"])
    signed = vector("signedDataInt.json")
    proofs.check(signed, public, canonical=of_the_vectors)
    with pytest.raises(ProofInvalid):
        proofs.check(signed | {"name": "Alumni credential"}, public, canonical=of_the_vectors)
    with pytest.raises(ProofInvalid, match="not among the pinned contexts"):
        proofs.check(signed, public)  # without the context of examples


def test_1edtech_the_canonical_badge_and_proof_of_its_guide() -> None:
    """Open Badges 3.0 implementation guide, "Linked Data Proof Test Vector".

    The hashes are those of its files document-canon.txt and proof-canon.txt; the ones printed beside them, and the
    signature, are of an earlier draft. Its context stood at another address then and meant the same.
    """
    badge = {
        "@context": [CREDENTIALS_V2, OPEN_BADGES],
        "id": "http://example.com/credentials/3527",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "issuer": {
            "id": "https://example.edu/issuers/565049",
            "type": ["Profile"],
            "url": "https://www.imsglobal.org",
            "name": "Example Corp",
        },
        "validFrom": "2010-01-01T00:00:00Z",
        "name": "Teamwork Badge",
        "credentialSubject": {
            "id": "did:example:ebfeb1f712ebc6f1c276e12ec21",
            "type": ["AchievementSubject"],
            "achievement": {
                "id": "https://example.com/achievements/21st-century-skills/teamwork",
                "type": ["Achievement"],
                "criteria": {
                    "narrative": "Team members are nominated for this badge by their peers and recognized upon review "
                    "by Example Corp management."
                },
                "description": "This badge recognizes the development of the capacity to collaborate within a group "
                "environment.",
                "name": "Teamwork",
            },
        },
    }
    options = {
        "type": "DataIntegrityProof",
        "created": "2010-01-01T19:23:24Z",
        "verificationMethod": "https://example.edu/issuers/565049#z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi",
        "cryptosuite": "eddsa-rdfc-2022",
        "proofPurpose": "assertionMethod",
    }
    document = "87f65a76d40146205e3b3e06cb0fbd153f97f9ce70372390f52566bb7f9e0773"
    proof = "d34009cea0dbc1ca941e09dc01c8c9d3e3ce3c5b853f67ee44698dcea10f5d19"
    assert sha256(Canonicaliser()(badge).encode()).hexdigest() == document
    assert proofs.hash_data(badge, options).hex() == proof + document
