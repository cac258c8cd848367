"""Background work on enquiries."""

from __future__ import annotations

from webapp.bookings import enquiries
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for


def expire_drafts(ctx: JobContext) -> None:
    """End the interrupted calls nobody took up again; running twice finds none the second time."""
    with ctx.read_only() as db:
        due = enquiries.operators_with_old_drafts(db, now=ctx.now())
    for operator_id in due:
        with acting_for(operator_id), ctx.unit_of_work() as work:
            enquiries.expire_drafts(work, now=ctx.now())
