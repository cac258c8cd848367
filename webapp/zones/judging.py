"""What a row of a file does to the zones there are: something new, a change, nothing, or it cannot be taken. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Final

from webapp.core.errors import Invalid
from webapp.core.names import clean_name, name_key
from webapp.zones.files.said import Fault, FileFormat, FileZone, ReadRow, fault_of
from webapp.zones.queries import StoredZone
from webapp.zones.rules import ZoneCommand, ZoneKind, faults_of
from webapp.zones.shapes import clean_ring
from webapp.zones.sound import SoundZone, facts_of

_CALLED: Final = {
    FileFormat.CSV: {"ring": "corners", "center": "center_lat"},
    FileFormat.GEOJSON: {"ring": "geometry", "center": "geometry"},
}
"""What a zone's parts are called in a file."""
_SHAPE: Final = ("center", "radius_km", "ring")


class Verdict(StrEnum):
    """What comes of a row."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Judged:
    """A row with its verdict. ``zone`` is what would be written, ``known`` the zone it is about, if there is one."""

    line: int
    name: str
    verdict: Verdict
    reason: str
    faults: tuple[Fault, ...] = ()
    zone: SoundZone | None = None
    known: StoredZone | None = None

    @property
    def key(self) -> str:
        """The zone's ``name_key``. Raises ``Invalid`` without a name."""
        return name_key(self.zone.command.name if self.zone is not None else self.name)

    @property
    def takes_ground(self) -> bool:
        """Whether it makes a zone serve places that it did not serve."""
        if self.zone is None or not self.zone.command.active or self.verdict not in (Verdict.NEW, Verdict.CHANGED):
            return False
        if self.known is None or not self.known.command.active:
            return True
        return any(getattr(self.zone.command, name) != getattr(self.known.command, name) for name in _SHAPE)

    def with_faults(self, *faults: Fault) -> Judged:
        """The row, which cannot be taken."""
        return replace(self, verdict=Verdict.BAD, faults=(*self.faults, *faults), zone=None)


def merged(zone: FileZone, known: StoredZone | None) -> ZoneCommand:
    """What a file wants of a zone, where what it leaves unsaid stays as it is."""
    if known is None:
        return zone.command
    return replace(zone.command, **{name: getattr(known.command, name) for name in zone.unsaid})


def known_of(row: ReadRow, stored: Mapping[str, StoredZone]) -> StoredZone | None:
    """The zone that a row is about: the one of its name, however that is spelled."""
    key = key_of(row)
    return stored.get(key) if key is not None else None


def key_of(row: ReadRow) -> str | None:
    """The ``name_key`` of a row's zone; nothing for a row without a name."""
    try:
        return name_key(row.zone.command.name) if row.zone is not None else None
    except Invalid:
        return None


def judge(row: ReadRow, known: StoredZone | None, kind: FileFormat) -> Judged:
    """Every fault of a row, one for each field; or what it changes."""
    if row.zone is None:
        return Judged(row.line, row.name, Verdict.BAD, row.reason, row.faults)
    command = merged(row.zone, known)
    faults = [*row.faults]
    told = {fault.field for fault in faults}
    found: list[Invalid] = []
    ring = command.ring
    if ring is not None and (known is None or ring != known.command.ring):
        try:
            ring = clean_ring(ring)
        except Invalid as refused:
            found.append(refused)
    found += [fault for fault in faults_of(command) if fault.field not in {refused.field for refused in found}]
    label = ""
    try:
        label = clean_name(command.label, field="label") if command.label.strip() else ""
    except Invalid as refused:
        found.append(refused)
    for one in found:
        fault = fault_of(row.line, one)
        fault = replace(fault, field=_CALLED[kind].get(fault.field, fault.field))
        # What could not be read has been told already: its absence is not a second fault.
        if fault.field not in told and not (one.field == "center" and told & {"center_lat", "center_lng"}):
            faults.append(fault)
    if faults:
        return Judged(row.line, row.name, Verdict.BAD, row.reason, tuple(faults), known=known)
    shape = {"radius_km": None, "center": None} if command.kind is ZoneKind.POLYGON else {"max_travel_km": None}
    sound = SoundZone(replace(command, name=clean_name(command.name), label=label, ring=ring, **shape))  # type: ignore[arg-type]  # by name
    verdict = Verdict.NEW
    if known is not None:
        verdict = Verdict.SAME if sound.command == known.command else Verdict.CHANGED
    return Judged(row.line, sound.command.name, verdict, row.reason, zone=sound, known=known)


def digest_of(command: ZoneCommand) -> str:
    """Which state of a zone this is: the same for two only when they are the same to the last digit."""
    told = json.dumps(facts_of(command), separators=(",", ":"), sort_keys=True)
    return sha256(told.encode()).hexdigest()[:32]


def border_of(row: Judged, kind: FileFormat) -> str:
    """What the file calls the part that says where a row's zone ends."""
    polygon = row.zone is not None and row.zone.command.ring is not None
    return _CALLED[kind]["ring"] if polygon else "radius_km"
