"""How fresh the roster is, against what was promised of it. Pure: an instant, what is promised, and the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from webapp.config import Settings
from webapp.trainers.sync_rules import Contract

LEGACY_EVERY: Final = timedelta(minutes=5)
"""The deployed contract tells nothing of what changed: everybody is listed, and not more often than this."""


class RosterState(StrEnum):
    """What a page has to say of the roster it shows."""

    NONE = "none"
    """There is no trainer service: the roster is the desk's own."""
    FRESH = "fresh"
    STALE = "stale"
    """Older than promised; good enough to decide on."""
    EXPIRED = "expired"
    """So old, or never loaded, that what is approved on it is looked at again."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """As of when the roster is what the trainer service says (nothing: it was never loaded), and what follows."""

    as_of: datetime | None
    state: RosterState

    @property
    def needs_telling(self) -> bool:
        """Whether whoever looks at trainers has to know."""
        return self.state in (RosterState.STALE, RosterState.EXPIRED)


def scheduled_every(contract: Contract | None, settings: Settings) -> timedelta:
    """How often the service is asked; as in bulk while it is not known yet how it speaks."""
    every = timedelta(seconds=settings.trainer_sync_seconds)
    return max(every, LEGACY_EVERY) if contract is Contract.LEGACY else every


def fresh_target(contract: Contract | None, settings: Settings) -> timedelta:
    """How old the roster may be without a word about it."""
    if contract is Contract.LEGACY:
        return 2 * scheduled_every(contract, settings)
    return timedelta(seconds=settings.trainer_fresh_seconds)


def recheck_after(settings: Settings) -> timedelta | None:
    """Approvals on a roster older than this are looked at again; nothing where there is no trainer service."""
    return timedelta(minutes=settings.trainer_recheck_minutes) if settings.trainer_service_url else None


def freshness(fresh_at: datetime | None, contract: Contract | None, settings: Settings, *, now: datetime) -> Freshness:
    """What to say of a roster that was last what the service says at ``fresh_at``."""
    limit = recheck_after(settings)
    if limit is None:
        return Freshness(None, RosterState.NONE)
    if fresh_at is None or now - fresh_at > limit:
        return Freshness(fresh_at, RosterState.EXPIRED)
    if now - fresh_at > fresh_target(contract, settings):
        return Freshness(fresh_at, RosterState.STALE)
    return Freshness(fresh_at, RosterState.FRESH)
