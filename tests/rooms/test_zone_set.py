"""The stamp of the set of zones: whatever changes what a lookup answers draws a new one, and nothing else does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from threading import Barrier, Event, Thread
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError

from tests.make import HOME, Make
from tests.rooms.test_assignment_races import Desk, desk
from tests.web.client import NOW
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict, Invalid
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.tenancy import acting_as, acting_for
from webapp.db.work import Database
from webapp.operators import service as operators
from webapp.operators.rules import OperatorCommand
from webapp.zones import queries, service
from webapp.zones.models import ZoneSet
from webapp.zones.rules import ZoneCommand

__all__ = ["desk"]

COMMAND = ZoneCommand("Central", None, "Asia/Kolkata", HOME, 3.0)
RING = (Location(17.0, 83.0), Location(17.0, 83.1), Location(17.1, 83.1))


def stamp(db: Database) -> UUID:
    with db.read_only() as session:
        return session.execute(select(ZoneSet.version)).scalar_one()


def sql(db: Database, statement: str, **values: object) -> None:
    """Something writes past the services."""
    with db.unit_of_work() as work:
        work.db.execute(text(statement), values)


@pytest.fixture
def zone_id(db: Database, make: Make) -> UUID:
    """A zone of the company."""
    with db.unit_of_work() as work:
        return service.create(work, COMMAND, by=SYSTEM, now=NOW)


CHANGES = {
    "renamed": replace(COMMAND, name="North"),
    "another label": replace(COMMAND, label="Beach"),
    "moved": replace(COMMAND, center=Location(17.7, 83.2)),
    "wider": replace(COMMAND, radius_km=4.0),
    "a ring": replace(COMMAND, center=None, radius_km=None, ring=RING, max_travel_km=4.0),
    "another time zone": replace(COMMAND, time_zone="Asia/Dubai"),
    "another buffer": replace(COMMAND, travel_buffer_minutes=15),
    "retired": replace(COMMAND, active=False),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_zone_renews_the_stamp_and_an_unchanged_one_does_not(db: Database, zone_id: UUID, what: str) -> None:
    seen = [stamp(db)]
    for command in (CHANGES[what], CHANGES[what], COMMAND):
        with db.unit_of_work() as work:
            service.change(work, zone_id, command, by=SYSTEM, now=NOW)
        seen.append(stamp(db))
    assert seen[0] != seen[1] == seen[2] != seen[3]
    assert seen[3] != seen[0], "a state that comes back does not bring its stamp back"


def test_every_column_that_a_lookup_answers_is_watched(db: Database, zone_id: UUID) -> None:
    """Also one by one, and past the services; the largest column is compared to its end."""
    ring = [coordinate for n in range(400) for coordinate in (83 + n / 1000, 17 + n % 7 / 1000)]
    sql(db, "UPDATE zones SET kind = 'polygon', radius_km = NULL, max_travel_km = 1, ring = :ring", ring=ring)
    for change in (
        "name = 'x'",
        "label = 'x'",
        "center_lat = 1",
        "center_lng = 1",
        "max_travel_km = 2",
        "ring[800] = ring[800] + 0.000000000001",
        "bounds = box(point(0, 0), point(1, 1))",
        "area_km2 = 2",
        "time_zone = 'UTC'",
        "travel_buffer_minutes = 1",
        "active = false",
        "created_at = created_at + interval '1 microsecond'",
    ):
        before = stamp(db)
        sql(db, f"UPDATE zones SET {change}")
        assert stamp(db) != before, change
        before = stamp(db)
        sql(db, "UPDATE zones SET label = label")
        assert stamp(db) == before, change


def test_a_new_zone_and_one_that_goes_renew_the_stamp(db: Database, make: Make, zone_id: UUID) -> None:
    before = stamp(db)
    make.zone(operator_id=make.franchise())
    assert stamp(db) != before
    before = stamp(db)
    sql(db, "DELETE FROM zones WHERE id = :id", id=zone_id)
    assert stamp(db) != before
    before = stamp(db)
    sql(db, "DELETE FROM zones WHERE id = :id", id=zone_id)
    sql(db, "UPDATE zones SET label = 'x' WHERE id = :id", id=zone_id)
    assert stamp(db) == before


def test_an_operator_renews_it_with_its_name_and_its_activity_alone(db: Database, make: Make) -> None:
    franchise = make.franchise("Lotus")
    seen = [stamp(db)]
    for command in (OperatorCommand("Lotus", True), OperatorCommand("Lily", True)):
        with db.unit_of_work() as work:
            operators.change(work, franchise, command, by=SYSTEM, now=NOW)
        seen.append(stamp(db))
    assert seen[0] == seen[1] != seen[2]
    sql(db, "UPDATE operators SET active = false WHERE id = :id", id=franchise)
    assert stamp(db) != seen[2]


def test_whoever_draws_a_zone_renews_it_and_everybody_reads_it(db: Database, make: Make) -> None:
    """A manager sees one operator's rows; the stamp is everybody's."""
    manager = make.manager().actor
    before = stamp(db)
    with acting_as(manager), db.unit_of_work() as work:
        service.create(work, replace(COMMAND, franchise_id=manager.operator_id), by=manager, now=NOW)
    with acting_for(new_id()):
        assert stamp(db) != before
    with acting_for(COMPANY_ID), db.unit_of_work() as work:
        assert work.db.execute(text("DELETE FROM zone_set RETURNING id")).all() == []


def test_a_change_is_refused_where_nobody_would_hear_of_it(db: Database, zone_id: UUID) -> None:
    sql(db, "DELETE FROM zone_set")
    with pytest.raises(ProgrammingError, match="the row of zone_set is missing"):
        sql(db, "UPDATE zones SET label = 'x'")


# Several at once


def drawing(desk: Desk, name: str, *, franchise_id: UUID | None = None) -> Callable[[], object]:
    """A request that draws a zone."""
    command = replace(COMMAND, name=name, franchise_id=franchise_id)

    def draw() -> object:
        try:
            return desk.database.retrying(lambda work: service.create(work, command, by=SYSTEM, now=NOW))
        except Invalid as refused:
            return refused.code

    return draw


@pytest.mark.race
def test_z1_of_two_who_save_the_same_name_at_once_one_is_refused_at_the_field(desk: Desk) -> None:
    franchise = desk.make.franchise()
    for number, owner in enumerate((None, None, franchise, franchise)):
        names = (f"Central {number}", f"ＣＥＮＴＲＡＬ {number}", f"central {number}", f" Central  {number}")
        outcomes = desk.at_once([drawing(desk, name, franchise_id=owner) for name in names])
        assert outcomes.count("zone-name-taken") == 3
        assert sum(isinstance(outcome, UUID) for outcome in outcomes) == 1


@pytest.mark.race
def test_a_stamp_that_was_rolled_back_never_comes_back(desk: Desk) -> None:
    """With a counter the number of the first change would be the second's too, for other zones."""
    before = stamp(desk.database)

    def change(label: str) -> UUID:
        with desk.database.unit_of_work() as work:
            work.db.execute(text("UPDATE zones SET label = :label"), {"label": label})
            drawn.append(work.db.execute(select(ZoneSet.version)).scalar_one())
            assert stamp(desk.database) == before, "others do not see what is not committed"
            if label == "rolled back":
                raise ZeroDivisionError
        return stamp(desk.database)

    drawn: list[UUID] = []
    with pytest.raises(ZeroDivisionError):
        change("rolled back")
    assert stamp(desk.database) == before
    assert change("committed") == drawn[1]
    assert len({before, *drawn}) == 3


@pytest.mark.race
def test_many_who_change_zones_at_once_wait_for_each_other_and_nobody_is_lost(desk: Desk) -> None:
    """All of them want the one row; whoever holds a zone's row waits for it, and never the other way round."""
    zones = [drawing(desk, f"Drawn {number}")() for number in range(8)]
    seen = []

    def changing(zone_id: object, label: str) -> Callable[[], object]:
        def change() -> object:
            assert isinstance(zone_id, UUID)
            known = replace(COMMAND, name=f"Drawn {zones.index(zone_id)}", label=label)
            return desk.database.retrying(lambda work: service.change(work, zone_id, known, by=SYSTEM, now=NOW))

        return change

    for round_ in range(5):
        outcomes = desk.at_once(
            [changing(zone_id, f"{round_}-{again}") for zone_id in zones for again in range(2)]
            + [drawing(desk, f"New {round_} {number}") for number in range(4)]
        )
        assert not [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
        seen.append(stamp(desk.database))
    assert len(set(seen)) == 5


@pytest.mark.race
def test_readers_do_not_wait_for_somebody_who_is_changing_zones(desk: Desk) -> None:
    changed, go_on = Event(), Event()

    def change_slowly() -> None:
        with desk.database.unit_of_work() as work:
            work.db.execute(text("UPDATE zones SET label = 'slowly'"))
            changed.set()
            go_on.wait(10)

    writer = Thread(target=change_slowly)
    writer.start()
    assert changed.wait(10)
    began = time.monotonic()
    before = stamp(desk.database)
    with desk.database.read_only() as db:
        assert queries.zones_at(db, HOME)
    assert time.monotonic() - began < 2
    go_on.set()
    writer.join()
    assert stamp(desk.database) != before


@pytest.mark.race
def test_drawing_a_booking_s_zone_does_not_wait_for_a_stamp(desk: Desk) -> None:
    """Foreign keys to zones lock their rows, not the stamp: bookings go on while a zone is being drawn."""
    barrier = Barrier(2)

    def draw() -> None:
        with desk.database.unit_of_work() as work:
            service.create(work, replace(COMMAND, name="Being drawn"), by=SYSTEM, now=NOW)
            barrier.wait(10)
            barrier.wait(10)

    writer = Thread(target=draw)
    writer.start()
    barrier.wait(10)
    began = time.monotonic()
    desk.make.booking(zone_id=desk.zone_id, course_id=desk.course_id)
    assert time.monotonic() - began < 2
    barrier.wait(10)
    writer.join()
