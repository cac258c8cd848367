"""F13: an independent implementation verifies our credentials, and refuses whatever was done to them.

Digital Bazaar's libraries in Node share no code with pyld or with us, and take the contexts from packages of their own.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench.report import Row
from tests.certificate_keys import small_pdf, with_keys
from tests.credential_samples import (
    AWARDED,
    DESK,
    EARLIER_KEY,
    FACTS,
    FOREIGN_KEY,
    ISSUER,
    KEY,
    LIST,
    ODD_NAMES,
    PAYLOAD,
    issued,
    many,
    signing,
)
from tests.faults.world import SEED, exactly, report, sized
from tests.jobs.builders import DONE, completed_booking, promise, revoke, rows
from tests.make import Make
from tests.oracles import node
from tests.tampering import tampered
from tests.web.client import DeskClient
from webapp.certificates import jobs, upkeep
from webapp.certificates.credentials import base58, building, proofs
from webapp.certificates.credentials.issuer import Issuer
from webapp.certificates.credentials.keys import public_multibase
from webapp.certificates.credentials.proofs import instant
from webapp.certificates.credentials.revocation import Revocation, signed_list
from webapp.certificates.pdf import CertificatePayload
from webapp.certificates.rules import KeyKind
from webapp.certificates.signing import keeping
from webapp.clients.files import LocalFileStore
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.core.ids import COMPANY_ID
from webapp.db.job_context import JobContext
from webapp.db.work import Database

pytestmark = pytest.mark.faults

COUNT = sized(50, 1_000)
EVERY_LEAF_OF = sized(3, 20)
NOW = "2028-01-01T00:00:00Z"
Document = dict[str, Any]


@pytest.fixture(scope="module")
def oracle() -> Path:
    return node.installed()


def published(revoked: list[Revocation] | None = None) -> dict[str, Document]:
    """What the desk shows to everybody, by address."""
    documents = {ISSUER.address: ISSUER.profile()}
    documents |= {ISSUER.key_address(key): ISSUER.key_document(key) for key in ISSUER.keys}
    return documents | {LIST: signed_list(LIST, revoked or [], ISSUER, signing(KEY), created=AWARDED)}


def asked(oracle: Path, **question: Any) -> Document:
    return node.ask(
        oracle, {"documents": published(), "now": NOW, "credentials": [], "lists": [], "issue": None} | question
    )


def verdicts(oracle: Path, credentials: list[Document], **question: Any) -> list[Document]:
    found: list[Document] = asked(oracle, credentials=credentials, **question)["credentials"]
    assert len(found) == len(credentials)
    return found


def test_it_verifies_every_credential_and_refuses_each_that_was_touched(oracle: Path) -> None:
    lot = random.Random(SEED)
    genuine = [credential for _, _, credential in many(COUNT, SEED)]
    touched: list[Document] = []
    for number, credential in enumerate(genuine):
        all_of_them = [
            (what, other) for what, other in tampered(credential, lot) if what.startswith(("flip", "remove"))
        ]
        touched += [other for _, other in (all_of_them if number < EVERY_LEAF_OF else lot.sample(all_of_them, 3))]
    good, bad = verdicts(oracle, genuine), verdicts(oracle, touched)
    refused_genuine = [one["why"] for one in good if not one["verified"]]
    accepted_touched = [touched[at] for at, one in enumerate(bad) if one["verified"]]
    report(
        "f13",
        Row("credentials verified by the other implementation", sum(one["verified"] for one in good), ""),
        Row("changed credentials tried", len(touched), ""),
        exactly("genuine ones refused", len(refused_genuine), 0),
        exactly("changed ones accepted", len(accepted_touched), 0),
    )


def test_it_makes_the_very_same_proof(oracle: Path) -> None:
    """Ed25519 leaves no choice: the same canonical bytes and key give the same signature."""
    secret = b"\x80\x26" + KEY.private_bytes_raw()
    key = ISSUER.key_document(public_multibase(KEY)) | {"secretKeyMultibase": "z" + base58.encode(secret)}
    made = [
        (building.build(payload, facts, ISSUER), instant(facts.awarded_at), facts.awarded_at)
        for payload, facts, _ in many(20, SEED)
    ]
    issue = {"key": key, "credentials": [{"credential": one, "created": at} for one, at, _ in made]}
    theirs = asked(oracle, issue=issue)["issued"]
    ours = [proofs.signed(document, signing(KEY), created=at) for document, _, at in made]
    assert [one["proof"] for one in theirs] == [one["proof"] for one in ours]


def test_it_refuses_what_is_revoked_and_reads_the_list_only_when_signed(oracle: Path) -> None:
    void, valid = [credential for _, _, credential in many(2, SEED)]
    (_, facts, _), *_ = many(1, SEED)
    documents = published([Revocation(facts.certificate_id, "Issued to the wrong student.")])
    found = verdicts(oracle, [void, valid], documents=documents)
    assert [one["verified"] for one in found] == [False, True], found
    assert any("revoked" in why for why in found[0]["why"])

    pardoned = copy.deepcopy(documents)
    pardoned[LIST]["revokedCredential"] = []
    found = verdicts(oracle, [void, valid], documents=pardoned)
    assert [one["verified"] for one in found] == [False, False], found

    changed = documents[LIST] | {"issuer": f"{DESK}/other"}
    lists = asked(oracle, documents=documents, lists=[documents[LIST], pardoned[LIST], changed])["lists"]
    assert [one["verified"] for one in lists] == [True, False, False], lists


def _unlisted(documents: dict[str, Document]) -> None:
    documents[ISSUER.address]["assertionMethod"] = documents[ISSUER.address]["assertionMethod"][1:]


def _another_key(documents: dict[str, Document]) -> None:
    documents[ISSUER.key_address(ISSUER.keys[0])]["publicKeyMultibase"] = public_multibase(FOREIGN_KEY)


@pytest.mark.parametrize("change", [_unlisted, _another_key])
def test_it_goes_by_what_the_issuer_publishes(oracle: Path, change: Callable[[dict[str, Document]], None]) -> None:
    documents = published() | {LIST: signed_list(LIST, [], ISSUER, signing(EARLIER_KEY), created=AWARDED)}
    both = [issued(), issued(key=EARLIER_KEY)]
    assert [one["verified"] for one in verdicts(oracle, both, documents=documents)] == [True, True]
    change(documents)
    found = verdicts(oracle, both, documents=documents)
    assert [one["verified"] for one in found] == [False, True], found


def test_it_refuses_strangers_keys_terms_and_contexts(oracle: Path) -> None:
    """The control: were it to wave everything through, these would show it."""
    other = Issuer(f"{DESK}/other", "Other", f"{DESK}/", (public_multibase(FOREIGN_KEY),))
    forged = proofs.signed(
        building.build(PAYLOAD, FACTS, ISSUER), signing(FOREIGN_KEY, other), created=AWARDED
    )  # by a key that is somebody's, but not the issuer's
    documents = published() | {
        other.address: other.profile(),
        other.key_address(other.keys[0]): other.key_document(other.keys[0]),
    }
    undefined = issued() | {"grade": "A"}
    elsewhere = issued() | {"@context": [*issued()["@context"][:2], "https://evil.example/context.jsonld"]}
    two = issued() | {"@context": issued()["@context"][:2]}
    found = verdicts(oracle, [issued(), forged, undefined, elsewhere, two], documents=documents)
    assert [one["verified"] for one in found] == [True, False, False, False, False], found
    assert "must match the verification method controller" in str(found[1]["why"])
    assert "Safe mode" in str(found[2]["why"])
    assert "Dereferencing a URL did not" in str(found[3]["why"])


class Drawer:
    """Draws a page that can be signed; Typst never compiles in a test's process."""

    def render(self, payload: CertificatePayload) -> bytes:
        """A small PDF with the number as its title."""
        return small_pdf(payload.number)


def test_it_verifies_what_a_job_stored_by_what_the_desk_serves(
    oracle: Path, client: DeskClient, make: Make, db: Database, settings: Settings, tmp_path: Path
) -> None:
    """From the promise to the file and the public addresses: nothing of it is put together by the test."""
    ctx = JobContext(settings.model_copy(update={"data_dir": tmp_path}), db, lambda: DONE)
    folder, store = with_keys(db, tmp_path / "keys", now=DONE), LocalFileStore(tmp_path / "files")
    names = [ODD_NAMES[kind] for kind in ("plain", "telugu", "hindi", "arabic", "mixed", "quotes and brackets")]
    booked = [completed_booking(make, db, *names[at : at + 3]) for at in range(0, len(names), 3)]
    ids = [certificate_id for booking in booked[:-1] for certificate_id in promise(db, booking)]
    assert jobs.issue(ctx, store=store, renderer=Drawer()) == len(ids)
    with db.unit_of_work() as work:
        keeping.rotate(work, folder, COMPANY_ID, KeyKind.ED25519, by=SYSTEM, now=DONE)
    ids += promise(db, booked[-1])
    assert jobs.issue(ctx, store=store, renderer=Drawer()) == len(ids) - len(booked[:-1]) * 3
    upkeep.sign_revocations(ctx)

    def served(path: str) -> Document:
        found: Document = json.loads(client.get(path.removeprefix(settings.public_url)).data)
        return found

    def everything() -> dict[str, Document]:
        profile = served("/issuer")
        keys = [method["id"] for method in profile["assertionMethod"]]
        lists = f"{settings.public_url}/credentials/revoked/{DONE.year}"
        return {profile["id"]: profile, lists: served(lists), **{key: served(key) for key in keys}}

    stored = "SELECT credential_sha256 FROM certificates ORDER BY id"
    credentials = [json.loads(store.get(str(sha256))) for (sha256,) in rows(db, stored)]
    assert len(credentials) == len(ids)
    found = verdicts(oracle, credentials, documents=everything())
    assert [one["why"] for one in found if not one["verified"]] == []

    revoke(db, ids[0])
    assert upkeep.sign_revocations(ctx) == 1
    found = verdicts(oracle, credentials, documents=everything())
    refused = [credential["id"] for credential, one in zip(credentials, found, strict=True) if not one["verified"]]
    assert refused == [ids[0].urn]
