"""Where files are kept: by the hash of their content, so the same content is kept once and cannot be overwritten."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, Protocol
from urllib.parse import unquote, urlsplit

from webapp.core.failpoints import Failpoint, reach

SHA256: Final = re.compile(r"[0-9a-f]{64}")
NAMED: Final = re.compile(r"(?P<a>[0-9a-f]{2})/(?P<b>[0-9a-f]{2})/(?P<sha256>(?P=a)(?P=b)[0-9a-f]{60})")
"""How a file is named in a store; whatever else lies there is none of its files."""
REFRESHED_AFTER: Final = timedelta(hours=1)
"""A file put again is young again: a sweep does not take it before it is named. Within this time it stays as it is."""
PIECE: Final = 1024 * 1024
"""Bytes of a large file that are in memory at once."""
_UNFINISHED: Final = ".unfinished-"
_ASIDE: Final = ".aside-"
ASKED_AT_ONCE: Final = 500
"""About how many files a sweep asks at a time."""


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


class LargeFileStore(FileStore, Protocol):
    """A store that takes and gives files which do not fit into memory, and knows which lie there for long."""

    def put_file(self, file: BinaryIO, *, media_type: str) -> str:
        """As ``put``, from a file that is read twice from its beginning."""

    def fetch(self, sha256: str, into: BinaryIO) -> int:
        """Write the content at the beginning of an empty file and return its length in bytes.

        Raises FileMissing, when part of it may be written already, and OSError.
        """

    def kept_before(self, at: datetime) -> Iterator[str]:
        """The hashes of whole files that were last put before an instant, in no order. Raises OSError."""

    def forget_unfinished(self, at: datetime) -> int:
        """Remove what writers left that died before an instant; returns how many. Raises OSError."""


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """A file from its beginning, bounded bytes at a time."""
    file.seek(0)
    while piece := file.read(PIECE):
        yield piece


def hash_of(parts: Iterable[bytes]) -> str:
    """The SHA-256 of what comes in parts, as 64 hex digits."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(part)
    return hashed.hexdigest()


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
            # A sweep that is just setting it aside leaves it where it is read, until the next sweep puts it back.
            _refresh(path)
        else:
            _write_whole(path, (content,))
        # Also when it was there: another process may have renamed it and not yet made the name last.
        _sync_folder(path.parent)
        return sha256

    def put_file(self, file: BinaryIO, *, media_type: str) -> str:
        """See :meth:`LargeFileStore.put_file`."""
        sha256 = hash_of(pieces(file))
        path = self._path(sha256)
        self._make_folder(path.parent)
        try:
            with path.open("rb") as kept:
                whole = hash_of(pieces(kept)) == sha256
        except FileNotFoundError:
            whole = False
        if whole:
            _refresh(path)
        else:
            _write_whole(path, pieces(file))
        _sync_folder(path.parent)
        return sha256

    def fetch(self, sha256: str, into: BinaryIO) -> int:
        """See :meth:`LargeFileStore.fetch`."""
        if not SHA256.fullmatch(sha256):
            raise FileMissing(f"not a SHA-256: {sha256[:80]!r}")
        path, hashed = self._path(sha256), hashlib.sha256()
        try:
            with _first_open(path, _aside(path), path) as kept:
                for piece in pieces(kept):
                    hashed.update(piece)
                    into.write(piece)
        except FileNotFoundError as error:
            raise FileMissing(sha256) from error
        if hashed.hexdigest() != sha256:
            raise FileMissing(f"{sha256} is damaged")
        return into.tell()

    def kept_before(self, at: datetime) -> Iterator[str]:
        """See :meth:`LargeFileStore.kept_before`. A file that goes meanwhile is passed over."""
        for path in self._root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            found = NAMED.fullmatch(path.relative_to(self._root).as_posix())
            if found is not None and _is_older(path, at):
                yield found["sha256"]

    def forget_unfinished(self, at: datetime) -> int:
        """See :meth:`LargeFileStore.forget_unfinished`. Whoever still writes touches the file again and again."""
        gone = 0
        for path in self._root.glob(f"[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/{_UNFINISHED}*"):
            if _is_older(path, at):
                path.unlink(missing_ok=True)
                gone += 1
        return gone

    def get(self, sha256: str) -> bytes:
        """See :meth:`FileStore.get`. Checks the hash again, so damage on the disk is never handed out."""
        if not SHA256.fullmatch(sha256):
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
        if not SHA256.fullmatch(sha256):
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
        while batch := list(islice(old, ASKED_AT_ONCE)):
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
    """The store an address such as ``file:///srv/zonedesk/files`` names. Raises ValueError for anything else.

    Whoever has settings asks ``clients.stores``, which knows other kinds too.
    """
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
    with _first_open(*paths) as file:
        return file.read()


def _first_open(*paths: Path) -> BinaryIO:
    """The first that is there, opened. Raises FileNotFoundError when none is."""
    for path in paths[:-1]:
        with contextlib.suppress(FileNotFoundError):
            return path.open("rb")
    return paths[-1].open("rb")


def _sha256_of(path: Path) -> str | None:
    """The hash of what a file of the store holds; ``None`` for one that is only begun, or no file of the store."""
    name = path.name.removeprefix(_ASIDE)
    return name if SHA256.fullmatch(name) else None


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


def _is_older(path: Path, at: datetime) -> bool:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC) < at
    except FileNotFoundError:
        return False


def _refresh(path: Path) -> None:
    """Make a file young that was put long ago, by the clock that dates files: a demo may set the desk's."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_mtime < time.time() - REFRESHED_AFTER.total_seconds():
            os.utime(path)


def _write_whole(path: Path, parts: Iterable[bytes]) -> None:
    """Write beside the final name, sync, then rename: no reader sees a part, whenever the process dies."""
    handle, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)  # 0600 by its contract
    try:
        with os.fdopen(handle, "wb") as file:
            reach(Failpoint.STORING)
            for part in parts:
                file.write(part)
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
