"""Computing the chain again, from the first seal to the last, and naming the first place where it does not hold.

In chunks, so that a log of any length takes the same memory and no statement lasts; entries and seals are only ever
added, so it does not matter that a chunk is read later than the one before. What the chain proves and what it cannot
is told in ``docs/adr/0013-audit-chain.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.audit.canonical import COLUMNS, GENESIS, canonical, seal
from webapp.audit.queries.seals import Link, end_of_stretch, links, seal_at, unsealed_ids
from webapp.audit.rules import SEALED_WITHIN, Broken, Fault, NotedHead
from webapp.core.errors import NotFound
from webapp.core.ids import first_id_of, milliseconds_of, new_id

CHUNK: Final = 2000
"""Seals read by one statement."""
STRETCH: Final = 50_000
"""Entries looked through by one statement for one without a seal."""
_OWNER: Final = COLUMNS.index("operator_id")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found from position ``first`` to ``last``. ``head`` is the seal at ``last``, the genesis at 0.

    ``waiting`` are entries written a moment ago, which the sweeper has not come to. ``complete`` is false when time ran
    out: then nothing is known of what lies behind ``last``. ``head_met``: the noted head stands where it should.
    """

    first: int
    last: int
    head: bytes
    broken: Broken | None = None
    waiting: int = 0
    complete: bool = True
    head_met: bool = False

    @property
    def whole(self) -> bool:
        """Everything was looked at and nothing is wrong."""
        return self.complete and self.broken is None

    @property
    def checked(self) -> int:
        """How many entries were found to be as they were when they were sealed."""
        return self.last - self.first + 1

    @property
    def name(self) -> str:
        """The head as it is noted down: position and hash."""
        return f"{self.last}:{self.head.hex()}"


def verify(
    db: Session,
    *,
    head: NotedHead | None = None,
    behind: int = 0,
    enough: Callable[[], bool] = lambda: False,
    sealed_within: timedelta = SEALED_WITHIN,
) -> Verdict:
    """Compute the chain again behind the position ``behind`` (0: all of it) and look for entries that have no seal.

    ``enough`` is asked after each chunk and stops the look there. ``head`` is one that was noted down earlier. Raises
    ``NotFound`` when no seal stands at ``behind``.
    """
    start = seal_at(db, behind) if behind else None
    if behind and start is None:
        raise NotFound()
    walk = _Walk(db, head, behind, start.hash if start else GENESIS)
    for chunk in _chunks(db, behind or None):
        if broken := walk.over(chunk):
            return walk.verdict(broken)
        if enough():
            return walk.verdict(None, complete=False)
    return walk.verdict(walk.missed_head()) if walk.missed_head() else _unsealed(db, walk, sealed_within)


class _Walk:
    """Where the computation is: the last seal that holds."""

    def __init__(self, db: Session, head: NotedHead | None, position: int, start: bytes) -> None:
        self._db = db
        self._noted = head
        self._met = head is not None and head.hash == start and head.position in (None, position)
        self.first = position + 1
        self.position = position
        self.hash = start

    def over(self, chunk: list[Link]) -> Broken | None:
        """Go on over the next seals as far as they hold."""
        for link in chunk:
            if link.position != self.position + 1:
                return Broken(Fault.SEAL_MISSING, self.position + 1)
            if link.stored is None:
                return Broken(Fault.ENTRY_GONE, link.position, link.entry_id)
            computed = seal(self.hash, canonical(link.stored))
            if computed != link.hash:
                return Broken(self._which(link, computed), link.position, link.entry_id)
            if link.stored[_OWNER] != str(link.operator_id):
                return Broken(Fault.SEAL_CHANGED, link.position, link.entry_id)
            if broken := self._rewritten(link):
                return broken
            self.position, self.hash = link.position, link.hash
        return None

    def _rewritten(self, link: Link) -> Broken | None:
        if self._noted is None:
            return None
        if self._noted.hash == link.hash and self._noted.position in (None, link.position):
            self._met = True
        if self._noted.position == link.position and not self._met:
            return Broken(Fault.REWRITTEN, link.position, link.entry_id)
        return None

    def _which(self, link: Link, computed: bytes) -> Fault:
        """Whether entry or seal was changed: the next seal, or a noted head, still stands on what was there before."""
        following = next(iter(links(self._db, after=link.position, limit=1)), None)
        if following is not None and following.position == link.position + 1 and following.stored is not None:
            form = canonical(following.stored)
            stands_on_entry = seal(computed, form) == following.hash
            stands_on_seal = seal(link.hash, form) == following.hash
        else:
            noted = self._noted.hash if self._noted else None
            stands_on_entry, stands_on_seal = noted == computed, noted == link.hash
        if stands_on_entry:
            return Fault.SEAL_CHANGED
        return Fault.ENTRY_CHANGED if stands_on_seal else Fault.UNMATCHED

    def missed_head(self) -> Broken | None:
        """The noted head that the whole chain did not show: its end is gone."""
        noted = self._noted
        if noted is None or self._met or (noted.position is not None and noted.position < self.first):
            return None
        return Broken(Fault.TAIL_CUT, self.position + 1)

    def verdict(self, broken: Broken | None, *, waiting: int = 0, complete: bool = True) -> Verdict:
        return Verdict(self.first, self.position, self.hash, broken, waiting, complete, self._met)


def _chunks(db: Session, after: int | None) -> Iterator[list[Link]]:
    while chunk := list(links(db, after=after, limit=CHUNK)):
        yield chunk
        after = chunk[-1].position


def _unsealed(db: Session, walk: _Walk, sealed_within: timedelta) -> Verdict:
    """Look for entries that have no seal: those written a moment ago wait, older ones are a finding."""
    overdue = first_id_of(milliseconds_of(new_id()) - int(sealed_within.total_seconds() * 1000))
    waiting, lo = 0, UUID(int=0)
    while True:
        hi = end_of_stretch(db, after=lo, length=STRETCH)
        for entry_id in unsealed_ids(db, after=lo, upto=hi):
            if entry_id < overdue:
                return walk.verdict(Broken(Fault.NEVER_SEALED, None, entry_id))
            waiting += 1
        if hi is None:
            return walk.verdict(None, waiting=waiting)
        lo = hi
