"""Keeping a trainer and a family apart from the trainer's page (rule T10)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.make import Make
from tests.web.client import Bell, DeskClient
from tests.web.test_approvals import Franchise, franchise_of
from tests.web.test_bookings_pages import words
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.work import Database


@pytest.fixture
def desk(make: Make) -> Franchise:
    return franchise_of(make)


def apart(
    client: DeskClient, trainer_id: UUID, household: object, *, q: str = "Sita", htmx: bool = False, **changed: str
) -> Any:
    data = {"q": q, "household": str(household), "reason": "They quarrelled"} | changed
    return client.post("trainers.keep_apart", trainer_id=trainer_id, data=data, htmx=htmx)


def test_a_family_is_found_and_kept_apart_and_the_page_says_who_when_and_why(
    client: DeskClient, desk: Franchise, make: Make
) -> None:
    family = make.household("Arun", operator_id=desk.id, guardian="Sita Devi")
    make.household("Sitara", operator_id=make.franchise(), guardian="Foreign Family")
    client.sign_in(desk.staff)
    page = client.get("trainers.show", trainer_id=desk.trainer_id)
    assert "no family" in page.text
    empty = client.get("trainers.apart", trainer_id=desk.trainer_id)
    assert "From nobody" in empty.text
    assert "Look for the family first." in empty.text
    found = client.get("trainers.apart", trainer_id=desk.trainer_id, q="sita")
    assert "Sita Devi · Arun" in found.text
    assert "Foreign Family" not in found.text
    assert client.statements <= 12
    panel = client.get("trainers.apart", trainer_id=desk.trainer_id, q="sita", htmx=True)
    assert panel.text.lstrip().startswith('<form id="apart-form"')
    done = apart(client, desk.trainer_id, family.household_id)
    assert (done.status_code, done.location) == (303, f"/trainers/{desk.trainer_id}/apart")
    page = client.get(done.location)
    shown = words(page)
    for told in ("Lakshmi R. is no longer proposed for this family.", "They quarrelled", "just now", desk.staff.name):
        assert told in shown
    assert f'href="/households/{family.household_id}"' in page.text
    assert "1 family" in client.get("trainers.show", trainer_id=desk.trainer_id).text
    assert "They quarrelled" in client.get("households.show", household_id=family.household_id).text
    again = client.get("trainers.apart", trainer_id=desk.trainer_id, q="sita")
    assert f'value="{family.household_id}"' not in again.text, "whom they are kept apart from is not offered again"
    assert "No other family of the trainer’s operator matches." in again.text


def test_whom_the_page_showed_is_traced(client: DeskClient, desk: Franchise, make: Make, db: Database) -> None:
    family = make.household("Arun", operator_id=desk.id, guardian="Sita Devi")
    client.sign_in(desk.staff)
    client.get("trainers.apart", trainer_id=desk.trainer_id)
    client.get("trainers.apart", trainer_id=desk.trainer_id, q="sita")
    client.get("trainers.show", trainer_id=desk.trainer_id)
    with db.read_only() as session:
        told = session.scalars(text("SELECT after FROM audit_entries WHERE what = 'household.listed'")).all()
    assert told == [{"on": "trainers.apart", "searched": True, "shown": [str(family.household_id)]}]


def test_an_admin_is_offered_families_of_the_trainer_s_operator_alone(
    client: DeskClient, desk: Franchise, make: Make
) -> None:
    make.household("Arun", operator_id=desk.id, guardian="Sita Devi")
    other = make.household("Meena", guardian="Sita Rani")
    client.sign_in(make.admin())
    page = client.get("trainers.apart", trainer_id=desk.trainer_id, q="sita").text
    assert "Sita Devi" in page
    assert "Sita Rani" not in page
    assert apart(client, desk.trainer_id, other.household_id).status_code == 422


def test_they_are_kept_apart_no_longer_and_the_waitlist_is_looked_at(
    client: DeskClient, desk: Franchise, make: Make, bells: list[Bell]
) -> None:
    family = make.household(operator_id=desk.id, guardian="Sita Devi")
    client.sign_in(desk.staff)
    apart(client, desk.trainer_id, family.household_id)
    bells.clear()
    for _again in range(2):
        where = {"trainer_id": desk.trainer_id, "household_id": family.household_id}
        answer = client.post("trainers.end_apart", **where)
        assert (answer.status_code, answer.location) == (303, f"/trainers/{desk.trainer_id}/apart")
    assert "They quarrelled" not in client.get(answer.location).text
    assert bells == [(JobName.RETRY_WAITLIST, {"operator_id": str(desk.id)})]


@pytest.mark.parametrize("htmx", [False, True])
def test_a_form_half_filled_comes_back_as_it_was_typed(
    client: DeskClient, desk: Franchise, make: Make, htmx: bool
) -> None:
    family = make.household(operator_id=desk.id, guardian="Sita Devi")
    foreign = make.household(operator_id=make.franchise(), guardian="Sita Devi")
    client.sign_in(desk.staff)
    for household, changed in (
        ("", {}),
        ("rubbish", {}),
        (new_id(), {}),
        (foreign.household_id, {}),
        (family.household_id, {"reason": "  "}),
        (family.household_id, {"reason": "a\x00b"}),
        (family.household_id, {"reason": "x" * 121}),
        (family.household_id, {"q": "nobody of that name"}),
        (family.household_id, {"q": ""}),
        (family.household_id, {"q": "\x00" * 200}),
    ):
        answer = apart(client, desk.trainer_id, household, htmx=htmx, **changed)
        assert answer.status_code == 422
        assert ("<h1" in answer.text) is not htmx
        assert "There is a problem" in answer.text or "problems" in answer.text
    assert "no family" in client.get("trainers.show", trainer_id=desk.trainer_id).text


def test_a_second_reason_is_refused_and_the_first_one_stays(client: DeskClient, desk: Franchise, make: Make) -> None:
    family = make.household(operator_id=desk.id, guardian="Sita Devi")
    client.sign_in(desk.staff)
    apart(client, desk.trainer_id, family.household_id)
    answer = apart(client, desk.trainer_id, family.household_id, reason="Another reason")
    assert answer.status_code == 422
    assert "Already kept apart since" in answer.text
    assert "No other family" not in answer.text
    assert "Another reason" not in client.get("households.show", household_id=family.household_id).text


@pytest.mark.parametrize("htmx", [False, True])
def test_a_form_sent_twice_keeps_apart_once_and_answers_alike(
    client: DeskClient, desk: Franchise, make: Make, htmx: bool
) -> None:
    family = make.household(operator_id=desk.id, guardian="Sita Devi")
    client.sign_in(desk.staff)
    for _again in range(2):
        done = apart(client, desk.trainer_id, family.household_id, htmx=htmx)
        where = done.headers["HX-Redirect"] if htmx else done.location
        assert where == f"/trainers/{desk.trainer_id}/apart"
    assert "1 family" in client.get("trainers.show", trainer_id=desk.trainer_id).text


def test_whom_they_are_kept_apart_from_hides_nobody_else(client: DeskClient, desk: Franchise, make: Make) -> None:
    make.household(operator_id=desk.id, guardian="Sita the eleventh")
    client.sign_in(desk.staff)
    for number in range(10):
        family = make.household(operator_id=desk.id, guardian=f"Sita {number}")
        assert apart(client, desk.trainer_id, family.household_id).status_code == 303
    page = client.get("trainers.apart", trainer_id=desk.trainer_id, q="sita").text
    assert "Sita the eleventh" in page
    assert "More are found than are shown" not in page


def test_no_more_are_offered_than_can_be_looked_over(client: DeskClient, desk: Franchise, make: Make) -> None:
    for number in range(12):
        make.household(operator_id=desk.id, guardian=f"Sita {number}")
    client.sign_in(desk.staff)
    page = client.get("trainers.apart", trainer_id=desk.trainer_id, q="sita").text
    assert page.count('type="radio"') == 10
    assert "More are found than are shown" in page


def test_an_auditor_reads_who_is_kept_apart_and_changes_nothing(
    client: DeskClient, desk: Franchise, make: Make
) -> None:
    family = make.household(operator_id=desk.id, guardian="Sita Devi")
    client.sign_in(desk.staff)
    apart(client, desk.trainer_id, family.household_id)
    client.sign_in(make.auditor())
    page = client.get("trainers.apart", trainer_id=desk.trainer_id)
    assert "They quarrelled" in page.text
    assert "Keep a family apart" not in page.text
    assert "/end" not in page.text
    assert apart(client, desk.trainer_id, family.household_id).status_code == 403
    where = {"trainer_id": desk.trainer_id, "household_id": family.household_id}
    assert client.post("trainers.end_apart", **where).status_code == 403


def test_a_refusal_that_comes_between_is_said_at_the_family(
    client: DeskClient, desk: Franchise, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = make.household(operator_id=desk.id, guardian="Sita Devi")
    client.sign_in(desk.staff)
    apart(client, desk.trainer_id, family.household_id)
    # Somebody else's reason was written after this page had looked, so the family still stands to be chosen.
    monkeypatch.setattr("webapp.trainers.views.apart.families_kept_apart", lambda *_a, **_k: ())
    answer = apart(client, desk.trainer_id, family.household_id, reason="Another reason")
    assert answer.status_code == 422
    assert "Already kept apart since Fri 1 Jan 2027, 03:30 UTC: end that first to change the" in words(answer)
