"""The life of an import, and what it may become. Pure."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

from webapp.core.errors import Conflict


class ImportState(StrEnum):
    """Where an import is: looked at first, written only when somebody asks for it."""

    WAITING = "waiting"
    CHECKING = "checking"
    CHECKED = "checked"
    WRITING = "writing"
    DONE = "done"
    FAILED = "failed"


class ImportMode(StrEnum):
    """What of a file is written."""

    ALL = "all"
    GOOD = "good"


MOVES: Final = {
    ImportState.WAITING: {ImportState.CHECKING, ImportState.FAILED},
    ImportState.CHECKING: {ImportState.CHECKED, ImportState.FAILED},
    ImportState.CHECKED: {ImportState.WRITING},
    # Back to waiting: zones have changed since the file was looked at, so it is looked at again.
    ImportState.WRITING: {ImportState.DONE, ImportState.WAITING, ImportState.FAILED},
}
OPEN: Final = frozenset({ImportState.WAITING, ImportState.CHECKING, ImportState.WRITING})
"""A worker has something to do."""
ENDED: Final = frozenset({ImportState.DONE, ImportState.FAILED})
MAX_ATTEMPTS: Final = 5
"""So often is an import taken up whose process was killed."""
LEASE: Final = timedelta(seconds=30)
KEPT: Final = timedelta(days=30)
"""So long an import and its report are kept."""
MAX_OPEN: Final = 5
"""Most imports of one operator that wait or are under way."""


def moved(state: ImportState, to: ImportState) -> ImportState:
    """The next state. Raises ``Conflict`` for a move there is not."""
    if to not in MOVES.get(state, set()):
        raise Conflict("import-move", "This import has moved on: look at it as it is now.")
    return to
