"""Accepting an invitation: the address, the role and the operator are the invitation's, whatever a form says."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from tests.jobs.builders import rows
from tests.jobs.letter_box import Box
from tests.make import Make, Person
from tests.web.client import NOW, DeskClient
from webapp.accounts import invitations
from webapp.accounts.invitations import InvitationCommand
from webapp.accounts.rules import LOCALES
from webapp.accounts.sending import JOIN_PATH
from webapp.app import LOCALES as SPOKEN
from webapp.core import clock
from webapp.core.actor import Role
from webapp.db.work import Database

pytestmark = pytest.mark.usefixtures("fresh_limits")

PASSWORD = "seven lamps along the river"
EMAIL = "ravi@example.org"


Invite = Callable[..., UUID]


@pytest.fixture
def invite(db: Database) -> Invite:
    """Invites somebody to the inviter's own operator, as staff, unless told otherwise."""

    def invite(
        by: Person, role: Role = Role.FRANCHISE_STAFF, *, operator_id: UUID | None = None, email: str = EMAIL
    ) -> UUID:
        command = InvitationCommand(operator_id or by.operator_id, email, "Ravi Teja", role, "te")
        with db.unit_of_work() as work:
            return invitations.invite(work, command, by=by.actor, now=clock.now())

    return invite


def follow(client: DeskClient, path: str) -> TestResponse:
    """Open a link as a browser does: the exchange, then the page."""
    exchanged = client.get(path)
    assert exchanged.status_code == 303
    return client.get(exchanged.headers["Location"])


def join(client: DeskClient, **typed: str) -> TestResponse:
    return client.post("/join", data={"name": "Ravi Teja", "locale": "te", "password": PASSWORD} | typed)


def people(db: Database) -> list[tuple[object, ...]]:
    return rows(db, "SELECT name, role, operator_id, locale, active FROM users WHERE email = :email", email=EMAIL)


def state(db: Database) -> object:
    ((found,),) = rows(db, "SELECT state FROM invitations")
    return found


def test_who_is_invited_gets_an_account_by_choosing_a_password(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box], invite: Invite
) -> None:
    manager = make.manager(make.franchise("Coastal Tutors"))
    invite(manager)
    assert people(db) == [], "no account before somebody accepts"
    letter = box().last
    assert (letter.to, letter.language) == (EMAIL, "te")
    page = follow(client, box().path())
    assert page.status_code == 200
    assert "Join Coastal Tutors" in page.text
    assert f"{manager.name} invites you as: Franchise staff" in page.text
    assert 'value="Ravi Teja"' in page.text
    assert f'value="{EMAIL}"' in page.text
    done = join(client, name="Ravi T.", locale="hi")
    assert (done.status_code, done.headers["Location"]) == (303, "/sign-in")
    assert people(db) == [("Ravi T.", "franchise_staff", manager.operator_id, "hi", True)]
    assert state(db) == "accepted"
    assert "Your account is ready" in client.get("/sign-in").text
    assert rows(db, "SELECT 1 FROM sign_in_sessions") == [], "nobody is signed in by a link"
    assert client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD}).status_code == 303


def test_the_audit_tells_who_invited_and_who_joined_without_names(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box], invite: Invite
) -> None:
    manager = make.manager()
    invitation_id = invite(manager)
    follow(client, box().path())
    join(client)
    ((user_id,),) = rows(db, "SELECT id FROM users WHERE email = :email", email=EMAIL)
    told = rows(
        db,
        "SELECT what, subject_id, actor_id, operator_id, after::text FROM audit_entries"
        " WHERE what IN ('account.invited', 'account.joined') ORDER BY id",
    )
    assert [row[:4] for row in told] == [
        ("account.invited", invitation_id, manager.id, manager.operator_id),
        ("account.joined", user_id, user_id, manager.operator_id),
    ]
    assert "Ravi" not in str([row[4] for row in told])
    assert EMAIL not in str([row[4] for row in told])


def test_a_form_cannot_choose_role_operator_or_address(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box], invite: Invite
) -> None:
    manager, other = make.manager(), make.franchise()
    invite(manager)
    follow(client, box().path())
    planted = {
        "role": "admin",
        "operator_id": str(other),
        "email": "evil@example.org",
        "active": "y",
        "totp_secret": "x",
        "invited_by": str(other),
    }
    assert join(client, **planted).status_code == 303
    assert people(db) == [("Ravi Teja", "franchise_staff", manager.operator_id, "te", True)]
    assert rows(db, "SELECT 1 FROM users WHERE email = 'evil@example.org' OR role = 'admin'") == []


def test_a_link_is_good_once(
    new_client: Callable[[], DeskClient], make: Make, db: Database, box: Callable[[], Box], invite: Invite
) -> None:
    invite(make.manager())
    first, second = new_client(), new_client()
    path = box().path()
    assert follow(first, path).status_code == follow(second, path).status_code == 200
    assert join(first).status_code == 303
    assert join(second, name="Somebody Else").status_code == 404
    assert follow(second, path).status_code == 404
    assert [name for name, *_rest in people(db)] == ["Ravi Teja"]


def test_an_invitation_ends_after_three_days(
    client: DeskClient,
    make: Make,
    box: Callable[[], Box],
    invite: Invite,
    at: Callable[[datetime], None],
) -> None:
    invite(make.manager())
    path = box().path()
    at(NOW + timedelta(hours=71, minutes=59))
    assert follow(client, path).status_code == 200
    at(NOW + timedelta(hours=72))
    assert join(client).status_code == 404


def test_a_letter_that_was_late_makes_an_invitation_no_longer(
    client: DeskClient, make: Make, box: Callable[[], Box], invite: Invite, at: Callable[[datetime], None]
) -> None:
    invite(make.manager())
    at(NOW + timedelta(hours=8))
    path = box().path()
    at(NOW + timedelta(hours=72))
    assert follow(client, path).status_code == 404


@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE users SET active = false WHERE id = :inviter",
        "UPDATE users SET role = 'franchise_staff' WHERE id = :inviter",
        "UPDATE users SET operator_id = :other WHERE id = :inviter",
        "DELETE FROM users WHERE id = :inviter",
        "UPDATE operators SET active = false WHERE id = :operator",
        "UPDATE invitations SET state = 'withdrawn'",
        "UPDATE invitations SET state = 'expired'",
        "UPDATE invitations SET role = 'franchise_manager'",
    ],
    ids=[
        "inviter switched off",
        "inviter lost the right",
        "inviter moved away",
        "inviter gone",
        "operator switched off",
        "withdrawn",
        "expired",
        "more than the inviter may give",
    ],
)
def test_an_invitation_is_dead_when_it_could_not_be_made_today(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box], invite: Invite, meanwhile: str
) -> None:
    manager, other = make.manager(), make.franchise()
    invite(manager)
    path = box().path()
    assert follow(client, path).status_code == 200
    values = {"inviter": manager.id, "other": other, "operator": manager.operator_id}
    with db.unit_of_work() as work:
        work.db.execute(text(meanwhile), {name: value for name, value in values.items() if f":{name}" in meanwhile})
    assert join(client).status_code == 404
    assert people(db) == []


def test_an_invitation_by_an_admin_of_the_company_reaches_into_a_franchise(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box], invite: Invite
) -> None:
    franchise = make.franchise()
    invite(make.admin(), Role.FRANCHISE_MANAGER, operator_id=franchise)
    follow(client, box().path())
    assert join(client).status_code == 303
    assert people(db) == [("Ravi Teja", "franchise_manager", franchise, "te", True)]


def test_every_link_that_does_not_work_gets_the_same_answer(
    new_client: Callable[[], DeskClient], make: Make, db: Database, box: Callable[[], Box], invite: Invite
) -> None:
    def seen(path: str | None) -> str:
        client = new_client()
        page = follow(client, path) if path else client.get("/join")
        assert page.status_code == 404
        return re.sub(r'nonce="[^"]+"', "", page.text)

    manager = make.manager()
    used_by = new_client()
    invite(manager)
    used = box().path()
    follow(used_by, used)
    join(used_by)
    withdrawn_id = invite(manager, email="uma@example.org")
    withdrawn = box().path()
    with db.unit_of_work() as work:
        invitations.withdraw(work, withdrawn_id, by=manager.actor, now=NOW)
    pages = {seen(path) for path in (None, used, withdrawn, "/join/" + "x" * 43, "/join/ఆశ")}
    assert len(pages) == 1
    assert "ask whoever invited you" in pages.pop()


def test_the_token_is_exchanged_and_goes_no_further(
    client: DeskClient, make: Make, box: Callable[[], Box], invite: Invite
) -> None:
    invite(make.manager())
    path = box().path()
    exchanged = client.get(path)
    assert (exchanged.status_code, exchanged.headers["Location"]) == (303, "/join")
    assert exchanged.headers["Referrer-Policy"] == "no-referrer"
    assert exchanged.headers["Cache-Control"] == "no-store"
    page = client.get("/join")
    assert page.headers["Cache-Control"] == "no-store"
    assert path.removeprefix("/join/") not in exchanged.text + page.text


def test_a_scanner_that_opens_the_link_uses_nothing_up(
    new_client: Callable[[], DeskClient], make: Make, db: Database, box: Callable[[], Box], invite: Invite
) -> None:
    invite(make.manager())
    path = box().path()
    for method in ("GET", "HEAD"):
        scanner = new_client()
        assert scanner.open(path, method=method).status_code == 303
        scanner.get("/join")
    assert rows(db, "SELECT used_at FROM link_tokens") == [(None,)]
    person = new_client()
    follow(person, path)
    assert join(person).status_code == 303


def test_a_link_is_good_for_its_own_purpose_only(
    client: DeskClient, make: Make, box: Callable[[], Box], invite: Invite
) -> None:
    manager = make.manager()
    invite(manager)
    client.post("/forgotten", data={"email": manager.email})
    paths = {box().path(n).split("/")[1]: box().path(n).split("/")[2] for n in range(2)}
    assert follow(client, "/join/" + paths["reset"]).status_code == 404
    assert follow(client, "/reset/" + paths["join"]).status_code == 404


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"password": "short"}, "password"),
        ({"password": "passwordpassword"}, "password"),
        ({"password": "ravi-teja-zonedesk"}, "password"),
        ({"name": " "}, "name"),
        ({"locale": "xx"}, "locale"),
        ({"locale": ""}, "locale"),
    ],
)
def test_what_will_not_do_is_said_at_its_field_and_uses_nothing_up(
    client: DeskClient,
    make: Make,
    db: Database,
    box: Callable[[], Box],
    invite: Invite,
    typed: dict[str, str],
    field: str,
) -> None:
    invite(make.manager())
    follow(client, box().path())
    page = join(client, **typed)
    assert page.status_code == 422
    assert f'href="#{field}"' in page.text
    assert state(db) == "open"
    assert join(client).status_code == 303


def test_an_address_with_an_account_gets_told_so_and_nobody_else_does(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box], invite: Invite
) -> None:
    theirs = make.franchise("Hill Tutors")
    make.user(Role.FRANCHISE_STAFF, operator_id=theirs, email=EMAIL, locale="hi")
    manager = make.manager()
    known = invite(manager)
    unknown = invite(manager, email="nobody@example.org")
    columns = "operator_id, name, role, locale, invited_by, state, created_at, expires_at, accepted_at"
    seen = [rows(db, f"SELECT {columns} FROM invitations WHERE id = :id", id=id_) for id_ in (known, unknown)]
    assert seen[0] == seen[1], "whoever invited sees the same of both"
    letters = {letter.to: letter for letter in box().letters}
    told = " ".join(letters[EMAIL].text.split())
    assert "there is an account with your address already" in told
    assert letters[EMAIL].language == "hi", "the language of whoever has the account"
    assert "/join/" not in told
    assert "Hill Tutors" not in told, "not even where the account is"
    assert len(rows(db, "SELECT 1 FROM link_tokens")) == 1
    sent = rows(db, "SELECT state, last_error, attempts FROM letters ORDER BY id")
    assert sent[0] == sent[1]


def test_who_got_an_account_meanwhile_is_told_so_by_the_page(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box], invite: Invite
) -> None:
    invite(make.manager())
    follow(client, box().path())
    make.user(email=EMAIL, name="Already There")
    page = join(client)
    assert page.status_code == 422
    assert "already an account with this address" in page.text
    assert [name for name, *_rest in people(db)] == ["Already There"]
    assert state(db) == "open"


def test_letters_and_routes_name_the_same_addresses(app: Flask) -> None:
    with app.test_request_context():
        assert app.url_for("accounts.join_link", token="t") == JOIN_PATH + "t"
    assert tuple(LOCALES) == SPOKEN
