"""Who serves a place, remembered: by the process, else in Valkey, else asked of the database (ADR 20).

Whatever is remembered bears the stamp of the set of zones it was read with. It is believed when that is still the stamp
in the database, which is asked each time, by one statement that answers afresh when it is not. So no answer is older
than what was committed when somebody asked, whatever became of Valkey.

An answer is remembered for the very coordinates that were asked for. Rounding them would make one answer of two where a
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

from webapp.core.geo import Location
from webapp.db.work import read_only
from webapp.web.cache import Cache, cache
from webapp.zones.queries import ZoneAt, zones_unless

Zones = tuple[ZoneAt, ...]

SECONDS: Final = 3600
"""How long Valkey keeps an answer."""
CAPACITY: Final = 4096
"""Most answers in a process's own memory, a kilobyte each."""

_EXTENSION: Final = "zonedesk_zone_lookup"
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
        """The share of which the database was asked for no more than the stamp; ``None`` before the first lookup."""
        total = self.memory + self.shared + self.asked
        return (self.memory + self.shared) / total if total else None


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, and the stamp of the zones it was read with."""

    version: UUID
    zones: Zones


_KEPT: Final = TypeAdapter[_Kept](_Kept)


class ZoneLookup:
    """One process's memory of who serves a place. Threads may share it."""

    def __init__(self, secret: str, *, capacity: int = CAPACITY) -> None:
        """Keys in Valkey are hashed with ``secret``, which all processes have to share."""
        self._secret = blake2b(secret.encode(), person=b"zone lookup").digest()
        self._capacity = capacity
        self._memory: OrderedDict[Location, _Kept] = OrderedDict()
        self._counts = Counts()
        self._lock = Lock()

    @property
    def counts(self) -> Counts:
        """What was asked so far."""
        return self._counts

    def zones_at(self, place: Location, shared: Cache) -> Zones:
        """``queries.zones_at`` as of now. One statement, in a transaction of its own: ask while none is open."""
        with self._lock:
            kept = mine = self._memory.get(place)
        if kept is None:
            kept = _read(shared.get(self._key(place)))
        with read_only() as db:
            version, fresh = zones_unless(db, place, kept.version if kept else None)
        if kept is None or fresh is not None:
            kept = _Kept(version, fresh or ())
            shared.put(self._key(place), _KEPT.dump_json(kept), seconds=SECONDS)
        self._remember(place, kept, memory=mine is kept, asked=fresh is not None)
        return kept.zones

    def _remember(self, place: Location, kept: _Kept, *, memory: bool, asked: bool) -> None:
        with self._lock:
            self._memory[place] = kept
            self._memory.move_to_end(place)
            while len(self._memory) > self._capacity:
                self._memory.popitem(last=False)
            was = self._counts
            self._counts = Counts(was.memory + memory, was.shared + (not memory and not asked), was.asked + asked)

    def _key(self, place: Location) -> str:
        exact = f"{float(place.lat)!r} {float(place.lng)!r} {_SHAPE}"
        return f"zonedesk/zones/{blake2b(exact.encode(), key=self._secret, digest_size=16).hexdigest()}"


def _read(kept: bytes | None) -> _Kept | None:
    """An answer as Valkey kept it; nothing where it kept something else."""
    if kept is None:
        return None
    try:
        return _KEPT.validate_json(kept)
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
