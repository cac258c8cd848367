"""A bucket of S3 or of a server that speaks its protocol: a store of files, and the list of erasures beside it.

Every request ends within ``SECONDS``, is tried again ``RETRIES`` times where that is harmless, and what goes wrong is
an OSError, as with a folder: its text says what kind of failure it was and quotes nothing a server said.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import UUID

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import S3Store

from webapp.clients.erasures import FOLDER, first_instant
from webapp.clients.files import ASKED_AT_ONCE, NAMED, REFRESHED_AFTER, SHA256, FileMissing, Named, hash_of, pieces

if TYPE_CHECKING:
    from obstore import PutMode

SECONDS: Final = 20.0
"""The longest a request and its answer may take, of at most ``RANGE`` bytes either way."""
CONNECT_SECONDS: Final = 5.0
RETRIES: Final = 3
RETRY_SECONDS: Final = 30.0
RANGE: Final = 8 * 1024 * 1024
"""Bytes of a large file that are asked for or sent at once; S3 takes no parts below 5 MiB but the last."""
ASIDE: Final = "aside/"
"""Before the names of files that a sweep has set aside."""
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_STATUS: Final = re.compile(r"status code: (\d{3})")
HOW_TO_WRITE: Final = "a bucket is written s3://bucket or s3://bucket/prefix"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Access:
    """How a bucket is reached: what is not given comes from the environment as every tool of AWS reads it."""

    endpoint: str | None = None
    region: str | None = None
    key_id: str | None = None
    secret: str | None = field(default=None, repr=False)


class Bucket:
    """Named contents in a bucket, under a prefix. Connects to nothing before the first question."""

    def __init__(self, name: str, prefix: str, access: Access, *, seconds: float = SECONDS) -> None:
        """``prefix`` is without slashes at its ends. ``seconds`` bounds each request."""
        given = {
            "endpoint": access.endpoint,
            "region": access.region,
            "access_key_id": access.key_id,
            "secret_access_key": access.secret,
        }
        self._store = S3Store(
            name,
            prefix=prefix or None,
            config={key: value for key, value in given.items() if value is not None},  # type: ignore[arg-type]  # str
            client_options={
                "allow_http": (access.endpoint or "").startswith("http://"),
                "timeout": timedelta(seconds=seconds),
                "connect_timeout": timedelta(seconds=min(CONNECT_SECONDS, seconds)),
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
        )

    def put(self, name: str, content: bytes, *, media_type: str, mode: PutMode = "overwrite") -> bool:
        """Keep a content, whole or not at all; ``False`` when it was to be ``create``-d and is there already.

        A server that knows no condition (If-None-Match) overwrites: the same name means the same content here.
        """
        attributes = {"Content-Type": media_type}
        try:
            _asked(lambda: obstore.put(self._store, name, content, mode=mode, attributes=attributes), or_status=501)
        except AlreadyExistsError:
            return False
        except _NotServed:
            _asked(lambda: obstore.put(self._store, name, content, attributes=attributes))
        return True

    def put_file(self, name: str, file: BinaryIO, *, media_type: str) -> None:
        """Keep a large file, sent in parts; it is seen when the last has come."""
        file.seek(0)
        attributes = {"Content-Type": media_type}
        _asked(
            lambda: obstore.put(
                self._store, name, file, attributes=attributes, chunk_size=RANGE, max_concurrency=2, mode="overwrite"
            )
        )

    def get(self, name: str) -> bytes:
        """A content. Raises FileMissing."""
        return _asked(lambda: bytes(obstore.get(self._store, name).bytes()))

    def parts(self, name: str) -> Iterator[bytes]:
        """A content by and by, each part asked for by itself. Raises FileMissing."""
        size = _asked(lambda: obstore.head(self._store, name))["size"]
        for start in range(0, size, RANGE):
            end = min(start + RANGE, size)
            yield _asked(partial(self._range, name, start, end))

    def _range(self, name: str, start: int, end: int) -> bytes:
        return bytes(obstore.get_range(self._store, name, start=start, end=end))

    def put_at(self, name: str) -> datetime | None:
        """When a content was last put, by the server's clock; ``None`` where there is none."""
        try:
            return _asked(lambda: obstore.head(self._store, name))["last_modified"]
        except FileMissing:
            return None

    def copy(self, name: str, to: str) -> None:
        """Keep a content under another name as well, as young as if it were put now. Nothing where there is none."""
        with suppress(FileMissing):
            _asked(lambda: obstore.copy(self._store, name, to))

    def remove(self, name: str) -> None:
        """Keep a content no longer."""
        _asked(lambda: obstore.delete(self._store, name))

    def names(self, under: str | None = None) -> Iterator[tuple[str, datetime]]:
        """Every name, and when its content was last put."""
        listing = iter(obstore.list(self._store, prefix=under))
        while (page := _asked(lambda: next(listing, None))) is not None:
            for found in page:
                yield found["path"], found["last_modified"]


class _NotServed(Exception):
    """The server does not know what was asked of it."""


def _asked(step: Callable[[], T], *, or_status: int | None = None) -> T:
    """One question, its failure as ours. ``or_status`` is an answer that is a ``_NotServed`` of its own."""
    try:
        return step()
    except AlreadyExistsError:
        raise
    # A bucket that is not there is no missing file: whoever believed that would have it made again, or call it erased.
    except (NotFoundError, FileNotFoundError) as error:
        if "NoSuchBucket" in str(error):
            raise OSError("the bucket of the file store does not exist") from error
        raise FileMissing("nothing is kept under this name") from None
    except BaseError as error:
        status = _STATUS.search(str(error))
        if status is not None and status[1] == str(or_status):
            raise _NotServed from None
        said = f", status {status[1]}" if status is not None else ""
        raise OSError(f"the file store did not do it: {type(error).__name__}{said}") from None


class S3FileStore:
    """Files in a bucket, as ``ab/cd/abcd…`` under its prefix. What S3 has confirmed, it keeps."""

    def __init__(self, bucket: Bucket) -> None:
        """Keep files in ``bucket``."""
        self._bucket = bucket

    def put(self, content: bytes, *, media_type: str) -> str:
        """See :meth:`FileStore.put`. A kept file that no longer matches its hash, or is old, is put anew."""
        sha256 = hash_of((content,))
        name = _name(sha256)
        if not self._bucket.put(name, content, media_type=media_type, mode="create") and not (
            self._is_young(name) and self._holds(sha256)
        ):
            self._bucket.put(name, content, media_type=media_type)
        return sha256

    def put_file(self, file: BinaryIO, *, media_type: str) -> str:
        """See :meth:`LargeFileStore.put_file`. Sent always: it costs less than looking what is there."""
        sha256 = hash_of(pieces(file))
        self._bucket.put_file(_name(sha256), file, media_type=media_type)
        return sha256

    def get(self, sha256: str) -> bytes:
        """See :meth:`FileStore.get`. Raises OSError when the server does not answer."""
        if not SHA256.fullmatch(sha256):
            raise FileMissing(f"not a SHA-256: {sha256[:80]!r}")
        try:
            content = self._bucket.get(_name(sha256))
        except FileMissing:
            content = self._bucket.get(self._where(sha256))
        if hash_of((content,)) != sha256:
            raise FileMissing(f"{sha256} is damaged")
        return content

    def fetch(self, sha256: str, into: BinaryIO) -> int:
        """See :meth:`LargeFileStore.fetch`."""
        if not SHA256.fullmatch(sha256):
            raise FileMissing(f"not a SHA-256: {sha256[:80]!r}")
        hashed = hashlib.sha256()
        for part in self._bucket.parts(self._where(sha256)):
            hashed.update(part)
            into.write(part)
        if hashed.hexdigest() != sha256:
            raise FileMissing(f"{sha256} is damaged")
        return into.tell()

    def remove(self, sha256: str) -> None:
        """See :meth:`FileStore.remove`."""
        if SHA256.fullmatch(sha256):
            for name in (_name(sha256), _aside(sha256), _name(sha256)):
                self._bucket.remove(name)

    def sweep(self, named: Named, *, older_than: timedelta) -> int:
        """See :meth:`FileStore.sweep`. What is set aside lies under ``aside/`` and is copied there before it goes."""
        old, removed = self._older_than(datetime.now(UTC) - older_than), 0
        while batch := dict(islice(old, ASKED_AT_ONCE)):
            needed = named(frozenset(_sha256_of(name) for name in batch))
            removed += sum(self._swept(name, needed) for name in batch)
        return removed

    def _older_than(self, at: datetime) -> Iterator[tuple[str, datetime]]:
        """Files and those aside that nothing happened to since ``at``, by the server's clock."""
        for name, put_at in self._bucket.names():
            if put_at < at and NAMED.fullmatch(name.removeprefix(ASIDE)):
                yield name, put_at

    def _swept(self, name: str, needed: frozenset[str]) -> bool:
        """Do with an old file what a sweep does; whether one was removed."""
        sha256, is_aside = _sha256_of(name), name.startswith(ASIDE)
        if is_aside and sha256 in needed:
            if self._bucket.put_at(_name(sha256)) is None:
                self._bucket.copy(name, _name(sha256))
        elif not is_aside and sha256 not in needed:
            self._bucket.copy(name, _aside(sha256))
        elif not is_aside:
            return False
        self._bucket.remove(name)
        return is_aside and sha256 not in needed

    def _where(self, sha256: str) -> str:
        """Where a file is read: in its place, or aside, from where a sweep may just have put it back."""
        name = _name(sha256)
        if self._bucket.put_at(name) is None and self._bucket.put_at(_aside(sha256)) is not None:
            return _aside(sha256)
        return name

    def kept_before(self, at: datetime) -> Iterator[str]:
        """See :meth:`LargeFileStore.kept_before`."""
        for name, put_at in self._bucket.names():
            found = NAMED.fullmatch(name)
            if found is not None and put_at < at:
                yield found["sha256"]

    def forget_unfinished(self, at: datetime) -> int:
        """See :meth:`LargeFileStore.forget_unfinished`. Nothing: the bucket's own rule ends uploads cut short."""
        return 0

    def _holds(self, sha256: str) -> bool:
        try:
            return bool(self.get(sha256))
        except FileMissing:
            return False

    def _is_young(self, name: str) -> bool:
        put_at = self._bucket.put_at(name)
        return put_at is not None and put_at.timestamp() > time.time() - REFRESHED_AFTER.total_seconds()


class S3ErasureList:
    """One content for each household, named by its id, holding the instant in ISO 8601."""

    def __init__(self, bucket: Bucket) -> None:
        """Keep the list in ``bucket``, beside the files."""
        self._bucket = bucket

    def add(self, household_id: UUID, at: datetime) -> None:
        """See :meth:`ErasureList.add`. The first that was put stays, where the server knows conditions."""
        content = f"{at.astimezone(UTC).isoformat()}\n".encode()
        self._bucket.put(f"{FOLDER}/{household_id}", content, media_type="text/plain", mode="create")

    def all(self) -> Mapping[UUID, datetime]:
        """See :meth:`ErasureList.all`."""
        found = {}
        for name, _put_at in self._bucket.names(FOLDER):
            try:
                household_id = UUID(name.removeprefix(f"{FOLDER}/"))
            except ValueError:
                continue
            at = first_instant(self._bucket.get(name).decode("ascii", errors="replace"))
            if at is not None:
                found[household_id] = at
        return found


def place_from_url(url: str) -> tuple[str, str]:
    """The bucket and the prefix that ``s3://bucket/prefix`` names. Raises ValueError, which says how it is written."""
    parts = urlsplit(url)
    prefix = unquote(parts.path).strip("/")
    strange = parts.query or parts.fragment or any(word in ("", ".", "..") for word in prefix.split("/") if prefix)
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc) or strange:
        raise ValueError(HOW_TO_WRITE)
    return parts.netloc, prefix


def _name(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


def _aside(sha256: str) -> str:
    return f"{ASIDE}{_name(sha256)}"


def _sha256_of(name: str) -> str:
    return name.rpartition("/")[2]
