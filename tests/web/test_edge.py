"""Whose address counts, and which hosts are ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from sqlalchemy import select

from tests.make import Make
from tests.web.client import DeskClient
from tests.web.walls import desk_with
from webapp.audit.models import AuditEntry
from webapp.config import Settings, SettingsError, load_settings
from webapp.db.work import Database
from webapp.web.access import public
from webapp.web.edge import PROBES, clean_address, trusted_hosts

pytestmark = pytest.mark.usefixtures("fresh_limits")

ROOT = Path(__file__).resolve().parents[2]
PEER = "198.51.100.1"
"""The machine at the other end of the connection: a proxy, or whoever asks without one."""


def with_mirror(app: Flask) -> None:
    """A page that says where a request seems to come from and what it asked for."""

    def mirror() -> dict[str, str]:
        return {"address": request.remote_addr or "", "host": request.host, "scheme": request.scheme}

    app.add_url_rule("/mirror", "mirror", public(mirror))


def seen(app: Flask, **headers: str) -> dict[str, str]:
    """What the mirror says to a request from ``PEER`` with these headers (``_`` for ``-``)."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = app.test_client().get("/mirror", headers=sent, environ_overrides={"REMOTE_ADDR": PEER})
    assert answer.status_code == 200, answer.text
    told: dict[str, str] = answer.json or {}
    return told


# -- proxies -------------------------------------------------------------------------------------------------------


def test_without_proxies_nothing_a_visitor_writes_is_believed(settings: Settings, db: Database) -> None:
    with desk_with(settings, db, with_mirror, trusted_proxies=0) as app:
        told = seen(app, X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https", X_Forwarded_Host="127.0.0.1")
        assert told == {"address": PEER, "host": "localhost", "scheme": "http"}
        assert seen(app, X_Real_IP="203.0.113.9", Forwarded="for=203.0.113.9")["address"] == PEER


@pytest.mark.parametrize(
    ("hops", "sent", "address"),
    [
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "203.0.113.66, 203.0.113.9", "203.0.113.9"),
        (2, "203.0.113.66, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", PEER),
        (1, "unknown", ""),
        (1, "203.0.113.9:4711", "203.0.113.9"),
        (1, "[2001:db8::7]:4711", "2001:db8::7"),
        (1, "x" * 300, ""),
    ],
)
def test_as_many_proxies_are_believed_as_there_are(
    settings: Settings, db: Database, hops: int, sent: str, address: str
) -> None:
    """Values are counted from the right: those further left are what the visitor wrote."""
    with desk_with(settings, db, with_mirror, trusted_proxies=hops) as app:
        assert seen(app, X_Forwarded_For=sent)["address"] == address


@pytest.mark.parametrize("hops", [0, 1])
def test_limits_and_audit_use_the_address_that_was_counted(
    settings: Settings, db: Database, make: Make, hops: int
) -> None:
    """A guesser who writes another address each time is the same guesser, and the audit names the real one."""
    person = make.user()
    real = "203.0.113.9" if hops else PEER
    with desk_with(settings, db, trusted_proxies=hops) as app:
        client: Any = app.test_client()

        def guess(number: int, email: str) -> int:
            chain = f"192.0.2.{number}" + (f", {real}" if hops else "")
            data = {"email": email, "password": "not this one at all"}
            more = {"headers": {"X-Forwarded-For": chain}, "environ_overrides": {"REMOTE_ADDR": PEER}}
            status: int = client.post("/sign-in", data=data, **more).status_code
            return status

        assert guess(0, person.email) == 422
        assert [guess(n, f"guess{n}@example.org") for n in range(1, 21)] == [422] * 19 + [429]
    with db.read_only() as session:
        found = session.scalars(select(AuditEntry.address).where(AuditEntry.what == "account.sign_in_failed")).all()
    assert set(found) == {real}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 203.0.113.9 ", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
        ("evil\nline", ""),
        ("1.2.3.4.5", ""),
        ("0x7f000001", ""),
    ],
)
def test_an_address_has_one_spelling_or_is_none(text: str, address: str) -> None:
    assert clean_address(text) == address


# -- hosts ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def public_desk(settings: Settings, db: Database) -> Iterator[Flask]:
    """A desk that families know as desk.example.org."""
    changes: dict[str, Any] = {"public_url": "https://desk.example.org", "allowed_hosts": "old.example.org, .corp.test"}
    with desk_with(settings, db, with_mirror, trusted_proxies=1, **changes) as app:
        yield app


@pytest.mark.parametrize("host", ["desk.example.org", "desk.example.org:8443", "OLD.example.org", "a.corp.test"])
def test_our_hosts_are_answered(public_desk: Flask, host: str) -> None:
    assert public_desk.test_client().get("/sign-in", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "desk.example.org.evil.example", "evil-desk.example.org", "desk.example.org@evil.example", "a b"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/sign-in", "/", "/nowhere", "/static/app.css"])
def test_a_foreign_host_is_refused_and_repeated_nowhere(public_desk: Flask, host: str, method: str, path: str) -> None:
    answer = public_desk.test_client().open(path, method=method, headers={"Host": host, "Origin": f"https://{host}"})
    assert answer.status_code == 400
    assert answer.mimetype == "text/plain"
    said = answer.text + "".join(f"{name}: {value}\n" for name, value in answer.headers)
    assert "evil" not in said
    assert "Content-Security-Policy" in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_foreign_host_from_behind_the_proxy_is_refused_too(public_desk: Flask) -> None:
    sent = {"Host": "desk.example.org", "X-Forwarded-Host": "evil.example"}
    assert public_desk.test_client().get("/sign-in", headers=sent).status_code == 400


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_may_ask_by_any_name_for_their_answer_holds_none(public_desk: Flask, path: str) -> None:
    """Load balancers ask by bare address, and many cannot be told a host."""
    assert path in PROBES
    answer = public_desk.test_client().get(path, headers={"Host": "10.0.0.5:8000"})
    assert answer.status_code in (200, 503)
    assert answer.mimetype == "application/json"
    assert "10.0.0.5" not in answer.text + str(answer.headers)
    assert public_desk.test_client().get("/healthz/", headers={"Host": "10.0.0.5:8000"}).status_code == 400


def test_this_machine_s_names_are_for_development_and_tests() -> None:
    made: dict[str, Any] = {
        "ZONEDESK_ENV": "production",
        "database_url": "postgresql://a@localhost/z",
        "redis_url": "redis://localhost",
        "secret_key": "0123456789abcdef" * 2,
        "totp_key": "fedcba9876543210" * 2,
        "public_url": "https://desk.example.org/",
        "mail_url": "smtp://mail.example.org",
        "mail_from": "desk@example.org",
    }
    assert trusted_hosts(load_settings(**made)) == ["desk.example.org"]
    assert {"localhost", "127.0.0.1"} <= set(trusted_hosts(load_settings(**made | {"ZONEDESK_ENV": "test"})))


def test_an_address_that_could_not_be_trusted_as_a_host_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match="needs a name or an IPv4 address"):
        load_settings(public_url="http://[2001:db8::1]:8000")


def test_redirects_name_no_host_at_all(client: DeskClient) -> None:
    assert client.get("/bookings").headers["Location"].startswith("/sign-in")


FROM_THE_REQUEST = re.compile(r"\brequest\.(?:host_url|url_root|base_url|url|root_url)\b|_external\s*=\s*True")


def test_no_link_is_made_from_what_a_request_says_of_its_host() -> None:
    """Letters, certificates and calendars take their address from PUBLIC_URL."""
    found = {
        f"{path.relative_to(ROOT)}: {words}"
        for folder in ("webapp", "templates")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".html", ".txt", ".xml", ".ics")
        for words in FROM_THE_REQUEST.findall(path.read_text(encoding="utf-8"))
    }
    assert found == set()
    for line in ("url_for('x', _external=True)", "link = request.url_root + path", "request.host_url"):
        assert FROM_THE_REQUEST.search(line), line
