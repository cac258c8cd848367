"""Migration 0013 on a database with zones and bookings: each zone is its first version, bookings were made under it."""

from __future__ import annotations

from collections.abc import Callable

from alembic import command
from sqlalchemy import text

from tests.arch.test_migrations import alembic, told
from tests.arch.test_zone_migration import seeing_all
from tests.services import Servers
from webapp.core.ids import new_id

HELD = (
    "name, label, kind, center_lat, center_lng, radius_km, ring, max_travel_km, area_km2, time_zone,"
    " travel_buffer_minutes, active"
)
ZONE = text("""
    INSERT INTO zones (id, name, name_key, label, kind, center_lat, center_lng, radius_km, bounds, area_km2, time_zone,
                       travel_buffer_minutes, active, created_at)
    VALUES (:id, :name, :name, '', 'circle', 17, 83, 3, box(point(83, 17), point(84, 18)), 28, 'UTC', 0, :active,
            '2026-01-01')
""")
BOOKING = text("""
    INSERT INTO bookings (id, operator_id, reference, zone_id, household_id, course_id, class_type, delivery_mode,
                          total_sessions, start_date, timeslot, time_zone, address, lat, lng, status, payment_status,
                          version, created_at)
    SELECT :id, operator_id, 'ABCD-2345', id, id, id, 'one_on_one', 'weekday_daily', 10, '2027-01-04', '09:00', 'UTC',
           '', 17, 83, 'waitlisted', 'unpaid', 1, now()
    FROM zones WHERE id = :zone
""")


def test_zones_and_bookings_that_are_there_get_the_first_version_and_go_back_as_they_were(
    new_database: Callable[[], Servers],
) -> None:
    url = new_database().owner_url
    command.upgrade(alembic(url), "0012")
    with seeing_all(url) as connection:
        # The rows alone matter: what a booking points to beside its zone is left out.
        for key in ("household_id", "course_id"):
            names = told(
                connection,
                "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = 'bookings'::regclass"
                f" AND pg_get_constraintdef(oid) LIKE '%{key}%'",
            )
            for (name,) in names:
                connection.execute(text(f"ALTER TABLE bookings DROP CONSTRAINT {name}"))
        circle, retired = new_id(), new_id()
        connection.execute(ZONE, {"id": circle, "name": "circle", "active": True})
        connection.execute(ZONE, {"id": retired, "name": "retired", "active": False})
        connection.execute(BOOKING, {"id": new_id(), "zone": circle})
        before = told(connection, f"SELECT id, created_at, {HELD} FROM zones")
        connection.commit()
    command.upgrade(alembic(url), "0013")
    with seeing_all(url) as connection:
        versions = told(connection, f"SELECT zone_id, valid_from, {HELD} FROM zone_versions")
        assert versions == before
        rest = told(connection, "SELECT number, valid_until, changed_by, changed_by_name, reason FROM zone_versions")
        assert rest == {(1, None, None, "", None)}
        assert told(connection, "SELECT id, version FROM zones") == {(circle, 1), (retired, 1)}
        assert told(connection, "SELECT zone_id, zone_version FROM bookings") == {(circle, 1)}
        connection.execute(text("UPDATE zones SET radius_km = 4 WHERE id = :id"), {"id": circle})
        assert told(connection, "SELECT zone_id, number FROM zone_versions WHERE valid_until IS NULL") == {
            (circle, 2),
            (retired, 1),
        }
        connection.rollback()
    command.downgrade(alembic(url), "0012")
    with seeing_all(url) as connection:
        assert told(connection, f"SELECT id, created_at, {HELD} FROM zones") == before
        connection.execute(text("UPDATE zones SET radius_km = 4 WHERE id = :id"), {"id": circle})
