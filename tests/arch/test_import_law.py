"""The import law holds, and a breach of each of its articles would be found."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.services import ROOT

BREACHES = {
    "A room imports only rooms below it": ("zones/queries.py", "import webapp.bookings.queries"),
    "Inside a room: faces, forms, service, queries, models, rules": ("zones/models.py", "import webapp.zones.queries"),
    "The domain knows no web, queue or network": ("trainers/service.py", "import redis"),
    "Rules are pure": ("bookings/rules.py", "import sqlalchemy"),
    "Faces never touch tables": ("operators/views.py", "import webapp.operators.models"),
    "HTML faces share nothing sideways": ("households/views.py", "import webapp.courses.views"),
}
"""For each article of the law a module and a line that breaks it."""


def judged(folder: Path) -> str:
    """What import-linter says of the tree in a folder."""
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert (done.returncode == 0) == (" 0 broken." in done.stdout), done.stdout + done.stderr
    return done.stdout


def articles() -> list[str]:
    """The names of the contracts."""
    law = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return [contract["name"] for contract in law["contracts"]]


def test_the_law_holds() -> None:
    verdict = judged(ROOT)
    assert "BROKEN" not in verdict, verdict
    for name in articles():
        assert f"{name} KEPT" in verdict


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A tree like ours that a test may spoil."""
    ignored = shutil.ignore_patterns("__pycache__", "*.ttf", "*.csv")
    shutil.copytree(ROOT / "webapp", tmp_path / "webapp", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_a_breach_of_every_article_is_found(copy: Path) -> None:
    assert set(BREACHES) == set(articles())
    for module, line in BREACHES.values():
        with (copy / "webapp" / module).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}  # planted\n")
    verdict = judged(copy)
    for name in articles():
        assert f"{name} BROKEN" in verdict


def test_a_package_that_the_law_does_not_know_is_found(copy: Path) -> None:
    (copy / "webapp" / "annexe").mkdir()
    (copy / "webapp" / "annexe" / "__init__.py").write_text('"""Nobody said where it stands."""\n', encoding="utf-8")
    assert "A room imports only rooms below it BROKEN" in judged(copy)
