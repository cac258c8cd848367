"""``flask keys …``: made once, rotated, withdrawn and listed, and never a word of a private key."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tests.jobs.builders import rows
from tests.make import Make
from webapp.db.work import Database

Keys = Callable[..., tuple[int, str]]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CERTIFICATE_KEYS", str(tmp_path / "keys"))
    return tmp_path / "keys"


@pytest.fixture
def keys(app: Flask, db: Database, path: Path) -> Keys:
    """Runs a command; its exit code and what it said."""

    def run(*arguments: str) -> tuple[int, str]:
        done = app.test_cli_runner().invoke(args=["keys", *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        for file in path.glob("*.pem") if path.exists() else ():
            assert file.read_text().splitlines()[1] not in done.output
        return done.exit_code, done.output

    return run


def test_keys_are_made_once_and_it_is_said_that_they_are_self_made(keys: Keys, make: Make, path: Path) -> None:
    make.franchise("Coastal Tutors")
    code, said = keys("make")
    assert code == 0
    assert said.startswith("3 keys made")
    assert "made by the desk itself" in said
    assert len(list(path.iterdir())) == 3
    assert keys("make") == (0, "Nothing is missing; no key was made.\n")
    make.franchise("Hill Tutors")
    assert keys("make")[1].startswith("1 keys made")


def test_a_list_tells_which_is_in_use_and_whether_its_private_half_is_here(keys: Keys, make: Make, path: Path) -> None:
    make.franchise("Coastal Tutors")
    keys("make")
    assert keys("rotate", "pdf", "--operator", "Coastal Tutors")[0] == 0
    assert keys("rotate", "credentials")[0] == 0
    next(path.glob("ed25519-*")).unlink()
    code, said = keys("list")
    assert code == 0
    lines = [re.split(r" {2,}", line.strip()) for line in said.splitlines()[1:-1]]
    assert sorted((line[1], line[3]) for line in lines) == [
        ("PDFs of Coastal Tutors", "in use"),
        ("PDFs of Coastal Tutors", "retired"),
        ("PDFs of The company", "in use"),
        ("credentials", "in use"),
        ("credentials", "retired"),
    ]
    assert sorted(line[4] for line in lines if line[1] == "credentials") == ["no", "yes"]


def test_what_makes_no_sense_is_refused_in_one_sentence(keys: Keys, path: Path) -> None:
    keys("make")
    for arguments, sentence in (
        (("rotate", "credentials", "--operator", "X"), "Credentials are the company's"),
        (("rotate", "pdf", "--operator", "Nobody"), "Nobody"),
        (("rotate", "rsa"), "Invalid value"),
        (("withdraw", "x"), "not a valid UUID"),
        (("withdraw", "0199aaaa-0000-7000-8000-000000000001"), "There is no such key."),
    ):
        code, said = keys(*arguments)
        assert code != 0, arguments
        assert sentence in said
    path.chmod(0o755)
    code, said = keys("rotate", "credentials")
    assert (code, "chmod 700" in said) == (1, True)


def test_a_withdrawn_key_is_followed_by_another(keys: Keys, db: Database) -> None:
    keys("make")
    ((key_id,),) = rows(db, "SELECT id FROM issuer_keys WHERE kind = 'ed25519'")
    assert keys("withdraw", str(key_id))[0] == 0
    assert keys("withdraw", str(key_id))[0] == 1
    assert keys("make")[1].startswith("1 keys made")
    states = "SELECT count(*) FILTER (WHERE withdrawn_at IS NOT NULL), count(*) FROM issuer_keys WHERE kind = 'ed25519'"
    assert rows(db, states) == [(1, 2)]


def test_a_refused_rotation_changes_nothing(keys: Keys, db: Database, path: Path) -> None:
    keys("make")
    before = rows(db, "SELECT * FROM issuer_keys ORDER BY id")
    path.chmod(0o750)
    assert keys("rotate", "pdf")[0] == 1
    assert rows(db, "SELECT * FROM issuer_keys ORDER BY id") == before
