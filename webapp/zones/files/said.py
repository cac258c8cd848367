"""What a file of zones says, row by row, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from webapp.core.errors import Invalid
from webapp.core.geo import Location
from webapp.core.names import search_words
from webapp.core.words import msgid
from webapp.zones.rules import ZoneCommand

MAX_BYTES: Final = 10 * 1024 * 1024
"""Largest file, in bytes."""
MAX_ROWS: Final = 20_000
"""Most zones of one file."""
MAX_SHOWN: Final = 60
"""Longest piece of a file that is quoted in a fault, in characters."""
MAX_REASON: Final = 400


class FileFormat(StrEnum):
    """The two kinds of files."""

    CSV = "csv"
    GEOJSON = "geojson"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one cell, or with the file (line 0), as a sentence whose places ``params`` fill."""

    line: int
    field: str
    sentence: str
    params: Mapping[str, object]

    def __str__(self) -> str:
        sentence = self.sentence % self.params if self.params else self.sentence
        where = ", ".join(([f"line {self.line}"] if self.line else []) + ([self.field] if self.field else []))
        return f"{where}: {sentence}" if where else sentence


class BadFile(Exception):
    """The file as a whole cannot be read on; ``faults`` say why."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class RawRow:
    """One line of a CSV file, or one feature (numbered from 1), before it is a zone: texts by column.

    A feature brings its border as a ``ring`` already; ``faults`` are what kept a part of it from being read.
    """

    line: int
    cells: Mapping[str, str]
    ring: tuple[Location, ...] | None = None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class FileZone:
    """A zone as a file gives it. ``unsaid`` names what the file leaves open: an existing zone keeps its own there."""

    command: ZoneCommand
    unsaid: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ReadRow:
    """One row as read: a zone that has yet to be checked, as far as there is one, and the faults found so far."""

    line: int
    name: str
    zone: FileZone | None
    reason: str
    faults: tuple[Fault, ...]


def shown(value: Any) -> str:
    """A piece of a file as a fault quotes it: short, on one line, nothing invisible; a dash for nothing."""
    text = search_words(str(value)[: 4 * MAX_SHOWN])
    return (text[: MAX_SHOWN - 1] + "…" if len(text) > MAX_SHOWN else text) or "–"


def opened(ring: tuple[Location, ...]) -> tuple[Location, ...]:
    """A border without its first corner once more at its end."""
    return ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring


def fault_of(line: int, refused: Invalid) -> Fault:
    """A rule's refusal as the fault of a row."""
    return Fault(line, refused.field or "", refused.message, refused.params)


def bad_file(sentence: str, *, line: int = 0, **params: object) -> BadFile:
    """A file that cannot be read on."""
    return BadFile(Fault(line, "", sentence, params))


def too_many_rows() -> BadFile:
    """More zones than one file may hold."""
    return bad_file(
        msgid("The file holds more than %(limit)s zones: split it into several files."), limit=f"{MAX_ROWS:,}"
    )
