"""Looking at a file: every row is judged and kept with what is wrong with it. Changes no zone."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection
from datetime import datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core.words import msgid
from webapp.db.work import Database
from webapp.operators.models import Operator
from webapp.operators.rules import franchise_of
from webapp.zones import queries
from webapp.zones.bulk import BATCH
from webapp.zones.files.rows import read_rows
from webapp.zones.files.said import BadFile, Fault, ReadRow
from webapp.zones.import_models import ZoneImport
from webapp.zones.import_rules import ImportState
from webapp.zones.importing import same_name
from webapp.zones.imports import rows as report
from webapp.zones.imports.claiming import Claim, beat, fail, settle
from webapp.zones.imports.ground import disputes_of, judged_by
from webapp.zones.judging import Judged, Verdict, border_of, judge, key_of
from webapp.zones.models import ZoneSet
from webapp.zones.rules import Disputes

WorkedIn = Callable[[Session, Collection[UUID]], Collection[UUID]]
"""Which of some zones trainers work in: those keep their time zone."""
BAD_FILE: Final = "file"
PIECE: Final = 1024 * 1024
"""So many bytes of a file are fetched at once."""


def check(
    database: Database, held: Claim, *, worked_in: WorkedIn, asking: Disputes, now: Callable[[], datetime]
) -> None:
    """Judge every row of the file, and put the import before whoever sent it. Raises ``LeaseLost``.

    Each batch is read and judged outside any transaction that writes, and kept in a short one.
    """
    with database.read_only() as db:
        stamp = db.scalar(select(ZoneSet.version))
        operator_name = db.scalar(select(Operator.name).where(Operator.id == held.operator_id))
    looking = _Looking(database, held, worked_in, asking, now)
    try:
        read = read_rows(
            io.BufferedReader(_Content(database, held.import_id), PIECE),
            held.format,
            franchise_id=franchise_of(held.operator_id),
            operator_name=operator_name,
        )
        while batch := list(islice(read, BATCH)):
            looking.take(batch)
    except BadFile as bad:
        with database.unit_of_work() as work:
            fail(work, held, BAD_FILE, now=now(), faults=bad.faults)
        return
    with database.unit_of_work() as work:
        report.refuse(work, held.import_id, looking.twins)
        found = report.counts(work.db, held.import_id)
        told = {f"count_{verdict}": number for verdict, number in found.items()}
        settle(work, held, ImportState.CHECKED, seen_version=stamp, rows=sum(found.values()), **told)


class _Content(io.RawIOBase):
    """The file of an import, fetched a piece at a time: it never lies in memory as a whole."""

    def __init__(self, database: Database, import_id: UUID) -> None:
        self._database = database
        self._import_id = import_id
        self._at = 0
        self._over = False

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes, as many as fit."""
        if self._over:
            return 0
        wanted = func.substring(ZoneImport.content, self._at + 1, len(buffer))
        with self._database.read_only() as db:
            piece = db.scalar(select(wanted).where(ZoneImport.id == self._import_id)) or b""
        buffer[: len(piece)] = piece
        self._at += len(piece)
        self._over = len(piece) < len(buffer)
        return len(piece)


class _Looking:
    """One look at a file, batch by batch."""

    def __init__(
        self,
        database: Database,
        held: Claim,
        worked_in: WorkedIn,
        asking: Disputes,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._held = held
        self._worked_in = worked_in
        self._asking = asking
        self._now = now
        self._seen: dict[str, int] = {}
        self._done = 0
        self._twins: dict[int, Fault] = {}

    @property
    def twins(self) -> list[Fault]:
        """What is wrong with rows kept already: another row has the same name."""
        return list(self._twins.values())

    def take(self, batch: list[ReadRow]) -> None:
        """Judge a batch and keep it."""
        held = self._held
        keys = [key_of(row) for row in batch]
        with self._database.read_only() as db:
            stored = queries.zones_by_key(db, held.operator_id, [key for key in keys if key is not None])
        judged = [
            self._once(judge(row, stored.get(key) if key else None, held.format), key)
            for row, key in zip(batch, keys, strict=True)
        ]
        with self._database.read_only() as db:
            bound = self._worked_in(db, [row.known.id for row in judged if _moves_clock(row) and row.known])
            disputes = disputes_of(db, judged, held.operator_id)
        judged = [_bound(row, bound) for row in judged]
        judged = [
            judged_by(row, disputes.get(row.line, ()), self._asking, border=border_of(row, held.format))
            for row in judged
        ]
        self._done += len(batch)
        with self._database.unit_of_work() as work:
            beat(work, held, progress=self._done, now=self._now())
            report.keep(work, held, judged, disputes)

    def _once(self, row: Judged, key: str | None) -> Judged:
        """The row, unless another of the file has its name: then both are at fault, for nobody knows which is meant."""
        if key is None:
            return row
        before = self._seen.setdefault(key, row.line)
        if before == row.line:
            return row
        self._twins.setdefault(before, same_name(before, row.line))
        return row.with_faults(same_name(row.line, before))


def _moves_clock(row: Judged) -> bool:
    return (
        row.verdict is Verdict.CHANGED
        and row.known is not None
        and row.zone is not None
        and row.zone.command.time_zone != row.known.command.time_zone
    )


def _bound(row: Judged, bound: Collection[UUID]) -> Judged:
    if not _moves_clock(row) or row.known is None or row.known.id not in bound:
        return row
    sentence = msgid("Trainers work here: take them out before you change the time zone.")
    return row.with_faults(Fault(row.line, "time_zone", sentence, {}))
