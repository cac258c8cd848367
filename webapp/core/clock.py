"""The one place that reads the machine's clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

_offset_source: Callable[[], datetime] | None = None


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return _offset_source() if _offset_source is not None else datetime.now(UTC)


def today_in(time_zone: str, at: datetime) -> date:
    """The local calendar date in an IANA time zone at an aware instant."""
    return at.astimezone(ZoneInfo(time_zone)).date()


def start_at(instant: datetime | None) -> None:
    """Let the clock run on from ``instant`` (aware) instead of from now; ``None`` restores the machine's clock.

    Behind ``ZONEDESK_NOW``, for demo and tests; the settings refuse it in production.
    """
    global _offset_source
    if instant is None:
        _offset_source = None
        return
    if instant.tzinfo is None:
        raise ValueError("the clock needs an aware instant")
    shift = instant.astimezone(UTC) - datetime.now(UTC)
    _offset_source = lambda: datetime.now(UTC) + shift  # noqa: E731 - one expression, named by its variable


def freeze(instant: datetime | None) -> None:
    """Stop the clock at ``instant`` (aware): for tests. ``None`` restores the machine's clock."""
    global _offset_source
    _offset_source = (lambda: instant) if instant is not None else None
