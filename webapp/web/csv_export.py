"""Writing CSV: the house's one way, safe against formulas.

A spreadsheet computes what begins like a formula, and a name somebody typed may begin so. Such text gets an apostrophe
in front, which spreadsheets show as text (OWASP ASVS 5.0, 1.2.10). Every cell is quoted, so no separator that another
country's spreadsheet assumes splits one. Lines end with CR LF (RFC 4180); a byte order mark tells spreadsheets that it
is UTF-8.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from io import StringIO
from typing import Any, Final

from flask import Response

MIMETYPE: Final = "text/csv"
MARK: Final = "\ufeff"
_FORMULA: Final = re.compile("[=+@\t\r\n\0\uff1d\uff0b\uff0d\uff20-]")
"""What a formula may begin with, as ASVS and OWASP's page on CSV injection list it: their full-width forms too."""
_BYTES: Final = 32 * 1024
"""About how much is sent at once."""


def cell(value: Any) -> str:
    """A value as a cell: nothing for nothing, instants in UTC, numbers as they are, text without a formula.

    Only a number may begin with a minus. Raises ``TypeError`` for what has no text of its own.
    """
    match value:
        case None:
            return ""
        case Enum():
            return cell(value.value)
        case bool():
            return "yes" if value else "no"
        case int() | float() | Decimal():
            return str(value)
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case date() | time():
            return value.isoformat()
        case str():
            return "'" + value if _FORMULA.match(value) else value
        case _:
            raise TypeError(f"no cell holds a {type(value).__name__}: make text of it first")


def csv_lines(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """The file in pieces of some 32 kB, beginning with the heading. Rows are asked for as they are needed."""
    buffer = StringIO()
    buffer.write(MARK)
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([cell(word) for word in heading])
    for row in rows:
        writer.writerow([cell(value) for value in row])
        if buffer.tell() >= _BYTES:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode("utf-8")


def download(name: str, pieces: Iterable[bytes], *, mimetype: str = MIMETYPE) -> Response:
    """An answer that is kept as a file called ``name`` (ASCII letters, digits, ``.``, ``-``, ``_``), never in a cache.

    Raises ``ValueError`` for another name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"{name!r} is no name for a file")
    response = Response(pieces, mimetype=mimetype)
    response.headers["Content-Type"] = f"{mimetype}; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response
