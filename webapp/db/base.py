"""What every table stands on: naming convention, typed columns, ownership, and how a violation names its constraint."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Dialect, Enum, ForeignKeyConstraint, MetaData, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import DateTime, TypeDecorator, Uuid

NAMING = {
    "pk": "pk_%(table_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware going in (a naive value is a bug and raises ``ValueError``), UTC coming out (rule E1)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive instant."""
        if value is not None and value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Hand every instant out in UTC, whatever the connection's time zone."""
        return value.astimezone(UTC) if value is not None else None


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        UUID: Uuid(),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


def word(enum: type[StrEnum], name: str) -> Enum:
    """A column of one of an enum's words, stored as text under a check constraint ``ck_<table>_<name>``."""
    return Enum(
        enum,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=32,
        validate_strings=True,
        values_callable=lambda members: [member.value for member in members],
    )


def owned_table(*extra: SchemaItem) -> tuple[SchemaItem, ...]:
    """Table arguments of a tenant table: the key ``(operator_id, id)`` that foreign keys carry, and ``extra``."""
    return (UniqueConstraint("operator_id", "id"), *extra)


def owned_key(
    column: str, table: str, *, ondelete: str | None = None, onupdate: str | None = None, deferred: bool = False
) -> ForeignKeyConstraint:
    """A foreign key ``(operator_id, column)`` to another tenant table: rows of two operators can never be joined up.

    ``onupdate="CASCADE"`` lets rows follow what they belong to when that moves to another operator; ``deferred`` ones
    are checked when the transaction commits.
    """
    return ForeignKeyConstraint(
        ["operator_id", column],
        [f"{table}.operator_id", f"{table}.id"],
        ondelete=ondelete,
        onupdate=onupdate,
        deferrable=True if deferred else None,
        initially="DEFERRED" if deferred else None,
    )


def whole_lease() -> CheckConstraint:
    """A lease is a token and an end, or neither."""
    return CheckConstraint("(lease IS NULL) = (lease_until IS NULL)", name="lease")


def constraint_of(error: DBAPIError) -> str | None:
    """The name of the constraint that a statement violated, if the server named one."""
    diagnosis = getattr(error.orig, "diag", None)
    return getattr(diagnosis, "constraint_name", None)


def detail_of(error: DBAPIError) -> str:
    """What the server adds to a refusal, the key at fault among it; empty where it adds nothing."""
    return getattr(getattr(error.orig, "diag", None), "message_detail", None) or ""


def sqlstate_of(error: DBAPIError) -> str | None:
    """The five-character SQLSTATE of a server error."""
    return getattr(error.orig, "sqlstate", None)


def violates(error: DBAPIError, names: Sequence[str]) -> bool:
    """Whether the error is a violation of one of the named constraints."""
    return constraint_of(error) in names
