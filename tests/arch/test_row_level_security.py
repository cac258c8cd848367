"""Every table is born with its policy, nobody said means nothing seen, and the functions across operators are few."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, create_engine, pool, text
from sqlalchemy.exc import ProgrammingError

from tests.arch.test_migrations import NOT_OF_AN_OPERATOR
from tests.make import Make
from tests.services import Servers, migrate
from webapp.core.ids import new_id
from webapp.db.tenancy import acting_for, acting_for_nobody
from webapp.db.work import APP_ROLE, Database, connect
from webapp.tables import metadata

LOOKUP_ROLE = "zonedesk_lookup"
ACROSS = {
    "bookings_to_retry",
    "certificate_batches_due",
    "certificate_batches_over",
    "certificate_design_drawn",
    "certificate_design_in_use",
    "certificate_files_to_erase",
    "certificate_letters_due",
    "certificate_letters_in_trouble",
    "certificate_of_file",
    "certificate_previews_due",
    "certificate_shown",
    "certificates_due",
    "certificates_void",
    "certificates_without_keys",
    "erasures_to_note",
    "files_named",
    "invitation_by_link",
    "invitation_open",
    "letters_due",
    "letters_in_trouble",
    "operator_name",
    "operators_served",
    "operators_with_ended_holds",
    "operators_with_old_drafts",
    "reset_link_account",
    "sign_in_account",
    "sign_in_passkey",
    "sign_in_session",
    "students_on_shared_ground",
    "zone_imports_due",
    "zone_imports_old",
    "zones_at",
    "zones_in_box",
    "zones_meeting_boxes",
    "zones_nearest",
    "zones_sharing_a_box",
}
"""What may be asked across operators. A new one is added here on purpose."""

OPEN = {
    ("courses", "SELECT"),
    ("issuer_keys", "SELECT"),
    ("revocation_lists", "SELECT"),
    ("trainer_service_state", "SELECT"),
    ("zone_set", "SELECT"),
    ("zone_set", "UPDATE"),
} | {(table, "ANY") for table in ("leases", "passkey_challenges")}
"""The one catalogue to read, public keys and signed lists, the stamp that every change of a zone renews, and the desk's
own housekeeping."""

NOT_IN_THE_STORE = {"revocation_lists.sha256", "certificate_batches.file_sha256"}
"""Hashes of what stands in the database itself, or lies in an area of its own."""

UNBOUND = """
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND NOT EXISTS (
          SELECT FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS verb
          WHERE NOT EXISTS (SELECT FROM pg_policies p WHERE p.schemaname = 'public' AND p.tablename = c.relname
                            AND p.roles = '{public}' AND p.cmd IN ('ALL', verb))))
"""
"""Tables some verb of which no policy binds, or whose owner is free."""


@pytest.fixture
def superuser(servers: Servers) -> Iterator[Connection]:
    """Whom no policy binds, on the migrated database."""
    engine = create_engine(servers.admin_url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        yield connection


def test_every_table_is_bound_for_every_verb_and_its_owner_too(superuser: Connection) -> None:
    assert set(superuser.scalars(text(UNBOUND))) == set()


def test_a_table_that_comes_without_a_policy_is_found(new_database: Callable[[], Servers]) -> None:
    servers = new_database()
    migrate(servers.owner_url)
    engine = create_engine(servers.owner_url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        for change, found in (
            ("CREATE TABLE newcomers (id uuid PRIMARY KEY, operator_id uuid NOT NULL)", {"newcomers"}),
            ("DROP POLICY of_operator ON trainers", {"newcomers", "trainers"}),
            ("ALTER TABLE bookings NO FORCE ROW LEVEL SECURITY", {"newcomers", "trainers", "bookings"}),
        ):
            connection.execute(text(change))
            assert set(connection.scalars(text(UNBOUND))) == found


def test_every_policy_asks_for_the_operator_and_none_takes_unset_for_everybody(superuser: Connection) -> None:
    asked = text(
        "SELECT tablename, cmd, coalesce(qual, ''), coalesce(with_check, '') FROM pg_policies"
        " WHERE schemaname = 'public' AND roles = '{public}'"
    )
    loose = set()
    for table, verb, using, check in superuser.execute(asked):
        for condition in filter(None, (using, check)):
            if condition == "true":
                assert {(table, verb), (table, "ANY")} & OPEN, f"{verb} on {table} is open to everybody"
                continue
            assert "app.sees_everything" in condition
            if table not in NOT_OF_AN_OPERATOR | {"courses"}:
                assert "operator_id" in condition
                assert "app.operator_id" in condition
            if "IS NULL" in condition:
                loose.add(table)
    assert loose == set()


def test_what_is_asked_across_operators_is_a_short_list_of_closed_functions(superuser: Connection) -> None:
    asked = text(
        "SELECT proname, pg_get_userbyid(proowner), coalesce(array_to_string(proconfig, ','), ''), provolatile,"
        " has_function_privilege('public', oid, 'EXECUTE'), has_function_privilege(:app, oid, 'EXECUTE')"
        " FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    )
    found = {}
    for name, owner, settings, volatile, everybody, app in superuser.execute(asked, {"app": APP_ROLE}):
        found[name] = owner
        assert "search_path=pg_catalog, public, pg_temp" in settings, name
        assert (volatile, everybody, app) == ("s", False, True), name
    assert found == dict.fromkeys(ACROSS, LOOKUP_ROLE)


def test_the_role_behind_them_signs_in_nowhere_owns_no_table_and_writes_nothing(superuser: Connection) -> None:
    rights = "rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb"
    asked = text(f"SELECT {rights} FROM pg_roles WHERE rolname = :role")
    assert tuple(superuser.execute(asked, {"role": LOOKUP_ROLE}).one()) == (False,) * 5
    owned = text("SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) = :role")
    assert superuser.scalars(owned, {"role": LOOKUP_ROLE}).all() == []
    for table in metadata.sorted_tables:
        may = text("SELECT has_table_privilege(:role, :table, 'INSERT, UPDATE, DELETE, TRUNCATE')")
        assert superuser.scalar(may, {"role": LOOKUP_ROLE, "table": table.name}) is False, table.name
    assert (
        superuser.scalar(text("SELECT pg_has_role(:app, :role, 'MEMBER')"), {"app": APP_ROLE, "role": LOOKUP_ROLE})
        is False
    )


def test_every_file_of_the_store_is_named_to_the_sweep(superuser: Connection) -> None:
    """A column with the hash of a file in the store that the function did not look at would have its files removed."""
    columns = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if column.name.endswith("sha256")
    }
    (source,) = superuser.scalars(text("SELECT prosrc FROM pg_proc WHERE proname = 'files_named'"))
    assert {
        column for column in columns if not re.search(rf"\b{column.partition('.')[2]}\b", source)
    } == NOT_IN_THE_STORE


def _households(database: Database) -> list[UUID]:
    with database.read_only() as db:
        return list(db.scalars(text("SELECT id FROM households")))


def test_rows_are_seen_and_written_on_their_operator_s_behalf_alone(db: Database, make: Make) -> None:
    ours, theirs = make.franchise(), make.franchise()
    mine = make.household(operator_id=ours).household_id
    make.household(operator_id=theirs)
    with acting_for(ours):
        assert _households(db) == [mine]
    with acting_for_nobody():
        assert _households(db) == []
    for statement in (
        "INSERT INTO households (id, operator_id, created_at) VALUES (:id, :theirs, now())",
        "UPDATE households SET operator_id = :theirs WHERE id = :mine",
    ):
        with acting_for(ours), pytest.raises(ProgrammingError, match="row-level security"), db.unit_of_work() as work:
            work.db.execute(text(statement), {"id": new_id(), "theirs": theirs, "mine": mine})
    with acting_for(ours), db.unit_of_work() as work:
        foreign = text("UPDATE households SET created_at = now() WHERE operator_id = :theirs RETURNING id")
        assert work.db.scalars(foreign, {"theirs": theirs}).all() == []


@pytest.fixture
def one_connection(servers: Servers) -> Iterator[Engine]:
    """The application's engine with a single backend, which every transaction uses after the one before."""
    engine = connect(servers.database_url, pool_size=1)
    yield engine
    engine.dispose()


def test_nothing_of_the_transaction_before_stays_on_a_connection(one_connection: Engine) -> None:
    database = Database(one_connection, lambda job, ids: None)
    settings = "current_setting('app.operator_id', true), current_setting('app.sees_everything', true)"
    said = f"SELECT pg_backend_pid(), {settings}"
    with acting_for(new_id()), database.read_only() as db:
        backend, operator, _all = db.execute(text(said)).one()
        assert operator
    with acting_for_nobody(), database.read_only() as db:
        assert tuple(db.execute(text(said)).one()) == (backend, "", "off")
    with one_connection.connect() as bare:  # somebody who opens a session and says nothing
        assert bare.execute(text("SELECT pg_backend_pid()")).scalar_one() == backend
        assert bare.execute(text("SELECT count(*) FROM operators")).scalar_one() == 0
