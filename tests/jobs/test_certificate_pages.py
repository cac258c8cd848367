"""The certificates' pages for staff, and the public verification."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from tests.jobs.builders import DONE, Completed, PlainKeys, PlainRenderer, completed_booking, promise, revoke, rows
from tests.make import Make
from tests.web.client import Bell, DeskClient
from webapp.certificates import jobs
from webapp.certificates.rules import draw_number
from webapp.clients.files import store_from_url
from webapp.config import Settings
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database

Table = list[tuple[object, ...]]


@dataclass
class Issued:
    """A desk with one issued certificate of the company's, and what its link carries."""

    booking: Completed
    id: UUID
    number: str
    token: str
    others: list[UUID] = field(default_factory=list)


@pytest.fixture
def issued(make: Make, db: Database, ctx: JobContext) -> Issued:
    booking = completed_booking(make, db, "Meena Rao")
    (certificate_id,) = promise(db, booking)
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    ((number, token),) = rows(db, "SELECT number, token FROM certificates")
    return Issued(booking, certificate_id, str(number), str(token))


@pytest.fixture
def pending(make: Make, db: Database) -> UUID:
    (certificate_id,) = promise(db, completed_booking(make, db, "Arun Das"))
    return certificate_id


def set_state(db: Database, certificate_id: UUID, change: str) -> None:
    with db.unit_of_work() as work:
        work.db.execute(text(f"UPDATE certificates SET {change} WHERE id = :id"), {"id": certificate_id})


def test_the_list_finds_by_number_name_and_state(
    client: DeskClient, make: Make, issued: Issued, pending: UUID, db: Database
) -> None:
    client.sign_in(make.staff())
    page = client.get("certificates.index").text
    assert "Meena Rao" in page
    assert "Arun Das" in page
    for query in ({"state": "issued"}, {"q": "meena"}, {"q": issued.number.lower().replace("-", " ")}):
        page = client.get("/certificates", query_string=query).text
        assert "Meena Rao" in page
        assert "Arun Das" not in page
    assert client.statements <= 12
    assert "No certificate fits" in client.get("/certificates", query_string={"q": "100%"}).text


@pytest.mark.parametrize("query", [{"state": "rubbish"}, {"q": "a\x00b"}])
def test_filters_that_make_no_sense_are_said_and_never_reach_sql(
    client: DeskClient, make: Make, query: dict[str, str]
) -> None:
    client.sign_in(make.staff())
    assert client.get("/certificates", query_string=query).status_code == 422


def test_staff_of_another_operator_cannot_tell_that_it_exists(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, issued: Issued
) -> None:
    client.sign_in(make.staff(make.franchise()))
    assert "Meena Rao" not in client.get("certificates.index").text
    for address in (f"/certificates/{issued.id}", f"/certificates/{issued.id}/pdf"):
        assert client.get(address).status_code == 404
    manager = new_client()
    manager.sign_in(make.admin())
    assert manager.get("certificates.show", certificate_id=issued.id).status_code == 200


def test_the_page_asks_again_only_while_the_certificate_is_made(
    client: DeskClient, make: Make, pending: UUID, ctx: JobContext
) -> None:
    client.sign_in(make.staff())
    assert "every 2s" in client.get("certificates.show", certificate_id=pending).text
    fragment = client.get("certificates.show", certificate_id=pending, htmx=True).text
    assert fragment.lstrip().startswith('<div id="certificate-state"')
    assert client.get("certificates.pdf", certificate_id=pending).status_code == 404
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    fragment = client.get("certificates.show", certificate_id=pending, htmx=True).text
    assert "hx-trigger" not in fragment
    assert f"/certificates/{pending}/pdf" in fragment
    assert client.statements <= 12


def test_the_file_comes_as_an_attachment_nobody_caches(client: DeskClient, make: Make, issued: Issued) -> None:
    client.sign_in(make.staff())
    answer = client.get("certificates.pdf", certificate_id=issued.id)
    assert answer.data == f"%PDF {issued.number} Meena Rao".encode()
    assert answer.mimetype == "application/pdf"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="certificate-{issued.number}.pdf"'
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_lost_file_is_said_and_is_no_500(
    client: DeskClient, make: Make, issued: Issued, settings: Settings, db: Database
) -> None:
    ((sha256,),) = rows(db, "SELECT pdf_sha256 FROM certificates WHERE id = :id", id=issued.id)
    store = store_from_url(settings.certificate_store_url)
    content = store.get(str(sha256))
    store.remove(str(sha256))
    client.sign_in(make.staff())
    answer = client.get("certificates.pdf", certificate_id=issued.id)
    assert answer.status_code == 404
    assert "The file of this certificate is missing" in answer.text
    assert store.put(content, media_type="application/pdf") == sha256
    assert client.get("certificates.pdf", certificate_id=issued.id).data == content


def test_an_admin_has_a_failed_one_made_again_and_staff_cannot(
    client: DeskClient,
    new_client: Callable[[], DeskClient],
    make: Make,
    pending: UUID,
    db: Database,
    bells: list[Bell],
) -> None:
    set_state(db, pending, "state = 'failed', last_error = 'not-stored', attempts = 12")
    staff = new_client()
    staff.sign_in(make.staff())
    assert "An admin can have it made again" in staff.get("certificates.show", certificate_id=pending).text
    assert staff.post("certificates.retry", certificate_id=pending).status_code == 403

    client.sign_in(make.admin())
    assert "Check the disk space" in client.get("certificates.show", certificate_id=pending).text
    bells.clear()
    assert client.post("certificates.retry", certificate_id=pending).status_code == 303
    assert bells == [(JobName.ISSUE_CERTIFICATES, {})]
    assert rows(db, "SELECT state, attempts FROM certificates") == [("pending", 0)]
    assert client.post("certificates.retry", certificate_id=pending).status_code == 409


@pytest.mark.parametrize("problem", ["not-drawable", "no-answer", "unexpected-ValueError"])
def test_every_kind_of_failure_has_words(
    client: DeskClient, make: Make, pending: UUID, db: Database, problem: str
) -> None:
    set_state(db, pending, f"state = 'failed', last_error = '{problem}'")
    client.sign_in(make.admin())
    page = client.get("certificates.show", certificate_id=pending)
    assert page.status_code == 200
    assert "Try again" in page.text


# -- verification --------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def unlimited(request: pytest.FixtureRequest, app: Flask) -> Iterator[None]:
    """Counting requests is the matter of one test; the others start at zero."""
    from webapp.web.limits import limiter

    limiter.reset()
    yield
    limiter.reset()


def test_a_number_alone_tells_course_and_issuer_and_no_name(client: DeskClient, issued: Issued) -> None:
    answer = client.get(f"/verify/{issued.number}")
    assert answer.status_code == 200
    assert "This certificate is valid" in answer.text
    assert issued.number in answer.text
    assert "Meena" not in answer.text
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert 1 <= client.statements <= 3


def test_the_link_of_the_certificate_tells_whose_it_is(client: DeskClient, issued: Issued) -> None:
    assert "Meena Rao" in client.get(f"/verify/{issued.number}/{issued.token}").text


@pytest.mark.parametrize("token", ["x", "A" * 32, "మీనా", "%00"])
def test_a_wrong_token_counts_as_none(client: DeskClient, issued: Issued, token: str) -> None:
    bare, wrong = client.get(f"/verify/{issued.number}"), client.get(f"/verify/{issued.number}/{token}")
    assert wrong.status_code == 200
    assert "Meena" not in wrong.text
    assert "This certificate is valid" in wrong.text
    assert len(wrong.text) == len(bare.text)


def test_any_spelling_of_the_number_will_do(client: DeskClient, issued: Issued) -> None:
    typed = issued.number.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    answer = client.get("/verify", query_string={"number": typed})
    assert answer.status_code == 303
    assert answer.location.endswith(f"/verify/{issued.number}")


def test_a_mistyped_number_is_told_in_the_form(client: DeskClient, issued: Issued) -> None:
    wrong = issued.number[:-1] + ("2" if issued.number[-1] != "2" else "3")
    answer = client.get("/verify", query_string={"number": wrong})
    assert answer.status_code == 422
    assert "This cannot be a certificate number" in answer.text
    assert client.get("/verify", query_string={"number": ""}).status_code == 422
    assert client.get("/verify").status_code == 200


def test_numbers_that_are_wrong_unknown_or_not_issued_look_alike(
    client: DeskClient, issued: Issued, pending: UUID, db: Database
) -> None:
    ((waiting,),) = rows(db, "SELECT number FROM certificates WHERE state = 'pending'")
    answers = [client.get(f"/verify/{number}") for number in ("rubbish", draw_number(DONE.year), waiting)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({len(answer.text) for answer in answers}) == 1
    assert "Certificate not found" in answers[0].text


def test_a_revoked_certificate_says_so_first(client: DeskClient, issued: Issued, db: Database) -> None:
    revoke(db, issued.id, words="It was altered <b>by hand</b>.")
    page = client.get(f"/verify/{issued.number}").text
    assert "This certificate was revoked" in page
    assert "It was revoked on Tue 2 Mar 2027" in page
    assert "Reason: It was issued by mistake." in page
    assert "It was altered &lt;b&gt;by hand&lt;/b&gt;." in page
    assert page.index("was revoked") < page.index(issued.number)
    assert client.statements == 1
    assert "is valid" not in page


def test_trying_numbers_out_is_slowed_down(client: DeskClient) -> None:
    codes = [client.get(f"/verify/{draw_number(2027)}").status_code for _ in range(11)]
    assert codes == [404] * 10 + [429]
    assert client.get("/verify").status_code == 200, "the form itself stays open"


def test_who_opens_a_certificate_and_who_takes_its_file_home_leaves_a_trace(
    client: DeskClient, make: Make, issued: Issued, db: Database
) -> None:
    person = client.sign_in(make.staff())
    for _ in range(2):
        client.get("certificates.show", certificate_id=issued.id)
        client.get("certificates.show", certificate_id=issued.id, htmx=True)
        client.get("certificates.pdf", certificate_id=issued.id)
    told = rows(
        db,
        "SELECT what, subject_id, after->>'on', after->>'household', actor_id FROM audit_entries"
        " WHERE what IN ('household.read', 'certificate.downloaded') ORDER BY id",
    )
    ((household,),) = rows(db, "SELECT household_id FROM bookings")
    assert told == [
        ("household.read", household, "certificates.show", None, person.id),
        ("certificate.downloaded", issued.id, None, str(household), person.id),
    ]
