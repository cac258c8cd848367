"""Where in the deployed list a run is, and where the list ends. Pure.

The list says nowhere how long it is. It may give fewer trainers at a time than it was asked for, give its last page for
every page after it, or know nothing of pages at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from webapp.clients.trainer_service.said import Fault, LegacyPage, ServiceFailed
from webapp.trainers.syncing.cursors import LIST

PER_PAGE: Final = 100
MOST_PAGES: Final = 2000
"""Of a list that goes on beyond these nobody knows whether it ever ends."""


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the list, and what the pages before it were like. As text it is a run's cursor."""

    number: int = 1
    spent: int = 0
    """How many trainers were asked for beyond the new ones so far."""
    width: int = 0
    """How many entries a page holds unless it is the last; 0 while that is not known."""
    first: str = ""
    """A digest of whom the first page begins with, as many as a page is asked for."""
    before: str = ""
    """A digest of who was on the page before this one."""

    @classmethod
    def of(cls, text: str) -> Place:
        """The place of a cursor, without its word; what is not there is not known."""
        number, spent, width, first, before = [*text.split(":"), "", "", "", "", ""][:5]
        return cls(int(number or 1), int(spent or 0), int(width or 0), first, before)

    def __str__(self) -> str:
        """The cursor."""
        known = f":{self.width}:{self.first}:{self.before}" if self.before else ""
        return f"{LIST}{self.number}:{self.spent}{known}"

    def after(self, page: LegacyPage) -> Place | None:
        """The place after this one, whose page is given; none when that was the last.

        Raises ``ServiceFailed`` for a list that gives its first page over and over, or never ends.
        """
        ids = [row.service_id for row in page.rows]
        head, whole = _digest(ids[:PER_PAGE]), _digest(ids)
        if not page.entries:
            return None
        if self.number == 1:
            # It was perhaps asked for with another limit than the others, which the service may have kept to or not:
            # so the next is the first that may hold somebody new.
            following = max(page.entries // PER_PAGE, 1) + 1
            return replace(self, number=following, width=min(page.entries, PER_PAGE), first=head, before=whole)
        if ids and whole in (self.first, self.before):
            # Whoever gives more than asked for gives everybody, whoever gives less has no more. A full page that is
            # the first again leaves out whoever is beyond it.
            if whole == self.first and page.entries == PER_PAGE:
                raise ServiceFailed(Fault.WRONG_SHAPE)
            return None
        if page.entries < self.width:
            return None
        if self.number >= MOST_PAGES:
            raise ServiceFailed(Fault.WRONG_SHAPE)
        return replace(self, number=self.number + 1, before=whole)


def _digest(ids: list[str]) -> str:
    """Sixteen hexadecimal digits of SHA-256: the same for the same trainers in any order."""
    return sha256("\n".join(sorted(ids)).encode()).hexdigest()[:16]
