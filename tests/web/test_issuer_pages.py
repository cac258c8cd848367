"""What anybody finds at the addresses that stand in credentials: the issuer, its keys, the lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509

from tests.certificate_keys import with_keys
from tests.jobs.builders import DONE, PlainKeys, PlainRenderer, Shelf, completed_booking, promise, rows
from tests.make import Make
from tests.web.client import DeskClient
from webapp.certificates import jobs, upkeep
from webapp.certificates.rules import KeyKind
from webapp.certificates.signing import keeping
from webapp.certificates.signing.folder import KeyFolder
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.core.ids import COMPANY_ID
from webapp.db.job_context import JobContext
from webapp.db.work import Database


@pytest.fixture
def folder(db: Database, tmp_path: Path) -> KeyFolder:
    return with_keys(db, tmp_path / "keys", now=DONE)


def document(client: DeskClient, path: str) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/ld+json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    kept = answer.headers["Cache-Control"]
    assert kept.startswith("public, max-age=")
    assert int(kept.partition("=")[2]) <= 60
    assert "Set-Cookie" not in answer.headers
    found: dict[str, Any] = json.loads(answer.data)
    return found


def test_the_profile_leads_to_each_key_and_each_key_back(
    client: DeskClient, db: Database, folder: KeyFolder, settings: Settings
) -> None:
    with db.unit_of_work() as work:
        keeping.rotate(work, folder, COMPANY_ID, KeyKind.ED25519, by=SYSTEM, now=DONE)
    profile = document(client, "/issuer")
    assert profile["id"] == f"{settings.public_url}/issuer"
    assert len(profile["assertionMethod"]) == 2
    for method in profile["assertionMethod"]:
        assert method["id"].startswith(f"{settings.public_url}/issuer/keys/z6Mk")
        found = document(client, method["id"].removeprefix(settings.public_url))
        assert {name: found[name] for name in method} == method
        assert found["controller"] == profile["id"]
    assert client.statements <= 1


def test_the_profile_is_there_before_any_key(client: DeskClient) -> None:
    assert document(client, "/issuer")["assertionMethod"] == []


def test_a_withdrawn_key_is_nowhere(client: DeskClient, db: Database, folder: KeyFolder) -> None:
    ((key_id, public),) = rows(db, "SELECT id, public FROM issuer_keys WHERE kind = 'ed25519'")
    assert document(client, f"/issuer/keys/{public}")
    ((pdf_id,),) = rows(db, "SELECT id FROM issuer_keys WHERE kind = 'x509'")
    with db.unit_of_work() as work:
        for one in (key_id, pdf_id):
            keeping.withdraw(work, UUID(str(one)), by=SYSTEM, now=DONE)
    assert client.get(f"/issuer/keys/{public}").status_code == 404
    assert client.get(f"/issuer/certificates/{pdf_id}").status_code == 404
    assert document(client, "/issuer")["assertionMethod"] == []


@pytest.mark.parametrize(
    "path",
    [
        "/issuer/keys/z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd",
        "/issuer/keys/%00",
        f"/issuer/keys/{'z' * 5000}",
        "/issuer/keys/../../etc/passwd",
        "/issuer/certificates/0199aaaa-0000-7000-8000-000000000001",
        "/issuer/certificates/x",
        "/credentials/revoked/2026",
        "/credentials/revoked/0",
        "/credentials/revoked/99999999999999999999",
        "/credentials/revoked/-1",
        "/credentials/revoked/%D9%A2",
        "/credentials/revoked/x",
    ],
)
def test_what_there_is_not_is_not_found(client: DeskClient, folder: KeyFolder, path: str) -> None:
    assert client.get(path).status_code == 404


def test_an_operators_certificate_can_be_fetched_and_compared(
    client: DeskClient, db: Database, folder: KeyFolder
) -> None:
    ((key_id, public),) = rows(db, "SELECT id, public FROM issuer_keys WHERE kind = 'x509'")
    answer = client.get("issuer.certificate", key_id=key_id)
    assert (answer.text, answer.headers["Content-Type"]) == (public, "application/x-pem-file")
    assert "self-made" in x509.load_pem_x509_certificate(answer.data).subject.rfc4514_string()
    assert "PRIVATE" not in answer.text


def test_the_list_is_served_as_it_was_signed(
    client: DeskClient, make: Make, db: Database, folder: KeyFolder, settings: Settings, tmp_path: Path
) -> None:
    ctx = JobContext(settings.model_copy(update={"data_dir": tmp_path}), db, lambda: DONE)
    promise(db, completed_booking(make, db, "Meena"))
    jobs.issue(ctx, store=Shelf(), renderer=PlainRenderer(), keys=PlainKeys())
    path = f"/credentials/revoked/{DONE.year}"
    assert client.get(path).status_code == 404
    upkeep.sign_revocations(ctx)
    answer = client.get(path)
    assert document(client, path)["id"] == f"{settings.public_url}{path}"
    assert [(answer.text,)] == rows(db, "SELECT document FROM revocation_lists")
    assert client.statements <= 1


def test_programs_that_ask_too_often_wait(client: DeskClient, folder: KeyFolder) -> None:
    codes = {client.get("/issuer").status_code for _ in range(125)}
    assert codes == {200, 429}
