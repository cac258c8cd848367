"""Keeping a family and a trainer apart from the family's page (rule T10)."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.make import Make
from tests.web.client import Bell, DeskClient
from tests.web.test_approvals import Franchise, franchise_of
from webapp.core.ids import new_id
from webapp.core.job_names import JobName


@pytest.fixture
def desk(make: Make) -> Franchise:
    return franchise_of(make)


def apart(client: DeskClient, household_id: UUID, trainer_id: object, reason: str = "They quarrelled") -> int:
    data = {"trainer": str(trainer_id), "reason": reason}
    return client.post("desk.keep_apart", household_id=household_id, data=data).status_code


def test_a_family_and_a_trainer_are_kept_apart_and_the_page_says_who_when_and_why(
    client: DeskClient, desk: Franchise, make: Make
) -> None:
    family = make.household(operator_id=desk.id)
    client.sign_in(desk.staff)
    page = client.get("households.show", household_id=family.household_id)
    assert "From nobody: every trainer may be proposed." in page.text
    asked = client.get("desk.apart", household_id=family.household_id)
    assert "Lakshmi R." in asked.text
    assert apart(client, family.household_id, desk.trainer_id) == 303
    page = client.get("households.show", household_id=family.household_id)
    for shown in ("Lakshmi R. is no longer proposed for this family.", "They quarrelled", "just now", desk.staff.name):
        assert shown in page.text
    assert client.statements <= 12
    household = make.booking(operator_id=desk.id, zone_id=desk.zone_id, course_id=desk.course_id, household=family)
    assert "Kept apart" in client.get("desk.propose", booking_id=household.id).text


def test_they_are_kept_apart_no_longer_and_the_waitlist_is_looked_at(
    client: DeskClient, desk: Franchise, make: Make, bells: list[Bell]
) -> None:
    family = make.household(operator_id=desk.id)
    client.sign_in(desk.staff)
    apart(client, family.household_id, desk.trainer_id)
    bells.clear()
    for _again in range(2):
        answer = client.post("desk.end_apart", household_id=family.household_id, trainer_id=desk.trainer_id)
        assert (answer.status_code, answer.location) == (303, f"/households/{family.household_id}")
    assert "They quarrelled" not in client.get(answer.location).text
    assert bells == [(JobName.RETRY_WAITLIST, {"operator_id": str(desk.id)})]


@pytest.mark.parametrize("htmx", [False, True])
def test_a_form_half_filled_comes_back_as_it_was_typed(
    client: DeskClient, desk: Franchise, make: Make, htmx: bool
) -> None:
    family = make.household(operator_id=desk.id)
    foreign = franchise_of(make)
    client.sign_in(desk.staff)
    for trainer, reason in (
        ("", "Why not"),
        (desk.trainer_id, "  "),
        ("rubbish", "Why not"),
        (foreign.trainer_id, "Why not"),
        (desk.trainer_id, "a\x00b"),
        (desk.trainer_id, "x" * 121),
    ):
        data = {"trainer": str(trainer), "reason": reason}
        answer = client.post("desk.keep_apart", household_id=family.household_id, data=data, htmx=htmx)
        assert answer.status_code == 422
        assert ("<h1" in answer.text) is not htmx
        assert "There is a problem" in answer.text
    assert "From nobody" in client.get("households.show", household_id=family.household_id).text


def test_a_second_reason_is_refused_and_the_first_one_stays(client: DeskClient, desk: Franchise, make: Make) -> None:
    family = make.household(operator_id=desk.id)
    client.sign_in(desk.staff)
    apart(client, family.household_id, desk.trainer_id)
    page = client.get("desk.apart", household_id=family.household_id)
    assert str(desk.trainer_id) not in page.text, "whom they are kept apart from is not offered again"
    for htmx in (False, True):
        data = {"trainer": str(desk.trainer_id), "reason": "Another reason"}
        answer = client.post("desk.keep_apart", household_id=family.household_id, data=data, htmx=htmx)
        assert answer.status_code == 422
        assert "Already kept apart since Fri 1 Jan 2027, 03:30 UTC: end that first to change the" in answer.text
        assert "Another reason" in answer.text
    shown = client.get("households.show", household_id=family.household_id).text
    assert "They quarrelled" in shown
    assert "Another reason" not in shown


def test_htmx_is_sent_on_to_the_family(client: DeskClient, desk: Franchise, make: Make) -> None:
    family = make.household(operator_id=desk.id)
    client.sign_in(desk.staff)
    data = {"trainer": str(desk.trainer_id), "reason": "They asked"}
    answer = client.post("desk.keep_apart", household_id=family.household_id, data=data, htmx=True)
    assert answer.headers["HX-Redirect"] == f"/households/{family.household_id}"


def test_a_foreign_family_or_trainer_is_not_there(client: DeskClient, desk: Franchise, make: Make) -> None:
    family = make.household(operator_id=desk.id)
    client.sign_in(make.manager())
    for household_id in (family.household_id, new_id()):
        assert client.get("desk.apart", household_id=household_id).status_code == 404
        assert apart(client, household_id, desk.trainer_id) == 404
        answer = client.post("desk.end_apart", household_id=household_id, trainer_id=desk.trainer_id)
        assert answer.status_code == 404
    client.sign_in(desk.staff)
    answer = client.post("desk.end_apart", household_id=family.household_id, trainer_id=new_id())
    assert answer.status_code == 404


def test_an_auditor_reads_who_is_kept_apart_and_changes_nothing(
    client: DeskClient, desk: Franchise, make: Make
) -> None:
    family = make.household(operator_id=desk.id)
    client.sign_in(desk.staff)
    apart(client, family.household_id, desk.trainer_id)
    client.sign_in(make.auditor())
    page = client.get("households.show", household_id=family.household_id)
    assert "They quarrelled" in page.text
    assert "/apart" not in page.text
    assert client.get("desk.apart", household_id=family.household_id).status_code == 403
    assert apart(client, family.household_id, desk.trainer_id) == 403
