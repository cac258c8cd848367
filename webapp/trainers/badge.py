"""The badge that pages wear while the roster is older than promised: as of when it is, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask import Flask, current_app, url_for

from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.db.work import read_only
from webapp.trainers.as_of import LastSaid, Memory, last_said_and_zone
from webapp.trainers.freshness import RosterState, freshness
from webapp.web.access import actor_or_none
from webapp.web.filters import moment

MEMORY: Final = "zonedesk_roster_as_of"
"""Where the app keeps what its process remembers."""
SYNC_ENDPOINT: Final = "trainer_service.index"
"""The page of the synchronisation, for those who may open it."""


@dataclass(frozen=True, slots=True)
class Badge:
    """What the badge says. Without an ``as_of`` the roster was never loaded from the service."""

    state: RosterState
    as_of: str
    """In words: "14:05 IST", with the day when that is not today."""
    sync_url: str | None
    """The page of the synchronisation, where the reader may open it."""


def roster_badge() -> Badge | None:
    """What whoever is signed in has to know of the roster; nothing while it is fresh. A Jinja global.

    Without a trainer service nothing is read at all.
    """
    settings: Settings = current_app.extensions["settings"]
    reader = actor_or_none()
    if not settings.trainer_service_url or reader is None:
        return None
    memory: Memory = current_app.extensions[MEMORY]
    said = memory.last_said(reader)
    fresh = freshness(said.fresh_at, said.contract, settings, now=clock.now())
    if not fresh.needs_telling:
        return None
    as_of = moment(fresh.as_of, memory.time_zone(reader)) if fresh.as_of is not None else ""
    return Badge(fresh.state, as_of, _sync_url(reader))


def forget(app: Flask) -> None:
    """Look at the service's state anew, as a process that has just started: for whoever changed it by other means."""
    memory: Memory = app.extensions[MEMORY]
    memory.forget()


def init_badge(app: Flask) -> None:
    """Let every page of the app tell how old the roster is."""
    app.extensions[MEMORY] = Memory(_look)
    globals_: dict[str, Any] = app.jinja_env.globals
    globals_["roster_badge"] = roster_badge


def _look(reader: Actor) -> tuple[LastSaid, str]:
    with read_only() as db:
        return last_said_and_zone(db, visible_to=reader)


def _sync_url(reader: Actor) -> str | None:
    may = SYNC_ENDPOINT in current_app.view_functions and reader.may(Permission.TRAINER_SYNC_READ)
    return url_for(SYNC_ENDPOINT) if may else None
