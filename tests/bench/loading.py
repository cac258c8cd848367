"""Loading rows by the hundred thousand: COPY, no foreign-key triggers, indexes made afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import Connection, sql
from psycopg.types.json import Jsonb
from sqlalchemy import Column, Table
from sqlalchemy.dialects.postgresql import JSONB

from webapp.tables import metadata

Db = Connection[tuple[Any, ...]]


def table(name: str) -> Table:
    """One of the desk's tables."""
    return metadata.tables[name]


def _constant(column: Column[Any]) -> Any:
    """What a row holds where the builder says nothing: the column's own default. Raises ``ValueError``."""
    default: Any = column.default
    if default is not None and default.is_scalar:
        return getattr(default.arg, "value", default.arg)
    if default is not None and default.is_callable:
        return default.arg(None)
    raise ValueError(f"{column} needs a value")


def _defaults(target: Table, named: Sequence[str]) -> dict[str, Any]:
    """Values for the columns a builder did not name and the server does not fill."""
    unnamed = [column for column in target.columns if column.name not in named]
    return {
        column.name: _constant(column)
        for column in unnamed
        if not column.nullable and column.server_default is None and column.computed is None
    }


def copy_rows(db: Db, name: str, named: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """COPY rows into a table; columns not named get their default. Returns how many rows there were."""
    target = table(name)
    rest = _defaults(target, named)
    columns = [*named, *rest]
    jsons = [i for i, column in enumerate(columns) if isinstance(target.columns[column].type, JSONB)]
    tail = tuple(rest.values())
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    count = 0
    with db.cursor().copy(command) as copy:
        for row in rows:
            values = [*row, *tail]
            for i in jsons:
                values[i] = None if values[i] is None else Jsonb(values[i])
            copy.write_row(values)
            count += 1
    return count


def insert_select(db: Db, name: str, values: dict[str, str], source: str) -> int:
    """``INSERT … SELECT``: SQL expressions by column, and where they come from. Returns how many rows there were."""
    rest = _defaults(table(name), list(values))
    columns = sql.SQL(", ").join(map(sql.Identifier, [*values, *rest]))
    expressions = [*(sql.SQL(text) for text in values.values()), *map(sql.Literal, rest.values())]
    command = sql.SQL("INSERT INTO {} ({}) SELECT {} {}").format(
        sql.Identifier(name),
        columns,
        sql.SQL(", ").join(expressions),
        sql.SQL(source),
    )
    return db.execute(command).rowcount


_DROPPED = """
SELECT format('ALTER TABLE %%I ADD CONSTRAINT %%I %%s', t.relname, c.conname, pg_get_constraintdef(c.oid)),
       format('ALTER TABLE %%I DROP CONSTRAINT %%I', t.relname, c.conname)
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
WHERE t.relname = ANY(%(tables)s) AND c.contype IN ('u', 'x')
  AND NOT EXISTS (SELECT 1 FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = c.conindid)
UNION ALL
SELECT pg_get_indexdef(i.indexrelid), format('DROP INDEX %%I', n.relname)
FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_class n ON n.oid = i.indexrelid
WHERE t.relname = ANY(%(tables)s)
  AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""


@contextmanager
def indexes_afterwards(db: Db, *tables: str) -> Iterator[None]:
    """Without the tables' indexes while the block loads; the very same ones afterwards, made in one go each."""
    found = db.execute(_DROPPED, {"tables": list(tables)}).fetchall()
    for _, drop in found:
        db.execute(drop)
    yield
    for make, _ in found:
        db.execute(make)


@contextmanager
def without_triggers(db: Db) -> Iterator[None]:
    """Foreign keys are not checked: what is loaded here is right by making. Needs a superuser."""
    db.execute("SET session_replication_role = replica")
    yield
    db.execute("SET session_replication_role = DEFAULT")


def keep_zone_versions(db: Db) -> None:
    """What the triggers would have kept of zones that were loaded past them: the first version of each."""
    held = (
        "name, label, kind, center_lat, center_lng, radius_km, ring, max_travel_km, area_km2, time_zone,"
        " travel_buffer_minutes, active"
    )
    db.execute(
        f"INSERT INTO zone_versions (operator_id, zone_id, number, valid_from, {held}, changed_by_name)"
        f" SELECT operator_id, id, version, changed_at, {held}, changed_by_name FROM zones"
    )
