"""Nothing in a signed credential can be changed: a hundred of them, every leaf."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.credential_samples import ISSUER, KEY, issued, many
from webapp.certificates.credentials import proofs, verifying
from webapp.certificates.credentials.proofs import ProofInvalid

COUNT = 100
"""Credentials whose every leaf is changed."""
Path = tuple[str | int, ...]


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every scalar of a document and where it stands."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


def containers(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every object and list of a document and where it stands."""
    if isinstance(value, dict | list):
        yield path, value
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from containers(inner, (*path, key))


def replaced(document: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy with another value at ``path``."""
    new = copy.deepcopy(document)
    _at(new, path[:-1])[path[-1]] = value
    return new


def removed(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """A copy without what is at ``path``."""
    new = copy.deepcopy(document)
    del _at(new, path[:-1])[path[-1]]
    return new


def _at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def flipped(value: Any, lot: random.Random) -> Any:
    """The value with one letter another, or the other truth."""
    if isinstance(value, bool):
        return not value
    at = lot.randrange(len(value))
    letter = lot.choice([other for other in "aZ7z" if other != value[at]])
    return value[:at] + letter + value[at + 1 :]


def tampered(document: dict[str, Any], lot: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each leaf flipped and removed, each object and list removed, and to each something added."""
    for path, value in leaves(document):
        yield f"flip {path}", replaced(document, path, flipped(value, lot))
        yield f"remove {path}", removed(document, path)
    for path, value in containers(document):
        if path:
            yield f"remove {path}", removed(document, path)
        if isinstance(value, list):
            for more in ("x", {"name": "x"}):
                yield f"add to {path}", replaced(document, path, [*value, more])
        else:
            for name in ("unheardOf", "description", "image", "validUntil"):
                if name not in value:
                    yield f"add to {path}", replaced(document, (*path, name), "https://x.example/y")


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
