"""Background work on accounts."""

from __future__ import annotations

from datetime import timedelta

from webapp.accounts import challenges, sign_ins
from webapp.accounts.rules import idle_limit
from webapp.core.actor import Role
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for
from webapp.operators.queries import operator_ids


def tidy(ctx: JobContext) -> None:
    """Delete sign-ins that are over, for one operator after the other, and questions no passkey answered in time.

    Running twice finds none the second time.
    """
    now = ctx.now()
    with ctx.unit_of_work() as work:
        challenges.forget_overdue(work, now=now)
    desk_limit = timedelta(minutes=ctx.settings.session_idle_minutes)
    seen_before = {role: now - idle_limit(role, desk_limit) for role in Role}
    with ctx.read_only() as db:
        operators = operator_ids(db)
    for operator_id in operators:
        with acting_for(operator_id), ctx.unit_of_work() as work:
            sign_ins.end_overdue(work, seen_before=seen_before, now=now)
