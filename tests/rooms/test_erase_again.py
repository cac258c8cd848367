"""A backup that is restored brings erased families back: they are erased again, by a list outside of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from tests.jobs.builders import Shelf, rows
from tests.make import Make
from tests.rooms.family_story import LATER, Family, everything, family_with_everything, tells
from webapp.clients.erasures import LocalErasureList
from webapp.clients.stores import erasure_list_of
from webapp.config import Settings
from webapp.core.ids import new_id
from webapp.db.job_context import JobContext
from webapp.db.work import Database
from webapp.desk.erasing import erase_family
from webapp.households.jobs import note_erasures
from webapp.households.rules import ErasureReason

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask, db: Database) -> Run:
    def invoke(*args: str, refused: bool = False, typed: str = "") -> Result:
        done = app.test_cli_runner().invoke(args=["households", *args], input=typed)
        assert (done.exit_code != 0) == refused, done.output
        return done

    return invoke


@pytest.fixture
def erasures(settings: Settings) -> Iterator[LocalErasureList]:
    """The list beside the files, empty before and after."""
    found = erasure_list_of(settings)
    assert isinstance(found, LocalErasureList)
    folder = Path(settings.certificate_store_url.removeprefix("file://")) / "erasures"

    def empty() -> None:
        for path in folder.iterdir() if folder.is_dir() else ():
            path.unlink()

    empty()
    yield found
    empty()


@pytest.fixture
def family(make: Make, db: Database, settings: Settings) -> Family:
    return family_with_everything(make, db, settings, Shelf())


def test_what_the_list_beside_the_files_knows_is_erased_again(
    db: Database, family: Family, run: Run, erasures: LocalErasureList, settings: Settings, at: Callable[..., None]
) -> None:
    """The database was restored to a moment before the erasure: rows and audit know nothing of it."""
    at(LATER)
    with db.unit_of_work() as work:
        backup = work.db.begin_nested()
        erase_family(work, family.id, reason=ErasureReason.ASKED_FOR, by=family.admin.actor, now=LATER)
        work.db.flush()  # so that it is there to be taken back
        erasures.add(family.id, LATER)
        backup.rollback()
    assert tells(everything(db)), "the backup brought them back"
    assert str(family.id) in run("erased").output
    said = run("erase-again")
    assert "1 erased again, 0 were erased, 0 are not here." in said.output
    assert tells(everything(db)) == {}
    assert rows(db, "SELECT erased_at FROM certificates") == [(LATER,)] * 2
    told = rows(db, "SELECT after ->> 'reason', actor_kind, source FROM audit_entries WHERE what = 'household.erased'")
    assert told == [("restored", "system", "cli")]
    assert "0 erased again, 1 were erased, 0 are not here." in run("erase-again").output


def test_the_job_and_the_audit_tell_the_same(
    db: Database, family: Family, run: Run, erasures: LocalErasureList, settings: Settings
) -> None:
    with db.unit_of_work() as work:
        erase_family(work, family.id, reason=ErasureReason.ASKED_FOR, by=family.admin.actor, now=LATER)
    audit_says = run("erased").output
    assert str(family.id) in audit_says
    assert note_erasures(JobContext(settings, db, lambda: LATER)) == 1
    assert erasures.all() == {family.id: LATER}
    assert run("erased").output == audit_says


def test_a_list_from_elsewhere_is_heeded_and_the_unknown_counted(
    db: Database, family: Family, run: Run, erasures: LocalErasureList, at: Callable[..., None]
) -> None:
    at(LATER)
    lines = f"Household  Erased at\n{family.id}  {LATER.isoformat()}\n{new_id()}\n\nrubbish\n"
    said = run("erase-again", "-", typed=lines)
    assert "1 erased again, 0 were erased, 1 are not here." in said.output
    assert rows(db, "SELECT erased_at FROM households WHERE id = :id", id=family.id) == [(LATER,)]


def test_a_family_whose_booking_is_live_again_is_named_and_the_others_are_erased(
    db: Database, family: Family, make: Make, run: Run, erasures: LocalErasureList, at: Callable[..., None]
) -> None:
    at(LATER)
    live = make.household()
    booking = make.booking(household=live)
    for household_id in (live.household_id, family.id):
        erasures.add(household_id, LATER)
    said = run("erase-again", refused=True)
    assert booking.reference in said.output
    assert "1 erased again" in said.output
    assert tells(everything(db)) == {}
    with db.unit_of_work() as work:
        work.db.execute(
            text("UPDATE bookings SET status = 'cancelled' WHERE household_id = :id"), {"id": live.household_id}
        )
        work.db.execute(text("UPDATE course_sessions SET status = 'cancelled' WHERE status = 'scheduled'"))
    assert "1 erased again, 1 were erased" in run("erase-again").output
