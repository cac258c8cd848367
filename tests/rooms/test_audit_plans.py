"""A long log makes neither the sweeper nor the auditors slow: the plans at two hundred thousand entries.

The real code runs as the serving role, under row-level security; each statement it sends is caught and explained by the
server with the values it was sent with, and with how many pages it touched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text

from tests.bench.audit_log import ASHA, RARE, load
from tests.services import Servers
from tests.web.client import NOW
from webapp import embedded
from webapp.audit import reading, sealing
from webapp.audit.queries import log as queries
from webapp.audit.queries.log import LogFilter, Place
from webapp.audit.queries.seals import chain_head, end_of_stretch, links
from webapp.core.actor import SYSTEM, Actor, ActorKind, Role
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db import work as work_module
from webapp.db.tenancy import acting_as
from webapp.db.work import Database, connect

ENTRIES = 200_000
PAGES = 2500
"""Pages of 8 kB a question may touch; all entries with their indexes are some twelve thousand."""
SWEEP_PAGES = 2000
"""Pages a sweep may touch: four for each entry of the hour it looks at, of which there are some 360 here."""
LARGE = frozenset({"audit_entries", "audit_seals"})
AUDITOR = Actor(ActorKind.USER, UUID(int=1), "Auditor", Role.AUDITOR, COMPANY_ID)

SEALS = """
INSERT INTO audit_seals (position, operator_id, entry_id, hash, sealed_at)
SELECT row_number() OVER (ORDER BY id), operator_id, id, sha256(id::text::bytea), at FROM audit_entries
"""
Ask = Callable[[Database], object]


@dataclass(frozen=True, slots=True)
class LongLog:
    """The database as the serving role has it, and a superuser's way in."""

    database: Database
    engine: Engine
    owner: Engine


@pytest.fixture(scope="module")
def long_log(servers: Servers, worker_number: int) -> Iterator[LongLog]:
    """Two hundred thousand sealed entries."""
    name = f"zonedesk_long_log_{os.getpid()}_{worker_number}"
    owner = make_url(servers.owner_url).username or ""
    embedded.create_database(servers.admin_url, name, owner=owner, template=servers.template)
    mine = servers.on_database(name)
    admin, engine = create_engine(mine.admin_url), connect(mine.database_url, pool_size=2)
    before = work_module.database() if work_module._database else None
    try:
        with admin.connect() as connection:
            load(connection, ENTRIES, at=NOW)
            connection.execute(text(SEALS))
            connection.commit()
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                text("VACUUM (ANALYZE) audit_entries, audit_seals")
            )
        database = Database(engine, lambda job, ids: None)
        work_module.bind(database)
        yield LongLog(database, engine, admin)
    finally:
        work_module.bind(before)
        engine.dispose()
        admin.dispose()
        embedded.drop_database(servers.admin_url, name)


@contextmanager
def caught(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Every question the block asks, with its values."""
    sent: list[tuple[str, Any]] = []

    def catch(_c: Connection, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        asks = statement.lstrip().startswith(("SELECT", "WITH")) or "WHERE NOT EXISTS" in statement
        if asks and "set_config" not in statement and "advisory" not in statement:
            sent.append((statement, values))

    event.listen(engine, "before_cursor_execute", catch)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", catch)


def costs(log: LongLog, ask: Ask) -> tuple[int, list[str], int]:
    """How many statements a question took, the large tables read whole, and the most pages one of them touched."""
    with acting_as(SYSTEM), caught(log.engine) as sent:
        ask(log.database)
    whole, most = [], 0
    with acting_as(SYSTEM), log.database.unit_of_work() as work:
        connection = work.db.connection()
        for statement, values in sent:
            asked = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement
            (plan,) = connection.exec_driver_sql(asked, values).scalar_one()
            whole += [f"{table}: {statement[:200]}" for table in _read_whole(plan["Plan"])]
            most = max(most, plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
        work.db.rollback()
    return len(sent), whole, most


def _read_whole(node: dict[str, Any]) -> list[str]:
    found = [table for plan in node.get("Plans", []) for table in _read_whole(plan)]
    if node["Node Type"].endswith("Seq Scan") and node["Relation Name"] in LARGE:
        found.append(node["Relation Name"])
    return found


def write(log: LongLog, entries: int) -> None:
    """Entries of this moment, which wait for their seals."""
    with log.owner.connect() as connection:
        for _ in range(entries):
            connection.execute(
                text(
                    "INSERT INTO audit_entries (id, at, operator_id, actor_kind, actor_name, what, subject_kind,"
                    " subject_id, source) VALUES (:id, :at, :company, 'system', 'system', 'test.written', 'test', :id,"
                    " 'job')"
                ),
                {"id": new_id(), "at": NOW, "company": COMPANY_ID},
            )
        connection.commit()


def seals_what_is_new(database: Database) -> object:
    return sealing.seal_new(database, now=NOW)


def looks(**wanted: Any) -> Ask:
    """One page of the log."""

    def ask(database: Database) -> object:
        with database.read_only() as db:
            found = queries.logged(db, LogFilter(**wanted), visible_to=AUDITOR, limit=26)
            assert len(found) == 26
            return queries.logged(db, LogFilter(**wanted), visible_to=AUDITOR, limit=26, behind=found[-1].place)

    return ask


def asks_for_one_thing(database: Database) -> object:
    with database.read_only() as db:
        found = queries.logged(db, LogFilter(subject_id=UUID(int=77)), visible_to=AUDITOR, limit=26)
        assert found
        return found


def goes_deep_down(database: Database) -> object:
    with database.read_only() as db:
        place = Place(NOW - timedelta(days=10), UUID(int=0))
        return queries.logged(db, LogFilter(), visible_to=AUDITOR, limit=26, behind=place)


def lists_what_ever_happened(database: Database) -> object:
    with database.read_only() as db:
        whats, kinds = queries.known_words(db)
        assert {"booking.placed", "session.completed"} <= set(whats)
        assert {"booking", "assignment", "session"} <= set(kinds)
        return whats


def reads_a_chunk_of_the_chain(database: Database) -> object:
    with database.read_only() as db:
        assert chain_head(db).position >= ENTRIES
        return links(db, after=ENTRIES // 2, limit=200)


def looks_for_the_end_of_a_stretch(database: Database) -> object:
    with database.read_only() as db:
        return end_of_stretch(db, after=UUID(int=0), length=2000)


def leaves_a_trace(_database: Database) -> object:
    reading.household_read(UUID(int=77), COMPANY_ID, by=AUDITOR, on="households.show")
    return None


DAY = {"since": NOW - timedelta(days=5), "until": NOW - timedelta(days=4)}
QUESTIONS: dict[str, Ask] = {
    "everything": looks(),
    "one person": looks(people=frozenset({ASHA})),
    "a person who did little": looks(people=frozenset({RARE})),
    "the desk itself": looks(system=True),
    "what happened": looks(what=frozenset({"booking.placed", "booking.edited"})),
    "a kind of thing": looks(kind="assignment"),
    "a day": looks(**DAY),
    "an operator": looks(operator_id=RARE),
    "a person on a day": looks(people=frozenset({ASHA}), **DAY),
    "an operator's sessions": looks(operator_id=COMPANY_ID, kind="session"),
    "one thing": asks_for_one_thing,
    "deep down": goes_deep_down,
    "what ever happened": lists_what_ever_happened,
    "a chunk of the chain": reads_a_chunk_of_the_chain,
    "the end of a stretch": looks_for_the_end_of_a_stretch,
    "a trace of reading": leaves_a_trace,
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_of_the_log_reads_it_whole(long_log: LongLog, question: str) -> None:
    statements, whole, most = costs(long_log, QUESTIONS[question])
    assert statements
    assert not whole
    assert most < PAGES


def test_sealing_touches_what_is_new_and_nothing_else(long_log: LongLog) -> None:
    write(long_log, 20)
    statements, whole, most = costs(long_log, seals_what_is_new)
    assert statements == 3
    assert not whole
    assert most < SWEEP_PAGES
    with acting_as(SYSTEM), long_log.database.read_only() as db:
        assert chain_head(db).position >= ENTRIES + 20
    statements, whole, most = costs(long_log, seals_what_is_new)
    assert (statements, whole) == (3, []), "and nothing new costs as little"
    assert most < SWEEP_PAGES


def test_without_the_seals_index_sealing_is_found_out(long_log: LongLog) -> None:
    with long_log.owner.connect() as connection:
        connection.execute(text("DROP INDEX uq_audit_seals_entry_id"))
        connection.commit()
        _statements, whole, most = costs(long_log, seals_what_is_new)
        connection.execute(text("CREATE UNIQUE INDEX uq_audit_seals_entry_id ON audit_seals (entry_id)"))
        connection.commit()
    assert whole or most > SWEEP_PAGES
