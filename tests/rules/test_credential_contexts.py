"""The contexts are the pinned files, and no document can make the desk read anything else."""

from __future__ import annotations

import json
import shutil
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.credential_samples import AWARDED, FACTS, ISSUER, KEY, PAYLOAD, issued, signing
from webapp.certificates.credentials import proofs
from webapp.certificates.credentials.building import build
from webapp.certificates.credentials.canonical import Canonicaliser
from webapp.certificates.credentials.pinned import (
    CONTEXTS,
    CREDENTIALS_V2,
    OPEN_BADGES,
    PINS,
    ContextRefused,
    PinnedLoader,
)
from webapp.certificates.credentials.proofs import ProofInvalid

SERVED = "https://www.w3.org/ns/credentials/v1"
ELSEWHERE = [
    SERVED,
    "https://evil.example/context.jsonld",
    "http://127.0.0.1:9/context",
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    f"file://{CONTEXTS}/credentials-v2.jsonld",
    "data:application/json,{}",
    "credentials-v2.jsonld",
    "../contexts/credentials-v2.jsonld",
    "",
    CREDENTIALS_V2 + "/",
    CREDENTIALS_V2 + "#",
    CREDENTIALS_V2.replace("https", "http"),
    CREDENTIALS_V2.upper(),
    " " + CREDENTIALS_V2,
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a connection here has failed."""

    def opened(*_: Any, **__: Any) -> None:
        raise AssertionError("something was fetched")

    for place, name in ((socket.socket, "connect"), (socket, "getaddrinfo"), (urllib.request, "urlopen")):
        monkeypatch.setattr(place, name, opened)


def document(**changes: Any) -> dict[str, Any]:
    return build(PAYLOAD, FACTS, ISSUER) | changes


def test_every_pinned_context_is_the_file_that_was_pinned() -> None:
    loader = PinnedLoader()
    for address in PINS:
        loaded = loader(address, {})
        assert loaded["documentUrl"] == address
        assert loaded["contextUrl"] is None
        assert "@context" in loaded["document"]


def test_the_list_of_origins_names_each_file_and_its_hash() -> None:
    lines = (CONTEXTS / "VENDOR.txt").read_text("utf-8").partition("sha256, file:\n")[2].splitlines()
    listed = {file: sha256 for sha256, file in (line.split("  ", 1) for line in lines)}
    assert listed == {pin.file: pin.sha256 for pin in PINS.values()}
    assert {path.name for path in CONTEXTS.iterdir()} == {*listed, "VENDOR.txt", "LICENSE-W3C.txt"}
    for address in PINS:
        assert address in (CONTEXTS / "VENDOR.txt").read_text("utf-8")


def test_no_pinned_context_leads_to_another_address() -> None:
    def addresses(value: Any) -> list[str]:
        if isinstance(value, list):
            return [found for item in value for found in addresses(item)]
        if isinstance(value, dict):
            inner = [found for item in value.values() for found in addresses(item)]
            here = value.get("@context")
            named = [one for one in (here if isinstance(here, list) else [here]) if isinstance(one, str)]
            return inner + named + ([str(value["@import"])] if "@import" in value else [])
        return []

    for pin in PINS.values():
        assert addresses(json.loads((CONTEXTS / pin.file).read_bytes())) == []


@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_context_that_is_not_pinned_is_neither_signed_nor_fetched(address: str) -> None:
    contexts = document()["@context"]
    for named in ([*contexts, address], [address, *contexts], address):
        with pytest.raises(ContextRefused):
            proofs.signed(document(**{"@context": named}), signing(KEY), created=AWARDED)
    with pytest.raises(ContextRefused):
        PinnedLoader()(address, {})


@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_signed_document_that_names_another_context_is_invalid(address: str) -> None:
    signed = issued()
    signed["@context"][2] = address
    with pytest.raises(ProofInvalid):
        proofs.check(signed, KEY.public_key().public_bytes_raw())


@pytest.mark.parametrize("odd", [None, 7, [[CREDENTIALS_V2]], {}, []])
def test_a_context_of_no_sort_is_refused(odd: object) -> None:
    signed = issued()
    signed["@context"] = odd
    with pytest.raises(ProofInvalid):
        proofs.check(signed, KEY.public_key().public_bytes_raw())


@pytest.mark.parametrize("term", [{"@import": ELSEWHERE[1]}, {"x": {"@id": "urn:x:y", "@context": ELSEWHERE[1]}}])
def test_a_context_inside_the_document_leads_nowhere_either(term: dict[str, Any]) -> None:
    inline = document(**{"@context": [*document()["@context"], term]}, x={"name": "x"})
    with pytest.raises(ContextRefused):
        proofs.signed(inline, signing(KEY), created=AWARDED)


@pytest.mark.parametrize("address", list(PINS))
def test_a_context_whose_bytes_were_changed_is_refused(tmp_path: Path, address: str) -> None:
    folder = tmp_path / "contexts"
    shutil.copytree(CONTEXTS, folder)
    file = folder / PINS[address].file
    file.write_bytes(file.read_bytes() + b"\n")  # means the same, and yet nobody put it there knowingly
    with pytest.raises(ContextRefused, match="does not have the bytes"):
        PinnedLoader(folder)(address, {})


def test_a_swapped_definition_neither_signs_nor_verifies(tmp_path: Path) -> None:
    """The attack: what ``name`` means is changed under credentials that are out."""
    folder = tmp_path / "contexts"
    shutil.copytree(CONTEXTS, folder)
    file = folder / PINS[OPEN_BADGES].file
    file.write_bytes(file.read_bytes().replace(b"https://schema.org/name", b"https://evil.example/x"))
    swapped = Canonicaliser(PinnedLoader(folder))
    with pytest.raises(ContextRefused, match="does not have the bytes"):
        proofs.signed(document(), signing(KEY), created=AWARDED, canonical=swapped)
    with pytest.raises(ProofInvalid, match="does not have the bytes"):
        proofs.check(issued(), KEY.public_key().public_bytes_raw(), canonical=swapped)
