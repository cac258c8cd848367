"""Identifiers: UUID version 7 (RFC 9562, section 5.7), made here so that no server function is needed."""

from __future__ import annotations

import secrets
import threading
import time
from uuid import UUID

COMPANY_ID = UUID("00000000-0000-7000-8000-000000000001")
"""The one company's operator id. Fixed, because ``zones.operator_id`` is generated from it in the database."""

_lock = threading.Lock()
_last: int = 0


def new_id() -> UUID:
    """A new time-ordered UUID version 7.

    48 bits of Unix milliseconds, then 12 + 62 bits of which the leading ones count up within one process when two
    ids fall into the same millisecond, so ids made by one process sort in the order they were made.
    """
    global _last
    with _lock:
        candidate = (time.time_ns() // 1_000_000) << 74 | secrets.randbits(74)
        if candidate <= _last:
            candidate = _last + 1 + secrets.randbits(32)
        _last = candidate
    milliseconds, rest = candidate >> 74, candidate & ((1 << 74) - 1)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (rest >> 62) << 64 | 0b10 << 62 | (rest & ((1 << 62) - 1)))


def milliseconds_of(id_: UUID) -> int:
    """When a UUID version 7 was made, in Unix milliseconds by the clock of the machine that made it."""
    return id_.int >> 80


def first_id_of(milliseconds: int) -> UUID:
    """The smallest id of a Unix millisecond: ids made then or later are not below it."""
    return UUID(int=min(max(milliseconds, 0), (1 << 48) - 1) << 80)
