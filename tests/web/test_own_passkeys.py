"""Making, renaming and removing passkeys, and using them after the password and before an act of weight."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from tests.authenticator import Authenticator, Key
from tests.make import PASSWORD, Make, Person
from tests.web.client import NOW, DeskClient
from tests.web.passkeys import SIGN_IN, asked, give, is_signed_in, post, refused, sign_in, told
from webapp.accounts.models import Letter, Passkey, PasskeyChallenge, RecoveryCode, SignInSession, User
from webapp.accounts.passkeys import MAX_PASSKEYS
from webapp.accounts.rules import PENDING_TRIES, ChallengePurpose, LetterKind
from webapp.core.actor import Role
from webapp.db.work import Database

pytestmark = pytest.mark.usefixtures("fresh_limits")

NEW, SECOND, SET_UP, CONFIRM = (
    "/account/passkeys",
    "/sign-in/second/passkey",
    "/sign-in/set-up/passkey",
    "/confirm/passkey",
)


def type_password(client: DeskClient, person: Person) -> str:
    """The first step of signing in; where it leads."""
    response = client.post("/sign-in", data={"email": person.email, "password": PASSWORD})
    assert response.status_code == 303
    return response.location


def one(db: Database, question: Any) -> Any:
    """What a question about the database answers."""
    with db.read_only() as session:
        return session.scalar(question)


def how_many(db: Database, table: type) -> int:
    """How many rows a table has."""
    return int(one(db, select(func.count()).select_from(table)))


def register(client: DeskClient, device: Authenticator, name: str = "Blue key", **manner: Any) -> TestResponse:
    """Have a passkey made on the account page, by somebody who gave a second factor just now or their password."""
    options = asked(client, NEW, password=PASSWORD)
    return post(client, NEW, credential=device.create(options, **manner), name=name)


# Making one


def test_the_first_passkey_takes_the_password_and_leads_to_recovery_codes(
    client: DeskClient, make: Make, db: Database, device: Authenticator
) -> None:
    person = make.staff()
    type_password(client, person)
    assert refused(post(client, f"{NEW}/options"), "password-wrong")
    assert refused(post(client, f"{NEW}/options", password="not this one at all"), "password-wrong")
    assert how_many(db, PasskeyChallenge) == 0
    response = register(client, device)
    assert response.get_json() == {"go": "/account/recovery-codes/first?next=/account"}
    page = client.get(response.get_json()["go"])
    assert "Show my recovery codes" in page.text
    assert client.post("/account/recovery-codes", data={"next": "/account"}).status_code == 200
    row = one(db, select(Passkey))
    assert (row.user_id, row.name, row.sign_count, row.transports) == (person.id, "Blue key", 0, ["hybrid", "internal"])
    assert told(db, "account.passkey_added") == [{"passkey_id": str(row.id)}]
    assert one(db, select(Letter.kind).where(Letter.user_id == person.id)) == LetterKind.SECOND_FACTOR_CHANGED
    client.sign_out()
    assert sign_in(client, device).status_code == 200


def test_the_question_names_the_person_and_wants_a_key_that_says_so(client: DeskClient, make: Make) -> None:
    person = client.sign_in(make.staff())
    options = asked(client, NEW, password=PASSWORD)
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert options["attestation"] == "none"
    assert options["rp"] == {"id": "localhost", "name": "Zonedesk"}
    assert (options["user"]["name"], options["user"]["displayName"]) == (person.email, person.name)


def test_another_passkey_takes_a_fresh_second_factor(
    client: DeskClient, make: Make, db: Database, device: Authenticator, at: Callable[[datetime], None]
) -> None:
    person = make.staff()
    give(db, person, device)
    client.sign_in(person)
    options = asked(client, NEW)
    at(NOW + timedelta(minutes=11))
    late = post(client, NEW, credential=Authenticator().create(options))
    assert (late.status_code, late.get_json()["go"]) == (403, "/confirm?next=/account%23passkeys")
    refusal = post(client, f"{NEW}/options", password=PASSWORD)
    assert (refusal.status_code, refusal.get_json()["go"]) == (403, "/confirm?next=/account%23passkeys")
    assert how_many(db, Passkey) == 1
    answer = device.get(asked(client, CONFIRM))
    assert post(client, CONFIRM, credential=answer, next="/account").get_json() == {"go": "/account"}
    assert register(client, Authenticator()).get_json()["go"].endswith("/account")
    assert how_many(db, Passkey) == 2


def test_a_passkey_made_with_the_password_alone_is_the_first_or_none(
    client: DeskClient, make: Make, db: Database, device: Authenticator
) -> None:
    person = make.staff()
    type_password(client, person)
    options = asked(client, NEW, password=PASSWORD)
    give(db, person, Authenticator())  # the person sets one up elsewhere meanwhile
    response = post(client, NEW, credential=device.create(options))
    assert (response.status_code, "/confirm" in response.get_json()["go"]) == (403, True)
    assert how_many(db, Passkey) == 1


def test_a_device_that_has_one_is_told_so(client: DeskClient, make: Make, db: Database, device: Authenticator) -> None:
    person = make.staff()
    give(db, person, device)
    client.sign_in(person)
    options = asked(client, NEW)
    assert options["excludeCredentials"][0]["transports"] == ["internal"]
    with pytest.raises(AssertionError, match="a passkey is here already"):
        device.create(options)


@pytest.mark.parametrize("whose", ["mine", "another's"])
def test_no_passkey_is_registered_twice(
    client: DeskClient, make: Make, db: Database, device: Authenticator, whose: str
) -> None:
    person = make.staff()
    other = make.manager()
    key = give(db, person if whose == "mine" else other, device)
    client.sign_in(person)
    stolen = Key("localhost", person.id.bytes, id=key.id)
    options = asked(client, NEW, password=PASSWORD)
    assert refused(post(client, NEW, credential=Authenticator().create(options, key=stolen)), "passkey-taken", 409)
    assert how_many(db, Passkey) == 1


def test_ten_passkeys_are_enough(client: DeskClient, make: Make, db: Database) -> None:
    person = make.staff()
    devices = [Authenticator() for _ in range(MAX_PASSKEYS)]
    for one_of_them in devices[:-1]:
        give(db, person, one_of_them)
    client.sign_in(person)
    options = asked(client, NEW)
    give(db, person, devices[-1])
    assert refused(post(client, NEW, credential=Authenticator().create(options)), "passkeys-full", 409)
    assert refused(post(client, f"{NEW}/options"), "passkeys-full", 409)
    assert how_many(db, Passkey) == MAX_PASSKEYS
    assert "as many passkeys as one person may have" in client.get("/account").text


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ({"origin": "https://evil.example"}, "Unexpected client data origin"),
        ({"rp_id": "evil.example"}, "Unexpected RP ID hash"),
        ({"user_verified": False}, "user was not verified"),
        ({"user_present": False}, "not present"),
        ({"cross_origin": True}, "another site's frame"),
        ({"challenge": b"x" * 32}, "challenge was not expected"),
        ({"type": "webauthn.get"}, "Unexpected client data type"),
        ({"tampered": True}, "unexpected attestation statement"),
        ({"key": Key("localhost", b"", id=b"x" * 1024)}, "credential id is too long"),
        ({"key": Key("localhost", b"", id=b"")}, "did not provide a credential ID"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_a_new_passkey_with_one_thing_wrong_is_refused(
    client: DeskClient,
    make: Make,
    db: Database,
    device: Authenticator,
    caplog: pytest.LogCaptureFixture,
    manner: dict[str, Any],
    said: str,
) -> None:
    client.sign_in(make.staff())
    with caplog.at_level("INFO", logger="webapp.accounts.authenticators"):
        assert refused(register(client, device, **manner))
    assert said in caplog.text, "refused for another reason"
    assert how_many(db, Passkey) == 0
    assert register(client, Authenticator()).status_code == 200


@pytest.mark.parametrize("part", ["clientDataJSON", "attestationObject", "transports"])
@pytest.mark.parametrize("wrong", [None, 7, "", "!", "AAAA", [], [[]], [7, "pigeon"], {"a": 1}, "A" * 4_000], ids=repr)
def test_a_part_of_a_new_passkey_that_is_no_such_thing_is_no_fault(
    client: DeskClient, make: Make, db: Database, device: Authenticator, part: str, wrong: Any
) -> None:
    client.sign_in(make.staff())
    answer = device.create(asked(client, NEW, password=PASSWORD))
    answer["response"][part] = wrong
    response = post(client, NEW, credential=answer)
    if part == "transports":  # only a hint, and one we do not need
        assert response.status_code == 200
        assert one(db, select(Passkey.transports)) == []
    else:
        assert refused(response)


@pytest.mark.parametrize(
    ("typed", "name"), [("", "Passkey 1"), ("  ", "Passkey 1"), (" Work \n laptop ", "Work laptop"), (7, "Passkey 1")]
)
def test_a_passkey_has_a_name(
    client: DeskClient, make: Make, db: Database, device: Authenticator, typed: Any, name: str
) -> None:
    client.sign_in(make.staff())
    assert register(client, device, typed).status_code == 200
    assert one(db, select(Passkey.name)) == name


@pytest.mark.parametrize("typed", ["x" * 81, "\u200b"])
def test_a_name_that_is_none_is_refused(client: DeskClient, make: Make, device: Authenticator, typed: str) -> None:
    client.sign_in(make.staff())
    code = "name-too-long" if typed.startswith("x") else "name-empty"
    assert refused(register(client, device, typed), code)


def test_a_question_for_one_person_is_no_other_person_s(
    client: DeskClient, make: Make, db: Database, device: Authenticator
) -> None:
    client.sign_in(make.staff())
    options = asked(client, NEW, password=PASSWORD)
    client.sign_in(make.staff())
    assert refused(post(client, NEW, credential=device.create(options)), "passkey-too-late")
    assert how_many(db, Passkey) == 0


def test_a_question_to_sign_in_registers_nothing(
    client: DeskClient, make: Make, db: Database, device: Authenticator
) -> None:
    client.sign_in(make.staff())
    options = asked(client, NEW, password=PASSWORD)
    asked(client, SIGN_IN)
    assert refused(post(client, NEW, credential=device.create(options)), "passkey-too-late")


# After the password


@pytest.fixture
def half_way(client: DeskClient, make: Make, db: Database, device: Authenticator) -> Person:
    """Somebody with a passkey who has typed their password."""
    person = make.staff()
    give(db, person, device)
    assert type_password(client, person) == "/sign-in/second"
    assert "Use a passkey" in client.get("/sign-in/second").text
    return person


def test_a_passkey_completes_a_sign_in(
    client: DeskClient, db: Database, device: Authenticator, half_way: Person
) -> None:
    options = asked(client, SECOND)
    assert len(options["allowCredentials"]) == 1
    response = post(client, SECOND, credential=device.get(options), next="/bookings")
    assert response.get_json() == {"go": "/bookings"}
    assert is_signed_in(client)
    row = one(db, select(SignInSession))
    assert (row.user_id, row.method, row.second_factor_at) == (half_way.id, "password+passkey", NOW)


def test_only_their_own_passkey_completes_it(client: DeskClient, make: Make, db: Database, half_way: Person) -> None:
    thief = Authenticator()
    give(db, make.staff(), thief)
    options = asked(client, SECOND)
    assert refused(post(client, SECOND, credential=thief.get(options, key=thief.keys[0])))
    assert [entry and entry["why"] for entry in told(db, "account.passkey_refused")] == ["other_person"]
    options = asked(client, SECOND)
    answer = thief.get(options, key=thief.keys[0], user_handle=half_way.id.bytes)
    assert refused(post(client, SECOND, credential=answer))
    assert not is_signed_in(client)


def test_a_passkey_is_tried_five_times(client: DeskClient, device: Authenticator, half_way: Person) -> None:
    for _ in range(PENDING_TRIES):
        assert refused(post(client, SECOND, credential=device.get(asked(client, SECOND), tampered=True)))
    response = post(client, f"{SECOND}/options")
    assert (response.status_code, response.get_json()["go"]) == (403, "/sign-in")
    assert "Type your password again." in client.get("/sign-in").text


def test_nobody_half_way_is_asked_nothing(client: DeskClient, db: Database) -> None:
    for path in (SECOND, SET_UP):
        for end in ("", "/options"):
            response = post(client, path + end, credential={})
            assert (response.status_code, response.get_json()["go"]) == (403, "/sign-in")
    assert how_many(db, PasskeyChallenge) == 0


def test_ten_minutes_after_the_password_it_is_asked_again(
    client: DeskClient, device: Authenticator, half_way: Person, at: Callable[[datetime], None]
) -> None:
    at(NOW + timedelta(minutes=8))
    answer = device.get(asked(client, SECOND))
    at(NOW + timedelta(minutes=10))
    assert post(client, SECOND, credential=answer).get_json() == {"go": "/sign-in"}
    assert not is_signed_in(client)


def test_whoever_owes_a_second_factor_sets_none_up(client: DeskClient, db: Database, half_way: Person) -> None:
    assert post(client, f"{SET_UP}/options").get_json() == {"go": "/sign-in"}
    assert how_many(db, Passkey) == 1


# Setting the first one up before anything else


@pytest.fixture
def to_enrol(client: DeskClient, make: Make, db: Database) -> Person:
    """A manager without a second factor who has typed their password."""
    person = make.manager()
    with db.unit_of_work() as work:
        work.db.execute(update(User).where(User.id == person.id).values(totp_secret=None, totp_counter=None))
    assert type_password(client, person) == "/sign-in/set-up"
    assert "Set up a passkey and sign in" in client.get("/sign-in/set-up").text
    return person


def test_a_passkey_is_a_first_second_factor(
    client: DeskClient, db: Database, device: Authenticator, to_enrol: Person
) -> None:
    response = post(client, SET_UP, credential=device.create(asked(client, SET_UP)), next="/bookings")
    assert response.get_json() == {"go": "/account/recovery-codes/first?next=/bookings"}
    assert "/bookings" in client.get(response.get_json()["go"]).text
    row = one(db, select(SignInSession))
    assert (row.user_id, row.method, row.second_factor_at) == (to_enrol.id, "password+passkey", NOW)
    client.sign_out()
    assert sign_in(client, device).status_code == 200


def test_a_wrong_passkey_lets_nobody_in(
    client: DeskClient, db: Database, device: Authenticator, to_enrol: Person
) -> None:
    answer = device.create(asked(client, SET_UP), user_verified=False)
    assert refused(post(client, SET_UP, credential=answer))
    assert how_many(db, Passkey) == 0
    assert client.get("/").status_code == 303
    assert not is_signed_in(client)


def test_a_password_alone_adds_no_passkey_to_an_account_that_has_one(
    client: DeskClient, db: Database, device: Authenticator, to_enrol: Person
) -> None:
    options = asked(client, SET_UP)
    give(db, to_enrol, Authenticator())  # the person enrols in another browser meanwhile
    assert refused(post(client, SET_UP, credential=device.create(options)), "second-factor-exists", 409)
    assert how_many(db, Passkey) == 1
    assert not is_signed_in(client)


# Before an act of weight


def test_a_passkey_confirms_that_it_is_the_person(
    client: DeskClient, make: Make, db: Database, device: Authenticator, at: Callable[[datetime], None]
) -> None:
    person = make.staff()
    give(db, person, device)
    client.sign_in(person)
    later = NOW + timedelta(minutes=30)
    at(later)
    assert "Use a passkey" in client.get("/confirm?next=/bookings").text
    answer = device.get(asked(client, CONFIRM))
    assert post(client, CONFIRM, credential=answer, next="/bookings").get_json() == {"go": "/bookings"}
    assert one(db, select(SignInSession.second_factor_at)) == later
    assert told(db, "account.confirmed") == [{"method": "passkey"}]


@pytest.mark.parametrize("purpose", [purpose for purpose in ChallengePurpose if purpose != ChallengePurpose.STEP_UP])
def test_a_question_asked_for_something_else_confirms_nothing(
    client: DeskClient, make: Make, db: Database, device: Authenticator, purpose: ChallengePurpose
) -> None:
    person = make.staff()
    give(db, person, device)
    client.sign_in(person)
    answer = device.get(asked(client, CONFIRM))
    with db.unit_of_work() as work:
        work.db.execute(update(PasskeyChallenge).values(purpose=purpose))
    assert refused(post(client, CONFIRM, credential=answer), "passkey-too-late")
    assert told(db, "account.confirmed") == []


def test_somebody_else_s_passkey_confirms_nothing(
    client: DeskClient, make: Make, db: Database, device: Authenticator
) -> None:
    person, other = make.staff(), make.staff()
    give(db, person, device)
    theirs = give(db, other, device)
    client.sign_in(person)
    assert refused(post(client, CONFIRM, credential=device.get(asked(client, CONFIRM), key=theirs)))
    assert told(db, "account.confirmed") == []


def test_nobody_without_a_passkey_is_asked_for_one(client: DeskClient, make: Make) -> None:
    client.sign_in(make.staff())
    assert refused(post(client, f"{CONFIRM}/options"), "passkeys-none", 409)


def test_a_visitor_confirms_and_makes_nothing(client: DeskClient) -> None:
    for path in (CONFIRM, NEW):
        for end in ("", "/options"):
            response = post(client, path + end, credential={})
            assert (response.status_code, response.location) == (303, "/sign-in")


# Keeping them


def my_passkey(db: Database, person: Person) -> UUID:
    """The id of a person's passkey."""
    found: UUID = one(db, select(Passkey.id).where(Passkey.user_id == person.id))
    return found


def test_the_account_page_lists_one_s_own_passkeys_alone(
    client: DeskClient, make: Make, db: Database, device: Authenticator
) -> None:
    person, other = make.staff(), make.staff()
    give(db, person, device)
    give(db, other, device)
    client.sign_in(person)
    page = client.get("/account").text
    assert str(my_passkey(db, person)) in page
    assert str(my_passkey(db, other)) not in page


def test_a_passkey_is_renamed(client: DeskClient, make: Make, db: Database, device: Authenticator) -> None:
    person = client.sign_in(make.staff())
    give(db, person, device)
    url = f"{NEW}/{my_passkey(db, person)}"
    assert 'value="Laptop"' in client.get(url).text
    assert client.post(url, data={"name": " Red  key "}).location == "/account#passkeys"
    assert one(db, select(Passkey.name)) == "Red key"
    for wrong in ("", "x" * 81):
        assert client.post(url, data={"name": wrong}).status_code == 422
    assert one(db, select(Passkey.name)) == "Red key"


@pytest.mark.parametrize("role", [Role.COMPANY_STAFF, Role.ADMIN])
def test_another_s_passkey_is_not_there(
    client: DeskClient, make: Make, db: Database, device: Authenticator, role: Role
) -> None:
    client.sign_in(make.user(role))
    give(db, make.staff(), device)
    theirs = one(db, select(Passkey.id))
    nobody_s = UUID(int=7)
    answers = [
        (
            client.get(f"{NEW}/{id_}"),
            client.post(f"{NEW}/{id_}", data={"name": "Mine"}),
            client.post(f"{NEW}/{id_}/remove"),
        )
        for id_ in (theirs, nobody_s)
    ]
    assert {response.status_code for group in answers for response in group} == {404}
    assert one(db, select(Passkey.name)) == "Laptop"


def test_a_passkey_is_removed_after_a_fresh_second_factor(
    client: DeskClient, make: Make, db: Database, device: Authenticator, at: Callable[[datetime], None]
) -> None:
    person = make.staff()
    give(db, person, device)
    client.sign_in(person)
    url = f"{NEW}/{my_passkey(db, person)}"
    at(NOW + timedelta(minutes=11))
    assert client.post(f"{url}/remove").location == f"/confirm?next={url}"
    post(client, CONFIRM, credential=device.get(asked(client, CONFIRM)))
    client.post("/account/recovery-codes")
    assert how_many(db, RecoveryCode) == 10
    assert client.post(f"{url}/remove").location == "/account#passkeys"
    assert how_many(db, Passkey) == 0
    assert how_many(db, RecoveryCode) == 0, "with nothing to stand in for they are worth nothing"
    assert len(told(db, "account.passkey_removed")) == 1
    client.sign_out()
    assert refused(sign_in(client, device), "passkey-unknown")


def test_whoever_needs_a_second_factor_keeps_the_last(
    client: DeskClient, make: Make, db: Database, device: Authenticator
) -> None:
    person = make.manager()
    with db.unit_of_work() as work:
        work.db.execute(update(User).where(User.id == person.id).values(totp_secret=None, totp_counter=None))
    first = give(db, person, device)
    client.sign_in(person)
    url = f"{NEW}/{my_passkey(db, person)}"
    client.post(f"{url}/remove")
    assert "Set up another one before you remove this one." in client.get("/account").text
    assert how_many(db, Passkey) == 1
    give(db, person, Authenticator())
    client.post(f"{url}/remove")
    assert how_many(db, Passkey) == 1
    assert one(db, select(Passkey.credential_id)) != first.id
