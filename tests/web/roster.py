"""A desk whose roster comes from a trainer service, as old as a test wants it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import text

from tests.web.client import NOW
from webapp.config import Settings
from webapp.db.work import Database
from webapp.trainers.badge import forget

URL = "https://trainers.example.org"
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class ServedDesk:
    """The application under test with a trainer service, which nobody asks here: only what is known of it counts."""

    app: Flask
    database: Database
    settings: Settings

    def last_said(self, at: datetime | None, contract: str = "bulk") -> None:
        """The last run that was done began then; and this process has not looked since."""
        with self.database.unit_of_work() as work:
            said = text("UPDATE trainer_service_state SET fresh_at = :at, contract = :contract")
            work.db.execute(said, {"at": at, "contract": contract})
        forget(self.app)

    def ago(self, age: timedelta) -> None:
        """The roster is that old, by a clock that stands at ``NOW``."""
        self.last_said(NOW - age)

    def set(self, **changes: Any) -> None:
        """Other settings from now on."""
        self.app.extensions["settings"] = self.settings.model_copy(update={"trainer_service_url": URL} | changes)
