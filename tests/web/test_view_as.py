"""An admin sees the desk as somebody else: exactly that desk, reading only, with a trace, and not for long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from tests.arch.test_routes import any_values
from tests.make import Make, Person
from tests.web.client import NOW, DeskClient
from webapp.accounts import managing
from webapp.accounts.models import SignInSession
from webapp.accounts.rules import VIEW_AS_LIMIT
from webapp.audit import service as audit
from webapp.audit.models import AuditEntry
from webapp.core.actor import STEP_UP, SYSTEM, Permission, Role
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.base import sqlstate_of
from webapp.db.tenancy import acting_as, leaving_a_trace
from webapp.db.work import Database
from webapp.operators import service as operators
from webapp.operators.rules import OperatorCommand
from webapp.web.access import guard_of

BANNER = "Stop seeing it as"
STILL_OPEN = {"accounts.view_as_end", "accounts.sign_out"}
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
At = Callable[[datetime], None]


def view(client: DeskClient, person: Person) -> None:
    """Press the button."""
    begun = client.post("accounts.view_as_begin", user_id=person.id)
    assert begun.status_code == 303, begun.text


def entries(db: Database, what: str) -> list[AuditEntry]:
    """What the audit says of a kind of event."""
    with db.read_only() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.what == what).order_by(AuditEntry.id)))


def seen_as(db: Database) -> list[object]:
    """Whom the signed-in browsers see the desk as."""
    with db.read_only() as session:
        return list(session.scalars(select(SignInSession.view_as_id)))


# ── it is that person's desk ──


def test_pages_show_what_the_person_sees_and_a_banner_says_so(client: DeskClient, make: Make) -> None:
    mine, other = make.franchise("Godavari Tutors"), make.franchise("Krishna Tutors")
    staff = make.user(Role.FRANCHISE_STAFF, operator_id=mine, name="Asha Rao")
    client.sign_in(make.admin())
    assert "See the desk as this person" in client.get("accounts.user", user_id=staff.id).text
    assert "can change nothing" in client.get("accounts.view_as_begin", user_id=staff.id).text
    view(client, staff)
    page = client.get("operators.index")
    assert ("Godavari Tutors" in page.text, "Krishna Tutors" in page.text) == (True, False)
    assert BANNER in page.text
    assert 'role="status"' in page.text
    for words in (
        "Asha Rao",
        "Franchise staff",
        "reading only",
        "Stop seeing it as Asha Rao",
        "Ends by itself in 30 min.",
    ):
        assert words in page.text
    assert client.get("operators.show", operator_id=other).status_code == 404
    assert client.get("operators.show", operator_id=COMPANY_ID).status_code == 404
    assert 'href="/users"' not in page.text, "the person has no such page"
    assert client.get("accounts.users").status_code == 403


@pytest.mark.parametrize("role", Role)
def test_each_role_s_desk_opens_page_by_page_with_the_banner(
    client: DeskClient, make: Make, app: Flask, role: Role
) -> None:
    person = make.user(role)
    client.sign_in(make.admin())
    view(client, person)
    opened = 0
    for rule in app.url_map.iter_rules():
        guard = guard_of(app, rule.endpoint)
        if "GET" not in (rule.methods or ()) or rule.arguments or not isinstance(guard, Permission):
            continue
        answer = client.get(rule.endpoint)
        allowed = person.actor.may(guard) and guard not in STEP_UP
        assert (answer.status_code == 403) == (not allowed), rule.rule
        if answer.mimetype == "text/html" and answer.status_code != 303:
            assert BANNER in answer.text, rule.rule
            opened += 1
    assert opened > 5


def test_a_family_s_page_opens_though_the_reading_is_written_down(client: DeskClient, make: Make) -> None:
    franchise = make.franchise()
    household = make.household(operator_id=franchise)
    client.sign_in(make.admin())
    view(client, make.staff(franchise))
    for page in (
        client.get("households.show", household_id=household.household_id),
        client.get("households.index"),
        client.get("bookings.enquiries", query_string={"status": "all"}),
    ):
        assert page.status_code == 200
        assert BANNER in page.text


def test_whoever_sees_the_desk_as_themselves_has_no_banner(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    assert BANNER not in client.get("courses.index").text


# ── and nothing is changed ──


def test_every_unsafe_route_there_is_is_refused(client: DeskClient, make: Make, app: Flask) -> None:
    client.sign_in(make.admin())
    view(client, make.admin())
    client.lint = False
    asked = 0
    for rule in app.url_map.iter_rules():
        if not UNSAFE & (rule.methods or set()) or rule.endpoint in STILL_OPEN:
            continue
        with app.test_request_context():
            url = app.url_for(rule.endpoint, **any_values(rule, new_id()))
        for method in sorted(UNSAFE & (rule.methods or set())):
            for htmx in (False, True):
                answer = client.open(url, method=method, htmx=htmx)
                assert answer.status_code == 403, (rule.rule, method, answer.status_code)
                assert "reading only" in answer.text, rule.rule
                asked += 1
    assert asked > 20
    assert client.get("courses.index").status_code == 200
    assert BANNER in client.get("courses.index").text


def test_acts_of_weight_and_the_own_account_are_out_of_reach(client: DeskClient, make: Make, app: Flask) -> None:
    client.sign_in(make.admin())
    view(client, make.admin())
    asked = 0
    for rule in app.url_map.iter_rules():
        guard = guard_of(app, rule.endpoint)
        weighty = guard in STEP_UP or guard == "signed_in"
        if not weighty or "GET" not in (rule.methods or ()) or rule.endpoint in STILL_OPEN:
            continue
        with app.test_request_context():
            url = app.url_for(rule.endpoint, **any_values(rule, new_id()))
        answer = client.get(url)
        assert answer.status_code == 403, rule.rule
        assert "reading only" in answer.text
        asked += 1
    assert asked >= 5


def test_the_database_refuses_too(db: Database, make: Make, client: DeskClient) -> None:
    admin, staff = make.admin(), make.staff()
    actor = viewing(staff, admin)
    rename = text("UPDATE users SET name = 'Changed' WHERE id = :id")
    with acting_as(actor), pytest.raises(DBAPIError) as refused, db.unit_of_work() as work:
        work.db.execute(rename, {"id": staff.id})
    assert sqlstate_of(refused.value) == "25006", "read-only SQL transaction"
    with acting_as(staff.actor), db.unit_of_work() as work:
        work.db.execute(rename, {"id": staff.id})
    with acting_as(actor), leaving_a_trace(), db.unit_of_work() as work:
        audit.record(work, "household.read", "household", new_id(), operator_id=COMPANY_ID, by=actor)


def viewing(person: Person, admin: Person) -> Any:
    """The person as an admin sees the desk."""
    return replace(person.actor, viewed_by=admin.actor)


# ── the trace ──


def test_beginning_and_end_are_written_down_under_the_admin_s_name(
    client: DeskClient, make: Make, db: Database
) -> None:
    admin, staff = make.admin(), make.staff(make.franchise())
    client.sign_in(admin)
    view(client, staff)
    done = client.post("accounts.view_as_end")
    assert (done.status_code, done.location) == (303, f"/users/{staff.id}")
    assert BANNER not in client.get("courses.index").text
    for what, after in (("account.view_as_begun", None), ("account.view_as_ended", {"why": "asked"})):
        (entry,) = entries(db, what)
        assert (entry.actor_id, entry.actor_role, entry.subject_id) == (admin.id, Role.ADMIN, staff.id)
        assert (entry.operator_id, entry.after) == (staff.operator_id, after)
    assert client.post("accounts.view_as_end").status_code == 303, "twice does no harm"
    assert len(entries(db, "account.view_as_ended")) == 1
    assert "An admin began to see the desk as this person" in client.get("accounts.user", user_id=staff.id).text


def test_whatever_is_written_meanwhile_names_the_admin_and_whom_they_see(make: Make) -> None:
    admin, staff = make.admin(), make.staff()
    row = audit.entry(
        "household.read", "household", new_id(), operator_id=COMPANY_ID, by=viewing(staff, admin), after={"on": "x"}
    )
    assert (row.actor_id, row.actor_name, row.actor_role) == (admin.id, admin.name, Role.ADMIN)
    assert row.after == {"on": "x", "viewing_as": str(staff.id)}
    mine = audit.entry("household.read", "household", new_id(), operator_id=COMPANY_ID, by=admin.actor)
    assert (mine.actor_id, mine.after) == (admin.id, None)


# ── who, as whom ──


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_admins_see_the_desk_as_somebody(client: DeskClient, make: Make, db: Database, role: Role) -> None:
    person = client.sign_in(make.user(role))
    colleague = make.user(role, operator_id=person.operator_id)
    assert client.get("accounts.view_as_begin", user_id=colleague.id).status_code == 403
    assert client.post("accounts.view_as_begin", user_id=colleague.id).status_code == 403
    assert seen_as(db) == [None]
    if person.actor.may(Permission.USER_READ):
        assert "See the desk as" not in client.get("accounts.user", user_id=colleague.id).text


def test_nobody_is_seen_as_themselves_or_as_an_account_that_is_switched_off(
    client: DeskClient, make: Make, db: Database
) -> None:
    admin, off, of_closed = make.admin(), make.staff(), make.staff(make.franchise("Closed"))
    with db.unit_of_work() as work:
        managing.set_active(work, off.id, False, by=SYSTEM, now=NOW)
        command = OperatorCommand("Closed", active=False)
        operators.change(work, of_closed.operator_id, command, by=SYSTEM, now=NOW)
    client.sign_in(admin)
    for person, status, sentence in (
        (admin, 403, "as yourself already"),
        (off, 409, "switched off"),
        (of_closed, 409, "switched off"),
    ):
        refused = client.post("accounts.view_as_begin", user_id=person.id)
        assert (refused.status_code, sentence in refused.text) == (status, True)
    assert client.post("accounts.view_as_begin", user_id=new_id()).status_code == 404
    assert seen_as(db) == [None]
    assert entries(db, "account.view_as_begun") == []


def test_nobody_begins_anew_while_viewing(client: DeskClient, make: Make, db: Database) -> None:
    first, second = make.admin(), make.staff()
    client.sign_in(make.admin())
    view(client, first)
    assert client.post("accounts.view_as_begin", user_id=second.id).status_code == 403
    assert seen_as(db) == [first.id]


# ── it ends ──


def test_it_ends_by_itself_after_half_an_hour_and_what_was_open_then_does_nothing(
    client: DeskClient, make: Make, db: Database, at: At
) -> None:
    client.sign_in(make.admin())
    staff = make.user(Role.COMPANY_STAFF, name="Asha Rao")
    view(client, staff)
    at(NOW + VIEW_AS_LIMIT - timedelta(seconds=1))
    stale = client.csrf_token()
    assert BANNER in client.get("courses.index").text
    at(NOW + VIEW_AS_LIMIT)
    household = make.household()
    url = f"/households/{household.household_id}/apart"
    refused = client.post(url, csrf=False, data={"csrf_token": stale})
    assert refused.status_code == 403
    assert "has just ended" in refused.text
    assert seen_as(db) == [None]
    assert [entry.after for entry in entries(db, "account.view_as_ended")] == [{"why": "over"}]
    assert client.post(url, csrf=False, data={"csrf_token": stale}).status_code == 400, "nor later, with the old token"
    assert BANNER not in client.get("courses.index").text


def test_a_page_opened_after_the_end_says_that_it_has_ended(client: DeskClient, make: Make, at: At) -> None:
    client.sign_in(make.admin())
    view(client, make.user(Role.COMPANY_STAFF, name="Asha Rao"))
    at(NOW + VIEW_AS_LIMIT / 2)
    assert BANNER in client.get("courses.index").text
    at(NOW + VIEW_AS_LIMIT)
    page = client.get("courses.index")
    assert "Seeing the desk as Asha Rao has ended by itself." in page.text
    assert BANNER not in page.text
    assert "has ended by itself" not in client.get("courses.index").text


def test_forms_opened_before_it_began_are_good_for_nothing_afterwards(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    before = client.csrf_token()
    view(client, make.staff())
    meanwhile = client.csrf_token()
    client.post("accounts.view_as_end")
    for stale in (before, meanwhile):
        assert client.post("accounts.sign_out", csrf=False, data={"csrf_token": stale}).status_code == 400


def test_it_ends_when_the_person_is_switched_off(client: DeskClient, make: Make, db: Database) -> None:
    client.sign_in(make.admin())
    staff = make.staff()
    view(client, staff)
    with db.unit_of_work() as work:
        managing.set_active(work, staff.id, False, by=SYSTEM, now=NOW)
    assert BANNER not in client.get("courses.index").text
    assert seen_as(db) == [None]


def test_it_ends_with_the_sign_in(client: DeskClient, make: Make, db: Database) -> None:
    staff = make.staff(make.franchise())
    client.sign_in(make.admin())
    view(client, staff)
    assert client.sign_out().status_code == 303
    assert client.get("courses.index").status_code == 303
    assert seen_as(db) == [], "the admin's session is gone, though the franchise was looked at"
    assert [entry.after for entry in entries(db, "account.view_as_ended")] == [{"why": "signed_out"}]


def test_it_ends_with_the_admin_s_right(client: DeskClient, make: Make, db: Database) -> None:
    admin, staff = make.admin(), make.staff()
    make.admin()
    client.sign_in(admin)
    view(client, staff)
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE users SET role = 'company_staff' WHERE id = :id"), {"id": admin.id})
    assert BANNER not in client.get("courses.index").text
    assert seen_as(db) == [None]


def test_the_seen_person_s_own_browser_is_not_touched(
    client: DeskClient, make: Make, new_client: Callable[[], DeskClient], db: Database
) -> None:
    staff, theirs = make.staff(), new_client()
    theirs.sign_in(staff)
    client.sign_in(make.admin())
    view(client, staff)
    client.post("accounts.view_as_end")
    assert theirs.get("courses.index").status_code == 200
    assert BANNER not in theirs.get("courses.index").text
