"""Where a run goes on: a word for what is next, and how far that is."""

from __future__ import annotations

from typing import Final

PAGE: Final = "page:"
"""The bulk contract's page of a cursor of its own."""
LIST: Final = "list:"
"""The deployed list's page of a number, and how many were asked for beyond the new ones so far."""
AGED: Final = "aged:"
"""Those of the deployed contract who were asked for longest ago, and how many were asked for so far."""
MISSED: Final = "missed:"
"""Everybody was looked at: who was not there is counted next."""
LEAVE: Final = "leave:"
"""Who was not there for long is taken to have left."""
AGAIN: Final = "again:"
"""Those in quarantine are looked at once more, from an id on; after that the run is done."""


def numbers(text: str) -> tuple[int, int]:
    """The two numbers of ``3:120``; what is not there is 0."""
    first, _colon, second = text.partition(":")
    return int(first or 0), int(second or 0)
