"""As of when the roster is, as one process remembers it: every page tells it, so not every page asks the database.

What is remembered is two seconds old at most, and being older it can only make the roster look staler than it is.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.db.tenancy import owned_by
from webapp.trainers.sync_models import ServiceState
from webapp.trainers.sync_rules import Contract
from webapp.zones.models import Zone

KEPT: Final = 2.0
"""Seconds for which the service's state is remembered."""
ZONES_KEPT: Final = 600.0
"""Seconds for which an operator's time zone is: it is only what a time of day is written in."""
OPERATORS_KEPT: Final = 1000
"""Operators whose time zone is remembered, the least recently read forgotten first."""


@dataclass(frozen=True, slots=True)
class LastSaid:
    """As of when the roster is what the service says, and how the service speaks."""

    fresh_at: datetime | None
    contract: Contract | None


Look = Callable[[Actor], tuple[LastSaid, str]]
"""Asks the database for a reader: what the service last said, and the time zone to tell it in."""


def last_said_and_zone(db: Session, *, visible_to: Actor) -> tuple[LastSaid, str]:
    """What the service last said, and what most zones that the actor may see have on the clock. One statement."""
    most = (
        select(func.mode().within_group(Zone.time_zone))
        .where(Zone.active, owned_by(Zone.operator_id, visible_to))
        .scalar_subquery()
    )
    fresh_at, contract, zone = db.execute(select(ServiceState.fresh_at, ServiceState.contract, most)).one()
    return LastSaid(fresh_at, contract), zone or "UTC"


class Memory:
    """What one process remembers. Threads may share it: one looks, and the others wait for what it finds."""

    def __init__(self, look: Look, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Know nothing yet. ``monotonic`` is a clock in seconds."""
        self._look = look
        self._monotonic = monotonic
        self._lock = Lock()
        self._said: tuple[float, LastSaid] | None = None
        self._zones: OrderedDict[UUID | None, tuple[float, str]] = OrderedDict()

    def last_said(self, reader: Actor) -> LastSaid:
        """What the service last said: from memory, or in one look."""
        with self._lock:
            if self._said is not None and self._monotonic() < self._said[0]:
                return self._said[1]
            return self._looked(reader)[0]

    def time_zone(self, reader: Actor) -> str:
        """The time zone to tell the reader in; the look of ``last_said`` has brought it, so asking both is one look."""
        with self._lock:
            kept = self._zones.get(_scope(reader))
            if kept is not None and self._monotonic() < kept[0]:
                return kept[1]
            return self._looked(reader)[1]

    def forget(self) -> None:
        """Know nothing again, as a process that has just started."""
        with self._lock:
            self._said = None
            self._zones.clear()

    def _looked(self, reader: Actor) -> tuple[LastSaid, str]:
        at, scope = self._monotonic(), _scope(reader)  # before the look: what is kept is no older than it says
        said, zone = self._look(reader)
        self._said = (at + KEPT, said)
        self._zones[scope] = (at + ZONES_KEPT, zone)
        self._zones.move_to_end(scope)
        if len(self._zones) > OPERATORS_KEPT:
            self._zones.popitem(last=False)
        return said, zone


def _scope(reader: Actor) -> UUID | None:
    """Whose zones the reader sees: an operator's, or everybody's."""
    return None if reader.sees_everything else reader.operator_id
