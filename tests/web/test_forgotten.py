"""A forgotten password: the same for everybody who asks, and a link that is good once, for one address, for an hour."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event, func, select, text, update
from werkzeug.test import TestResponse

from tests.jobs.builders import rows
from tests.jobs.letter_box import Box
from tests.make import PASSWORD, Make, Person
from tests.web.client import NOW, Bell, DeskClient
from webapp.accounts import queries, service, sign_ins
from webapp.accounts.models import LinkToken, RecoveryCode, SignInSession, User
from webapp.accounts.sending import FORGOTTEN_PATH, RESET_PATH, SIGN_IN_PATH
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.work import Database

pytestmark = pytest.mark.usefixtures("fresh_limits")

NEW = "seven lamps along the river"
DEAD = "This link does not work"


def ask(client: DeskClient, email: str, **more: object) -> TestResponse:
    return client.post("/forgotten", data={"email": email}, **more)


def follow(client: DeskClient, path: str) -> TestResponse:
    """Open a link as a browser does: the exchange, then the page."""
    exchanged = client.get(path)
    assert exchanged.status_code == 303
    return client.get(exchanged.headers["Location"])


def choose(client: DeskClient, password: str = NEW) -> TestResponse:
    return client.post("/reset", data={"password": password})


def can_sign_in(client: DeskClient, person: Person, password: str) -> bool:
    """Whether the password is right; what else is asked then is another matter."""
    return client.post("/sign-in", data={"email": person.email, "password": password}).status_code == 303


def without_secrets(page: str) -> str:
    page = re.sub(r'nonce="[^"]+"', "", page)
    page = re.sub(r'name="csrf_token" value="[^"]+"', "", page)
    return re.sub(r"[\w.+-]+@example\.org", "", page)


def test_a_forgotten_password_is_set_anew_with_the_link(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box], bells: list[Bell]
) -> None:
    person = make.user(email="asha@example.org")
    assert "/forgotten" in client.get("/sign-in").text
    assert client.get("/forgotten").status_code == 200
    asked = ask(client, " Asha@Example.org ")
    assert (asked.status_code, asked.headers["Location"]) == (303, "/forgotten/sent")
    assert "a letter with a link is on its way" in client.get("/forgotten/sent").text
    assert bells == [(JobName.SEND_LETTERS, {})]

    page = follow(client, box().path())
    assert page.status_code == 200
    assert 'value="asha@example.org"' in page.text, "password managers want to know whose it is"
    done = choose(client)
    assert (done.status_code, done.headers["Location"]) == (303, "/sign-in")
    assert "Your password was changed" in client.get("/sign-in").text
    assert not can_sign_in(client, person, PASSWORD)
    assert can_sign_in(client, person, NEW)
    assert box().last.subject == "Your password for Zonedesk was changed"
    assert box().last.to == "asha@example.org"


def test_a_reset_signs_nobody_in_and_everybody_out(
    new_client: Callable[[], DeskClient], make: Make, db: Database, box: Callable[[], Box]
) -> None:
    person, browser, other = make.user(), new_client(), new_client()
    other.sign_in(person)
    ask(browser, person.email)
    follow(browser, box().path())
    assert choose(browser).status_code == 303
    for client in (browser, other):
        assert client.get("/sign-in").status_code == 200, "still asked who they are"
    assert rows(db, "SELECT 1 FROM sign_in_sessions") == []


def test_a_reset_leaves_second_factors_as_they_are(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box]
) -> None:
    person = make.admin()
    with db.unit_of_work() as work:
        work.db.execute(update(User).where(User.id == person.id).values(totp_secret="encrypted", totp_counter=7))
        work.db.add(
            RecoveryCode(
                id=new_id(),
                operator_id=person.operator_id,
                user_id=person.id,
                code_hash=b"c" * 32,
                created_at=NOW,
                used_at=None,
            )
        )
    ask(client, person.email)
    follow(client, box().path())
    assert choose(client).status_code == 303
    with db.read_only() as session:
        user = session.get_one(User, person.id)
        assert (user.totp_secret, user.totp_counter) == ("encrypted", 7)
        assert session.scalar(select(func.count()).select_from(RecoveryCode)) == 1


def test_the_audit_tells_of_the_reset(client: DeskClient, make: Make, db: Database, box: Callable[[], Box]) -> None:
    person = make.user()
    ask(client, person.email)
    follow(client, box().path())
    choose(client)
    told = rows(
        db,
        "SELECT what, actor_id, operator_id FROM audit_entries WHERE subject_id = :id ORDER BY id",
        id=person.id,
    )
    assert told[1:] == [
        ("account.reset_asked", None, person.operator_id),
        ("account.password_reset", person.id, person.operator_id),
    ]


def test_a_link_is_good_once(
    new_client: Callable[[], DeskClient], make: Make, db: Database, box: Callable[[], Box]
) -> None:
    person, first, second = make.user(), new_client(), new_client()
    ask(first, person.email)
    path = box().path()
    assert follow(first, path).status_code == 200
    assert follow(second, path).status_code == 200
    assert choose(first).status_code == 303
    assert choose(second, "another word for another day").status_code == 404
    assert follow(second, path).status_code == 404
    assert choose(first, "another word for another day").status_code == 404
    assert can_sign_in(first, person, NEW)


def test_one_reset_voids_all_other_links_of_the_person_and_nobody_elses(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box]
) -> None:
    person, other = make.user(), make.user()
    for email in (person.email, other.email, person.email):
        ask(client, email)
    letters = box().letters
    paths = {(letter.to, n): box().path(n) for n, letter in enumerate(letters)}
    mine = [path for (to, _n), path in paths.items() if to == person.email]
    (theirs,) = [path for (to, _n), path in paths.items() if to == other.email]
    follow(client, mine[1])
    assert choose(client).status_code == 303
    assert follow(client, mine[0]).status_code == 404
    assert follow(client, theirs).status_code == 200


def test_any_other_change_of_the_password_voids_the_links_too(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box]
) -> None:
    person = make.user()
    ask(client, person.email)
    with db.unit_of_work() as work:
        path = box().path()
        service.set_password(work, person.id, "another hash", by=SYSTEM, now=NOW)
    assert follow(client, path).status_code == 404


def test_a_link_ends_after_an_hour(
    client: DeskClient, make: Make, box: Callable[[], Box], at: Callable[[datetime], None]
) -> None:
    ask(client, make.user().email)
    path = box().path()
    at(NOW + timedelta(minutes=59, seconds=59))
    assert follow(client, path).status_code == 200
    at(NOW + timedelta(minutes=60))
    assert choose(client).status_code == 404
    assert follow(client, path).status_code == 404


def test_a_link_is_worth_nothing_after_the_address_has_changed(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box]
) -> None:
    person = make.user()
    ask(client, person.email)
    follow(client, box().path())
    with db.unit_of_work() as work:
        work.db.execute(update(User).where(User.id == person.id).values(email="new@example.org"))
    assert choose(client).status_code == 404
    with db.read_only() as session:
        assert session.scalar(select(LinkToken.used_at)) is None


def test_changing_one_s_own_password_voids_the_links_too(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box]
) -> None:
    person = make.user()
    ask(client, person.email)
    path = box().path()
    with db.unit_of_work() as work:
        account = queries.account(work.db, person.id)
        sign_ins.change_own_password(work, account, "another hash", keep=new_id(), now=NOW)
    assert follow(client, path).status_code == 404


@pytest.mark.parametrize("what", ["account", "operator"])
def test_who_was_switched_off_meanwhile_cannot_reset(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box], what: str
) -> None:
    person = make.staff(make.franchise())
    ask(client, person.email)
    follow(client, box().path())
    table, id_ = ("users", person.id) if what == "account" else ("operators", person.operator_id)
    with db.unit_of_work() as work:
        work.db.execute(text(f"UPDATE {table} SET active = false WHERE id = :id"), {"id": id_})
    assert choose(client).status_code == 404


def test_every_link_that_does_not_work_gets_the_same_answer(
    new_client: Callable[[], DeskClient],
    make: Make,
    db: Database,
    box: Callable[[], Box],
    at: Callable[[datetime], None],
) -> None:
    user = new_client()
    ask(user, make.user().email)
    used = box().path()
    follow(user, used)
    choose(user)
    ask(user, make.user().email)
    old = box().path(-1)
    at(NOW + timedelta(hours=2))
    pages = []
    for path in (used, old, "/reset/" + "x" * 43, "/reset/ఆశ", "/reset/" + "x" * 4000):
        page = follow(new_client(), path)
        assert page.status_code == 404
        pages.append(without_secrets(page.text))
    never_came = new_client().get("/reset")
    assert never_came.status_code == 404
    assert {*pages, without_secrets(never_came.text)} == {pages[0]}
    assert DEAD in pages[0]
    assert 'href="/forgotten"' in pages[0], "says how to get another"


def test_a_scanner_that_opens_the_link_uses_nothing_up(
    new_client: Callable[[], DeskClient], make: Make, db: Database, box: Callable[[], Box]
) -> None:
    ask(new_client(), make.user().email)
    path = box().path()
    before = rows(db, "SELECT * FROM link_tokens")
    for method in ("GET", "HEAD", "GET"):
        scanner = new_client()
        answer = scanner.open(path, method=method)
        assert answer.status_code == 303
        assert scanner.statements == 0
        scanner.get(answer.headers["Location"])
    assert rows(db, "SELECT * FROM link_tokens") == before
    person = new_client()
    follow(person, path)
    assert choose(person).status_code == 303


def test_the_token_is_exchanged_and_goes_no_further(client: DeskClient, make: Make, box: Callable[[], Box]) -> None:
    ask(client, make.user().email)
    path = box().path()
    token = path.removeprefix("/reset/")
    exchanged = client.get(path)
    assert exchanged.headers["Location"] == "/reset"
    assert exchanged.headers["Referrer-Policy"] == "no-referrer"
    assert exchanged.headers["Cache-Control"] == "no-store"
    page = client.get("/reset")
    assert page.headers["Cache-Control"] == "no-store"
    assert token not in exchanged.text + page.text
    with client.session_transaction() as cookie:
        assert token not in str(dict(cookie))


def test_over_https_the_form_still_gets_through_with_what_browsers_send(
    client: DeskClient, make: Make, box: Callable[[], Box]
) -> None:
    ask(client, make.user().email)
    path = box().path()
    base = {"base_url": "https://localhost"}
    client.get(path, **base)
    page = client.get("/reset", **base)
    assert page.headers["Referrer-Policy"] == "same-origin", "no-referrer would strip what the CSRF check reads"
    sent = {"Referer": "https://localhost/reset", "Origin": "https://localhost"}
    assert client.post("/reset", data={"password": NEW}, headers=sent, **base).status_code == 303


def test_a_forged_host_header_does_not_get_into_the_letter(
    client: DeskClient, make: Make, box: Callable[[], Box], settings: Settings
) -> None:
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Sec-Fetch-Site": "same-origin"}
    asked = ask(client, make.user().email, headers=forged)
    assert asked.status_code in (303, 400), "a desk that knows its hosts may refuse it right away"
    if asked.status_code == 303:
        assert box().link().startswith(settings.public_url + "/reset/")
        assert "evil" not in box().last.text + asked.headers["Location"]


def statements_of(db: Database, request: Callable[[], object]) -> list[str]:
    """The SQL a request runs, statement by statement."""
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(db.bind, "before_cursor_execute", note)
    try:
        request()
    finally:
        event.remove(db.bind, "before_cursor_execute", note)
    return [re.sub(r"sa_savepoint_\d+", "sa_savepoint", statement) for statement in seen]


def test_known_and_unknown_addresses_take_the_same_statements_and_get_the_same_answer(
    new_client: Callable[[], DeskClient], make: Make, db: Database
) -> None:
    known, off = make.user(email="known1@example.org"), make.user(email="known2@example.org")
    with db.unit_of_work() as work:
        work.db.execute(update(User).where(User.id == off.id).values(active=False))
    answers, sql = [], []
    for email in (known.email, off.email, "nobody@example.org"):
        client = new_client()

        def request(client: DeskClient = client, email: str = email) -> None:
            asked = ask(client, email)
            told = client.get(asked.headers["Location"])
            answers.append((asked.status_code, asked.headers["Location"], without_secrets(told.text)))

        sql.append(statements_of(db, request))
    assert answers[0] == answers[1] == answers[2]
    assert sql[0] == sql[1] == sql[2]
    assert [statement.split(" ")[0] for statement in sql[0]].count("INSERT") == 1
    kept = rows(db, "SELECT operator_id, user_id, kind, state FROM letters")
    assert len({tuple(map(str, row)) for row in kept}) == 1, "the rows tell nothing either"


@pytest.mark.parametrize("email", ["", "asha", "asha@", "a b@example.org", "asha@example.org\r\nBcc: x@example.org"])
def test_what_is_no_address_is_said_at_the_field(client: DeskClient, db: Database, email: str) -> None:
    page = ask(client, email)
    assert page.status_code == 422
    assert 'aria-invalid="true"' in page.text
    assert rows(db, "SELECT 1 FROM letters") == []


@pytest.mark.parametrize("password", ["", "short", "x" * 129, "passwordpassword", "asha.rao.zonedesk"])
def test_a_password_that_will_not_do_is_said_at_the_field_and_uses_nothing_up(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box], password: str
) -> None:
    ask(client, make.user(name="Asha Rao").email)
    follow(client, box().path())
    page = choose(client, password)
    assert page.status_code == 422
    assert 'aria-invalid="true"' in page.text
    assert "password" not in re.findall(r'value="([^"]*)"', page.text)
    assert choose(client).status_code == 303


def test_the_fourth_letter_for_one_address_in_an_hour_has_to_wait(client: DeskClient, db: Database) -> None:
    for _ in range(3):
        assert ask(client, "asha@example.org").status_code == 303
    for written in ("asha@example.org", " ASHA@example.org"):
        refused = ask(client, written)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 3601
    assert ask(client, "ravi@example.org").status_code == 303
    assert len(rows(db, "SELECT 1 FROM letters")) == 4


def test_one_client_cannot_write_to_everybody(client: DeskClient) -> None:
    statuses = [ask(client, f"somebody{n}@example.org").status_code for n in range(13)]
    assert statuses == [303] * 12 + [429]


def test_a_form_without_its_token_sets_no_password(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box]
) -> None:
    ask(client, make.user().email)
    follow(client, box().path())
    assert client.post("/reset", data={"password": NEW}, csrf=False).status_code == 400
    assert client.post("/forgotten", data={"email": "a@example.org"}, csrf=False).status_code == 400
    assert rows(db, "SELECT used_at FROM link_tokens") == [(None,)]


def test_a_reset_cannot_be_sent_to_somebody_elses_account(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box]
) -> None:
    mine, theirs = make.user(), make.admin()
    ask(client, mine.email)
    follow(client, box().path())
    planted = {"password": NEW, "email": theirs.email, "user_id": str(theirs.id), "id": str(theirs.id)}
    assert client.post("/reset", data=planted).status_code == 303
    assert can_sign_in(client, mine, NEW)
    assert not can_sign_in(client, theirs, NEW)


def test_a_cookie_without_a_hash_is_a_link_that_does_not_work(client: DeskClient, make: Make, db: Database) -> None:
    with client.session_transaction() as cookie:
        cookie["link_reset"] = "no hash at all"
    assert client.get("/reset").status_code == 404
    with client.session_transaction() as cookie:
        cookie["link_reset"] = ["a", "list"]
    assert client.get("/reset").status_code == 404


def test_letters_and_routes_name_the_same_addresses(app: Flask) -> None:
    with app.test_request_context():
        assert app.url_for("accounts.reset_link", token="t") == RESET_PATH + "t"
        assert app.url_for("accounts.sign_in") == SIGN_IN_PATH
        assert app.url_for("accounts.forgotten") == FORGOTTEN_PATH


def test_signed_in_people_stay_signed_in_when_somebody_else_resets_here(
    client: DeskClient, make: Make, db: Database, box: Callable[[], Box]
) -> None:
    here, other = make.user(), make.user()
    client.sign_in(here)
    ask(client, other.email)
    follow(client, box().path())
    assert choose(client).status_code == 303
    with db.read_only() as session:
        assert session.scalars(select(SignInSession.user_id)).all() == [here.id]
        assert isinstance(here.id, UUID)
