"""Pages of the operators."""

from __future__ import annotations

import pytest

from tests.make import Make
from tests.web.client import DeskClient
from webapp.core.actor import Role
from webapp.core.ids import COMPANY_ID, new_id


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
