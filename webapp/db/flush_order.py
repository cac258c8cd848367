"""Rows go to the database parents first.

SQLAlchemy's unit of work orders tables by the relationships between mapped classes. Our classes have foreign keys but
no relationships (queries return read models, never entities), so a booking could be inserted before its family.
This gives the unit of work the same knowledge from the foreign keys themselves.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, inspect
from sqlalchemy.orm import Mapper, Session, UOWTransaction
from sqlalchemy.orm.unitofwork import _SaveUpdateAll

_saving: Any = _SaveUpdateAll
"""Private to SQLAlchemy, which is pinned; a test adds rows child first and would fail first."""


def parents_first(session: Session, flushing: UOWTransaction, _instances: object) -> None:
    """A ``before_flush`` listener: every new row's table waits for the tables its foreign keys point to.

    Tables that point to themselves are left to the order in which rows were added.
    """
    mappers: dict[Table, Mapper[Any]] = {}
    for row in session.new:
        mapper = inspect(row).mapper
        if isinstance(mapper.local_table, Table):
            mappers[mapper.local_table] = mapper
    for table, child in mappers.items():
        for key in table.foreign_keys:
            parent = mappers.get(key.column.table) if isinstance(key.column.table, Table) else None
            if parent is not None and parent is not child:
                flushing.dependencies.add((_saving(flushing, parent), _saving(flushing, child)))
