"""Keys are made, changed and taken back; without them certificates wait, untried, and say why."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.certificate_keys import judged, poppler_says, small_pdf, with_keys
from tests.jobs.builders import DONE, Shelf, completed_booking, later, promise, rows, states
from tests.make import Make
from tests.web.client import Bell, DeskClient
from webapp.certificates import jobs, service
from webapp.certificates.credentials import texts
from webapp.certificates.credentials.keys import make_key
from webapp.certificates.credentials.verifying import belongs_to, verify
from webapp.certificates.pdf import CertificatePayload
from webapp.certificates.queries import keys
from webapp.certificates.rules import KeyKind
from webapp.certificates.signing import keeping
from webapp.certificates.signing.folder import KeyFolder
from webapp.clients.files import store_from_url
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict, NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database
from webapp.ops import health

WAITING = "SELECT state, attempts, last_error, next_at FROM certificates"


class Drawer:
    """Draws a page that can be signed."""

    def render(self, payload: CertificatePayload) -> bytes:
        """A small PDF that differs by its number."""
        return small_pdf(payload.number)


@pytest.fixture
def ctx(db: Database, settings: Settings, tmp_path: Path) -> JobContext:
    """A context with a folder of keys of its own."""
    return JobContext(settings.model_copy(update={"data_dir": tmp_path}), db, lambda: DONE)


@pytest.fixture
def path(ctx: JobContext) -> Path:
    return ctx.settings.data_dir / "keys"


def issue(ctx: JobContext, shelf: Shelf) -> int:
    return jobs.issue(ctx, store=shelf, renderer=Drawer())


def test_what_a_job_signs_is_found_genuine(
    make: Make, db: Database, ctx: JobContext, shelf: Shelf, path: Path, tmp_path: Path
) -> None:
    franchise = make.franchise()
    promise(db, completed_booking(make, db, "మీనా రావు", operator_id=franchise))
    with_keys(db, path, now=DONE)
    assert issue(ctx, shelf) == 1
    ((pdf, credential, certificate_id, number),) = rows(
        db, "SELECT pdf_sha256, credential_sha256, id, number FROM certificates"
    )
    with db.read_only() as session:
        issuer = keys.issuer(session, ctx.settings.public_url)
        in_use = {(key.operator_id, key.kind): key for key in keys.keys_in_use(session)}
    found = verify(texts.read(shelf.get(str(credential))), issuer)
    assert belongs_to(found, "మీనా రావు")
    assert (found.id, found.credential_subject.license_number) == (f"urn:uuid:{certificate_id}", number)
    assert found.proof.verification_method == issuer.key_address(issuer.keys[0])
    assert found.credential_status.id == f"{ctx.settings.public_url}/credentials/revoked/{DONE.year}"
    assert found.valid_from == found.awarded_date == found.proof.created == DONE.strftime("%Y-%m-%dT%H:%M:%SZ")
    content = shelf.get(str(pdf))
    own = in_use[franchise, KeyKind.X509].public
    assert judged(content, own, at=DONE).trusted, "by the franchise's own key"
    assert judged(content, own, at=DONE).at == DONE
    assert not judged(content, in_use[COMPANY_ID, KeyKind.X509].public, at=DONE).trusted
    assert "Signature is Valid" in poppler_says(content, tmp_path)
    text_of = shelf.get(str(credential)).decode()
    assert "మీనా" not in text_of, "a hash of the name alone"


def test_every_try_makes_the_same_credential(make: Make, db: Database, ctx: JobContext, path: Path) -> None:
    promise(db, completed_booking(make, db, "Meena"))
    with_keys(db, path, now=DONE)
    made = []
    for hour in range(2):
        with db.unit_of_work() as work:
            claim = service.claim_next(work, now=DONE + timedelta(hours=hour), lease_for=timedelta(seconds=30))
        assert claim is not None
        seal = jobs.open_keys(ctx).seal(claim.operator_id)
        made.append(jobs.files_of(claim, Drawer(), seal))
    assert made[0].credential == made[1].credential


def test_without_keys_certificates_wait_untried_and_are_made_when_there_are_some(
    make: Make, db: Database, ctx: JobContext, shelf: Shelf, path: Path, bells: list[Bell]
) -> None:
    promise(db, completed_booking(make, db, "Meena", "Arun"))
    for minute in range(30):  # more often than a certificate is tried
        assert issue(later(ctx, timedelta(minutes=minute)), shelf) == 0
    found = rows(db, WAITING)
    assert {row[:3] for row in found} == {("pending", 0, "keys-no-issuer")}
    assert shelf.files == {}
    bells.clear()
    with db.unit_of_work() as work:
        made = keeping.make_missing(work, KeyFolder(path), by=SYSTEM, now=DONE + timedelta(hours=1))
    assert len(made) == 2
    assert bells == [(JobName.ISSUE_CERTIFICATES, {})]
    assert issue(later(ctx, timedelta(hours=1)), shelf) == 2
    assert rows(db, "SELECT DISTINCT state, attempts, last_error FROM certificates") == [("issued", 1, None)]


def test_an_operator_without_a_key_keeps_nobody_else_waiting(
    make: Make, db: Database, ctx: JobContext, shelf: Shelf, path: Path
) -> None:
    with_keys(db, path, now=DONE)
    newcomer = make.franchise()
    promise(db, completed_booking(make, db, "Meena", operator_id=newcomer))
    promise(db, completed_booking(make, db, "Arun"))
    assert issue(ctx, shelf) == 1
    assert states(db) == Counter(issued=1, pending=1)
    assert rows(db, "SELECT operator_id, last_error FROM certificates WHERE state = 'pending'") == [
        (newcomer, "keys-no-operator")
    ]


@pytest.mark.parametrize("wrong", ["folder open", "file open", "file gone", "another key", "rubbish"])
def test_a_key_that_cannot_be_trusted_is_not_used(
    make: Make, db: Database, ctx: JobContext, shelf: Shelf, path: Path, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = with_keys(db, path, now=DONE)
    ((key_id,),) = rows(db, "SELECT id FROM issuer_keys WHERE kind = 'ed25519'")
    file = folder.file(KeyKind.ED25519, UUID(str(key_id)))
    secret = file.read_text().splitlines()[1]
    match wrong:
        case "folder open":
            path.chmod(0o755)
        case "file open":
            file.chmod(0o644)
        case "file gone":
            file.unlink()
        case "another key":
            file.unlink()
            folder.keep(KeyKind.ED25519, UUID(str(key_id)), make_key())
        case _:
            file.write_bytes(b"-----BEGIN PRIVATE KEY-----\nrubbish\n")
    promise(db, completed_booking(make, db, "Meena"))
    assert issue(ctx, shelf) == 0
    assert rows(db, "SELECT state, attempts, last_error FROM certificates") == [("pending", 0, "keys-unusable")]
    assert "wait_for_keys" in caplog.text
    assert secret not in caplog.text


def test_making_keys_twice_makes_none_the_second_time(db: Database, make: Make, path: Path) -> None:
    make.franchise()
    with_keys(db, path, now=DONE)
    before = rows(db, "SELECT * FROM issuer_keys ORDER BY id")
    assert len(before) == 3
    with_keys(db, path, now=DONE)
    assert rows(db, "SELECT * FROM issuer_keys ORDER BY id") == before
    assert len(list(path.iterdir())) == 3
    public = [str(row[0]) for row in rows(db, "SELECT public FROM issuer_keys")]
    assert not [one for one in public if "PRIVATE" in one], "no private key comes near the database"


def test_after_a_rotation_new_ones_are_signed_with_the_new_key_and_old_ones_stay_good(
    make: Make, db: Database, ctx: JobContext, shelf: Shelf, path: Path
) -> None:
    folder = with_keys(db, path, now=DONE)
    promise(db, completed_booking(make, db, "Meena"))
    issue(ctx, shelf)
    with db.unit_of_work() as work:
        for kind in KeyKind:
            keeping.rotate(work, folder, COMPANY_ID, kind, by=SYSTEM, now=DONE + timedelta(days=1))
    promise(db, completed_booking(make, db, "Arun"), now=DONE + timedelta(days=2))
    issue(later(ctx, timedelta(days=2)), shelf)
    with db.read_only() as session:
        issuer = keys.issuer(session, ctx.settings.public_url)
        known = keys.all_keys(session)
    assert len(issuer.keys) == 2
    used = set()
    for (sha256,) in rows(db, "SELECT credential_sha256 FROM certificates ORDER BY created_at"):
        used.add(verify(texts.read(shelf.get(str(sha256))), issuer).proof.verification_method)
    assert used == {issuer.key_address(key) for key in issuer.keys}
    newest = next(key for key in known if key.kind is KeyKind.ED25519)
    assert issuer.keys[0] == newest.public, "the key in use comes first"
    assert [key.retired_at is None for key in known if key.kind is KeyKind.X509] == [True, False]
    assert rows(
        db, "SELECT what, count(*) FROM audit_entries WHERE what LIKE 'issuer_key.%' GROUP BY 1 ORDER BY 1"
    ) == [
        ("issuer_key.made", 4),
        ("issuer_key.retired", 2),
    ]


def test_what_a_withdrawn_key_signed_is_void(
    make: Make, db: Database, ctx: JobContext, shelf: Shelf, path: Path
) -> None:
    with_keys(db, path, now=DONE)
    promise(db, completed_booking(make, db, "Meena"))
    issue(ctx, shelf)
    ((key_id, public),) = rows(db, "SELECT id, public FROM issuer_keys WHERE kind = 'ed25519'")
    with db.unit_of_work() as work:
        keeping.withdraw(work, UUID(str(key_id)), by=SYSTEM, now=DONE)
    with db.read_only() as session:
        issuer = keys.issuer(session, ctx.settings.public_url)
    assert public not in issuer.keys
    promise(db, completed_booking(make, db, "Arun"))
    assert issue(ctx, shelf) == 0, "and it signs nothing more"
    for refused, which in ((Conflict, UUID(str(key_id))), (NotFound, new_id())):
        with pytest.raises(refused), db.unit_of_work() as work:
            keeping.withdraw(work, which, by=SYSTEM, now=DONE)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM issuer_keys",
        "UPDATE issuer_keys SET public = 'x'",
        "UPDATE issuer_keys SET since = now()",
        "UPDATE issuer_keys SET retired_at = NULL",
        "UPDATE issuer_keys SET retired_at = '2020-01-01'",
        "UPDATE issuer_keys SET withdrawn_at = NULL",
        "UPDATE issuer_keys SET kind = 'x509' WHERE kind = 'ed25519'",
    ],
)
def test_a_key_is_kept_as_it_is_for_good(db: Database, path: Path, change: str) -> None:
    with_keys(db, path, now=DONE)
    ((key_id,),) = rows(db, "SELECT id FROM issuer_keys WHERE kind = 'ed25519'")
    with db.unit_of_work() as work:
        keeping.withdraw(work, UUID(str(key_id)), by=SYSTEM, now=DONE)
    with (
        pytest.raises(Exception, match=r"issuer_keys_are_kept|permission denied|a key is retired once"),
        db.unit_of_work() as work,
    ):
        work.db.execute(text(change))


def test_readiness_tells_in_words_what_the_keys_lack(
    client: DeskClient, make: Make, db: Database, ctx: JobContext, shelf: Shelf, path: Path
) -> None:
    def told() -> dict[str, str]:
        found: dict[str, str] = client.get("/readyz").get_json()["checks"]["certificate_keys"]
        return found

    assert told()["state"] == "failed"
    assert "no key for credentials" in told()["why"]
    assert "operators without a key for their PDFs: 1" in told()["why"]
    folder = with_keys(db, path, now=DONE)
    assert told() == {"state": "ok"}
    folder.path.chmod(0o755)
    promise(db, completed_booking(make, db, "Meena"))
    issue(ctx, shelf)
    assert "certificates that wait because a worker could not use a key: 1" in told()["why"]
    assert health.State.OK not in told().values()


def test_the_page_of_a_certificate_that_waits_says_why(
    client: DeskClient, make: Make, db: Database, ctx: JobContext, shelf: Shelf, path: Path
) -> None:
    (certificate_id,) = promise(db, completed_booking(make, db, "Meena"))
    client.sign_in(make.admin())
    issue(ctx, shelf)
    page = client.get("certificates.show", certificate_id=certificate_id)
    assert "There is no key for it yet." in page.text
    with_keys(db, path, now=DONE)
    issue(later(ctx, timedelta(minutes=1)), shelf)
    page = client.get("certificates.show", certificate_id=certificate_id)
    assert "under a certificate that the desk made itself" in page.text
    assert "Download credential" in page.text


def test_certificates_of_before_have_no_credential_and_keep_working(
    client: DeskClient, make: Make, db: Database, ctx: JobContext, shelf: Shelf, path: Path
) -> None:
    (certificate_id,) = promise(db, completed_booking(make, db, "Meena"))
    with db.unit_of_work() as work:
        work.db.execute(
            text("UPDATE certificates SET state = 'issued', issued_at = :now, pdf_sha256 = :sha256"),
            {"now": DONE, "sha256": "a" * 64},
        )
    client.sign_in(make.admin())
    page = client.get("certificates.show", certificate_id=certificate_id)
    assert "Download PDF" in page.text
    assert "Download credential" not in page.text
    assert "made itself" not in page.text
    assert client.get("certificates.credential", certificate_id=certificate_id).status_code == 404
    ((number,),) = rows(db, "SELECT number FROM certificates")
    assert client.get("certificates.verified", number=number).status_code == 200


def test_staff_download_the_credential_and_leave_a_trace(
    client: DeskClient, make: Make, db: Database, ctx: JobContext, path: Path, settings: Settings
) -> None:
    (certificate_id,) = promise(db, completed_booking(make, db, "Meena"))
    assert client.get("certificates.credential", certificate_id=certificate_id).status_code != 200
    with_keys(db, path, now=DONE)
    jobs.issue(ctx, store=store_from_url(settings.certificate_store_url), renderer=Drawer())
    client.sign_in(make.admin())
    answer = client.get("certificates.credential", certificate_id=certificate_id)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/ld+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert json.loads(answer.data)["id"] == f"urn:uuid:{certificate_id}"
    assert rows(db, "SELECT count(*) FROM audit_entries WHERE what = 'certificate.downloaded'") == [(1,)]
