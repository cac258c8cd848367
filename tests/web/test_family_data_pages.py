"""Giving out and erasing what is held of a family, on pages: who may, what they see, and what is left afterwards."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from tests.jobs.builders import rows
from tests.make import Make
from tests.rooms.family_story import GUARDIAN, LATER, SECRETS, Family, family_with_everything, revoke_one
from tests.web.client import DeskClient
from webapp.certificates.jobs import erase_files
from webapp.clients.files import LocalFileStore, store_from_url
from webapp.config import Settings
from webapp.core.ids import new_id
from webapp.core.names import ERASED
from webapp.db.job_context import JobContext
from webapp.db.work import Database

ERASE = {"reason": "asked_for", "confirmation": " sitalakshmi  DEVARAKONDA"}


@pytest.fixture
def store(settings: Settings) -> LocalFileStore:
    found = store_from_url(settings.certificate_store_url)
    assert isinstance(found, LocalFileStore)
    return found


@pytest.fixture
def family(make: Make, db: Database, settings: Settings, store: LocalFileStore, at: Callable[[object], None]) -> Family:
    family = family_with_everything(make, db, settings, store)
    at(LATER)
    return family


NAMELESS = {"/", "/enquiries?status=all"}
"""Name nobody afterwards: nobody is to be called back, and an enquiry without a name is one like any other."""


def erased(client: DeskClient, family: Family) -> None:
    client.sign_in(family.admin)
    assert client.post("desk.erase_family", household_id=family.id, data=ERASE).status_code == 303


# Who may


def test_staff_neither_gives_out_nor_erases(client: DeskClient, family: Family, make: Make) -> None:
    for person in (family.staff, make.staff(), make.auditor()):
        client.sign_in(person)
        assert client.get("desk.family_data_of", household_id=family.id).status_code == 403
        assert client.post("desk.export_family", household_id=family.id).status_code == 403
        assert client.post("desk.erase_family", household_id=family.id, data=ERASE).status_code == 403
        if person is not family.staff:
            continue
        assert "/data" not in client.get("households.show", household_id=family.id).text


def test_a_manager_gives_out_their_own_family_and_does_not_erase(
    client: DeskClient, family: Family, db: Database
) -> None:
    client.sign_in(family.manager)
    assert "Give out what we hold" in client.get("households.show", household_id=family.id).text
    page = client.get("desk.family_data_of", household_id=family.id)
    assert client.statements <= 12
    assert "2 bookings, 40 sessions, 2 certificates, 1 enquiry" in page.text
    assert "Erase" not in page.text
    given = client.post("desk.export_family", household_id=family.id)
    assert (given.status_code, given.mimetype) == (200, "application/zip")
    assert "no-store" in given.headers["Cache-Control"]
    assert "Devarakonda" not in given.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(given.data)) as file:
        assert json.loads(file.read("family.json"))["guardians"][0]["name"] == GUARDIAN
        assert len([name for name in file.namelist() if name.startswith("certificates/")]) == 2
    told = rows(db, "SELECT after, actor_name, subject_id FROM audit_entries WHERE what = 'household.exported'")
    assert told == [({"files": 2, "files_missing": 0}, family.manager.name, family.id)]
    assert client.post("desk.erase_family", household_id=family.id, data=ERASE).status_code == 403


def test_a_foreign_family_answers_like_one_that_is_not_there(client: DeskClient, family: Family, make: Make) -> None:
    client.sign_in(make.manager())
    for method, endpoint in (("GET", "desk.family_data_of"), ("POST", "desk.export_family")):
        answers = [
            client.open(endpoint, method=method, household_id=household_id) for household_id in (family.id, new_id())
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        bodies = {_without_ids(answer.text) for answer in answers}
        assert len(bodies) == 1, "nothing tells that one of them exists"
    client.sign_in(family.admin)
    assert client.post("desk.erase_family", household_id=new_id(), data=ERASE).status_code == 404


def test_nothing_is_given_out_without_being_noted(
    client: DeskClient, family: Family, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("the audit cannot be written")

    client.sign_in(family.manager)
    monkeypatch.setattr("webapp.desk.views.family_data.audit.record", full)
    answer = client.post("desk.export_family", household_id=family.id)
    assert (answer.status_code, answer.mimetype) == (500, "text/html")


def test_a_missing_file_is_said_and_the_rest_is_given_out(
    client: DeskClient, family: Family, db: Database, store: LocalFileStore
) -> None:
    store.remove(str(rows(db, "SELECT pdf_sha256 FROM certificates LIMIT 1")[0][0]))
    client.sign_in(family.manager)
    assert client.post("desk.export_family", household_id=family.id).status_code == 200
    assert rows(db, "SELECT after FROM audit_entries WHERE what = 'household.exported'") == [
        ({"files": 1, "files_missing": 1},)
    ]


# Erasing


def test_an_admin_reads_what_goes_and_what_stays_and_erases(client: DeskClient, family: Family) -> None:
    client.sign_in(family.admin)
    page = client.get("desk.family_data_of", household_id=family.id)
    assert client.statements <= 12
    for said in ("What goes", "What stays, and why", "This cannot be undone.", f"Type {GUARDIAN} to confirm."):
        assert said in page.text
    answer = client.post("desk.erase_family", household_id=family.id, data=ERASE)
    assert (answer.status_code, answer.location) == (303, f"/households/{family.id}")
    page = client.get(answer.location)
    assert "Erased family" in page.text
    assert "The family&#39;s data was erased." in page.text
    assert "The data of this family was erased on" in page.text
    again = client.post("desk.erase_family", household_id=family.id, data={})
    assert (again.status_code, again.location) == (303, f"/households/{family.id}"), "erasing twice does no harm"
    assert "nothing left to give out" in client.get("desk.family_data_of", household_id=family.id).text
    assert client.post("desk.export_family", household_id=family.id).status_code == 409


@pytest.mark.parametrize("htmx", [False, True])
def test_without_a_reason_and_the_name_nothing_happens(
    client: DeskClient, family: Family, db: Database, htmx: bool
) -> None:
    client.sign_in(family.admin)
    for change in (
        {"reason": ""},
        {"reason": "restored"},
        {"reason": "rubbish"},
        {"confirmation": ""},
        {"confirmation": "Gopal Gorantla"},
        {"confirmation": "\x00"},
    ):
        answer = client.post("desk.erase_family", household_id=family.id, data=ERASE | change, htmx=htmx)
        assert answer.status_code == 422, change
        assert ("<h1" in answer.text) is not htmx
        assert "There is a problem" in answer.text or "There are 2 problems" in answer.text
    assert rows(db, "SELECT count(*) FROM households WHERE erased_at IS NOT NULL") == [(0,)]


def test_a_live_booking_is_named_and_linked(client: DeskClient, family: Family, make: Make, db: Database) -> None:
    with db.unit_of_work() as work:
        back = "UPDATE bookings SET status = 'in_progress', completed_at = NULL WHERE status = 'completed'"
        work.db.execute(text(back))
    client.sign_in(family.admin)
    page = client.get("desk.family_data_of", household_id=family.id)
    assert "A booking of this family is still live" in page.text
    assert "erase-form" not in page.text
    for htmx in (False, True):
        answer = client.post("desk.erase_family", household_id=family.id, data=ERASE, htmx=htmx)
        assert answer.status_code == 409
        assert "Cancel it or see it through, then erase." in answer.text


def test_it_works_with_htmx(client: DeskClient, family: Family) -> None:
    client.sign_in(family.admin)
    answer = client.post("desk.erase_family", household_id=family.id, data=ERASE, htmx=True)
    assert answer.headers["HX-Redirect"] == f"/households/{family.id}"


# What is left


def test_every_page_says_erased_family_and_no_page_shows_the_mark_or_a_name(
    app: Flask, client: DeskClient, family: Family, db: Database
) -> None:
    """Each page of each thing the family had, and each list; before, each of them names somebody."""
    revoke_one(db)
    client.sign_in(family.admin)
    addresses = _pages_of(db, family)
    named = {address for address in addresses if _secrets_in(client.get(address).text)}
    assert len(named) >= 9
    erased(client, family)
    for address in addresses:
        page = client.get(address)
        assert page.status_code == 200, address
        assert client.statements <= 12, address
        assert not _secrets_in(page.text), address
        assert ERASED not in page.text, f"{address} shows the mark itself"
        if address in named - NAMELESS:
            assert "Erased family" in page.text, address


def test_a_certificate_is_still_verified_and_its_file_is_gone(
    client: DeskClient, family: Family, db: Database, settings: Settings, store: LocalFileStore, at: object
) -> None:
    before = rows(db, "SELECT id, number, token, pdf_sha256 FROM certificates ORDER BY id")
    revoke_one(db)
    certificate_id, number, token, sha256 = before[-1]
    named = client.get("certificates.verified", number=number, token=token)
    assert "Devarakonda" in named.text
    erased(client, family)
    for url in ({"number": number, "token": token}, {"number": number}):
        page = client.get("certificates.verified", **url)
        assert page.status_code == 200
        assert "This certificate is genuine" in page.text
        assert "The holder's data was erased on" in page.text
        assert str(sha256) in page.text
        assert not _secrets_in(page.text)
        assert "Awarded to" not in page.text
    revoked = client.get("certificates.verified", number=before[0][1])
    assert "This certificate was revoked" in revoked.text
    gone = client.get("certificates.pdf", certificate_id=certificate_id)
    assert gone.status_code == 404
    assert "the file of this certificate with it" in gone.text
    shown = client.get("certificates.show", certificate_id=certificate_id)
    assert "Its file is being removed." in shown.text
    assert "Download PDF" not in shown.text
    assert erase_files(JobContext(settings, db, lambda: LATER), store=store) == 2
    assert "Its file is gone." in client.get("certificates.show", certificate_id=certificate_id).text


def test_a_failed_certificate_of_an_erased_family_is_not_made_again(
    client: DeskClient, family: Family, db: Database
) -> None:
    with db.unit_of_work() as work:
        work.db.execute(
            text(
                "INSERT INTO certificates (id, operator_id, booking_id, student_id, number, token, state, payload,"
                " salt, awarded_on, awarded_at, valid_from, created_at, attempts, next_at, last_error)"
                " SELECT gen_random_uuid(), c.operator_id, b.id, c.student_id, 'ZD-27-00000-00000', 'a-link',"
                " 'failed', c.payload, repeat('0', 32), c.awarded_on, c.awarded_at, c.valid_from, c.created_at, 12,"
                " c.next_at, 'not-drawable' FROM certificates c, bookings b WHERE b.status = 'cancelled' LIMIT 1"
            )
        )
    erased(client, family)
    (failed,) = rows(db, "SELECT id FROM certificates WHERE state = 'failed'")[0]
    page = client.get("certificates.show", certificate_id=failed)
    assert "It is not made any more." in page.text
    assert "Try again" not in page.text
    assert client.post("certificates.retry", certificate_id=failed).status_code == 409


def test_the_erased_family_is_offered_for_no_booking(client: DeskClient, family: Family) -> None:
    erased(client, family)
    page = client.get("households.show", household_id=family.id)
    assert "/apart" not in page.text
    assert "New booking" not in page.text.partition("<main")[2]
    assert client.get("desk.new_booking", household=str(family.id)).status_code == 200
    assert "No family matches" in client.get("households.index", q="Devarakonda").text


def _secrets_in(page: str) -> set[str]:
    return {secret for secret in SECRETS if secret in page}


def _without_ids(page: str) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|nonce=\"[^\"]*\"|[A-Za-z0-9_.-]{60,}", "", page)


def _pages_of(db: Database, family: Family) -> list[str]:
    def ids(table: str, condition: str = "true") -> list[UUID]:
        found = rows(db, f"SELECT id FROM {table} WHERE {condition} ORDER BY id")
        return [UUID(str(row[0])) for row in found]

    return [
        "/",
        "/households",
        f"/households/{family.id}",
        f"/households/{family.id}/data",
        "/bookings",
        *(f"/bookings/{id_}" for id_ in ids("bookings")),
        "/enquiries?status=all",
        "/approvals",
        *(f"/approvals/{id_}" for id_ in ids("assignments")),
        "/sessions?day=2027-01-06",
        *(f"/sessions/{id_}" for id_ in ids("course_sessions", "number IN (1, 3)")),
        "/certificates",
        *(f"/certificates/{id_}" for id_ in ids("certificates")),
        *(f"/trainers/{id_}" for id_ in ids("trainers")),
    ]
