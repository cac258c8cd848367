"""Who serves a place, remembered: by the process, else in Valkey, else asked of the database (ADR 20).

What is remembered is never older than what was committed when somebody asked: the stamp of the set of zones is read
from the database each time, before anything else, and an answer is kept under the stamp that was read before it. It may
be newer than its stamp, and then nobody asks for that stamp any more.

An answer is kept for the very coordinates that were asked for. Rounding them would make one answer of two where a
border runs between, and people ask for the same place again in the same digits anyway. Valkey sees no coordinates but a
keyed hash of them: homes are nothing it needs to know. It is believed for what pages show; whoever books asks the
database, within the transaction that books.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields
from hashlib import blake2b
from threading import Lock
from typing import Final
from uuid import UUID

from flask import Flask, current_app
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from webapp.core.geo import Location
from webapp.db.work import read_only
from webapp.web.cache import Cache, cache
from webapp.zones.queries import ZoneAt, zone_set_version, zones_at

Zones = tuple[ZoneAt, ...]

KEPT: Final = 3600
"""Seconds for which Valkey keeps an answer, though no zone changes."""
CAPACITY: Final = 4096
"""Most answers in a process's own memory, a kilobyte each."""

_EXTENSION: Final = "zonedesk_zone_lookup"
_ZONES: Final = TypeAdapter[Zones](Zones)
_SHAPE: Final = repr([(field.name, str(field.type)) for field in fields(ZoneAt)])
"""What an answer consists of: another release of the desk may keep others."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many lookups of this process were answered by its memory, by Valkey, and by asking the database."""

    memory: int = 0
    shared: int = 0
    asked: int = 0

    @property
    def hit_rate(self) -> float | None:
        """The share that asked nothing but the stamp of the database; ``None`` before the first lookup."""
        total = self.memory + self.shared + self.asked
        return (self.memory + self.shared) / total if total else None


class ZoneLookup:
    """One process's memory of who serves a place. Threads may share it."""

    def __init__(self, secret: str, *, capacity: int = CAPACITY) -> None:
        """Keys in Valkey are hashed with ``secret``, which all processes have to share."""
        self._secret = blake2b(secret.encode(), person=b"zone lookup").digest()
        self._capacity = capacity
        self._memory: OrderedDict[tuple[UUID, Location], Zones] = OrderedDict()
        self._counts = Counts()
        self._lock = Lock()

    @property
    def counts(self) -> Counts:
        """What was asked so far."""
        return self._counts

    def known(self, db: Session, place: Location) -> tuple[UUID, Zones | None]:
        """The stamp of the zones, and the answer if this process has one for it. One statement."""
        version = zone_set_version(db)
        with self._lock:
            found = self._memory.get((version, place))
            if found is not None:
                self._memory.move_to_end((version, place))
                self._counts = Counts(self._counts.memory + 1, self._counts.shared, self._counts.asked)
        return version, found

    def zones_at(self, place: Location, shared: Cache) -> Zones:
        """``queries.zones_at`` as of now, or newer. Opens transactions of its own: ask while none is open."""
        with read_only() as db:
            version, found = self.known(db, place)
        if found is not None:
            return found
        key = self._key(version, place)
        kept = _read(shared.get(key))
        if kept is not None:
            self._remember(version, place, kept, asked=False)
            return kept
        with read_only() as db:
            found = zones_at(db, place)
        shared.put(key, _ZONES.dump_json(found), seconds=KEPT)
        self._remember(version, place, found, asked=True)
        return found

    def _remember(self, version: UUID, place: Location, zones: Zones, *, asked: bool) -> None:
        with self._lock:
            self._memory[version, place] = zones
            while len(self._memory) > self._capacity:
                self._memory.popitem(last=False)
            before = self._counts
            self._counts = Counts(before.memory, before.shared + (not asked), before.asked + asked)

    def _key(self, version: UUID, place: Location) -> str:
        exact = f"{float(place.lat)!r} {float(place.lng)!r} {_SHAPE}"
        return f"zonedesk/zones/{version}/{blake2b(exact.encode(), key=self._secret, digest_size=16).hexdigest()}"


def _read(kept: bytes | None) -> Zones | None:
    """An answer as Valkey kept it; nothing where it kept something else."""
    if kept is None:
        return None
    try:
        return _ZONES.validate_json(kept)
    except ValidationError:
        return None


def init_zone_lookup(app: Flask, secret: str) -> None:
    """Give the app its memory of lookups."""
    app.extensions[_EXTENSION] = ZoneLookup(secret)


def zone_lookup() -> ZoneLookup:
    """The memory of the running app."""
    found: ZoneLookup = current_app.extensions[_EXTENSION]
    return found


def serving_zones(place: Location) -> Zones:
    """Every active zone that contains the place, the serving one first, for a page that shows it."""
    return zone_lookup().zones_at(place, cache())
