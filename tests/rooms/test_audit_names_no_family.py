"""Entries of the audit are never changed, so none may hold what a family can ask to have erased.

Looked for in the whole demo, and in a story in which every word that can be typed names somebody.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import make_url, text

from tests.jobs.builders import Shelf, rows
from tests.make import Make
from tests.rooms.family_story import LATER, everything, family_with_everything, revoke_one, tells
from tests.services import Servers
from tests.web.client import NOW
from webapp import embedded
from webapp.assignments.limits import Limits
from webapp.certificates.promising import promise_for
from webapp.config import Settings
from webapp.core.ids import new_id
from webapp.db import work as work_module
from webapp.db.work import Database, connect
from webapp.demo.cast import Secrets
from webapp.demo.load import load
from webapp.desk.erasing import erase_family
from webapp.households.rules import ErasureReason
from webapp.trainers import service as trainers

SAID = """
SELECT g.name FROM guardians g UNION SELECT g.phone FROM guardians g
UNION SELECT g.email FROM guardians g WHERE g.email IS NOT NULL
UNION SELECT s.name FROM students s
UNION SELECT b.address FROM bookings b WHERE b.address <> '' UNION SELECT b.closed_reason FROM bookings b
UNION SELECT e.guardian_name FROM enquiries e UNION SELECT e.phone FROM enquiries e
UNION SELECT e.address FROM enquiries e UNION SELECT e.note FROM enquiries e
UNION SELECT a.reason FROM assignments a UNION SELECT a.purpose FROM assignments a
UNION SELECT k.reason FROM trainer_blocks k
"""
"""Whatever families said or was said of them."""


def quoted(database: Database) -> list[tuple[object, ...]]:
    """Entries that quote it, with what they quote. Staff and trainers may be called like a guardian: they stay out."""
    return rows(
        database,
        f"""
        WITH said (words) AS ({SAID}), families AS (
            SELECT what, coalesce(before::text, '') || coalesce(after::text, '') AS told FROM audit_entries
            WHERE subject_kind NOT IN ('user', 'trainer', 'operator', 'zone', 'course')
               OR what IN ('trainer.blocked', 'trainer.unblocked')
        )
        SELECT DISTINCT what, words FROM families JOIN said ON length(words) > 1 AND strpos(told, words) > 0
        """,
    )


@pytest.fixture
def demo(servers: Servers, app: Flask, settings: Settings, at: object) -> Iterator[Database]:
    """A database of its own with the demo; dropped afterwards."""
    name = f"{servers.template}_audit_{os.getpid()}"
    owner = make_url(servers.owner_url).username or ""
    embedded.create_database(servers.admin_url, name, owner=owner, template=servers.template)
    engine = connect(servers.on_database(name).database_url, pool_size=2)
    before = work_module.database()
    database = Database(engine, lambda job, ids: None)
    work_module.bind(database)
    try:
        load(
            now=NOW,
            secrets=Secrets(lambda _password: "nobody signs in with it", lambda key, _user_id: f"sealed {key}"),
            promise=partial(promise_for, max_absences=settings.max_absences, public_url=settings.public_url),
            limits=Limits(settings.hold_hours, settings.max_courses_per_trainer),
            share=0.1,
        )
        yield database
    finally:
        work_module.bind(before)
        engine.dispose()
        embedded.drop_database(servers.admin_url, name)


def test_in_the_whole_demo_no_entry_quotes_a_family(demo: Database) -> None:
    (families,) = rows(demo, "SELECT count(*) FROM households")[0]
    (entries,) = rows(demo, "SELECT count(*) FROM audit_entries")[0]
    assert isinstance(families, int)
    assert isinstance(entries, int)
    assert families > 10
    assert entries > 100
    assert quoted(demo) == []


def test_in_a_story_of_names_no_entry_quotes_one(make: Make, db: Database, settings: Settings) -> None:
    family = family_with_everything(make, db, settings, Shelf())
    revoke_one(db)
    ((trainer_id,),) = rows(db, "SELECT trainer_id FROM trainer_blocks")
    with db.unit_of_work() as work:
        trainers.unblock(work, trainer_id, family.id, by=family.staff.actor, now=LATER)
    assert quoted(db) == []
    with db.unit_of_work() as work:
        erase_family(work, family.id, reason=ErasureReason.AUTHORITY, by=family.admin.actor, now=LATER)
    assert "audit_entries" not in tells(everything(db))


def test_an_entry_that_did_would_be_found(make: Make, db: Database) -> None:
    make.household(guardian="Sitalakshmi Devarakonda")
    assert quoted(db) == []
    with db.unit_of_work() as work:
        work.db.execute(
            text(
                "INSERT INTO audit_entries"
                " (id, at, operator_id, actor_kind, actor_name, what, subject_kind, subject_id, source, after)"
                " VALUES (:id, now(), :id, 'system', 'system', 'booking.cancelled', 'booking', :id, 'cli',"
                " jsonb_build_object('reason', 'Mrs Sitalakshmi Devarakonda moves'))"
            ),
            {"id": new_id()},
        )
    assert quoted(db) == [("booking.cancelled", "Sitalakshmi Devarakonda")]
    assert tells(everything(db))["audit_entries"] == {"Sitalakshmi", "Devarakonda"}
