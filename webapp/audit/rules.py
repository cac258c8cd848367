"""What can be wrong with the chain of seals, and how an entry's before and after are laid side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from webapp.core.errors import Invalid

SEALED_WITHIN: Final = timedelta(minutes=15)
"""The sweeper seals within seconds; an entry that has had no seal for longer than this is a finding."""
HASH_DIGITS: Final = 64


class Fault(StrEnum):
    """What is wrong at the first place where the chain does not hold."""

    ENTRY_CHANGED = "entry_changed"
    ENTRY_GONE = "entry_gone"
    SEAL_CHANGED = "seal_changed"
    SEAL_MISSING = "seal_missing"
    UNMATCHED = "unmatched"
    """Entry and seal do not fit and no later seal tells which of them was changed."""
    TAIL_CUT = "tail_cut"
    """The chain ends before a head that was noted down, or does not contain it."""
    REWRITTEN = "rewritten"
    """The chain fits together, but another seal stands at the noted position: there or before, it was made anew."""
    NEVER_SEALED = "never_sealed"


@dataclass(frozen=True, slots=True)
class Broken:
    """The first broken place. ``entry_id`` is unknown where a seal is missing or the tail is cut off."""

    fault: Fault
    position: int | None
    entry_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class NotedHead:
    """A head somebody noted down earlier, from the log or an export. Without a position it may stand anywhere."""

    hash: bytes
    position: int | None = None

    @classmethod
    def read(cls, text: str) -> NotedHead:
        """``HEX`` or ``POSITION:HEX``, as ``verify`` and the log tell it. Raises ``Invalid``."""
        place, colon, digits = text.strip().lower().rpartition(":")
        bad = Invalid("head-unreadable", "Give the head as 64 hexadecimal digits, or as position:digits.", field="head")
        if len(digits) != HASH_DIGITS or not set(digits) <= set("0123456789abcdef"):
            raise bad
        if not colon:
            return cls(bytes.fromhex(digits))
        if not (place.isascii() and place.isdigit() and 1 <= len(place) <= 18 and int(place)):
            raise bad
        return cls(bytes.fromhex(digits), int(place))


class Kept(StrEnum):
    """What became of a field."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of an entry, before and after; a side that does not mention it is ``None``."""

    name: str
    before: Any
    after: Any
    kept: Kept


def side_by_side(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[FieldChange, ...]:
    """Every field that either side mentions, in the order they were written down, those of ``before`` first."""
    old, new = before or {}, after or {}
    return tuple(
        FieldChange(name, old.get(name), new.get(name), _kept(name, old, new)) for name in dict.fromkeys([*old, *new])
    )


def _kept(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Kept:
    if name not in old:
        return Kept.ADDED
    if name not in new:
        return Kept.REMOVED
    return Kept.SAME if old[name] == new[name] and type(old[name]) is type(new[name]) else Kept.CHANGED
