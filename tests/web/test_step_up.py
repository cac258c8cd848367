"""Acts of weight want a second factor given some minutes ago at most."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from tests.codes import code_of, wrong_code
from tests.make import Make
from tests.web.client import NOW, DeskClient
from tests.web.signing import told, type_password
from tests.web.test_second_factor import recovery_codes
from webapp.accounts.models import SignInSession
from webapp.core.actor import FRESH_FOR, STEP_UP, Permission, Role
from webapp.db.work import Database
from webapp.web import access

pytestmark = pytest.mark.usefixtures("fresh_limits")

STALE = NOW + FRESH_FOR + timedelta(seconds=1)


@pytest.fixture(autouse=True)
def weighty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of operators, and proposing a trainer, as if they were acts of weight."""
    real = access.guard_of

    def guard_of(app: Flask, endpoint: str) -> access.Guard | None:
        weighty = {"operators.index": Permission.OPERATOR_WRITE, "bookings.index": Permission.HOUSEHOLD_EXPORT}
        return weighty.get(endpoint) or real(app, endpoint)

    monkeypatch.setattr(access, "guard_of", guard_of)


def test_ten_minutes_after_the_second_factor_it_is_asked_again(
    client: DeskClient, make: Make, at: Callable[[datetime], None]
) -> None:
    client.sign_in(make.admin())
    at(NOW + FRESH_FOR)
    assert client.get("/operators").status_code == 200
    at(STALE)
    answer = client.get("/operators?page=1")
    assert (answer.status_code, answer.location) == (303, "/confirm?next=/operators?page%3D1")
    assert client.get("/trainers").status_code == 200  # what weighs less goes on


def test_a_code_opens_it_again_and_leads_back(
    client: DeskClient, make: Make, db: Database, at: Callable[[datetime], None]
) -> None:
    person = client.sign_in(make.admin())
    with client.session_transaction() as cookie:
        before = cookie["_user_id"]
    at(STALE)
    page = client.get("/confirm?next=/operators?page=1")
    assert 'value="/operators?page=1"' in page.text
    answer = client.post("/confirm", data={"code": code_of(person), "next": "/operators?page=1"})
    assert (answer.status_code, answer.location) == (303, "/operators?page=1")
    assert client.get("/operators").status_code == 200
    assert told(db) == ["account.confirmed", "account.signed_in"]
    with client.session_transaction() as cookie:
        assert cookie["_user_id"] == before
    at(STALE + FRESH_FOR + timedelta(seconds=1))
    assert client.get("/operators").status_code == 303


def test_a_recovery_code_does_too_and_is_used_up(
    client: DeskClient, make: Make, db: Database, at: Callable[[datetime], None]
) -> None:
    person = client.sign_in(make.admin())
    code = recovery_codes(db, person)[0]
    at(STALE)
    assert client.post("/confirm", data={"recovery_code": code}).status_code == 303
    assert client.get("/operators").status_code == 200
    page = client.post("/confirm", data={"recovery_code": code})
    assert page.status_code == 422
    assert "not right, or it was used before" in page.text


def test_a_wrong_code_opens_nothing(client: DeskClient, make: Make, at: Callable[[datetime], None]) -> None:
    person = client.sign_in(make.admin())
    at(STALE)
    for typed in (wrong_code(person), "", "rubbish"):
        assert client.post("/confirm", data={"code": typed}).status_code == 422
    assert client.get("/operators").status_code == 303


def test_the_code_of_the_sign_in_does_not_confirm(
    client: DeskClient, make: Make, at: Callable[[datetime], None]
) -> None:
    person = make.admin()
    type_password(client, person)
    code = code_of(person)
    client.post("/sign-in/second", data={"code": code})
    assert client.post("/confirm", data={"code": code}).status_code == 422


def test_confirming_is_limited(client: DeskClient, make: Make) -> None:
    person = client.sign_in(make.admin())
    statuses = [client.post("/confirm", data={"code": wrong_code(person)}).status_code for _ in range(6)]
    assert statuses == [422] * 5 + [429]


def test_confirming_leads_to_no_other_site(client: DeskClient, make: Make) -> None:
    person = client.sign_in(make.admin())
    answer = client.post("/confirm", data={"code": code_of(person), "next": "https://evil.example/"})
    assert answer.location == "/"


def test_htmx_is_told_to_load_the_page_that_asks(
    client: DeskClient, make: Make, at: Callable[[datetime], None]
) -> None:
    client.sign_in(make.admin())
    at(STALE)
    answer = client.get("/operators", htmx=True, headers={"HX-Current-URL": "http://localhost/zones?page=2"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/confirm?next=/zones?page%3D2")
    assert answer.text == ""


def test_a_form_sent_too_late_leads_back_to_its_page(
    app: Flask, client: DeskClient, make: Make, at: Callable[[datetime], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    client.sign_in(make.admin())
    done = []

    def delete() -> tuple[str, int]:
        done.append(True)
        return "", 204

    # An endpoint that takes a POST, in the clothes of an act of weight.
    monkeypatch.setitem(app.view_functions, "accounts.recovery_codes", access.requires(Permission.USER_WRITE)(delete))
    at(STALE)
    for referrer, goal in [("http://localhost/users/1?tab=2", "/users/1?tab%3D2"), ("https://evil.example/x", None)]:
        answer = client.post("/account/recovery-codes", headers={"Referer": referrer})
        assert answer.location == ("/confirm" if goal is None else f"/confirm?next={goal}")
    assert done == []
    at(NOW)
    assert client.post("/account/recovery-codes").status_code == 204


def test_whoever_has_no_second_factor_sets_one_up_first(client: DeskClient, make: Make, db: Database) -> None:
    person = make.user(Role.COMPANY_STAFF)
    type_password(client, person)
    page = client.get("/confirm?next=/bookings")
    assert "You have no second factor yet." in page.text
    assert 'href="/account/authenticator?next=/bookings"' in page.text
    assert client.post("/confirm", data={"code": "123456"}).location == "/confirm"
    with db.read_only() as session:
        assert session.scalar(select(SignInSession.second_factor_at)) is None


def test_a_role_that_may_not_is_refused_and_not_asked(
    client: DeskClient, make: Make, at: Callable[[datetime], None]
) -> None:
    client.sign_in(make.staff())
    at(STALE)
    assert client.get("/operators").status_code == 403


def test_nobody_signed_in_is_asked_to_sign_in_first(client: DeskClient) -> None:
    assert client.get("/confirm?next=/operators").location == "/sign-in?next=/confirm?next%3D/operators"


def test_every_route_whose_act_weighs_asks(app: Flask, client: DeskClient, make: Make, at: object) -> None:
    """Whatever routes there come to be: with a stale second factor none of them is reached."""
    client.sign_in(make.admin())
    assert callable(at)
    at(STALE)
    id_ = "01920000-0000-7000-8000-000000000001"
    asked = 0
    for rule in app.url_map.iter_rules():
        if access.guard_of(app, rule.endpoint) not in STEP_UP:
            continue
        values = {name: id_ if f"<uuid:{name}>" in rule.rule else "1" for name in rule.arguments}
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        url = app.url_map.bind("localhost").build(rule.endpoint, values, method=method)
        answer = client.get(url) if method == "GET" else client.post(url)
        assert (answer.status_code, answer.location.split("?")[0]) == (303, "/confirm"), rule.rule
        asked += 1
    assert asked >= 2
