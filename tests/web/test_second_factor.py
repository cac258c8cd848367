"""Signing in, second step: the code that is owed, recovery codes, and setting the first factor up."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import func, select, update

from tests.arch.test_routes import PUBLIC, all_uuids
from tests.codes import STEP, code_at, code_of, wrong_code
from tests.make import Make, Person
from tests.web.client import NOW, DeskClient
from tests.web.signing import is_signed_in, sessions, told, type_both, type_code, type_password
from webapp.accounts import second_factors
from webapp.accounts.models import Letter, RecoveryCode, SignInSession, User
from webapp.accounts.queries import account
from webapp.accounts.rules import PENDING_FOR, PENDING_TRIES, SignInStage
from webapp.audit.models import AuditEntry
from webapp.config import Settings
from webapp.core.actor import ALWAYS_SECOND_FACTOR, Role
from webapp.db.work import Database

pytestmark = pytest.mark.usefixtures("fresh_limits")


@pytest.fixture
def every_role_needs_one(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A desk with ``MFA_ROLES=all``."""
    monkeypatch.setitem(app.extensions, "settings", settings.model_copy(update={"mfa_roles": "all"}))


def recovery_codes(db: Database, person: Person) -> tuple[str, ...]:
    """Fresh recovery codes of somebody."""
    with db.unit_of_work() as work:
        return second_factors.make_recovery_codes(work, account(work.db, person.id), by=person.actor, now=NOW)


def shown_key(page: str) -> str:
    """The secret that a set-up page shows for typing, without its spaces."""
    found = re.search(r'id="totp-key">([A-Z2-7 ]+)<', page)
    assert found is not None, page
    return found[1].replace(" ", "")


def shown_codes(page: str) -> list[str]:
    """The recovery codes on a page."""
    return re.findall(r"<li><code>([0-9A-Z-]+)</code></li>", page)


# The code that is owed


@pytest.mark.parametrize("role", sorted(ALWAYS_SECOND_FACTOR))
def test_a_password_alone_lets_no_admin_or_manager_in(client: DeskClient, make: Make, db: Database, role: Role) -> None:
    person = make.user(role)
    answer = type_password(client, person)
    assert (answer.status_code, answer.location) == (303, "/sign-in/second")
    assert not is_signed_in(client)
    assert (sessions(db), sessions(db, SignInStage.SECOND_FACTOR)) == (0, 1)


def test_password_and_code_let_in(client: DeskClient, make: Make, db: Database) -> None:
    person = make.admin()
    answer = type_both(client, person)
    assert (answer.status_code, answer.location) == (303, "/")
    assert is_signed_in(client)
    assert (sessions(db), sessions(db, SignInStage.SECOND_FACTOR)) == (1, 0)
    with db.read_only() as session:
        row = session.scalars(select(SignInSession)).one()
        assert (row.method, row.second_factor_at) == ("password+totp", NOW)
    assert told(db) == ["account.signed_in"]


def test_whoever_has_a_second_factor_owes_it_whatever_the_role(client: DeskClient, make: Make) -> None:
    person = make.user(Role.COMPANY_STAFF, totp=True)
    assert type_password(client, person).location == "/sign-in/second"
    assert not is_signed_in(client)
    type_code(client, code_of(person))
    assert is_signed_in(client)


@pytest.mark.parametrize("role", [Role.FRANCHISE_STAFF, Role.COMPANY_STAFF, Role.AUDITOR])
def test_whoever_needs_none_and_has_none_is_in_with_the_password(
    client: DeskClient, make: Make, db: Database, role: Role
) -> None:
    assert type_password(client, make.user(role)).location == "/"
    assert is_signed_in(client)
    with db.read_only() as session:
        assert session.scalar(select(SignInSession.second_factor_at)) is None


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_the_app_may_be_one_step_early_or_late(client: DeskClient, make: Make, steps: int) -> None:
    person = make.admin()
    type_password(client, person)
    assert type_code(client, code_of(person, steps=steps)).status_code == 303
    assert is_signed_in(client)


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_code_two_steps_away_is_wrong(client: DeskClient, make: Make, steps: int) -> None:
    person = make.admin()
    type_password(client, person)
    assert type_code(client, code_of(person, steps=steps)).status_code == 422
    assert not is_signed_in(client)


@pytest.mark.parametrize("typed", ["{} {}", " {}-{} ", "{}{}\n"])
def test_a_code_may_be_grouped(client: DeskClient, make: Make, typed: str) -> None:
    person = make.admin()
    type_password(client, person)
    code = code_of(person)
    assert type_code(client, typed.format(code[:3], code[3:])).status_code == 303


@pytest.mark.parametrize("typed", ["", "   ", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "1" * 5000, "12\x00456"])
def test_what_is_no_code_is_refused_in_words(client: DeskClient, make: Make, typed: str) -> None:
    type_password(client, make.admin())
    page = type_code(client, typed)
    assert page.status_code == 422
    assert not is_signed_in(client)


def test_no_code_is_good_twice(client: DeskClient, new_client: Callable[[], DeskClient], make: Make) -> None:
    person = make.admin()
    type_both(client, person)
    assert is_signed_in(client)
    eavesdropper = new_client()
    assert type_both(eavesdropper, person).status_code == 422
    assert not is_signed_in(eavesdropper)
    assert type_code(eavesdropper, code_of(person, steps=1)).status_code == 303


def test_an_earlier_code_is_not_good_after_a_later_one(client: DeskClient, make: Make) -> None:
    person = make.admin()
    type_password(client, person)
    type_code(client, code_of(person, steps=1))
    client.sign_out()
    type_password(client, person)
    assert type_code(client, code_of(person)).status_code == 422


def test_wrong_then_right_lets_in(client: DeskClient, make: Make, db: Database) -> None:
    person = make.admin()
    type_password(client, person)
    page = type_code(client, wrong_code(person))
    assert page.status_code == 422
    assert "Tries left: 4." in page.text
    assert type_code(client, code_of(person)).status_code == 303
    assert is_signed_in(client)
    with db.read_only() as session:
        what = session.scalars(select(User.last_sign_in_at).where(User.id == person.id)).one()
        assert what == NOW


def test_after_five_wrong_codes_the_password_is_asked_again(
    client: DeskClient, make: Make, db: Database, redis_url: str
) -> None:
    person = make.admin()
    type_password(client, person)
    for left in range(PENDING_TRIES - 1, 0, -1):
        assert f"Tries left: {left}." in type_code(client, wrong_code(person)).text
    answer = type_code(client, wrong_code(person))
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert "Type your password again." in client.get("/sign-in").text
    assert sessions(db, SignInStage.SECOND_FACTOR) == 0
    Redis.from_url(redis_url).flushdb()  # not the rate limit is what holds here
    assert type_code(client, code_of(person)).location == "/sign-in"
    assert not is_signed_in(client)
    type_both(client, person)
    assert is_signed_in(client)


def test_guessing_is_slow_however_often_the_password_is_typed(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make
) -> None:
    person = make.admin()
    browsers = [client, new_client()]
    for browser in browsers:
        type_password(browser, person)
    statuses = [type_code(browsers[number % 2], wrong_code(person)).status_code for number in range(6)]
    assert statuses == [422] * 5 + [429]
    # Somebody else is not slowed down by it.
    other, colleague = new_client(), make.admin()
    type_both(other, colleague)
    assert is_signed_in(other)


def test_a_wrong_second_factor_leaves_a_trace(client: DeskClient, make: Make, db: Database) -> None:
    person = make.admin()
    type_password(client, person)
    type_code(client, wrong_code(person))
    with db.read_only() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.what == "account.second_factor_failed")).one()
        assert (entry.subject_id, entry.operator_id) == (person.id, person.operator_id)


def test_ten_minutes_after_the_password_it_is_asked_again(
    client: DeskClient, make: Make, at: Callable[[datetime], None]
) -> None:
    person = make.admin()
    type_password(client, person)
    at(NOW + PENDING_FOR - timedelta(seconds=1))
    assert client.get("/sign-in/second").status_code == 200
    at(NOW + PENDING_FOR)
    assert client.get("/sign-in/second").location == "/sign-in"
    assert type_code(client, code_of(person)).location == "/sign-in"
    assert not is_signed_in(client)


def test_a_half_way_sign_in_opens_no_page_at_all(app: Flask, client: DeskClient, make: Make) -> None:
    type_password(client, make.admin())
    asked = 0
    for rule in app.url_map.iter_rules():
        if rule.endpoint in PUBLIC or "GET" not in (rule.methods or ()) or not all_uuids(rule.rule):
            continue
        values: dict[str, Any] = dict.fromkeys(rule.arguments, "01920000-0000-7000-8000-000000000001")
        with app.test_request_context():
            url = app.url_for(rule.endpoint, **values)
        answer = client.get(url)
        assert (answer.status_code, answer.location.split("?")[0]) == (303, "/sign-in"), rule.rule
        asked += 1
    assert asked > 20


def test_the_token_of_a_half_way_sign_in_is_none_of_an_open_one(client: DeskClient, make: Make) -> None:
    type_password(client, make.admin())
    with client.session_transaction() as cookie:
        cookie["_user_id"] = cookie["pending"]
        cookie["_fresh"] = True
    assert not is_signed_in(client)


def test_the_second_page_leads_away_whoever_owes_nothing(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make
) -> None:
    assert client.get("/sign-in/second").location == "/sign-in"
    assert client.get("/sign-in/set-up?next=/bookings").location == "/sign-in?next=/bookings"
    client.sign_in(make.admin())
    assert client.get("/sign-in/second").location == "/"
    assert client.get("/sign-in/set-up?next=/bookings").location == "/bookings"
    owing = new_client()
    type_password(owing, make.admin())
    assert owing.get("/sign-in/set-up").location == "/sign-in/second"


def test_the_page_asked_for_comes_after_the_second_step(client: DeskClient, make: Make) -> None:
    person = make.admin()
    answer = type_password(client, person, next="/bookings?page=2")
    assert answer.location == "/sign-in/second?next=/bookings?page%3D2"
    page = client.get(answer.location)
    assert 'value="/bookings?page=2"' in page.text
    assert type_code(client, code_of(person), next="/bookings?page=2").location == "/bookings?page=2"


def test_the_second_step_sends_nobody_to_another_site(client: DeskClient, make: Make) -> None:
    person = make.admin()
    assert type_password(client, person, next="//evil.example/").location == "/sign-in/second"
    assert type_code(client, code_of(person), next="https://evil.example/").location == "/"


def test_the_second_step_speaks_the_persons_language(client: DeskClient, make: Make) -> None:
    person = make.user(Role.ADMIN, locale="hi")
    type_password(client, person)
    page = client.get("/sign-in/second", headers={"Accept-Language": "te"})
    assert '<html lang="hi"' in page.text


# Fixation: nothing planted before a step is worth anything after it


def test_the_cookie_begins_anew_at_both_steps(client: DeskClient, make: Make) -> None:
    person = make.admin()
    client.get("/sign-in")
    with client.session_transaction() as cookie:
        cookie["planted"] = "before the password"
    type_password(client, person)
    with client.session_transaction() as cookie:
        assert "planted" not in cookie
        first = dict(cookie)
        cookie["planted"] = "before the code"
    type_code(client, code_of(person))
    with client.session_transaction() as cookie:
        assert "planted" not in cookie
        assert "pending" not in cookie
        assert str(first["pending"]).partition(".")[2] not in str(dict(cookie))


def test_the_half_way_cookie_is_worth_nothing_once_its_person_is_in(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make
) -> None:
    """Whoever planted the cookie of a half-way sign-in in another's browser does not get in with them."""
    person, attacker = make.admin(), new_client()
    type_password(client, person)
    with client.session_transaction() as cookie:
        known = dict(cookie)
    type_code(client, code_of(person))
    with attacker.session_transaction() as cookie:
        cookie.update(known)
    assert not is_signed_in(attacker)
    assert type_code(attacker, code_of(person, steps=1)).location == "/sign-in"


def test_typing_somebody_elses_password_ends_ones_own_sign_in(client: DeskClient, make: Make, db: Database) -> None:
    client.sign_in(make.staff(make.franchise()))
    assert sessions(db) == 1
    type_password(client, make.admin())
    assert not is_signed_in(client)
    assert sessions(db) == 0


def test_a_new_password_ends_half_way_sign_ins_too(client: DeskClient, make: Make, app: Flask) -> None:
    person = make.admin()
    type_password(client, person)
    done = app.test_cli_runner().invoke(args=["user", "password", person.email])
    assert done.exit_code == 0, done.output
    assert type_code(client, code_of(person)).location == "/sign-in"


def test_an_account_switched_off_half_way_stays_out(client: DeskClient, make: Make, db: Database) -> None:
    person = make.admin()
    type_password(client, person)
    with db.unit_of_work() as work:
        work.db.get_one(User, person.id).active = False
    assert type_code(client, code_of(person)).location == "/sign-in"


# Recovery codes


def test_a_recovery_code_stands_in_for_the_app_once(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, db: Database
) -> None:
    person = make.admin()
    code = recovery_codes(db, person)[3]
    type_password(client, person)
    assert "Use a recovery code instead" in client.get("/sign-in/second").text
    assert client.post("/sign-in/second", data={"recovery_code": code}).location == "/"
    assert is_signed_in(client)
    assert "account.recovery_code_used" in told(db)
    again = new_client()
    type_password(again, person)
    page = again.post("/sign-in/second", data={"recovery_code": code})
    assert page.status_code == 422
    assert not is_signed_in(again)


def test_a_recovery_code_may_be_typed_as_it_is_read(client: DeskClient, make: Make, db: Database) -> None:
    person = make.admin()
    code = recovery_codes(db, person)[0]
    typed = code.lower().replace("-", " ").replace("1", "l").replace("0", "o")
    type_password(client, person)
    assert client.post("/sign-in/second", data={"recovery_code": f"  {typed} "}).status_code == 303
    assert is_signed_in(client)


def test_nobody_gets_in_with_somebody_elses_recovery_code(client: DeskClient, make: Make, db: Database) -> None:
    mine, theirs = make.admin(), make.admin()
    code = recovery_codes(db, theirs)[0]
    recovery_codes(db, mine)
    type_password(client, mine)
    assert client.post("/sign-in/second", data={"recovery_code": code}).status_code == 422


def test_new_recovery_codes_void_the_old(client: DeskClient, make: Make, db: Database) -> None:
    person = make.admin()
    old = recovery_codes(db, person)[0]
    recovery_codes(db, person)
    type_password(client, person)
    assert client.post("/sign-in/second", data={"recovery_code": old}).status_code == 422


# Setting the first one up


def test_whoever_needs_one_and_has_none_sets_it_up_before_anything_else(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, db: Database
) -> None:
    person = make.user(Role.ADMIN, totp=False)
    assert type_password(client, person, next="/bookings").location == "/sign-in/set-up?next=/bookings"
    assert not is_signed_in(client)
    page = client.get("/sign-in/set-up?next=/bookings")
    key = shown_key(page.text)
    assert 'src="data:image/svg+xml' in page.text
    done = client.post("/sign-in/set-up", data={"code": code_at(key, NOW), "next": "/bookings"})
    assert done.status_code == 200
    codes = shown_codes(done.text)
    assert len(codes) == len(set(codes)) == 10
    assert 'href="/bookings"' in done.text
    assert done.headers["Cache-Control"] == "no-store"
    assert is_signed_in(client)
    assert told(db) == ["account.recovery_codes_made", "account.signed_in", "account.totp_set_up"]
    # From now on both are asked for, and the code that confirmed the app is used up.
    other = new_client()
    assert type_password(other, person).location == "/sign-in/second"
    assert type_code(other, code_at(key, NOW)).status_code == 422
    assert type_code(other, code_at(key, NOW + STEP)).status_code == 303
    third = new_client()
    type_password(third, person)
    assert third.post("/sign-in/second", data={"recovery_code": codes[9]}).status_code == 303


def test_the_database_knows_neither_secret_nor_recovery_codes(client: DeskClient, make: Make, db: Database) -> None:
    person = make.user(Role.ADMIN, totp=False)
    type_password(client, person)
    key = shown_key(client.get("/sign-in/set-up").text)
    codes = shown_codes(client.post("/sign-in/set-up", data={"code": code_at(key, NOW)}).text)
    with db.read_only() as session:
        kept = session.scalar(select(User.totp_secret).where(User.id == person.id)) or ""
        hashes = session.scalars(select(RecoveryCode.code_hash)).all()
    assert kept.startswith("v1.")
    assert key not in kept
    assert [len(found) for found in hashes] == [32] * 10
    assert not any(code.replace("-", "").encode() in found for code in codes for found in hashes)
    with client.session_transaction() as cookie:
        assert "totp_new" not in cookie


def test_the_cookie_does_not_tell_the_secret_being_set_up(client: DeskClient, make: Make) -> None:
    type_password(client, make.user(Role.ADMIN, totp=False))
    key = shown_key(client.get("/sign-in/set-up").text)
    with client.session_transaction() as cookie:
        assert cookie["totp_new"][0].startswith("v1.")
        assert key not in str(dict(cookie))


def test_the_same_secret_is_shown_until_it_is_old(
    client: DeskClient, make: Make, at: Callable[[datetime], None]
) -> None:
    client.sign_in(make.user(Role.COMPANY_STAFF))
    first = shown_key(client.get("/account/authenticator").text)
    assert shown_key(client.get("/account/authenticator").text) == first
    at(NOW + timedelta(minutes=11))
    assert shown_key(client.get("/account/authenticator").text) != first


def test_a_wrong_code_sets_nothing_up(client: DeskClient, make: Make, db: Database) -> None:
    person = make.user(Role.ADMIN, totp=False)
    type_password(client, person)
    key = shown_key(client.get("/sign-in/set-up").text)
    page = client.post("/sign-in/set-up", data={"code": code_at(key, NOW + 5 * STEP)})
    assert page.status_code == 422
    assert shown_key(page.text) == key
    assert not is_signed_in(client)
    with db.read_only() as session:
        assert session.scalar(select(User.totp_secret).where(User.id == person.id)) is None


def test_the_password_alone_does_not_replace_a_factor_set_up_meanwhile(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, db: Database
) -> None:
    """Two browsers are asked to set one up; whoever comes second knows only the password."""
    person = make.user(Role.ADMIN, totp=False)
    thief = new_client()
    type_password(thief, person)
    stolen = shown_key(thief.get("/sign-in/set-up").text)
    type_password(client, person)
    key = shown_key(client.get("/sign-in/set-up").text)
    assert client.post("/sign-in/set-up", data={"code": code_at(key, NOW)}).status_code == 200
    answer = thief.post("/sign-in/set-up", data={"code": code_at(stolen, NOW)})
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert not is_signed_in(thief)
    assert type_password(thief, person).location == "/sign-in/second"
    assert type_code(thief, code_at(key, NOW + STEP)).status_code == 303  # the owner's app is the one that counts


def test_a_secret_of_one_account_sets_up_no_other(client: DeskClient, make: Make) -> None:
    type_password(client, make.user(Role.ADMIN, totp=False))
    key = shown_key(client.get("/sign-in/set-up").text)
    with client.session_transaction() as cookie:
        kept = cookie["totp_new"]
    type_password(client, make.user(Role.ADMIN, totp=False))
    with client.session_transaction() as cookie:
        cookie["totp_new"] = kept
    page = client.get("/sign-in/set-up")
    assert page.status_code == 200
    assert shown_key(page.text) != key


def test_setting_up_promises_a_letter(client: DeskClient, make: Make, db: Database) -> None:
    person = make.user(Role.ADMIN, totp=False)
    type_password(client, person)
    key = shown_key(client.get("/sign-in/set-up").text)
    client.post("/sign-in/set-up", data={"code": code_at(key, NOW)})
    with db.read_only() as session:
        letter = session.scalars(select(Letter)).one()
        assert (letter.kind.value, letter.email, letter.user_id) == ("second_factor_changed", person.email, person.id)


@pytest.mark.usefixtures("every_role_needs_one")
@pytest.mark.parametrize("role", list(Role))
def test_a_setting_asks_every_role_for_one(client: DeskClient, make: Make, role: Role) -> None:
    assert type_password(client, make.user(role, totp=False)).location == "/sign-in/set-up"
    assert not is_signed_in(client)


def test_a_role_that_needs_one_ends_a_sign_in_that_began_without(client: DeskClient, make: Make, db: Database) -> None:
    person = make.user(Role.COMPANY_STAFF)
    type_password(client, person)
    assert is_signed_in(client)
    with db.unit_of_work() as work:
        work.db.execute(update(User).where(User.id == person.id).values(role=Role.ADMIN))
    assert not is_signed_in(client)
    assert type_password(client, person).location == "/sign-in/set-up"


def test_a_change_of_role_counts_at_the_next_click(client: DeskClient, make: Make, db: Database) -> None:
    person = client.sign_in(make.user(Role.AUDITOR))
    assert client.get("desk.new_booking").status_code == 403
    with db.unit_of_work() as work:
        work.db.execute(update(User).where(User.id == person.id).values(role=Role.COMPANY_STAFF))
    assert client.get("desk.new_booking").status_code == 200


def test_no_page_shows_a_secret_to_whoever_typed_no_password(client: DeskClient) -> None:
    for path in ("/sign-in/set-up", "/sign-in/second", "/account/authenticator"):
        answer = client.get(path)
        assert answer.status_code == 303
        assert "otpauth" not in html.unescape(answer.text)


def test_nothing_is_counted_or_kept_for_whoever_typed_no_password(client: DeskClient, db: Database) -> None:
    assert type_code(client, "123456").location == "/sign-in"
    with db.read_only() as session:
        assert session.scalar(select(func.count()).select_from(SignInSession)) == 0
