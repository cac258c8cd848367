"""Where files are kept: by the hash of their content, so the same content is kept once and cannot be overwritten."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_UNFINISHED: Final = ".unfinished-"


class FileMissing(Exception):
    """No whole file is kept under this hash: never put, lost, or no longer what was put."""


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
        if not _holds(path, content):
            _write_whole(path, content)
        # Also when it was there: another process may have renamed it and not yet made the name last.
        _sync_folder(path.parent)
        return sha256

    def get(self, sha256: str) -> bytes:
        """See :meth:`FileStore.get`. Checks the hash again, so damage on the disk is never handed out."""
        if not _SHA256.fullmatch(sha256):
            raise FileMissing(f"not a SHA-256: {sha256[:80]!r}")
        try:
            content = self._path(sha256).read_bytes()
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
            content = path.read_bytes()
        except FileNotFoundError:
            return
        for unfinished in path.parent.glob(f"{_UNFINISHED}*"):
            with contextlib.suppress(FileNotFoundError):
                begun = unfinished.read_bytes()
                if begun and content.startswith(begun):
                    unfinished.unlink()
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)

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
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
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
