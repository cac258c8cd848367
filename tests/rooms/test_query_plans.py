"""The hot questions keep their plans: at a hundred thousand slots none of them reads a large table from end to end.

Nothing is restated here: the real code runs, each statement it sends is caught on its way and explained by the server
with the values it was sent with. All of it happens in a transaction that is rolled back, on a desk loaded in bulk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text

from tests.bench.world import NOW, BenchZone, World, WorldSpec, ZoneSpec
from tests.services import Servers
from webapp import embedded
from webapp.assignments import service
from webapp.assignments.limits import Limits
from webapp.assignments.queries.candidates import candidates
from webapp.assignments.queries.cover import needs_cover
from webapp.assignments.queries.needs import booking_need
from webapp.assignments.queries.pages import open_proposals
from webapp.assignments.queries.rechecks import looked_at
from webapp.assignments.queries.rivals import rivals
from webapp.bookings.queries import BookingFilter, bookings_index
from webapp.core.actor import SYSTEM, Actor, ActorKind, Role
from webapp.core.ids import COMPANY_ID
from webapp.core.intervals import Interval
from webapp.course_sessions.queries import sessions_on, waiting_for_attendance
from webapp.db.work import Database, Work
from webapp.desk.queries.booking import booking_page
from webapp.desk.queries.home import home
from webapp.schedule.queries import booked_from, slots_of_trainer
from webapp.zones.queries import zones_at

LARGE = frozenset({"schedule_slots", "course_sessions", "bookings", "assignments", "audit_entries"})
SPEC = WorldSpec((ZoneSpec(trainers=50, per_day=4, waiting=4), ZoneSpec(trainers=200, per_day=4)), 100_000)
LIMITS = Limits()
ADMIN = Actor(ActorKind.USER, UUID(int=1), "Admin", Role.ADMIN, COMPANY_ID)
TEACHING = NOW + timedelta(days=10)
"""A day in the middle of the courses."""
Ask = Callable[[Work, BenchZone], object]


@dataclass(frozen=True, slots=True)
class LargeDesk:
    """The loaded world and a superuser's engine to its database."""

    zone: BenchZone
    """One zone of a few per cent of all there is, as most operators are."""
    engine: Engine


@pytest.fixture(scope="module")
def large_desk(servers: Servers, worker_number: int) -> Iterator[LargeDesk]:
    """A desk of a hundred thousand live slots."""
    world = World(SPEC)
    name = f"zonedesk_plans_{os.getpid()}_{worker_number}"
    embedded.create_database(
        servers.admin_url, name, owner=make_url(servers.owner_url).username or "", template=servers.template
    )
    on_it = servers.on_database(name).admin_url
    try:
        world.load(on_it)
        engine = create_engine(on_it)
        yield LargeDesk(world.zones[0], engine)
        engine.dispose()
    finally:
        embedded.drop_database(servers.admin_url, name)


@contextmanager
def caught(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    """Every statement the block sends, with its values."""
    sent: list[tuple[str, Any]] = []

    def catch(_c: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if statement.split(None, 1)[0] in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
            sent.append((statement, values[0] if many else values))

    event.listen(connection, "before_cursor_execute", catch)
    try:
        yield sent
    finally:
        event.remove(connection, "before_cursor_execute", catch)


def whole_reads(desk: LargeDesk, ask: Ask, *without: str) -> tuple[int, list[str]]:
    """How many statements the question took, and the large tables read from end to end with what read them.

    ``without`` are statements that take something away first: the question then has to be found out.
    """
    with desk.engine.connect() as connection, connection.begin() as outer:
        for statement in without:
            connection.execute(text(statement))
        database = Database(connection, lambda job, ids: None)
        with caught(connection) as sent, database.unit_of_work() as work:
            ask(work, desk.zone)
        found = []
        for statement, values in sent:
            plan = connection.exec_driver_sql("EXPLAIN (FORMAT JSON) " + statement, values).scalar_one()
            found += [f"{table}: {statement[:300]}" for table in _read_whole(plan[0]["Plan"])]
        outer.rollback()
    return len(sent), found


def _read_whole(node: dict[str, Any]) -> list[str]:
    """The large tables a plan reads from end to end."""
    found = [table for plan in node.get("Plans", []) for table in _read_whole(plan)]
    if node["Node Type"].endswith("Seq Scan") and node["Relation Name"] in LARGE:
        found.append(node["Relation Name"])
    return found


def looks_for_trainers(work: Work, zone: BenchZone) -> object:
    wanted = booking_need(work.db, zone.waiting[0].id)
    return candidates(work.db, wanted.need, wanted.family, max_courses=LIMITS.max_courses, fixes_after=NOW)


def proposes_the_best(work: Work, zone: BenchZone) -> object:
    booking_id = zone.waiting[0].id
    return service.propose(work, booking_id, trainer_id=None, by=zone.staff, now=NOW, limits=LIMITS)


def proposes_and_approves(work: Work, zone: BenchZone) -> None:
    booking = zone.waiting[1]
    free = next(t.id for t in zone.trainers if booking.hour not in t.hours[0])
    made = service.propose(work, booking.id, trainer_id=free, by=zone.staff, now=NOW, limits=LIMITS)
    work.db.flush()  # what is flushed at the commit has to be there for the approval
    assert made.assignment_id is not None
    service.approve(work, made.assignment_id, version=1, by=SYSTEM, now=NOW, limits=LIMITS)


def proposes_and_rejects(work: Work, zone: BenchZone) -> None:
    made = service.propose(work, zone.waiting[2].id, trainer_id=None, by=zone.staff, now=NOW, limits=LIMITS)
    work.db.flush()  # as above
    assert made.assignment_id is not None
    service.reject(work, made.assignment_id, version=1, reason="ill", by=SYSTEM, now=NOW)


def asks_who_else_waits(work: Work, zone: BenchZone) -> object:
    made = service.propose(work, zone.waiting[3].id, trainer_id=None, by=zone.staff, now=NOW, limits=LIMITS)
    work.db.flush()  # as above
    assert made.assignment_id is not None
    return rivals(work.db, made.assignment_id, visible_to=zone.staff)


def expires_holds(work: Work, _zone: BenchZone) -> object:
    return service.expire_due(work, now=NOW)


def looks_up_the_zone(work: Work, zone: BenchZone) -> object:
    return zones_at(work.db, zone.center)


def lists_the_sessions_of_a_day(work: Work, zone: BenchZone) -> object:
    return sessions_on(work.db, None, now=TEACHING, limit=50, offset=0, visible_to=zone.staff)


def lists_every_operators_sessions_of_a_day(work: Work, _zone: BenchZone) -> object:
    return sessions_on(work.db, None, now=TEACHING, limit=50, offset=0, visible_to=ADMIN)


def lists_unmarked_sessions(work: Work, zone: BenchZone) -> object:
    first_evening = NOW + timedelta(days=3)
    return waiting_for_attendance(work.db, now=first_evening, limit=50, visible_to=zone.staff)


def opens_the_approvals_queue(work: Work, zone: BenchZone) -> object:
    return open_proposals(work.db, limit=50, offset=0, visible_to=zone.staff)


def opens_every_operators_approvals_queue(work: Work, _zone: BenchZone) -> object:
    return open_proposals(work.db, limit=50, offset=0, visible_to=ADMIN)


def opens_a_booking(work: Work, zone: BenchZone) -> object:
    return booking_page(work.db, zone.waiting[0].id, visible_to=zone.staff)


def opens_any_operators_booking(work: Work, zone: BenchZone) -> object:
    return booking_page(work.db, zone.waiting[0].id, visible_to=ADMIN)


def lists_bookings(work: Work, zone: BenchZone) -> object:
    return bookings_index(work.db, BookingFilter(), limit=50, offset=0, visible_to=zone.staff)


def opens_the_first_page(work: Work, zone: BenchZone) -> object:
    return home(work.db, visible_to=zone.staff, now=NOW)


def opens_a_trainers_week(work: Work, zone: BenchZone) -> object:
    week = Interval(TEACHING, TEACHING + timedelta(days=7))
    return slots_of_trainer(work.db, zone.trainers[0].id, week, visible_to=zone.staff)


def counts_what_a_trainer_leaves_behind(work: Work, zone: BenchZone) -> object:
    return booked_from(work.db, zone.trainers[0].id, TEACHING, visible_to=zone.staff)


def lists_what_needs_cover(work: Work, zone: BenchZone) -> object:
    return needs_cover(work.db, now=NOW, limit=50, visible_to=zone.staff)


def lists_what_needs_cover_of_every_operator(work: Work, _zone: BenchZone) -> object:
    return needs_cover(work.db, now=NOW, limit=50, visible_to=ADMIN)


def opens_the_first_page_of_those_who_decide(work: Work, zone: BenchZone) -> object:
    return home(work.db, visible_to=replace(zone.staff, role=Role.FRANCHISE_MANAGER), now=NOW)


def looks_again_at_approvals(work: Work, _zone: BenchZone) -> object:
    return looked_at(work.db, fresh_at=None, now=NOW, limit=1000)


HOT: tuple[Ask, ...] = (
    looks_for_trainers,
    proposes_the_best,
    proposes_and_approves,
    proposes_and_rejects,
    asks_who_else_waits,
    expires_holds,
    looks_up_the_zone,
    lists_the_sessions_of_a_day,
    lists_every_operators_sessions_of_a_day,
    lists_unmarked_sessions,
    opens_the_approvals_queue,
    opens_every_operators_approvals_queue,
    opens_a_booking,
    opens_any_operators_booking,
    lists_bookings,
    opens_the_first_page,
    opens_a_trainers_week,
    counts_what_a_trainer_leaves_behind,
)


@pytest.mark.parametrize("ask", HOT, ids=lambda ask: ask.__name__)
def test_no_hot_question_reads_a_large_table_whole(large_desk: LargeDesk, ask: Ask) -> None:
    statements, found = whole_reads(large_desk, ask)
    assert statements
    assert not found


FEW_ARE_AWAY = (
    "DELETE FROM time_off WHERE trainer_id NOT IN (SELECT id FROM trainers ORDER BY id LIMIT 5)",
    "ANALYZE time_off",
)


@pytest.mark.parametrize("ask", [lists_what_needs_cover, lists_what_needs_cover_of_every_operator])
def test_what_needs_cover_is_looked_for_where_somebody_is_away(large_desk: LargeDesk, ask: Ask) -> None:
    statements, found = whole_reads(large_desk, ask, *FEW_ARE_AWAY)
    assert statements
    assert not found


SOME_WERE_LOOKED_AT = (
    "UPDATE trainer_service_state SET fresh_at = now()",
    "UPDATE trainers SET active = false, left_at = now() WHERE id IN (SELECT id FROM trainers ORDER BY id LIMIT 5)",
    "UPDATE trainers SET held_back_at = now(), held_back_code = 'unreadable'"
    " WHERE id IN (SELECT id FROM trainers ORDER BY id DESC LIMIT 5)",
    "UPDATE assignments SET recheck_since = decided_at, rechecked_at = CASE WHEN n > 10 THEN decided_at END,"
    " recheck_outcome = CASE WHEN n > 20 THEN 'confirmed' WHEN n > 10 THEN 'left' END"
    " FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM assignments WHERE status = 'approved' LIMIT 400) AS a"
    " WHERE a.id = assignments.id",
    "ANALYZE assignments, trainers",
)
"""Ten approvals are due, ten did not stand, the others did; some trainers have left, and some are held back."""


@pytest.mark.parametrize("ask", [looks_again_at_approvals, opens_the_first_page_of_those_who_decide])
def test_approvals_on_an_old_roster_are_looked_for_where_they_are(large_desk: LargeDesk, ask: Ask) -> None:
    statements, found = whole_reads(large_desk, ask, *SOME_WERE_LOOKED_AT)
    assert statements
    assert not found


def test_the_large_desk_is_large(large_desk: LargeDesk) -> None:
    with large_desk.engine.connect() as connection:
        counts = {table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in LARGE}
    assert counts["schedule_slots"] > 99_000
    assert min(counts.values()) > 3_000


SLOTS_BY_TRAINER = """
DO $$ DECLARE gone text; BEGIN
    FOR gone IN SELECT c.conname FROM pg_constraint c
                WHERE c.conrelid = 'schedule_slots'::regclass AND c.contype IN ('u', 'x') LOOP
        EXECUTE format('ALTER TABLE schedule_slots DROP CONSTRAINT %I', gone);
    END LOOP;
    FOR gone IN SELECT i.indexrelid::regclass FROM pg_index i
                WHERE i.indrelid = 'schedule_slots'::regclass AND NOT i.indisprimary LOOP
        EXECUTE 'DROP INDEX ' || gone;
    END LOOP;
END $$
"""


@pytest.mark.parametrize(
    ("ask", "table", "gone"),
    [
        (looks_for_trainers, "schedule_slots", SLOTS_BY_TRAINER),
        (opens_a_trainers_week, "schedule_slots", SLOTS_BY_TRAINER),
        (opens_any_operators_booking, "audit_entries", "DROP INDEX ix_audit_entries_subject"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_without_its_index_the_same_question_is_found_out(
    large_desk: LargeDesk, ask: Ask, table: str, gone: str
) -> None:
    _, found = whole_reads(large_desk, ask, gone)
    assert any(whole.startswith(f"{table}:") for whole in found)
