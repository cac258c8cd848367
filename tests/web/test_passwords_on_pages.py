"""Passwords as people meet them: fields that hide and may be pasted into, nothing cut, folded or out of date."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from tests.make import PASSWORD, Make
from tests.web.client import NOW, DeskClient
from webapp import logs
from webapp.accounts.signin import hash_password
from webapp.app import create_app
from webapp.config import Environment, Settings
from webapp.db import work
from webapp.demo.command import demo

pytestmark = pytest.mark.usefixtures("fresh_limits")

ROOT = Path(__file__).resolve().parents[2]
FORMS = [path for path in sorted((ROOT / "webapp").rglob("*.py")) if "forms" in path.relative_to(ROOT).as_posix()]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
KEYS = {"secret_key": "qW3-eR5_tY7uI9oP1aS2dF4gH6jK8lZ0", "totp_key": "zX9cV8bN7mA6sD5fG4hJ3kL2qW1eR0tY"}


@pytest.fixture
def production(app: Flask, settings: Settings) -> Iterator[Flask]:
    """The desk as production makes it; afterwards database and logging are the tests' again."""
    before = work.database()
    yield create_app(settings.model_copy(update={"environment": Environment.PRODUCTION, **KEYS}))
    work.bind(before)
    logs.configure(settings)


def fields_of(source: str) -> Iterator[tuple[str, str]]:
    """Name and kind of every field a module's forms declare."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            kind = node.value.func
            called = kind.id if isinstance(kind, ast.Name) else kind.attr if isinstance(kind, ast.Attribute) else ""
            if called.endswith("Field"):
                yield from ((name.id, called) for name in node.targets if isinstance(name, ast.Name))


def faults_of_field(name: str, kind: str) -> list[str]:
    """What is wrong with a form's field about passwords."""
    found = []
    if "password" in name and kind not in ("PasswordField", "BooleanField"):
        found.append(f"{name} is a {kind} and shows what is typed")
    if re.search(r"hint|secret_question|security_question|maiden|first_pet", name):
        found.append(f"{name} asks for what others know")
    return found


def test_every_password_field_hides_what_is_typed_and_takes_what_is_pasted(client: DeskClient) -> None:
    declared = [field for path in FORMS for field in fields_of(path.read_text("utf-8"))]
    assert [fault for name, kind in declared for fault in faults_of_field(name, kind)] == []
    secret = {name for name, kind in declared if kind == "PasswordField"}
    shown = 0
    for path in TEMPLATES:
        source = path.read_text("utf-8")
        for name, rest in re.findall(r"\bfield\(\s*\w*form\.(\w+)([^}]*)\}\}", source):
            if name in secret:
                shown += 1
                assert re.search(r"autocomplete=\"(?:current|new)-password\"", rest), f"{path.name}: {name}"
        assert not re.search(r"onpaste|oncopy|type=\"text\"[^>]*password", source), path.name
    assert shown > 0
    page = client.get("/sign-in").text
    (field,) = re.findall(r"<input[^>]*name=\"password\"[^>]*>", page)
    assert 'type="password"' in field
    assert 'autocomplete="current-password"' in field
    assert not re.search(r"readonly|maxlength=\"(?:\d|[1-5]\d|6[0-3])\"", field)


@pytest.mark.parametrize(
    "source",
    ["password = TextField('Password')", "password_hint = TextField('Hint')", "secret_question = TextField('Pet')"],
)
def test_a_field_that_shows_or_asks_too_much_is_found(source: str) -> None:
    assert [fault for name, kind in fields_of(source) for fault in faults_of_field(name, kind)] != []


def test_no_form_asks_for_a_hint_or_a_secret_question() -> None:
    declared = [name for path in FORMS for name, _kind in fields_of(path.read_text("utf-8"))]
    assert len(declared) > 20
    columns = (ROOT / "webapp/accounts/models.py").read_text("utf-8")
    assert not [name for name in declared if faults_of_field(name, "PasswordField")]
    assert not re.search(r"^\s+\w*(?:hint|question|answer)\w*: Mapped", columns, flags=re.MULTILINE)


@pytest.mark.parametrize("typed", [f" {PASSWORD}", f"{PASSWORD} ", PASSWORD.title(), PASSWORD[:-1], f"{PASSWORD}s"])
def test_a_password_is_taken_as_typed(client: DeskClient, make: Make, typed: str) -> None:
    person = make.user()
    answer = client.post("/sign-in", data={"email": person.email, "password": typed})
    assert answer.status_code == 422


def test_a_password_of_any_letters_counts_to_its_last(client: DeskClient, make: Make) -> None:
    whole = " पासवर्ड\tతెలుగు 🔑 " + "x" * 100
    person = make.user(password=whole)
    assert client.post("/sign-in", data={"email": person.email, "password": whole[:-1]}).status_code == 422
    assert client.post("/sign-in", data={"email": person.email, "password": whole}).status_code == 303


def test_a_password_does_not_grow_old(client: DeskClient, make: Make, at: Callable[[datetime], None]) -> None:
    person = make.user()
    at(NOW + timedelta(days=5 * 365))
    answer = client.post("/sign-in", data={"email": person.email, "password": PASSWORD})
    assert (answer.status_code, answer.location) == (303, "/")


def test_production_hashes_passwords_as_slowly_as_is_asked_for(production: Flask) -> None:
    """OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes and one lane at least."""
    with production.app_context():
        made = hash_password(PASSWORD)
    found = re.match(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$", made)
    assert found is not None
    memory, passes, lanes = map(int, found.groups())
    assert memory >= 19_456
    assert passes >= 2
    assert lanes >= 1


def test_a_new_desk_has_no_account_and_production_takes_no_demo(production: Flask) -> None:
    for path in sorted((ROOT / "migrations/versions").glob("*.py")):
        assert not re.search(r"INSERT\s+INTO\s+users", path.read_text("utf-8"), re.IGNORECASE), path.name
    with production.app_context():
        result = CliRunner().invoke(demo, [])
    assert result.exit_code == 1
    assert "never loaded in production" in result.output
