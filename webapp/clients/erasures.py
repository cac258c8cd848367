"""Which families were erased, and when, kept outside the database: whoever restores a backup erases them again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

FOLDER: Final = "erasures"
"""Where the list lies beside the files of a store."""


class ErasureList(Protocol):
    """An append-only list of households. It holds ids and instants, nothing of the families."""

    def add(self, household_id: UUID, at: datetime) -> None:
        """Keep that a household was erased at an instant; the first instant stays. Raises OSError."""

    def all(self) -> Mapping[UUID, datetime]:
        """Every household on the list and when it was erased. Raises OSError."""


class LocalErasureList:
    """One file for each household in a folder of this machine, named by its id, holding the instant in ISO 8601.

    A file each, so that two machines never write the same one and nothing is ever changed.
    """

    def __init__(self, folder: Path) -> None:
        """Keep the list in ``folder``, made when the first household is added."""
        self._folder = folder

    def add(self, household_id: UUID, at: datetime) -> None:
        """See :meth:`ErasureList.add`. When it returns, the file survives a crash."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / str(household_id)
        # Appended: a line that a crash cut short is followed by a whole one, and the first whole one counts.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"\n{at.isoformat()}\n")
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def all(self) -> Mapping[UUID, datetime]:
        """See :meth:`ErasureList.all`. A file that is no entry of the list is passed over."""
        found = {}
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            try:
                household_id = UUID(path.name)
            except ValueError:
                continue
            at = first_instant(path.read_text("ascii", errors="replace"))
            if at is not None:
                found[household_id] = at
        return found


def first_instant(text: str) -> datetime | None:
    """The first line that is an aware instant in ISO 8601; ``None`` where none is."""
    instants = (_instant(line) for line in text.splitlines())
    return next((instant for instant in instants if instant is not None), None)


def _instant(line: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(line)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
