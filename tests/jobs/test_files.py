"""The file store: content by its hash, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import time
from pathlib import Path

import pytest

from webapp.clients.files import FileMissing, FileStore, LocalFileStore, store_from_url

PDF = "application/pdf"


@pytest.fixture
def store(tmp_path: Path) -> LocalFileStore:
    return LocalFileStore(tmp_path / "kept" / "files")


def kept(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_what_was_put_comes_back_under_its_hash(store: LocalFileStore) -> None:
    sha256 = store.put(b"a certificate", media_type=PDF)
    assert sha256 == hashlib.sha256(b"a certificate").hexdigest()
    assert store.get(sha256) == b"a certificate"


def test_putting_twice_keeps_one_file_which_counts_as_new(store: LocalFileStore, tmp_path: Path) -> None:
    first = store.put(b"same", media_type=PDF)
    (path,) = kept(tmp_path)
    before = path.stat().st_ino
    os.utime(path, (0, 0))
    assert store.put(b"same", media_type=PDF) == first
    assert [one.stat().st_ino for one in kept(tmp_path)] == [before], "not written again"
    assert time.time() - path.stat().st_mtime < 3600, "a sweep leaves it time to be named"


def test_a_hash_never_put_is_missing(store: LocalFileStore) -> None:
    with pytest.raises(FileMissing):
        store.get(hashlib.sha256(b"never").hexdigest())


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n", "a" * 61 + "/.."])
def test_what_is_no_hash_is_missing_and_never_a_path(store: LocalFileStore, name: str) -> None:
    with pytest.raises(FileMissing):
        store.get(name)


def test_a_write_cut_short_shows_nothing_and_leaves_nothing(
    store: LocalFileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        # The folders are there already; it is the file's own sync that fails.
        broken.setattr(LocalFileStore, "_make_folder", lambda _self, folder: folder.mkdir(parents=True))
        broken.setattr(os, "fsync", full_disk)
        with pytest.raises(OSError, match="No space left"):
            store.put(b"half", media_type=PDF)
    assert kept(tmp_path) == []
    assert store.get(store.put(b"half", media_type=PDF)) == b"half"


def test_the_name_appears_only_after_the_content_is_on_the_disk(
    store: LocalFileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    true_sync, true_replace = os.fsync, os.replace

    def sync(handle: int) -> None:
        seen.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        true_sync(handle)

    def replace(source: str, target: Path) -> None:
        assert Path(source).parent == target.parent
        assert Path(source).read_bytes() == b"whole"
        seen.append("rename")
        true_replace(source, target)

    store.put(b"makes the folders", media_type=PDF)
    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    store.put(b"whole", media_type=PDF)
    assert seen[-3:] == ["file", "rename", "folder"]


def test_a_damaged_file_is_never_handed_out_and_heals_when_put_again(store: LocalFileStore, tmp_path: Path) -> None:
    sha256 = store.put(b"the true content", media_type=PDF)
    kept(tmp_path)[0].write_bytes(b"the true conten")
    with pytest.raises(FileMissing, match="damaged"):
        store.get(sha256)
    store.put(b"the true content", media_type=PDF)
    assert store.get(sha256) == b"the true content"


def test_many_writers_of_one_content_leave_one_whole_file(store: LocalFileStore, tmp_path: Path) -> None:
    content = os.urandom(200_000)
    start = threading.Barrier(8)
    hashes: list[str] = []

    def write() -> None:
        start.wait()
        hashes.append(store.put(content, media_type=PDF))

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert set(hashes) == {hashlib.sha256(content).hexdigest()}
    assert len(hashes) == 8
    assert len(kept(tmp_path)) == 1
    assert store.get(hashes[0]) == content


def test_only_the_owner_may_read_files_and_folders(store: LocalFileStore, tmp_path: Path) -> None:
    sha256 = store.put(b"private", media_type=PDF)
    file = tmp_path / "kept" / "files" / sha256[:2] / sha256[2:4] / sha256
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in file.parents[:4]} == {0o700}


def test_the_setting_names_a_folder(tmp_path: Path) -> None:
    store: FileStore = store_from_url(f"file://{tmp_path}/with%20space")
    sha256 = store.put(b"x", media_type=PDF)
    assert (tmp_path / "with space" / sha256[:2] / sha256[2:4] / sha256).read_bytes() == b"x"


@pytest.mark.parametrize("url", ["s3://bucket/files", "https://files.example/", "/srv/files", ""])
def test_other_stores_are_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match="only file:// is supported"):
        store_from_url(url)


@pytest.mark.parametrize("url", ["file://var/files", "file:var/files", "file:///srv/files?x=1", "file:///srv#x"])
def test_a_store_that_is_no_absolute_path_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="file:///absolute/path"):
        store_from_url(url)
