"""Where a run goes on: a word for what is next, and how far that is."""

from __future__ import annotations

from typing import Final

PAGE: Final = "page:"
"""The bulk contract's page of a cursor of its own."""
LIST: Final = "list:"
"""The deployed list's page of a number, and what is known of the pages before it (``lists.Place``)."""
TOLD: Final = "told:"
"""Those of the deployed contract whom messages named, from an id on."""
AGED: Final = "aged:"
"""Those of the deployed contract who were asked for longest ago, and how many were asked for so far."""
MISSED: Final = "missed:"
"""Everybody was looked at: who was not there is counted next."""
LEAVE: Final = "leave:"
"""Who was not there for long is taken to have left."""
AGAIN: Final = "again:"
"""Those in quarantine are looked at once more, from an id on; after that the run is done."""
