"""Promises: rows that say what background work is due, and which process is at it.

A row is written in the transaction of its cause and stays open until it is kept or given up. Whoever takes it gets a
lease and a token drawn for this one try; the try is counted and the next one put off at once, so that a row that kills
its process does not come round for ever. Only the newest token settles an open row: whoever lost the lease changes
nothing, however late it wakes. That is the fencing of M. Kleppmann, "How to do distributed locking" (2016), with the
row itself as the storage that checks the token.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, String, and_, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.work import Work

FREE: Final = {"lease": None, "lease_until": None}
"""What stands on a row that nobody is at."""
NO_ANSWER: Final = "no-answer"
"""The problem of a row whose last allowed try ended without a word: its process was killed."""


class Promise:
    """The columns that a table of promises has, besides its own ``id`` and ``state``."""

    if TYPE_CHECKING:
        id: Mapped[UUID]
        state: Mapped[Any]

    attempts: Mapped[int] = mapped_column(default=0)
    """Tries that were begun, those under way or cut short among them."""
    next_at: Mapped[datetime]
    """When it may be tried next."""
    lease: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]


class RetriedPromise(Promise):
    """A promise that says why its last try failed, and comes round again."""

    last_error: Mapped[str | None] = mapped_column(String(400))
    """A word without personal data."""


@dataclass(frozen=True, slots=True)
class Held:
    """A row taken for one try, and the token that proves it when its outcome is written down.

    ``attempt`` is the number of the try, from one. Rooms add what the work needs to know.
    """

    id: UUID
    lease: UUID
    attempt: int


Table = TypeVar("Table", bound=Promise)
RetriedTable = TypeVar("RetriedTable", bound=RetriedPromise)
State = TypeVar("State", bound=StrEnum)


@dataclass(frozen=True)
class Promises(Generic[Table, State]):
    """The promises of one table, and the state in which they are open.

    ``wait`` tells by the number of a try how long the next one is put off: when it begins, and anew when it fails.
    """

    table: type[Table]
    open: State
    wait: Callable[[int], timedelta]

    def is_free(self, now: datetime) -> ColumnElement[bool]:
        """The condition that nobody is at a row, or nobody any more."""
        return or_(self.table.lease_until.is_(None), self.table.lease_until <= now)

    def is_due(self, now: datetime) -> ColumnElement[bool]:
        """The condition of a row that may be claimed: open, its time has come, no lease running."""
        return and_(self.table.state == self.open, self.table.next_at <= now, self.is_free(now))

    def taken(self, attempt: int, *, now: datetime, lease_for: timedelta) -> dict[str, Any]:
        """What stands on a row from the moment it is taken for a try: the columns of ``Promise``."""
        return {
            "attempts": attempt,
            "next_at": now + self.wait(attempt),
            "lease": uuid4(),
            "lease_until": now + lease_for,
        }

    def take(self, row: Table, *, now: datetime, lease_for: timedelta) -> Held:
        """Take a row that is due and locked by this transaction."""
        values = self.taken(row.attempts + 1, now=now, lease_for=lease_for)
        for name, value in values.items():
            setattr(row, name, value)
        return Held(row.id, values["lease"], values["attempts"])

    def settle(
        self,
        work: Work,
        held: Held,
        values: Mapping[str, Any],
        *,
        go_on: bool = False,
        returning: tuple[Any, ...] = (),
    ) -> tuple[Any, ...] | None:
        """Change a row and free it, if it is open and the lease is still ours; ``None`` when it was lost.

        ``go_on`` keeps the lease for more of the same try. Returns the columns asked for, else the id.
        """
        table = self.table
        mine = (
            update(table)
            .where(table.id == held.id, table.state == self.open, table.lease == held.lease)
            .values(**values, **({} if go_on else FREE))
            .returning(*(returning or (table.id,)))
            .execution_options(synchronize_session=False)
        )
        found = work.db.execute(mine).one_or_none()
        return tuple(found) if found is not None else None


@dataclass(frozen=True)
class RetriedPromises(Promises[RetriedTable, State]):
    """Promises that are tried up to ``tries`` times, and end as ``failed``."""

    failed: State
    tries: int

    def claim(
        self, work: Work, row_id: UUID, *, now: datetime, lease_for: timedelta
    ) -> tuple[RetriedTable, Held] | None:
        """Take one row; ``None`` when it is not due any more, somebody else has it, or its tries are over.

        One whose tries are over is given up here.
        """
        wanted = select(self.table).where(self.table.id == row_id, self.is_due(now))
        row = work.db.scalar(wanted.with_for_update(skip_locked=True))
        if row is None:
            return None
        if row.attempts >= self.tries:
            row.state, row.last_error, row.lease, row.lease_until = self.failed, NO_ANSWER, None, None
            return None
        return row, self.take(row, now=now, lease_for=lease_for)

    def record_failure(
        self, work: Work, held: Held, problem: str, *, now: datetime, lasting: bool = False
    ) -> State | None:
        """Note why a try failed, and when it comes round again; returns the row's state, ``None`` for a lost lease.

        ``problem`` is a word without personal data. The row is given up when its tries are over, or at once when the
        failure is ``lasting``: trying again cannot help.
        """
        over = lasting or held.attempt >= self.tries
        values = {"state": self.failed} if over else {"next_at": now + self.wait(held.attempt)}
        if self.settle(work, held, {"last_error": problem, **values}) is None:
            return None
        return self.failed if over else self.open


def doubling(first: timedelta, longest: timedelta) -> Callable[[int], timedelta]:
    """Waits by the number of the try: ``first``, doubling up to ``longest``, a quarter more or less by chance."""

    def wait(attempt: int) -> timedelta:
        return min(first * 2.0 ** (attempt - 1), longest) * (0.75 + secrets.randbelow(501) / 1000)

    return wait
