"""What the reference service is asked to be like: its contract, what it leaves out, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from random import Random
from typing import Any


class Fault(StrEnum):
    """What may become of an answer, beside a plain status such as ``503``."""

    DRIP = "drip"
    """The body comes byte by byte."""
    HANG = "hang"
    """Nothing comes at all."""
    RESET = "reset"
    """The connection is reset in the middle of the body."""
    TRUNCATED = "truncated"
    """The connection closes in the middle of the body, orderly."""
    WRONG_LENGTH = "wrong-length"
    """``Content-Length`` says less than is sent."""
    BAD_JSON = "bad-json"
    """The body ends in the middle of a value, and its length is right."""
    HTML = "html"
    """A page for people, with status 200."""
    WRONG_TYPES = "wrong-types"
    """JSON, but no page of trainers."""
    WRONG_ITEMS = "wrong-items"
    """A page of trainers, of which every tenth has fields of wrong types."""
    HUGE = "huge"
    """A body far too large, whose length is told."""
    HUGE_CHUNKED = "huge-chunked"
    """A body far too large, whose length is not told."""
    REDIRECT = "redirect"
    """Somewhere else is pointed to."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Everything that can be switched. The defaults are a service in good health."""

    contract: str = "bulk"
    """``bulk``, ``legacy`` or ``both`` (bulk unless ``page`` is asked for)."""
    legacy_items: bool = False
    """The deployed list as ``{"data": {"items": […]}}`` instead of ``{"data": […]}``."""
    legacy_rich: bool = False
    """Whether a single trainer of the deployed contract has zones, hours and time off as well."""
    legacy_cap: int = 100
    """The most rows of a deployed page, whatever is asked for."""
    leave_out: tuple[str, ...] = ()
    """Fields that are not sent: of items, rows and single trainers alike."""
    say_null: tuple[str, ...] = ()
    """Fields that are sent as null."""
    without_headers: tuple[str, ...] = ()
    rates: dict[str, float] = field(default_factory=dict)
    """How often an answer fails in which way, drawn once for each request; together 1 at most."""
    coming: tuple[str, ...] = ()
    """What becomes of the next answers, one by one, before anything is drawn; ``ok`` is none."""
    only: str = ""
    """Faults and latency strike only paths that begin so; all of them when empty."""
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    retry_after: str | None = "1"
    """``Retry-After`` of 429 and 503."""
    drip_bytes_per_second: float = 100.0
    hang_seconds: float = 30.0
    huge_bytes: int = 64 * 1024 * 1024
    redirect_to: str = "/api/v1/elsewhere"
    clock_skew_seconds: float = 0.0
    shifting: str = ""
    """``insert``, ``remove`` or ``both``: the list moves before each page but the first, and cursors are positions."""

    def __post_init__(self) -> None:
        known = {*Fault, "ok"}
        for kind in (*self.rates, *self.coming):
            if kind not in known and not (kind.isdecimal() and 400 <= int(kind) <= 599):
                raise ValueError(f"no fault is called {kind!r}")
        if sum(self.rates.values()) > 1.000001:
            raise ValueError("the rates add up to more than 1")
        if self.contract not in ("bulk", "legacy", "both") or self.shifting not in ("", "insert", "remove", "both"):
            raise ValueError("no such contract, or no such way of shifting")

    def changed(self, given: dict[str, Any]) -> Wishes:
        """These, with some of them changed. Raises ValueError for what there is not."""
        if unknown := given.keys() - {known.name for known in fields(self)}:
            raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
        values: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in given.items()}
        return replace(self, **values)

    def drawn(self, path: str, rng: Random) -> str | None:
        """What becomes of the answer to a request: one draw, whatever the rates are."""
        chance = rng.random()
        if not path.startswith(self.only):
            return None
        for kind, rate in self.rates.items():
            if chance < rate:
                return kind
            chance -= rate
        return None
