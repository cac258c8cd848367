"""The chain of seals: what is sealed, when, and that every kind of breakage is named at exactly its place."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, make_url, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from structlog.testing import capture_logs

from tests.services import Servers
from tests.web.client import NOW
from webapp import embedded
from webapp.audit import jobs, sealing
from webapp.audit import service as audit
from webapp.audit.canonical import COLUMNS, GENESIS, canonical, seal, stored_entry
from webapp.audit.models import AuditEntry
from webapp.audit.queries import seals
from webapp.audit.rules import Broken, Fault, NotedHead
from webapp.audit.verifying import Verdict, verify
from webapp.config import Settings
from webapp.core.actor import SYSTEM, Actor, ActorKind, Role
from webapp.core.ids import COMPANY_ID, first_id_of, milliseconds_of, new_id
from webapp.db.base import sqlstate_of
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_as
from webapp.db.work import APP_ROLE, Database, connect

ADMIN = Actor(ActorKind.USER, UUID(int=7), "Asha Rao", Role.ADMIN, COMPANY_ID)
_numbers = count()


@dataclass(frozen=True, slots=True)
class Log:
    """An audit log of its own: written and sealed as the desk does it, spoilt as only its owner could."""

    database: Database
    owner: Connection
    servers: Servers

    def write(self, entries: int = 1, *, what: str = "booking.placed", **more: Any) -> list[UUID]:
        """Write entries one after the other."""
        written = []
        for number in range(entries):
            after = more.get("after", {"number": number, "of": {"km": 1.5}})
            made = audit.entry(
                what, "booking", new_id(), operator_id=COMPANY_ID, by=ADMIN, before={"status": "held"}, after=after
            )
            made.id = more.get("id", made.id)
            with self.database.unit_of_work() as work:
                work.db.add(made)
            written.append(made.id)
        return written

    def seal(self) -> sealing.Sealed | None:
        """One run of the sweeper."""
        return sealing.seal_new(self.database, now=NOW)

    def sealed(self, entries: int = 5) -> list[UUID]:
        """A chain of so many entries."""
        written = self.write(entries)
        self.seal()
        return written

    def verify(self, **asked: Any) -> Verdict:
        """Compute the chain again."""
        with self.database.read_only() as db:
            return verify(db, **asked)

    def spoil(self, statement: str, **values: Any) -> None:
        """Do to the rows what nobody may do."""
        changed = self.owner.execute(text(statement), values)
        assert changed.rowcount > 0, "nothing was spoilt"
        self.owner.commit()

    @contextmanager
    def spoilt(self, statement: str, **values: Any) -> Iterator[None]:
        """Do it for a while: the rows are put back as they were."""
        tables = {name: self._rows(name) for name in ("audit_entries", "audit_seals")}
        self.spoil(statement, **values)
        try:
            yield
        finally:
            for name, rows in tables.items():
                self.owner.execute(text(f"DELETE FROM {name}"))
                as_rows = f"INSERT INTO {name} SELECT * FROM json_populate_recordset(NULL::{name}, CAST(:rows AS json))"
                self.owner.execute(text(as_rows), {"rows": rows})
            self.owner.commit()

    def _rows(self, table: str) -> str:
        rows = self.owner.execute(text(f"SELECT json_agg(row_to_json(t))::text FROM {table} t")).scalar_one()
        self.owner.commit()
        return str(rows)

    def positions(self) -> dict[UUID, int]:
        """Where each sealed entry stands."""
        found = self.owner.execute(text("SELECT entry_id, position FROM audit_seals")).all()
        self.owner.commit()
        return {row[0]: row[1] for row in found}

    def head(self, position: int) -> NotedHead:
        """The head as it was noted down at a position."""
        found = self.owner.execute(
            text("SELECT hash FROM audit_seals WHERE position = :position"), {"position": position}
        ).scalar_one()
        self.owner.commit()
        return NotedHead(bytes(found), position)


@contextmanager
def own_log(servers: Servers) -> Iterator[Log]:
    """A database of its own, as the serving role and, beside it, as its owner."""
    name = f"{servers.template}_chain_{os.getpid()}_{next(_numbers)}"
    owner = make_url(servers.owner_url).username or ""
    embedded.create_database(servers.admin_url, name, owner=owner, template=servers.template)
    mine = servers.on_database(name)
    engine, mighty = connect(mine.database_url, pool_size=4), create_engine(mine.admin_url)
    try:
        with mighty.connect() as connection, acting_as(SYSTEM):
            yield Log(Database(engine, lambda job, ids: None), connection, mine)
    finally:
        engine.dispose()
        mighty.dispose()
        embedded.drop_database(servers.admin_url, name)


@pytest.fixture
def log(servers: Servers) -> Iterator[Log]:
    """An empty log."""
    with own_log(servers) as made:
        yield made


@pytest.fixture(scope="module")
def chain(servers: Servers) -> Iterator[Log]:
    """A log of twelve sealed entries, shared: whatever a test spoils is put back."""
    with own_log(servers) as made:
        made.sealed(11)
        made.write(after=None)
        made.seal()
        assert made.verify().whole
        yield made


# Sealing.


def test_every_entry_gets_a_seal_in_the_order_of_its_id(log: Log) -> None:
    assert log.verify() == Verdict(1, 0, GENESIS)
    written = log.write(3)
    sealed = log.seal()
    assert sealed is not None
    assert (sealed.entries, sealed.position) == (3, 3)
    assert log.seal() is None, "there is nothing new"
    more = log.sealed(2)
    assert log.positions() == {entry: place for place, entry in enumerate([*written, *more], 1)}
    found = log.verify()
    assert found.whole
    assert (found.first, found.last, found.checked, found.waiting) == (1, 5, 5, 0)
    log.write()
    assert log.verify().waiting == 1, "written a moment ago: it waits, nothing is broken"


def test_more_than_a_batch_is_sealed_at_once(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 3)
    log.write(7)
    sealed = log.seal()
    assert sealed is not None
    assert sealed.entries == 7
    monkeypatch.setattr(sealing, "MOST_BATCHES", 2)
    log.write(8)
    assert [run.entries if run else 0 for run in (log.seal(), log.seal(), log.seal())] == [6, 2, 0]
    assert log.verify().last == 15


def test_an_entry_of_a_transaction_that_commits_late_is_sealed_after_younger_ones(log: Log) -> None:
    late = audit.entry("booking.placed", "booking", new_id(), operator_id=COMPANY_ID, by=ADMIN)
    with log.database.unit_of_work() as slow:
        slow.db.add(late)
        slow.db.flush()
        faster = log.sealed(3)
        assert late.id < min(faster)
    sealed = log.seal()
    assert sealed is not None
    assert sealed.entries == 1
    assert log.positions()[late.id] == 4
    assert log.verify().whole


def test_what_became_visible_hours_late_is_found_by_the_look_at_everything(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.sealed(3)
    hours_ago = first_id_of(milliseconds_of(new_id()) - 5 * seals.LATE)
    log.write(id=hours_ago)
    assert log.seal() is None, "it lies below the watermark"
    assert log.verify().broken == Broken(Fault.NEVER_SEALED, None, hours_ago)
    monkeypatch.setattr(sealing, "STRETCH", 2)
    assert sealing.seal_forgotten(log.database, now=NOW) is not None
    assert log.positions()[hours_ago] == 4
    assert log.verify().whole
    assert sealing.seal_forgotten(log.database, now=NOW) is None


def test_an_id_from_the_future_keeps_nobody_from_being_sealed(log: Log) -> None:
    log.write(id=first_id_of(milliseconds_of(new_id()) + 1000 * seals.LATE))
    log.seal()
    log.write(id=uuid4())
    log.write(2)
    sealed = log.seal()
    assert sealed is not None
    assert sealed.entries >= 2
    sealing.seal_forgotten(log.database, now=NOW)
    assert log.verify().last == 4


def test_a_clock_that_was_set_changes_nothing(log: Log) -> None:
    """The demo writes what happened weeks ago: entries are found by their ids, never by ``at``."""
    for days in (300, -300, 0):
        made = audit.entry(
            "booking.placed", "booking", new_id(), operator_id=COMPANY_ID, by=ADMIN, at=NOW - timedelta(days=days)
        )
        with log.database.unit_of_work() as work:
            work.db.add(made)
        sealed = log.seal()
        assert sealed is not None
        assert sealed.entries == 1


def test_the_job_tells_the_log_where_the_chain_ends(log: Log, settings: Settings) -> None:
    ctx = JobContext(settings, log.database, lambda: NOW)
    log.write(2)
    with capture_logs() as told:
        jobs.seal(ctx)
        jobs.seal(ctx)
        jobs.seal_forgotten(ctx)
    head = log.head(2).hash.hex()
    assert told == [{"event": "audit.sealed", "log_level": "info", "entries": 2, "position": 2, "head": head}]


# Two sweepers at once.


@pytest.mark.race
def test_while_one_sweeper_seals_another_goes_away(log: Log) -> None:
    log.write(4)
    with log.database.unit_of_work() as first:
        mine = sealing._seal_batch(first, None, None, now=NOW)
        assert len(mine.entries) == 4
        assert log.seal() is None, "it does not wait and seals nothing"
    assert log.seal() is None, "all of it is sealed now"
    assert log.verify().whole


@pytest.mark.race
def test_past_the_lock_the_key_of_the_position_keeps_the_chain_from_forking(log: Log) -> None:
    """The negative control of the lock: two go on from the same head, and one of them loses everything it did."""
    log.sealed(2)
    log.write(3)

    def goes_on_unlocked() -> None:
        with log.database.unit_of_work() as work:
            head = seals.chain_head(work.db)
            found = seals.unsealed(work.db, after=UUID(int=0), limit=10)
            assert log.seal() is not None
            sealing.append(work, head.position, head.hash, found, now=NOW)

    with pytest.raises(IntegrityError):
        goes_on_unlocked()
    assert log.verify().last == 5
    assert log.verify().whole


@pytest.mark.race
def test_many_sweepers_beside_many_writers_make_one_chain(log: Log) -> None:
    rounds = 12
    barrier = Barrier(8)

    def writes(_number: int) -> None:
        with acting_as(SYSTEM):
            barrier.wait(30)
            for _ in range(rounds):
                log.write(2)

    def sweeps(_number: int) -> None:
        with acting_as(SYSTEM):
            barrier.wait(30)
            for _ in range(rounds):
                log.seal()

    with ThreadPoolExecutor(8) as crowd:
        done = [crowd.submit(task, number) for number in range(4) for task in (writes, sweeps)]
        for one in done:
            one.result()
    log.seal()
    found = log.verify()
    assert found.whole
    assert (found.last, found.waiting) == (4 * rounds * 2, 0)


# The canonical form.


def test_the_canonical_form_is_what_the_documentation_says(log: Log) -> None:
    at = datetime(2027, 1, 1, 3, 30, 0, 120000, tzinfo=UTC)
    with audit.origin(audit.Origin("cli")):
        made = audit.entry(
            "booking.edited",
            "booking",
            UUID("0192-0000-0000-7000-8000-0000-0000-00ff".replace("-", "")),
            operator_id=COMPANY_ID,
            by=Actor(ActorKind.USER, UUID(int=7), 'Lakshmi "లక్ష్మీ"\n', Role.ADMIN, COMPANY_ID),
            before={"z": [1, 2.50, None, True], "a": {"é": "\u0001/", "b": 1e-7}},
            at=at,
        )
    made.id = UUID("01920000-0000-7000-8000-000000000001")
    with log.database.unit_of_work() as work:
        work.db.add(made)
    with log.database.read_only() as db:
        (found,) = seals.unsealed(db, after=UUID(int=0), limit=2)
    form = canonical(found.stored)
    assert form == (
        '{"actor_id":"00000000-0000-0000-0000-000000000007","actor_kind":"user",'
        '"actor_name":"Lakshmi \\"లక్ష్మీ\\"\\n","actor_role":"admin",'
        '"at":"2027-01-01T03:30:00.120000Z",'
        '"before":{"a":{"b":0.0000001,"é":"\\u0001/"},"z":[1,2.5,null,true]},'
        '"id":"01920000-0000-7000-8000-000000000001","operator_id":"00000000-0000-7000-8000-000000000001",'
        '"source":"cli","subject_id":"01920000-0000-7000-8000-0000000000ff","subject_kind":"booking",'
        '"v":1,"what":"booking.edited"}'
    )
    assert seal(GENESIS, form) == sha256(bytes(32) + form.encode("utf-8")).digest()
    log.seal()
    assert log.head(1).hash == seal(GENESIS, form)


def test_the_canonical_form_covers_every_column_and_keeps_them_in_order() -> None:
    assert set(COLUMNS) == {column.key for column in AuditEntry.__table__.columns}
    documents = {"before": "{}", "after": "{}"}
    full = canonical([documents.get(name, "x") for name in COLUMNS])
    assert list(json.loads(full)) == sorted([*COLUMNS, "v"])
    bare = canonical([None] * len(COLUMNS))
    assert bare == '{"v":1}'


def test_the_form_does_not_depend_on_the_connection_s_time_zone(chain: Log) -> None:
    at = COLUMNS.index("at")
    seen = set()
    for zone in ("UTC", "Asia/Kolkata", "America/New_York"):
        chain.owner.execute(text(f"SET LOCAL TIME ZONE '{zone}'"))
        seen.add(chain.owner.execute(select(*stored_entry()).order_by(AuditEntry.id).limit(1)).one()[at])
        chain.owner.rollback()
    assert len(seen) == 1


# Every kind of breakage, by name and at its place.


def test_an_entry_that_was_changed(chain: Log) -> None:
    entry = next(entry for entry, place in chain.positions().items() if place == 4)
    with chain.spoilt("UPDATE audit_entries SET actor_name = 'Nobody' WHERE id = :id", id=entry):
        found = chain.verify()
    assert found.broken == Broken(Fault.ENTRY_CHANGED, 4, entry)
    assert (found.last, found.whole) == (3, False)
    assert chain.verify().whole, "and it was that alone"


def test_an_entry_that_is_gone(chain: Log) -> None:
    entry = next(entry for entry, place in chain.positions().items() if place == 12)
    with chain.spoilt("DELETE FROM audit_entries WHERE id = :id", id=entry):
        assert chain.verify().broken == Broken(Fault.ENTRY_GONE, 12, entry)


def test_a_seal_that_is_missing(chain: Log) -> None:
    for place in (1, 7):
        with chain.spoilt("DELETE FROM audit_seals WHERE position = :place", place=place):
            assert chain.verify().broken == Broken(Fault.SEAL_MISSING, place)


def test_a_seal_that_was_changed(chain: Log) -> None:
    entry = next(entry for entry, place in chain.positions().items() if place == 6)
    for change in ("hash = sha256(hash)", "operator_id = gen_random_uuid()"):
        with chain.spoilt(f"UPDATE audit_seals SET {change} WHERE position = 6"):
            assert chain.verify().broken == Broken(Fault.SEAL_CHANGED, 6, entry)


def test_at_the_end_of_the_chain_only_a_noted_head_tells_entry_and_seal_apart(chain: Log) -> None:
    entry = next(entry for entry, place in chain.positions().items() if place == 12)
    noted = chain.head(12)
    with chain.spoilt("UPDATE audit_entries SET what = 'booking.cancelled' WHERE id = :id", id=entry):
        assert chain.verify().broken == Broken(Fault.UNMATCHED, 12, entry)
        assert chain.verify(head=noted).broken == Broken(Fault.ENTRY_CHANGED, 12, entry)
    with chain.spoilt("UPDATE audit_seals SET hash = sha256(hash) WHERE position = 12"):
        assert chain.verify().broken == Broken(Fault.UNMATCHED, 12, entry)
        assert chain.verify(head=noted).broken == Broken(Fault.SEAL_CHANGED, 12, entry)


def test_an_entry_that_was_never_sealed(chain: Log) -> None:
    old = first_id_of(milliseconds_of(new_id()) - 20 * 60 * 1000)
    chain.write(id=old)
    try:
        assert chain.verify().broken == Broken(Fault.NEVER_SEALED, None, old)
        assert chain.verify(sealed_within=timedelta(hours=1)).waiting == 1
    finally:
        chain.spoil("DELETE FROM audit_entries WHERE id = :id", id=old)


CUT = (
    "WITH cut AS (DELETE FROM audit_seals WHERE position > 9 RETURNING entry_id)"
    " DELETE FROM audit_entries WHERE id IN (SELECT entry_id FROM cut)"
)


def test_a_tail_that_was_cut_off_is_seen_by_a_noted_head_alone(chain: Log) -> None:
    noted = chain.head(11)
    with chain.spoilt(CUT):
        assert chain.verify().whole, "this is what the chain by itself cannot prove"
        assert chain.verify(head=noted).broken == Broken(Fault.TAIL_CUT, 10)
        assert chain.verify(head=NotedHead(noted.hash)).broken == Broken(Fault.TAIL_CUT, 10)
        assert chain.verify(head=chain.head(9)).whole
    assert chain.verify(head=noted).whole
    assert chain.verify(head=NotedHead(noted.hash)).whole


def test_a_chain_that_was_made_anew_is_seen_by_a_noted_head_alone(log: Log) -> None:
    entries = log.sealed(6)
    noted = log.head(5)
    log.spoil("UPDATE audit_entries SET what = 'nothing.happened' WHERE id = :id", id=entries[2])
    log.spoil("DELETE FROM audit_seals WHERE position > 2")
    log.seal()
    assert log.verify().whole, "whoever owns the tables can make a chain that fits together"
    assert log.verify(head=noted).broken == Broken(Fault.REWRITTEN, 5, entries[4])
    assert log.verify(head=NotedHead(noted.hash)).broken == Broken(Fault.TAIL_CUT, 7)


def test_what_the_serving_role_can_add_is_found_too(log: Log) -> None:
    """It may add rows, so a hole in the application could add a seal that is none."""
    log.sealed(2)
    (entry,) = log.write()
    with log.database.unit_of_work() as work:
        work.db.execute(
            text("INSERT INTO audit_seals VALUES (3, :company, :entry, sha256(''), now())"),
            {"company": COMPANY_ID, "entry": entry},
        )
    assert log.verify().broken == Broken(Fault.UNMATCHED, 3, entry)


@pytest.mark.parametrize("table", ["audit_entries", "audit_seals"])
@pytest.mark.parametrize("doing", ["UPDATE {} SET operator_id = operator_id", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_serving_role_cannot_change_what_is_written(chain: Log, table: str, doing: str) -> None:
    with chain.database.unit_of_work() as work:
        assert work.db.scalar(text("SELECT current_user")) == APP_ROLE
        with pytest.raises(DBAPIError) as refused:
            work.db.execute(text(doing.format(table)))
        work.db.rollback()
    assert sqlstate_of(refused.value) == "42501"


# In steps, and in general.


def test_a_look_that_was_stopped_goes_on_where_it_was(chain: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.audit.verifying.CHUNK", 5)
    noted = NotedHead(chain.head(3).hash)
    part = chain.verify(head=noted, enough=lambda: True)
    assert (part.first, part.last, part.complete, part.whole, part.head_met) == (1, 5, False, False, True)
    rest = chain.verify(behind=part.last)
    assert (rest.first, rest.last, rest.whole) == (6, 12, True)
    with chain.spoilt("UPDATE audit_entries SET address = '::1' WHERE id = :id", id=_at(chain, 11)):
        assert chain.verify(behind=part.last).broken == Broken(Fault.ENTRY_CHANGED, 11, _at(chain, 11))


def _at(log: Log, place: int) -> UUID:
    return next(entry for entry, position in log.positions().items() if position == place)


SINGLE_CHANGES: dict[str, tuple[str, ...]] = {
    "id": ("gen_random_uuid()",),
    "at": ("at + interval '1 microsecond'", "'infinity'", "'0044-03-15 12:00+00 BC'", "at - interval '1 year'"),
    "operator_id": ("gen_random_uuid()",),
    "actor_kind": ("'api'",),
    "actor_id": ("NULL", "gen_random_uuid()"),
    "actor_name": ("actor_name || ' '", "'అశ'", "''"),
    "actor_role": ("NULL", "'auditor'"),
    "what": ("'booking.cancelled'", "upper(what)"),
    "subject_kind": ("'household'",),
    "subject_id": ("gen_random_uuid()",),
    "before": (
        "NULL",
        "'null'",
        "'{}'",
        "jsonb_set(before, '{status}', '\"Held\"')",
        "before || '{\"x\": 1}'",
        "jsonb_set(before, '{status}', 'null')",
    ),
    "after": (
        "'null'",
        "'{}'",
        "'\"text\"'",
        "jsonb_set(coalesce(after, '{}'), '{of}', '{\"km\": 1.50000000000000000000000000001}')",
        "jsonb_set(coalesce(after, '{}'), '{of}', '{\"km\": \"1.5\"}')",
    ),
    "source": ("source || '!'",),
    "request_id": ("coalesce(request_id, '') || '!'",),
    "address": ("coalesce(address, '') || '!'",),
}
"""What a single field of an entry may be changed to; every column has its own."""


def test_every_column_is_among_the_single_changes() -> None:
    assert set(SINGLE_CHANGES) == set(COLUMNS)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.integers(1, 11),
    change=st.sampled_from([(name, to) for name, changes in SINGLE_CHANGES.items() for to in changes]),
)
@example(place=5, change=("after", SINGLE_CHANGES["after"][3]))
def test_any_single_change_of_an_entry_is_found_at_exactly_its_place(
    chain: Log, place: int, change: tuple[str, str]
) -> None:
    name, to = change
    entry = _at(chain, place)
    with chain.spoilt(f"UPDATE audit_entries SET {name} = {to} WHERE id = :id", id=entry):
        broken = chain.verify().broken
    fault = Fault.ENTRY_GONE if name == "id" else Fault.ENTRY_CHANGED
    assert broken == Broken(fault, place, entry)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.integers(1, 11),
    change=st.sampled_from(
        (
            "hash = set_byte(hash, 31, (get_byte(hash, 31) + 1) % 256)",
            "hash = ''",
            "operator_id = gen_random_uuid()",
            "entry_id = gen_random_uuid()",
            "position = position + 1000",
            "position = -position",
        )
    ),
)
def test_any_single_change_of_a_seal_is_found_at_exactly_its_place(chain: Log, place: int, change: str) -> None:
    entry = _at(chain, place)
    with chain.spoilt(f"UPDATE audit_seals SET {change} WHERE position = :place", place=place):
        broken = chain.verify().broken
    assert broken is not None
    if change == "position = -position":
        assert broken == Broken(Fault.SEAL_MISSING, 1)
    elif change.startswith("position"):
        assert broken == Broken(Fault.SEAL_MISSING, place)
    elif change.startswith("entry_id"):
        assert (broken.fault, broken.position) == (Fault.ENTRY_GONE, place)
    else:
        assert broken == Broken(Fault.SEAL_CHANGED, place, entry)


def test_two_neighbours_that_were_exchanged_are_found_at_the_first(chain: Log) -> None:
    swap = "UPDATE audit_seals SET position = CASE position WHEN 5 THEN -6 ELSE -5 END WHERE position IN (5, 6)"
    with chain.spoilt(swap):
        chain.spoil("UPDATE audit_seals SET position = -position WHERE position < 0")
        broken = chain.verify().broken
    assert broken is not None
    assert broken.position == 5
