"""What is left behind when somebody signs in, is refused, or tries to write lines of the log."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy import select

from tests.make import PASSWORD, Make
from tests.web.client import DeskClient
from webapp import logs
from webapp.audit.models import AuditEntry
from webapp.config import load_settings
from webapp.core.actor import Role
from webapp.db.work import Database

pytestmark = pytest.mark.usefixtures("fresh_limits")


@pytest.fixture
def logging_on() -> Iterator[None]:
    """Logging at INFO to standard error."""
    logs.configure(load_settings(ZONEDESK_ENV="test", log_level="INFO"))
    yield
    logs.configure(load_settings(ZONEDESK_ENV="test", log_level="WARNING"))


def test_signing_in_and_out_is_noted_with_the_method(client: DeskClient, make: Make, db: Database) -> None:
    person = make.user()
    client.post("/sign-in", data={"email": person.email, "password": "wrong wrong wrong"})
    client.post("/sign-in", data={"email": person.email, "password": PASSWORD})
    client.sign_out()
    with db.read_only() as session:
        found = session.execute(
            select(AuditEntry.what, AuditEntry.after, AuditEntry.address, AuditEntry.source)
            .where(AuditEntry.subject_id == person.id, AuditEntry.what != "account.created")
            .order_by(AuditEntry.id)
        ).all()
    assert [row.what for row in found] == ["account.sign_in_failed", "account.signed_in", "account.signed_out"]
    assert found[1].after == {"method": "password"}
    assert {(row.source, row.address) for row in found} == {("web", "127.0.0.1")}


@pytest.mark.parametrize(
    ("endpoint", "status"),
    [("desk.new_booking", 403), ("households.index", 200)],
)
def test_refused_access_is_logged_with_person_and_route(
    client: DeskClient, make: Make, endpoint: str, status: int
) -> None:
    auditor = client.sign_in(make.user(Role.AUDITOR))
    with structlog.testing.capture_logs() as lines:
        client.get(endpoint)
    (line,) = [line for line in lines if line["event"] == "http.request"]
    assert (line["status"], line["user_id"]) == (status, str(auditor.id))
    assert line["route"]


def test_a_change_from_elsewhere_and_one_without_a_token_are_logged(client: DeskClient) -> None:
    for headers, status in (({"Sec-Fetch-Site": "cross-site"}, 403), ({}, 400)):
        with structlog.testing.capture_logs() as lines:
            client.post("/sign-in", data={"email": "a@example.org"}, headers=headers, csrf=False)
        (line,) = [line for line in lines if line["event"] == "http.request"]
        assert (line["status"], line["route"], line["method"]) == (status, "/sign-in", "POST")


@pytest.mark.usefixtures("logging_on")
@pytest.mark.parametrize("between", ["\n", "\r\n", "\u2028", "\x1b[2J", "\x00"])
def test_what_is_typed_cannot_begin_a_line_of_the_log(capsys: pytest.CaptureFixture[str], between: str) -> None:
    forged = f'x{between}{{"event": "all.is.well", "level": "info"}}'
    structlog.get_logger("test").warning("something.typed", typed=forged, **{"fie\nld": forged})
    written = capsys.readouterr().err
    (line,) = written.splitlines()
    assert json.loads(line)["typed"] == forged
    assert json.loads(line)["event"] == "something.typed"
    assert "\x1b" not in written


@pytest.mark.usefixtures("logging_on")
def test_a_request_cannot_begin_a_line_of_the_log(client: DeskClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.get('/nowhere%0a{"event":"all.is.well"}', headers={"X-Request-ID": "forged id", "User-Agent": "a%0ab"})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["http.request"]
    assert lines[0]["request_id"] != "forged id"
