"""``flask --app webapp audit verify``."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from tests.make import Make
from tests.web.client import NOW
from webapp.audit import sealing
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.work import Database

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask, db: Database) -> Run:
    """Runs a command and hands out how it ended."""

    def invoke(*args: str) -> Result:
        done = app.test_cli_runner().invoke(args=["audit", "verify", *args])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        return done

    return invoke


def test_a_whole_chain_is_told_with_its_head(run: Run, make: Make, db: Database) -> None:
    make.household()
    sealed = sealing.seal_new(db, now=NOW)
    assert sealed is not None
    make.household()
    done = run()
    assert done.exit_code == 0
    assert f"Whole: {sealed.entries} entries are as they were sealed, 1 wait for their seal." in done.output
    assert f"Head: {sealed.name}" in done.output
    assert run("--head", sealed.name).exit_code == 0
    assert run("--head", sealed.head.hex()).exit_code == 0


def test_a_broken_chain_ends_with_one_and_names_the_place(run: Run, make: Make, db: Database) -> None:
    make.household()
    sealed = sealing.seal_new(db, now=NOW)
    assert sealed is not None
    gone = new_id()
    with db.unit_of_work() as work:
        work.db.execute(
            text("INSERT INTO audit_seals VALUES (:position, :company, :gone, sha256(''), now())"),
            {"position": sealed.position + 1, "company": COMPANY_ID, "gone": gone},
        )
    done = run()
    assert done.exit_code == 1
    assert f"Broken at position {sealed.position + 1}: the entry is gone" in done.output
    assert f"Entry {gone}." in done.output


def test_a_head_that_the_chain_does_not_hold_ends_with_one(run: Run, make: Make, db: Database) -> None:
    make.household()
    sealing.seal_new(db, now=NOW)
    cut = run("--head", f"99:{'ab' * 32}")
    assert cut.exit_code == 1
    assert "its end was cut off" in cut.output
    unreadable = run("--head", "abc")
    assert unreadable.exit_code == 1
    assert "64 hexadecimal digits" in unreadable.output
