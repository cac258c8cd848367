"""Migration 0012 on databases that have seen something: names that are double (rule Z1), rings, and back again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from tests.arch.test_migrations import INDEXES, alembic, connected, told
from tests.services import Servers
from webapp.core.ids import COMPANY_ID, new_id
from webapp.core.names import MAX_NAME, name_key

FRANCHISE, OTHER = (UUID(f"01920000-0000-7000-8000-00000000000{n}") for n in (1, 2))
RING = "((83.1,17.6),(83.3,17.60000000000001),(83.3,17.8))"

ADD = text("""
    INSERT INTO zones (id, franchise_id, name, name_key, label, kind, center_lat, center_lng, radius_km, ring,
                       max_travel_km, bounds, area_km2, time_zone, travel_buffer_minutes, active, created_at)
    VALUES (:id, :franchise, :name, :key, '', :kind, 17, 83, :radius, CAST(:ring AS polygon), :travel,
            box(point(83, 17), point(84, 18)), 1, 'UTC', 0, :active, :at)
""")
FRANCHISES = text("""
    INSERT INTO operators (id, kind, name, name_key, auto_approve, four_eyes, active, created_at)
    SELECT id, 'franchise', id::text, id::text, false, true, true, now() FROM unnest(CAST(:ids AS uuid[])) AS id
""")


@pytest.fixture
def before(new_database: Callable[[], Servers]) -> str:
    """The address of a database as it was before, with two franchises."""
    url = new_database().owner_url
    command.upgrade(alembic(url), "0011")
    with seeing_all(url) as connection:
        connection.execute(FRANCHISES, {"ids": [FRANCHISE, OTHER]})
        connection.commit()
    return url


def seeing_all(url: str) -> Any:
    """A connection that row-level security shows everything."""
    return connected(url + "?options=-csearch_path%3Dpublic%20-capp.sees_everything%3Don")


def add(connection: Connection, name: str, franchise: UUID | None = None, **given: Any) -> UUID:
    """A zone as some earlier hand wrote it."""
    zone_id = new_id()
    values = {
        "id": zone_id,
        "franchise": franchise,
        "name": name,
        "key": given.get("key", name),
        "kind": "polygon" if "ring" in given else "circle",
        "radius": None if "ring" in given else 3,
        "travel": 3 if "ring" in given else None,
        "ring": given.get("ring"),
        "active": given.get("active", True),
        "at": given.get("at", "2026-01-01"),
    }
    connection.execute(ADD, values)
    return zone_id


def without_the_indexes(connection: Connection) -> None:
    """A database that lacks what rule Z1 stands on."""
    connection.execute(text("DROP INDEX uq_zones_company_name_key, uq_zones_franchise_name_key"))


def names(connection: Connection) -> dict[UUID, str]:
    """What every zone is called."""
    return {row.id: row.name for row in connection.execute(text("SELECT id, name FROM zones"))}


def indexes_of_a_new_database(new_database: Callable[[], Servers]) -> set[tuple[object, ...]]:
    url = new_database().owner_url
    command.upgrade(alembic(url), "0012")
    with connected(url) as connection:
        return told(connection, INDEXES)


def test_z1_doubles_are_kept_renamed_and_told_of(
    before: str, new_database: Callable[[], Servers], caplog: pytest.LogCaptureFixture
) -> None:
    with seeing_all(before) as connection:
        without_the_indexes(connection)
        central = add(connection, "Central", at="2026-01-01")
        loud = add(connection, "CENTRAL", at="2026-02-01")
        wide = add(connection, "ＣＥＮＴＲＡＬ", at="2026-03-01")
        second = add(connection, "central (2)", at="2026-04-01")
        retired = add(connection, "Café", active=False, at="2025-01-01")
        composed = add(connection, "Cafe\u0301", at="2026-01-01")
        theirs = add(connection, "central", FRANCHISE)
        spaced = add(connection, " Central  ", FRANCHISE, at="2026-02-01")
        others = add(connection, "Central", OTHER)
        unseen = add(connection, "\u200b", OTHER, key="x")
        connection.commit()
    command.upgrade(alembic(before), "0012")
    with seeing_all(before) as connection:
        assert names(connection) == {
            central: "Central",
            loud: "CENTRAL (3)",
            wide: "ＣＥＮＴＲＡＬ (4)",
            second: "central (2)",
            composed: "Cafe\u0301",
            retired: "Café (2)",
            theirs: "central",
            spaced: "Central (2)",
            others: "Central",
            unseen: "Zone (1)",
        }
        keys = connection.execute(text("SELECT name, name_key FROM zones")).all()
        assert all(key == name_key(name) for name, key in keys)
        assert told(connection, INDEXES) == indexes_of_a_new_database(new_database)
        entries = connection.execute(
            text(
                "SELECT subject_id, operator_id, before ->> 'name', after ->> 'name', actor_kind, source"
                " FROM audit_entries WHERE what = 'zone.renamed_to_be_unique'"
            )
        ).all()
        assert {tuple(entry) for entry in entries} == {
            (loud, COMPANY_ID, "CENTRAL", "CENTRAL (3)", "system", "cli"),
            (wide, COMPANY_ID, "ＣＥＮＴＲＡＬ", "ＣＥＮＴＲＡＬ (4)", "system", "cli"),
            (retired, COMPANY_ID, "Café", "Café (2)", "system", "cli"),
            (spaced, FRANCHISE, " Central  ", "Central (2)", "system", "cli"),
            (unseen, OTHER, "\u200b", "Zone (1)", "system", "cli"),
        }
        with pytest.raises(IntegrityError, match="uq_zones_company_name_key"):
            connection.execute(text("UPDATE zones SET name_key = 'central' WHERE name_key = 'central (2)'"))
    listed = [record.getMessage() for record in caplog.records if "no operator has a name twice" in record.getMessage()]
    assert len(listed) == 5


def test_z1_a_long_name_stays_as_long_as_names_may_be(before: str) -> None:
    with seeing_all(before) as connection:
        without_the_indexes(connection)
        for month in range(1, 4):
            add(connection, "x" * MAX_NAME, at=f"2026-0{month}-01")
        connection.commit()
    command.upgrade(alembic(before), "0012")
    with seeing_all(before) as connection:
        assert set(names(connection).values()) == {"x" * 120, "x" * 116 + " (2)", "x" * 116 + " (3)"}


@pytest.mark.parametrize(
    "damage",
    [
        "DROP INDEX uq_zones_company_name_key",
        "DROP INDEX uq_zones_franchise_name_key; CREATE INDEX uq_zones_franchise_name_key ON zones (name_key)",
        "DROP INDEX uq_zones_company_name_key; CREATE UNIQUE INDEX uq_zones_company_name_key ON zones (name)"
        " WHERE franchise_id IS NULL",
        "UPDATE zones SET name_key = upper(name_key)",
    ],
)
def test_z1_what_is_not_as_it_should_be_is_mended_though_nothing_is_double(
    before: str, new_database: Callable[[], Servers], damage: str
) -> None:
    with seeing_all(before) as connection:
        zone_id = add(connection, "Central")
        connection.execute(text(damage))
        connection.commit()
    command.upgrade(alembic(before), "0012")
    with seeing_all(before) as connection:
        assert told(connection, INDEXES) == indexes_of_a_new_database(new_database)
        assert told(connection, "SELECT id, name, name_key FROM zones") == {(zone_id, "Central", "central")}
        assert told(connection, "SELECT id FROM audit_entries") == set()


def test_z1_a_sound_database_is_left_alone(before: str) -> None:
    kept = "SELECT c.oid FROM pg_class c WHERE relname LIKE 'uq_zones%name_key'"
    with seeing_all(before) as connection:
        add(connection, "Central", key="central")
        add(connection, "Central", FRANCHISE, key="central")
        connection.commit()
        indexes = told(connection, kept)
    command.upgrade(alembic(before), "0012")
    with seeing_all(before) as connection:
        assert told(connection, kept) == indexes


def test_rings_are_the_same_to_the_last_bit_there_and_back(before: str) -> None:
    with seeing_all(before) as connection:
        zone_id = add(connection, "Ring", ring=RING, key="ring")
        add(connection, "Round", key="round")
        connection.commit()
    command.upgrade(alembic(before), "0012")
    with seeing_all(before) as connection:
        ring = connection.execute(text("SELECT ring FROM zones WHERE id = :id"), {"id": zone_id}).scalar_one()
        assert ring == [83.1, 17.6, 83.3, 17.60000000000001, 83.3, 17.8]
        assert told(connection, "SELECT name FROM zones_at(17.7, 83.29)") == {("Ring",)}
    command.downgrade(alembic(before), "0011")
    with seeing_all(before) as connection:
        stored = connection.execute(text("SELECT CAST(ring AS text) FROM zones WHERE id = :id"), {"id": zone_id})
        assert stored.scalar_one() == RING
        assert told(connection, "SELECT name FROM zones_at(17.7, 83.29)") == {("Ring",)}
    command.upgrade(alembic(before), "0012")
