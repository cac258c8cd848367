"""Background work on accounts."""

from __future__ import annotations

from datetime import timedelta

from webapp.accounts import service
from webapp.db.job_context import JobContext


def tidy(ctx: JobContext) -> None:
    """Delete sign-ins that are over; running twice finds none the second time."""
    with ctx.unit_of_work() as work:
        idle = timedelta(minutes=ctx.settings.session_idle_minutes)
        service.end_overdue_sign_ins(work, idle=idle, now=ctx.now())
