"""Courses that are taught but for their last sessions, by the thousand: all that is left is to mark those."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from tests.bench.loading import Db, copy_rows, insert_select
from tests.bench.world import TIME_ZONE
from webapp.core.actor import SYSTEM
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID, new_id
from webapp.courses import service as courses
from webapp.courses.rules import CourseCommand
from webapp.db.work import Database
from webapp.trainers import service as trainers
from webapp.trainers.rules import TrainerCommand, WorkingHours
from webapp.zones import service as zones
from webapp.zones.rules import ZoneCommand

TRAINERS = 50
_PLACE = Location(17.6868, 83.2185)
_HOURS = 12
_TOO_OFTEN = 7
"""Absences after which a student gets no certificate (rule C1)."""
_CLASS = {1: "one_on_one", 2: "one_on_two", 3: "one_on_three"}
_NAMES = ("Meena Rao", "Arun Kumar", "మీనా రావు", "आरव शर्मा", "Lakshmi Venkata Subrahmanyam", "Zoë Ångström")


@dataclass(frozen=True, slots=True)
class Taught:
    """A booking whose sessions from ``open_from`` on wait to be marked."""

    id: UUID
    household_id: UUID
    students: tuple[UUID, ...]
    first_day: date
    trainer_id: UUID
    timeslot: time
    total: int
    absent: bool
    """Whether its first student was away too often."""
    sessions: list[UUID] = field(default_factory=list)
    """The sessions that are open, in their order."""


@dataclass(frozen=True, slots=True)
class School:
    """Where they are taught, and by whom."""

    zone_id: UUID
    course_id: UUID
    trainer_ids: tuple[UUID, ...]
    today: date
    """All that is taught was taught before."""


def school(database: Database, now: datetime) -> School:
    """A zone of the company, a course, and trainers for it."""
    hours = tuple(WorkingHours(weekday, time(7), time(21)) for weekday in range(7))
    with database.unit_of_work() as work:
        zone = ZoneCommand("Beach Road", None, TIME_ZONE, _PLACE, radius_km=10.0)
        zone_id = zones.create(work, zone, by=SYSTEM, now=now)
        course_id = courses.create(work, CourseCommand("Abacus, level 1"), by=SYSTEM, now=now)
        made = []
        for number in range(TRAINERS):
            command = TrainerCommand(
                operator_id=COMPANY_ID, name=f"Trainer {number}", base=_PLACE, gender=None, languages=(),
                course_ids=(course_id,), zone_ids=(zone_id,), hours=hours,
            )  # fmt: skip
            made.append(trainers.create(work, command, by=SYSTEM, now=now))
    return School(zone_id, course_id, tuple(made), now.date())


def load(
    db: Db,
    at: School,
    students: Sequence[int],
    *,
    first: int = 0,
    open_from: int = 30,
    short_every: int = 0,
    absent_every: int = 0,
) -> list[Taught]:
    """Bookings with so many students each, past the services but under every constraint and trigger.

    ``db`` is a superuser's. ``first`` numbers them on from earlier ones. Every so manieth is of ten sessions only, or
    has a student who was absent too often: nobody gets a certificate for that.
    """
    found = [
        _planned(at, first + n, number, open_from, short_every=short_every, absent_every=absent_every)
        for n, number in enumerate(students)
    ]
    with db.transaction():
        _families(db, found)
        _bookings(db, at, found, first)
        _sessions(db, found, open_from)
    return found


def _every(number: int, nth: int) -> bool:
    return nth > 0 and number % nth == nth - 1


def _planned(at: School, number: int, students: int, open_from: int, *, short_every: int, absent_every: int) -> Taught:
    """Trainers take turns; when all have one, the next come another hour, or some days earlier."""
    total = 10 if _every(number, short_every) else 30
    turn, trainer = divmod(number, len(at.trainer_ids))
    days, hour = divmod(turn, _HOURS)
    last_day = at.today - timedelta(days=2 + days * (31 - min(open_from, 30)))
    return Taught(
        id=new_id(),
        household_id=new_id(),
        students=tuple(new_id() for _ in range(students)),
        first_day=last_day - timedelta(days=total - 1),
        trainer_id=at.trainer_ids[trainer],
        timeslot=time(7 + hour),
        total=total,
        absent=total == 30 and _every(number, absent_every),
    )


def _families(db: Db, found: Sequence[Taught]) -> None:
    copy_rows(
        db,
        "households",
        ("id", "operator_id", "created_at"),
        ((one.household_id, COMPANY_ID, datetime.now(UTC)) for one in found),
    )
    copy_rows(
        db,
        "guardians",
        ("id", "operator_id", "household_id", "name", "phone", "language", "consent_to_messages"),
        (
            (new_id(), COMPANY_ID, one.household_id, "Guardian", f"+9198{n:08d}", ("en", "te", "hi")[n % 3], False)
            for n, one in enumerate(found)
        ),
    )
    everybody = [(student, one.household_id) for one in found for student in one.students]
    copy_rows(
        db,
        "students",
        ("id", "operator_id", "household_id", "name"),
        ((student, COMPANY_ID, family, _NAMES[n % len(_NAMES)]) for n, (student, family) in enumerate(everybody)),
    )


def _bookings(db: Db, at: School, found: Sequence[Taught], first: int) -> None:
    columns = (
        *("id", "operator_id", "reference", "zone_id", "household_id", "course_id", "class_type", "delivery_mode"),
        *("total_sessions", "start_date", "timeslot", "time_zone", "address", "lat", "lng", "status"),
        *("payment_status", "version", "created_at"),
    )
    copy_rows(
        db,
        "bookings",
        columns,
        (
            (one.id, COMPANY_ID, _reference(first + n), at.zone_id, one.household_id, at.course_id,
             _CLASS[len(one.students)], "weekday_daily", one.total, one.first_day, one.timeslot, TIME_ZONE,
             "12 Beach Road", _PLACE.lat, _PLACE.lng, "in_progress", "paid", 3, _morning(one.first_day))
            for n, one in enumerate(found)
        ),
    )  # fmt: skip
    copy_rows(
        db,
        "booking_students",
        ("operator_id", "booking_id", "student_id"),
        ((COMPANY_ID, one.id, student) for one in found for student in one.students),
    )
    decided = (
        *("id", "operator_id", "booking_id", "trainer_id", "status", "automatic", "proposed_by_name"),
        *("proposed_at", "expires_at", "decided_by_name", "decided_at", "explanation", "version"),
    )
    copy_rows(
        db,
        "assignments",
        decided,
        (
            (new_id(), COMPANY_ID, one.id, one.trainer_id, "approved", True, "system", _morning(one.first_day),
             _morning(one.first_day), "system", _morning(one.first_day), [], 2)
            for one in found
        ),
    )  # fmt: skip


def _sessions(db: Db, found: Sequence[Taught], open_from: int) -> None:
    """The last of ten is as open as the thirtieth."""
    is_open = f"n > b.total_sessions - {31 - open_from}"
    starts = f"((b.start_date + n - 1) + b.timeslot) AT TIME ZONE '{TIME_ZONE}'"
    mine = "b.id = ANY (SELECT id FROM taught)"
    db.execute("CREATE TEMPORARY TABLE taught (id uuid, trainer_id uuid, absent uuid) ON COMMIT DROP")
    with db.cursor().copy("COPY taught FROM STDIN") as copy:
        for one in found:
            copy.write_row((one.id, one.trainer_id, one.students[0] if one.absent else None))
    insert_select(
        db,
        "course_sessions",
        {
            "id": "gen_random_uuid()",
            "operator_id": "b.operator_id",
            "booking_id": "b.id",
            "number": "n",
            "date": "b.start_date + n - 1",
            "timeslot": "b.timeslot",
            "time_zone": "b.time_zone",
            "starts_at": starts,
            "ends_at": f"{starts} + interval '40 minutes'",
            "mode": "'offline'",
            "status": f"CASE WHEN {is_open} THEN 'scheduled' ELSE 'completed' END",
            "completed_at": f"CASE WHEN {is_open} THEN NULL ELSE {starts} + interval '1 hour' END",
        },
        f"FROM bookings b CROSS JOIN generate_series(1, b.total_sessions) n WHERE {mine}",
    )
    insert_select(
        db,
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
            "place_lat": f"{_PLACE.lat}",
            "place_lng": f"{_PLACE.lng}",
            "buffer_minutes": "30",
        },
        "FROM assignments a JOIN course_sessions s ON s.booking_id = a.booking_id AND s.status = 'scheduled'"
        " JOIN taught t ON t.id = a.booking_id",
    )
    db.execute(
        "INSERT INTO attendance (operator_id, booking_id, course_session_id, student_id, mark, marked_at)"
        " SELECT s.operator_id, s.booking_id, s.id, t.absent, 'absent', s.ends_at FROM taught t"
        " JOIN course_sessions s ON s.booking_id = t.id AND s.number <= %s WHERE t.absent IS NOT NULL",
        [_TOO_OFTEN],
    )
    by_id = {one.id: one for one in found}
    open_ones = db.execute(
        "SELECT s.booking_id, s.id FROM course_sessions s JOIN taught t ON t.id = s.booking_id"
        " WHERE s.status = 'scheduled' ORDER BY s.booking_id, s.number"
    )
    for booking_id, session_id in open_ones:
        by_id[booking_id].sessions.append(session_id)


def _morning(day: date) -> datetime:
    return datetime.combine(day, time(), UTC) - timedelta(days=7)


def _reference(number: int) -> str:
    return f"{number // 10_000:04d}-{number % 10_000:04d}"


def students_of(number: int) -> Iterator[int]:
    """How many students each booking has, one to three by turns, until there are ``number`` of them."""
    n = 0
    while number > 0:
        size = min(n % 3 + 1, number)
        yield size
        number, n = number - size, n + 1
