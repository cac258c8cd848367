"""A desk at size, the same for the same specification: zones with their trainers, their load, and families waiting.

Everybody is eligible at some time of the day: trainers live near the centre, work every day from 07:00 to 21:00 and
are certified for the course; who has courses already is busy at their hours. The way between two homes (rule T9) takes
less than the twenty minutes between an hour's lesson and the next hour's, so hours are all that counts.
``EVENING`` is nobody's yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import count, islice
from random import Random
from uuid import UUID

import psycopg

from tests.bench.loading import Db, copy_rows, indexes_afterwards, insert_select, keep_zone_versions, without_triggers
from webapp import embedded
from webapp.core.actor import Actor, ActorKind, Role
from webapp.core.geo import Location, circle_area_km2, circle_bounds
from webapp.db.geo_types import Box

SEED = 20270104
NOW = datetime(2027, 1, 1, 3, 30, tzinfo=UTC)
"""New Year's Day 2027, 09:00 in Kolkata."""
FIRST_DAY = date(2027, 1, 4)
TIME_ZONE = "Asia/Kolkata"
SESSIONS = 30
HOURS = range(7, 19)
"""Hours of the day at which trainers may be busy already and waiting families want to begin."""
EVENING = 19
RADIUS_KM = 5.0
BUFFER_MINUTES = 5
_NEAR = 0.01
"""Homes lie this many degrees around the centre, about a kilometre."""
_MONTHS = 12
_DAILY = 4
_TRAINERS_ELSEWHERE = 10


@dataclass(frozen=True, slots=True)
class ZoneSpec:
    """A zone with an operator of its own: how many trainers, how many sessions a day each teaches in the month that
    is asked for (a fraction: some teach one more), and how many families wait for a trainer."""

    trainers: int
    per_day: float
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """Zones, and live slots in all: whatever the zones do not hold belongs to other operators, over twelve months."""

    zones: tuple[ZoneSpec, ...]
    slots: int


@dataclass(frozen=True, slots=True)
class Trainer:
    """A trainer and the hours of the day at which they are taken, in each of the months."""

    id: UUID
    base: Location
    hours: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A booking without a trainer yet."""

    id: UUID
    hour: int


@dataclass(frozen=True)
class BenchZone:
    """One zone of the world, all that its measuring needs to know."""

    number: int
    operator_id: UUID
    zone_id: UUID
    staff_id: UUID
    center: Location
    trainers: tuple[Trainer, ...]
    waiting: tuple[Waiting, ...]

    @property
    def staff(self) -> Actor:
        """The person at this franchise's desk."""
        return Actor(ActorKind.USER, self.staff_id, "Bench Staff", Role.FRANCHISE_STAFF, self.operator_id)

    @property
    def staff_key(self) -> str:
        """What the staff's cookies begin with (``users.fs_uniquifier``)."""
        return f"bench-{self.number}"

    def free_for(self, bookings: Sequence[Waiting]) -> list[tuple[Waiting, UUID]]:
        """The bookings, each with a trainer who is free at its hour, no trainer twice at an hour."""
        left = {hour: [t.id for t in self.trainers if hour not in t.hours[0]] for hour in {b.hour for b in bookings}}
        return [(booking, left[booking.hour].pop()) for booking in bookings if left[booking.hour]]


def _ids(kind: int) -> Iterator[UUID]:
    """Ids of one kind of row in ascending order, all older than any the desk makes."""
    return (UUID(f"01940000-{kind:04x}-7000-8000-{n:012x}") for n in count(1))


COURSE_ID = next(_ids(1))
_SESSION_PREFIX = "01940000-000a-7000-8000-"


def near(center: Location, rng: Random) -> Location:
    """A home near a centre."""
    return Location(
        round(center.lat + rng.uniform(-_NEAR, _NEAR), 6), round(center.lng + rng.uniform(-_NEAR, _NEAR), 6)
    )


class World:
    """The plan of a world; ``load`` puts it into an empty, migrated database."""

    def __init__(self, spec: WorldSpec, seed: int = SEED) -> None:
        self.spec = spec
        self.seed = seed
        self._rng = Random(seed)
        operators, zones, staff, trainers, waiting = (_ids(kind) for kind in (2, 3, 4, 5, 6))
        in_zones = sum(round(zone.trainers * zone.per_day) for zone in spec.zones)
        elsewhere = max(0, spec.slots // SESSIONS - in_zones)
        needed = -(-elsewhere // (_DAILY * _MONTHS))
        others = [ZoneSpec(n, 0) for n in _shares(needed, _TRAINERS_ELSEWHERE)]
        loads = iter(_shares(elsewhere, _DAILY))
        self.zones: list[BenchZone] = []
        for number, zone in enumerate((*spec.zones, *others)):
            center = Location(8 + number % 40 * 0.5, 73 + number // 40 * 0.5)
            if number < len(spec.zones):
                loaded: list[tuple[int, ...]] = [
                    (load,) for load in _spread(round(zone.trainers * zone.per_day), zone.trainers)
                ]
            else:
                loaded = [tuple(islice(loads, _MONTHS)) for _ in range(zone.trainers)]
            staffed = [
                Trainer(next(trainers), near(center, self._rng), tuple(self._hours(load) for load in months))
                for months in loaded
            ]
            wait = [Waiting(next(waiting), self._rng.choice(HOURS)) for _ in range(zone.waiting)]
            self.zones.append(
                BenchZone(number, next(operators), next(zones), next(staff), center, tuple(staffed), tuple(wait))
            )

    def _hours(self, load: int) -> tuple[int, ...]:
        return tuple(sorted(self._rng.sample(HOURS, load)))

    @cached_property
    def slots(self) -> int:
        """How many live slots there are."""
        return SESSIONS * sum(len(hours) for zone in self.zones for t in zone.trainers for hours in t.hours)

    def load(self, admin_url: str) -> None:
        """Load everything as a superuser, then ANALYZE."""
        with psycopg.connect(embedded.libpq_url(admin_url), autocommit=True) as db:
            with without_triggers(db), indexes_afterwards(db, "course_sessions", "schedule_slots", "audit_entries"):
                _Loader(db, self).run()
            # Loaded past the triggers, so what was remembered of an empty desk has to be told.
            db.execute("UPDATE zone_set SET version = gen_random_uuid()")
            db.execute("VACUUM (ANALYZE)")


def _shares(total: int, each: int) -> list[int]:
    """``total`` in portions of ``each``, the last one smaller."""
    return [each] * (total // each) + ([total % each] if total % each else [])


def _spread(total: int, over: int) -> list[int]:
    """``total`` as evenly as whole numbers allow."""
    return [total * (n + 1) // over - total * n // over for n in range(over)]


class _Loader:
    """Writes one world. Sessions, slots, assignments and the audit follow from the bookings, inside the server."""

    def __init__(self, db: Db, world: World) -> None:
        self._db = db
        self._world = world
        self._rng = Random(world.seed + 1)

    def run(self) -> None:
        self._places()
        self._roster()
        self._bookings()
        self._consequences()

    def _places(self) -> None:
        zones = self._world.zones
        copy_rows(
            self._db,
            "operators",
            ("id", "kind", "name", "name_key", "created_at"),
            ((z.operator_id, "franchise", f"Franchise {z.number}", f"franchise {z.number}", NOW) for z in zones),
        )
        copy_rows(self._db, "courses", ("id", "name", "name_key", "created_at"), [(COURSE_ID, "Abacus", "abacus", NOW)])
        columns = ("id", "operator_id", "email", "name", "role", "password", "fs_uniquifier", "created_at")
        copy_rows(
            self._db,
            "users",
            columns,
            (
                (z.staff_id, z.operator_id, f"staff{z.number}@example.org", "Bench Staff", "franchise_staff", "-",
                 z.staff_key, NOW)
                for z in zones
            ),
        )  # fmt: skip
        box = Box().bind_processor(None)  # type: ignore[arg-type]  # asks no dialect
        shape = (
            *("id", "franchise_id", "name", "name_key", "kind", "center_lat", "center_lng", "radius_km", "bounds"),
            *("area_km2", "time_zone", "travel_buffer_minutes", "created_at", "changed_at"),
        )
        copy_rows(
            self._db,
            "zones",
            shape,
            (
                (z.zone_id, z.operator_id, f"Zone {z.number}", f"zone {z.number}", "circle", z.center.lat,
                 z.center.lng, RADIUS_KM, box(circle_bounds(z.center, RADIUS_KM)), circle_area_km2(RADIUS_KM),
                 TIME_ZONE, BUFFER_MINUTES, NOW, NOW)
                for z in zones
            ),
        )  # fmt: skip
        keep_zone_versions(self._db)

    def _roster(self) -> None:
        mine = [(zone, trainer) for zone in self._world.zones for trainer in zone.trainers]
        columns = ("id", "operator_id", "name", "time_zone", "base_lat", "base_lng", "languages", "created_at")
        copy_rows(
            self._db,
            "trainers",
            columns,
            (
                (t.id, z.operator_id, f"Trainer {t.id.int % 100_000}", TIME_ZONE, t.base.lat, t.base.lng, ["en"], NOW)
                for z, t in mine
            ),
        )
        copy_rows(
            self._db,
            "trainer_courses",
            ("operator_id", "trainer_id", "course_id"),
            ((z.operator_id, t.id, COURSE_ID) for z, t in mine),
        )
        copy_rows(
            self._db,
            "trainer_zones",
            ("operator_id", "trainer_id", "zone_id", "time_zone"),
            ((z.operator_id, t.id, z.zone_id, TIME_ZONE) for z, t in mine),
        )
        copy_rows(
            self._db,
            "working_hours",
            ("operator_id", "trainer_id", "weekday", "starts", "ends"),
            ((z.operator_id, t.id, weekday, time(7), time(21)) for z, t in mine for weekday in range(7)),
        )
        # Everybody is away for three days in the second month: the index has something to pass over.
        away = ("id", "operator_id", "trainer_id", "period")
        first = FIRST_DAY + timedelta(days=SESSIONS + 7)
        copy_rows(
            self._db,
            "time_off",
            away,
            (
                (id_, z.operator_id, t.id, f"[{first} 00:00+05:30,{first + timedelta(days=3)} 00:00+05:30)")
                for id_, (z, t) in zip(_ids(7), mine, strict=False)
            ),
        )

    def _bookings(self) -> None:
        """Bookings with their families; which trainer has which, and from when, is in a table of its own."""
        taken = [
            (zone, booking_id, trainer.id, FIRST_DAY + timedelta(days=SESSIONS * month), hour)
            for booking_id, (zone, trainer, month, hour) in zip(
                _ids(8),
                (
                    (zone, trainer, month, hour)
                    for zone in self._world.zones
                    for trainer in zone.trainers
                    for month, hours in enumerate(trainer.hours)
                    for hour in hours
                ),
                strict=False,
            )
        ]
        waiting = [(zone, w.id, None, FIRST_DAY, w.hour) for zone in self._world.zones for w in zone.waiting]
        every = [*taken, *waiting]
        families = [UUID(int=booking[1].int + (0x1000 << 80)) for booking in every]
        named = ("id", "operator_id")
        both = [(family, booking[0].operator_id) for family, booking in zip(families, every, strict=True)]
        copy_rows(self._db, "households", (*named, "created_at"), ((*row, NOW) for row in both))
        people = (*named, "household_id", "name")
        copy_rows(
            self._db,
            "guardians",
            (*people, "phone", "language", "consent_to_messages"),
            ((f, o, f, "Guardian", f"+9198{n:08d}", "en", False) for n, (f, o) in enumerate(both)),
        )
        copy_rows(self._db, "students", people, ((f, o, f, "Student") for f, o in both))
        columns = (
            *("id", "operator_id", "reference", "zone_id", "household_id", "course_id", "class_type"),
            *("delivery_mode", "total_sessions", "start_date", "timeslot", "time_zone", "address", "lat", "lng"),
            *("status", "payment_status", "version", "created_at", "zone_version"),
        )
        homes = [near(zone.center, self._rng) for zone, *_ in every]
        copy_rows(
            self._db,
            "bookings",
            columns,
            (
                (id_, zone.operator_id, _reference(n), zone.zone_id, family, COURSE_ID, "one_on_one",
                 "weekday_daily", SESSIONS, start, time(hour), TIME_ZONE, "12 Beach Road", home.lat, home.lng,
                 "waitlisted" if trainer is None else "assigned", "unpaid", 1 if trainer is None else 3,
                 NOW - timedelta(days=30) + timedelta(seconds=n), 1)
                for n, ((zone, id_, trainer, start, hour), family, home) in enumerate(
                    zip(every, families, homes, strict=True)
                )
            ),
        )  # fmt: skip
        copy_rows(
            self._db,
            "booking_students",
            ("operator_id", "booking_id", "student_id"),
            ((booking[0].operator_id, booking[1], f) for booking, f in zip(every, families, strict=True)),
        )
        decided = (
            *("id", "operator_id", "booking_id", "trainer_id", "status", "automatic", "proposed_by_name"),
            *("proposed_at", "expires_at", "decided_by_name", "decided_at", "explanation", "version"),
        )
        copy_rows(
            self._db,
            "assignments",
            decided,
            (
                (UUID(int=id_.int + (1 << 80)), zone.operator_id, id_, trainer, "approved", True, "system", NOW, NOW,
                 "system", NOW, [], 2)
                for zone, id_, trainer, _, _ in taken
            ),
        )  # fmt: skip

    def _consequences(self) -> None:
        start = f"((b.start_date + n - 1) + b.timeslot) AT TIME ZONE '{TIME_ZONE}'"
        number = "row_number() OVER (ORDER BY b.id, n)"
        insert_select(
            self._db,
            "course_sessions",
            {
                "id": f"('{_SESSION_PREFIX}' || lpad(to_hex({number}), 12, '0'))::uuid",
                "operator_id": "b.operator_id",
                "booking_id": "b.id",
                "number": "n",
                "date": "b.start_date + n - 1",
                "timeslot": "b.timeslot",
                "time_zone": "b.time_zone",
                "starts_at": start,
                "ends_at": f"{start} + interval '40 minutes'",
                "mode": "'offline'",
                "status": "'scheduled'",
            },
            "FROM bookings b CROSS JOIN generate_series(1, b.total_sessions) n",
        )
        # Held and booked in the order in which bookings came, not in the order of trainers: as a desk's table lies.
        insert_select(
            self._db,
            "schedule_slots",
            {
                "operator_id": "s.operator_id",
                "trainer_id": "a.trainer_id",
                "booking_id": "s.booking_id",
                "course_session_id": "s.id",
                "assignment_id": "a.id",
                "status": "'booked'",
                "period": "tstzrange(s.starts_at, s.ends_at, '[)')",
                "date": "s.date",
                "timeslot": "s.timeslot",
                "place_lat": "b.lat",
                "place_lng": "b.lng",
                "buffer_minutes": f"{BUFFER_MINUTES}",
            },
            "FROM assignments a JOIN bookings b ON b.id = a.booking_id JOIN course_sessions s ON s.booking_id = b.id"
            " ORDER BY hashtext(a.id::text), s.number",
        )
        insert_select(
            self._db,
            "audit_entries",
            {
                "id": "gen_random_uuid()",
                "at": "b.created_at + what.n * interval '1 minute'",
                "operator_id": "b.operator_id",
                "actor_kind": "'system'",
                "actor_name": "'system'",
                "what": "what.word",
                "subject_kind": "'booking'",
                "subject_id": "b.id",
                "after": "jsonb_build_object('status', b.status)",
                "source": "'cli'",
            },
            "FROM bookings b CROSS JOIN (VALUES (1, 'booking.placed'), (2, 'booking.pending_approval'),"
            " (3, 'assignment.approved'), (4, 'booking.assigned')) what (n, word)"
            " WHERE b.status = 'assigned' OR what.n = 1 ORDER BY b.created_at",
        )


def _reference(number: int) -> str:
    digits = f"{number:08d}"
    return f"{digits[:4]}-{digits[4:]}"
