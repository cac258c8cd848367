"""Sending, printing and downloading certificates, as people do it: with htmx and without."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from tests.jobs.builders import PlainKeys, completed_booking, promise, rows
from tests.jobs.letter_box import Box
from tests.jobs.pdfs import SignedLooking, pages_of
from tests.make import Make, Person
from tests.web.client import NOW, Bell, DeskClient
from webapp.certificates import batch_jobs, jobs, letter_jobs
from webapp.certificates.batches import MOST
from webapp.clients.mail import MailRefused
from webapp.clients.stores import BATCHES, store_of
from webapp.config import Settings
from webapp.core import clock
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database

pytestmark = pytest.mark.usefixtures("fresh_limits")


@pytest.fixture
def ctx(db: Database, settings: Settings) -> JobContext:
    return JobContext(settings, db, clock.now)


@pytest.fixture
def issue(make: Make, db: Database, ctx: JobContext) -> Callable[..., list[UUID]]:
    """Issue certificates for students, whose guardians may be written to."""

    def do(*names: str, operator_id: UUID | None = None) -> list[UUID]:
        ids: list[UUID] = []
        for name in names:
            ids += promise(db, completed_booking(make, db, name, operator_id=operator_id), now=NOW)
        with db.unit_of_work() as work:
            work.db.execute(text("UPDATE guardians SET email = 'asha@family.example', name = 'Asha Rao'"))
        jobs.issue(ctx, renderer=SignedLooking(), keys=PlainKeys())
        return ids

    return do


@pytest.fixture
def staff(make: Make, client: DeskClient) -> Person:
    return client.sign_in(make.staff())


def number_of(db: Database, certificate_id: UUID) -> str:
    return str(rows(db, "SELECT number FROM certificates WHERE id = :id", id=certificate_id)[0][0])


# -- by letter -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("htmx", [False, True])
def test_staff_sends_a_certificate_and_sees_what_became_of_it(
    client: DeskClient, staff: Person, issue: Callable[..., list[UUID]], ctx: JobContext, bells: list[Bell], htmx: bool
) -> None:
    (id_,) = issue("Meena Rao")
    page = client.get("certificates.show", certificate_id=id_)
    assert "Send to the family" in page.text
    assert "Asha Rao" in page.text
    assert "asha@family.example" not in page.text, "the name is enough"
    bells.clear()
    sent = client.post("certificate_letters.send", certificate_id=id_, data={"round": 1}, htmx=htmx)
    assert (sent.headers.get("HX-Redirect") or sent.location).endswith(f"/certificates/{id_}")
    assert bells == [(JobName.SEND_CERTIFICATES, {})]
    fragment = client.get("certificate_letters.show", certificate_id=id_, htmx=True).text
    assert fragment.lstrip().startswith('<div id="certificate-letters"')
    assert "every 3s" in fragment
    box = Box()
    assert letter_jobs.send(ctx, mail=box) == 1
    fragment = client.get("certificate_letters.show", certificate_id=id_, htmx=True).text
    assert "Sent" in fragment
    assert "hx-trigger" not in fragment
    assert 'name="round" value="2"' in fragment
    assert client.statements <= 12


def test_a_second_click_is_told_and_an_older_page_sends_nothing(
    client: DeskClient, staff: Person, issue: Callable[..., list[UUID]], db: Database
) -> None:
    (id_,) = issue("Meena Rao")
    for _click in range(2):
        assert client.post("certificate_letters.send", certificate_id=id_, data={"round": 1}).status_code == 303
    assert "It was sent a moment ago." in client.get("certificates.show", certificate_id=id_).text
    assert rows(db, "SELECT count(*) FROM certificate_letters") == [(1,)]


@pytest.mark.parametrize("round", ["", "0", "-1", "x", "100", "7", "１", "1' OR 1=1", "9" * 5000])
def test_a_round_that_makes_no_sense_is_said(
    client: DeskClient, staff: Person, issue: Callable[..., list[UUID]], db: Database, round: str
) -> None:
    (id_,) = issue("Meena Rao")
    answer = client.post("certificate_letters.send", certificate_id=id_, data={"round": round})
    assert answer.status_code in (303, 409) if round == "１" else answer.status_code == 409


def test_a_family_without_consent_is_said_and_has_no_button(
    client: DeskClient, staff: Person, issue: Callable[..., list[UUID]], db: Database
) -> None:
    (id_,) = issue("Meena Rao")
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE guardians SET consent_to_messages = false, consent_at = NULL"))
    page = client.get("certificates.show", certificate_id=id_).text
    assert "agreed to messages, so it cannot be sent" in page
    assert "Send to the family" not in page
    assert client.post("certificate_letters.send", certificate_id=id_, data={"round": 1}).status_code == 409


def test_a_dead_letter_is_seen_and_tried_again(
    client: DeskClient, staff: Person, issue: Callable[..., list[UUID]], ctx: JobContext, db: Database
) -> None:
    (id_,) = issue("Meena Rao")
    assert "No letter was given up" in client.get("certificate_letters.index").text
    client.post("certificate_letters.send", certificate_id=id_, data={"round": 1})
    letter_jobs.send(ctx, mail=Box([MailRefused("recipient-550", permanent=True)]))
    assert "1 letter with a certificate could not be sent" in client.get("certificates.index").text
    for page in (client.get("certificate_letters.index"), client.get("certificates.show", certificate_id=id_)):
        assert "Ask the family for another one" in page.text
    ((letter_id,),) = rows(db, "SELECT id FROM certificate_letters")
    assert client.post("certificate_letters.again", letter_id=letter_id).status_code == 303
    assert letter_jobs.send(ctx, mail=Box()) == 1
    assert "could not be sent" not in client.get("certificates.index").text


def test_nobody_sends_what_is_not_theirs_and_auditors_only_look(
    make: Make, new_client: Callable[[], DeskClient], issue: Callable[..., list[UUID]], db: Database
) -> None:
    (id_,) = issue("Meena Rao", operator_id=make.franchise())
    stranger, auditor = new_client(), new_client()
    stranger.sign_in(make.staff(make.franchise()))
    for answer in (
        stranger.get("certificate_letters.show", certificate_id=id_),
        stranger.post("certificate_letters.send", certificate_id=id_, data={"round": 1}),
        stranger.post("certificate_letters.again", letter_id=uuid4()),
    ):
        assert answer.status_code == 404
    auditor.sign_in(make.auditor())
    page = auditor.get("certificates.show", certificate_id=id_).text
    assert "Send to the family" not in page
    assert auditor.post("certificate_letters.send", certificate_id=id_, data={"round": 1}).status_code == 403
    assert 'type="checkbox"' not in auditor.get("certificates.index").text
    assert auditor.post("certificate_batches.ask", data={}).status_code == 403


# -- in one file -----------------------------------------------------------------------------------------------------


def key_of(page: str) -> str:
    (key,) = re.findall(r'name="key" value="([0-9a-f-]{36})"', page)
    return str(key)


def ask(client: DeskClient, kind: str, *ids: UUID, **more: object) -> str:
    """Ask for a batch from the list; the address of its page."""
    htmx = bool(more.pop("htmx", False))
    data = {
        "key": key_of(client.get("certificates.index").text),
        "kind": kind,
        "which": "ticked",
        "ids": [*map(str, ids)],
    }
    answer = client.post("certificate_batches.ask", data=data | more, htmx=htmx)
    assert answer.status_code in (200, 303), answer.text
    return str(answer.headers.get("HX-Redirect") or answer.location)


@pytest.mark.parametrize("htmx", [False, True])
def test_ticked_certificates_are_printed_as_one_pdf(
    client: DeskClient, staff: Person, issue: Callable[..., list[UUID]], ctx: JobContext, db: Database, htmx: bool
) -> None:
    ids = issue("Meena Rao", "Arun Das", "Ravi K")
    address = ask(client, "pdf", *ids[:2], htmx=htmx)
    waiting = client.get(address, htmx=htmx).text
    assert "every 1s" in waiting
    assert "0 of 2" in waiting
    assert client.get(f"{address}/file").status_code == 404
    assert batch_jobs.make(ctx)
    ready = client.get(address, htmx=htmx).text
    assert "hx-trigger" not in ready
    assert "carry no valid signatures" in ready
    file = client.get(f"{address}/file")
    assert file.mimetype == "application/pdf"
    assert "no-store" in file.headers["Cache-Control"]
    assert re.fullmatch(
        r"attachment; filename=certificates-[0-9-]{10}-[0-9a-f]{6}\.pdf", file.headers["Content-Disposition"]
    )
    assert sorted(pages_of(file.data)) == sorted(number_of(db, id_) for id_ in ids[:2])
    file.close()
    ((shown,),) = rows(db, "SELECT after -> 'shown' FROM audit_entries WHERE what = 'certificate_batch.downloaded'")
    assert shown == sorted(map(str, ids[:2]))
    assert "One PDF to print" in client.get("certificate_batches.index").text


def test_all_that_the_filters_find_is_put_into_a_zip_and_the_rest_is_not(
    client: DeskClient, staff: Person, issue: Callable[..., list[UUID]], ctx: JobContext
) -> None:
    issue(*(f"Meena {number}" for number in range(28)), "Arun Das")
    address = ask(client, "zip", which="all", q="meena", state="issued", page=2)
    batch_jobs.make(ctx)
    assert "28 certificates are in the file" in client.get(address).text
    file = client.get(f"{address}/file")
    with zipfile.ZipFile(io.BytesIO(file.data)) as found:
        assert len(found.namelist()) == 28
        assert not any("Arun" in name for name in found.namelist())
    file.close()


def test_what_is_not_in_the_file_is_named(
    client: DeskClient, staff: Person, issue: Callable[..., list[UUID]], make: Make, ctx: JobContext, db: Database
) -> None:
    (good,) = issue("Good")
    (pending,) = promise(db, completed_booking(make, db, "Pending"), now=NOW + timedelta(days=90))
    address = ask(client, "zip", good, pending)
    batch_jobs.make(ctx)
    page = client.get(address).text
    assert "Not in the file" in page
    assert number_of(db, pending) in page
    assert "It is not issued" in page


def test_nothing_ticked_is_said_on_the_same_list(
    client: DeskClient, staff: Person, issue: Callable[..., list[UUID]]
) -> None:
    issue(*(f"Meena {number}" for number in range(26)))
    key = key_of(client.get("certificates.index").text)
    for htmx in (False, True):
        answer = client.post(
            "certificate_batches.ask", data={"key": key, "kind": "pdf", "which": "ticked", "q": "meena"}, htmx=htmx
        )
        assert answer.status_code == 422
        assert "Tick at least one certificate." in answer.text
        assert "/certificates?q=meena&amp;page=2" in answer.text, "its pages are the list's"


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "exe"},
        {"which": "some"},
        {"ids": ["rubbish"]},
        {"ids": ["'; DROP TABLE certificates; --"]},
        {"key": "rubbish"},
        {"key": ""},
        {"kind": "", "which": ""},
        {"state": "rubbish"},
        {"q": "a\x00b"},
    ],
)
def test_bad_input_is_said_and_makes_nothing(
    client: DeskClient, staff: Person, issue: Callable[..., list[UUID]], db: Database, wrong: dict[str, object]
) -> None:
    (id_,) = issue("Meena")
    data = {"key": str(uuid4()), "kind": "pdf", "which": "ticked", "ids": [str(id_)]} | wrong
    assert client.post("certificate_batches.ask", data=data).status_code == 422
    assert rows(db, "SELECT count(*) FROM certificate_batches") == [(0,)]


def test_more_than_a_thousand_are_refused(
    client: DeskClient, staff: Person, issue: Callable[..., list[UUID]], db: Database
) -> None:
    issue("Meena")
    with db.unit_of_work() as work:
        work.db.execute(
            text(
                "INSERT INTO certificates (id, operator_id, booking_id, student_id, number, token, state, payload,"
                " awarded_on, created_at, attempts, next_at, replaced_by_id, issued_at, pdf_sha256,"
                " salt, awarded_at, valid_from)"
                " SELECT gen_random_uuid(), c.operator_id, c.booking_id, c.student_id,"
                " 'ZD-27-' || lpad(n::text, 5, '0') || '-00000', n::text, 'replaced', c.payload, c.awarded_on,"
                " c.created_at, 0, c.next_at, c.id, c.issued_at, c.pdf_sha256,"
                " c.salt, c.awarded_at, c.valid_from"
                " FROM certificates c, generate_series(1, :most) AS n"
            ),
            {"most": MOST},
        )
    key = key_of(client.get("certificates.index").text)
    answer = client.post("certificate_batches.ask", data={"key": key, "kind": "pdf", "which": "all"})
    assert answer.status_code == 422
    assert "at most 1000 certificates" in answer.text


def test_a_foreign_certificate_is_one_that_does_not_exist(
    client: DeskClient, staff: Person, make: Make, issue: Callable[..., list[UUID]], db: Database
) -> None:
    (own,), (foreign,) = issue("Own"), issue("Foreign", operator_id=make.franchise())
    for id_ in (foreign, uuid4()):
        data = {"key": str(uuid4()), "kind": "pdf", "which": "ticked", "ids": [str(own), str(id_)]}
        assert client.post("certificate_batches.ask", data=data).status_code == 404
    assert rows(db, "SELECT count(*) FROM certificate_batches") == [(0,)]


def test_a_batch_is_whose_who_asked_alone(
    client: DeskClient,
    new_client: Callable[[], DeskClient],
    staff: Person,
    make: Make,
    issue: Callable[..., list[UUID]],
    ctx: JobContext,
) -> None:
    address = ask(client, "pdf", *issue("Meena"))
    batch_jobs.make(ctx)
    for nosy in (make.staff(), make.admin(), make.auditor()):
        other = new_client()
        other.sign_in(nosy)
        assert other.get(address).status_code == 404
        assert other.get(f"{address}/file").status_code == 404


def test_after_a_day_the_file_is_gone_and_the_page_says_why(
    client: DeskClient,
    new_client: Callable[[], DeskClient],
    staff: Person,
    issue: Callable[..., list[UUID]],
    ctx: JobContext,
    at: Callable[..., None],
) -> None:
    address = ask(client, "pdf", *issue("Meena"))
    batch_jobs.make(ctx)
    at(NOW + timedelta(days=1))
    late = new_client()
    late.sign_in(staff)
    assert late.get(f"{address}/file").status_code == 404
    assert "The file is gone" in late.get(address).text


def test_a_file_that_is_lost_and_a_store_that_is_away_are_said(
    client: DeskClient,
    staff: Person,
    issue: Callable[..., list[UUID]],
    ctx: JobContext,
    app: Flask,
    settings: Settings,
    db: Database,
) -> None:
    (id_,) = issue("Meena")
    address = ask(client, "pdf", id_)
    batch_jobs.make(ctx)
    away = settings.model_copy(
        update={
            "certificate_store": "s3://bucket",
            "certificate_store_endpoint": "http://127.0.0.1:9",
            "certificate_store_region": "us-east-1",
            "certificate_store_key_id": "x",
            "certificate_store_secret": "y",
        }
    )
    try:
        app.extensions["settings"] = away
        for file in (f"{address}/file", f"/certificates/{id_}/pdf"):
            answer = client.get(file)
            assert answer.status_code == 503
            assert "does not answer" in answer.text
    finally:
        app.extensions["settings"] = settings
    ((sha256,),) = rows(db, "SELECT file_sha256 FROM certificate_batches")
    store_of(settings, area=BATCHES).remove(str(sha256))
    assert client.get(f"{address}/file").status_code == 404


def test_batches_are_counted_as_exports(
    client: DeskClient, staff: Person, issue: Callable[..., list[UUID]], app: Flask, ctx: JobContext, settings: Settings
) -> None:
    ids = issue("A", "B", "C")
    try:
        app.extensions["settings"] = settings.model_copy(update={"export_rate": "2 per hour"})
        for id_ in ids[:2]:
            batch_jobs.make(ctx)
            assert client.get(ask(client, "zip", id_)).status_code == 200, "looking on is no export"
        data = {"key": str(uuid4()), "kind": "zip", "which": "ticked", "ids": [str(ids[2])]}
        answer = client.post("certificate_batches.ask", data=data)
    finally:
        app.extensions["settings"] = settings
    assert answer.status_code == 429
    assert answer.headers["Retry-After"]


def test_the_list_keeps_what_was_ticked_when_it_is_refused(
    client: DeskClient, staff: Person, issue: Callable[..., list[UUID]]
) -> None:
    (id_,) = issue("Meena")
    data = {"key": str(uuid4()), "kind": "exe", "which": "ticked", "ids": [str(id_)]}
    page = client.post("certificate_batches.ask", data=data).text
    assert re.search(rf'value="{id_}"[^>]* checked', page)
