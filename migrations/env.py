"""Alembic's entry: migrations run as the role that owns the tables, never as the one that serves."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.dialects.postgresql.base import ischema_names

from webapp.config import load_settings
from webapp.db.geo_types import Box
from webapp.tables import metadata

# Reflection does not know the core geometric types by itself.
ischema_names.update(box=Box)


def run(connection: Connection) -> None:
    """Run the migrations on an open connection, in one transaction each, giving up on a lock after 5 seconds."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        connection.exec_driver_sql("SET lock_timeout = '5s'")
        # Row-level security binds the owner too: a migration that changes rows has to see them.
        connection.exec_driver_sql("SET app.sees_everything = 'on'")
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    url = context.config.attributes.get("url") or load_settings().owner_url
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        run(connection)
        connection.commit()
