"""A whole file of zones at once, for the command: its zones or its faults, and what it would change. Pure."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from webapp.core.errors import Invalid
from webapp.core.names import name_key
from webapp.core.words import msgid
from webapp.zones.files.rows import format_of, read_rows
from webapp.zones.files.said import MAX_BYTES, BadFile, Fault, FileZone, bad_file
from webapp.zones.judging import judge, key_of, known_of, merged
from webapp.zones.queries import StoredZone
from webapp.zones.rules import ZoneCommand
from webapp.zones.sound import sound

__all__ = ["MAX_BYTES", "Fault", "FileZone", "ImportPlan", "ZoneFile", "plan_import", "read_zones", "same_name"]


@dataclass(frozen=True, slots=True)
class ZoneFile:
    """A file as read: its zones, or its faults. A file with one fault changes nothing."""

    zones: tuple[FileZone, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What a file changes: new zones, changed zones by id, and how many are as the file says already."""

    created: tuple[ZoneCommand, ...]
    updated: tuple[tuple[UUID, ZoneCommand], ...]
    unchanged: int


def plan_import(stored: Mapping[str, StoredZone], zones: Iterable[FileZone]) -> ImportPlan:
    """Compare a file with an operator's zones, by ``name_key``; what it does not say of a zone stays as it is.

    Raises ``Invalid`` for the first zone that is not sound.
    """
    created, updated, unchanged = [], [], 0
    for zone in zones:
        known = stored.get(_key(zone))
        wanted = sound(merged(zone, known), kept=known.command.ring if known is not None else None).command
        if known is None:
            created.append(wanted)
        elif wanted == known.command:
            unchanged += 1
        else:
            updated.append((known.id, wanted))
    return ImportPlan(tuple(created), tuple(updated), unchanged)


def _key(zone: FileZone) -> str:
    try:
        return name_key(zone.command.name)
    except Invalid:  # whoever checks the name says so
        return ""


def read_zones(data: bytes, *, franchise_id: UUID | None, stored: Mapping[str, StoredZone] | None = None) -> ZoneFile:
    """Read a CSV or GeoJSON file for the company (``franchise_id`` None) or a franchise. Never raises: see ``faults``.

    ``stored`` are the operator's zones, for what the file leaves unsaid.
    """
    zones: list[FileZone] = []
    faults: list[Fault] = []
    seen: dict[str, int] = {}
    try:
        if len(data) > MAX_BYTES:
            raise too_large()
        kind = format_of(data)
        for row in read_rows(io.BytesIO(data), kind, franchise_id=franchise_id):
            faults += judge(row, known_of(row, stored or {}), kind).faults
            if (key := key_of(row)) is not None and row.zone is not None:
                if (before := seen.setdefault(key, row.line)) != row.line:
                    faults.append(same_name(row.line, before))
                zones.append(row.zone)
    except BadFile as bad:
        return ZoneFile((), (*faults, *bad.faults))
    return ZoneFile((), tuple(faults)) if faults else ZoneFile(tuple(zones), ())


def same_name(line: int, other: int) -> Fault:
    """Two rows of one file are about the same zone."""
    return Fault(line, "name", msgid("Line %(line)s has the same name."), {"line": other})


def too_large() -> BadFile:
    """A file that is larger than any that is taken."""
    return bad_file(msgid("The file is larger than %(limit)s MiB."), limit=MAX_BYTES // 1024**2)
