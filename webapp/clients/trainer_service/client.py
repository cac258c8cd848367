"""Asking the trainer service, as the rest of the desk sees it: what can be asked, and on whose patience."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from webapp.clients.trainer_service.said import BulkPage, LegacyPage, NotModified, Said, Tally


@dataclass(frozen=True, slots=True)
class Profile:
    """How long somebody waits for an answer, and how often they try."""

    connect_seconds: float
    read_seconds: float
    """Without a new byte."""
    total_seconds: float
    """A whole question, with all tries and the pauses between them."""
    tries: int


@dataclass(frozen=True, slots=True)
class BreakerState:
    """What outlives a process of the circuit breaker: failures in a row, and since when it is open."""

    failures: int = 0
    opened_at: datetime | None = None
    """Nothing while it is closed."""


class TrainerService(Protocol):
    """Somebody who can be asked. Every question may raise ``ServiceFailed``; none is asked inside a transaction."""

    @property
    def tally(self) -> Tally:
        """What the questions cost so far."""
        ...

    def first_page(self, *, since: datetime | None, etag: str | None) -> BulkPage | LegacyPage | NotModified:
        """The first page of everybody, or of who changed at or after ``since``; the answer tells the contract.

        ``etag``: of an earlier answer to the same question; when it is the same still, that is said and nothing more.
        """
        ...

    def bulk_page(self, *, since: datetime | None, cursor: str) -> BulkPage:
        """The page that an earlier one named as its next."""
        ...

    def legacy_page(self, number: int) -> LegacyPage:
        """One page of the deployed list, from 1 on."""
        ...

    def legacy_trainer(self, service_id: str) -> Said | None:
        """One trainer of the deployed contract; nothing when there is none of that id."""
        ...
