"""Where files are kept: by the hash of their content, so the same content is kept once and cannot be overwritten."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from webapp.core.failpoints import Failpoint, reach

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_UNFINISHED: Final = ".unfinished-"
_ASIDE: Final = ".aside-"
_ASKED_AT_ONCE: Final = 500


class FileMissing(Exception):
    """No whole file is kept under this hash: never put, lost, or no longer what was put."""


Named = Callable[[frozenset[str]], frozenset[str]]
"""Those of the given hashes that somebody needs."""


class FileStore(Protocol):
    """A content-addressed store. Putting is idempotent; a file is visible only when it is whole."""

    def put(self, content: bytes, *, media_type: str) -> str:
        """Keep ``content`` (``media_type`` such as ``application/pdf``) and return its SHA-256 as 64 hex digits.

        When it returns, the file survives a crash. Raises OSError when it could not be kept.
        """

    def get(self, sha256: str) -> bytes:
        """The content with this SHA-256 (64 lower-case hex digits). Raises FileMissing."""

    def remove(self, sha256: str) -> None:
        """Keep the content no longer; nothing happens where none is kept. Raises OSError when it could not go."""

    def sweep(self, named: Named, *, older_than: timedelta) -> int:
        """Remove what was put longer ago than ``older_than`` and is not among the ``named``; returns how many.

        In two steps, ``older_than`` apart: first a file is set aside, from where ``get`` still reads it, and a later
        sweep removes it, or puts it back when it is named by then. So whoever puts a file and names it within
        ``older_than`` never loses it, whatever runs at the same time. Raises OSError.
        """


class LocalFileStore:
    """Files in a folder of this machine, as ``ab/cd/abcd…``; folders 0700, files 0600."""

    def __init__(self, root: Path) -> None:
        """Keep files under ``root``, an absolute path; made when the first file is put."""
        if not root.is_absolute():
            raise ValueError("the file store needs an absolute path")
        self._root = root

    def put(self, content: bytes, *, media_type: str) -> str:
        """See :meth:`FileStore.put`. A folder keeps no media type: who keeps the hash knows what it is.

        A kept file that no longer matches its hash is replaced.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        path = self._path(sha256)
        self._make_folder(path.parent)
        if _holds(path, content):
            # As young as if it were new: a sweep does not take it before it is named. One that is just doing so sets
            # it aside, where it is read until the next sweep puts it back.
            with contextlib.suppress(FileNotFoundError):
                os.utime(path)
        else:
            _write_whole(path, content)
        # Also when it was there: another process may have renamed it and not yet made the name last.
        _sync_folder(path.parent)
        return sha256

    def get(self, sha256: str) -> bytes:
        """See :meth:`FileStore.get`. Checks the hash again, so damage on the disk is never handed out."""
        if not _SHA256.fullmatch(sha256):
            raise FileMissing(f"not a SHA-256: {sha256[:80]!r}")
        path = self._path(sha256)
        try:
            content = _first_of(path, _aside(path), path)  # once more, because a sweep may just have put it back
        except FileNotFoundError as error:
            raise FileMissing(sha256) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise FileMissing(f"{sha256} is damaged")
        return content

    def remove(self, sha256: str) -> None:
        """See :meth:`FileStore.remove`. When it returns, the file stays gone through a crash.

        Beginnings of the same content go as well: they are what a process left that died while it wrote.
        """
        if not _SHA256.fullmatch(sha256):
            return
        path = self._path(sha256)
        try:
            content = _first_of(path, _aside(path), path)
        except FileNotFoundError:
            return
        for unfinished in path.parent.glob(f"{_UNFINISHED}*"):
            with contextlib.suppress(FileNotFoundError):
                begun = unfinished.read_bytes()
                if begun and content.startswith(begun):
                    unfinished.unlink()
        for kept in (path, _aside(path), path):
            kept.unlink(missing_ok=True)
        reach(Failpoint.REMOVED)
        _sync_folder(path.parent)

    def sweep(self, named: Named, *, older_than: timedelta) -> int:
        """See :meth:`FileStore.sweep`. Beginnings of files that a process left when it died go as well."""
        old, removed = self._older_than(time.time() - older_than.total_seconds()), 0
        while batch := list(islice(old, _ASKED_AT_ONCE)):
            hashes = frozenset(name for name in map(_sha256_of, batch) if name)
            needed = named(hashes) if hashes else hashes
            removed += sum(_swept(entry, needed) for entry in batch)
        return removed

    def _older_than(self, instant: float) -> Iterator[Path]:
        """Files, those aside and beginnings that nothing happened to since ``instant`` (seconds since 1970)."""
        for folder in sorted(self._root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]")):
            for entry in sorted(folder.iterdir()):
                with contextlib.suppress(FileNotFoundError):
                    if entry.stat().st_mtime < instant:
                        yield entry

    def _path(self, sha256: str) -> Path:
        return self._root / sha256[:2] / sha256[2:4] / sha256

    def _make_folder(self, folder: Path) -> None:
        """Make ``folder`` and what is missing above it, each synced into its parent, so that it outlasts a crash."""
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)


def store_from_url(url: str) -> FileStore:
    """The store a setting such as ``file:///srv/zonedesk/files`` names. Raises ValueError for anything else."""
    return LocalFileStore(root_from_url(url))


def root_from_url(url: str) -> Path:
    """The folder that the address of a store names. Raises ValueError as ``store_from_url`` does."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise ValueError(
            f"only file:// is supported as a file store, not {parts.scheme or 'an address without scheme'}"
        )
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or not parts.path.startswith("/"):
        raise ValueError("a file store is written file:///absolute/path")
    return Path(unquote(parts.path))


def _aside(path: Path) -> Path:
    return path.with_name(f"{_ASIDE}{path.name}")


def _first_of(*paths: Path) -> bytes:
    """The content of the first that is there. Raises FileNotFoundError when none is."""
    for path in paths[:-1]:
        with contextlib.suppress(FileNotFoundError):
            return path.read_bytes()
    return paths[-1].read_bytes()


def _sha256_of(path: Path) -> str | None:
    """The hash of what a file of the store holds; ``None`` for one that is only begun, or no file of the store."""
    name = path.name.removeprefix(_ASIDE)
    return name if _SHA256.fullmatch(name) else None


def _swept(path: Path, needed: frozenset[str]) -> bool:
    """Do with an old file what a sweep does (see :meth:`FileStore.sweep`); whether one was removed."""
    sha256, is_aside = _sha256_of(path), path.name.startswith(_ASIDE)
    if sha256 is None:
        if path.name.startswith(_UNFINISHED):
            path.unlink(missing_ok=True)
        return False
    if is_aside and sha256 in needed:
        _put_back(path, path.with_name(sha256))
    elif is_aside:
        path.unlink(missing_ok=True)
    elif sha256 not in needed:
        _set_aside(path)
    else:
        return False
    _sync_folder(path.parent)
    return is_aside and sha256 not in needed


def _set_aside(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.utime(path)  # the day that it lies aside begins now
        os.replace(path, _aside(path))


def _put_back(aside: Path, path: Path) -> None:
    """Make a file visible again under its name, unless it was put anew meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        if path.exists():
            aside.unlink()
        else:
            os.replace(aside, path)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside the final name, sync, then rename: no reader sees a part, whenever the process dies."""
    handle, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)  # 0600 by its contract
    try:
        with os.fdopen(handle, "wb") as file:
            reach(Failpoint.STORING)
            file.write(content)
            file.flush()
            reach(Failpoint.WRITTEN)
            os.fsync(file.fileno())
        reach(Failpoint.SYNCED)
        os.replace(unfinished, path)
        reach(Failpoint.RENAMED)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` last through a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
