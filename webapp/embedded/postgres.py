"""The embedded PostgreSQL: its cluster, its roles, its command line."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from webapp.embedded.errors import EmbeddedError
from webapp.embedded.place import Place

HOST = "127.0.0.1"
DATABASE = "zonedesk"
SUPERUSER = "zonedesk_admin"
OWNER = "zonedesk_owner"
APP = "zonedesk_app"
BACKUP = "zonedesk_backup"


def create_database(admin_url: str, name: str, *, owner: str = OWNER, template: str | None = None) -> None:
    """Make a database, as a copy of ``template`` when one is named (nobody may be connected to that one then).

    ``admin_url`` is a superuser's address, or that of a role which may create databases and act as ``owner``.
    """
    with psycopg.connect(libpq_url(admin_url), autocommit=True) as db:
        command = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}")
        db.execute(command.format(*(sql.Identifier(part) for part in (name, owner, template or "template1"))))


def drop_database(admin_url: str, name: str) -> None:
    """Drop a database if it exists, ending the connections to it."""
    with psycopg.connect(libpq_url(admin_url), autocommit=True) as db:
        db.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def libpq_url(url: str) -> str:
    """An address of SQLAlchemy's as libpq and psycopg take it: without the driver's name."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def address(user: str, password: str, port: int, database: str = DATABASE) -> str:
    """An address of the embedded server as SQLAlchemy takes it; passwords are URL-safe by making."""
    return f"postgresql+psycopg://{user}:{password}@{HOST}:{port}/{database}"


def initialise(place: Place, password: str, *, durable: bool) -> None:
    """Make the cluster, all or nothing, when there is none yet; ``password`` is the superuser's."""
    data = place.data / "postgres"
    if (data / "PG_VERSION").exists():
        return
    fresh, word = place.data / "postgres.new", place.data / "password"
    shutil.rmtree(fresh, ignore_errors=True)
    word.unlink(missing_ok=True)
    try:
        with open(os.open(word, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(password)
        place.user.give(word)
        made = place.user.run(
            *(place.binaries.postgres / "bin/initdb", "-D", fresh, "-U", SUPERUSER),
            *(f"--pwfile={word}", "-A", "scram-sha-256", "--encoding=UTF8", "--locale=C"),
            # The build has no ICU; this provider sorts by code point and knows upper and lower case of all Unicode.
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *([] if durable else ["--no-sync"]),
        )
    finally:
        word.unlink(missing_ok=True)
    if made.returncode != 0:
        reason = (made.stderr.strip() or "no reason given").splitlines()[-1]
        raise EmbeddedError(f"PostgreSQL could not make its data folder under {place.data}: {reason}")
    fresh.replace(data)


def launch(place: Place, port: int, log: Path, *, durable: bool) -> subprocess.Popen[bytes]:
    """Start the server; it answers a little later."""
    settings = {
        "listen_addresses": HOST,
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 200,
        "shared_preload_libraries": "pg_stat_statements",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    data = place.data / "postgres"
    stale = data / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
        # PostgreSQL sees through a stale pid file by itself, except when the number has gone to another process.
        # That the pid is not a server on this folder is known here: such a one would have been stopped before.
        os.kill(int(stale.read_text("utf-8").split("\n")[0]), 0)
        stale.unlink()
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return place.user.launch([place.binaries.postgres / "bin/postgres", "-D", data, *options], log, end=signal.SIGINT)


def answers(admin_url: str) -> bool:
    """Whether the server takes connections now."""
    try:
        psycopg.connect(libpq_url(admin_url), dbname="postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def make_roles(admin_url: str, passwords: Mapping[str, str]) -> None:
    """Make the roles and the database, whichever are missing, also on a data folder of an earlier version.

    The owner migrates; the app serves and owns nothing; the backup role reads every operator's rows, past row-level
    security, and can write none.
    """
    with psycopg.connect(libpq_url(admin_url), dbname="postgres", autocommit=True) as db:
        for role, rights in ((OWNER, "LOGIN CREATEROLE"), (APP, "LOGIN"), (BACKUP, "LOGIN BYPASSRLS")):
            if not db.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                # The verifier is made here, so that no statement, log or statistics ever shows the password.
                verifier = db.pgconn.encrypt_password(passwords[role].encode(), role.encode(), b"scram-sha-256")
                command = sql.SQL("CREATE ROLE {} {} PASSWORD {}")
                db.execute(command.format(sql.Identifier(role), sql.SQL(rights), sql.Literal(verifier.decode())))
        db.execute(sql.SQL("GRANT pg_read_all_data TO {}").format(sql.Identifier(BACKUP)))
        # It has no right to write anything; this says so to a hand that slips, in words.
        read_only = sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on")
        db.execute(read_only.format(sql.Identifier(BACKUP)))
        # So that the owner may set the app role's rights, and step into it, without inheriting anything.
        db.execute(
            sql.SQL("GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET TRUE").format(
                sql.Identifier(APP), sql.Identifier(OWNER)
            )
        )
        made = db.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
    if not made:
        create_database(admin_url.rsplit("/", 1)[0] + "/postgres", DATABASE)
    with psycopg.connect(libpq_url(admin_url), autocommit=True) as db:
        db.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
