"""Background work on enquiries."""

from __future__ import annotations

from webapp.bookings import enquiries
from webapp.db.job_context import JobContext


def expire_drafts(ctx: JobContext) -> None:
    """End the interrupted calls nobody took up again; running twice finds none the second time."""
    with ctx.unit_of_work() as work:
        enquiries.expire_drafts(work, now=ctx.now())
