"""The trainers of the reference service: made from a seed, kept as the bytes that are sent."""

from __future__ import annotations

import json
import threading
from bisect import bisect_right, insort
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

Item = dict[str, Any]

BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
"""Trainers that nobody edited were last changed in the three hundred days after this."""
TIME_OFF_FROM = datetime(2027, 1, 4, tzinfo=UTC)
VIZAG = (17.6868, 83.2185)
GIVEN = ("Asha", "Ravi", "Lakshmi", "Arjun", "Priya", "మీనా", "సురేష్", "अनीता", "विजय", "Fatima", "Joseph", "Zoë")
FAMILY = ("Rao", "Reddy", "Naidu", "Sharma", "Das", "రావు", "शर्मा", "Khan", "D’Souza", "Iyer")


def as_json(value: object) -> bytes:
    """A value as it is sent."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def stamp(at: datetime) -> str:
    """An instant as it is sent."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Plan:
    """What the roster is made of. ``zones``: for each franchise (None: the company) the ids of its zones."""

    trainers: int = 100
    seed: int = 1
    zones: tuple[tuple[str | None, tuple[str, ...]], ...] = (
        (None, ("Z1", "Z2")),
        ("F1", ("F1-Z1",)),
        ("F2", ("F2-Z1",)),
    )
    courses: tuple[str, ...] = ("Spoken English", "Mathematics", "Hindi", "Telugu", "Physics")
    places: tuple[tuple[str, tuple[float, float]], ...] = ()
    """(zone, (latitude, longitude)): where the zone's trainers live, within two kilometres."""
    all_hours: bool = False
    """Everybody works at any hour and is never away; otherwise hours differ, and one in ten is away for some days."""

    def item(self, number: int) -> Item:
        """Trainer ``number``, the same one whenever asked."""
        rng = Random(f"{self.seed}-{number}")
        franchise, zones = self.zones[number % len(self.zones)]
        mine = sorted(rng.sample(zones, min(len(zones), rng.choice((1, 1, 2)))))
        lat, lng = dict(self.places).get(mine[0] if mine else "", VIZAG)
        away = [] if self.all_hours or rng.random() < 0.9 else [_away(rng)]
        return {
            "trainerId": f"T{number:06d}",
            "name": f"{rng.choice(GIVEN)} {rng.choice(FAMILY)}",
            "available": self.all_hours or rng.random() < 0.97,
            "franchiseId": franchise,
            "zoneIds": mine,
            "certifiedCourses": sorted(rng.sample(self.courses, min(len(self.courses), rng.randint(1, 3)))),
            "location": {
                "latitude": round(lat + rng.uniform(-0.018, 0.018), 6),
                "longitude": round(lng + rng.uniform(-0.018, 0.018), 6),
            },
            "workingHours": ROUND_THE_CLOCK if self.all_hours else _hours(rng),
            "timeOff": away,
            "updatedAt": stamp(BEGAN + timedelta(seconds=rng.randrange(300 * 86400))),
        }


ROUND_THE_CLOCK = [{"weekday": weekday, "starts": "00:00", "ends": "00:00"} for weekday in range(7)]


def _hours(rng: Random) -> list[Item]:
    starts, ends = f"{rng.randint(6, 10):02d}:00", rng.choice(("17:00", "19:30", "21:00", "00:00"))
    days = range(rng.choice((5, 6, 7, 7)))
    return [{"weekday": weekday, "starts": starts, "ends": ends} for weekday in days]


def _away(rng: Random) -> Item:
    begins = TIME_OFF_FROM + timedelta(days=rng.randrange(90))
    return {"startsAt": stamp(begins), "endsAt": stamp(begins + timedelta(days=rng.randint(1, 5))), "reason": "Leave"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One trainer: when last changed, and the bytes that are sent."""

    updated_at: datetime
    sent: bytes

    @classmethod
    def of(cls, item: Item, now: datetime) -> Entry:
        """An entry for a trainer; where its ``updatedAt`` is none, it is listed as changed ``now``."""
        try:
            changed = datetime.fromisoformat(item["updatedAt"]).astimezone(UTC)
        except (KeyError, TypeError, ValueError):
            changed = now
        return cls(changed, as_json(item))

    @property
    def item(self) -> Item:
        """The trainer, read back."""
        return dict(json.loads(self.sent))


class Roster:
    """All trainers, in the order of their ids. Every change counts up ``revision``. Safe for threads."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.RLock()
        made = [plan.item(number) for number in range(1, plan.trainers + 1)]
        self._entries = {str(item["trainerId"]): Entry.of(item, BEGAN) for item in made}
        self._ids = sorted(self._entries)
        self._next = plan.trainers + 1
        self.revision = 0

    def __len__(self) -> int:
        return len(self._ids)

    def get(self, service_id: str) -> Entry | None:
        """One trainer."""
        return self._entries.get(service_id)

    def after(self, last: str, since: datetime | None, limit: int) -> list[tuple[str, Entry]]:
        """The first ``limit`` trainers whose id comes after ``last``, of those changed at or after ``since``."""
        with self._lock:
            return self._some(bisect_right(self._ids, last), since, limit)

    def at(self, offset: int, since: datetime | None, limit: int) -> list[tuple[str, Entry]]:
        """The ``limit`` trainers from a position of the list on: what a careless service pages by."""
        with self._lock:
            if since is None:
                return self._some(offset, None, limit)
            return self._some(0, since, offset + limit)[offset:]

    def _some(self, begin: int, since: datetime | None, limit: int) -> list[tuple[str, Entry]]:
        found: list[tuple[str, Entry]] = []
        for service_id in self._ids[begin:] if since else self._ids[begin : begin + limit]:
            entry = self._entries[service_id]
            if since is None or entry.updated_at >= since:
                found.append((service_id, entry))
                if len(found) == limit:
                    break
        return found

    def count(self, since: datetime | None) -> int:
        """How many trainers there are that changed at or after ``since``."""
        with self._lock:
            if since is None:
                return len(self._ids)
            return sum(entry.updated_at >= since for entry in self._entries.values())

    def edit(self, ids: list[str], fields: Item, drop: list[str], now: datetime) -> None:
        """Set fields of trainers to anything, or drop them. ``updatedAt`` becomes ``now`` unless it is among them."""
        with self._lock:
            for service_id in ids:
                item = self._entries[service_id].item | {"updatedAt": stamp(now)} | fields
                self._entries[service_id] = Entry.of({key: item[key] for key in item if key not in drop}, now)
            self.revision += 1

    def add(self, count: int, fields: Item, now: datetime) -> list[str]:
        """Add trainers made from the seed, with some fields as given; their ids."""
        with self._lock:
            made = []
            for _ in range(count):
                item = self._plan.item(self._next) | {"updatedAt": stamp(now)} | fields
                self._next += 1
                service_id = str(item["trainerId"])
                if service_id not in self._entries:
                    insort(self._ids, service_id)
                self._entries[service_id] = Entry.of(item, now)
                made.append(service_id)
            self.revision += 1
            return made

    def remove(self, ids: list[str]) -> None:
        """Take trainers away, without a trace: the contracts know no tombstones."""
        with self._lock:
            for service_id in ids:
                del self._entries[service_id]
            self._ids = sorted(self._entries)
            self.revision += 1

    def shift(self, how: str, now: datetime) -> None:
        """Move the list under whoever reads it: a trainer comes in at its front, leaves there, or both by turns."""
        with self._lock:
            if how == "insert" or (how == "both" and self.revision % 2 == 0):
                self.add(1, {"trainerId": f"A{self._next:06d}"}, now)
            elif self._ids:
                self.remove(self._ids[:1])

    def items(self) -> list[Item]:
        """Everybody, for a test to compare with."""
        with self._lock:
            return [self._entries[service_id].item for service_id in self._ids]
