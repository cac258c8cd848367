"""Pages of the operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.make import Make
from tests.web.client import DeskClient
from webapp.core.actor import Role
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.work import Database
from webapp.operators import queries

WRITING = ["operators.change", "operators.disable", "operators.enable"]


def test_an_admin_sees_all_with_their_numbers(client: DeskClient, make: Make) -> None:
    franchise = make.franchise("Vizag Learning", auto_approve=True)
    make.zone(operator_id=franchise)
    make.manager(franchise)
    client.sign_in(make.admin())
    page = client.get("operators.index")
    assert "Vizag Learning" in page.text
    assert "Automatic" in page.text
    assert client.statements <= 12
    page = client.get("operators.show", operator_id=franchise)
    assert "By the desk itself, at once" in page.text
    assert f"/zones?operator={franchise}" in page.text
    assert client.statements <= 12


@pytest.mark.parametrize("role", [Role.FRANCHISE_STAFF, Role.FRANCHISE_MANAGER])
def test_franchise_roles_see_their_own_alone(client: DeskClient, make: Make, role: Role) -> None:
    mine, other = make.franchise("Mine"), make.franchise("Other")
    client.sign_in(make.user(role, operator_id=mine))
    page = client.get("operators.index")
    assert "Other" not in page.text
    assert client.get("operators.show", operator_id=mine).status_code == 200
    for foreign in (other, COMPANY_ID, new_id()):
        assert client.get("operators.show", operator_id=foreign).status_code == 404


def test_company_staff_see_the_company(client: DeskClient, make: Make) -> None:
    franchise = make.franchise("Vizag Learning")
    client.sign_in(make.staff())
    assert "Vizag Learning" not in client.get("operators.index").text
    assert client.get("operators.show", operator_id=COMPANY_ID).status_code == 200
    assert client.get("operators.show", operator_id=franchise).status_code == 404


def stored(db: Database, operator_id: Any) -> queries.OperatorRow:
    """The operator as it is."""
    with db.read_only() as session:
        return queries.operator(session, operator_id)


def seen(client: DeskClient, operator_id: Any) -> dict[str, str]:
    """The hidden field of the form, as the page has it."""
    page = client.get("operators.change", operator_id=operator_id).text
    return {"seen": page.split('name="seen" type="hidden" value="')[1].split('"')[0]}


def test_an_admin_founds_a_franchise(client: DeskClient, make: Make, db: Database) -> None:
    client.sign_in(make.admin())
    form = client.get("operators.create").text
    assert 'action="/operators/new"' in form
    assert "Found the franchise" in form
    done = client.post("operators.create", data={"name": " Godavari  Tutors ", "four_eyes": "y"})
    assert done.status_code == 303
    page = client.get(done.location)
    assert "Godavari Tutors" in page.text
    assert "Invite its manager next." in page.text
    row = stored(db, done.location.rsplit("/", 1)[1])
    assert (row.auto_approve, row.four_eyes, row.active) == (False, True, True)


def test_a_name_in_use_or_none_is_refused_in_place(client: DeskClient, make: Make) -> None:
    make.franchise("Godavari Tutors")
    client.sign_in(make.admin())
    for name, sentence in (("godavari tutors", "already an operator named"), ("", "Give the operator a name.")):
        for htmx in (False, True):
            page = client.post("operators.create", data={"name": name}, htmx=htmx)
            assert page.status_code == 422
            assert sentence in page.text


def test_an_admin_changes_how_a_franchise_approves(client: DeskClient, make: Make, db: Database) -> None:
    franchise = make.franchise("Godavari Tutors")
    client.sign_in(make.admin())
    data = {"name": "Godavari Tutors", "auto_approve": "y", **seen(client, franchise)}
    assert client.post("operators.change", operator_id=franchise, data=data).status_code == 303
    row = stored(db, franchise)
    assert (row.auto_approve, row.four_eyes, row.active) == (True, False, True)
    late = client.post("operators.change", operator_id=franchise, data=data | {"name": "Other"})
    assert late.status_code == 409
    assert "Somebody changed this operator" in late.text
    assert stored(db, franchise).name == "Godavari Tutors"


def test_a_franchise_switched_off_lets_none_of_its_people_in(
    client: DeskClient, make: Make, db: Database, new_client: Callable[[], DeskClient]
) -> None:
    franchise, browser = make.franchise("Godavari Tutors"), new_client()
    staff = browser.sign_in(make.staff(franchise))
    client.sign_in(make.admin())
    page = client.get("operators.disable", operator_id=franchise)
    assert "1 person is signed out at the next click" in page.text
    assert browser.get("courses.index").status_code == 200, "the page itself switches nothing off"
    assert client.post("operators.disable", operator_id=franchise).status_code == 303
    assert browser.get("courses.index").status_code == 303
    assert browser.post("/sign-in", data={"email": staff.email, "password": staff.password}).status_code == 422
    assert "nobody who belongs to it can sign in" in client.get("operators.show", operator_id=franchise).text
    assert "Operator inactive" in client.get("accounts.users").text
    assert client.post("operators.enable", operator_id=franchise).status_code == 303
    assert stored(db, franchise).active


def test_the_company_itself_cannot_be_switched_off(client: DeskClient, make: Make, db: Database) -> None:
    client.sign_in(make.admin())
    assert "Switch off" not in client.get("operators.show", operator_id=COMPANY_ID).text
    refused = client.post("operators.disable", operator_id=COMPANY_ID)
    assert refused.status_code == 409
    assert "The company itself cannot be switched off." in refused.text
    assert stored(db, COMPANY_ID).active


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_admins_found_and_change_operators(client: DeskClient, make: Make, db: Database, role: Role) -> None:
    person = client.sign_in(make.user(role))
    before = stored(db, person.operator_id)
    assert client.get("operators.create").status_code == 403
    assert client.post("operators.create", data={"name": "Mine"}).status_code == 403
    for endpoint in WRITING:
        assert client.get(endpoint, operator_id=person.operator_id).status_code == 403
        assert client.post(endpoint, operator_id=person.operator_id, data={"name": "Mine"}).status_code == 403
    assert stored(db, person.operator_id) == before


def test_an_operator_that_is_not_there_is_not_found(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    for endpoint in WRITING:
        assert client.get(endpoint, operator_id=new_id()).status_code == 404
        assert client.post(endpoint, operator_id=new_id(), data={"name": "Mine"}).status_code == 404
