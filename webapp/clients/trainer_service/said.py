"""What the trainer service says, once it has been read and checked for shape. Pure: nothing here asks it.

A field that the service leaves out is not the same as one it says is empty: what is left out stays the desk's own, and
a franchise that is left out is unknown, never the company.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time
from enum import Enum, StrEnum
from typing import Final, Literal

from webapp.core.geo import Location


class Unsaid(Enum):
    """Nothing was said."""

    UNSAID = "unsaid"


UNSAID: Final = Unsaid.UNSAID


@dataclass(frozen=True, slots=True, order=True)
class SaidHours:
    """A weekly period of work, wall clock where the trainer works; ``weekday`` 0 is Monday, ``ends`` 00:00 midnight."""

    weekday: int
    starts: time
    ends: time


@dataclass(frozen=True, slots=True, order=True)
class SaidAway:
    """A period of time off, UTC, half-open."""

    starts_at: datetime
    ends_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SaidTrainer:
    """One trainer as the service describes them."""

    service_id: str
    updated_at: datetime | None = None
    """By the service's own clock; the deployed contract has none."""
    name: str | Literal[Unsaid.UNSAID] = UNSAID
    available: bool | Literal[Unsaid.UNSAID] = UNSAID
    franchise: str | Literal[Unsaid.UNSAID] | None = UNSAID
    """None: said to be the company's. Unsaid: unknown."""
    zones: tuple[str, ...] | Literal[Unsaid.UNSAID] = UNSAID
    courses: tuple[str, ...] | Literal[Unsaid.UNSAID] = UNSAID
    base: Location | Literal[Unsaid.UNSAID] | None = UNSAID
    hours: tuple[SaidHours, ...] | Literal[Unsaid.UNSAID] = UNSAID
    time_off: tuple[SaidAway, ...] | Literal[Unsaid.UNSAID] = UNSAID


@dataclass(frozen=True, slots=True)
class UnreadableTrainer:
    """One entry of a page that does not have the shape of a trainer; the rest of the page is none the worse for it."""

    service_id: str | None
    """Nothing where not even that could be read."""
    problems: tuple[tuple[str, str], ...]
    """(field, what is wrong with it), without the values."""


Said = SaidTrainer | UnreadableTrainer


@dataclass(frozen=True, slots=True)
class BulkPage:
    """One page of the bulk contract."""

    items: tuple[Said, ...]
    next_cursor: str | None
    etag: str | None
    served_at: datetime | None
    """When the service answered, by its own clock (``Date``)."""
    total: int | None = None
    """How many there are in all, where it says so (``X-Total-Count``)."""


@dataclass(frozen=True, slots=True)
class NotModified:
    """The answer is the one with that ETag."""

    served_at: datetime | None


@dataclass(frozen=True, slots=True)
class LegacyRow:
    """One entry of the deployed list: who, whether available, and a digest of the row as it was sent."""

    service_id: str
    available: bool | Literal[Unsaid.UNSAID]
    digest: str
    name: str | Literal[Unsaid.UNSAID] = UNSAID
    """For a trainer whose own page has none."""


@dataclass(frozen=True, slots=True)
class LegacyPage:
    """One page of the deployed list."""

    rows: tuple[LegacyRow, ...]
    unreadable: int
    """Entries without an id."""
    entries: int
    """How many it holds in all; who is there twice is one row."""


class Fault(StrEnum):
    """Why a call came to nothing. The words are those of the pages and of the counts by kind."""

    NO_CONNECTION = "no-connection"
    TOO_SLOW = "too-slow"
    TOO_MANY = "too-many-requests"
    SERVER_ERROR = "server-error"
    NOT_ALLOWED = "not-allowed"
    REFUSED = "refused"
    REDIRECT = "redirect"
    TOO_LARGE = "too-large"
    NOT_JSON = "not-json"
    WRONG_SHAPE = "wrong-shape"
    BREAKER_OPEN = "breaker-open"


RETRIED: Final = frozenset({Fault.NO_CONNECTION, Fault.TOO_MANY, Fault.SERVER_ERROR})
"""What may be tried again at once: the others would come to the same, or might have cost the service its effort."""


class ServiceFailed(Exception):
    """The trainer service could not be asked, or its answer not be used. Says why, never what was sent or received."""

    def __init__(self, fault: Fault, status: int | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(f"{fault.value} {status}" if status else fault.value)
        self.fault = fault
        self.status = status
        self.retry_after = retry_after
        """Seconds the service wants to be left alone, where it says so."""


@dataclass(slots=True)
class Tally:
    """What calls cost and how they failed, counted while they are made."""

    requests: int = 0
    """Every request sent, retries among them."""
    retries: int = 0
    received: int = 0
    """Bytes of answers."""
    errors: dict[str, int] = field(default_factory=dict)
    """Failed requests by ``Fault``."""
