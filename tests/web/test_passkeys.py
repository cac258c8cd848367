"""Signing in with a passkey: alone, after the password and at step-up; and every answer that must be refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.authenticator import Authenticator, Key, b64
from tests.make import Make
from tests.web.client import NOW, DeskClient
from tests.web.passkeys import SIGN_IN, asked, give, is_signed_in, post, refused, sign_in, told
from webapp.accounts import challenges
from webapp.accounts.models import Passkey, PasskeyChallenge, SignInSession, User
from webapp.accounts.rules import ChallengePurpose
from webapp.accounts.views.passkey_json import MAX_ANSWER
from webapp.config import Environment, Settings
from webapp.db.work import Database

pytestmark = pytest.mark.usefixtures("fresh_limits")


def token_of(client: DeskClient) -> str:
    """The token of the question this browser was asked last."""
    cookie = client.get_cookie("zonedesk-passkey")
    assert cookie is not None
    value: str = cookie.value
    return value


# A passkey alone


def test_a_passkey_alone_signs_in(client: DeskClient, make: Make, db: Database, device: Authenticator) -> None:
    person = make.user()
    give(db, person, device)
    response = sign_in(client, device)
    assert (response.status_code, response.get_json()) == (200, {"go": "/"})
    assert is_signed_in(client)
    with db.read_only() as session:
        row = session.execute(select(SignInSession)).scalar_one()
        kept = session.execute(select(Passkey)).scalar_one()
    assert (row.user_id, row.method, row.second_factor_at) == (person.id, "passkey", NOW)
    assert (kept.sign_count, kept.last_used_at) == (1, NOW)
    assert told(db, "account.signed_in") == [{"method": "passkey"}]


def test_the_question_asks_for_the_owner_and_names_nobody(client: DeskClient) -> None:
    first, second = asked(client), asked(client)
    assert first["userVerification"] == "required"
    assert first["rpId"] == "localhost"
    assert first["allowCredentials"] == []
    assert first["challenge"] != second["challenge"]
    assert len(first["challenge"]) == 43  # 256 bits in base 64


def test_a_passkey_leads_to_the_page_asked_for_and_to_no_other_site(
    client: DeskClient, make: Make, device: Authenticator, db: Database
) -> None:
    give(db, make.user(), device)
    answer = device.get(asked(client))
    assert post(client, SIGN_IN, credential=answer, next="/bookings?page=2").get_json() == {"go": "/bookings?page=2"}
    for evil in ("//evil.example/", "https://evil.example/", "/\\evil.example", ["/bookings"], None):
        answer = device.get(asked(client))
        assert post(client, SIGN_IN, credential=answer, next=evil).get_json() == {"go": "/"}


def test_signing_in_with_a_passkey_begins_the_cookie_anew(
    client: DeskClient, make: Make, db: Database, device: Authenticator
) -> None:
    give(db, make.user(), device)
    client.get("/sign-in")
    with client.session_transaction() as cookie:
        cookie["planted"] = "by an attacker before the sign-in"
    sign_in(client, device)
    with client.session_transaction() as cookie:
        assert "planted" not in cookie
        first = cookie["_user_id"]
    sign_in(client, device)
    with client.session_transaction() as cookie:
        assert cookie["_user_id"] != first
    with db.read_only() as session:
        assert session.scalar(select(func.count()).select_from(SignInSession)) == 1


def test_each_passkey_lets_its_own_person_in(
    client: DeskClient, make: Make, db: Database, device: Authenticator
) -> None:
    give(db, make.user(), device)
    manager = make.manager()
    theirs = give(db, manager, device)
    assert post(client, SIGN_IN, credential=device.get(asked(client), key=theirs)).status_code == 200
    with db.read_only() as session:
        assert session.scalars(select(SignInSession.user_id)).all() == [manager.id]


def test_an_authenticator_that_does_not_count_signs_in_again_and_again(
    client: DeskClient, make: Make, db: Database
) -> None:
    silent = Authenticator(counts=False)
    give(db, make.user(), silent)
    assert [sign_in(client, silent).status_code for _ in range(3)] == [200, 200, 200]


# Answers that are not right


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ({"origin": "https://evil.example"}, "Unexpected client data origin"),
        ({"origin": "http://localhost:8001"}, "Unexpected client data origin"),
        ({"origin": "https://localhost:8000"}, "Unexpected client data origin"),
        ({"rp_id": "evil.example"}, "Unexpected RP ID hash"),
        ({"user_verified": False}, "user was not verified"),
        ({"user_present": False}, "not present"),
        ({"cross_origin": True}, "another site's frame"),
        ({"challenge": b"x" * 32}, "challenge was not expected"),
        ({"type": "webauthn.create"}, "Unexpected client data type"),
        ({"user_handle": UUID(int=7).bytes}, "user handle is not its person's"),
        ({"user_handle": b""}, "user handle is not its person's"),
        ({"tampered": True}, "Could not verify authentication signature"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_an_answer_with_one_thing_wrong_is_refused(
    client: DeskClient,
    make: Make,
    db: Database,
    device: Authenticator,
    caplog: pytest.LogCaptureFixture,
    manner: dict[str, Any],
    said: str,
) -> None:
    give(db, make.user(), device)
    with caplog.at_level("INFO", logger="webapp.accounts.authenticators"):
        assert refused(sign_in(client, device, **manner))
    assert said in caplog.text, "refused for another reason"
    assert not is_signed_in(client)
    refusals = told(db, "account.passkey_refused")
    assert [entry and entry["why"] for entry in refusals] == ["answer"]
    assert sign_in(client, device).status_code == 200, "the device itself is as it should be"


def test_a_signature_of_another_key_is_refused(
    client: DeskClient, make: Make, device: Authenticator, db: Database
) -> None:
    key = give(db, make.user(), device)
    stranger = Key("localhost", key.user_handle, id=key.id)
    assert refused(sign_in(client, device, key=stranger))
    assert not is_signed_in(client)


def test_a_passkey_the_desk_does_not_know_is_refused(client: DeskClient, make: Make, device: Authenticator) -> None:
    device.keys.append(Key("localhost", make.user().id.bytes))
    assert refused(sign_in(client, device), "passkey-unknown")
    assert not is_signed_in(client)


def test_an_answer_is_good_once(client: DeskClient, make: Make, device: Authenticator, db: Database) -> None:
    give(db, make.user(), device)
    answer = device.get(asked(client))
    token = token_of(client)
    assert post(client, SIGN_IN, credential=answer).status_code == 200
    client.sign_out()
    client.set_cookie("zonedesk-passkey", token)  # a browser that kept its cookie from before
    assert refused(post(client, SIGN_IN, credential=answer), "passkey-too-late")
    assert not is_signed_in(client)


def test_a_wrong_answer_uses_its_question_up(
    client: DeskClient, make: Make, device: Authenticator, db: Database
) -> None:
    give(db, make.user(), device)
    options = asked(client)
    assert refused(post(client, SIGN_IN, credential=device.get(options, tampered=True)))
    assert refused(post(client, SIGN_IN, credential=device.get(options)), "passkey-too-late")


def test_a_question_is_for_the_browser_it_was_asked_in(
    new_client: Callable[[], DeskClient], make: Make, device: Authenticator, db: Database
) -> None:
    give(db, make.user(), device)
    mine, theirs = new_client(), new_client()
    answer = device.get(asked(mine))
    asked(theirs)
    assert refused(post(theirs, SIGN_IN, credential=answer))
    assert refused(post(new_client(), SIGN_IN, credential=answer), "passkey-too-late")
    assert post(mine, SIGN_IN, credential=answer).status_code == 200


def test_only_the_last_question_of_a_browser_counts(
    client: DeskClient, make: Make, db: Database, device: Authenticator
) -> None:
    give(db, make.user(), device)
    early = asked(client)
    asked(client)
    with db.read_only() as session:
        assert session.scalar(select(func.count()).select_from(PasskeyChallenge)) == 1
    assert refused(post(client, SIGN_IN, credential=device.get(early)))


@pytest.mark.parametrize(("seconds", "status"), [(299, 200), (300, 422)])
def test_a_question_waits_five_minutes(
    client: DeskClient,
    make: Make,
    device: Authenticator,
    db: Database,
    at: Callable[[datetime], None],
    seconds: int,
    status: int,
) -> None:
    give(db, make.user(), device)
    answer = device.get(asked(client))
    at(NOW + timedelta(seconds=seconds))
    assert post(client, SIGN_IN, credential=answer).status_code == status


@pytest.mark.parametrize("purpose", [purpose for purpose in ChallengePurpose if purpose != ChallengePurpose.SIGN_IN])
def test_a_question_asked_for_something_else_signs_nobody_in(
    client: DeskClient, make: Make, db: Database, device: Authenticator, purpose: ChallengePurpose
) -> None:
    give(db, make.user(), device)
    answer = device.get(asked(client))
    with db.unit_of_work() as work:
        row = work.db.execute(select(PasskeyChallenge)).scalar_one()
        row.purpose = purpose
    assert refused(post(client, SIGN_IN, credential=answer), "passkey-too-late")


def test_a_counter_that_goes_back_is_refused_and_told(
    client: DeskClient, make: Make, db: Database, device: Authenticator
) -> None:
    key = give(db, make.user(), device)
    for _ in range(3):
        assert sign_in(client, device).status_code == 200
    client.sign_out()
    for behind in (1, 2, -1):  # one answer behind, then the same again, then a copy that does not count
        key.sign_count = behind
        assert refused(sign_in(client, device))
    assert not is_signed_in(client)
    assert [entry and entry["why"] for entry in told(db, "account.passkey_refused")] == ["counter"] * 3
    with db.read_only() as session:
        assert session.scalar(select(Passkey.sign_count)) == 3


def test_a_counter_nobody_signed_raises_no_alarm(
    client: DeskClient, make: Make, db: Database, device: Authenticator
) -> None:
    key = give(db, make.user(), device)
    sign_in(client, device)
    key.sign_count = 0
    assert refused(sign_in(client, device, tampered=True))
    assert [entry and entry["why"] for entry in told(db, "account.passkey_refused")] == ["answer"]


def test_the_passkey_of_an_account_that_is_switched_off_stays_out(
    client: DeskClient, make: Make, db: Database, device: Authenticator
) -> None:
    person = make.user()
    give(db, person, device)
    with db.unit_of_work() as work:
        work.db.get_one(User, person.id).active = False
    assert refused(sign_in(client, device))
    assert [entry and entry["why"] for entry in told(db, "account.passkey_refused")] == ["switched_off"]


def test_the_database_knows_no_token_of_a_question(client: DeskClient, db: Database) -> None:
    asked(client)
    token = token_of(client)
    with db.read_only() as session:
        kept = session.execute(select(PasskeyChallenge.token_hash)).scalar_one()
    assert len(token) == 43
    assert token.encode() not in kept
    assert len(kept) == 32


def test_a_question_leaves_the_session_of_the_browser_alone(client: DeskClient) -> None:
    """Else one that is answered late would undo a sign-in that was completed meanwhile."""
    client.get("/sign-in")
    cookies = post(client, f"{SIGN_IN}/options").headers.getlist("Set-Cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == ["zonedesk-passkey"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=300"} <= set(cookies[0].split("; "))


def test_in_production_the_token_is_this_host_s_and_goes_over_https_alone(
    app: Flask, client: DeskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("SESSION_COOKIE_NAME", "__Host-zonedesk"),
        ("SESSION_COOKIE_SECURE", True),
        ("WTF_CSRF_ENABLED", False),
    ):
        monkeypatch.setitem(app.config, name, value)
    cookie = client.post(f"{SIGN_IN}/options", csrf=False).headers["Set-Cookie"]
    assert cookie.startswith("__Host-zonedesk-passkey=")
    assert {"Secure", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_where_browsers_make_no_passkeys_the_desk_says_so(
    app: Flask, client: DeskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = settings.model_copy(update={"environment": Environment.PRODUCTION, "public_url": "https://192.0.2.7"})
    monkeypatch.setitem(app.extensions, "settings", nowhere)
    assert refused(post(client, f"{SIGN_IN}/options"), "passkeys-nowhere", 409)
    assert refused(post(client, SIGN_IN, credential={}), "passkeys-nowhere", 409)


def test_questions_nobody_answered_are_tidied_away(
    client: DeskClient, db: Database, at: Callable[[datetime], None]
) -> None:
    asked(client)
    with db.unit_of_work() as work:
        assert challenges.forget_overdue(work, now=NOW) == 0
        assert challenges.forget_overdue(work, now=NOW + challenges.LASTS) == 1


# What is no answer at all


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"null", 400),
        (b'{"credential": {"id": "\xff"}}', 400),
        (b"[" * 30_000, 400),
        (b'{"credential":' + b"[" * 20_000, 400),
        (b"1" * 10_000, 400),
        (b"[]", 422),
        (b"7", 422),
        (b'"credential"', 422),
        (b"{}", 422),
        (b'{"credential": []}', 422),
        (b'{"credential": {}}', 422),
        (b'{"credential": {"rawId": 7}}', 422),
        (b'{"credential": {"rawId": "\\ud800"}}', 422),
        (b'{"credential": {"rawId": "AAAA"}}', 422),
        (b'{"credential": {"rawId": "", "id": "", "type": "public-key", "response": []}}', 422),
    ],
    ids=range(17),
)
def test_rubbish_gets_a_sentence_and_never_a_fault(client: DeskClient, body: bytes, status: int) -> None:
    asked(client)
    headers = {"Accept": "application/json", "X-CSRFToken": client.csrf_token()}
    response = client.open(
        SIGN_IN, method="POST", data=body, content_type="application/json", headers=headers, csrf=False
    )
    assert response.status_code == status
    assert response.get_json()["detail"].endswith(".")


@pytest.mark.parametrize("part", ["clientDataJSON", "authenticatorData", "signature", "userHandle"])
@pytest.mark.parametrize("wrong", [None, 7, "", "!", "AAAA", "ü", [], {"a": 1}, "A" * 4_000], ids=repr)
def test_a_part_of_an_answer_that_is_no_such_thing_is_refused(
    client: DeskClient, make: Make, device: Authenticator, db: Database, part: str, wrong: Any
) -> None:
    give(db, make.user(), device)
    answer = device.get(asked(client))
    answer["response"][part] = wrong
    assert refused(post(client, SIGN_IN, credential=answer))
    assert not is_signed_in(client)


@pytest.mark.parametrize("said", [[], 7, {}, {"type": []}, {"type": "webauthn.get", "challenge": 7, "origin": {}}])
def test_client_data_that_says_something_else_is_refused(
    client: DeskClient, make: Make, device: Authenticator, db: Database, said: Any
) -> None:
    give(db, make.user(), device)
    answer = device.get(asked(client))
    answer["response"]["clientDataJSON"] = b64(json.dumps(said).encode())
    assert refused(post(client, SIGN_IN, credential=answer))


def test_an_answer_is_not_longer_than_answers_are(
    client: DeskClient, make: Make, device: Authenticator, db: Database
) -> None:
    give(db, make.user(), device)
    answer = device.get(asked(client))
    assert refused(post(client, SIGN_IN, credential=answer, name="x" * MAX_ANSWER), None, 413)
    assert post(client, SIGN_IN, credential=answer, name="x" * 1000).status_code == 200


# Around it


@pytest.mark.parametrize("path", [SIGN_IN, f"{SIGN_IN}/options"])
def test_a_question_and_an_answer_need_the_token_of_the_page(client: DeskClient, path: str) -> None:
    headers = {"Accept": "application/json"}
    assert client.post(path, json={}, headers=headers).status_code == 400
    assert "Reload" in client.post(path, json={}, headers=headers).get_json()["detail"]


@pytest.mark.parametrize("path", [SIGN_IN, f"{SIGN_IN}/options"])
def test_no_other_site_may_ask_or_answer(client: DeskClient, path: str) -> None:
    headers = {"X-CSRFToken": client.csrf_token(), "Sec-Fetch-Site": "cross-site"}
    assert client.post(path, json={}, headers=headers).status_code == 403


def test_answers_and_questions_are_counted_for_each_address(client: DeskClient) -> None:
    statuses = [post(client, SIGN_IN, credential={}).status_code for _ in range(21)]
    assert statuses == [422] * 20 + [429]
    late = post(client, SIGN_IN, credential={})
    assert 1 <= int(late.headers["Retry-After"]) <= 61
    assert late.get_json()["detail"] == "Too many tries. Wait 1 minute and try again."
    statuses = [post(client, f"{SIGN_IN}/options").status_code for _ in range(61)]
    assert statuses == [200] * 60 + [429]
