"""Going through letters that are due, whatever they say: in rounds, and rung for again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for

BATCH: Final = 100
"""Letters one job tries before it hands over to the next."""
RING_AGAIN_AFTER: Final = timedelta(seconds=5)
"""A letter due for longer is rung for again: its own ring may be lost."""
STUCK_AFTER: Final = timedelta(minutes=5)
"""A letter due for longer is worth a person's attention: nobody answers the doorbell."""
_AT_A_TIME: Final = 20

Due = Callable[[Session, datetime, int], Sequence[tuple[UUID, UUID]]]
"""Letters that are due by an instant, so many at most: each with its operator."""


class ServerAway(Exception):
    """What sending needs does not do its work: the letters behind this one need not be tried now."""


def send_due(ctx: JobContext, due: Due, send: Callable[[UUID], bool], *, again: JobName) -> int:
    """Send what is due, at most ``BATCH`` letters, each on behalf of its operator; returns how many went out.

    ``send`` says whether a letter did, and raises ``ServerAway`` when no other will either. Rings for the rest.
    """
    sent = tried = 0
    while tried < BATCH:
        with ctx.read_only() as db:
            found = due(db, ctx.now(), min(_AT_A_TIME, BATCH - tried))
        if not found:
            return sent
        for letter_id, operator_id in found:
            tried += 1
            try:
                with acting_for(operator_id):
                    sent += send(letter_id)
            except ServerAway:
                return sent
    with ctx.unit_of_work() as work:
        work.after_commit(again)
    return sent


def ring_late(ctx: JobContext, due: Due, *, again: JobName) -> tuple[bool, bool]:
    """Ring for letters that wait too long, whatever became of their first ring: whether it rang, and for stuck ones."""
    now = ctx.now()
    with ctx.unit_of_work() as work:
        late = bool(due(work.db, now - RING_AGAIN_AFTER, 1))
        stuck = bool(due(work.db, now - STUCK_AFTER, 1))
        if late:
            work.after_commit(again)
    return late, stuck
