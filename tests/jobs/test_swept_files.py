"""Files that no row names go after a day, in two steps; one that a row names is never lost, whatever happens when."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.jobs.builders import DONE, PlainKeys, PlainRenderer, completed_booking, promise, rows
from tests.make import Make
from tests.web.client import Bell
from webapp.certificates import jobs, service, upkeep
from webapp.clients.files import FileMissing, LocalFileStore
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database

DAY = timedelta(days=1)
JSON = "application/ld+json"


@pytest.fixture
def store(tmp_path: Path) -> LocalFileStore:
    return LocalFileStore(tmp_path)


def nobody(hashes: frozenset[str]) -> frozenset[str]:
    return frozenset()


def everybody(hashes: frozenset[str]) -> frozenset[str]:
    return hashes


def a_day_later(root: Path) -> None:
    """Make everything in the store a day and an hour older."""
    for path in root.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a sweep may be about
            if path.is_file():
                then = path.stat().st_mtime - 25 * 3600
                os.utime(path, (then, then))


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def test_a_file_nobody_names_is_set_aside_after_a_day_and_gone_after_another(
    store: LocalFileStore, tmp_path: Path
) -> None:
    sha256 = store.put(b"orphan", media_type=JSON)
    assert store.sweep(nobody, older_than=DAY) == 0
    assert names(tmp_path) == [sha256], "too young"
    a_day_later(tmp_path)
    assert store.sweep(nobody, older_than=DAY) == 0
    assert names(tmp_path) == [f".aside-{sha256}"]
    assert store.get(sha256) == b"orphan", "it can still be read"
    assert store.sweep(nobody, older_than=DAY) == 0, "its day aside has only begun"
    a_day_later(tmp_path)
    assert store.sweep(nobody, older_than=DAY) == 1
    assert names(tmp_path) == []
    with pytest.raises(FileMissing):
        store.get(sha256)


def test_a_file_that_is_named_stays_however_old(store: LocalFileStore, tmp_path: Path) -> None:
    sha256 = store.put(b"kept", media_type=JSON)
    for _ in range(3):
        a_day_later(tmp_path)
        assert store.sweep(everybody, older_than=DAY) == 0
    assert names(tmp_path) == [sha256]


def test_what_was_set_aside_and_is_named_meanwhile_comes_back(store: LocalFileStore, tmp_path: Path) -> None:
    sha256 = store.put(b"late", media_type=JSON)
    a_day_later(tmp_path)
    store.sweep(nobody, older_than=DAY)
    a_day_later(tmp_path)
    assert store.sweep(everybody, older_than=DAY) == 0
    assert names(tmp_path) == [sha256]


@pytest.mark.parametrize("puts", ["before", "between", "after"])
def test_whoever_puts_the_same_content_while_it_is_swept_keeps_it(
    store: LocalFileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, puts: str
) -> None:
    """The credential of a failed try lies there for a day; the next try puts the very same bytes, and names them."""
    sha256 = store.put(b"same", media_type=JSON)
    a_day_later(tmp_path)
    named: set[str] = set()

    def put() -> None:
        assert store.put(b"same", media_type=JSON) == sha256

    def asked(hashes: frozenset[str]) -> frozenset[str]:
        if puts == "between":  # the sweep has found it old, and has not moved it yet
            put()
        return frozenset(named & hashes)

    if puts == "before":
        put()
    store.sweep(asked, older_than=DAY)
    if puts == "after":
        put()
    named.add(sha256)  # the row says so only now
    assert store.get(sha256) == b"same"
    for _ in range(3):
        a_day_later(tmp_path)
        store.sweep(asked, older_than=DAY)
        assert store.get(sha256) == b"same"
    assert names(tmp_path) == [sha256]


def test_erasing_takes_a_file_that_was_set_aside(store: LocalFileStore, tmp_path: Path) -> None:
    sha256 = store.put(b"whose", media_type=JSON)
    a_day_later(tmp_path)
    store.sweep(nobody, older_than=DAY)
    store.remove(sha256)
    assert names(tmp_path) == []


def test_beginnings_go_and_what_is_no_file_of_the_store_stays(store: LocalFileStore, tmp_path: Path) -> None:
    sha256 = store.put(b"kept", media_type=JSON)
    folder = tmp_path / sha256[:2] / sha256[2:4]
    (folder / ".unfinished-1").write_bytes(b"begun")
    (folder / "README").write_bytes(b"somebody's")
    (tmp_path / "erasures").mkdir()
    (tmp_path / "erasures" / "0199aaaa-0000-7000-8000-000000000001").write_bytes(b"2027-01-01T00:00:00+00:00\n")
    a_day_later(tmp_path)
    (folder / ".unfinished-2").write_bytes(b"being written")
    assert store.sweep(everybody, older_than=DAY) == 0
    assert names(tmp_path) == sorted([".unfinished-2", "README", "0199aaaa-0000-7000-8000-000000000001", sha256])


def test_many_are_asked_about_at_a_time(store: LocalFileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.clients.files.ASKED_AT_ONCE", 4)
    kept = {store.put(str(number).encode(), media_type=JSON) for number in range(10)}
    a_day_later(tmp_path)
    asked: list[int] = []

    def count(hashes: frozenset[str]) -> frozenset[str]:
        asked.append(len(hashes))
        return hashes

    store.sweep(count, older_than=DAY)
    assert asked == [4, 4, 2]
    assert set(names(tmp_path)) == kept


def test_puts_and_sweeps_at_the_same_time_never_lose_a_named_file(store: LocalFileStore, tmp_path: Path) -> None:
    """Ten contents are old orphans again and again, and put and named again while sweeps run without a pause."""
    contents = [f"content {number}".encode() for number in range(10)]
    named: set[str] = set()
    stop = threading.Event()
    swept = []

    def sweeping() -> None:
        while not stop.is_set():
            swept.append(store.sweep(lambda hashes: frozenset(named & hashes), older_than=DAY))

    thread = threading.Thread(target=sweeping)
    thread.start()
    try:
        ends = time.monotonic() + 3
        while time.monotonic() < ends:
            for content in contents:
                sha256 = store.put(content, media_type=JSON)
                named.add(sha256)
                assert store.get(sha256) == content
            for content in contents:
                assert store.get(store.put(content, media_type=JSON)) == content
            named.clear()
            a_day_later(tmp_path)
            time.sleep(0.01)
    finally:
        stop.set()
        thread.join(30)
    assert sum(swept) > 0, "otherwise nothing was at stake"


def test_the_job_removes_what_overtaken_tries_left_and_nothing_that_a_row_names(
    make: Make, db: Database, ctx: JobContext, store: LocalFileStore, tmp_path: Path, renderer: PlainRenderer
) -> None:
    promise(db, completed_booking(make, db, "Meena", "Arun"))
    with db.unit_of_work() as work:
        overtaken = service.claim_next(work, now=DONE, lease_for=timedelta(seconds=1))
    assert overtaken is not None
    orphan = store.put(b"%PDF of a try that lost its lease", media_type="application/pdf")
    later = JobContext(ctx.settings, db, lambda: DONE + timedelta(hours=1))
    assert jobs.issue(later, store=store, renderer=renderer, keys=PlainKeys()) == 2
    for _ in range(2):
        a_day_later(tmp_path)
        upkeep.sweep_files(ctx, store=store)
    kept = {str(sha256) for row in rows(db, "SELECT pdf_sha256, credential_sha256 FROM certificates") for sha256 in row}
    assert set(names(tmp_path)) == kept
    assert len(kept) == 4
    assert orphan not in kept


def test_files_of_an_erased_family_are_not_kept_alive_by_its_row(
    make: Make, db: Database, ctx: JobContext, store: LocalFileStore, tmp_path: Path, renderer: PlainRenderer
) -> None:
    """A try that was overtaken may have put a file after the row's was removed."""
    promise(db, completed_booking(make, db, "Meena"))
    jobs.issue(ctx, store=store, renderer=renderer, keys=PlainKeys())
    erased = (
        "UPDATE certificates SET erased_at = :now, token = 'new', salt = NULL, payload = payload ||"
        " jsonb_build_object('student_name', CAST(:mark AS text), 'verify_url', 'x')"
    )
    with db.unit_of_work() as work:
        work.db.execute(text(erased), {"now": DONE, "mark": "\u2421"})
        work.db.execute(text("UPDATE certificates SET file_erased_at = :now"), {"now": DONE})
    for _ in range(2):
        a_day_later(tmp_path)
        upkeep.sweep_files(ctx, store=store)
    assert names(tmp_path) == []


def test_the_sweeper_only_rings(ctx: JobContext, bells: list[Bell]) -> None:
    assert upkeep.ring_sweep_files(ctx)
    assert bells == [(JobName.SWEEP_FILES, {})]
