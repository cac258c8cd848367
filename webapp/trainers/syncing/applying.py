"""Making the roster what the service says: one page of trainers, in the caller's transaction.

What is said again word for word costs nothing but to be marked as seen; of the rest only what differs is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.clients.trainer_service.parsing import from_json
from webapp.clients.trainer_service.said import SaidTrainer
from webapp.db.work import Work
from webapp.trainers.syncing.heard import Cause, Counts, Heard
from webapp.trainers.syncing.placing import place
from webapp.trainers.syncing.records import lock_known, lock_records, read_world
from webapp.trainers.syncing.settling import Page
from webapp.trainers.syncing.writing import Writes, write


def apply(work: Work, heard: Iterable[Heard], cause: Cause, *, now: datetime) -> Counts:
    """Place what was heard; of what was said twice, the last. The caller sees every operator's rows."""
    page, named = Page(cause, now), dict[str, Heard]()
    for one in heard:
        page.counts.seen += 1
        if one.said.service_id is None:
            page.refuse_nameless(one.said)
        else:
            named[one.said.service_id] = one
    before = lock_records(work.db, named)
    open_ = {id_: one for id_, one in named.items() if not page.is_same(one, before.get(id_))}
    if open_:
        known, world = lock_known(work.db, open_), read_world(work.db)
        for service_id, one in open_.items():
            found = known.get(service_id)
            page.settle(one, before.get(service_id), found, place(one.said, world, found))
    write(work.db, page.writes, run_id=cause.run_id if cause.full else None, now=now)
    return page.counts


def mark_seen(work: Work, ids: Sequence[str], cause: Cause, *, now: datetime) -> None:
    """Note that a full run saw trainers of whom nothing new was said."""
    write(work.db, Writes(seen=[*ids]), run_id=cause.run_id, now=now)


def said_before(db: Session, ids: Collection[str]) -> dict[str, SaidTrainer]:
    """What was last said of trainers, of those whom it could be read of."""
    return remembered((row[0], row[1]) for row in db.execute(_SAID, {"ids": [*ids]}))


def remembered(rows: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, SaidTrainer]:
    """What was kept of trainers, by id, as it was said. What an earlier desk kept and this one cannot read is left out:
    it waits until it is said again.
    """
    found = {}
    for service_id, said in rows:
        with suppress(ValueError):
            found[service_id] = from_json(said)
    return found


_SAID: Final = text(
    "SELECT service_id, said FROM trainer_service_records WHERE service_id = ANY(:ids) AND said ? 'trainerId'"
)
