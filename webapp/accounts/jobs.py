"""Background work on accounts."""

from __future__ import annotations

from datetime import timedelta

from webapp.accounts import service
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for
from webapp.operators.queries import operator_ids


def tidy(ctx: JobContext) -> None:
    """Delete sign-ins that are over; running twice finds none the second time."""
    idle = timedelta(minutes=ctx.settings.session_idle_minutes)
    with ctx.read_only() as db:
        operators = operator_ids(db)
    for operator_id in operators:
        with acting_for(operator_id), ctx.unit_of_work() as work:
            service.end_overdue_sign_ins(work, idle=idle, now=ctx.now())
