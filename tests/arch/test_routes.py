"""Every route says who may use it, and changes nothing unless it is asked to with a POST."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from tests.web.client import DeskClient
from webapp.web.access import guard_of

PUBLIC = frozenset(
    {
        "static",
        "accounts.sign_in",
        "accounts.second_factor",
        "accounts.set_up",
        "accounts.passkey_question",
        "accounts.passkey_answer",
        "accounts.second_passkey_question",
        "accounts.second_passkey_answer",
        "accounts.enrol_passkey_question",
        "accounts.enrol_passkey_answer",
        "accounts.forgotten",
        "accounts.forgotten_sent",
        "accounts.join",
        "accounts.join_link",
        "accounts.reset",
        "accounts.reset_link",
        "certificates.verify",
        "certificates.verified",
        "issuer.certificate",
        "issuer.key",
        "issuer.profile",
        "issuer.revoked",
        "ops.healthz",
        "ops.readyz",
        "trainer_hooks.receive",
        "verification.check_file",
        "verification.credential",
        "verification.pdf",
    }
)
"""All that an anonymous visitor may open. A new one is added here on purpose."""
BY_SIGNATURE = {"trainer_hooks.receive": 404}
"""What programs send without the token of a form, for they sign it; and the answer where nobody is expected to."""
SIGNED_IN = frozenset(
    {
        "accounts.sign_out",
        "accounts.confirm",
        "accounts.me",
        "accounts.end_sign_in",
        "accounts.sign_out_elsewhere",
        "accounts.sign_out_everywhere",
        "accounts.totp",
        "accounts.remove_totp",
        "accounts.recovery_codes",
        "accounts.password",
        "accounts.first_codes",
        "accounts.passkey",
        "accounts.remove_passkey",
        "accounts.new_passkey_question",
        "accounts.new_passkey_answer",
        "accounts.confirm_passkey_question",
        "accounts.confirm_passkey_answer",
        "accounts.view_as_end",
    }
)
"""Open to every role alike."""
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ROOT = Path(__file__).resolve().parents[2]


def test_every_route_declares_its_guard(app: Flask) -> None:
    open_to_doubt = {rule.endpoint for rule in app.url_map.iter_rules() if guard_of(app, rule.endpoint) is None}
    assert open_to_doubt == set()


def test_only_these_routes_are_public(app: Flask) -> None:
    public = {rule.endpoint for rule in app.url_map.iter_rules() if guard_of(app, rule.endpoint) == "public"}
    assert public <= PUBLIC


def test_only_these_routes_ask_for_no_permission(app: Flask) -> None:
    found = {rule.endpoint for rule in app.url_map.iter_rules() if guard_of(app, rule.endpoint) == "signed_in"}
    assert found == SIGNED_IN


def test_forms_post_and_nothing_else(app: Flask) -> None:
    """Browsers without JavaScript know GET and POST; a method they cannot send is a form that cannot work."""
    methods = {method for rule in app.url_map.iter_rules() for method in rule.methods or ()}
    assert methods <= {"GET", "HEAD", "OPTIONS", "POST"}


def test_a_route_that_changes_something_does_not_ask_for_a_mere_reading_right(app: Flask) -> None:
    lax = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if CHANGING & (rule.methods or set()) and str(guard_of(app, rule.endpoint)).endswith(".read")
    }
    assert lax == set()


def test_an_anonymous_visitor_is_sent_to_sign_in_from_every_other_page(app: Flask, client: DeskClient) -> None:
    id_ = "01920000-0000-7000-8000-000000000001"
    for rule in app.url_map.iter_rules():
        if rule.endpoint in PUBLIC or "GET" not in (rule.methods or ()):
            continue
        values: dict[str, Any] = dict.fromkeys(rule.arguments, id_)
        with app.test_request_context():
            url = app.url_for(rule.endpoint, **values) if all_uuids(rule.rule) else None
        if url is None:
            continue
        response = client.get(url)
        assert (response.status_code, response.location.split("?")[0]) == (303, "/sign-in"), rule.rule


def all_uuids(rule: str) -> bool:
    """Whether every argument of a rule is a UUID, so that any id will do."""
    return all(part.startswith("<uuid:") for part in rule.split("/") if part.startswith("<"))


def any_values(rule: Rule, id_: object) -> dict[str, Any]:
    """Something for every argument of a rule: ``id_``, or a number or one of some words where those are wanted."""
    wanted = re.findall(r"<(?:(int|any)(?:\((\w+)[^)]*\))?:)?[^<>]*?(\w+)>", rule.rule)
    kinds = {name: (kind, word) for kind, word, name in wanted}
    return {name: {"int": 1, "any": kinds[name][1]}.get(kinds[name][0], id_) for name in rule.arguments}


def test_every_changing_route_refuses_a_request_without_a_token(app: Flask, client: DeskClient) -> None:
    id_ = "01920000-0000-7000-8000-000000000001"
    asked = 0
    for rule in app.url_map.iter_rules():
        if not CHANGING & (rule.methods or set()) or not all_uuids(rule.rule):
            continue
        with app.test_request_context():
            values: dict[str, Any] = dict.fromkeys(rule.arguments, id_)
            url = app.url_for(rule.endpoint, **values)
        response = client.post(url, csrf=False)
        assert response.status_code == BY_SIGNATURE.get(rule.endpoint, 400), rule.rule
        asked += 1
    assert asked


@pytest.mark.parametrize("path", sorted(ROOT.glob("webapp/*/views.py")), ids=lambda path: path.parent.name)
def test_views_call_no_commit_and_read_no_clock_of_their_own(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("commit", "rollback", "utcnow"), f"{path.name}:{node.lineno}"
            called = ast.unparse(node)
            assert called not in ("datetime.now", "date.today", "datetime.today"), f"{path.name}:{node.lineno}"


def test_views_are_short(app: Flask) -> None:
    long = {
        endpoint: length
        for endpoint, view in app.view_functions.items()
        if (length := len(inspect.getsource(inspect.unwrap(view)).splitlines())) > 45
    }
    assert long == {}
