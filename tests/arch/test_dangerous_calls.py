"""What the code never does: run text as code, command or SQL, unpack what strangers packed, draw secrets by lot.

Read from the source with ``ast``, so that a call counts however its name was imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [*sorted((ROOT / "webapp").rglob("*.py")), ROOT / "worker.py"]
SCRIPTS = sorted((ROOT / "static").glob("*.js"))

CALLS = {
    "eval": "runs text as code",
    "exec": "runs text as code",
    "compile": "runs text as code",
    "os.system": "runs text as a command",
    "os.popen": "runs text as a command",
    "subprocess.getoutput": "runs text as a command",
    "subprocess.getstatusoutput": "runs text as a command",
    "flask.render_template_string": "makes a template of text",
    "jinja2.Template": "makes a template of text",
    "markupsafe.Markup": "makes markup of text",
    "flask.Markup": "makes markup of text",
    "hashlib.md5": "a broken hash",
    "hashlib.new": "a hash by name",
    "tempfile.mktemp": "a file name that can be guessed",
    "ssl._create_unverified_context": "trusts every certificate",
    "uuid.uuid1": "an id that tells the machine",
}
MODULES = {
    "pickle": "unpacks what strangers packed",
    "marshal": "unpacks what strangers packed",
    "shelve": "unpacks what strangers packed",
    "dill": "unpacks what strangers packed",
    "yaml": "unpacks what strangers packed",
    "xml": "reads XML, entities and all",
    "lxml": "reads XML, entities and all",
    "ldap": "asks a directory",
    "ldap3": "asks a directory",
    "telnetlib": "speaks in clear text",
    "ftplib": "speaks in clear text",
}
LOTS = ("webapp/demo/", "webapp/db/work.py")
"""Where ``random`` may be used: made-up people, and the wait between two tries of a transaction."""
COMMANDS = ("webapp/embedded/", "webapp/run.py")
"""Where programs are started: the desk's own servers and processes, by a list of arguments."""
ASSEMBLED = {"webapp/assignments/queries/roster.py": "_statement"}
"""Where a function of the module puts SQL together, for the module's own constants alone."""
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
IN_A_SCRIPT = {
    r"\beval\s*\(|new\s+Function\b": "runs text as code",
    r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write)\b": "makes markup of text",
    r"addEventListener\(\s*[\"']message[\"']|\bonmessage\b": "takes messages from other windows",
    r"\b(?:localStorage|sessionStorage|indexedDB)\b|document\.cookie": "keeps something in the browser",
    r"\bnew\s+WebSocket\b|\bEventSource\b": "opens a channel of its own",
    r"__proto__|\bconstructor\s*\[|Object\.setPrototypeOf": "reaches for a prototype",
    r"\bfor\s*\([^)]*\bin\s+JSON\b|\bObject\.assign\(\s*(?!\{\})": "merges what came from outside into an object",
}


def faults(source: str, where: str) -> list[str]:
    """What a module's source does that it must not."""
    tree = ast.parse(source)
    names = dict(_imported(tree))
    maker = ASSEMBLED.get(where)
    apart = {id(node) for one in tree.body if getattr(one, "name", "") == maker for node in ast.walk(one)}
    made_once = {id(one.value) for one in tree.body if isinstance(one, ast.Assign)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and maker and _dotted(node.func, {}) == maker and id(node) not in made_once:
            found.append(f"{where}:{node.lineno} {maker}: SQL made while the desk runs")
        if id(node) in apart:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += [fault for module in _modules(node) if (fault := _of_import(module, where))]
        elif isinstance(node, ast.Call):
            found += _of_call(node, names, where)
    return found


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What each name of a module stands for, as a dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name.split(".")[0], alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]


def _of_import(module: str, where: str) -> str | None:
    top = module.split(".")[0]
    if top in MODULES:
        return f"{where} imports {module}: {MODULES[top]}"
    if top == "random" and not where.startswith(LOTS):
        return f"{where} imports random: chance that can be computed"
    if top == "subprocess" and not where.startswith(COMMANDS):
        return f"{where} imports subprocess: starts programs"
    return None


def _of_call(node: ast.Call, names: dict[str, str], where: str) -> list[str]:
    called = _dotted(node.func, names)
    found = [f"{where}:{node.lineno} {called}: {CALLS[called]}"] if called in CALLS else []
    for keyword in node.keywords:
        value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        if keyword.arg == "shell" and value is not False:
            found.append(f"{where}:{node.lineno} shell: runs text as a command")
        if keyword.arg == "verify" and value is False:
            found.append(f"{where}:{node.lineno} verify=False: trusts every certificate")
    if called == "hashlib.sha1" and not any(word.arg == "usedforsecurity" for word in node.keywords):
        found.append(f"{where}:{node.lineno} hashlib.sha1: a broken hash")
    if called.endswith(".from_string"):
        found.append(f"{where}:{node.lineno} {called}: makes a template of text")
    is_sql = called in ("sqlalchemy.text", "sqlalchemy.sql.text", "sqlalchemy.literal_column")
    runs = isinstance(node.func, ast.Attribute) and node.func.attr in ("execute", "scalar", "scalars")
    if (is_sql or runs) and node.args and not _constant(node.args[0], written=is_sql):
        found.append(f"{where}:{node.lineno} SQL made of text")
    return found


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, names)}.{node.attr}"
    return ""


def _constant(node: ast.expr, *, written: bool) -> bool:
    """Whether SQL is a literal, or put together of literals and constants; ``written``: nothing else will do.

    Where something runs that was made elsewhere, only texts put together on the spot count.
    """
    match node:
        case ast.Constant():
            return True
        case ast.Name():
            return not written or bool(_CONSTANT.fullmatch(node.id))
        case ast.JoinedStr():
            return all(_constant(part, written=True) for part in node.values)
        case ast.FormattedValue():
            return _constant(node.value, written=True)
        case ast.BinOp(op=ast.Add() | ast.Mod()):
            return _constant(node.left, written=True) and _constant(node.right, written=True)
        case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="format")):
            return False
        case _:
            return not written


def script_faults(source: str) -> list[str]:
    """What a script does that it must not; its comments do not count."""
    code = re.sub(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", "", source, flags=re.DOTALL)
    return [words for pattern, words in IN_A_SCRIPT.items() if re.search(pattern, code)]


def test_no_module_does_what_is_dangerous() -> None:
    assert len(SOURCES) > 100
    found = [fault for path in SOURCES for fault in faults(path.read_text("utf-8"), path.relative_to(ROOT).as_posix())]
    assert found == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_does_what_is_dangerous(path: Path) -> None:
    assert script_faults(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "eval(x)",
        "import os\nos.system(x)",
        "from os import popen as p\np(x)",
        "import subprocess",
        "from subprocess import run\nrun(x, shell=True)",
        "import pickle",
        "from xml.etree import ElementTree",
        "import yaml",
        "from flask import render_template_string as r\nr(x)",
        "from markupsafe import Markup\nMarkup(x)",
        "import hashlib\nhashlib.md5(x)",
        "from hashlib import sha1\nsha1(x)",
        "from random import choice",
        "http.get(url, verify=False)",
        "from sqlalchemy import text\ntext(f'SELECT {name}')",
        "from sqlalchemy import text as t\nt('SELECT ' + name)",
        "from sqlalchemy import text\ntext(name)",
        "db.execute(f'SELECT {name}')",
        "db.execute('SELECT %s' % name)",
        "db.execute('SELECT {}'.format(name))",
    ],
)
def test_each_dangerous_thing_is_found(source: str) -> None:
    assert faults(source, "webapp/somewhere.py") != []


def test_sql_put_together_while_the_desk_runs_is_found_where_a_module_may_put_it_together() -> None:
    where, maker = next(iter(ASSEMBLED.items()))
    made = f"from sqlalchemy import text\ndef {maker}(where):\n    return text('SELECT ' + where)\n"
    assert faults(f"{made}_ALL = {maker}('true')", where) == []
    assert faults(f"{made}def ask(name):\n    return {maker}(name)", where) != []


@pytest.mark.parametrize(
    "source",
    [
        "from sqlalchemy import text\ntext(f'SELECT {_COLUMNS} FROM users WHERE id = :id')",
        "db.execute(select(User).where(User.name == name))",
        "db.execute(_QUESTION, {'id': id_})",
        "import hashlib\nhashlib.sha256(x)",
        "import re\nre.compile(x)",
    ],
)
def test_what_is_sound_is_left_alone(source: str) -> None:
    assert faults(source, "webapp/somewhere.py") == []


@pytest.mark.parametrize(
    "source",
    [
        "eval(x)",
        "box.innerHTML = text",
        'addEventListener("message", f)',
        "localStorage.setItem('a', b)",
        "new WebSocket(url)",
        "a.__proto__ = b",
    ],
)
def test_each_dangerous_thing_in_a_script_is_found(source: str) -> None:
    assert script_faults(source) != []
