"""Our own lints find what they forbid, and nothing of it is in the house."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts import audit_code, audit_packages, lint_house
from tests.services import ROOT

# -- markup, scripts, escaping -------------------------------------------------------------------------------------


def test_nothing_forbidden_is_in_the_house() -> None:
    assert list(lint_house.look(ROOT)) == []


BAD_TEMPLATES = [
    "{{ x|safe }}",
    "{{ x | safe }}",
    "{% autoescape false %}",
    "{{ Markup(x) }}",
    "<p style='a'>",
    "<style>p{}</style>",
    "<script>1</script>",
    '<script nonce="{{ csp_nonce }}">1</script>',
    '<script src="/x"></script>',
    '<iframe src="/x">',
    '<object data="/x">',
    '<base href="/">',
    '<a srcdoc="x">',
    '<meta http-equiv="refresh" content="0">',
    '<a onclick="x">',
    "<img src='/x' onerror='x'>",
    "<a onclick={{ x }}>",
    '<a hx-on:click="x">',
    '<a hx-ext="x">',
    '<a hx-disabled-elt="x">',
    "<a hx-vals='js:{}'>",
    '<a href="javascript:x">',
    '<a hx-nonce:inherited="x">',
    '<a hx-trigger="click[x]">',
    '<a href="https://x">',
    '<form action="/x">',
    "<a title={{ x }}>",
]
BAD_SCRIPTS = [
    "a.innerHTML = b",
    "a.outerHTML",
    "a.insertAdjacentHTML('x', b)",
    "document.write(a)",
    "eval(a)",
    "new Function(a)",
    "setTimeout('a()', 1)",
    "location = 'javascript:a'",
    "localStorage.a = 1",
    "document.cookie",
    "window.parent.postMessage(a)",
    "fetch('https://evil.example/')",
    "img.src = '//evil.example/x'",
    "a.onclick = b",
    "a.setAttribute('onclick', b)",
    "range.createContextualFragment(a)",
]
BAD_STYLES = [
    "@import 'x.css';",
    "a { background: url(https://x/) }",
    "a { background: url('//x.example/') }",
    "a{width:expression(1)}",
]
BAD_PYTHON = [
    "Markup('<b>' + name)",
    "markupsafe.Markup(x)",
    "render_template_string(x)",
    "app.jinja_env.from_string(x)",
    "form.populate_obj(user)",
    "eval(x)",
    "exec(x)",
    "Environment(autoescape=False)",
    "httpx.get(url, verify=False)",
]


@pytest.mark.parametrize("source", BAD_TEMPLATES)
def test_each_forbidden_thing_of_a_template_is_found(source: str) -> None:
    assert lint_house.template_faults(source) != []


@pytest.mark.parametrize("source", BAD_SCRIPTS)
def test_each_forbidden_thing_of_a_script_is_found(source: str) -> None:
    assert lint_house.script_faults(source) != []


@pytest.mark.parametrize("source", BAD_STYLES)
def test_each_forbidden_thing_of_a_style_sheet_is_found(source: str) -> None:
    assert lint_house.style_faults(source) != []


@pytest.mark.parametrize("source", BAD_PYTHON)
def test_each_forbidden_call_is_found(source: str) -> None:
    assert lint_house.python_faults(source) != []


@pytest.mark.parametrize(
    ("faults", "source"),
    [
        (lint_house.template_faults, '{# |safe is forbidden #}<form method="post" action="{{ url }}?a={{ b }}">'),
        (lint_house.template_faults, '<button hx-get="/x" hx-trigger="click" hx-nonce="{{ csp_nonce }}">One</button>'),
        (
            lint_house.script_faults,
            "// never innerHTML, nor eval\na.textContent = b; a.focus(); const on = b.only === 1;",
        ),
        (lint_house.script_faults, "/* innerHTML */ a.addEventListener('click', b); setTimeout(() => a(), 1);"),
        (lint_house.style_faults, "a { scroll-behavior: auto; background: url(data:image/png;base64,x) }"),
        (lint_house.python_faults, "evaluate(x); re.compile(x); Environment(autoescape=True); verify(True)"),
    ],
)
def test_what_only_looks_alike_is_left_alone(faults: Callable[[str], list[str]], source: str) -> None:
    assert faults(source) == []


def test_every_rule_has_an_example_that_it_alone_or_with_others_finds() -> None:
    """A rule that finds none of the bad examples finds nothing at all."""
    for rules, examples, faults in (
        (lint_house.TEMPLATE_RULES, BAD_TEMPLATES, lint_house.template_faults),
        (lint_house.SCRIPT_RULES, BAD_SCRIPTS, lint_house.script_faults),
        (lint_house.STYLE_RULES, BAD_STYLES, lint_house.style_faults),
    ):
        assert {words for source in examples for words in faults(source)} == set(rules.values())


def test_a_fault_anywhere_in_a_tree_is_found_but_not_in_other_people_s_files(tmp_path: Path) -> None:
    for name, text in {
        "templates/a/b.html": "{{ x|safe }}",
        "templates/a/c.txt": "{% autoescape false %}",
        "static/x.js": "eval(1)",
        "static/vendor/y.js": "eval(1)",
        "static/z.css": "@import 'x';",
        "webapp/r/views.py": "render_template_string('x')",
        "webapp/accounts/writing.py": "Environment(autoescape=False)",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = {line.partition(":")[0] for line in lint_house.look(tmp_path)}
    assert found == {"templates/a/b.html", "templates/a/c.txt", "static/x.js", "static/z.css", "webapp/r/views.py"}


# -- bandit --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("import subprocess; subprocess.run(x, shell=True)", "B602"),
        ("import pickle; pickle.loads(x)", "B301"),
        ("import hashlib; hashlib.md5(x)", "B324"),
        ("from xml.etree import ElementTree; ElementTree.fromstring(x)", "B314"),
        ("import requests; requests.get(x, verify=False)", "B501"),
        ("import tempfile; tempfile.mktemp()", "B306"),
        ("PASSWORD = 'hunter2'", "B105"),
        ("db.execute('SELECT ' + x + ' FROM t')", "B608"),
    ],
)
def test_bandit_finds_what_is_unsafe_until_a_reason_is_given(tmp_path: Path, line: str, rule: str) -> None:
    (tmp_path / "webapp").mkdir()
    source = tmp_path / "webapp" / "x.py"
    number = rule.replace("B", "S")
    source.write_text(line + "\n")
    assert rule in " ".join(audit_code.left(tmp_path, ["webapp"]))
    source.write_text(f"{line}  # noqa: {number}\n")
    assert rule in " ".join(audit_code.left(tmp_path, ["webapp"]))  # no reason, no excuse
    source.write_text(f"{line}  # noqa: {number} - a test shows that it is found\n")
    assert rule not in " ".join(audit_code.left(tmp_path, ["webapp"]))


# -- known vulnerabilities -----------------------------------------------------------------------------------------

PINS = f"limits==5.8.0 --hash=sha256:{'0' * 64}\nidna==3.20 --hash=sha256:{'1' * 64}\n"


@contextmanager
def osv(known: dict[str, str]) -> Iterator[str]:
    """A server that knows vulnerabilities of these packages and answers as OSV does; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = asked["package"]["name"]
            vulns = [{"id": known[name], "summary": "x", "affected": [affected(name)]}] if name in known else []
            body = json.dumps({"vulns": vulns} if vulns else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    def affected(name: str) -> dict[str, Any]:
        package = {"name": name, "ecosystem": "PyPI", "purl": f"pkg:pypi/{name}"}
        events = [{"introduced": "0"}, {"fixed": "99.0"}]
        return {"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pinned packages; no proxy stands before the test's own server."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "REQUIRE_AUDIT"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "requirements.txt"
    path.write_text(PINS)
    return path


def test_a_known_vulnerability_fails_the_audit_and_is_named(pins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with osv({"limits": "PYSEC-2099-1"}) as url:
        assert audit_packages.audit(pins, url) == 1
    assert "limits 5.8.0: PYSEC-2099-1, mended in 99.0" in capsys.readouterr().out


def test_nothing_known_passes_the_audit(pins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with osv({"another": "PYSEC-2099-1"}) as url:
        assert audit_packages.audit(pins, url) == 0
    assert "2 packages audited: no known vulnerability." in capsys.readouterr().out


def test_an_accepted_vulnerability_passes(pins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_packages, "ACCEPTED", {"PYSEC-2099-1": "the desk does not call it"})
    with osv({"limits": "PYSEC-2099-1"}) as url:
        assert audit_packages.audit(pins, url) == 0


def test_without_a_network_the_audit_reports_and_fails_only_when_it_must(
    pins: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = "http://127.0.0.1:9/v1/query"
    assert audit_packages.audit(pins, nobody) == 0
    assert "Packages were not audited, for OSV could not be asked" in capsys.readouterr().out
    monkeypatch.setenv("REQUIRE_AUDIT", "1")
    assert audit_packages.audit(pins, nobody) == 1


def test_what_is_audited_is_what_is_installed() -> None:
    """Fails if a package that serves is not among those that are looked at."""

    def pinned(name: str) -> set[str]:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        return {
            line.partition("==")[0].partition("[")[0] for line in lines if "==" in line and not line.startswith(" ")
        }

    assert pinned("requirements.txt") <= pinned(audit_packages.PINNED)


def test_make_check_runs_all_of_it() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    _, _, check = makefile.partition("\ncheck:")
    for script in ("lint_house", "audit_code", "audit_packages"):
        assert f"scripts/{script}.py" in check.partition("\n\n")[0]
