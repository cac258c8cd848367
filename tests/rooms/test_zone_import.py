"""Many zones at once: the same rows and entries as one by one, in a few statements, all or nothing."""

from __future__ import annotations

from dataclasses import replace
from threading import Event, Thread
from time import monotonic
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from tests.make import Make
from tests.rooms.test_assignment_races import Desk, desk
from tests.web.client import NOW
from webapp.audit.models import AuditEntry
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID
from webapp.db.work import Database, counting_statements
from webapp.operators.rules import franchise_of
from webapp.zones import queries, service
from webapp.zones.bulk import BATCH
from webapp.zones.files.said import FileZone
from webapp.zones.importing import ImportPlan
from webapp.zones.models import Zone
from webapp.zones.rules import ZoneCommand

__all__ = ["desk"]

UNSAID = frozenset({"travel_buffer_minutes", "active"})
RING = (Location(17, 83), Location(17.00000000000001, 84.1), Location(18.3, 83.123456789012))


def commands(number: int, operator_id: UUID = COMPANY_ID) -> list[ZoneCommand]:
    """Circles and polygons by turns, with all that a zone can have."""
    owner = franchise_of(operator_id)
    circle = ZoneCommand("", owner, "Asia/Kolkata", Location(1e-5, -179.999), 0.1 + 0.2, label=' "=A1" \\ {x}')
    ring = ZoneCommand("", owner, "UTC", ring=RING, max_travel_km=7.5, travel_buffer_minutes=15, active=False)
    return [replace(ring if n % 2 else circle, name=f"Area {n}") for n in range(number)]


def imported(db: Database, wanted: list[ZoneCommand], operator_id: UUID = COMPANY_ID, by: Actor = SYSTEM) -> ImportPlan:
    with db.unit_of_work() as work:
        zones = [FileZone(command, UNSAID) for command in wanted]
        return service.import_zones(work, zones, operator_id=operator_id, by=by, now=NOW)


def rows(db: Database) -> list[tuple[object, ...]]:
    """Every column of every zone but its id, as the server writes it."""
    columns = ", ".join(f"CAST({column.name} AS text)" for column in Zone.__table__.columns if column.name != "id")
    with db.read_only() as session:
        return [tuple(row) for row in session.execute(text(f"SELECT {columns} FROM zones ORDER BY operator_id, name"))]


def entries(db: Database) -> list[tuple[object, ...]]:
    """What the audit tells of zones."""
    told = (
        AuditEntry.what,
        AuditEntry.operator_id,
        AuditEntry.before,
        AuditEntry.after,
        AuditEntry.at,
        AuditEntry.source,
    )
    with db.read_only() as session:
        asked = select(*told).where(AuditEntry.subject_kind == "zone").order_by(AuditEntry.id)
        return [tuple(row) for row in session.execute(asked)]


def test_an_import_leaves_the_rows_and_entries_that_drawing_and_changing_leave(db: Database, make: Make) -> None:
    franchise = make.franchise()
    wanted = commands(4, franchise)
    changed = [replace(command, label="New", time_zone="Asia/Dubai") for command in wanted]
    with db.unit_of_work() as work:
        ids = [service.create(work, command, by=SYSTEM, now=NOW) for command in wanted]
    with db.unit_of_work() as work:
        for zone_id, command in zip(ids, changed, strict=True):
            service.change(work, zone_id, command, by=SYSTEM, now=NOW)
    by_hand = rows(db), entries(db)
    with db.unit_of_work() as work:
        work.db.execute(text("DELETE FROM zones"))
    imported(db, wanted, franchise)
    imported(db, changed, franchise)
    assert rows(db) == by_hand[0]
    assert entries(db)[8:] == by_hand[1]
    assert {entry[0] for entry in entries(db)} == {"zone.created", "zone.changed"}


def test_a_thousand_zones_take_few_statements_and_few_stamps(db: Database) -> None:
    wanted = commands(2 * BATCH)
    with counting_statements() as count:
        plan = imported(db, wanted)
        assert count() <= 6
    assert (len(plan.created), len(plan.updated), plan.unchanged) == (2 * BATCH, 0, 0)
    with counting_statements() as count:
        assert imported(db, wanted).unchanged == 2 * BATCH
        assert count() == 1
    with counting_statements() as count:
        plan = imported(db, [replace(command, label="New") for command in wanted])
        assert count() <= 8
    assert len(plan.updated) == 2 * BATCH
    with db.read_only() as session:
        told = session.execute(select(AuditEntry.what, func.count()).group_by(AuditEntry.what)).all()
    assert {tuple(row) for row in told} == {("zone.created", 2 * BATCH), ("zone.changed", 2 * BATCH)}


def test_one_fault_at_the_end_leaves_nothing(db: Database) -> None:
    wanted = [*commands(BATCH + 1), ZoneCommand("Last", None, "Mars/Base", Location(17, 83), 3.0)]
    with pytest.raises(Invalid, match="time zone is not known"):
        imported(db, wanted)
    assert rows(db) == entries(db) == []


def test_a_time_zone_that_trainers_hold_is_refused_by_the_zone_s_name(db: Database, make: Make) -> None:
    make.trainer((make.zone(name="Central"),), ())
    with db.read_only() as session:
        known = queries.zones_by_key(session, COMPANY_ID)["central"].command
    before = rows(db)
    with pytest.raises(Conflict, match="Trainers work in Central"):
        imported(db, [*commands(3), replace(known, time_zone="Asia/Dubai")])
    assert rows(db) == before


def test_nobody_imports_for_a_stranger(db: Database, make: Make) -> None:
    with pytest.raises(NotFound):
        imported(db, commands(1), by=make.manager().actor)
    assert rows(db) == []


def meanwhile(desk: Desk, doing: str, **values: object) -> tuple[Thread, Event]:
    """Somebody else does something and commits only when told."""
    done, go_on = Event(), Event()

    def act() -> None:
        with desk.database.unit_of_work() as work:
            work.db.execute(text(doing), values)
            done.set()
            go_on.wait(10)

    somebody = Thread(target=act)
    somebody.start()
    assert done.wait(10)
    return somebody, go_on


def waits(desk: Desk) -> bool:
    """Whether anybody waits for a lock, soon."""
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ends = monotonic() + 10
    while monotonic() < ends:
        if desk.number(blocked):
            return True
    return False


@pytest.mark.race
def test_z1_a_name_that_somebody_takes_at_the_same_moment_refuses_the_whole_file(desk: Desk) -> None:
    somebody, go_on = meanwhile(
        desk, "UPDATE zones SET name = 'Area 7', name_key = 'area 7' WHERE id = :id", id=desk.zone_id
    )
    outcome: list[str] = []

    def file() -> None:
        try:
            imported(desk.database, commands(20))
        except Invalid as refused:
            outcome.append(str(refused))

    importing = Thread(target=file)
    importing.start()
    assert waits(desk), "for whoever has the name"
    go_on.set()
    somebody.join()
    importing.join(10)
    assert outcome == ["There is already a zone named Area 7."]
    assert len(rows(desk.database)) == 1


@pytest.mark.race
def test_a_zone_that_somebody_changes_at_the_same_moment_is_compared_with_what_it_became(desk: Desk) -> None:
    (wanted,) = commands(1)
    imported(desk.database, [wanted])
    somebody, go_on = meanwhile(
        desk, "UPDATE zones SET label = 'Theirs', travel_buffer_minutes = 30 WHERE name = 'Area 0'"
    )
    plans: list[ImportPlan] = []
    file = [replace(wanted, radius_km=9.0)]
    importing = Thread(target=lambda: plans.append(imported(desk.database, file)))
    importing.start()
    assert waits(desk)
    go_on.set()
    somebody.join()
    importing.join(10)
    ((_id, became),) = plans[0].updated
    assert (became.travel_buffer_minutes, became.radius_km) == (30, 9.0), "what the file does not say stays"
    before, after = entries(desk.database)[-1][2:4]
    assert before == {"label": "Theirs", "radius_km": 0.1 + 0.2}
    assert after == {"label": '"=A1" \\ {x}', "radius_km": 9.0}
