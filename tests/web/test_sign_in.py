"""Signing in and out, and how a sign-in ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import func, select

from tests.make import PASSWORD, Make
from tests.web.client import NOW, DeskClient
from webapp.accounts.models import SignInSession, User
from webapp.audit.models import AuditEntry
from webapp.core.actor import Role
from webapp.core.ids import COMPANY_ID
from webapp.db.work import Database

pytestmark = pytest.mark.usefixtures("fresh_limits")


def sign_in(client: DeskClient, email: str, password: str = PASSWORD, **more: str) -> tuple[int, str]:
    """Type both into the form; status and where it leads, or the page."""
    response = client.post("/sign-in", data={"email": email, "password": password, **more})
    return response.status_code, response.headers.get("Location", response.text)


def is_signed_in(client: DeskClient) -> bool:
    """Whether the sign-in page sends the browser on instead of asking."""
    return client.get("/sign-in").status_code == 303


def rows(db: Database) -> int:
    """How many browsers are signed in."""
    with db.read_only() as session:
        return session.scalar(select(func.count()).select_from(SignInSession)) or 0


def told(db: Database) -> list[str]:
    """What the audit says about accounts after they were created."""
    with db.read_only() as session:
        found = session.scalars(
            select(AuditEntry.what).where(AuditEntry.what.like("account.%")).order_by(AuditEntry.id)
        )
        return [what for what in found if what != "account.created"]


def test_the_right_password_signs_in_and_out(client: DeskClient, make: Make, db: Database) -> None:
    person = make.user()
    assert sign_in(client, person.email) == (303, "/")
    assert is_signed_in(client)
    assert rows(db) == 1
    assert client.sign_out().status_code == 303
    assert not is_signed_in(client)
    assert rows(db) == 0
    assert told(db) == ["account.signed_in", "account.signed_out"]


def test_the_address_may_be_typed_in_capitals(client: DeskClient, make: Make) -> None:
    make.user(email="asha@example.org")
    assert sign_in(client, " Asha@Example.ORG ")[0] == 303


def test_the_database_knows_neither_password_nor_token(client: DeskClient, make: Make, db: Database) -> None:
    person = make.user()
    sign_in(client, person.email)
    with client.session_transaction() as cookie:
        token = str(cookie["_user_id"]).partition(".")[2]
    with db.read_only() as session:
        stored = session.scalar(select(User.password).where(User.id == person.id)) or ""
        kept = session.scalar(select(SignInSession.token_hash)) or b""
    assert len(token) >= 43  # 256 bits in base 64
    assert stored.startswith("$argon2id$")
    assert token.encode() not in kept
    assert len(kept) == 32


def _page_without_its_secrets(page: str) -> str:
    page = re.sub(r'nonce="[^"]+"', "", page)
    page = re.sub(r'name="csrf_token" value="[^"]+"', "", page)
    return re.sub(r"[\w.+-]+@example\.org", "", page)


def test_an_unknown_address_gets_the_same_page_as_a_wrong_password(client: DeskClient, make: Make) -> None:
    person = make.user()
    wrong = client.post("/sign-in", data={"email": person.email, "password": "not this one at all"})
    unknown = client.post("/sign-in", data={"email": "nobody@example.org", "password": "not this one at all"})
    assert wrong.status_code == unknown.status_code == 422
    assert "is not right" in wrong.text
    assert _page_without_its_secrets(wrong.text) == _page_without_its_secrets(unknown.text)


def test_an_unknown_address_costs_a_hash_too(client: DeskClient, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    person = make.user()
    checked: list[str] = []
    real = __import__("flask_security").verify_password

    def counting(password: str, hashed: str) -> bool:
        checked.append(hashed.split("$")[1])
        return bool(real(password, hashed))

    monkeypatch.setattr("flask_security.verify_password", counting)
    sign_in(client, person.email, "not this one at all")
    sign_in(client, "nobody@example.org", "not this one at all")
    assert checked == ["argon2id", "argon2id"]


def test_a_wrong_password_and_an_unknown_address_leave_the_same_trace(
    client: DeskClient, make: Make, db: Database
) -> None:
    person = make.user()
    assert sign_in(client, person.email, "not this one at all")[0] == 422
    assert sign_in(client, "nobody@example.org")[0] == 422
    assert told(db) == ["account.sign_in_failed"] * 2
    with db.read_only() as session:
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.what == "account.sign_in_failed").order_by(AuditEntry.id)
        ).all()
        assert [(entry.subject_kind, entry.subject_id) for entry in entries] == [
            ("user", person.id),
            ("operator", COMPANY_ID),
        ]
        assert [entry.operator_id for entry in entries] == [person.operator_id, COMPANY_ID]
        assert "nobody" not in str([(entry.before, entry.after, entry.actor_name) for entry in entries])


def test_an_unknown_address_costs_the_same_statements(client: DeskClient, make: Make) -> None:
    person = make.user()
    sign_in(client, person.email, "not this one at all")
    known = client.statements
    sign_in(client, "nobody@example.org", "not this one at all")
    assert client.statements == known
    sign_in(client, person.email)
    assert client.statements != known  # the count tells a difference where there is one


def test_an_account_that_is_switched_off_stays_out(client: DeskClient, make: Make, db: Database) -> None:
    person = make.user()
    sign_in(client, person.email)
    with db.unit_of_work() as work:
        user = work.db.get_one(User, person.id)
        user.active = False
    assert not is_signed_in(client)
    assert sign_in(client, person.email)[0] == 422


def test_a_new_uniquifier_ends_every_sign_in(client: DeskClient, make: Make, db: Database) -> None:
    person = client.sign_in(make.user())
    assert is_signed_in(client)
    with db.unit_of_work() as work:
        work.db.get_one(User, person.id).fs_uniquifier = "0" * 64
    assert not is_signed_in(client)


def test_the_cookie_of_a_deleted_session_is_dead(client: DeskClient, make: Make, db: Database) -> None:
    sign_in(client, make.user().email)
    with client.session_transaction() as cookie:
        stolen = dict(cookie)
    client.sign_out()
    with client.session_transaction() as cookie:
        cookie.update(stolen)
    assert not is_signed_in(client)


def test_signing_in_again_ends_the_session_before(client: DeskClient, make: Make, db: Database) -> None:
    person = make.user()
    client.get("/sign-in")
    with client.session_transaction() as cookie:
        cookie["planted"] = "by an attacker before the sign-in"
    sign_in(client, person.email)
    with client.session_transaction() as cookie:
        first = cookie["_user_id"]
        assert "planted" not in cookie
        old = dict(cookie)
    sign_in(client, person.email)
    with client.session_transaction() as cookie:
        assert cookie["_user_id"] != first
    assert rows(db) == 1
    with client.session_transaction() as cookie:
        cookie.clear()
        cookie.update(old)
    assert not is_signed_in(client)


def test_three_idle_hours_end_a_sign_in(client: DeskClient, make: Make, at: Callable[[datetime], None]) -> None:
    client.sign_in(make.user())
    at(NOW + timedelta(hours=2, minutes=59))
    assert is_signed_in(client)
    at(NOW + timedelta(hours=5, minutes=58))
    assert is_signed_in(client)
    at(NOW + timedelta(hours=8, minutes=58))
    assert not is_signed_in(client)


def test_twelve_hours_end_a_sign_in_however_busy(
    client: DeskClient, make: Make, at: Callable[[datetime], None]
) -> None:
    client.sign_in(make.user())
    for hour in range(1, 12):
        at(NOW + timedelta(hours=hour))
        assert is_signed_in(client)
    at(NOW + timedelta(hours=12))
    assert not is_signed_in(client)


def test_last_seen_is_written_once_a_minute(
    client: DeskClient, make: Make, db: Database, at: Callable[[datetime], None]
) -> None:
    client.sign_in(make.user())
    seen = []
    for seconds in (30, 61, 90):
        at(NOW + timedelta(seconds=seconds))
        assert is_signed_in(client)
        with db.read_only() as session:
            seen.append(session.scalar(select(SignInSession.last_seen_at)))
    assert seen == [NOW, NOW + timedelta(seconds=61), NOW + timedelta(seconds=61)]


def test_loading_the_person_does_not_count_as_a_statement(client: DeskClient, make: Make) -> None:
    client.sign_in(make.user())
    client.get("/sign-in")
    assert client.statements == 0


def test_the_sixth_try_in_a_minute_has_to_wait(client: DeskClient, make: Make) -> None:
    person = make.user()
    for _ in range(5):
        assert sign_in(client, person.email, "not this one at all")[0] == 422
    response = client.post("/sign-in", data={"email": person.email, "password": PASSWORD})
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 61
    assert "Too many tries" in response.text
    assert sign_in(client, make.user().email)[0] == 303


def test_one_address_cannot_try_every_account(client: DeskClient) -> None:
    statuses = [sign_in(client, f"guess{n}@example.org")[0] for n in range(21)]
    assert statuses == [422] * 20 + [429]


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "\t//evil.example"]
)
def test_nobody_is_sent_to_another_site(client: DeskClient, make: Make, target: str) -> None:
    assert sign_in(client, make.user().email, next=target) == (303, "/")


def test_the_page_asked_for_comes_after_signing_in(client: DeskClient, make: Make) -> None:
    page = client.get("/sign-in?next=/bookings?page=2")
    assert 'value="/bookings?page=2"' in page.text
    assert sign_in(client, make.user().email, next="/bookings?page=2") == (303, "/bookings?page=2")


def test_a_form_without_its_token_is_refused(client: DeskClient, make: Make, db: Database) -> None:
    data = {"email": make.user().email, "password": PASSWORD}
    response = client.post("/sign-in", data=data, csrf=False)
    assert response.status_code == 400
    assert rows(db) == 0


def test_signing_out_takes_a_post_with_a_token(client: DeskClient, make: Make) -> None:
    client.sign_in(make.user())
    assert client.get("/sign-out").status_code == 405
    assert client.post("/sign-out", csrf=False).status_code == 400
    assert is_signed_in(client)


def test_a_flush_of_valkey_signs_nobody_out(client: DeskClient, make: Make, redis_url: str) -> None:
    sign_in(client, make.user().email)
    Redis.from_url(redis_url).flushdb()
    assert is_signed_in(client)


def test_the_person_chooses_the_language_before_the_browser(client: DeskClient, make: Make) -> None:
    page = client.get("/sign-in", headers={"Accept-Language": "te-IN,te;q=0.9,en;q=0.5"})
    assert '<html lang="te"' in page.text
    client.sign_in(make.user(locale="hi"))
    page = client.get("/no-such-page", headers={"Accept-Language": "te"})
    assert '<html lang="hi"' in page.text


@pytest.mark.parametrize("role", list(Role))
def test_every_role_can_sign_in(client: DeskClient, make: Make, role: Role) -> None:
    assert sign_in(client, make.user(role).email)[0] == 303


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client: DeskClient) -> None:
    cookie = client.get("/sign-in").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_an_empty_form_says_what_to_enter(client: DeskClient) -> None:
    page = client.post("/sign-in", data={"email": "", "password": ""})
    assert page.status_code == 422
    assert "Enter your e-mail address." in page.text
    assert "Enter your password." in page.text


def test_a_route_without_a_guard_is_closed_to_everybody(app: Flask, client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    app.view_functions["static"], kept = app.view_functions["static"], app.view_functions["accounts.sign_out"]
    app.view_functions["accounts.sign_out"] = lambda: "open"
    try:
        assert client.post("/sign-out").status_code == 403
    finally:
        app.view_functions["accounts.sign_out"] = kept
