"""The canonical form of an audit entry, version 1, and the seal over it.

Somebody who has only an export must be able to compute it again in any language, so it is said here exactly:

- UTF-8 bytes of one JSON object, no white space, the keys of every object sorted by Unicode code point.
- One member for each column of ``audit_entries`` that is not NULL, under the column's name, and ``"v":1``. A column
  that is NULL is left out, so a nullable column added later changes no old entry's form.
- An id is a string, 8-4-4-4-12 lower-case hexadecimal digits. An instant is a string in UTC with microseconds,
  ``2027-01-01T03:30:00.000000Z``. Text is a string. ``before`` and ``after`` are JSON values.
- Strings are escaped as in RFC 8785: ``\\"``, ``\\\\``, ``\\b``, ``\\f``, ``\\n``, ``\\r``, ``\\t``, other characters
  below U+0020 as ``\\u00hh`` in lower case, nothing else.
- Numbers are the decimal digits the database keeps, never an exponent. (RFC 8785 would round them to a double; a digit
  further down could then be changed unseen.)

The seal of entry *n* is ``SHA-256(seal of n-1 ‖ canonical form of n)``; before the first stand 32 zero bytes.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from hashlib import sha256
from json import JSONDecoder
from json.encoder import encode_basestring
from typing import Any, Final

from sqlalchemy import ColumnElement, DateTime, Text, cast, func
from sqlalchemy.dialects.postgresql import JSONB

from webapp.audit.models import AuditEntry

VERSION: Final = 1
GENESIS: Final = bytes(32)
"""What stands before the first seal."""

_TABLE: Final = AuditEntry.__table__
COLUMNS: Final = tuple(sorted(column.key for column in _TABLE.columns))
"""Every column of an entry, in the order of the canonical form."""
_PLACE_OF_VERSION: Final = bisect(COLUMNS, "v")


def stored_entry() -> tuple[ColumnElement[str | None], ...]:
    """Every column of an entry as the text the database keeps, in the order of ``COLUMNS``.

    As text, so that what somebody planted there (a word no enum knows, a date no Python knows) is seen and is no error.
    """
    return tuple(_as_text(name).label(f"entry_{name}") for name in COLUMNS)


def _as_text(name: str) -> ColumnElement[str | None]:
    column: ColumnElement[Any] = _TABLE.c[name]
    # In UTC whatever the connection's zone is; a timestamp without zone is written as ISO 8601 with a blank.
    return cast(func.timezone("UTC", column) if name in _INSTANTS else column, Text)


class _Numeral(str):
    """A number as it was written."""

    __slots__ = ()


_INSTANTS: Final = frozenset(c.key for c in _TABLE.columns if isinstance(getattr(c.type, "impl", c.type), DateTime))
_DOCUMENTS: Final = frozenset(c.key for c in _TABLE.columns if isinstance(c.type, JSONB))
_read = JSONDecoder(parse_float=_Numeral, parse_int=_Numeral).decode
_quoted = encode_basestring


def canonical(entry: Sequence[str | None]) -> str:
    """The canonical form of an entry whose columns ``stored_entry`` has read."""
    members = [
        f'"{name}":{_member(name, value)}' for name, value in zip(COLUMNS, entry, strict=True) if value is not None
    ]
    after_it = sum(value is not None for value in entry[_PLACE_OF_VERSION:])
    members.insert(len(members) - after_it, f'"v":{VERSION}')
    return "{" + ",".join(members) + "}"


def _member(name: str, value: str) -> str:
    if name in _DOCUMENTS:
        try:
            return _document(_read(value))
        except RecursionError:  # nested deeper than anything of ours: by its text it is compared as well
            return _quoted(value)
    return _quoted(_instant(value) if name in _INSTANTS else value)


def _instant(text: str) -> str:
    day, _blank, clock = text.partition(" ")
    seconds, _point, fraction = clock.partition(".")
    return f"{day}T{seconds}.{fraction:0<6}Z"


def _document(value: Any) -> str:
    if isinstance(value, str):
        return str(value) if isinstance(value, _Numeral) else _quoted(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(key)}:{_document(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_document, value)) + "]"
    return {None: "null", True: "true", False: "false"}[value]


def seal(previous: bytes, form: str) -> bytes:
    """The seal of an entry in its canonical form, after the seal ``previous``: 32 bytes."""
    return sha256(previous + form.encode()).digest()
