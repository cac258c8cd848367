"""What is under way while an account changes, and what nobody sends who means well."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.make import PASSWORD, Make, Person
from tests.services import ROOT
from tests.web.client import NOW, DeskClient
from webapp.accounts import invitations, passwords, queries, sign_ins
from webapp.accounts.models import LinkToken, SignInSession
from webapp.accounts.rules import ABSOLUTE_OF, LinkPurpose, SignInStage, absolute_limit
from webapp.core.actor import SYSTEM, Role
from webapp.core.errors import Conflict, Forbidden
from webapp.core.ids import new_id
from webapp.db.work import Database, unit_of_work
from webapp.web.htmx import POLLING

BROWSER = sign_ins.Browser(b"h" * 32, "a browser", "127.0.0.1")


def sessions_of(db: Database, person: Person) -> int:
    """How many sign-ins somebody has."""
    asked = select(func.count()).select_from(SignInSession).where(SignInSession.user_id == person.id)
    with db.read_only() as session:
        return session.scalar(asked) or 0


@pytest.mark.parametrize("change", ["password", "everywhere"])
@pytest.mark.parametrize("step", ["open", "pending"])
def test_a_sign_in_that_was_under_way_does_not_begin_after_its_account_changed(
    db: Database, make: Make, change: str, step: str
) -> None:
    person = make.user()
    with db.read_only() as session:
        read_before = queries.account(session, person.id)
    with unit_of_work() as work:
        if change == "password":
            sign_ins.change_own_password(work, read_before, "another hash", keep=new_id(), now=NOW)
        else:
            sign_ins.end_every_sign_in(work, read_before, by=SYSTEM, now=NOW)
    begin = {
        "open": partial(sign_ins.begin_sign_in, absolute=timedelta(hours=1)),
        "pending": partial(sign_ins.begin_pending, stage=SignInStage.SECOND_FACTOR),
    }[step]
    with pytest.raises(Conflict, match="changed a moment ago"), unit_of_work() as work:
        begin(work, read_before, BROWSER, now=NOW)
    assert sessions_of(db, person) == 0


def test_a_hash_that_is_renewed_on_the_way_in_keeps_nobody_out(
    client: DeskClient, make: Make, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = make.user()
    monkeypatch.setattr(passwords, "is_outdated", lambda hashed: True)
    assert client.post("/sign-in", data={"email": person.email, "password": PASSWORD}).status_code == 303
    assert sessions_of(db, person) == 1


@pytest.mark.parametrize("email", ["a\x00@example.org", "a" * 5000 + "@example.org", "a\u2028b@example.org"])
def test_an_address_that_nobody_could_have_is_refused_like_any_other(client: DeskClient, email: str) -> None:
    page = client.post("/sign-in", data={"email": email, "password": PASSWORD})
    assert page.status_code == 422
    assert "is not right" in page.text


@pytest.mark.parametrize("rubbish", ["http://[x", "http://[::1", "//["])
def test_headers_no_browser_sends_are_no_fault_of_ours(client: DeskClient, make: Make, rubbish: str) -> None:
    asked = client.get("/bookings", headers={"HX-Request": "true", "HX-Current-URL": rubbish}, htmx=True)
    assert asked.status_code == 401
    assert client.get("/bookings", headers={"Referer": rubbish}).status_code == 303
    assert client.post("/sign-in", headers={"Origin": rubbish}, data={}).status_code == 403


def test_half_a_character_is_no_text(client: DeskClient, make: Make) -> None:
    client.sign_in(make.user())
    headers = {"Accept": "application/json", "X-CSRFToken": client.csrf_token()}
    for body in ('{"password": "\\ud800"}', "[" * 20_000, "[]", "nonsense"):
        asked = client.post(
            "/account/passkeys/options", data=body, headers=headers, content_type="application/json", csrf=False
        )
        assert asked.status_code in (400, 422), body[:20]


def test_an_invitation_to_another_role_voids_the_links_of_the_first(db: Database, make: Make) -> None:
    admin, franchise = make.admin(), make.franchise()
    as_staff = invitations.InvitationCommand(franchise, "new@example.org", "New", Role.FRANCHISE_STAFF)
    with unit_of_work() as work:
        invitation_id = invitations.invite(work, as_staff, by=admin.actor, now=NOW)
        work.db.add(
            LinkToken(
                id=new_id(),
                operator_id=franchise,
                purpose=LinkPurpose.INVITATION,
                token_hash=b"t" * 32,
                invitation_id=invitation_id,
                email="new@example.org",
                created_at=NOW,
                expires_at=NOW + timedelta(hours=72),
            )
        )
    used = select(LinkToken.used_at).where(LinkToken.invitation_id == invitation_id)
    with unit_of_work() as work:
        invitations.invite(work, as_staff, by=admin.actor, now=NOW)
        assert work.db.scalar(used) is None, "the same invitation again: either copy of the letter opens it"
    as_manager = invitations.InvitationCommand(franchise, "new@example.org", "New", Role.FRANCHISE_MANAGER)
    with unit_of_work() as work:
        invitations.invite(work, as_manager, by=admin.actor, now=NOW)
        assert work.db.scalar(used) == NOW
    manager = make.manager(franchise)
    with pytest.raises(Forbidden), unit_of_work() as work:
        invitations.invite(work, as_staff, by=manager.actor, now=NOW)


def test_who_sees_everything_signs_in_anew_during_a_long_day(
    client: DeskClient, make: Make, at: Callable[[datetime], None]
) -> None:
    assert {role: absolute_limit(role) for role in Role} == dict.fromkeys(Role, timedelta(hours=12)) | ABSOLUTE_OF
    assert absolute_limit(Role.ADMIN, timedelta(hours=4)) == timedelta(hours=4)


def test_a_page_that_asks_by_itself_keeps_nobody_signed_in(
    client: DeskClient, make: Make, at: Callable[[datetime], None]
) -> None:
    client.sign_in(make.manager())
    for minutes in range(10, 60, 10):
        at(NOW + timedelta(minutes=minutes))
        polled = client.get("/approvals", headers={"HX-Source": "div#queue"}, htmx=True)
        assert polled.status_code == 200
    at(NOW + timedelta(minutes=61))
    assert client.get("/approvals", headers={"HX-Source": "div#queue"}, htmx=True).status_code == 401


def test_whoever_presses_something_stays_signed_in(
    client: DeskClient, make: Make, at: Callable[[datetime], None]
) -> None:
    client.sign_in(make.manager())
    for minutes in (50, 100, 150):
        at(NOW + timedelta(minutes=minutes))
        assert client.get("/approvals", headers={"HX-Source": "a"}, htmx=True).status_code == 200


def test_every_element_that_asks_by_itself_is_known() -> None:
    asking = re.compile(r'<\w+ id="([^"]+)"[^>]*hx-trigger="every', re.DOTALL)
    found = {
        match[1] for path in Path(ROOT / "templates").rglob("*.html") for match in asking.finditer(path.read_text())
    }
    assert found == POLLING
