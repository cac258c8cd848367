"""Pages on which managers and admins look after people."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.make import Make, Person
from tests.web.client import NOW, DeskClient
from webapp.accounts import managing
from webapp.accounts.invitations import InvitationCommand
from webapp.accounts.invitations import invite as invite_somebody
from webapp.accounts.models import Invitation, User
from webapp.accounts.rules import InvitationState
from webapp.accounts.words import EVENTS
from webapp.core.actor import SYSTEM, Role
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.work import Database

FORM_PAGES = [
    "accounts.change_user_page",
    "accounts.disable_user",
    "accounts.enable_user",
    "accounts.sign_user_out",
    "accounts.reset_second_factors",
]
ACTS = [
    "accounts.change_user",
    "accounts.disable_user",
    "accounts.enable_user",
    "accounts.sign_user_out",
    "accounts.reset_second_factors",
]
LOOKING_ON = [Role.FRANCHISE_STAFF, Role.COMPANY_STAFF, Role.AUDITOR]
"""Roles that change nobody."""


def stored(db: Database, person: Person) -> User:
    """The account's row."""
    with db.read_only() as session:
        return session.scalars(select(User).where(User.id == person.id)).one()


def invited(
    db: Database, operator_id: Any, *, role: Role = Role.FRANCHISE_STAFF, email: str = "new@example.org"
) -> Any:
    """An open invitation."""
    with db.unit_of_work() as work:
        command = InvitationCommand(operator_id, email, "Newcomer", role)
        return invite_somebody(work, command, by=SYSTEM, now=NOW)


# ── who sees whom ──


def test_a_manager_sees_the_own_franchise_and_nobody_else(client: DeskClient, make: Make, db: Database) -> None:
    manager = make.manager()
    staff = make.user(Role.FRANCHISE_STAFF, operator_id=manager.operator_id, name="Asha Rao")
    stranger = make.user(Role.FRANCHISE_STAFF, name="Somebody Else")
    make.user(Role.ADMIN, name="The Admin")
    invited(db, manager.operator_id, email="ours@example.org")
    invited(db, stranger.operator_id, email="theirs@example.org")
    client.sign_in(manager)
    page = client.get("accounts.users")
    assert (staff.name in page.text, manager.name in page.text) == (True, True)
    assert stranger.name not in page.text
    assert "The Admin" not in page.text
    assert "ours@example.org" in page.text
    assert "theirs@example.org" not in page.text
    assert client.statements <= 12
    for asked in ({"q": stranger.name}, {"operator": str(stranger.operator_id)}, {"role": "admin"}):
        assert stranger.email not in client.get("accounts.users", query_string=asked).text


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
def test_admins_and_auditors_see_everybody(client: DeskClient, make: Make, role: Role) -> None:
    everybody = [make.user(one) for one in Role]
    client.sign_in(make.user(role))
    page = client.get("accounts.users")
    assert all(person.email in page.text for person in everybody)


@pytest.mark.parametrize("role", [Role.FRANCHISE_STAFF, Role.COMPANY_STAFF])
def test_who_may_not_read_accounts_is_told_so(client: DeskClient, make: Make, role: Role) -> None:
    person = client.sign_in(make.user(role))
    assert client.get("accounts.users").status_code == 403
    assert client.get("accounts.user", user_id=person.id).status_code == 403
    assert 'href="/users"' not in client.get("courses.index").text


def test_e2_a_foreign_account_answers_like_one_that_is_not_there(client: DeskClient, make: Make, db: Database) -> None:
    manager = client.sign_in(make.manager())
    foreign = [make.staff(make.franchise()), make.staff(), make.admin()]
    theirs = invited(db, foreign[0].operator_id)
    for endpoint in ["accounts.user", *FORM_PAGES]:
        absent = client.get(endpoint, user_id=new_id())
        assert absent.status_code == 404
        for person in foreign:
            seen = client.get(endpoint, user_id=person.id)
            assert (seen.status_code, words(seen.text)) == (404, words(absent.text))
    for endpoint in ACTS:
        for person_id in [new_id(), *(person.id for person in foreign)]:
            assert client.post(endpoint, user_id=person_id, data={"name": "Mine"}).status_code == 404
    for endpoint in ("accounts.invite_again", "accounts.withdraw_invitation"):
        assert {client.post(endpoint, invitation_id=id_).status_code for id_ in (theirs, new_id())} == {404}
    assert all(stored(db, person).active for person in foreign)
    assert manager.role is Role.FRANCHISE_MANAGER


def words(page: str) -> str:
    """A page's content, without what differs by request."""
    return page.split("<main", 1)[1].split("</main>")[0]


@pytest.mark.parametrize("role", LOOKING_ON)
def test_who_has_no_right_over_accounts_is_refused_every_act(
    client: DeskClient, make: Make, db: Database, role: Role
) -> None:
    me = client.sign_in(make.user(role))
    colleague = make.user(role, operator_id=me.operator_id)
    for endpoint in FORM_PAGES:
        assert client.get(endpoint, user_id=colleague.id).status_code == 403
    for endpoint in ACTS:
        assert client.post(endpoint, user_id=colleague.id, data={"name": "Mine"}).status_code == 403
    assert client.get("accounts.invite_page").status_code == 403
    assert client.post("accounts.invite", data={"email": "a@example.org"}).status_code == 403
    assert (stored(db, colleague).name, stored(db, colleague).active) == (colleague.name, True)


def test_an_auditor_reads_an_account_and_is_offered_nothing(client: DeskClient, make: Make) -> None:
    staff = make.staff(make.franchise())
    client.sign_in(make.auditor())
    page = client.get("accounts.user", user_id=staff.id)
    assert page.status_code == 200
    assert "An admin can change it." in page.text
    assert "/change" not in page.text
    assert "Invite" not in client.get("accounts.users").text


def test_a_manager_sees_another_manager_and_cannot_change_them(client: DeskClient, make: Make, db: Database) -> None:
    me = client.sign_in(make.manager())
    other = make.manager(me.operator_id)
    page = client.get("accounts.user", user_id=other.id)
    assert "An admin can change it." in page.text
    for endpoint in FORM_PAGES:
        assert client.get(endpoint, user_id=other.id).status_code == 403
    for endpoint in ACTS:
        refused = client.post(endpoint, user_id=other.id, data={"name": "Mine", "locale": "en"})
        assert refused.status_code == 403
        assert "your own franchise&#39;s staff" in refused.text
    assert stored(db, other).name == other.name


# ── looking around ──


def test_people_are_found_by_name_address_role_operator_and_state(client: DeskClient, make: Make, db: Database) -> None:
    franchise = make.franchise("Godavari Tutors")
    asha = make.user(Role.FRANCHISE_STAFF, operator_id=franchise, name="Asha Rao", email="asha@example.org")
    ravi = make.user(Role.COMPANY_STAFF, name="Ravi Teja", email="ravi@example.net")
    with db.unit_of_work() as work:
        managing.set_active(work, ravi.id, False, by=SYSTEM, now=NOW)
    client.sign_in(make.admin())
    for asked, found in [
        ({"q": "asha"}, {asha}),
        ({"q": "EXAMPLE.NET"}, {ravi}),
        ({"operator": str(franchise)}, {asha}),
        ({"role": "company_staff"}, {ravi}),
        ({"state": "inactive"}, {ravi}),
        ({"state": "active", "q": "asha"}, {asha}),
        ({"q": "100%"}, set()),
    ]:
        page = client.get("accounts.users", query_string=asked)
        assert page.status_code == 200
        assert {person for person in (asha, ravi) if person.email in page.text} == found
    assert "Nobody matches." in client.get("accounts.users", query_string={"q": "zzz"}).text
    for rubbish in ({"operator": "x"}, {"role": "boss"}, {"state": "odd"}):
        assert client.get("accounts.users", query_string=rubbish).status_code == 422


def test_the_list_has_pages_and_a_fragment(client: DeskClient, make: Make) -> None:
    people = [make.user(Role.COMPANY_STAFF, name=f"Person {number:03}") for number in range(30)]
    client.sign_in(make.user(Role.ADMIN, name="Zz"))
    first = client.get("accounts.users")
    assert "Users, page" not in first.text
    assert (people[0].name in first.text, people[29].name in first.text) == (True, False)
    second = client.get("accounts.users", query_string={"page": 2, "role": "company_staff"}, htmx=True)
    assert people[29].name in second.text
    assert second.text.lstrip().startswith('<div id="user-list"')
    assert "role=company_staff" in second.text


def test_an_accounts_page_tells_of_factors_sign_ins_and_what_happened(
    client: DeskClient, make: Make, new_client: Callable[[], DeskClient], db: Database
) -> None:
    me = client.sign_in(make.manager())
    staff = make.staff(me.operator_id)
    new_client().sign_in(staff)
    with db.unit_of_work() as work:
        work.db.scalars(select(User).where(User.id == staff.id)).one().totp_secret = "the sealed secret"
    client.post(
        "accounts.change_user", user_id=staff.id, data={"name": "Asha Rao", "locale": "te", **seen(client, staff)}
    )
    page = client.get("accounts.user", user_id=staff.id)
    assert "Account changed" in page.text
    assert "Language: English → Telugu" in page.text
    assert "Signed in" in page.text
    assert "the sealed secret" not in page.text
    assert client.statements <= 12


def test_every_event_of_an_account_has_words(app: Flask) -> None:
    folder = Path(app.root_path) / "accounts"
    kinds = {kind for path in folder.rglob("*.py") for kind in re.findall(r'"(account\.[a-z_]+)"', path.read_text())}
    assert {"account.created", "account.view_as_begun"} <= kinds
    assert kinds <= EVENTS.keys()


def seen(client: DeskClient, person: Person) -> dict[str, str]:
    """The hidden field of the form for an account, as the page has it."""
    page = client.get("accounts.change_user_page", user_id=person.id).text
    value = page.split('name="seen" type="hidden" value="')[1].split('"')[0]
    return {"seen": value}


# ── acts ──


def test_a_manager_changes_switches_off_and_on_and_signs_out_the_own_staff(
    client: DeskClient, make: Make, db: Database, new_client: Callable[[], DeskClient]
) -> None:
    me = client.sign_in(make.manager())
    staff, browser = make.staff(me.operator_id), new_client()
    browser.sign_in(staff)
    data = {"name": "Asha Rao", "locale": "te", **seen(client, staff)}
    done = client.post("accounts.change_user", user_id=staff.id, data=data)
    assert (done.status_code, done.location) == (303, f"/users/{staff.id}")
    assert (stored(db, staff).name, stored(db, staff).locale) == ("Asha Rao", "te")
    for endpoint in ("accounts.sign_user_out", "accounts.disable_user", "accounts.enable_user"):
        assert client.get(endpoint, user_id=staff.id).status_code == 200
        assert client.post(endpoint, user_id=staff.id).status_code == 303
    assert browser.get("courses.index").status_code == 303
    assert stored(db, staff).active


def test_mass_assignment_a_manager_cannot_slip_a_role_operator_or_state_in(
    client: DeskClient, make: Make, db: Database
) -> None:
    me = client.sign_in(make.manager())
    staff = make.staff(me.operator_id)
    data = {
        "name": "Asha",
        "locale": "en",
        "role": "admin",
        "operator": str(COMPANY_ID),
        "operator_id": str(COMPANY_ID),
        "active": "",
        "email": "evil@example.org",
        **seen(client, staff),
    }
    assert client.post("accounts.change_user", user_id=staff.id, data=data).status_code == 303
    row = stored(db, staff)
    assert (row.role, row.operator_id, row.active, row.email) == (staff.role, staff.operator_id, True, staff.email)
    page = client.get("accounts.change_user_page", user_id=staff.id).text
    assert 'name="role"' not in page


def test_an_admin_moves_somebody_and_gives_another_role(client: DeskClient, make: Make, db: Database) -> None:
    client.sign_in(make.admin())
    staff, franchise = make.staff(make.franchise()), make.franchise("Godavari Tutors")
    data = {"name": staff.name, "locale": "en", "role": "franchise_manager", "operator": str(franchise)}
    assert client.post("accounts.change_user", user_id=staff.id, data=data | seen(client, staff)).status_code == 303
    assert (stored(db, staff).role, stored(db, staff).operator_id) == (Role.FRANCHISE_MANAGER, franchise)


def test_a_role_at_the_wrong_operator_is_refused_at_its_field(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    staff = make.staff(make.franchise())
    data = {"name": staff.name, "locale": "en", "role": "admin", "operator": str(staff.operator_id)}
    page = client.post("accounts.change_user", user_id=staff.id, data=data | seen(client, staff))
    assert page.status_code == 422
    assert "does not belong to that kind of operator" in page.text
    assert 'aria-invalid="true"' in page.text


def test_nobody_writes_over_a_change_made_meanwhile(client: DeskClient, make: Make, db: Database) -> None:
    client.sign_in(make.admin())
    staff = make.staff(make.franchise())
    data = {"name": "Asha", "locale": "en", "role": staff.role.value, "operator": str(staff.operator_id)}
    opened = seen(client, staff)
    assert (
        client.post("accounts.change_user", user_id=staff.id, data=data | {"locale": "te"} | opened).status_code == 303
    )
    late = client.post("accounts.change_user", user_id=staff.id, data=data | opened)
    assert late.status_code == 409
    assert "Somebody changed this account a moment ago" in late.text
    assert stored(db, staff).locale == "te"


def test_nobody_changes_their_own_rights_on_a_page(client: DeskClient, make: Make, db: Database) -> None:
    me = client.sign_in(make.admin())
    make.admin()
    page = client.get("accounts.user", user_id=me.id)
    assert "This is your own account." in page.text
    form = client.get("accounts.change_user_page", user_id=me.id).text
    assert 'name="role"' not in form
    data = {"name": "New Name", "locale": "en", "role": "auditor", "operator": str(COMPANY_ID), **seen(client, me)}
    assert client.post("accounts.change_user", user_id=me.id, data=data).status_code == 303
    assert (stored(db, me).role, stored(db, me).name) == (Role.ADMIN, "New Name")
    for endpoint in ("accounts.disable_user", "accounts.reset_second_factors"):
        assert client.post(endpoint, user_id=me.id).status_code == 403
    assert stored(db, me).active


def test_the_page_does_not_do_what_it_explains(client: DeskClient, make: Make, db: Database) -> None:
    client.sign_in(make.admin())
    staff = make.staff()
    for endpoint in FORM_PAGES:
        client.get(endpoint, user_id=staff.id)
    assert stored(db, staff).active


# ── invitations ──


def test_a_manager_invites_staff_of_the_own_franchise_alone(client: DeskClient, make: Make, db: Database) -> None:
    me, other = client.sign_in(make.manager()), make.franchise()
    form = client.get("accounts.invite_page").text
    assert 'name="role"' not in form
    data = {"name": "Asha", "email": "Asha@Example.org", "locale": "te", "role": "admin", "operator": str(other)}
    done = client.post("accounts.invite", data=data)
    assert (done.status_code, done.location) == (303, "/users")
    with db.read_only() as session:
        row = session.scalars(select(Invitation)).one()
    assert (row.role, row.operator_id, row.email) == (Role.FRANCHISE_STAFF, me.operator_id, "asha@example.org")
    assert "asha@example.org" in client.get("accounts.users").text


def test_an_admin_invites_anybody_anywhere(client: DeskClient, make: Make, db: Database) -> None:
    client.sign_in(make.admin())
    franchise = make.franchise("Godavari Tutors")
    wanted = [(Role.ADMIN, COMPANY_ID), (Role.FRANCHISE_MANAGER, franchise), (Role.AUDITOR, COMPANY_ID)]
    for number, (role, operator_id) in enumerate(wanted):
        data = {"name": "A", "email": f"a{number}@example.org", "locale": "en"}
        data |= {"role": role.value, "operator": str(operator_id)}
        assert client.post("accounts.invite", data=data).status_code == 303
    with db.read_only() as session:
        made = session.execute(select(Invitation.role, Invitation.operator_id).order_by(Invitation.id)).all()
    assert [tuple(row) for row in made] == wanted


def test_an_invitation_is_refused_in_place(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    for data, sentence in [
        ({}, "Enter an e-mail address."),
        ({"name": "A", "email": "rubbish", "role": "admin", "operator": str(COMPANY_ID), "locale": "en"}, "like name@"),
        (
            {
                "name": "A",
                "email": "a@example.org",
                "role": "franchise_staff",
                "operator": str(COMPANY_ID),
                "locale": "en",
            },
            "kind of operator",
        ),
        (
            {"name": "A", "email": "a@example.org", "role": "admin", "operator": str(new_id()), "locale": "en"},
            "Choose one from the list",
        ),
        (
            {"name": "A", "email": "a@example.org", "role": "admin", "operator": str(COMPANY_ID), "locale": "xx"},
            "Choose one from the list",
        ),
    ]:
        for htmx in (False, True):
            page = client.post("accounts.invite", data=data, htmx=htmx)
            assert page.status_code == 422
            assert sentence in page.text


def test_the_answer_is_the_same_whether_the_address_is_known_elsewhere_or_not(client: DeskClient, make: Make) -> None:
    elsewhere = make.staff(make.franchise())
    client.sign_in(make.manager())
    answers = []
    for email in (elsewhere.email, "nobody@example.org"):
        done = client.post("accounts.invite", data={"name": "A", "email": email, "locale": "en"})
        said = client.get("accounts.users").text.split('role="alert"')[1].split("</div>\n")[0]
        answers.append((done.status_code, done.location, said.replace(email, "…")))
    assert answers[0] == answers[1]


def test_an_invitation_is_sent_again_and_withdrawn(client: DeskClient, make: Make, db: Database) -> None:
    me = client.sign_in(make.manager())
    ours = invited(db, me.operator_id)
    assert client.post("accounts.invite_again", invitation_id=ours).status_code == 303
    assert client.post("accounts.withdraw_invitation", invitation_id=ours).status_code == 303
    with db.read_only() as session:
        assert session.scalar(select(Invitation.state)) == InvitationState.WITHDRAWN
    assert "Nobody is invited at the moment." in client.get("accounts.users").text


def test_a_manager_does_not_touch_an_admins_invitation_of_a_manager(
    client: DeskClient, make: Make, db: Database
) -> None:
    me = client.sign_in(make.manager())
    ours = invited(db, me.operator_id, role=Role.FRANCHISE_MANAGER)
    page = client.get("accounts.users").text
    assert "new@example.org" in page
    assert "Withdraw" not in page
    assert client.post("accounts.withdraw_invitation", invitation_id=ours).status_code == 403
