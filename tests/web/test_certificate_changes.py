"""The pages on which two people revoke a certificate, and on which one is made anew under the right name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.jobs.builders import (
    DONE,
    Completed,
    PlainKeys,
    PlainRenderer,
    ask,
    completed_booking,
    confirm,
    promise,
    revoke,
    rows,
    somebody,
)
from tests.make import Make
from tests.web.client import DeskClient
from webapp.certificates import jobs
from webapp.certificates.rules import RequestKind
from webapp.config import Settings
from webapp.core.actor import FRESH_FOR
from webapp.core.ids import new_id
from webapp.db.job_context import JobContext
from webapp.db.work import Database

WORDS = "It was issued for another course."
ASKED = {"reason": "misused", "words": WORDS}


@pytest.fixture
def ctx(db: Database, settings: Settings, at: Callable[[datetime], None]) -> JobContext:
    """A job's context on the test's transaction; everybody's clock stands at ``DONE``."""
    at(DONE)
    return JobContext(settings, db, lambda: DONE)


@pytest.fixture
def booking(make: Make, db: Database) -> Completed:
    return completed_booking(make, db, "Meena Roa", operator_id=make.franchise())


@pytest.fixture
def issued(booking: Completed, db: Database, ctx: JobContext) -> UUID:
    (certificate_id,) = promise(db, booking)
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    return certificate_id


def renamed(db: Database, name: str = "Meena Rao") -> None:
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE students SET name = :name"), {"name": name})


def states(db: Database) -> list[object]:
    return [state for (state,) in rows(db, "SELECT state FROM certificates ORDER BY id")]


def test_one_asks_another_confirms_and_everybody_sees_it_at_once(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, issued: UUID, db: Database
) -> None:
    one, other, anybody = client, new_client(), new_client()
    asker, decider = one.sign_in(make.admin()), other.sign_in(make.admin())
    assert f"/certificates/{issued}/revoke" in one.get("certificates.show", certificate_id=issued).text
    assert "Ask for the revocation" in one.get("certificate_changes.revoke", certificate_id=issued).text
    answer = one.post("certificate_changes.revoke", certificate_id=issued, data=ASKED)
    assert answer.status_code == 303
    page = one.get(answer.location)
    assert "so somebody else has to confirm it" in page.text
    assert "Confirm: revoke" not in page.text
    assert states(db) == ["issued"]

    assert "1 waiting" not in one.get("courses.index").text
    home = other.get("desk.home").text
    assert 'aria-label="1 waiting"' in home
    assert "Certificates to decide on" in home
    listed = other.get("certificate_changes.index").text
    assert asker.name in listed
    page = other.get(answer.location)
    assert WORDS in page.text
    assert asker.name in page.text
    done = other.post(f"{answer.location}/confirm")
    assert (done.status_code, done.location) == (303, f"/certificates/{issued}")
    shown = other.get(done.location).text
    assert WORDS in shown
    assert f"{decider.name} confirmed it" in shown
    ((number,),) = rows(db, "SELECT number FROM certificates")
    public = anybody.get(f"/verify/{number}")
    assert WORDS in public.text
    assert "It was misused" in public.text
    assert asker.name not in public.text
    assert decider.name not in public.text
    assert public.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({}, "Choose a reason."),
        ({"reason": "rubbish", "words": WORDS}, "reason-error"),
        ({"reason": "settled", "words": WORDS}, "reason-error"),
        ({"reason": "misused", "words": " "}, "Say in a sentence why"),
        ({"reason": "misused", "words": "x" * 401}, "Use at most 400 characters."),
        ({"reason": "misused", "words": "x" * 10_000}, "Use at most 400 characters."),
        ({"reason": "misused", "words": "Meena altered it"}, "Do not name the student"),
        ({"reason": "misused", "words": "a\x00b"}, "Remove the invisible characters"),
    ],
)
def test_bad_input_is_told_in_the_form(
    client: DeskClient, make: Make, issued: UUID, db: Database, data: dict[str, str], told: str, htmx: bool
) -> None:
    client.sign_in(make.admin())
    answer = client.post("certificate_changes.revoke", certificate_id=issued, data=data, htmx=htmx)
    assert answer.status_code == 422
    assert told in answer.text
    assert answer.text.lstrip().startswith("<form" if htmx else "<!doctype")
    assert rows(db, "SELECT count(*) FROM certificate_requests") == [(0,)]


def test_htmx_is_led_on(client: DeskClient, make: Make, issued: UUID) -> None:
    client.sign_in(make.admin())
    answer = client.post("certificate_changes.revoke", certificate_id=issued, data=ASKED, htmx=True)
    assert answer.status_code == 200
    assert answer.headers["HX-Redirect"].startswith("/certificates/requests/")


def test_whoever_asked_is_told_that_somebody_else_has_to_confirm(
    client: DeskClient, make: Make, issued: UUID, db: Database
) -> None:
    admin = client.sign_in(make.admin())
    request_id = ask(db, issued, by=admin.actor)
    for verb in ("confirm", "refuse"):
        answer = client.post(f"/certificates/requests/{request_id}/{verb}")
        assert answer.status_code == 403
        assert "You asked for this yourself. Somebody else has to confirm it." in answer.text
    assert states(db) == ["issued"]
    assert client.post(f"/certificates/requests/{request_id}/withdraw").status_code == 303
    assert rows(db, "SELECT state FROM certificate_requests") == [("withdrawn",)]


def test_who_comes_second_hears_who_decided_and_when(
    client: DeskClient, make: Make, issued: UUID, db: Database
) -> None:
    request_id, first = ask(db, issued), somebody()
    client.sign_in(make.admin())
    confirm(db, request_id, by=first)
    answer = client.post("certificate_changes.confirm", request_id=request_id)
    assert answer.status_code == 409
    assert f"{first.name} confirmed this on 2 Mar 2027, 09:00 IST." in answer.text
    answer = client.post("certificate_changes.refuse", request_id=request_id, htmx=True)
    assert answer.status_code == 409
    assert answer.text.lstrip().startswith('<div id="certificate-request"')


def test_a_refused_one_stays_as_it_is(client: DeskClient, make: Make, issued: UUID, db: Database) -> None:
    client.sign_in(make.admin())
    assert client.post("certificate_changes.refuse", request_id=ask(db, issued)).status_code == 303
    assert states(db) == ["issued"]
    assert "refused it" in client.get("certificates.show", certificate_id=issued).text


def test_only_admins_with_a_fresh_second_factor_come_near(
    client: DeskClient,
    new_client: Callable[[], DeskClient],
    make: Make,
    booking: Completed,
    issued: UUID,
    db: Database,
    at: Callable[[datetime], None],
) -> None:
    request_id = ask(db, issued)
    pages = [f"/certificates/{issued}/revoke", f"/certificates/{issued}/revoked-anew"]
    pages += [f"/certificates/requests/{request_id}"]
    acts = [*pages[:2], *(f"{pages[2]}/{verb}" for verb in ("confirm", "refuse", "withdraw"))]
    for person in (make.staff(booking.operator_id), make.manager(booking.operator_id), make.staff(), make.auditor()):
        browser = new_client()
        browser.sign_in(person)
        assert [browser.get(page).status_code for page in pages] == [403] * 3
        assert [browser.post(act).status_code for act in acts] == [403] * 5
        seen = browser.get("certificate_changes.index").text
        assert "Decide" not in seen
        assert ("Waits for a second person" in browser.get(f"/certificates/{issued}").text) is (
            person.actor.reaches(booking.operator_id or new_id())
        )
    client.sign_in(make.admin())
    at(DONE + FRESH_FOR + timedelta(seconds=1))
    assert {client.get(page).location.split("?")[0] for page in pages} == {"/confirm"}
    assert {client.post(act).location.split("?")[0] for act in acts} == {"/confirm"}
    assert states(db) == ["issued"]


def test_the_page_says_why_it_cannot_be_revoked(
    client: DeskClient, make: Make, booking: Completed, db: Database, ctx: JobContext
) -> None:
    client.sign_in(make.admin())
    (certificate_id,) = promise(db, booking)
    url = f"/certificates/{certificate_id}/revoke"
    assert "This certificate is being made." in client.get(url).text
    assert client.post(url, data=ASKED).status_code == 409
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    request_id = ask(db, certificate_id)
    assert "waits for a second person" in client.get(url).text
    confirm(db, request_id)
    assert "Two people have to agree to make it anew" in client.get(url).text


def test_the_list_says_when_nothing_waits(client: DeskClient, make: Make, db: Database) -> None:
    client.sign_in(make.admin())
    assert "Nothing waits for a second person." in client.get("certificate_changes.index").text
    assert client.get("/certificates/confirmations?page=9").status_code == 200


def test_an_unknown_or_foreign_one_is_not_found(client: DeskClient, make: Make, issued: UUID) -> None:
    client.sign_in(make.manager())
    for id_ in (issued, new_id()):
        assert client.get("certificate_changes.reissue", certificate_id=id_).status_code == 404
        assert client.post("certificate_changes.reissue", certificate_id=id_, data={"name": "x"}).status_code == 404
    client.sign_in(make.admin())
    assert client.get("certificate_changes.show", request_id=new_id()).status_code == 404
    assert client.post("certificate_changes.confirm", request_id=new_id()).status_code == 404


# -- under the right name ------------------------------------------------------------------------------------------


def test_a_manager_corrects_a_name_from_the_certificate_to_the_new_one(
    client: DeskClient, make: Make, booking: Completed, issued: UUID, db: Database, ctx: JobContext
) -> None:
    client.sign_in(make.manager(booking.operator_id))
    assert f"/certificates/{issued}/reissue" in client.get(f"/certificates/{issued}").text
    page = client.get("certificate_changes.reissue", certificate_id=issued).text
    assert "Correct it on the family" in page
    ((household, student),) = rows(db, "SELECT household_id, id FROM students")
    name_page = f"/households/{household}/students/{student}/name"
    assert name_page in page
    assert 'value="Meena Roa"' in client.get(name_page).text
    assert client.post(name_page, data={"student_name": " "}).status_code == 422
    assert client.post(name_page, data={"student_name": "x" * 500}, htmx=True).status_code == 422
    assert client.post(name_page, data={"student_name": "Meena Rao"}).location == f"/households/{household}"

    page = client.get("certificate_changes.reissue", certificate_id=issued).text
    assert page.index("Meena Roa", page.index("On the certificate now")) < page.index("On the new one")
    assert "Meena Rao" in page[page.index("On the new one") :]
    answer = client.post("certificate_changes.reissue", certificate_id=issued, data={"name": "Meena Rao"})
    assert answer.status_code == 303
    shown = client.get(answer.location).text
    assert "Takes the place of" in shown
    assert "until that is issued this one is valid" in client.get(f"/certificates/{issued}").text
    again = client.post("certificate_changes.reissue", certificate_id=issued, data={"name": "Meena Rao"})
    assert again.status_code == 409
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    assert states(db) == ["replaced", "issued"]
    ((old,), (new,)) = rows(db, "SELECT number FROM certificates ORDER BY id")
    assert f'href="/verify/{new}"' in client.get(f"/verify/{old}").text
    assert "has taken the place of this one" in client.get(f"/certificates/{issued}").text
    assert client.statements <= 12


def test_a_name_that_changed_meanwhile_is_looked_at_again(
    client: DeskClient, make: Make, issued: UUID, db: Database
) -> None:
    client.sign_in(make.admin())
    renamed(db)
    for data in ({"name": "Meena R."}, {}):
        answer = client.post("certificate_changes.reissue", certificate_id=issued, data=data, htmx=True)
        assert answer.status_code == 409
        assert "The student is called otherwise by now." in answer.text
    assert states(db) == ["issued"]


def test_staff_cannot_and_are_not_offered(
    client: DeskClient, make: Make, booking: Completed, issued: UUID, db: Database
) -> None:
    client.sign_in(make.staff(booking.operator_id))
    renamed(db)
    assert "/reissue" not in client.get(f"/certificates/{issued}").text
    assert client.get("certificate_changes.reissue", certificate_id=issued).status_code == 403
    assert client.post("certificate_changes.reissue", certificate_id=issued).status_code == 403


def test_a_revoked_one_is_made_anew_by_two(
    client: DeskClient, make: Make, issued: UUID, db: Database, ctx: JobContext
) -> None:
    revoke(db, issued)
    admin = client.sign_in(make.admin())
    page = f"/certificates/{issued}/revoked-anew"
    assert client.post(page, data={"reason": "misused"}).status_code == 422
    assert client.post(page, data={"reason": "settled"}).status_code == 303
    assert rows(db, "SELECT asked_by FROM certificate_requests WHERE kind = 'reissue'") == [(admin.id,)]
    client.sign_in(make.admin())
    ((request_id,),) = rows(db, "SELECT id FROM certificate_requests WHERE kind = 'reissue'")
    assert "Name on the new one" in client.get("certificate_changes.show", request_id=request_id).text
    stale = client.post("certificate_changes.confirm", request_id=request_id, data={"name": "Somebody"})
    assert stale.status_code == 409
    done = client.post("certificate_changes.confirm", request_id=request_id, data={"name": "Meena Roa"})
    assert done.status_code == 303
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    assert states(db) == ["revoked", "issued"]
    ((old,), (new,)) = rows(db, "SELECT number FROM certificates ORDER BY id")
    public = client.get(f"/verify/{old}").text
    assert "This certificate was revoked" in public
    assert f'href="/verify/{new}"' in public


def test_who_reads_a_child_s_name_on_these_pages_leaves_a_trace(
    client: DeskClient, make: Make, issued: UUID, db: Database
) -> None:
    client.sign_in(make.admin())
    client.get("certificate_changes.show", request_id=ask(db, issued, kind=RequestKind.REVOKE))
    found = rows(db, "SELECT after->>'on' FROM audit_entries WHERE what = 'household.read'")
    assert found == [("certificate_changes.show",)]
