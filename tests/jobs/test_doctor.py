"""The doctor: one table, and exit code 1 when the desk cannot do its work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, make_url, pool, text
from sqlalchemy.orm import Session

from tests.jobs.conftest import OwnDesk
from tests.services import Servers
from tests.web.client import NOW
from webapp.accounts.letters import promise_letter
from webapp.accounts.rules import LetterKind
from webapp.config import Environment
from webapp.core import clock
from webapp.db import work
from webapp.db.work import Database, connect
from webapp.ops import queries, service
from webapp.queue.worker import make_worker

Doctor = Callable[..., tuple[int, dict[str, str]]]


@pytest.fixture
def doctor(app: Flask, desk: OwnDesk) -> Iterator[Doctor]:
    """Asks the doctor about the desk, with settings changed; the exit code, and each check's line."""
    before = app.extensions["settings"]

    def ask(**changed: object) -> tuple[int, dict[str, str]]:
        app.extensions["settings"] = desk.settings.model_copy(update=changed)
        done = app.test_cli_runner().invoke(args=["doctor"])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        cells = [line.split("  ", 1) for line in done.output.splitlines()]
        return done.exit_code, {cell[0]: cell[1].strip() for cell in cells if len(cell) == 2}

    yield ask
    app.extensions["settings"] = before


def test_a_desk_that_works_is_well(doctor: Doctor, desk: OwnDesk) -> None:
    with desk.database.unit_of_work() as unit:
        service.take_lead(unit, service.SWEEPER, "a sweeper")
    worker: Any = make_worker(desk.settings.redis_url)
    worker.register_birth()
    clock.freeze(None)
    code, told = doctor()
    assert code == 0, told
    assert not [check for check, line in told.items() if line.startswith("FAILED")]
    assert {
        "settings",
        "database",
        "migrations",
        "role",
        "redis",
        "worker",
        "sweeper",
        "clocks",
        "certificate keys",
        "certificate store",
    } <= {*told}
    worker.register_death()


def test_what_does_not_run_is_named(doctor: Doctor) -> None:
    code, told = doctor()
    assert code == 1
    assert told["worker"] == "FAILED  nobody answers the doorbell: start python worker.py"
    assert told["sweeper"] == "FAILED  no sweeper leads: start python worker.py sweep"
    assert told["database"].startswith("ok")


def test_clocks_that_disagree_are_named(doctor: Doctor) -> None:
    assert doctor()[1]["clocks"].startswith("FAILED  this machine and the database are")
    assert "clocks" not in doctor(zonedesk_now=NOW)[1]


def test_a_redis_that_is_away_leaves_the_worker_unknown(doctor: Doctor) -> None:
    code, told = doctor(redis_url="redis://127.0.0.1:1/0")
    assert code == 1
    assert told["redis"].startswith("FAILED")
    assert told["worker"] == "FAILED  it cannot be told"


def test_a_database_that_is_away_is_one_line(doctor: Doctor, desk: OwnDesk) -> None:
    work.bind(Database(connect("postgresql+psycopg://nobody@127.0.0.1:1/nothing"), lambda job, ids: None))
    code, told = doctor()
    work.bind(desk.database)
    assert code == 1
    assert told["database"].startswith("FAILED  connection failed")
    assert "migrations" not in told


def test_a_database_without_tables_is_not_at_head(
    doctor: Doctor, desk: OwnDesk, new_database: Callable[[], Servers]
) -> None:
    engine = connect(new_database().database_url)
    work.bind(Database(engine, lambda job, ids: None))
    code, told = doctor()
    work.bind(desk.database)
    engine.dispose()
    assert code == 1
    assert told["migrations"].startswith("FAILED  at nothing, not 0")


def test_a_role_that_may_rewrite_the_audit_is_named(doctor: Doctor, desk: OwnDesk, servers: Servers) -> None:
    name = make_url(desk.settings.database_url).database or ""
    engine = create_engine(servers.on_database(name).owner_url, poolclass=pool.NullPool)
    with engine.begin() as connection:
        connection.execute(text("GRANT DELETE ON audit_entries TO zonedesk_app"))
    assert "may rewrite the audit: True" in doctor()[1]["role"]


def test_files_that_cannot_be_kept_are_named(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    code, told = doctor(certificate_store=(tmp_path / "file" / "certificates").as_uri())
    assert code == 1
    assert told["certificate store"].startswith("FAILED")
    assert doctor(certificate_store="ftp://somewhere")[1]["certificate store"].startswith("FAILED")


def test_letters_that_wait_or_were_given_up_are_named(doctor: Doctor, desk: OwnDesk) -> None:
    person = desk.make.manager()
    clock.freeze(NOW)
    told = doctor()[1]
    assert told["mail"].startswith("note ")
    assert told["letters"].split() == ["ok", "none", "waits", "for", "long"]
    assert told["letters given up"].startswith("ok ")
    for _ in range(2):
        with desk.database.unit_of_work() as unit:
            promise_letter(
                unit,
                LetterKind.PASSWORD_CHANGED,
                operator_id=person.operator_id,
                email=person.email,
                locale="en",
                user_id=person.id,
                now=NOW,
            )
    assert doctor()[1]["letters"].startswith("ok"), "they may still be on their way"
    with desk.database.unit_of_work() as unit:
        unit.db.execute(
            text("UPDATE letters SET state = 'failed' WHERE id = (SELECT id FROM letters ORDER BY id LIMIT 1)")
        )
    clock.freeze(NOW + timedelta(minutes=6))
    code, told = doctor(mail_url="smtp://desk:secret@mail.example")
    assert code == 1
    assert told["letters"].startswith("FAILED  1 wait")
    assert told["letters given up"].split()[:2] == ["note", "1"]
    assert "mail" not in told
    assert "secret" not in str(told)


def test_production_needs_an_address_that_families_can_open(doctor: Doctor) -> None:
    code, told = doctor(environment=Environment.PRODUCTION)
    assert code == 1
    assert told["public address"].startswith("FAILED")
    assert told["reverse proxy"].startswith("note")
    told = doctor(environment=Environment.PRODUCTION, public_url="https://desk.example", trusted_proxies=1)[1]
    assert told["public address"].startswith("ok")
    assert told["reverse proxy"].startswith("ok")


def test_production_is_told_of_a_key_that_still_counts_and_of_ways_nobody_checked(doctor: Doctor) -> None:
    told = doctor(environment=Environment.PRODUCTION)[1]
    assert told["keys"].startswith("ok")
    assert told["ways to the servers"].startswith("ok")
    told = doctor(environment=Environment.PRODUCTION, secret_key_previous="x" * 40, allow_plaintext_servers=True)[1]
    assert told["keys"].startswith("note")
    assert told["ways to the servers"].startswith("note")


def test_a_role_whom_policies_do_not_bind_is_told_from_one_they_do(desk: OwnDesk, servers: Servers) -> None:
    """The doctor fails such a role. Making one here would take the policies from every test beside this one."""
    name = make_url(desk.settings.database_url).database or ""
    engine = create_engine(servers.on_database(name).admin_url, poolclass=pool.NullPool)
    with Session(engine) as db:
        assert queries.database_facts(db).unbound
    with desk.database.read_only() as db:
        assert not queries.database_facts(db).unbound
