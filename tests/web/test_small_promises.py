"""Small things every answer keeps: it says what it is, nothing lies about beside it, and nobody is shown machinery."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from tests.make import Make
from tests.web.client import DeskClient
from webapp import logs
from webapp.accounts import queries
from webapp.app import create_app
from webapp.config import Environment, Settings
from webapp.core.actor import Role
from webapp.db import work
from webapp.web.access import guard_of

NOBODY = "01920000-0000-7000-8000-000000000001"


def pages(app: Flask) -> Iterator[str]:
    """An address of every page that needs no argument but ids."""
    for rule in app.url_map.iter_rules():
        plain = all(part.startswith("<uuid:") for part in rule.rule.split("/") if part.startswith("<"))
        if "GET" in (rule.methods or ()) and plain and rule.endpoint != "static":
            values: dict[str, Any] = dict.fromkeys(rule.arguments, NOBODY)
            with app.test_request_context():
                url = app.url_for(rule.endpoint, **values)
            yield url


def test_every_answer_says_its_type_and_its_letters(app: Flask, client: DeskClient, make: Make) -> None:
    client.lint = False
    client.sign_in(make.admin())
    looked_at = 0
    for url in pages(app):
        answer = client.get(url)
        if answer.data:
            looked_at += 1
            told = answer.headers["Content-Type"]
            is_text = (answer.mimetype or "").startswith("text/")
            assert not is_text or "charset=utf-8" in told.lower(), f"{url}: {told}"
            starts_as_html = answer.data.lstrip()[:9].lower() == b"<!doctype"
            assert starts_as_html <= (answer.mimetype == "text/html"), f"{url}: {told}"
    assert looked_at > 20


@pytest.mark.parametrize("role", list(Role))
def test_every_page_of_somebody_signed_in_offers_to_sign_out(
    app: Flask, client: DeskClient, make: Make, role: Role
) -> None:
    client.lint = False
    client.sign_in(make.user(role))
    looked_at = 0
    for url in pages(app):
        answer = client.get(url)
        public = guard_of(app, app.url_map.bind("localhost").match(url, method="GET")[0]) == "public"
        # A page about a bug asks nobody who is reading.
        if answer.mimetype == "text/html" and b"<html" in answer.data and answer.status_code < 500 and not public:
            looked_at += 1
            form = re.search(r"<form[^>]*action=\"/sign-out\"[^>]*>", answer.text)
            assert form is not None, url
            assert 'method="post"' in form.group(), url
    assert looked_at > 5


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT"])
def test_no_method_sends_a_request_back(client: DeskClient, method: str) -> None:
    answer = client.open("/sign-in", method=method, headers={"X-Mirrored": "mirrored"})
    assert answer.status_code == 405
    assert "mirrored" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/.git/HEAD",
        "/static/../.git/HEAD",
        "/static/..%2f.git/HEAD",
        "/.env",
        "/pyproject.toml",
        "/static/../webapp/config.py",
        "/static/%2e%2e/webapp/config.py",
        "/static/....//webapp/config.py",
        "/var/secret-key",
    ],
)
def test_nothing_is_handed_out_but_pages_and_static_files(client: DeskClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/static", "/static/", "/static/vendor", "/static/vendor/"])
def test_no_folder_is_listed(client: DeskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_no_documentation_console_or_metrics_is_open_to_visitors(app: Flask, client: DeskClient) -> None:
    for path in ("/docs", "/console", "/admin", "/debug", "/graphql", "/swagger.json", "/actuator", "/server-status"):
        assert client.get(path).status_code == 404, path


@pytest.fixture
def as_it_was(app: Flask, settings: Settings) -> Iterator[None]:
    """Another application names its own database and its own logging; afterwards both are the tests' again."""
    before = work.database()
    yield
    work.bind(before)
    logs.configure(settings)


@pytest.mark.usefixtures("as_it_was")
def test_production_shows_no_machinery(settings: Settings) -> None:
    keys = {"secret_key": "qW3-eR5_tY7uI9oP1aS2dF4gH6jK8lZ0", "totp_key": "zX9cV8bN7mA6sD5fG4hJ3kL2qW1eR0tY"}
    # Servers of this machine, as the tests have them, may be spoken to as they are.
    real = settings.model_copy(update={"environment": Environment.PRODUCTION, **keys})
    made = create_app(real)
    assert made.config["SESSION_COOKIE_NAME"].startswith("__Host-")
    assert (made.debug, made.testing) == (False, False)
    assert made.config["PROPAGATE_EXCEPTIONS"] is False
    assert made.jinja_env.auto_reload is False
    assert not made.config.get("EXPLAIN_TEMPLATE_LOADING")


def test_no_page_shows_a_hash_or_a_secret_of_an_account(app: Flask, client: DeskClient, make: Make) -> None:
    client.lint = False
    admin = client.sign_in(make.admin())
    with work.read_only() as db:
        kept = queries.account(db, admin.id)
    for url in pages(app):
        text = client.get(url).text
        assert "$argon2" not in text, url
        assert kept.fs_uniquifier not in text, url


def test_what_runs_the_desk_is_not_told_in_headers(client: DeskClient) -> None:
    answer = client.get("/sign-in")
    assert "X-Powered-By" not in answer.headers
    assert not re.search(r"werkzeug|flask|python|\d+\.\d+", answer.headers.get("Server", ""), re.IGNORECASE)
