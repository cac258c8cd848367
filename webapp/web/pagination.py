"""Pages of a list. Number and size come from the address; the query gets ``limit`` and ``offset``.

args = page_args(request.args)
rows, total = queries.bookings(db, limit=args.limit, offset=args.offset, visible_to=current_actor())
page = args.page_of(rows, total)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from urllib.parse import urlencode

from flask import request

PAGE_SIZE: Final = 25
_LAST_NUMBER: Final = 100_000
"""No list is longer; a larger number in an address would overflow the database's OFFSET."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list: ``number`` from 1, ``size`` rows at most, ``total`` rows on all pages."""

    items: tuple[Item, ...]
    number: int
    size: int
    total: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(1, -(-self.total // self.size))

    @property
    def first(self) -> int:
        """The number of the first row shown, from 1; 0 when nothing is shown."""
        return (self.number - 1) * self.size + 1 if self.items else 0

    @property
    def last(self) -> int:
        """The number of the last row shown; 0 when nothing is shown."""
        return self.first + len(self.items) - 1 if self.items else 0

    @property
    def has_previous(self) -> bool:
        """Whether a page comes before this one."""
        return self.number > 1

    @property
    def has_next(self) -> bool:
        """Whether a page comes after this one."""
        return self.number < self.pages

    @property
    def window(self) -> tuple[int | None, ...]:
        """The page numbers to link: first, last and two around this one; ``None`` stands for a gap."""
        near = {1, self.pages, *range(self.number - 2, self.number + 3)}
        shown = sorted(number for number in near if 1 <= number <= self.pages)
        out: list[int | None] = []
        for number in shown:
            previous = out[-1] if out else None
            if previous is not None and number == previous + 2:
                out.append(previous + 1)
            elif previous is not None and number > previous + 2:
                out.append(None)
            out.append(number)
        return tuple(out)


@dataclass(frozen=True, slots=True)
class PageArgs:
    """Which page the address asks for."""

    number: int = 1
    size: int = PAGE_SIZE

    @property
    def limit(self) -> int:
        """LIMIT of the query, in rows."""
        return self.size

    @property
    def offset(self) -> int:
        """OFFSET of the query, in rows."""
        return (self.number - 1) * self.size

    def page_of(self, items: Sequence[Item], total: int) -> Page[Item]:
        """The page that shows ``items`` out of ``total`` rows."""
        return Page(tuple(items), self.number, self.size, total)


def page_args(args: Mapping[str, str], *, size: int = PAGE_SIZE) -> PageArgs:
    """Read ``?page=``. Rubbish, nothing and numbers below 1 mean the first page; nothing ever fails."""
    text = args.get("page", "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 1
    return PageArgs(number=min(max(number, 1), _LAST_NUMBER), size=size)


def page_url(number: int, at: str | None = None) -> str:
    """The address of another page of the list being shown, its filters kept. A Jinja global.

    ``at`` is the address of the list with its filters, where that is not the one asked for: a form that was refused
    is answered at the address it was sent to.
    """
    if at is not None:
        return at + (f"{'&' if '?' in at else '?'}page={number}" if number > 1 else "")
    kept = [(key, value) for key, value in request.args.items(multi=True) if key != "page" and value]
    if number > 1:
        kept.append(("page", str(number)))
    query = urlencode(kept)
    return request.path + ("?" + query if query else "")
