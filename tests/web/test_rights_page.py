"""The truth table: the page and the desk cannot say different things."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from tests.make import Make
from tests.web.client import DeskClient
from webapp.accounts.policy import Answer, Whose, answer_of, operators_seen_from, somebody
from webapp.accounts.policy_words import ANSWERS, PERMISSIONS, WHOSE
from webapp.accounts.words import ROLES
from webapp.core.actor import GRANTS, REACH, SHARED, STEP_UP, Extent, Permission, Reach, Role
from webapp.core.ids import COMPANY_ID
from webapp.db.tenancy import owned_by
from webapp.db.work import Database
from webapp.operators.models import Operator
from webapp.web.access import guard_of


class Tables(HTMLParser):
    """The tables of a page as text: rows of cells, the heading of a row first."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._cell: list[str] | None = None
        self._hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a table, a row or a cell."""
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables:
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        """Close a cell."""
        if tag in ("td", "th") and self._cell is not None:
            self.tables[-1][-1].append(" ".join(" ".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data: str) -> None:
        """Text of a cell."""
        if self._cell is not None:
            self._cell.append(data)


def told(client: DeskClient) -> dict[tuple[Role, Permission], str]:
    """What the page says of each role and permission."""
    heading, *rows = Tables(client.get("accounts.policy").text).tables[0]
    roles = {str(word): role for role, word in ROLES.items()}
    permissions = {str(word): permission for permission, word in PERMISSIONS.items()}
    found = {}
    for row in rows:
        (permission,) = {one for word, one in permissions.items() if row[0].startswith(word)}
        for role, cell in zip(heading[1:], row[1:], strict=True):
            found[roles[role], permission] = cell
    return found


def test_every_permission_answer_and_kind_of_owner_has_words_and_no_two_the_same() -> None:
    assert set(PERMISSIONS) == set(Permission)
    assert len({str(word) for word in PERMISSIONS.values()}) == len(PERMISSIONS)
    assert (set(ANSWERS), set(WHOSE), set(ROLES)) == (set(Answer), set(Whose), set(Role))


def test_the_page_says_what_the_policy_says_for_every_role_and_permission(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    page = told(client)
    assert len(page) == len(Role) * len(Permission)
    for (role, permission), word in page.items():
        assert word == str(ANSWERS[answer_of(role, permission)][2])
        assert (word != "No") == (permission in GRANTS[role])
        if permission in GRANTS[role] and permission not in SHARED:
            assert (word == "Own") == (REACH[role].rows is Extent.OWN)
    assert client.statements <= 12


@pytest.mark.parametrize("role", Role)
def test_the_answers_are_what_the_condition_in_sql_gives(db: Database, make: Make, role: Role) -> None:
    """The table's ownership beside the very condition every SELECT carries, over real rows."""
    franchise = make.franchise()
    actor = make.user(role).actor
    assert actor.operator_id is not None
    rows: dict[Whose, UUID | None] = {Whose.OWN: actor.operator_id, Whose.FRANCHISE: franchise}
    rows[Whose.COMPANY] = None if actor.operator_id == COMPANY_ID else COMPANY_ID
    with db.read_only() as session:
        seen = set(session.scalars(select(Operator.id).where(owned_by(Operator.id, actor))))
    for whose, pretended in operators_seen_from(role).items():
        real = rows[whose]
        assert (real is None) == (pretended is None)
        if real is not None and pretended is not None:
            assert (real in seen) == somebody(role).reaches(pretended)


def test_a_right_taken_from_the_policy_is_gone_from_page_and_desk_alike(
    client: DeskClient, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.sign_in(make.admin())
    staff = client.application.test_client()
    assert isinstance(staff, DeskClient)
    staff.sign_in(make.staff())
    assert staff.get("courses.index").status_code == 200
    assert told(client)[Role.COMPANY_STAFF, Permission.COURSE_READ] == "Yes"
    monkeypatch.setitem(GRANTS, Role.COMPANY_STAFF, GRANTS[Role.COMPANY_STAFF] - {Permission.COURSE_READ})
    assert staff.get("courses.index").status_code == 403
    assert told(client)[Role.COMPANY_STAFF, Permission.COURSE_READ] == "No"


def test_a_reach_given_by_the_policy_shows_on_page_and_desk_alike(
    client: DeskClient, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    franchise = make.franchise("Godavari Tutors")
    client.sign_in(make.admin())
    staff = client.application.test_client()
    assert isinstance(staff, DeskClient)
    staff.sign_in(make.staff())
    assert staff.get("operators.show", operator_id=franchise).status_code == 404
    assert told(client)[Role.COMPANY_STAFF, Permission.OPERATOR_READ] == "Own"
    monkeypatch.setitem(REACH, Role.COMPANY_STAFF, Reach(rows=Extent.EVERY, enquiries=Extent.EVERY))
    assert staff.get("operators.show", operator_id=franchise).status_code == 200
    assert told(client)[Role.COMPANY_STAFF, Permission.OPERATOR_READ] == "Everybody’s"


def test_acts_of_weight_are_marked_and_no_others(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    _heading, *rows = Tables(client.get("accounts.policy").text).tables[0]
    marked = {row[0] for row in rows if "fresh second factor" in row[0]}
    assert len(marked) == len(STEP_UP)
    for permission in STEP_UP:
        assert any(row.startswith(str(PERMISSIONS[permission])) for row in marked)


def test_the_page_lists_what_each_permission_opens(client: DeskClient, make: Make, app: Flask) -> None:
    client.sign_in(make.admin())
    page = client.get("accounts.policy").text
    for rule in app.url_map.iter_rules():
        if isinstance(guard_of(app, rule.endpoint), Permission):
            assert rule.rule.replace("<", "&lt;").replace(">", "&gt;") in page


def test_the_table_is_filtered_by_role(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    page = client.get("accounts.policy", query_string={"role": "auditor"})
    heading = Tables(page.text).tables[0][0]
    assert heading == ["Right", "Auditor"]
    assert client.get("accounts.policy", query_string={"role": "boss"}).status_code == 422


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_admins_read_the_policy(client: DeskClient, make: Make, role: Role) -> None:
    client.sign_in(make.user(role))
    assert client.get("accounts.policy").status_code == 403


def test_who_looks_after_whom_is_told(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    heading, *rows = Tables(client.get("accounts.policy").text).tables[2]
    answers: dict[str, Any] = {row[0]: dict(zip(heading[1:], row[1:], strict=True)) for row in rows}
    assert answers["Franchise manager"] == {
        "Franchise staff": "Yes",
        "Franchise manager": "No",
        "Company staff": "No",
        "Admin": "No",
        "Auditor": "No",
    }
    assert set(answers["Admin"].values()) == {"Yes"}
    assert all(set(answers[role].values()) == {"No"} for role in ("Franchise staff", "Company staff", "Auditor"))
