"""Files of zones: reading a CSV file into commands, and what it would change. Pure.

Columns: ``name, label, time_zone, center_lat, center_lng, radius_km``; ``city, state, country`` are known and read
past, as a zone has a label and a place on the earth. The file is UTF-8, with or without a byte order mark.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final
from uuid import UUID

from webapp.core.errors import Invalid
from webapp.core.geo import Location
from webapp.core.names import clean_name, name_key
from webapp.core.words import msgid
from webapp.zones.queries import StoredZone
from webapp.zones.rules import ZoneCommand, faults_of

MAX_BYTES: Final = 10 * 1024 * 1024
"""Largest file, in bytes."""

NEEDED: Final = ("name", "time_zone", "center_lat", "center_lng", "radius_km")
KNOWN: Final = (*NEEDED, "label", "city", "state", "country")


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


@dataclass(frozen=True, slots=True)
class ZoneFile:
    """A file as read: its zones, or its faults. A file with one fault changes nothing."""

    commands: tuple[ZoneCommand, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What a file changes: new zones, changed zones by id, and how many are as the file says already."""

    created: tuple[ZoneCommand, ...]
    updated: tuple[tuple[UUID, ZoneCommand], ...]
    unchanged: int


def plan_import(stored: Mapping[str, StoredZone], commands: Iterable[ZoneCommand]) -> ImportPlan:
    """Compare a file with an operator's zones, by ``name_key``. Travel buffers and retired zones stay as they are."""
    created, updated, unchanged = [], [], 0
    for command in commands:
        known = stored.get(name_key(command.name))
        if known is None:
            created.append(command)
            continue
        wanted = replace(
            command, travel_buffer_minutes=known.command.travel_buffer_minutes, active=known.command.active
        )
        if wanted == known.command:
            unchanged += 1
        else:
            updated.append((known.id, wanted))
    return ImportPlan(tuple(created), tuple(updated), unchanged)


def ring_of_name(stored: Mapping[str, StoredZone], name: str) -> tuple[Location, ...] | None:
    """The ring that the operator's zone of a name has already, however the name is spelled."""
    try:
        known = stored.get(name_key(name))
    except Invalid:  # whoever checks the name says so
        return None
    return known.command.ring if known is not None else None


def read_zones(data: bytes, *, franchise_id: UUID | None) -> ZoneFile:
    """Read a CSV file of circles for the company (``franchise_id`` None) or a franchise. Never raises: see ``faults``.

    A cell that begins with ``=`` or ``@`` is text like any other; where a number belongs it is a fault.
    """
    if len(data) > MAX_BYTES:
        return _whole(msgid("The file is larger than %(limit)s MiB."), limit=MAX_BYTES // 1024**2)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _whole(msgid("The file is not UTF-8 (byte %(byte)s). Save it as UTF-8 CSV."), byte=error.start + 1)
    if "\0" in text:
        return _whole(msgid("The file is not text. Save it as UTF-8 CSV."))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            lines.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error:
        return ZoneFile((), (Fault(reader.line_num, "", msgid("This line is not CSV: look for a lone quote."), {}),))
    return _read_lines([(number, cells) for number, cells in lines if any(cells)], franchise_id)


def _whole(sentence: str, **params: object) -> ZoneFile:
    return ZoneFile((), (Fault(0, "", sentence, params),))


def _heading_faults(number: int, heading: list[str]) -> list[Fault]:
    faults = [Fault(number, name, msgid("This column is missing."), {}) for name in NEEDED if name not in heading]
    faults += [Fault(number, name, msgid("This column is not known."), {}) for name in heading if name not in KNOWN]
    if len(set(heading)) < len(heading):
        faults.append(Fault(number, "", msgid("A column appears twice."), {}))
    return faults


def _read_lines(lines: list[tuple[int, list[str]]], franchise_id: UUID | None) -> ZoneFile:
    if not lines:
        return _whole(msgid("The file is empty."))
    (first, names), rows = lines[0], lines[1:]
    heading = [name.casefold() for name in names]
    faults = _heading_faults(first, heading)
    if faults:
        return ZoneFile((), tuple(faults))
    if not rows:
        return _whole(msgid("The file has a heading but no zones."))
    commands: list[ZoneCommand] = []
    seen: dict[str, int] = {}
    for number, cells in rows:
        if len(cells) != len(heading):
            sentence = msgid("The line has %(found)s cells, the heading %(wanted)s.")
            faults.append(Fault(number, "", sentence, {"found": len(cells), "wanted": len(heading)}))
            continue
        command, wrong = _read_zone(dict(zip(heading, cells, strict=True)), franchise_id)
        faults += [Fault(number, fault.field or "", fault.message, fault.params) for fault in wrong]
        if command is None:
            continue
        before = seen.setdefault(name_key(command.name), number)
        if before != number:
            faults.append(Fault(number, "name", msgid("Line %(line)s has the same name."), {"line": before}))
        commands.append(command)
    return ZoneFile((), tuple(faults)) if faults else ZoneFile(tuple(commands), ())


def _read_zone(row: Mapping[str, str], franchise_id: UUID | None) -> tuple[ZoneCommand | None, list[Invalid]]:
    faults: list[Invalid] = []
    numbers: dict[str, float] = {}
    for field, limit in (("center_lat", 90), ("center_lng", 180), ("radius_km", None)):
        try:
            numbers[field] = _number(row[field], field, limit)
        except Invalid as fault:
            faults.append(fault)
    center = None
    if "center_lat" in numbers and "center_lng" in numbers:
        center = Location(numbers["center_lat"], numbers["center_lng"])
    label = row.get("label", "")
    command = ZoneCommand(
        name=row["name"],
        franchise_id=franchise_id,
        time_zone=row["time_zone"],
        center=center,
        radius_km=numbers.get("radius_km"),
        label=label,
    )
    # A number that could not be read has been named already; its absence is not a second fault.
    faults += [f for f in faults_of(command) if f.field not in ("center", "radius_km") or f.field in numbers]
    try:
        label = clean_name(label, field="label") if label else ""
    except Invalid as fault:
        faults.append(fault)
    if faults:
        return None, faults
    return replace(command, name=clean_name(command.name), label=label), []


def _number(text: str, field: str, limit: int | None) -> float:
    # float() also reads "1_000", "nan", "inf" and digits of other scripts, which no spreadsheet means by a number.
    try:
        value = float(text) if text.isascii() and "_" not in text else float("nan")
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise Invalid("number-shape", "%(text)s is not a number like 17.6868.", field=field, text=text or "–")
    if limit is not None and abs(value) > limit:
        raise Invalid("degrees-range", "Degrees lie between -%(limit)s and %(limit)s.", field=field, limit=limit)
    return value
