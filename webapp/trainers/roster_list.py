"""The list of trainers as its page shows it: from the cache while the roster is in the same state, else afresh.

Triggers count a roster's version up, within the very transaction that changes what its list shows. The version is read
first, the rows later, in a transaction of their own, and what is kept is kept under the version that was read: its
rows may be newer than that, and then nobody asks for that version any more; they can never be older.

So whatever a ``TrainerRow`` shows has to be counted (``SHOWN`` and the lists in migration 0011).
"""

from __future__ import annotations

import json
from dataclasses import fields
from hashlib import sha256
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import BigInteger, func, literal_column, select
from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.db.tenancy import current_tenant, owned_by
from webapp.db.work import read_only
from webapp.trainers import queries
from webapp.trainers.models import RosterVersion
from webapp.trainers.queries import TrainerRow
from webapp.web.cache import Cache

Listed = tuple[tuple[TrainerRow, ...], int]
"""One page of the list, and how many trainers there are on all of them."""
KEPT: Final = 600
"""Seconds for which a page is kept, though nothing changes."""

_LISTED: Final = TypeAdapter[Listed](Listed)
_SHAPE: Final = repr([(field.name, str(field.type)) for field in fields(TrainerRow)])
"""What a row consists of: another release of the desk may keep other rows."""


def roster_version(db: Session, *, visible_to: Actor) -> str:
    """Which state the roster is in that the actor sees: the operator's, or the sum of all. One statement.

    It names the database as well: a copy of it, and one that was restored from a dump, count anew.
    """
    here = literal_column("(SELECT oid FROM pg_database WHERE datname = current_database())", BigInteger)
    table = literal_column("'roster_versions'::regclass::oid", BigInteger)
    counted = select(here, table, func.count(), func.coalesce(func.sum(RosterVersion.version), 0))
    row = db.execute(counted.where(owned_by(RosterVersion.operator_id, visible_to))).one()
    return ".".join(map(str, row))


def trainers_list(cache: Cache, version: str, *, visible_to: Actor, **asked: Any) -> Listed:
    """``queries.trainers_index`` with what is ``asked`` of it, for a ``version`` read before. Outside a transaction."""
    key = _key(version, visible_to, asked)
    kept = cache.get(key)
    if kept is not None:
        try:
            return _LISTED.validate_json(kept)
        except ValidationError:
            pass  # Whatever it is, it is not ours: it is read afresh, and written over.
    with read_only() as db:
        listed = queries.trainers_index(db, visible_to=visible_to, **asked)
    cache.put(key, _LISTED.dump_json(listed), seconds=KEPT)
    return listed


def _key(version: str, visible_to: Actor, asked: dict[str, Any]) -> str:
    """Whose rows they are comes first, as the application and as the database would say it: each alone would do."""
    tenant = current_tenant()
    scopes = [
        "everybody" if whose.sees_everything else str(whose.operator_id or "nobody") for whose in (visible_to, tenant)
    ]
    question = json.dumps([_SHAPE, asked], sort_keys=True, default=str)
    return "/".join(["zonedesk", "roster", *scopes, version, sha256(question.encode()).hexdigest()])
