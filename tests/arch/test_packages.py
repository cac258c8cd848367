"""Every package is pinned to one release by its hash, and the tools that keep code honest stay switched on."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")


def faults(pinned: str) -> list[str]:
    """What a list of pins says that it must not."""
    found = []
    for block in re.split(r"\n(?=\S)", pinned.replace("\\\n", " ")):
        line = " ".join(word for word in block.split() if not word.startswith("#"))
        if not line or block.lstrip().startswith("#"):
            continue
        name = line.split()[0]
        if line.startswith("-") or re.search(r"(?:https?|git\+\w+|file)://", line):
            found.append(f"{name} comes from somewhere of its own")
        elif not re.match(r"[A-Za-z0-9._-]+(?:\[[\w,-]+\])?==[\w.!+]+", line):
            found.append(f"{name} is not one release")
        elif "--hash=sha256:" not in line:
            found.append(f"{name} has no hash")
    return found


@pytest.mark.parametrize("path", PINS, ids=lambda path: path.name)
def test_every_package_is_pinned_with_hashes(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("==") > 40
    assert faults(text) == []


def test_both_lists_pin_the_same_releases() -> None:
    served, developed = (
        dict(re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==(\S+)", path.read_text("utf-8"), flags=re.MULTILINE))
        for path in PINS
    )
    assert {name: developed.get(name) for name in served} == served


@pytest.mark.parametrize(
    "pinned",
    [
        "flask>=3.1 --hash=sha256:aa",
        "flask==3.1.3",
        "flask @ https://example.org/flask.whl --hash=sha256:aa",
        "--index-url https://example.org/simple\nflask==3.1.3 --hash=sha256:aa",
        "git+https://example.org/flask",
    ],
)
def test_a_loose_pin_is_found(pinned: str) -> None:
    assert faults(pinned) != []


def test_every_npm_package_of_a_test_is_pinned_with_its_hash_and_no_address() -> None:
    folder = ROOT / "tests" / "oracles" / "credentials"
    lock = json.loads((folder / "package-lock.json").read_text("utf-8"))
    wanted = json.loads((folder / "package.json").read_text("utf-8"))["dependencies"]
    packages = {name: about for name, about in lock["packages"].items() if name}
    assert lock["packages"][""]["dependencies"] == wanted
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    for name, about in packages.items():
        assert about["integrity"].startswith("sha512-"), name
        assert "resolved" not in about, name
        assert not about.get("hasInstallScript"), name
    assert "omit-lockfile-registry-resolved=true" in (folder / ".npmrc").read_text("utf-8")


def test_types_are_checked_strictly_and_scripts_compare_strictly() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    assert settings["mypy"]["strict"] is True
    assert {"S", "B", "DTZ"} <= set(settings["ruff"]["lint"]["select"])
    for path in sorted((ROOT / "static").glob("*.js")):
        source = path.read_text("utf-8")
        assert '"use strict"' in source, path.name
        assert not re.search(r"[^=!<>]==[^=]|!=[^=]", source), path.name
