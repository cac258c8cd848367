"""After a family was erased its files go, whatever is killed or broken on the way, and a list outlives the database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from tests.jobs.builders import DONE, PlainKeys, Shelf, completed_booking, promise, rows
from tests.jobs.conftest import OwnDesk
from tests.make import Make
from tests.rooms.family_story import LATER, Family, family_with_everything
from tests.services import Servers
from tests.web.client import Bell
from webapp import jobs
from webapp.certificates.jobs import Renderer, erase_files, issue, ring_erase_files
from webapp.clients.erasures import LocalErasureList
from webapp.clients.files import FileMissing, LocalFileStore
from webapp.config import Settings
from webapp.core.job_names import JobName
from webapp.core.names import ERASED
from webapp.db.base import constraint_of
from webapp.db.job_context import JobContext
from webapp.db.tenancy import current_tenant
from webapp.db.work import Database
from webapp.desk.erasing import erase_family
from webapp.households.jobs import note_erasures, ring_note_erasures
from webapp.households.rules import ErasureReason

DUE = "SELECT count(*) FROM certificates WHERE erased_at IS NOT NULL AND file_erased_at IS NULL"


class Watched(Shelf):
    """A shelf that tells for whom it was asked, and can refuse or lose its process."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for: list[UUID | None] = []
        self.breaks: list[BaseException] = []
        self.dies: list[BaseException] = []

    def remove(self, sha256: str) -> None:
        """Let go of a file, or fail before or after."""
        self.asked_for.append(current_tenant().operator_id)
        if self.breaks:
            raise self.breaks.pop()
        super().remove(sha256)
        if self.dies:
            raise self.dies.pop()


@pytest.fixture
def shelf() -> Watched:
    return Watched()


@pytest.fixture
def family(make: Make, db: Database, settings: Settings, shelf: Watched) -> Family:
    """Erased, the two files of each of its two certificates still there."""
    family = family_with_everything(make, db, settings, shelf)
    with db.unit_of_work() as work:
        erase_family(work, family.id, reason=ErasureReason.ASKED_FOR, by=family.admin.actor, now=LATER)
    return family


@pytest.fixture
def erasures(tmp_path: Path) -> LocalErasureList:
    return LocalErasureList(tmp_path / "erasures")


def test_the_files_go_and_the_rows_say_so(ctx: JobContext, db: Database, family: Family, shelf: Watched) -> None:
    assert (len(shelf.files), rows(db, DUE)) == (4, [(2,)])
    assert erase_files(ctx, store=shelf) == 2
    assert (shelf.files, rows(db, DUE)) == ({}, [(0,)])
    told = "SELECT count(*), min(actor_kind) FROM audit_entries WHERE what = 'certificate.file_erased'"
    assert rows(db, told) == [(2, "system")]
    assert erase_files(ctx, store=shelf) == 0, "a second time there is nothing to do"
    assert rows(db, told) == [(2, "system")]


def test_each_file_is_removed_on_behalf_of_its_own_operator(
    ctx: JobContext, db: Database, family: Family, shelf: Watched
) -> None:
    """As the worker does it: on nobody's behalf it learns what is due, and not a word more."""
    jobs.perform(ctx, JobName.ERASE_FILES, lambda ctx: erase_files(ctx, store=shelf), {})
    assert (shelf.files, rows(db, DUE)) == ({}, [(0,)])
    assert shelf.asked_for == [family.operator_id] * 4


@pytest.mark.parametrize("when", ["breaks", "dies"])
def test_whoever_is_killed_before_or_after_the_file_went_is_followed_by_another(
    ctx: JobContext, db: Database, family: Family, shelf: Watched, when: str
) -> None:
    getattr(shelf, when).append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        erase_files(ctx, store=shelf)
    assert len(shelf.files) == (4 if when == "breaks" else 3)
    assert rows(db, DUE) == [(2,)], "nothing says yet that it is gone"
    assert erase_files(ctx, store=shelf) == 2
    assert (shelf.files, rows(db, DUE)) == ({}, [(0,)])


def test_a_store_that_refuses_keeps_nobody_elses_file(
    ctx: JobContext, db: Database, family: Family, shelf: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.breaks.append(OSError("/srv/secret/path is read-only"))
    assert erase_files(ctx, store=shelf) == 1
    assert rows(db, DUE) == [(1,)]
    assert "/srv/secret" not in caplog.text
    assert erase_files(ctx, store=shelf) == 1
    assert shelf.files == {}


def test_a_file_that_somebody_else_needs_stays(ctx: JobContext, db: Database, family: Family, shelf: Watched) -> None:
    (sha256,) = rows(db, "SELECT min(pdf_sha256) FROM certificates")[0]
    with db.unit_of_work() as work:
        work.db.execute(
            text(
                "INSERT INTO certificates (id, operator_id, booking_id, student_id, number, token, state, payload,"
                " salt, awarded_on, awarded_at, valid_from, created_at, attempts, next_at, issued_at, pdf_sha256)"
                " SELECT gen_random_uuid(), c.operator_id, b.id, c.student_id, 'ZD-27-00000-00000', 'x', 'issued',"
                " c.payload, repeat('0', 32), c.awarded_on, c.awarded_at, c.valid_from, c.created_at, 0,"
                " c.next_at, c.issued_at, c.pdf_sha256"
                " FROM certificates c, bookings b WHERE b.status = 'cancelled' AND c.pdf_sha256 = :sha256"
            ),
            {"sha256": sha256},
        )
    assert erase_files(ctx, store=shelf) == 2
    assert list(shelf.files) == [sha256], "its credential is nobody else's"


def test_files_of_families_that_were_not_erased_stay(
    ctx: JobContext, db: Database, family: Family, shelf: Watched, make: Make, renderer: Renderer
) -> None:
    promise(db, completed_booking(make, db, "Ravi"))
    issue(ctx, store=shelf, renderer=renderer, keys=PlainKeys())
    erase_files(ctx, store=shelf)
    assert len(shelf.files) == 2


def test_the_sweeper_rings_until_it_is_done(
    ctx: JobContext, db: Database, family: Family, shelf: Watched, erasures: LocalErasureList, bells: list[Bell]
) -> None:
    periodic = {entry.job: entry.handler for entry in jobs.PERIODIC}
    assert periodic[JobName.ERASE_FILES] is ring_erase_files
    assert periodic[JobName.NOTE_ERASURES] is ring_note_erasures
    handlers: dict[JobName, Callable[[], int]] = {
        JobName.ERASE_FILES: partial(erase_files, ctx, store=shelf),
        JobName.NOTE_ERASURES: partial(note_erasures, ctx, erasures=erasures),
    }
    for job, do in handlers.items():
        bells.clear()
        jobs.perform(ctx, job, periodic[job], {})
        assert bells == [(job, {})]
        do()
        bells.clear()
        assert not periodic[job](ctx)
        assert bells == []


def test_an_erasure_is_noted_outside_the_database(
    ctx: JobContext, db: Database, family: Family, erasures: LocalErasureList, tmp_path: Path
) -> None:
    jobs.perform(ctx, JobName.NOTE_ERASURES, lambda ctx: note_erasures(ctx, erasures=erasures), {})
    assert erasures.all() == {family.id: LATER}
    assert note_erasures(ctx, erasures=erasures) == 0
    assert rows(db, "SELECT erasure_noted_at FROM households WHERE id = :id", id=family.id) == [(DONE,)]


class _Full(LocalErasureList):
    def add(self, household_id: UUID, at: datetime) -> None:
        raise OSError("no space left")


def test_a_list_that_cannot_be_written_is_tried_again(
    ctx: JobContext, db: Database, family: Family, tmp_path: Path
) -> None:
    assert note_erasures(ctx, erasures=_Full(tmp_path)) == 0
    assert rows(db, "SELECT count(*) FROM households WHERE erasure_noted_at IS NOT NULL") == [(0,)]


def test_the_list_keeps_the_first_instant_and_overlooks_what_is_no_entry(tmp_path: Path) -> None:
    erasures = LocalErasureList(tmp_path / "erasures")
    assert erasures.all() == {}
    one, other = uuid4(), uuid4()
    (tmp_path / "erasures").mkdir()
    (tmp_path / "erasures" / str(one)).write_text("2027-03-0")  # a crash cut it short
    (tmp_path / "erasures" / "README").write_text("hello")
    erasures.add(one, LATER)
    erasures.add(one, datetime(2030, 1, 1, tzinfo=UTC))
    erasures.add(other, DONE)
    assert erasures.all() == {one: LATER, other: DONE}


def test_removing_takes_beginnings_of_the_same_file_along_and_nothing_else(tmp_path: Path) -> None:
    store = LocalFileStore(tmp_path)
    sha256 = store.put(b"%PDF Arun", media_type="application/pdf")
    kept = store.put(b"%PDF Ravi", media_type="application/pdf")
    folder = tmp_path / sha256[:2] / sha256[2:4]
    (folder / ".unfinished-1").write_bytes(b"%PDF Ar")
    (folder / ".unfinished-2").write_bytes(b"%PDF Me")
    (folder / ".unfinished-3").write_bytes(b"")
    store.remove(sha256)
    assert sorted(path.name for path in folder.iterdir()) == [".unfinished-2", ".unfinished-3"]
    with pytest.raises(FileMissing):
        store.get(sha256)
    assert store.get(kept) == b"%PDF Ravi"
    store.remove(sha256)
    store.remove("../../etc/passwd")
    store.remove("f" * 64)


def test_no_certificate_is_ever_deleted_not_even_by_the_role_that_owns_them(desk: OwnDesk, servers: Servers) -> None:
    promise(desk.database, completed_booking(desk.make, desk.database))
    name = str(rows(desk.database, "SELECT current_database()")[0][0])
    owner = create_engine(servers.on_database(name).owner_url)
    with owner.connect() as connection:
        connection.execute(text("SELECT set_config('app.sees_everything', 'on', true)"))
        with pytest.raises(DBAPIError) as refused:
            connection.execute(text("DELETE FROM certificates"))
    owner.dispose()
    assert constraint_of(refused.value) == "certificates_are_kept"


def test_the_marker_is_what_the_database_expects(db: Database, family: Family) -> None:
    """The trigger was written with the marker of its day; another one would be refused."""
    assert rows(db, "SELECT DISTINCT payload ->> 'student_name' FROM certificates") == [(ERASED,)]
