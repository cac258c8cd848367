"""Logs are JSON lines in which no secret and nothing personal ever shows."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog
from flask import Flask
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.make import PASSWORD, Make
from tests.web.client import NOW, DeskClient
from webapp import logs
from webapp.app import create_app
from webapp.config import Settings, load_settings
from webapp.core import clock
from webapp.db.work import Database, bind
from webapp.web.access import public

SECRET = "hunter2-and-more"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """Logging at INFO to the captured standard error; calling it returns the lines so far."""
    logs.configure(load_settings(ZONEDESK_ENV="test", log_level="INFO"))

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield read
    logs.configure(load_settings(ZONEDESK_ENV="test", log_level="WARNING"))


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "new_password",
        "token",
        "api-token",
        "Authorization",
        "Set-Cookie",
        "csrf_token",
        "secret_key",
        "sentry_dsn",
        "phone",
        "guardian_phone",
        "email",
        "name",
        "student_name",
        "address",
    ],
)
def test_a_private_field_is_redacted(lines: Lines, name: str) -> None:
    structlog.get_logger("test").info("something.happened", **{name: SECRET}, nested={"deep": [{name: SECRET}]})
    (line,) = lines()
    assert SECRET not in json.dumps(line)
    assert line[name] == logs.REDACTED
    assert line["event"] == "something.happened"


PLANTED = {
    "password": "hunter2-and-more",
    "key": "AKIA-hunter3-and-more",
    "cookie": "eyJfdXNlcl9pZCI6IjEifQ.aGVsbG8.hunter4-and-more",
    "link": "Zq4xV9rT2mB7nK1pL8sD3fG6hJ0wE5yU-_cA4oIiQxM",
    "email": "meena.rao",
    "phone": "+919848012345",
    "spaced": "+91 98480 12345",
    "name": "Meena Kumari Rao",
}
"""What must never be seen in a log, each put where it is found in practice."""


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql+psycopg://zonedesk_app:{PLANTED['password']}@db.example/zonedesk?sslmode=require",
        f"https://{PLANTED['key']}@sentry.example/1",
        f"smtp://desk:{PLANTED['password']}@mail.example:587",
        f"POST https://hooks.example/in?token={PLANTED['key']}&x=1",
        f"s3://bucket/x?X-Amz-Credential={PLANTED['key']}&X-Amz-Signature={PLANTED['key']}",
        f"Authorization: Bearer {PLANTED['key']}",
        f"sent {{'Authorization': 'Basic {PLANTED['key']}'}}",
        f"curl -H 'x: y' with bearer {PLANTED['key']}",
        f"Cookie: __Host-zonedesk={PLANTED['cookie']}; theme=dark",
        f"Set-Cookie: zonedesk={PLANTED['cookie']}; HttpOnly",
        f"cannot parse zonedesk={PLANTED['cookie']}",
        f"api_key='{PLANTED['key']}'",
        f'{{"totp_secret": "{PLANTED["key"]}", "recovery_codes": "{PLANTED["key"]}"}}',
        f"GET /reset/{PLANTED['link']} failed",
        f"GET https://desk.example/join/{PLANTED['link']}?x=1",
        f"/verify/ZD-1234/{PLANTED['link']}",
        f"/reset/{PLANTED['password']}",
        f"no handler for {PLANTED['link']} here",
        f"mail to {PLANTED['email']}@example.org bounced",
        f"/sign-in?next=/&email={PLANTED['email']}%40example.org",
        f"<{PLANTED['email']}@example.co.in>",
        f"called {PLANTED['phone']}, no answer",
        f"phone number {PLANTED['spaced']} is taken",
        f"tel:{PLANTED['phone'].replace('+', '%2B')}",
        f"duplicate key value\nDETAIL:  Key (name_key)=({PLANTED['name']}) already exists.\n[SQL: INSERT …]",
        f"violates check\nDETAIL:  Failing row contains (1, {PLANTED['name']},\n12 Beach Road).\nCONTEXT:  x",
        f"-----BEGIN RSA PRIVATE KEY-----\n{PLANTED['key']}\n-----END RSA PRIVATE KEY-----",
    ],
)
@pytest.mark.parametrize("how", ["event", "field", "nested", "key", "bytes", "object", "exception", "cause", "library"])
def test_nothing_planted_anywhere_is_found_in_the_output(lines: Lines, text: str, how: str) -> None:
    """Fails if one way into a line passes the cleaning: the message, a field, an object, an exception's cause."""
    log = structlog.get_logger("test")
    match how:
        case "event":
            log.info(text)
        case "field":
            log.info("x", detail=text)
        case "nested":
            log.info("x", detail={"a": [{"b": (text,)}]})
        case "key":
            log.info("x", detail={text: 1})
        case "bytes":
            log.info("x", detail=text.encode())
        case "object":
            log.info("x", detail=ValueError(text))
        case "exception":
            try:
                raise RuntimeError(text)
            except RuntimeError:
                log.exception("x")
        case "cause":
            try:
                raise RuntimeError("x") from ConnectionError(text)
            except RuntimeError:
                logging.getLogger("some.library").exception("x", extra={"detail": text})
        case "library":
            logging.getLogger("some.library").error("said %s", text)
    out = json.dumps(lines(), ensure_ascii=False)
    found = [name for name, secret in PLANTED.items() if secret in out or secret.replace("+", "%2B") in out]
    assert out != "[]"
    assert found == []


def test_what_the_planted_words_stand_in_stays_readable() -> None:
    """The control: cleaning that blanks everything would pass the test above."""
    for plain in (
        "GET /bookings/01920000-0000-7000-8000-000000000001 took 12 ms",
        "sha256 3f786850e387550fdab836ed7e6dc881de23001b3f786850e387550fdab836ed",
        "relation zones_name_of_company_key violated in webapp/zones/service.py line 41",
        "session 12 of 30 moved to 2027-01-04 16:00, +05:30",
        "Content-Security-Policy-Report-Only is not set",
        "1 + 2345 = 2346; port 54321; 12345678 rows",
    ):
        assert logs.clean_text(plain) == plain
    cleaned = logs.clean_text("postgresql+psycopg://zonedesk_app:word@db.example/zonedesk timed out")
    assert cleaned == "postgresql+psycopg://zonedesk_app:[redacted]@db.example/zonedesk timed out"


@pytest.mark.parametrize(
    "bait",
    ["a", "a-", "Aa1-", "a:", "2 ", "x@", "password", "token='", "a://", "/verify/", "bearer ", "DETAIL: ", "+1"],
)
def test_no_text_keeps_the_cleaning_busy(bait: str) -> None:
    """Fails if a pattern looks again and again over one long run of letters: minutes, where this takes milliseconds."""
    began = time.perf_counter()
    logs.clean_text(bait * (200_000 // len(bait)) + " =:/+@ DETAIL: ://")
    assert time.perf_counter() - began < 5


def test_a_value_that_cannot_be_read_loses_itself_and_not_the_line(lines: Lines) -> None:
    class Broken:
        def __str__(self) -> str:
            raise ZeroDivisionError

    structlog.get_logger("test").info("x", detail=Broken())
    assert [line["detail"] for line in lines()] == ["<Broken>"]


def test_a_failed_statement_s_parameters_are_not_in_its_error(app: Flask, db: Database) -> None:
    """Fails if what families told us stands in the text of a database error, which is logged and reported."""
    with pytest.raises(DBAPIError) as failed, db.read_only() as session:
        session.execute(text("SELECT 1 FROM nowhere WHERE x = :name"), {"name": PLANTED["name"]})
    assert PLANTED["name"] not in str(failed.value)
    assert "nowhere" in str(failed.value)


@pytest.mark.parametrize("path", ["/reset/{}", "/join/{}", "/verify/ZD-1/{}", "/nowhere/{}", "/bookings?token={}"])
def test_the_line_of_a_request_names_its_route_and_never_its_link(
    lines: Lines, client: DeskClient, make: Make, path: str
) -> None:
    lines()
    client.get(path.format(PLANTED["link"]))
    out = json.dumps(lines())
    assert "http.request" in out
    assert PLANTED["link"] not in out


@pytest.mark.parametrize(
    "text",
    [
        f"connection to postgresql+psycopg://app:{SECRET}@db/zonedesk failed",
        f"redis://:{SECRET}@queue:6379/0",
        f"password={SECRET}",
        f'{{"token": "{SECRET}"}}',
        f"Authorization: {SECRET}",
        f"no account {SECRET}@example.org",
        f"https://desk.example/reset/{SECRET}",
        f"GET /join/{SECRET} HTTP/1.1",
        f"smtp://desk:{SECRET}@mail.example:587",
    ],
)
def test_a_secret_inside_a_text_is_cut_out(lines: Lines, text: str) -> None:
    structlog.get_logger("test").info("failed", detail=text)
    logging.getLogger("some.library").warning("said: %s", text)
    assert SECRET not in json.dumps(lines())


def test_a_secret_in_an_exception_is_cut_out(lines: Lines) -> None:
    try:
        raise RuntimeError(f"cannot reach redis://:{SECRET}@queue")
    except RuntimeError:
        structlog.get_logger("test").exception("failed")
    (line,) = lines()
    assert SECRET not in json.dumps(line)
    assert "RuntimeError" in str(line["exception"])


def test_ids_and_numbers_stay_readable(lines: Lines) -> None:
    structlog.get_logger("test").info("certificate.issued", certificate_id="01a2", took_ms=5, route="/x/<uuid:id>")
    (line,) = lines()
    assert (line["certificate_id"], line["took_ms"], line["route"]) == ("01a2", 5, "/x/<uuid:id>")
    assert line["level"] == "info"
    assert str(line["timestamp"]).endswith("Z")


def test_libraries_log_in_the_same_shape(lines: Lines) -> None:
    logging.getLogger("some.library").warning("slow: %s ms", 5)
    (line,) = lines()
    assert (line["event"], line["level"], line["logger"]) == ("slow: 5 ms", "warning", "some.library")


def test_signing_in_logs_neither_address_nor_password(lines: Lines, client: DeskClient, make: Make) -> None:
    person = make.user()
    lines()
    client.post("/sign-in", data={"email": person.email, "password": PASSWORD})
    found = lines()
    assert [line["route"] for line in found if line["event"] == "http.request"] == ["/sign-in"]
    assert person.email not in json.dumps(found)
    assert PASSWORD not in json.dumps(found)
    # The account, its second factors, the sign-in, when the person signed in last, the audit.
    assert found[-1]["sql_count"] == 5


@pytest.mark.parametrize("page", ["reset", "join"])
def test_the_token_of_a_letter_s_link_is_not_logged(lines: Lines, client: DeskClient, page: str, db: Database) -> None:
    client.get(f"/{page}/{SECRET}")
    client.get(f"/{page}")
    found = lines()
    assert [line["route"] for line in found if line["event"] == "http.request"] == [f"/{page}/<token>", f"/{page}"]
    assert SECRET not in json.dumps(found)


def test_what_goes_to_sentry_is_clean() -> None:
    event = {
        "request": {
            "url": f"https://desk.example/reset/{SECRET}",
            "headers": {"Cookie": SECRET, "Accept": "text/html"},
            "data": {"guardian_phone": SECRET},
        },
        "exception": {"values": [{"type": "ValueError", "value": f"token={SECRET}"}]},
        "user": {"id": "01a2", "email": SECRET},
    }
    sent = logs.scrub(event, {})
    assert SECRET not in json.dumps(sent)
    assert sent["request"]["headers"]["Accept"] == "text/html"
    assert sent["exception"]["values"][0]["type"] == "ValueError"
    assert sent["user"]["id"] == "01a2"


def test_sentry_keeps_the_names_it_needs() -> None:
    event = {"contexts": {"runtime": {"name": "CPython", "version": "3.11"}}, "server_name": "web-1", "level": "error"}
    assert logs.scrub(event, {}) == event


class Kept(Transport):
    """Keeps what would go to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keep the events of an envelope."""
        self.events += [item.payload.json for item in envelope.items if item.type == "event" and item.payload.json]


@pytest.fixture
def sentry(settings: Settings, db: Database) -> Iterator[tuple[Flask, Kept]]:
    """An application that reports to Sentry, and what it reports."""
    outside = sentry_sdk.get_global_scope().client
    app = create_app(settings.model_copy(update={"sentry_dsn": "http://key@127.0.0.1:9/1"}))
    bind(db)
    clock.freeze(NOW)
    kept = Kept()
    client = sentry_sdk.get_client()
    previous, client.transport = client.transport, kept
    if previous is not None:
        previous.kill()
    yield app, kept
    client.close()
    sentry_sdk.get_global_scope().set_client(outside)
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()


def test_a_failure_is_shown_without_details_and_reported_once(sentry: tuple[Flask, Kept]) -> None:
    app, kept = sentry

    def fail() -> str:
        said_by_a_family = SECRET
        raise RuntimeError(f"password={said_by_a_family}")

    app.add_url_rule("/fails", view_func=public(fail))
    answer = app.test_client().get("/fails", headers={"Cookie": f"other={SECRET}"})
    assert answer.status_code == 500
    assert "RuntimeError" not in answer.text
    assert SECRET not in answer.text
    (event,) = kept.events
    assert event["exception"]["values"][-1]["type"] == "RuntimeError"
    assert SECRET not in json.dumps(event)
