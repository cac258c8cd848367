"""The proof: how keys and signatures are written, and documents that must not be signed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyld import jsonld

from tests.credential_samples import AWARDED, FACTS, ISSUER, KEY, ODD_NAMES, PAYLOAD, signing
from webapp.certificates.credentials import base58, multikey, proofs
from webapp.certificates.credentials.building import build
from webapp.certificates.credentials.canonical import MOST_UNNAMED, Canonicaliser, NotCanonical
from webapp.certificates.credentials.pinned import PinnedLoader
from webapp.certificates.credentials.proofs import ProofInvalid

Change = Callable[[dict[str, Any]], object]


def a_document() -> dict[str, Any]:
    return build(PAYLOAD, FACTS, ISSUER)


@given(st.binary(max_size=70))
def test_base58_comes_back(content: bytes) -> None:
    assert base58.decode(base58.encode(content)) == content


@pytest.mark.parametrize(
    ("text", "content"),
    [("", b""), ("1", b"\0"), ("2NEpo7TZRRrLZSi2U", b"Hello World!"), ("11233QC4", bytes.fromhex("0000287fb4cd"))],
)
def test_base58_writes_what_the_internet_draft_writes(text: str, content: bytes) -> None:
    assert base58.encode(content) == text
    assert base58.decode(text) == content


@pytest.mark.parametrize("text", ["0", "O", "I", "l", "z z", "é", "१", "1" * 201])
def test_base58_refuses_other_symbols(text: str) -> None:
    with pytest.raises(ValueError, match="base58"):
        base58.decode(text)


@given(st.binary(min_size=32, max_size=32))
def test_a_public_key_comes_back_from_its_multikey(public: bytes) -> None:
    text = multikey.encode(public)
    assert text.startswith("z6Mk")
    assert multikey.decode(text) == public


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        "6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2",
        "uNTEy",
        "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ",
        "z" + base58.encode(b"\xed\x01" + bytes(33)),
        "z" + base58.encode(b"\x80\x24" + bytes(32)),  # a P-256 key
        "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ0",
    ],
)
def test_what_is_no_ed25519_multikey_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base58|Ed25519"):
        multikey.decode(text)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_not_written(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        multikey.encode(bytes(length))


def test_the_same_document_key_and_instant_give_the_same_signature() -> None:
    once, again = (proofs.signed(a_document(), signing(KEY), created=AWARDED) for _ in range(2))
    assert json.dumps(once) == json.dumps(again)
    later = proofs.signed(a_document(), signing(KEY), created=AWARDED.replace(second=1))
    assert later["proof"]["proofValue"] != once["proof"]["proofValue"]


def test_threads_that_sign_at_once_do_not_disturb_each_other() -> None:
    def sign(_: int) -> str:
        return str(proofs.signed(a_document(), signing(KEY), created=AWARDED)["proof"]["proofValue"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(sign, range(80)))) == 1


@pytest.mark.parametrize("name", ["plain", "right-to-left override", "emoji", "five hundred letters", "mixed"])
def test_a_text_is_signed_as_it_is(name: str) -> None:
    document = a_document() | {"name": ODD_NAMES[name]}
    signed = proofs.signed(document, signing(KEY), created=AWARDED)
    proofs.check(signed, KEY.public_key().public_bytes_raw())
    with pytest.raises(ProofInvalid):
        proofs.check(signed | {"name": ODD_NAMES[name][:-1]}, KEY.public_key().public_bytes_raw())


def test_pyld_by_itself_drops_what_it_does_not_know() -> None:
    """Why terms are watched here: the library leaves them out of what is signed, without a word, or makes them up."""
    options = {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": PinnedLoader()}
    undefined_type = a_document() | {"type": [*a_document()["type"], "Diploma"]}
    known = jsonld.normalize(a_document(), options)
    assert jsonld.normalize(a_document() | {"grade": "A"}, options) == known
    assert jsonld.normalize(undefined_type, options | {"base": None}) == known
    assert "<http://example.org/base/Diploma>" in jsonld.normalize(undefined_type, options)


def _in_subject(**members: Any) -> Change:
    return lambda document: document["credentialSubject"].update(members)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(grade="A"),
        _in_subject(grade="A"),
        lambda document: document["type"].append("Diploma"),
        lambda document: document["credentialStatus"].update(type="2EdTechRevocationList"),
        lambda document: document.update(id="7"),
        lambda document: document["issuer"].update(id="/issuer"),
        lambda document: document["issuer"].update(id="https://x> <y"),
        _in_subject(image="logo.png"),
        _in_subject(term=None),
        _in_subject(term=7),
        _in_subject(term=7.5),
        _in_subject(result=[["a"]]),
        _in_subject(result=[{}]),
        lambda document: document.update({"@graph": []}),
        lambda document: document.update({"@id": "https://x.example/"}),
        _in_subject(**{"@reverse": {}}),
        _in_subject(**{"@context": {"term": "https://x.example/term"}}),
        _in_subject(id="_:b0"),
        _in_subject(term="_:b0"),
        _in_subject(term="bell \x07"),
        _in_subject(term="half \ud800"),
        _in_subject(source={"type": "Profile", "parentOrg": {"type": ["Profile"], "id": "x"}}),
        _in_subject(id=["https://x.example/a", "https://x.example/b"]),
        _in_subject(id=True),
        _in_subject(type=[True]),
        lambda document: document.update({7: "seven"}),
    ],
)
def test_what_would_not_be_signed_whole_is_refused(change: Change) -> None:
    document = a_document()
    change(document)
    with pytest.raises(NotCanonical):
        proofs.signed(document, signing(KEY), created=AWARDED)


def test_a_refusal_spoils_nothing_for_the_next_document() -> None:
    canonical = Canonicaliser()
    before = canonical(a_document())
    with pytest.raises(NotCanonical):
        canonical(a_document() | {"grade": "A"})
    with pytest.raises(NotCanonical, match="not JSON-LD"):
        canonical(a_document() | {"id": True})
    assert canonical(a_document()) == before


def test_a_document_that_would_take_for_ever_is_refused_at_once() -> None:
    """Telling n alike objects apart tries n! orders."""
    alike = [{"type": ["Achievement"], "name": "x"} for _ in range(MOST_UNNAMED)]
    started = time.monotonic()
    with pytest.raises(NotCanonical, match="too many"):
        Canonicaliser()(a_document() | {"credentialSubject": {"type": ["AchievementSubject"], "achievement": alike}})
    nested: dict[str, Any] = {}
    for _ in range(2_000):
        nested = {"id": "https://x.example/", "source": nested}
    with pytest.raises(NotCanonical, match="deeply"):
        Canonicaliser()(a_document() | {"credentialSubject": nested})
    assert time.monotonic() - started < 1


def test_nothing_is_signed_twice_or_at_a_time_without_zone() -> None:
    signed = proofs.signed(a_document(), signing(KEY), created=AWARDED)
    with pytest.raises(ValueError, match="proof already"):
        proofs.signed(signed, signing(KEY), created=AWARDED)
    with pytest.raises(ValueError, match="time zone"):
        proofs.signed(a_document(), signing(KEY), created=AWARDED.replace(tzinfo=None))


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Ed25519Signature2020"},
        {"cryptosuite": "eddsa-jcs-2022"},
        {"proofPurpose": "authentication"},
        {"proofValue": "u" + "A" * 86},
        {"proofValue": "z"},
        {"proofValue": "z0"},
        {"proofValue": 7},
        {"proofValue": "z" + base58.encode(bytes(64))},
        {"proofValue": "z" + base58.encode(bytes(65))},
        {"created": "yesterday\x00"},
        {"created": None},
        {"expires": "2099-01-01T00:00:00Z"},
        {"@context": "https://www.w3.org/ns/credentials/v2"},
    ],
)
def test_a_proof_of_another_kind_is_refused(change: dict[str, Any]) -> None:
    signed = proofs.signed(a_document(), signing(KEY), created=AWARDED)
    with pytest.raises(ProofInvalid):
        proofs.check(signed | {"proof": signed["proof"] | change}, KEY.public_key().public_bytes_raw())


@pytest.mark.parametrize("proof", [None, [], "z", {}])
def test_a_document_without_a_proof_is_refused(proof: object) -> None:
    with pytest.raises(ProofInvalid):
        proofs.check(a_document() | {"proof": proof}, KEY.public_key().public_bytes_raw())
