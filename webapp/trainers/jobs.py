"""Background work on the roster: keeping it what the trainer service says."""

from __future__ import annotations

import time
from functools import partial
from typing import Final

from webapp.clients.trainer_service.http import REFRESHER, trainer_service_from
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_as
from webapp.trainers.syncing import progress
from webapp.trainers.syncing.progress import Rhythm
from webapp.trainers.syncing.running import Open, work_off

SECONDS: Final = 240.0
"""One job's share of a run; it hands over before RQ would stop it."""
LAST_CALL: Final = 25.0
"""Seconds after that within which a question under way has to be answered."""


def sync(ctx: JobContext, *, open_service: Open | None = None) -> None:
    """Go on with the open synchronisation. Harmless at any time and in any number at once: one of them has the lease.

    It acts as the desk itself, over all operators. ``open_service`` is that of the settings unless given.
    """
    if ctx.settings.trainer_service_url is None and open_service is None:
        return
    with acting_as(SYSTEM):
        work_off(
            ctx.database,
            open_service or service_of(ctx.settings, ends=time.monotonic() + SECONDS + LAST_CALL),
            Rhythm.of(ctx.settings),
            now=ctx.now,
            seconds=SECONDS,
        )


def service_of(settings: Settings, *, ends: float) -> Open:
    """What makes the service of the settings ready; no question outlasts ``ends`` of the monotonic clock."""
    return partial(trainer_service_from, settings, profile=REFRESHER, ends=ends)


def ring_for_sync(ctx: JobContext) -> bool:
    """Ask for the synchronisation that is due, and ring for one that waits; whether it rang."""
    if ctx.settings.trainer_service_url is None:
        return False
    with acting_as(SYSTEM), ctx.unit_of_work() as work:
        return progress.schedule(work, Rhythm.of(ctx.settings), now=ctx.now())
