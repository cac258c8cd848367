"""A backup holds every operator's rows, though row-level security hides them from everybody else."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from tests.services import migrate
from webapp import embedded
from webapp.core.ids import COMPANY_ID, new_id
from webapp.embedded.place import installed_binaries, stand_in

FRANCHISE = UUID("01920000-0000-7000-8000-0000000000f1")
FAMILIES = {COMPANY_ID: 3, FRANCHISE: 4}
"""How many families each operator has."""


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """A data folder that the servers' user can reach."""
    with tempfile.TemporaryDirectory(prefix="zonedesk-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder, "var")
        shutil.rmtree(stand_in(Path(folder, "var")), ignore_errors=True)


@pytest.fixture(scope="module")
def urls(data_dir: Path) -> Iterator[embedded.EmbeddedServers]:
    """A migrated desk with two operators' families."""
    with embedded.start(data_dir, durable=False) as running:
        migrate(running.urls.database_owner_url)
        with connect(running.urls.admin_url) as db:
            db.execute(
                "INSERT INTO operators (id, kind, name, name_key, auto_approve, four_eyes, active, created_at)"
                " VALUES (%s, 'franchise', 'Sunrise', 'sunrise', false, true, true, now())",
                [FRANCHISE],
            )
            for operator_id, families in FAMILIES.items():
                for _ in range(families):
                    row = [new_id(), operator_id]
                    db.execute("INSERT INTO households (id, operator_id, created_at) VALUES (%s, %s, now())", row)
        yield running.urls


def connect(url: str) -> psycopg.Connection:
    """A connection as the role of an address."""
    return psycopg.connect(embedded.libpq_url(url))


def dump(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Dump with the embedded pg_dump as the role of an address."""
    binary = installed_binaries().postgres / "bin" / "pg_dump"
    return subprocess.run(
        [str(binary), "--dbname", embedded.libpq_url(url), *options], capture_output=True, text=True, check=False
    )


def families_in(dumped: str) -> dict[UUID, int]:
    """How many families of each operator a plain dump holds."""
    _, _, rows = dumped.partition("COPY public.households (")
    head, _, body = rows.partition(") FROM stdin;\n")
    column = [name.strip() for name in head.split(",")].index("operator_id")
    found = [UUID(line.split("\t")[column]) for line in f"\n{body}".partition("\n\\.\n")[0].splitlines() if line]
    return {operator_id: found.count(operator_id) for operator_id in set(found)}


def test_the_tables_of_operators_are_under_a_forced_policy(urls: embedded.EmbeddedServers) -> None:
    """What the others stand on: without it the app's dump would be as good as the backup's."""
    with connect(urls.admin_url) as db:
        bound = db.execute(
            "SELECT c.relrowsecurity, c.relforcerowsecurity, count(p.*) FROM pg_class AS c"
            " LEFT JOIN pg_policies AS p ON p.tablename = c.relname WHERE c.relname = 'households' GROUP BY 1, 2"
        ).fetchone()
    assert bound is not None
    assert bound[:2] == (True, True)
    assert bound[2] >= 1


def test_the_backup_role_s_dump_holds_every_operator_s_rows(urls: embedded.EmbeddedServers) -> None:
    done = dump(urls.backup_url)
    assert done.returncode == 0, done.stderr
    assert families_in(done.stdout) == FAMILIES
    for table in ("users", "bookings", "audit_entries", "certificates", "alembic_version"):
        assert f"COPY public.{table} (" in done.stdout


def test_the_app_s_dump_fails_instead_of_leaving_rows_out(urls: embedded.EmbeddedServers) -> None:
    done = dump(urls.database_url, "--data-only")
    assert done.returncode != 0
    assert "row-level security" in done.stderr or "permission denied" in done.stderr
    with_policies = dump(urls.database_url, "--data-only", "--enable-row-security", "--table", "households")
    assert with_policies.returncode != 0 or families_in(with_policies.stdout) == {}


def test_the_owner_s_dump_would_be_short_of_rows_too(urls: embedded.EmbeddedServers) -> None:
    """Policies are forced: migrating with the owner is right, backing up with it is not."""
    done = dump(urls.database_owner_url, "--data-only", "--table", "households")
    assert done.returncode != 0
    assert "row-level security" in done.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM households",
        "UPDATE operators SET name = 'x'",
        "INSERT INTO households (id, operator_id, created_at) SELECT gen_random_uuid(), id, now() FROM operators",
        "CREATE TABLE x (y int)",
        "TRUNCATE households",
        "COPY households TO PROGRAM 'cat'",
        "COPY operators TO '/tmp/x'",
        "SET ROLE zonedesk_owner",
        "SET ROLE zonedesk_app",
        "ALTER ROLE zonedesk_app PASSWORD 'x'",
        "CREATE ROLE x",
    ],
)
@pytest.mark.parametrize("begins", ["", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"])
def test_the_backup_role_changes_nothing(urls: embedded.EmbeddedServers, statement: str, begins: str) -> None:
    """Fails if it is more than a reader: whoever steals a backup's password must not get further."""
    with connect(urls.backup_url) as db:
        db.autocommit = True
        if begins:
            db.execute(begins.encode())
        with pytest.raises(psycopg.Error) as refused:
            db.execute(statement.encode())
        assert refused.value.sqlstate in ("42501", "25006")  # no right to, or a read-only transaction


def test_the_backup_role_is_nothing_but_a_reader(urls: embedded.EmbeddedServers) -> None:
    with connect(urls.admin_url) as db:
        role = db.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin"
            " FROM pg_roles WHERE rolname = 'zonedesk_backup'"
        ).fetchone()
        assert role == (False, False, False, False, True, True)
        member = db.execute(
            "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = 'zonedesk_backup'::regrole"
        )
        assert member.fetchall() == [("pg_read_all_data",)]
        others = db.execute(
            "SELECT rolname FROM pg_roles WHERE rolbypassrls AND rolcanlogin AND NOT rolsuper"
        ).fetchall()
        assert others == [("zonedesk_backup",)]


def test_a_data_folder_of_an_earlier_version_gets_the_role(tmp_path_factory: pytest.TempPathFactory) -> None:
    with tempfile.TemporaryDirectory(prefix="zonedesk-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        data = Path(folder, "var")
        with embedded.start(data, durable=False) as first, connect(first.urls.admin_url) as db:
            db.autocommit = True
            name = sql.Identifier("zonedesk_backup")
            db.execute(sql.SQL("DROP OWNED BY {}").format(name))
            db.execute(sql.SQL("DROP ROLE {}").format(name))
        kept = data / "embedded" / "secrets.json"
        words = json.loads(kept.read_text("utf-8"))
        del words["zonedesk_backup"]
        kept.write_text(json.dumps(words), "utf-8")
        for _ in range(2):
            with embedded.start(data, durable=False) as again, connect(again.urls.backup_url) as db:
                assert db.execute("SELECT current_user").fetchone() == ("zonedesk_backup",)
            assert json.loads(kept.read_text("utf-8")) | words == json.loads(kept.read_text("utf-8"))
        assert kept.stat().st_mode & 0o777 == 0o600
        shutil.rmtree(stand_in(data), ignore_errors=True)
