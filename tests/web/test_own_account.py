"""One's own account: where one is signed in, the password, second factors and recovery codes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from tests.codes import STEP, code_at, code_of
from tests.make import PASSWORD, Make
from tests.web.client import NOW, DeskClient
from tests.web.signing import is_signed_in, sessions, told, type_code, type_password
from tests.web.test_second_factor import recovery_codes, shown_codes, shown_key
from webapp.accounts import second_factors
from webapp.accounts.models import Letter, RecoveryCode, SignInSession, User
from webapp.accounts.queries import account
from webapp.core.actor import FRESH_FOR, Role
from webapp.db.work import Database

pytestmark = pytest.mark.usefixtures("fresh_limits")

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
CHROME = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
NEW = "a quite different set of words"
STALE = NOW + FRESH_FOR + timedelta(seconds=1)


def ids(page: str) -> list[str]:
    """The sign-ins a page offers to end, in its order."""
    return re.findall(r"/account/sign-ins/([0-9a-f-]+)/end", page)


def change_password(client: DeskClient, current: str, new: str, again: str | None = None) -> tuple[int, str]:
    """Fill in the form; status and page."""
    data = {"current": current, "new": new, "again": again if again is not None else new}
    answer = client.post("/account/password", data=data)
    return answer.status_code, answer.text


# Where one is signed in


def test_the_account_page_tells_where_one_is_signed_in(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, at: Callable[[datetime], None]
) -> None:
    person = make.user()
    elsewhere = new_client()
    data = {"email": person.email, "password": person.password}
    elsewhere.post("/sign-in", data=data, headers={"User-Agent": FIREFOX}, environ_overrides={"REMOTE_ADDR": "9.9.9.9"})
    at(NOW + timedelta(hours=1))
    client.post("/sign-in", data=data, headers={"User-Agent": CHROME})
    new_client().sign_in(make.user())  # somebody else's
    page = client.get("/account")
    assert len(ids(page.text)) == 2
    here, there = page.text.index("Chrome on Android"), page.text.index("Firefox on Windows")
    assert here < page.text.index("This one") < there < page.text.index("9.9.9.9")
    assert "1 h ago" in page.text


def test_what_is_over_is_not_listed(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, at: Callable[[datetime], None]
) -> None:
    person = make.admin()
    new_client().sign_in(person)
    at(NOW + timedelta(minutes=31))
    half_way = new_client()
    type_password(half_way, person)
    client.sign_in(person)
    assert len(ids(client.get("/account").text)) == 1


def test_one_browser_can_be_signed_out(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, db: Database
) -> None:
    person, other = make.user(), new_client()
    other.sign_in(person)
    client.sign_in(person)
    with db.read_only() as session:
        first = session.scalars(select(SignInSession.id).order_by(SignInSession.id)).first()
    assert client.post(f"/account/sign-ins/{first}/end").location == "/account"
    assert not is_signed_in(other)
    assert is_signed_in(client)
    assert client.post(f"/account/sign-ins/{first}/end").status_code == 404


def test_ending_this_one_signs_out(client: DeskClient, make: Make) -> None:
    client.sign_in(make.user())
    (here,) = ids(client.get("/account").text)
    assert client.post(f"/account/sign-ins/{here}/end").location == "/sign-in"
    assert not is_signed_in(client)


def test_nobody_ends_somebody_elses_sign_in(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, db: Database
) -> None:
    victim = new_client()
    victim.sign_in(make.staff())
    (theirs,) = ids(victim.get("/account").text)
    for person in (make.staff(), make.admin()):
        client.sign_in(person)
        foreign = client.post(f"/account/sign-ins/{theirs}/end")
        absent = client.post("/account/sign-ins/01920000-0000-7000-8000-000000000001/end")
        assert foreign.status_code == absent.status_code == 404
        assert is_signed_in(victim)


def test_signing_out_elsewhere_leaves_this_one(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, db: Database
) -> None:
    person, stranger = make.user(), new_client()
    others = [new_client(), new_client()]
    for browser in (*others, client):
        browser.sign_in(person)
    stranger.sign_in(make.user())
    half_way = new_client()
    assert client.post("/account/sign-out-elsewhere").location == "/account"
    assert [is_signed_in(browser) for browser in (*others, half_way)] == [False] * 3
    assert is_signed_in(client)
    assert is_signed_in(stranger)
    assert told(db).count("account.signed_out_elsewhere") == 1


def test_signing_out_everywhere_ends_half_way_sign_ins_too(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, db: Database
) -> None:
    person, other, half_way = make.admin(), new_client(), new_client()
    other.sign_in(person)
    type_password(half_way, person)
    client.sign_in(person)
    assert client.post("/account/sign-out-everywhere").location == "/sign-in"
    assert not is_signed_in(client)
    assert not is_signed_in(other)
    assert type_code(half_way, code_of(person)).location == "/sign-in"
    assert sessions(db) == 0
    assert "You are signed out everywhere." in client.get("/sign-in").text


def test_every_page_leads_to_the_own_account(client: DeskClient, make: Make) -> None:
    client.sign_in(make.user())
    assert 'href="/account"' in client.get("/").text


# The password


def test_one_changes_ones_own_password(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, db: Database
) -> None:
    person, other = make.user(), new_client()
    other.sign_in(person)
    client.sign_in(person)
    assert change_password(client, PASSWORD, NEW)[0] == 303
    assert is_signed_in(client)
    assert not is_signed_in(other)
    assert other.post("/sign-in", data={"email": person.email, "password": PASSWORD}).status_code == 422
    assert other.post("/sign-in", data={"email": person.email, "password": NEW}).status_code == 303
    assert "account.password_changed" in told(db)
    with db.read_only() as session:
        letter = session.scalars(select(Letter)).one()
        assert (letter.kind.value, letter.email, letter.locale) == ("password_changed", person.email, "en")


@pytest.mark.parametrize(
    ("current", "new", "again", "sentence"),
    [
        ("not this one at all", NEW, NEW, "That is not your password."),
        (PASSWORD, NEW, NEW + "!", "not the same as the new password"),
        (PASSWORD, "too short", "too short", "Use at least 12 characters."),
        (PASSWORD, "x" * 129, "x" * 129, "Use at most 128 characters."),
        (PASSWORD, PASSWORD, PASSWORD, "the password you have now. Choose another"),
        (PASSWORD, "person one zonedesk", "person one zonedesk", "little more than a name"),
        (PASSWORD, "qwertyuiop123", "qwertyuiop123", "Many people use this password"),
        ("", "", "", "Enter a new password."),
    ],
)
def test_a_new_password_is_refused_in_words(
    client: DeskClient, make: Make, db: Database, current: str, new: str, again: str, sentence: str
) -> None:
    person = client.sign_in(make.user(name="Person One"))
    status, page = change_password(client, current, new, again)
    assert status == 422
    assert sentence in page
    assert "account.password_changed" not in told(db)
    assert type_password(client, person).status_code == 303


def test_guessing_the_own_password_is_limited(client: DeskClient, make: Make) -> None:
    client.sign_in(make.user())
    statuses = [change_password(client, f"guess number {n}", NEW)[0] for n in range(6)]
    assert statuses == [422] * 5 + [429]


# Second factors


def test_the_first_second_factor_takes_the_password(client: DeskClient, make: Make, db: Database) -> None:
    person = make.user(Role.COMPANY_STAFF)
    type_password(client, person)
    key = shown_key(client.get("/account/authenticator").text)
    data = {"code": code_at(key, NOW), "password": "not this one at all"}
    page = client.post("/account/authenticator", data=data)
    assert page.status_code == 422
    assert "That is not your password." in page.text
    assert client.post("/account/authenticator", data={"code": code_at(key, NOW)}).status_code == 422
    done = client.post("/account/authenticator", data=data | {"password": PASSWORD})
    assert len(shown_codes(done.text)) == 10
    assert "10" in client.get("/account").text
    assert client.post("/account/recovery-codes").status_code == 200  # it was given just now
    client.sign_out()
    assert type_password(client, person).location == "/sign-in/second"
    assert type_code(client, code_at(key, NOW + STEP)).status_code == 303


def test_replacing_the_app_takes_a_fresh_second_factor(
    client: DeskClient, make: Make, db: Database, at: Callable[[datetime], None]
) -> None:
    person = client.sign_in(make.admin())
    recovery_codes(db, person)
    at(STALE)
    assert client.get("/account/authenticator").location == "/confirm?next=/account/authenticator"
    assert client.post("/account/authenticator", data={"code": "123456"}).location.startswith("/confirm")
    client.post("/confirm", data={"code": code_of(person)})
    page = client.get("/account/authenticator")
    assert 'name="password"' not in page.text
    key = shown_key(page.text)
    assert client.post("/account/authenticator", data={"code": code_at(key, STALE)}).location == "/account"
    client.sign_out()
    type_password(client, person)
    assert type_code(client, code_of(person, steps=1)).status_code == 422
    assert type_code(client, code_at(key, STALE + STEP)).status_code == 303
    assert "account.totp_replaced" in told(db)
    with db.read_only() as session:
        assert session.scalar(select(func.count()).select_from(RecoveryCode)) == 10


def test_the_last_second_factor_of_whoever_needs_one_stays(client: DeskClient, make: Make, db: Database) -> None:
    person = client.sign_in(make.admin())
    page = client.get("/account")
    assert "Remove the app" not in page.text
    assert client.post("/account/authenticator/remove").location == "/account"
    assert "Your role needs a second factor. Set up another one" in client.get("/account").text
    with db.read_only() as session:
        assert session.scalar(select(User.totp_secret).where(User.id == person.id)) is not None


def test_whoever_needs_none_may_remove_it_with_a_fresh_one(
    client: DeskClient, make: Make, db: Database, at: Callable[[datetime], None]
) -> None:
    person = client.sign_in(make.user(Role.COMPANY_STAFF, totp=True))
    recovery_codes(db, person)
    at(STALE)
    assert client.post("/account/authenticator/remove").location == "/confirm?next=/account"
    client.post("/confirm", data={"code": code_of(person)})
    assert "Remove the app" in client.get("/account").text
    assert client.post("/account/authenticator/remove").location == "/account"
    with db.read_only() as session:
        assert session.scalar(select(User.totp_secret).where(User.id == person.id)) is None
        assert session.scalar(select(func.count()).select_from(RecoveryCode)) == 0
    assert client.post("/account/authenticator/remove").status_code == 404
    client.sign_out()
    assert type_password(client, person).location == "/"


def test_new_recovery_codes_take_a_fresh_second_factor_and_are_shown_once(
    client: DeskClient, make: Make, db: Database, at: Callable[[datetime], None]
) -> None:
    person = client.sign_in(make.admin())
    at(STALE)
    assert client.post("/account/recovery-codes").location == "/confirm?next=/account"
    client.post("/confirm", data={"code": code_of(person)})
    page = client.post("/account/recovery-codes")
    codes = shown_codes(page.text)
    assert len(set(codes)) == 10
    assert all(code in page.text.split('href="data:text/plain')[1].split('"')[0] for code in codes)
    assert page.headers["Cache-Control"] == "no-store"
    assert client.get("/account/recovery-codes").status_code == 405
    account_page = client.get("/account").text
    assert not any(code in account_page for code in codes)


def test_without_a_second_factor_there_are_no_recovery_codes(client: DeskClient, make: Make, db: Database) -> None:
    client.sign_in(make.user())
    assert client.post("/account/recovery-codes").location == "/account"
    assert "Set up a second factor first." in client.get("/account").text
    with db.read_only() as session:
        assert session.scalar(select(func.count()).select_from(RecoveryCode)) == 0


def test_few_recovery_codes_left_are_pointed_out(client: DeskClient, make: Make, db: Database) -> None:
    person = make.admin()
    codes = recovery_codes(db, person)
    for code in codes[:8]:
        with db.unit_of_work() as work:
            assert second_factors.use_recovery_code(work, account(work.db, person.id), code, now=NOW)
    client.sign_in(person)
    assert "Make new ones" in client.get("/account").text


# How long a sign-in lasts


@pytest.mark.parametrize(
    ("role", "minutes"), [(Role.ADMIN, 30), (Role.AUDITOR, 30), (Role.FRANCHISE_MANAGER, 60), (Role.COMPANY_STAFF, 180)]
)
def test_each_role_is_signed_out_after_its_idle_time(
    client: DeskClient, make: Make, at: Callable[[datetime], None], role: Role, minutes: int
) -> None:
    client.sign_in(make.user(role))
    at(NOW + timedelta(minutes=minutes, seconds=-1))
    assert is_signed_in(client)
    at(NOW + timedelta(minutes=2 * minutes, seconds=-1))
    assert not is_signed_in(client)


def test_signing_in_gives_a_fresh_token_each_time(client: DeskClient, make: Make) -> None:
    person, seen = make.admin(), set()
    for steps in range(2):
        type_password(client, person)
        type_code(client, code_of(person, steps=steps))
        with client.session_transaction() as cookie:
            seen.add(cookie["_user_id"])
    assert len(seen) == 2
