"""Background work on proposals."""

from __future__ import annotations

from webapp.assignments import service
from webapp.db.job_context import JobContext


def expire_holds(ctx: JobContext) -> None:
    """End the proposals whose hold is over; running twice finds none the second time."""
    with ctx.unit_of_work() as work:
        service.expire_due(work, now=ctx.now())
