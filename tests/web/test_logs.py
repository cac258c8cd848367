"""Logs are JSON lines in which no secret and nothing personal ever shows."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog
from flask import Flask
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

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
