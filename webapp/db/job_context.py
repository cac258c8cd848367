"""What a job gets instead of a request: settings, the process's own database, the clock.

It lives here because every room's ``jobs.py`` needs it and may only import downwards; of the doors to the outside a
room opens the ones it needs itself (``clients`` and ``db`` are siblings and do not know each other).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.config import Settings
from webapp.core import clock
from webapp.db.work import Database, Work


@dataclass(frozen=True, slots=True)
class JobContext:
    """Settings, database and clock of one process that runs jobs. ``now`` gives an aware instant in UTC."""

    settings: Settings
    database: Database
    now: Callable[[], datetime] = clock.now

    def unit_of_work(self) -> AbstractContextManager[Work]:
        """``Database.unit_of_work`` of this context."""
        return self.database.unit_of_work()

    def read_only(self) -> AbstractContextManager[Session]:
        """``Database.read_only`` of this context."""
        return self.database.read_only()
