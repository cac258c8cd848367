"""What somebody at a browser, or a page they lure somebody to, can try. One attack a test, named after it.

Each test says what would make it fail, and where the refusal could come from something else, the same request without
the attack is shown to get through.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask, Response
from sqlalchemy import delete, select, text
from werkzeug.test import TestResponse

from tests.arch.test_routes import PUBLIC, all_uuids, any_values
from tests.make import HOME, PASSWORD, Make, Person
from tests.web.client import DeskClient
from tests.web.walls import desk_with
from webapp.accounts.models import SignInSession, User
from webapp.bookings.models import Booking
from webapp.config import Settings
from webapp.core.actor import Permission, Role
from webapp.core.ids import new_id
from webapp.db.work import Database
from webapp.web.access import public, requires

pytestmark = pytest.mark.usefixtures("fresh_limits")

ABSENT = "01920000-0000-7000-8000-000000000001"
CLOSE = f"/enquiries/{ABSENT}/close"
"""A changing request of any member of staff; it comes to nothing, for there is no such enquiry."""


@pytest.fixture
def staff(client: DeskClient, make: Make) -> Person:
    """Whoever is signed in with the browser."""
    return client.sign_in(make.staff())


def pages(app: Flask) -> Iterator[str]:
    """The address of every page, ids filled in with one that does not exist."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static" and "GET" in (rule.methods or ()):
            values = any_values(rule, ABSENT)
            with app.test_request_context():
                yield app.url_for(rule.endpoint, **values)


# -- sessions ------------------------------------------------------------------------------------------------------


def test_session_fixation(client: DeskClient, new_client: Callable[[], DeskClient], make: Make) -> None:
    """Fails if signing in keeps anything of the cookie that was in the browser before."""
    attacker, victim = new_client(), client
    attacker.get("/sign-in")
    planted = attacker.get_cookie("zonedesk")
    assert planted is not None
    victim.set_cookie("zonedesk", planted.value)
    answer = victim.post("/sign-in", data={"email": make.user(Role.FRANCHISE_STAFF).email, "password": PASSWORD})
    assert answer.status_code == 303
    after = victim.get_cookie("zonedesk")
    assert after is not None
    assert after.value != planted.value
    assert victim.get("bookings.index").status_code == 200
    assert attacker.get("bookings.index").status_code == 303  # the planted cookie opens nothing
    with attacker.session_transaction() as known, victim.session_transaction() as fresh:
        assert known["csrf_token"] != fresh.get("csrf_token")


def test_session_fixation_with_the_attacker_s_own_open_sign_in(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, db: Database
) -> None:
    """Fails if the sign-in that was in the browser stays open beside the new one."""
    attacker, victim = new_client(), client
    attacker.sign_in(make.user(Role.FRANCHISE_STAFF))
    planted = attacker.get_cookie("zonedesk")
    assert planted is not None
    victim.set_cookie("zonedesk", planted.value)
    person = make.user(Role.FRANCHISE_STAFF)
    victim.post("/sign-in", data={"email": person.email, "password": PASSWORD})
    assert attacker.get("bookings.index").status_code == 303
    with db.read_only() as session:
        assert session.scalars(select(SignInSession.user_id)).all() == [person.id]


def test_a_cookie_that_was_written_by_hand(client: DeskClient, make: Make) -> None:
    """Fails if the cookie's signature is not checked."""
    client.sign_in(make.admin())
    good = client.get_cookie("zonedesk")
    assert good is not None
    body, rest = good.value.split(".", 1)
    for forged in (body[:-2] + "AA." + rest, body + "." + rest[:-2] + "AA", body + "..", ""):
        client.set_cookie("zonedesk", forged)
        assert client.get("bookings.index").status_code == 303, forged
    client.set_cookie("zonedesk", good.value)
    assert client.get("bookings.index").status_code == 200


@pytest.mark.parametrize("where", ["address", "header", "json"])
def test_a_token_instead_of_a_cookie(app: Flask, client: DeskClient, make: Make, where: str) -> None:
    """Fails if Flask-Security's own tokens open the desk, well signed though this one is: no page of ours makes any."""
    person = client.sign_in(make.admin())
    with client.session_transaction() as cookie:
        uid = str(cookie["_user_id"])
        cookie.clear()
    security = app.extensions["security"]
    token = security.remember_token_serializer.dumps({"ver": "5", "uid": uid, "exp": 0, "fs_paa": 0})
    how: dict[str, Any] = {
        "address": {"query_string": {"auth_token": token}},
        "header": {"headers": {"Authentication-Token": token}},
        "json": {"json": {"auth_token": token}},
    }[where]
    assert client.get("/bookings", **how).status_code == 303, person.email


def test_an_htmx_call_after_the_sign_in_has_ended(client: DeskClient, staff: Person, db: Database) -> None:
    """Fails if a sign-in page is swapped into a table, or if the call is taken."""
    token = client.csrf_token()
    with db.unit_of_work() as work:
        work.db.execute(delete(SignInSession))
    seen = {"HX-Current-URL": "http://localhost/bookings?page=2"}
    for answer in (
        client.get("bookings.index", htmx=True, headers=seen),
        client.post(CLOSE, data={"csrf_token": token}, csrf=False, htmx=True, headers=seen),
    ):
        assert (answer.status_code, answer.text) == (401, "")
        assert answer.headers["HX-Redirect"] == "/sign-in?next=/bookings?page%3D2"
        assert answer.headers["Cache-Control"] == "no-store"


# -- requests forged by another site -------------------------------------------------------------------------------


def test_csrf_without_a_token(client: DeskClient, staff: Person) -> None:
    """Fails if the token is not asked for: with it the same request is taken."""
    assert client.post(CLOSE, csrf=False).status_code == 400
    assert client.post(CLOSE).status_code == 404


@pytest.mark.parametrize("token", ["", "x", "IjEi.aaaaaa.bbbbbb", "null"])
def test_csrf_with_a_token_that_is_none(client: DeskClient, staff: Person, token: str) -> None:
    """Fails if any text is taken for a token."""
    assert client.post(CLOSE, data={"csrf_token": token}, csrf=False).status_code == 400


def test_csrf_with_the_token_of_another_session(
    client: DeskClient, staff: Person, new_client: Callable[[], DeskClient], make: Make
) -> None:
    """Fails if tokens are signed but not bound to the session: the attacker has good ones of their own."""
    attacker = new_client()
    attacker.sign_in(make.staff())
    foreign = attacker.csrf_token()
    assert attacker.post(CLOSE, data={"csrf_token": foreign}, csrf=False).status_code == 404
    assert client.post(CLOSE, data={"csrf_token": foreign}, csrf=False).status_code == 400
    assert client.post(CLOSE, csrf=False, headers={"X-CSRFToken": foreign}).status_code == 400


def test_csrf_with_a_token_in_the_address(client: DeskClient, staff: Person) -> None:
    """Fails if a token is taken from the address, where logs and referrers keep it."""
    assert client.post(f"{CLOSE}?csrf_token={client.csrf_token()}", csrf=False).status_code == 400


def test_csrf_with_the_token_of_before_signing_in(client: DeskClient, make: Make) -> None:
    """Fails if the token outlives the session it was made in."""
    client.get("/sign-in")
    before = client.csrf_token()
    person = make.user(Role.FRANCHISE_STAFF)
    client.post("/sign-in", data={"email": person.email, "password": PASSWORD, "csrf_token": before})
    assert client.post(CLOSE, data={"csrf_token": before}, csrf=False).status_code == 400


def test_login_csrf(client: DeskClient, make: Make) -> None:
    """Fails if another site can sign a browser in as the attacker, to have the family's data typed there."""
    data = {"email": make.user(Role.FRANCHISE_STAFF).email, "password": PASSWORD}
    assert client.post("/sign-in", data=data, csrf=False).status_code == 400
    assert client.post("/sign-in", data=data, headers={"Origin": "https://evil.example"}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "rubbish"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Origin": "http://localhost:8080"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({"Sec-Fetch-Site": "none"}, 404),
        ({"Origin": "http://localhost"}, 404),
        ({}, 404),
    ],
)
def test_a_request_from_another_origin(client: DeskClient, staff: Person, headers: dict[str, str], status: int) -> None:
    """Fails if a good token is enough: injected markup could have stolen one. 404 is what the desk's own pages get."""
    assert client.post(CLOSE, headers=headers).status_code == status


def test_reading_across_origins(client: DeskClient, staff: Person) -> None:
    """Fails if any answer lets another origin read it."""
    for answer in (
        client.get("bookings.index", headers={"Origin": "https://evil.example"}),
        client.open(
            CLOSE,
            method="OPTIONS",
            headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
        ),
    ):
        assert not [name for name, _value in answer.headers if name.lower().startswith("access-control-")]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


# -- what browsers are told ----------------------------------------------------------------------------------------


def test_clickjacking(app: Flask, client: DeskClient, make: Make) -> None:
    """Fails if any answer, errors included, may stand in another site's frame."""
    client.sign_in(make.admin())
    asked = [client.get(url) for url in pages(app)] + [client.get("/nowhere"), client.post("/sign-out", csrf=False)]
    assert {answer.status_code for answer in asked} >= {200, 400, 404}
    for answer in asked:
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Frame-Options"] == "DENY"


def test_the_content_policy_leaves_nothing_open(client: DeskClient, staff: Person) -> None:
    """Fails if a directive is missing, falls back to something wider, or a nonce is used twice."""
    first, second = (client.get("bookings.index").headers["Content-Security-Policy"] for _ in range(2))
    policy = dict(part.strip().partition(" ")[::2] for part in first.split(";"))
    for name in ("default-src", "object-src", "base-uri", "frame-ancestors"):
        assert policy[name] == "'none'"
    assert re.fullmatch(r"'nonce-[\w-]{22}'", policy["script-src"])
    assert policy["style-src"] == policy["form-action"] == policy["connect-src"] == "'self'"
    assert not re.search(r"unsafe|https?:|\*|\bblob:|strict-dynamic", first)
    assert first != second


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Content-Type-Options", r"nosniff"),
        ("Referrer-Policy", r"same-origin"),
        ("Cross-Origin-Opener-Policy", r"same-origin"),
        ("Permissions-Policy", r".*camera=\(\).*microphone=\(\).*"),
        ("Strict-Transport-Security", r"max-age=(?:3153[6-9]\d{3}|[4-9]\d{7,}); includeSubDomains"),
    ],
)
def test_every_answer_carries_the_header(client: DeskClient, staff: Person, header: str, value: str) -> None:
    """Fails if a kind of answer is left out: a page, JSON, a file, a redirect, a refusal, an answer to OPTIONS."""
    https = {"base_url": "https://localhost"}
    asked = [
        client.get(url, **https) for url in ("/bookings", "/healthz", "/static/app.css", "/nowhere", "/trainers/x")
    ]
    asked += [client.open(CLOSE, method="OPTIONS", **https), client.post(CLOSE, csrf=False, **https)]
    for answer in asked:
        assert re.fullmatch(value, answer.headers.get(header, "")), f"{answer.request.path}: {answer.headers}"
        answer.close()


def test_production_says_hsts_even_if_the_proxy_forgets_that_it_ended_tls(settings: Settings, db: Database) -> None:
    """Fails if the header hangs on X-Forwarded-Proto alone."""
    with desk_with(settings, db) as app:
        assert "Strict-Transport-Security" not in app.test_client().get("/sign-in").headers
        app.config["SESSION_COOKIE_SECURE"] = True
        assert "Strict-Transport-Security" in app.test_client().get("/sign-in").headers


def test_content_sniffing(client: DeskClient, staff: Person) -> None:
    """Fails if an answer leaves its type to the browser's guess."""
    types = {
        "/bookings": "text/html; charset=utf-8",
        "/healthz": "application/json",
        "/static/app.js": "text/javascript; charset=utf-8",
        "/static/app.css": "text/css; charset=utf-8",
        "/static/icons.svg": "image/svg+xml; charset=utf-8",
        "/nowhere": "text/html; charset=utf-8",
    }
    for url, kind in types.items():
        answer = client.get(url)
        assert (answer.headers["Content-Type"], answer.headers["X-Content-Type-Options"]) == (kind, "nosniff"), url
        answer.close()


# -- what is kept --------------------------------------------------------------------------------------------------


def test_cache_headers_on_personal_pages(app: Flask, client: DeskClient, make: Make) -> None:
    """Fails if the back button of the next person at this machine, or a proxy, shows what somebody read."""
    client.sign_in(make.admin())
    asked = {url: client.get(url) for url in pages(app)}
    assert {answer.status_code for answer in asked.values()} >= {200, 404}
    kept = {url for url, answer in asked.items() if answer.headers["Cache-Control"] != "no-store"}
    assert kept == {"/issuer"}, "whose credentials they are is for everybody"
    assert all("HX-Request" in answer.headers["Vary"] for answer in asked.values())


def test_cache_headers_on_personal_files_json_and_redirects(settings: Settings, db: Database, make: Make) -> None:
    """Fails if only pages are looked after: a CSV, a PDF, JSON, a redirect with an id, an empty answer."""
    kinds: dict[str, Callable[[], Any]] = {
        "csv": lambda: Response("a,b", mimetype="text/csv"),
        "pdf": lambda: Response(b"%PDF", mimetype="application/pdf", headers={"Cache-Control": "private, max-age=60"}),
        "json": lambda: {"name": "Asha"},
        "go": lambda: Response(status=303, headers={"Location": "/bookings/1"}),
        "none": lambda: Response(status=204),
        "public": lambda: Response("x", mimetype="text/plain", headers={"Cache-Control": "public, max-age=60"}),
    }

    def add(app: Flask) -> None:
        for name, view in kinds.items():
            app.add_url_rule(f"/kind/{name}", name, requires(Permission.HOME_READ)(view))
        app.add_url_rule("/open", "open", public(lambda: kinds["public"]()))  # marked apart from the guarded one

    with desk_with(settings, db, add) as app:
        client: Any = app.test_client()
        assert client.get("/open").headers["Cache-Control"] == "public, max-age=60"
        client.sign_in(make.staff())
        for name in kinds:
            answer = client.get(f"/kind/{name}")
            assert (answer.headers["Cache-Control"], answer.headers.get("Expires")) == ("no-store", None), name


def test_signing_out_takes_along_what_the_browser_kept(client: DeskClient, staff: Person) -> None:
    """Fails if the cache and storage of the desk outlive the sign-in; the answer's own cookie has to stay."""
    refused = client.post("/sign-out", csrf=False)
    assert "Clear-Site-Data" not in refused.headers
    answer = client.sign_out()
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert "Clear-Site-Data" not in client.get("/sign-in").headers


# -- where one is led ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:evil.example",
        "/ok\r\nSet-Cookie: planted=1",
        "",
    ],
)
def test_open_redirect(client: DeskClient, make: Make, target: str) -> None:
    """Fails if signing in leads off the desk, however browsers read the address, or writes a header."""
    data = {"email": make.user(Role.FRANCHISE_STAFF).email, "password": PASSWORD, "next": target}
    answer = client.post("/sign-in", data=data, query_string={"next": target})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "planted" not in str(answer.headers)


def test_open_redirect_from_the_page_htmx_reports(client: DeskClient) -> None:
    """Fails if the address in HX-Current-URL, which any script can write, becomes where signing in leads."""
    for seen in ("https://evil.example/bookings", "http://localhost//evil.example", "//evil.example/x"):
        answer = client.get("bookings.index", htmx=True, headers={"HX-Current-URL": seen})
        assert answer.headers["HX-Redirect"] == "/sign-in", seen


@pytest.mark.parametrize("path", ["/sign-in", "/verify/ZD-UNKNOWN", "/nowhere"])
def test_host_header(client: DeskClient, path: str) -> None:
    """Fails if a foreign host is answered, or appears in a page (more of this in ``test_edge``)."""
    answer = client.get(path, headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "evil.example" not in answer.text + str(answer.headers)
    assert client.get(path).status_code in (200, 404)


# -- methods and parameters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_method_override(client: DeskClient, staff: Person, header: str, method: str) -> None:
    """Fails if a harmless request can be turned into a changing one: GET carries no token, so none would be asked for.

    A list answers 200 to GET and 405 to anything else; a button the other way round.
    """
    for query in ("", f"?_method={method}"):
        assert client.get(f"/bookings{query}", headers={header: method}).status_code == 200
        assert client.get(f"{CLOSE}{query}", headers={header: method}).status_code == 405
    data = {"_method": "GET", "csrf_token": ""}
    assert client.post(CLOSE, data=data, csrf=False, headers={header: "GET"}).status_code == 400


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "TRACK", "CONNECT", "PROPFIND", "GETT"])
def test_verb_tampering(client: DeskClient, staff: Person, method: str) -> None:
    """Fails if a method nobody wrote a view for is answered with anything but a refusal."""
    client.lint = False
    for url in ("/bookings", CLOSE, "/sign-in", "/"):
        answer = client.open(url, method=method, headers={"X-Secret": "echo-me"}, csrf=False)
        assert answer.status_code in (400, 403, 405), (method, url)
        assert "echo-me" not in answer.text
        assert "Lakshmi" not in answer.text


def test_verb_tampering_with_head_and_options(app: Flask, client: DeskClient, make: Make) -> None:
    """Fails if HEAD or OPTIONS passes a guard that GET does not, runs a changing view, or says anything in a body."""
    asked = 0
    readable = {rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    for rule in app.url_map.iter_rules():
        if not all_uuids(rule.rule) or rule.endpoint in PUBLIC:
            continue
        with app.test_request_context():
            values: dict[str, Any] = dict.fromkeys(rule.arguments, ABSENT)
            url = app.url_for(rule.endpoint, **values)
        head = client.head(url)
        assert head.status_code == (303 if rule.rule in readable else 405), url
        assert client.options(url).status_code == 303, url  # even what a route allows is for those who may use it
        asked += 1
    assert asked > 20
    client.sign_in(make.staff())
    assert client.head(CLOSE).status_code == 405
    allowed = client.options(CLOSE)
    assert (allowed.status_code, allowed.text, sorted(allowed.allow)) == (200, "", ["OPTIONS", "POST"])


def test_a_changing_view_never_runs_for_a_reading_method(app: Flask) -> None:
    """Fails if a view that shows a form and takes it does not ask how it was called.

    GET and HEAD carry no token, so for them it may only show. Asking is ``validate_on_submit`` or the method itself.
    """
    asks = re.compile(r"\bvalidate_on_submit\(|\bis_submitted\(|\brequest\.method\b")

    def asking(view: Callable[..., Any]) -> bool:
        """Whether the view asks, or a function of its module that it calls."""
        view = inspect.unwrap(view)
        source = inspect.getsource(view)
        called = (view.__globals__.get(name) for name in re.findall(r"\b(\w+)\(", source))
        helpers = [one for one in called if inspect.isfunction(one) and one.__module__ == view.__module__]
        return any(asks.search(text) for text in [source, *map(inspect.getsource, helpers)])

    both = [rule.endpoint for rule in app.url_map.iter_rules() if {"GET", "POST"} <= (rule.methods or set())]
    assert both
    assert [endpoint for endpoint in both if not asking(app.view_functions[endpoint])] == []
    assert not asking(changed)  # the control: a function that asks nothing


def test_parameter_pollution(client: DeskClient, make: Make, redis_url: str) -> None:
    """Fails if two readers of one form take different values: the account that is counted is the one that is tried."""
    person = make.user(Role.FRANCHISE_STAFF)
    for _ in range(5):
        data = {"email": [person.email, "decoy@example.org"], "password": ["not this one at all", PASSWORD]}
        assert client.post("/sign-in", data=data, query_string={"email": "other@example.org"}).status_code == 422
    answer = client.post("/sign-in", data={"email": ["decoy@example.org", person.email], "password": PASSWORD})
    assert answer.status_code == 422  # another account is tried, which has its own count
    assert client.post("/sign-in", data={"email": person.email, "password": PASSWORD}).status_code == 429


def test_parameter_pollution_of_tokens_and_addresses(client: DeskClient, staff: Person) -> None:
    """Fails if a good value hides behind a bad one, or if a doubled parameter breaks a page."""
    good = client.csrf_token()
    assert client.post(CLOSE, data={"csrf_token": ["x", good]}, csrf=False).status_code == 400
    for query in ("page=1&page=2", "page[]=1", "page=1;page=2", "q=a&q=b", "status=x&status=assigned", "%00=1&q=%00"):
        assert client.get(f"/bookings?{query}").status_code in (200, 422), query


@pytest.mark.parametrize(
    "body", ["[1]", "5", '"x"', "null", "{", '{"email": 5, "password": [1]}', '{"email": {"a": 1}}']
)
def test_a_form_sent_as_json(client: DeskClient, body: str) -> None:
    """Fails if a form reads JSON: its values are no text, and the limiter would count all such tries as one account."""
    token = {"X-CSRFToken": client.csrf_token()}
    answer = client.post("/sign-in", data=body, csrf=False, content_type="application/json", headers=token)
    assert answer.status_code == 422
    assert "Enter your e-mail address." in answer.text


def test_signing_in_as_json_does_not_pass_the_limits(client: DeskClient, make: Make) -> None:
    """Fails if the right password in a JSON body signs in: that way is not counted by account."""
    person = make.user(Role.FRANCHISE_STAFF)
    said = json.dumps({"email": person.email, "password": PASSWORD})
    token = {"X-CSRFToken": client.csrf_token()}
    answer = client.post("/sign-in", data=said, csrf=False, content_type="application/json", headers=token)
    assert answer.status_code == 422
    assert client.get("/bookings").status_code == 303


# -- mass assignment -----------------------------------------------------------------------------------------------

EXTRA = {
    "id": ABSENT,
    "operator_id": ABSENT,
    "role": "admin",
    "active": "1",
    "status": "completed",
    "created_by_id": ABSENT,
    "proposed_by_id": ABSENT,
    "total_sessions": "30",
    "payment_status": "paid",
    "reference": "HACKED",
    "is_admin": "true",
    "__class__": "x",
    "user[role]": "admin",
}
"""Fields no form of these has; names of columns among them."""


def row_of(db: Database, table: str, id_: UUID) -> dict[str, Any]:
    """All columns of a row."""
    with db.read_only() as session:
        return dict(session.execute(text(f"SELECT * FROM {table} WHERE id = :id"), {"id": id_}).mappings().one())


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The columns that differ."""
    return {name for name in before if before[name] != after[name]}


def test_mass_assignment_on_signing_in(client: DeskClient, make: Make, db: Database) -> None:
    """Fails if a field of the sign-in form can write a column of the account."""
    person = make.user(Role.FRANCHISE_STAFF)
    before = row_of(db, "users", person.id)
    answer = client.post("/sign-in", data=EXTRA | {"email": person.email, "password": PASSWORD})
    assert answer.status_code == 303
    assert changed(before, row_of(db, "users", person.id)) <= {"password", "last_sign_in_at"}
    with db.read_only() as session:
        assert session.scalar(select(User.role).where(User.id == person.id)) is Role.FRANCHISE_STAFF


def test_mass_assignment_on_a_booking(client: DeskClient, make: Make, db: Database) -> None:
    """Fails if noting a payment can write anything but the payment, its instant and the version."""
    operator_id = make.franchise()
    booking = make.booking(operator_id=operator_id)
    client.sign_in(make.manager(operator_id))
    before = row_of(db, "bookings", booking.id)
    sent = EXTRA | {"version": "1", "payment_status": "part_paid"}
    assert client.post("desk.set_payment", booking_id=booking.id, data=sent).status_code == 303
    after = row_of(db, "bookings", booking.id)
    assert changed(before, after) <= {"payment_status", "version", "updated_at"}
    assert "payment_status" in changed(before, after)
    cancel = EXTRA | {"cancel-version": "2", "cancel-reason": "Moved away", "version": "99"}
    assert client.post("desk.cancel", booking_id=booking.id, data=cancel).status_code == 303
    assert row_of(db, "bookings", booking.id)["status"] == "cancelled"
    assert row_of(db, "bookings", booking.id)["operator_id"] == operator_id


def test_mass_assignment_on_a_new_booking(client: DeskClient, make: Make, db: Database) -> None:
    """Fails if whoever books can choose the booking's operator, status, payment or who is said to have made it."""
    from tests.web.test_new_booking import Desk

    mine, other = make.franchise(), make.franchise()
    zone_id, course_id = make.zone(operator_id=mine, center=HOME), make.course()
    trainer = make.trainer((zone_id,), (course_id,), operator_id=mine, base=HOME)
    client.sign_in(make.staff(mine))
    desk = Desk(client, make, mine, zone_id, course_id, trainer, trainer)
    sent = {name: value for name, value in EXTRA.items() if name != "total_sessions"} | {"operator_id": str(other)}
    answer = client.post("desk.create_booking", data=sent | desk.form(do="wait", trainer=None))
    assert answer.status_code == 303
    with db.read_only() as session:
        (made,) = session.scalars(select(Booking)).all()
        assert (made.operator_id, made.status.value, made.payment_status.value) == (mine, "waitlisted", "unpaid")
        assert str(made.id) != ABSENT


WHOLESALE = re.compile(
    r"\*\*\s*(?:dict\()?request\.(?:form|args|values|json)|request\.(?:form|values|args)\.to_dict|populate_obj\("
    r"|\*\*\s*(?:self|form)\.data\b"
)


def test_no_view_hands_a_whole_form_on() -> None:
    """Fails if a view or form passes on whatever was sent instead of the fields it knows."""
    from tests.services import ROOT

    found = {
        f"{path.relative_to(ROOT)}: {words}"
        for path in (ROOT / "webapp").rglob("*.py")
        for words in WHOLESALE.findall(path.read_text(encoding="utf-8"))
    }
    assert found == set()
    for line in ("make(**request.form)", "f(**dict(request.args))", "form.populate_obj(user)", "User(**form.data)"):
        assert WHOLESALE.search(line), line


# -- markup --------------------------------------------------------------------------------------------------------

SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def test_reflected_markup(app: Flask, client: DeskClient, make: Make) -> None:
    """Fails if a page repeats what the address says without escaping it."""
    client.sign_in(make.admin())
    names = ("q", "status", "state", "page", "zone", "course", "number", "household", "lat", "place", "next")
    seen = 0
    for url in pages(app):
        answer: TestResponse = client.get(url, query_string=dict.fromkeys(names, SCRIPT))
        assert "<script>alert" not in answer.text, url
        assert "<img src=x" not in answer.text, url
        seen += "&lt;script&gt;alert" in answer.text
    assert seen >= 3  # some pages do repeat it, escaped


def test_stored_markup(client: DeskClient, make: Make) -> None:
    """Fails if a name is shown without being escaped."""
    operator_id = make.franchise(f"Sunrise {new_id().hex[-6:]}<b>")
    family = make.household(SCRIPT[:80], operator_id=operator_id, guardian=SCRIPT[:60])
    client.sign_in(make.manager(operator_id))
    for answer in (client.get("households.index"), client.get("households.show", household_id=family.household_id)):
        assert answer.status_code == 200
        assert "&lt;script&gt;alert" in answer.text
        assert "<script>alert" not in answer.text
