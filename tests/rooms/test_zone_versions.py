"""Every state of a zone is kept, whoever writes; a booking keeps the one it was made under."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from tests.make import HOME, Make
from tests.services import Servers
from tests.web.client import NOW
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID
from webapp.db.base import sqlstate_of
from webapp.db.tenancy import acting_as, acting_for
from webapp.db.work import Database
from webapp.zones import service
from webapp.zones.rules import ZoneCommand

COMMAND = ZoneCommand("Central", None, "Asia/Kolkata", HOME, 3.0)
RING = (Location(17.0, 83.0), Location(17.0, 83.1), Location(17.1, 83.1))
LATER = NOW + timedelta(days=1)


def versions(db: Database, zone_id: UUID) -> list[Any]:
    """The zone's versions, oldest first."""
    with db.read_only() as session:
        asked = text("SELECT * FROM zone_versions WHERE zone_id = :id ORDER BY number")
        return list(session.execute(asked, {"id": zone_id}))


def sql(db: Database, statement: str, **values: object) -> None:
    """Something writes past the services."""
    with db.unit_of_work() as work:
        work.db.execute(text(statement), values)


def change(db: Database, zone_id: UUID, command: ZoneCommand, **said: Any) -> bool:
    """Change a zone, as the system and a day later unless said otherwise."""
    given: dict[str, Any] = {"by": SYSTEM, "now": LATER, **said}
    with db.unit_of_work() as work:
        return service.change(work, zone_id, command, **given)


@pytest.fixture
def zone_id(db: Database, make: Make) -> UUID:
    """A zone of the company."""
    with db.unit_of_work() as work:
        return service.create(work, COMMAND, by=SYSTEM, now=NOW, reason="The first one")


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
def test_every_change_makes_a_version_and_no_change_makes_none(
    db: Database, make: Make, zone_id: UUID, what: str
) -> None:
    admin = make.admin()
    with acting_as(admin.actor):
        assert change(db, zone_id, CHANGES[what], by=admin.actor, reason="  Because \n of it ")
        assert not change(db, zone_id, CHANGES[what], by=admin.actor)
    first, second = versions(db, zone_id)
    assert (first.number, first.valid_from, first.valid_until) == (1, NOW, LATER)
    assert (second.number, second.valid_from, second.valid_until) == (2, LATER, None)
    assert (first.changed_by, first.changed_by_name, first.reason) == (None, "system", "The first one")
    assert (second.changed_by, second.changed_by_name, second.reason) == (admin.id, admin.name, "Because of it")
    assert (first.name, first.radius_km, first.ring, first.active) == ("Central", 3.0, None, True)
    now = CHANGES[what]
    assert (second.name, second.label, second.radius_km) == (now.name, now.label, now.radius_km)
    assert second.ring == (None if now.ring is None else [n for at in now.ring for n in (at.lng, at.lat)])
    assert (second.time_zone, second.travel_buffer_minutes, second.active) == (
        now.time_zone,
        now.travel_buffer_minutes,
        now.active,
    )


def test_changes_at_one_instant_and_on_a_clock_that_went_back_follow_each_other(db: Database, zone_id: UUID) -> None:
    for number, now in enumerate((NOW, NOW, NOW - timedelta(days=3)), 2):
        change(db, zone_id, replace(COMMAND, radius_km=float(number)), now=now)
    found = versions(db, zone_id)
    assert [row.number for row in found] == [1, 2, 3, 4]
    assert all(row.valid_from < row.valid_until for row in found[:-1])
    assert [row.valid_until for row in found[:-1]] == [row.valid_from for row in found[1:]]
    assert [row.changed_by_name for row in found] == ["system"] * 4, "a service says who, whatever the clock says"


def test_whoever_writes_past_the_services_leaves_a_version_of_nobody_in_particular(
    db: Database, make: Make, zone_id: UUID
) -> None:
    change(db, zone_id, replace(COMMAND, radius_km=4.0), by=make.admin().actor, reason="Said")
    sql(db, "UPDATE zones SET radius_km = 5")
    sql(db, "UPDATE zones SET label = label, version = 70, changed_by_name = 'forged', change_reason = 'forged'")
    found = versions(db, zone_id)
    assert [row.radius_km for row in found] == [3.0, 4.0, 5.0]
    assert (found[2].changed_by, found[2].changed_by_name, found[2].reason) == (None, "", None)
    assert found[1].valid_until == found[2].valid_from
    with db.read_only() as session:
        row = session.execute(text("SELECT version, changed_by_name, change_reason FROM zones")).one()
    assert tuple(row) == (3, "", None)


def test_many_rows_in_one_statement_make_a_version_each(db: Database, make: Make) -> None:
    zones = [make.zone() for _ in range(5)]
    sql(db, "UPDATE zones SET radius_km = radius_km + 1 WHERE id <> :kept", kept=zones[0])
    assert [len(versions(db, zone)) for zone in zones] == [1, 2, 2, 2, 2]


def test_a_zone_that_goes_takes_its_versions_along(db: Database, zone_id: UUID) -> None:
    sql(db, "DELETE FROM zones WHERE id = :id", id=zone_id)
    assert versions(db, zone_id) == []


ADDED = """
    INSERT INTO zone_versions SELECT operator_id, zone_id, number + 1, valid_from, {until}, name, label, kind,
    center_lat, center_lng, radius_km, ring, max_travel_km, area_km2, time_zone, travel_buffer_minutes, active,
    changed_by, changed_by_name, reason FROM zone_versions
"""


@pytest.mark.parametrize(("until", "state"), [("NULL", "23505"), ("valid_from", "23514")])
def test_a_second_open_version_and_one_that_ends_before_it_begins_are_refused(
    servers: Servers, db: Database, until: str, state: str
) -> None:
    engine = create_engine(servers.admin_url)
    with engine.connect() as connection, connection.begin() as outer:
        connection.execute(
            text(
                "INSERT INTO zones (id, name, name_key, label, kind, center_lat, center_lng, radius_km, bounds,"
                " area_km2, time_zone, travel_buffer_minutes, active, created_at) VALUES (gen_random_uuid(), 'z',"
                " 'z', '', 'circle', 1, 1, 3, box(point(1, 1), point(2, 2)), 28, 'UTC', 0, true, now())"
            )
        )
        with pytest.raises(DBAPIError) as refused:
            connection.execute(text(ADDED.format(until=until)))
        assert sqlstate_of(refused.value) == state
        outer.rollback()
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE zone_versions SET radius_km = 9", "DELETE FROM zone_versions", ADDED.format(until="now()")],
)
def test_the_serving_role_rewrites_no_history(db: Database, zone_id: UUID, statement: str) -> None:
    with pytest.raises(DBAPIError) as refused:
        sql(db, statement)
    assert sqlstate_of(refused.value) == "42501"
    sql(db, "UPDATE zone_versions SET valid_until = now() + interval '1 year'")
    assert [row.valid_until for row in versions(db, zone_id)] == [None], "closed by triggers alone"


def test_versions_are_their_operator_s_alone(db: Database, make: Make, zone_id: UUID) -> None:
    franchise = make.franchise()
    own = make.zone(operator_id=franchise)
    with acting_for(franchise):
        assert versions(db, zone_id) == []
        sql(db, "UPDATE zones SET radius_km = radius_km + 1")
        assert len(versions(db, own)) == 2
    assert len(versions(db, zone_id)) == 1


def test_whoever_looked_at_another_version_is_told_who_changed_it(db: Database, make: Make, zone_id: UUID) -> None:
    lakshmi = make.user(name="Lakshmi").actor
    change(db, zone_id, replace(COMMAND, radius_km=4.0), by=replace(lakshmi, operator_id=COMPANY_ID), seen=1)
    with pytest.raises(Conflict) as refused:
        change(db, zone_id, replace(COMMAND, radius_km=5.0), seen=1)
    assert refused.value.code == "zone-changed"
    assert "Lakshmi" in str(refused.value)
    assert [row.radius_km for row in versions(db, zone_id)] == [3.0, 4.0]


# Bookings


def booked_under(db: Database, booking_id: UUID) -> int:
    """The version of its zone that a booking points to."""
    with db.read_only() as session:
        found: int = session.execute(
            text("SELECT zone_version FROM bookings WHERE id = :id"), {"id": booking_id}
        ).scalar_one()
    return found


def test_a_booking_keeps_the_version_it_was_made_under(db: Database, make: Make, zone_id: UUID) -> None:
    first = make.booking(zone_id=zone_id, place=HOME)
    change(db, zone_id, replace(COMMAND, radius_km=2.0))
    second = make.booking(zone_id=zone_id, place=HOME)
    change(db, zone_id, replace(COMMAND, active=False), now=LATER + timedelta(days=1))
    assert [booked_under(db, booking.id) for booking in (first, second)] == [1, 2]
    sql(db, "UPDATE bookings SET address = 'Elsewhere', zone_id = zone_id")
    assert booked_under(db, first.id) == 1


def test_a_booking_that_goes_to_another_zone_takes_that_zone_s_present_version(
    db: Database, make: Make, zone_id: UUID
) -> None:
    booking, other = make.booking(zone_id=zone_id, place=HOME), make.zone(center=HOME)
    sql(db, "UPDATE zones SET radius_km = 20 WHERE id = :id", id=other)
    sql(db, "UPDATE bookings SET zone_id = :zone", zone=other)
    assert booked_under(db, booking.id) == 2
    with pytest.raises(DBAPIError) as refused:
        sql(db, "UPDATE bookings SET zone_version = 3")
    assert sqlstate_of(refused.value) == "23503"


def test_a_booking_of_a_zone_that_is_not_there_is_refused_for_the_zone(db: Database, make: Make, zone_id: UUID) -> None:
    make.booking(zone_id=zone_id, place=HOME)
    with pytest.raises(DBAPIError) as refused:
        sql(db, "UPDATE bookings SET zone_id = :zone", zone=UUID(int=9))
    assert "fk_bookings_operator_id_zone_id" in str(refused.value.orig)
