"""The web room by itself: a small app with one room, no database."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Blueprint, Flask, flash, render_template_string, request, url_for
from flask.testing import FlaskClient
from flask_babel import Babel
from flask_login import LoginManager, UserMixin
from sqlalchemy import literal, select
from werkzeug.datastructures import MultiDict

from tests.services import Servers
from tests.web.linter import lint_page
from webapp.core.actor import Actor, ActorKind, Permission, Role
from webapp.core.errors import Conflict, Forbidden, Invalid, NotFound
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db import tenancy, work
from webapp.db.tenancy import current_tenant
from webapp.db.work import Database, connect
from webapp.web import filters, init_web
from webapp.web.access import current_actor, declare, guard_of, public, requires, safe_next
from webapp.web.forms import (
    BaseForm,
    DayField,
    LatitudeField,
    LocationField,
    LongitudeField,
    PhoneField,
    TextField,
    TimeslotField,
    UuidSelectField,
    form_problems,
    needed,
    optional,
)
from webapp.web.htmx import announce, redirect_after, render_page_or_fragment
from webapp.web.nav import count_with
from webapp.web.pagination import Page, page_args, page_url
from webapp.web.status import LOOKS, status_look

ROOT = Path(__file__).resolve().parents[2]
HTMX = {"HX-Request": "true"}
PAGE = """{% extends "_layout/base.html" %}{% from "_macros/page_header.html" import page_header_only %}
{% from "_macros/forms.html" import form as form_, get_form, field, submit, post_button %}
{% from "_macros/status.html" import badge %}{% from "_macros/table.html" import table, td, td_, th %}
{% from "_macros/pagination.html" import pagination %}{% from "_macros/empty.html" import empty %}
{% from "_macros/details.html" import facts, fact, timeline, event, tile %}{% from "_macros/when.html" import day %}
{% block title %}Notes{% endblock %}{% block content %}{{ page_header_only("Notes") }}
{% call form_("/notes", id="note", form=form, live=true) %}
{{ field(form.name, hint="Any script") }}{{ submit("Save") }}{% endcall %}
{{ post_button("/notes", "Again", hidden={"name": "x"}) }}
{% call table("Notes", ["Name", ("Count", "num"), ""]) %}
<tr>{% call th("Name") %}A{% endcall %}{{ td("Count", 3, num=true) }}
{% call td_() %}{{ badge("booking", "assigned") }}{% endcall %}</tr>{% endcall %}
{{ pagination(page, "notes") }}{{ empty("filtered", "None", "Why", ("/", "Clear")) }}
{% call facts() %}{{ fact("Zone", none) }}{% endcall %}
{% call timeline() %}{{ event("check", "Done", day(none)) }}{% endcall %}
{{ tile("/", "things", 3, "check", "needs") }}{% endblock %}"""


class NoteForm(BaseForm):
    name = TextField("Name", [needed("Give the name.")])


def _actor(role: Role) -> Actor:
    return Actor(ActorKind.USER, new_id(), "Lakshmi Rao", role, COMPANY_ID)


class Somebody(UserMixin):  # type: ignore[misc]  # flask-login ships no types
    """Who the request says it is, by the X-Role header of this test."""

    operator_name = "Company"

    def __init__(self, role: Role) -> None:
        self.actor = _actor(role)


def _notes() -> Blueprint:
    room = Blueprint("bookings", __name__)

    @room.route("/notes", methods=["GET", "POST"])
    @requires(Permission.BOOKING_WRITE)
    def index() -> Any:
        form = NoteForm()
        if form.validate_on_submit():
            flash("Saved.")
            return redirect_after(url_for("bookings.index"))
        page = page_args(request.args).page_of(["a"], 60)
        return render_template_string(PAGE, form=form, page=page), 422 if form.errors else 200

    @room.get("/either")
    @requires(Permission.BOOKING_READ)
    def either() -> Any:
        return render_page_or_fragment("errors/page.html", "errors/_toast.html", layout="_layout/base.html", title="T",
                                       sentence="S", reference=None)  # fmt: skip

    @room.get("/refuse/<kind>")
    @requires(Permission.BOOKING_READ)
    def refuse(kind: str) -> Any:
        raise {
            "gone": NotFound(),
            "forbidden": Forbidden("x", "Not yours."),
            "late": Conflict("x", "%(who)s was faster.", who="<Arjun>"),
            "wrong": Invalid("x", "Wrong day."),
        }[kind]

    @room.get("/bug")
    @requires(Permission.BOOKING_READ)
    def bug() -> Any:
        raise ZeroDivisionError("secret detail")

    @room.get("/tenant")
    @requires(Permission.BOOKING_READ)
    def tenant() -> Any:
        assert current_tenant().operator_id == current_actor().operator_id
        return announce(render_page_or_fragment("errors/_toast.html", "errors/_toast.html", sentence="S"), "विद्या")

    @room.get("/forgotten")
    def forgotten() -> str:
        return "open"

    return room


@pytest.fixture
def app() -> Flask:
    app = Flask("web-room", static_folder=str(ROOT / "static"), template_folder=str(ROOT / "templates"))
    app.config.update(SECRET_KEY="only for this test", WTF_CSRF_ENABLED=True, MAX_CONTENT_LENGTH=2000)
    Babel(app)
    manager = LoginManager(app)
    manager.request_loader(lambda sent: Somebody(Role(sent.headers["X-Role"])) if "X-Role" in sent.headers else None)
    init_web(app)
    app.register_blueprint(_notes())
    accounts = Blueprint("accounts", __name__)
    accounts.add_url_rule("/sign-in", "sign_in", public(lambda: "sign in"))
    accounts.add_url_rule("/sign-out", "sign_out", public(lambda: "bye"), methods=["POST"])
    app.register_blueprint(accounts)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def in_request(app: Flask) -> Iterator[Flask]:
    with app.test_request_context():
        yield app


@pytest.fixture
def asked(servers: Servers) -> Iterator[None]:
    """A database that can be asked."""
    engine, before = connect(servers.database_url), work._database
    work.bind(Database(engine, lambda _job, _ids: None))
    yield
    work.bind(before)
    engine.dispose()


def staff(**more: str) -> dict[str, str]:
    return {"X-Role": "company_staff", **more}


def post(client: FlaskClient, form: dict[str, str], **headers: str) -> Any:
    page = client.get("/notes", headers=staff()).text
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    return client.post("/notes", data={"csrf_token": found[1], **form}, headers=staff(**headers))


def test_a_route_that_declares_no_guard_is_closed_even_to_an_admin(client: FlaskClient) -> None:
    assert client.get("/forgotten", headers={"X-Role": "admin"}).status_code == 403


def test_a_library_s_view_can_be_given_a_guard(app: Flask, client: FlaskClient) -> None:
    declare(app, "bookings.forgotten", Permission.AUDIT_READ)
    assert guard_of(app, "bookings.forgotten") is Permission.AUDIT_READ
    assert client.get("/forgotten", headers={"X-Role": "admin"}).status_code == 200
    assert client.get("/forgotten", headers=staff()).status_code == 403


def test_an_anonymous_visitor_is_sent_to_sign_in_and_back(client: FlaskClient) -> None:
    answer = client.get("/notes?q=rao&page=2")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/sign-in?next=/notes?q%3Drao%26page%3D2"
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_anonymous_htmx_request_is_told_to_load_the_sign_in_page(client: FlaskClient) -> None:
    seen = {"HX-Current-URL": "http://localhost/notes?q=rao"}
    answer = client.get("/either", headers={**HTMX, **seen})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/sign-in?next=/notes?q%3Drao")
    elsewhere = client.get("/either", headers={**HTMX, "HX-Current-URL": "http://evil.example/notes"})
    assert elsewhere.headers["HX-Redirect"] == "/sign-in"


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "http://evil.example",
        "/\\evil.example",
        "javascript:x",
        "/a\nb",
        "",
        None,
        "notes",
        "/\t/evil.example",
    ],
)
def test_signing_in_leads_nowhere_else(target: str | None) -> None:
    assert safe_next(target) is None


def test_signing_in_leads_back_to_the_page() -> None:
    assert safe_next("/notes?q=रा&page=2") == "/notes?q=रा&page=2"


def test_an_auditor_may_read_but_not_write(client: FlaskClient) -> None:
    assert client.get("/notes", headers={"X-Role": "auditor"}).status_code == 403
    assert client.get("/either", headers={"X-Role": "auditor"}).status_code == 200


def test_every_transaction_of_a_request_carries_the_actor_s_tenant(client: FlaskClient) -> None:
    answer = client.get("/tenant", headers=staff())
    assert answer.status_code == 200
    assert json.loads(answer.headers["HX-Trigger"])["zd:toast"]["text"] == "विद्या"
    assert current_tenant() is tenancy.UNSAID


def test_a_page_and_its_refused_form_pass_the_linter(client: FlaskClient) -> None:
    page = client.get("/notes", headers=staff())
    assert lint_page(page.text) == []
    refused = post(client, {"name": " "})
    assert refused.status_code == 422
    assert lint_page(refused.text, status=422) == []
    assert '<a href="#name">Give the name.</a>' in refused.text
    assert 'aria-describedby="name-hint name-error"' in refused.text


def test_a_change_that_succeeds_is_a_303_or_for_htmx_a_new_page(client: FlaskClient) -> None:
    answer = post(client, {"name": "Rao"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/notes")
    answer = post(client, {"name": "Rao"}, **HTMX)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (200, "/notes")
    assert 'role="alert"' in client.get("/notes", headers=staff()).text


def test_one_view_answers_htmx_with_the_fragment_and_a_restored_page_whole(client: FlaskClient) -> None:
    whole = client.get("/either", headers=staff())
    part = client.get("/either", headers=staff(**HTMX))
    restored = client.get("/either", headers=staff(**HTMX, **{"HX-History-Restore-Request": "true"}))
    assert "<html" in whole.text
    assert "<html" not in part.text
    assert "<html" in restored.text
    assert lint_page(part.text, fragment=True) == []
    assert "HX-Request" in part.headers["Vary"]


@pytest.mark.parametrize(("kind", "status"), [("gone", 404), ("forbidden", 403), ("late", 409), ("wrong", 422)])
def test_a_refusal_is_a_page_or_a_toast_with_its_status(client: FlaskClient, kind: str, status: int) -> None:
    page = client.get(f"/refuse/{kind}", headers=staff())
    assert page.status_code == status
    faults = lint_page(page.text)
    assert faults == []
    toast = client.get(f"/refuse/{kind}", headers=staff(**HTMX))
    assert (toast.status_code, toast.headers["HX-Retarget"], toast.headers["HX-Reswap"]) == (
        status,
        "#toasts",
        "beforeend",
    )
    assert lint_page(toast.text, fragment=True) == []


def test_what_people_typed_is_escaped_in_a_refusal(client: FlaskClient) -> None:
    assert "&lt;Arjun&gt; was faster." in client.get("/refuse/late", headers=staff()).text


def test_a_foreign_thing_and_an_absent_page_look_alike(client: FlaskClient) -> None:
    assert client.get("/refuse/gone", headers=staff()).status_code == client.get("/nowhere").status_code == 404


def test_a_bug_shows_a_reference_and_nothing_of_itself(client: FlaskClient) -> None:
    answer = client.get("/bug", headers=staff(**{"X-Request-ID": "abc-12345678"}))
    assert answer.status_code == 500
    assert "abc-12345678" in answer.text
    assert "secret detail" not in answer.text
    assert lint_page(answer.text) == []


def test_a_bug_has_its_page_even_when_nobody_s_language_can_be_asked() -> None:
    def fail() -> str:
        raise ConnectionError("no database")

    app = Flask("broken", static_folder=str(ROOT / "static"), template_folder=str(ROOT / "templates"))
    app.config.update(SECRET_KEY="only for this test")
    Babel(app, locale_selector=fail)
    init_web(app)
    app.add_url_rule("/", "home", public(lambda: render_template_string("{{ _('x') }}")))
    answer = app.test_client().get("/")
    assert answer.status_code == 500
    assert lint_page(answer.text) == []


def test_the_framework_s_own_errors_are_pages_of_ours(client: FlaskClient) -> None:
    wrong_method = client.delete("/notes", headers=staff())
    assert wrong_method.status_code == 405
    assert "POST" in wrong_method.headers["Allow"]
    assert lint_page(wrong_method.text) == []
    assert client.post("/notes", data={"name": "x" * 3000}, headers=staff()).status_code == 413


def test_a_form_without_its_token_is_refused_in_words(client: FlaskClient) -> None:
    answer = client.post("/notes", data={"name": "Rao"}, headers=staff())
    assert answer.status_code == 400
    assert "open for too long" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_change_sent_by_another_site_is_refused_even_with_a_token(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    assert post(client, {"name": "Rao"}, **headers).status_code == 403


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}, {}])
def test_a_change_sent_by_the_desk_is_taken(client: FlaskClient, headers: dict[str, str]) -> None:
    assert post(client, {"name": "Rao"}, **headers).status_code == 303


def test_every_answer_carries_the_policy_and_a_fresh_nonce(client: FlaskClient) -> None:
    first, second = client.get("/notes", headers=staff()), client.get("/notes", headers=staff())
    policies = [answer.headers["Content-Security-Policy"] for answer in (first, second)]
    assert policies[0] != policies[1]
    assert all("default-src 'none'" in policy and "unsafe" not in policy for policy in policies)
    nonce = policies[0].split("'nonce-")[1].split("'")[0]
    assert set(re.findall(r'nonce="([^"]*)"', first.text)) == {nonce}
    assert first.headers["Cache-Control"] == "no-store"
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert "Strict-Transport-Security" not in first.headers
    secure = client.get("/notes", headers=staff(), base_url="https://localhost")
    assert secure.headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_a_static_file_is_public_and_kept_only_under_its_fingerprint(client: FlaskClient) -> None:
    page = client.get("/notes", headers=staff()).text
    found = re.search(r'href="(/static/app\.css\?v=[0-9a-f]{12})"', page)
    assert found is not None
    assert "immutable" in client.get(found[1], buffered=True).headers["Cache-Control"]
    assert "immutable" not in client.get("/static/app.css", buffered=True).headers["Cache-Control"]


def test_the_navigation_shows_what_exists_and_is_allowed_with_its_count(
    app: Flask, client: FlaskClient, asked: None
) -> None:
    count_with(app, "bookings.index", lambda _actor: select(literal(7)))
    page = client.get("/notes", headers=staff()).text
    assert page.count('aria-current="page"') >= 2  # the side and the narrow menu
    assert "7 waiting" in page
    assert "Trainers" not in page


def test_a_request_is_logged_with_fields_and_without_its_contents(client: FlaskClient) -> None:
    with structlog.testing.capture_logs() as lines:
        client.get("/notes?q=secret", headers=staff())
    (line,) = [line for line in lines if line["event"] == "http.request"]
    assert (line["route"], line["method"], line["status"]) == ("/notes", "GET", 200)
    assert line["operator_id"] == str(COMPANY_ID)
    assert line["sql_count"] == 0
    assert line["bytes_out"] > 1000
    assert line["duration_ms"] > 0
    assert "secret" not in repr(line)


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "1.5", "٣", "99999999999999999999", None])
def test_a_rubbish_page_number_is_the_first_page(text: str | None) -> None:
    assert page_args({} if text is None else {"page": text}).number == 1


def test_pages_count_their_rows_and_keep_the_filters(app: Flask) -> None:
    args = page_args({"page": "3"})
    assert (args.limit, args.offset) == (25, 50)
    page = args.page_of(range(10), 60)
    assert (page.first, page.last, page.pages, page.has_previous, page.has_next) == (51, 60, 3, True, False)
    empty: Page[int] = page_args({}).page_of([], 0)
    assert (empty.first, empty.last, empty.pages) == (0, 0, 1)
    assert Page((), 10, 25, 500).window == (1, None, 8, 9, 10, 11, 12, None, 20)
    assert Page((), 4, 25, 125).window == (1, 2, 3, 4, 5)
    with app.test_request_context("/list?q=a%26b&status=&zone=1&zone=2&page=9"):
        assert page_url(3) == "/list?q=a%26b&zone=1&zone=2&page=3"
        assert page_url(1) == "/list?q=a%26b&zone=1&zone=2"
        assert (page_url(1, "/other"), page_url(2, "/other")) == ("/other", "/other?page=2")
        assert page_url(2, "/other?runs=all") == "/other?runs=all&page=2"


class Fields(BaseForm):
    class Meta:
        csrf = False

    name = TextField("Name", [optional()], max_length=5)
    lat = LatitudeField("Latitude")
    lng = LongitudeField("Longitude")
    place = LocationField("Place", find_town=lambda town: Location(17.69, 83.22) if town == "Visakhapatnam" else None)
    phone = PhoneField("Phone")
    slot = TimeslotField("Slot")
    start = DayField("Start")
    course = UuidSelectField("Course", choices=[("", "Choose"), (str(COMPANY_ID), "Maths")])


def sent(**form: str) -> Fields:
    filled = Fields(MultiDict(form))
    filled.validate()
    return filled


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("name", " e\u0301tude ", None),
        ("name", "e\u0301a", "\u00e9a"),
        ("lat", "-90", -90.0),
        ("lng", " 83.2185 ", 83.2185),
        ("place", "17.6868, 83.2185", Location(17.6868, 83.2185)),
        ("place", "17.6868 83.2185", Location(17.6868, 83.2185)),
        ("place", "7M95M6P9+PC", Location(17.686813, 83.218563)),
        ("place", "M6P9+PC Visakhapatnam", Location(17.686813, 83.218563)),
        ("phone", "098765 43210", "+919876543210"),
        ("phone", "+1 202 555 0123", "+12025550123"),
        ("slot", "16:05", time(16, 5)),
        ("start", "2027-01-04", date(2027, 1, 4)),
        ("course", str(COMPANY_ID), COMPANY_ID),
        ("course", "", None),
        ("lat", "", None),
    ],
)
def test_a_field_reads_what_people_type(in_request: Flask, field: str, text: str, value: object) -> None:
    form = sent(**{field: text})
    if field == "name" and value is None:
        assert form.name.data == "\u00e9tude"
        assert form.errors == {}
    else:
        assert form.errors == {}
        assert form[field].data == value


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("name", "sixsix"),
        ("name", "a\x00b"),
        ("lat", "nan"),
        ("lat", "inf"),
        ("lat", "12,5"),
        ("lat", "90.1"),
        ("lat", "abc"),
        ("lng", "-181"),
        ("place", "17.6868"),
        ("place", "91, 0"),
        ("place", "nan, nan"),
        ("place", "M6P9+PC"),
        ("place", "M6P9+PC Nowhere"),
        ("place", "1, 2, 3"),
        ("phone", "12"),
        ("phone", "hello"),
        ("slot", "24:00"),
        ("slot", "4 pm"),
        ("slot", "16:05:30"),
        ("start", "2027-02-30"),
        ("start", "20270104"),
        ("course", "rubbish"),
        ("course", "00000000-0000-7000-8000-0000000000ff"),
    ],
)
def test_a_field_says_what_it_cannot_read_and_keeps_it(in_request: Flask, field: str, text: str) -> None:
    form = sent(**{field: text})
    assert list(form.errors) == [field]
    assert len(form_problems(form)) == 1
    assert "\x00" not in str(form[field]())


def test_a_rule_s_refusal_stands_at_its_field_or_above_all(in_request: Flask) -> None:
    form = sent()
    assert form_problems(form) == []
    form.refuse(Invalid("x", "%(day)s is over.", field="start", day="Mon"))
    form.refuse(Conflict("y", "Somebody was faster."))
    assert form_problems(form) == [(None, "Somebody was faster."), ("start", "Mon is over.")]


def test_times_show_weekday_and_zone(in_request: Flask) -> None:
    at = datetime(2027, 1, 4, 10, 30, tzinfo=UTC)
    assert filters.instant(at, "Asia/Kolkata") == "Mon 4 Jan 2027, 16:00 IST"
    assert filters.instant(at, "Asia/Dubai") == "Mon 4 Jan 2027, 14:30 UTC+4"
    assert filters.clock_time(time(9), "America/New_York", date(2027, 3, 13)) == "09:00 EST"
    assert filters.clock_time(time(9), "America/New_York", date(2027, 3, 14)) == "09:00 EDT"
    assert filters.day(date(2027, 2, 2)) == "Tue 2 Feb 2027"
    assert filters.iso(at) == "2027-01-04T10:30:00Z"


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (timedelta(seconds=30), "just now"),
        (timedelta(minutes=59), "in 59 min"),
        (timedelta(hours=3, minutes=20), "in 3 h"),
        (timedelta(hours=-47), "47 h ago"),
        (timedelta(days=-3), "3 days ago"),
    ],
)
def test_spans_are_told_from_now(in_request: Flask, delta: timedelta, words: str) -> None:
    now = datetime(2027, 1, 4, 10, 30, tzinfo=UTC)
    assert filters.ago(now + delta, now) == words


def test_distances_and_minutes_are_short(in_request: Flask) -> None:
    assert [filters.distance(km) for km in (0.45, 0.9996, 1.11, 12.4)] == ["450 m", "1 km", "1.1 km", "12 km"]
    assert [filters.minutes(n) for n in (40, 120, 140)] == ["40 min", "2 h", "2 h 20 min"]


def test_every_status_of_the_desk_has_a_look(in_request: Flask) -> None:
    tones = {look.tone for looks in LOOKS.values() for look in looks.values()}
    assert tones <= {"waiting", "needs", "done", "stopped", "failed", "held", "planned"}
    assert all(str(look.word) for looks in LOOKS.values() for look in looks.values())
    with pytest.raises(KeyError):
        status_look("booking", "unheard_of")
