"""Approvals made on an old roster: which of them are looked at again, and what comes of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from webapp.assignments.rules import RecheckOutcome


def recheck_since(
    fresh_at: datetime | None, *, of_service: bool, after: timedelta | None, now: datetime
) -> datetime | None:
    """As of when the roster is that an approval made ``now`` relies on, where that is too long ago; else nothing.

    A trainer whom the desk looks after by itself is as the desk says. A roster that was never loaded is as of now: all
    that is known is what stands here. ``after`` is the limit, nothing where there is no trainer service.
    """
    if after is None or not of_service:
        return None
    if fresh_at is None:
        return now
    return fresh_at if now - fresh_at > after else None


@dataclass(frozen=True, slots=True)
class FoundAgain:
    """What the roster says of an approved trainer, now that the service has been heard."""

    on_roster: bool
    certified: bool
    """For the booking's course."""
    in_zone: bool
    """Works in the booking's zone."""
    in_doubt: bool = False
    """The service's last word on the trainer could not be used, or the last full run did not see them."""


def recheck_outcome(found: FoundAgain) -> RecheckOutcome | None:
    """What came of looking again; ``None`` while it cannot be told.

    The gravest first: for whoever has left the rest is no matter. A doubt never confirms, and never excuses.
    """
    if not found.on_roster:
        return RecheckOutcome.LEFT
    if not found.certified:
        return RecheckOutcome.NOT_CERTIFIED
    if not found.in_zone:
        return RecheckOutcome.NOT_IN_ZONE
    return None if found.in_doubt else RecheckOutcome.CONFIRMED
