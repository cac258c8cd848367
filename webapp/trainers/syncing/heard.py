"""What was heard of trainers, because of what it is made use of, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from webapp.clients.trainer_service.parsing import as_json, digest
from webapp.clients.trainer_service.said import Said, SaidTrainer
from webapp.core.actor import SYSTEM, Actor


@dataclass(frozen=True, slots=True)
class Heard:
    """What the service says of one trainer, and how that was heard."""

    said: Said
    row: str | None = None
    """The digest of their entry in the deployed list."""
    asked_at: datetime | None = None
    """When they were asked for one by one."""
    again: bool = False
    """Nothing new was said: what was said before is looked at once more."""


@dataclass(frozen=True, slots=True)
class Word:
    """What was said, as it is kept; without a digest where it could not be read."""

    said: dict[str, Any]
    digest: str

    @classmethod
    def of(cls, said: Said) -> Word:
        """The word of what was said."""
        if not isinstance(said, SaidTrainer):
            return cls({}, "")
        written = as_json(said)
        return cls(written, digest(written))


@dataclass(frozen=True, slots=True)
class Cause:
    """On whose behalf, and because of which run or link."""

    run_id: UUID | None = None
    link_id: UUID | None = None
    full: bool = False
    """Whether the run sees everybody, and so notes whom it saw."""
    by: Actor = SYSTEM

    @property
    def facts(self) -> dict[str, Any]:
        """What the audit is told."""
        return {"run_id": self.run_id} if self.link_id is None else {"link_id": self.link_id}


@dataclass(slots=True)
class Counts:
    """What became of trainers."""

    seen: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    gone: int = 0
