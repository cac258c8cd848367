"""Uploads of which only the SHA-256 is wanted: hashed as they come in, and kept nowhere, not even in a temporary file.

    @bp.post("/verify/file")
    @public
    @hashes_upload(most_bytes=8 * 1024 * 1024)
    def check_file() -> ResponseReturnValue:
        ...  # form.file.data.stream is a ``Hashed``

Such a route has a bound of its own for what may be sent; more than that is refused by its length before it is read, or,
where no length is told, as soon as it is passed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import IO, Any, Final, TypeVar

from flask import Request, current_app

_ATTRIBUTE: Final = "__zonedesk_hashed_upload__"
_OVERHEAD: Final = 16 * 1024
"""Room for the form around the file: boundaries, token and the file's name."""

View = TypeVar("View", bound=Callable[..., Any])


class Hashed:
    """Stands where an uploaded file's content would be, and remembers only its hash and its length in bytes."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.length = 0

    def write(self, part: bytes) -> int:
        """Take the next bytes in."""
        self._hash.update(part)
        self.length += len(part)
        return len(part)

    @property
    def sha256(self) -> str:
        """The hash of all that came, in hexadecimal."""
        return self._hash.hexdigest()

    def seek(self, _offset: int, _whence: int = 0) -> int:
        """There is nothing to go back to."""
        return 0

    def read(self, _size: int = -1) -> bytes:
        """Nothing was kept."""
        return b""

    def readline(self, _size: int = -1) -> bytes:
        """Nothing was kept."""
        return b""

    def close(self) -> None:
        """Nothing is open."""


def hashes_upload(*, most_bytes: int) -> Callable[[View], View]:
    """Mark a view that wants an upload's hash alone, of at most so many bytes."""

    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, most_bytes)
        return view

    return mark


class DeskRequest(Request):
    """A request that knows which uploads are only hashed."""

    @property
    def max_content_length(self) -> int | None:
        """The bound of the route, or that of the application."""
        most = self._most_hashed()
        return super().max_content_length if most is None else most + _OVERHEAD

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self._max_content_length = value

    def _most_hashed(self) -> int | None:
        view = current_app.view_functions.get(self.endpoint or "") if current_app else None
        most: int | None = getattr(view, _ATTRIBUTE, None)
        return most

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        """Where the parser writes an upload to."""
        if self._most_hashed() is None:
            return super()._get_file_stream(total_content_length, content_type, filename, content_length)
        stream: Any = Hashed()
        hashed: IO[bytes] = stream
        return hashed
