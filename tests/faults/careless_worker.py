"""A worker that does not look at its lease: what the controls of F5 run in place of ``worker.py``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

from sqlalchemy import update

import worker
from webapp.db.promises import FREE, Held, Promises
from webapp.db.work import Work


def settle(
    promises: Promises[Any, Any],
    work: Work,
    held: Held,
    values: Mapping[str, Any],
    *,
    returning: tuple[Any, ...] = (),
    **_: object,
) -> tuple[Any, ...] | None:
    """Change the row, whoever's it is by now."""
    table = promises.table
    changed = update(table).where(table.id == held.id).values(**{**FREE, **values})
    told = changed.returning(*(returning or (table.id,))).execution_options(synchronize_session=False)
    found = work.db.execute(told).one_or_none()
    return tuple(found) if found is not None else None


if __name__ == "__main__":
    with patch.object(Promises, "settle", settle):
        sys.exit(worker.main(sys.argv[1:]))
