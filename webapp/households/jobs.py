"""Noting erasures where a restored database does not forget them."""

from __future__ import annotations

from typing import Final

import structlog

from webapp.clients.erasures import ErasureList
from webapp.clients.stores import erasure_list_of
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for
from webapp.households import erasing, queries

BATCH: Final = 100

log = structlog.get_logger(__name__)


def note_erasures(ctx: JobContext, *, erasures: ErasureList | None = None) -> int:
    """Put households that were erased on the list beside the files, at most ``BATCH``; returns how many.

    Harmless at any time: the list takes one twice. ``erasures`` is that of the settings unless given.
    """
    erasures = erasures or erasure_list_of(ctx.settings)
    with ctx.read_only() as db:
        due = queries.due_erasure_notes(db, limit=BATCH)
    noted = 0
    for household_id, operator_id in due:
        with acting_for(operator_id):
            with ctx.read_only() as db:
                erased_at = queries.erased_at(db, household_id)
            if erased_at is None:
                continue
            try:
                erasures.add(household_id, erased_at)
            except OSError as error:
                # Without the error's text: it names a path, and the next ring tries again.
                log.error("household.erasure_not_noted", household_id=str(household_id), error=type(error).__name__)
                continue
            with ctx.unit_of_work() as work:
                erasing.record_noted(work, household_id, now=ctx.now())
            noted += 1
    return noted


def ring_note_erasures(ctx: JobContext) -> bool:
    """Ring for erasures that are not noted yet, whatever became of their first ring; whether it rang."""
    with ctx.unit_of_work() as work:
        due = bool(queries.due_erasure_notes(work.db, limit=1))
        if due:
            work.after_commit(JobName.NOTE_ERASURES)
    return due
