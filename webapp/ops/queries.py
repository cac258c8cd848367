"""Questions about the desk's own processes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from webapp.ops.models import Lease


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What the database says about itself and the role that serves; ``now`` is the server's clock, aware."""

    version: str
    role: str
    login: str
    owned: int
    """How many things in this database belong to the role; none should."""
    unbound: bool
    """Whether row-level security does not bind the role."""
    login_is_mighty: bool
    """Whether the login behind the role is a superuser, reads past row-level security or owns the tables."""
    may_create: bool
    may_rewrite_audit: bool | None
    """``None`` while there is no audit."""
    migration: str | None
    now: datetime


_FACTS = text("""
    SELECT current_setting('server_version') AS version,
           current_user::text AS role,
           session_user::text AS login,
           (SELECT count(*) FROM pg_shdepend d
             WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o'
               AND d.refobjid = (SELECT oid FROM pg_roles WHERE rolname = current_user)
               AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))) AS owned,
           (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) AS unbound,
           (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = session_user)
               OR EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tableowner = session_user)
               AS login_is_mighty,
           has_schema_privilege(current_user, 'public', 'CREATE') AS may_create,
           has_table_privilege(current_user, to_regclass('public.audit_entries')::oid, 'UPDATE, DELETE, TRUNCATE')
               OR has_table_privilege(current_user, to_regclass('public.audit_seals')::oid, 'UPDATE, DELETE, TRUNCATE')
               AS may_rewrite_audit,
           to_regclass('public.alembic_version') IS NOT NULL AS migrated,
           now() AS now
""")


def database_facts(db: Session) -> DatabaseFacts:
    """What the database says about itself."""
    row = db.execute(_FACTS).mappings().one()
    told = {name: value for name, value in row.items() if name != "migrated"}
    migration = db.scalar(text("SELECT version_num FROM alembic_version")) if row["migrated"] else None
    return DatabaseFacts(**told, migration=migration)


def is_led(db: Session, name: str) -> bool:
    """Whether somebody holds the leadership ``name`` at this instant, by the database's clock."""
    alive = select(Lease.name).where(Lease.name == name, Lease.lease_until > func.now())
    return db.scalar(alive) is not None
