"""The migrations have one head, make exactly what the models declare, and leave the serving role nothing to break.

Alembic's comparison does not see checks, exclusions, index predicates or index methods, so those are compared in the
server's own words with a database made from the models alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, pool, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.exc import ProgrammingError

from tests.services import ROOT, Servers
from webapp.db.geo_types import Box
from webapp.db.work import APP_ROLE
from webapp.tables import metadata

ischema_names.update(box=Box)

NOT_OF_AN_OPERATOR = {
    "operators",
    "courses",
    "leases",
    "passkey_challenges",
    "zone_set",
    "trainer_service_state",
    "trainer_service_records",
    "trainer_service_links",
    "trainer_service_hooks",
    "trainer_sync_runs",
    "trainer_sync_changes",
}
"""Tables without an owner: the operators themselves, the one catalogue, the stamp of all zones, the desk's own
processes, and what the trainer service says before it is anybody's."""
OUTLIVES_ITS_OWNER = {"audit_entries", "audit_seals"}
"""Has an owner but no foreign key: an entry stays when all else is gone."""

CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, contype::text, pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
      AND conrelid <> coalesce(to_regclass('alembic_version'), 0)
"""
INDEXES = """
    SELECT tablename, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> 'alembic_version'
"""
FUNCTIONS = """
    SELECT proname FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
"""
COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated::text,
           a.attidentity::text, pg_get_expr(d.adbin, d.adrelid)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version'
      AND a.attnum > 0 AND NOT a.attisdropped
"""


def alembic(url: str) -> Config:
    """The project's migrations on one database."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = url
    return config


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection that is gone afterwards: a database with connections cannot be dropped."""
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        yield connection


def told(connection: Connection, question: str) -> set[tuple[object, ...]]:
    """What the catalogue answers."""
    return {tuple(row) for row in connection.execute(text(question))}


def test_the_migrations_are_one_line() -> None:
    script = ScriptDirectory(str(ROOT / "migrations"))
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1
    assert [revision.revision for revision in script.walk_revisions() if revision.is_branch_point] == []


def test_a_migrated_database_is_what_the_models_declare(new_database: Callable[[], Servers]) -> None:
    migrated, declared = new_database(), new_database()
    command.upgrade(alembic(migrated.owner_url), "head")
    with connected(declared.owner_url) as connection:
        connection.execute(text("CREATE EXTENSION btree_gist"))
        metadata.create_all(connection)
        connection.commit()
        wanted = {question: told(connection, question) for question in (COLUMNS, CONSTRAINTS, INDEXES)}
    with connected(migrated.owner_url) as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": metadata}
        )
        assert compare_metadata(context, metadata) == []
        found = {question: told(connection, question) for question in wanted}
    for question, rows in wanted.items():
        assert rows, question
        assert rows - found[question] == set(), "declared by the models, missing after the migrations"
        assert found[question] - rows == set(), "made by the migrations, not declared by the models"


def test_the_comparison_sees_what_alembic_overlooks(new_database: Callable[[], Servers]) -> None:
    url = new_database().owner_url
    command.upgrade(alembic(url), "head")
    with connected(url) as connection:
        before = told(connection, CONSTRAINTS) | told(connection, INDEXES)
        for change in (
            "ALTER TABLE schedule_slots DROP CONSTRAINT ex_schedule_slots_trainer_period",
            "ALTER TABLE zones DROP CONSTRAINT ck_zones_area, ADD CONSTRAINT ck_zones_area CHECK (area_km2 > -1)",
            "DROP INDEX uq_zones_company_name_key; CREATE UNIQUE INDEX uq_zones_company_name_key ON zones (name_key)",
            "DROP INDEX ix_zones_bounds; CREATE INDEX ix_zones_bounds ON zones USING spgist (bounds)",
        ):
            connection.execute(text(change))
            after = told(connection, CONSTRAINTS) | told(connection, INDEXES)
            assert before - after, change
            before = after


def test_down_to_nothing_and_up_again(new_database: Callable[[], Servers]) -> None:
    url = new_database().owner_url
    command.upgrade(alembic(url), "head")
    with connected(url) as connection:
        before = [told(connection, question) for question in (COLUMNS, CONSTRAINTS, INDEXES)]
    command.downgrade(alembic(url), "base")
    with connected(url) as connection:
        tables = told(connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert tables == {("alembic_version",)}
        assert told(connection, FUNCTIONS) == set()
    command.upgrade(alembic(url), "head")
    with connected(url) as connection:
        assert [told(connection, question) for question in (COLUMNS, CONSTRAINTS, INDEXES)] == before


def test_going_back_before_changes_of_trainer_takes_back_those_that_are_only_proposed(
    new_database: Callable[[], Servers],
) -> None:
    """The older schema holds one slot for each session: the one that is booked stays."""
    url = new_database().owner_url
    command.upgrade(alembic(url), "0003")
    with connected(url) as connection:
        # The rows alone matter: what they point to is left out, as only a superuser's replica may.
        booking, session, other, own, change = (uuid4() for _ in range(5))
        for key in told(connection, "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f'"):
            connection.execute(text(f"ALTER TABLE {key[0]} DROP CONSTRAINT {key[1]}"))
        for id_, kind, status in ((own, "course", "approved"), (change, "replacement", "proposed")):
            connection.execute(
                text(
                    "INSERT INTO assignments (id, operator_id, booking_id, trainer_id, kind, status, automatic,"
                    " proposed_by_name, proposed_at, expires_at, decided_at, explanation, version)"
                    " VALUES (:id, :id, :booking, :id, :kind, :status, false, 'x', now(), now(),"
                    " CAST(:decided AS timestamptz), '[]', 1)"
                ),
                {
                    "id": id_,
                    "booking": booking,
                    "kind": kind,
                    "status": status,
                    "decided": "2027-01-01" if id_ == own else None,
                },
            )
            for of in (session, other):
                connection.execute(
                    text(
                        "INSERT INTO schedule_slots (id, operator_id, trainer_id, booking_id, course_session_id,"
                        " assignment_id, status, period, date, timeslot, buffer_minutes)"
                        " SELECT gen_random_uuid(), :id, :id, :booking, :session, :id, :slot,"
                        " tstzrange(day + interval '9 h', day + interval '9 h 40 min'), day, '09:00', 0"
                        " FROM (SELECT CAST(:day AS date) AS day) AS at"
                    ),
                    {
                        "id": id_,
                        "booking": booking,
                        "session": of,
                        "slot": "booked" if id_ == own else "held",
                        "day": "2027-01-04" if of == session else "2027-01-05",
                    },
                )
        connection.commit()
    command.downgrade(alembic(url), "0002")
    with connected(url) as connection:
        slots = told(connection, "SELECT course_session_id, assignment_id, status FROM schedule_slots")
        assert slots == {(session, own, "booked"), (other, own, "booked")}
        left = told(connection, "SELECT id, status, decided_by_name FROM assignments")
        assert {(row[0], row[1]) for row in left} == {(own, "approved"), (change, "withdrawn")}


def test_what_older_entries_of_the_audit_told_of_families_is_taken_out_and_reasons_are_kept_on_the_rows(
    new_database: Callable[[], Servers],
) -> None:
    url = new_database().owner_url
    command.upgrade(alembic(url), "0007")
    session, booking = uuid4(), uuid4()
    entries = {
        "booking.placed": (booking, None, '{"address": "77 Secret Lane", "lat": 17.6, "lng": 83.2, "reference": "A"}'),
        "booking.edited": (booking, '{"address": "77 Secret Lane"}', '{"address": "9 Hill Road", "course_id": "x"}'),
        "session.cancelled": (session, '{"status": "scheduled"}', '{"status": "cancelled", "reason": "Arun is ill"}'),
        "trainer.blocked": (uuid4(), None, '{"household_id": "x", "reason": "They quarrelled"}'),
        "trainer.time_off_recorded": (uuid4(), None, '{"reason": "Away"}'),
    }
    with connected(url) as connection:
        for key in told(connection, "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f'"):
            connection.execute(text(f"ALTER TABLE {key[0]} DROP CONSTRAINT {key[1]}"))
        connection.execute(
            text(
                "INSERT INTO course_sessions (id, operator_id, booking_id, number, date, timeslot, time_zone,"
                " starts_at, ends_at, mode, shifted, status) VALUES (:id, :id, :id, 1, '2027-01-04', '09:00', 'UTC',"
                " now(), now() + interval '40 min', 'offline', false, 'cancelled')"
            ),
            {"id": session},
        )
        for what, (subject, before, after) in entries.items():
            connection.execute(
                text(
                    "INSERT INTO audit_entries (id, at, operator_id, actor_kind, actor_name, what, subject_kind,"
                    " subject_id, before, after, source) VALUES (gen_random_uuid(), now(), :id, 'system', 'system',"
                    " :what, 'x', :id, CAST(:before AS jsonb), CAST(:after AS jsonb), 'cli')"
                ),
                {"id": subject, "what": what, "before": before, "after": after},
            )
        connection.commit()
    command.upgrade(alembic(url), "0008")
    with connected(url) as connection:
        assert told(connection, "SELECT what, before::text, after::text FROM audit_entries") == {
            ("booking.placed", None, '{"reference": "A"}'),
            ("booking.edited", "{}", '{"course_id": "x"}'),
            ("session.cancelled", '{"status": "scheduled"}', '{"status": "cancelled"}'),
            ("trainer.blocked", None, '{"household_id": "x"}'),
            ("trainer.time_off_recorded", None, '{"reason": "Away"}'),
        }
        assert told(connection, "SELECT id, cancelled_reason FROM course_sessions") == {(session, "Arun is ill")}


def test_every_row_has_an_owner() -> None:
    for table in metadata.sorted_tables:
        if table.name in NOT_OF_AN_OPERATOR:
            assert "operator_id" not in table.c
            continue
        assert not table.c.operator_id.nullable, table.name
        targets = {key.column.table.name for key in table.c.operator_id.foreign_keys}
        assert targets or table.name in OUTLIVES_ITS_OWNER, f"{table.name}.operator_id points nowhere"


def test_foreign_keys_between_owned_tables_carry_the_owner() -> None:
    owned = {table.name for table in metadata.sorted_tables} - NOT_OF_AN_OPERATOR
    for table in metadata.sorted_tables:
        for key in table.foreign_key_constraints:
            if table.name in owned and key.referred_table.name in owned:
                pairs = {(element.parent.name, element.column.name) for element in key.elements}
                assert ("operator_id", "operator_id") in pairs, key.name


@pytest.fixture
def serving(servers: Servers) -> Iterator[Connection]:
    """A connection as the application has it, in a transaction that is rolled back."""
    with connected(servers.database_url) as connection:
        connection.execute(text(f"SET ROLE {APP_ROLE}"))
        yield connection
        connection.rollback()


def test_the_serving_role_owns_nothing(serving: Connection) -> None:
    owned = "SELECT classid, objid FROM pg_shdepend WHERE deptype = 'o' AND refobjid = CAST(:role AS regrole)"
    assert serving.execute(text(owned), {"role": APP_ROLE}).all() == []
    (mighty,) = serving.execute(
        text(
            "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls"
            " FROM pg_roles WHERE rolname = :role"
        ),
        {"role": APP_ROLE},
    ).one()
    assert not mighty


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET what = 'nothing.happened'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "TRUNCATE bookings CASCADE",
        "DELETE FROM certificates",
        "DELETE FROM issuer_keys",
        "DELETE FROM revocation_lists",
        "UPDATE revocation_lists SET document = ''",
        "DELETE FROM operators",
        "UPDATE alembic_version SET version_num = 'x'",
        "CREATE TABLE public.mine (id int)",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE audit_entries ADD COLUMN mine int",
        "ALTER TABLE schedule_slots DROP CONSTRAINT ex_schedule_slots_trainer_period",
        "ALTER TABLE zones DISABLE TRIGGER ALL",
        "DROP TABLE attendance",
        "CREATE ROLE mine",
    ],
)
def test_the_serving_role_cannot(serving: Connection, statement: str) -> None:
    with pytest.raises(ProgrammingError) as refused:
        serving.execute(text(statement))
    assert refused.value.orig is not None
    assert refused.value.orig.sqlstate == "42501"  # type: ignore[attr-defined]  # psycopg's, which SQLAlchemy leaves untyped


def test_the_serving_role_can_append_to_the_audit_and_read_it(serving: Connection) -> None:
    serving.execute(text("SELECT set_config('app.sees_everything', 'on', true)"))
    serving.execute(
        text(
            "INSERT INTO audit_entries"
            " (id, at, operator_id, actor_kind, actor_name, what, subject_kind, subject_id, source)"
            " VALUES (:id, now(), :id, 'system', 'system', 'test.written', 'test', :id, 'cli')"
        ),
        {"id": uuid4()},
    )
    assert serving.scalar(text("SELECT count(*) FROM audit_entries")) == 1
