"""Nothing in a signed credential can be changed: a hundred of them, every leaf."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.credential_samples import ISSUER, KEY, issued, many
from tests.tampering import tampered
from webapp.certificates.credentials import proofs, verifying
from webapp.certificates.credentials.proofs import ProofInvalid

COUNT = 100
"""Credentials whose every leaf is changed."""


def refused(check: Callable[..., object], *arguments: object) -> bool:
    """Whether a check finds a document invalid."""
    try:
        check(*arguments)
    except ProofInvalid:
        return True
    return False


def test_nothing_in_a_signed_credential_can_be_flipped_removed_or_added() -> None:
    lot = random.Random(11)
    tried = 0
    for _, _, credential in many(COUNT):
        verifying.verify(credential, ISSUER)
        for what, other in tampered(credential, lot):
            tried += 1
            assert refused(verifying.verify, other, ISSUER), what
    assert tried > COUNT * 100


def test_the_signature_alone_notices_every_flipped_and_removed_leaf() -> None:
    """Without the shape: what other people's verifiers go by."""
    lot = random.Random(12)
    public = ISSUER.public_keys()
    for _, _, credential in many(6):
        key = public[credential["proof"]["verificationMethod"]]
        for what, other in tampered(credential, lot):
            if what.startswith(("flip", "remove")):
                assert refused(proofs.check, other, key), what


def test_a_stretch_of_the_signature_cannot_be_written_otherwise() -> None:
    credential = issued()
    value = credential["proof"]["proofValue"]
    for other in (value + "1", "z1" + value[1:], value[1:], value.swapcase(), value + " ", "Z" + value[1:]):
        with pytest.raises(ProofInvalid):
            verifying.verify(credential | {"proof": credential["proof"] | {"proofValue": other}}, ISSUER)


def _hashed_as_text(credential: dict[str, Any]) -> None:
    credential["credentialSubject"]["identifier"][0]["hashed"] = "true"


SAME_MEANING: dict[str, Callable[[dict[str, Any]], object]] = {
    "truth as text": _hashed_as_text,
    "a type said twice": lambda credential: credential["type"].append("OpenBadgeCredential"),
    "types in another order": lambda credential: credential["type"].reverse(),
    "another word for the type": lambda credential: credential["type"].__setitem__(1, "AchievementCredential"),
    "a context more": lambda credential: credential["@context"].append("https://w3id.org/security/multikey/v1"),
    "a list for one": lambda credential: credential.__setitem__("id", [credential["id"]]),
    "one for a list": lambda credential: credential["issuer"].__setitem__("type", "Profile"),
    "an empty list more": lambda credential: credential.__setitem__("evidence", []),
}
"""What JSON-LD takes for the same document, so that the signature holds."""


@pytest.mark.parametrize("change", SAME_MEANING)
def test_another_text_of_the_same_meaning_is_refused_for_its_shape(change: str) -> None:
    credential = issued()
    SAME_MEANING[change](credential)
    if change != "a list for one":  # which pyld knows for an error
        proofs.check(credential, KEY.public_key().public_bytes_raw())
    with pytest.raises(ProofInvalid, match="not a credential of ours"):
        verifying.verify(credential, ISSUER)
