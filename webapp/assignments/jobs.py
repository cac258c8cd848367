"""Background work on proposals and the waitlist."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from webapp.assignments import rechecking, service, waitlist
from webapp.assignments.limits import Limits
from webapp.assignments.queries.rechecks import LookedAt, looked_at
from webapp.assignments.queries.waiting import operators_with_ended_holds
from webapp.assignments.rechecking import Recheck
from webapp.assignments.rechecks import recheck_outcome
from webapp.core.actor import SYSTEM
from webapp.core.errors import DomainError
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_as, acting_for

RECHECKED_AT_ONCE: Final = 1000
"""Approvals that are read, and written, at a time; a run goes on by id until it has looked at all of them.

Many stay due whatever is found, doubtful ones and those that do not stand, and must keep no others from their turn.
"""

log = structlog.get_logger(__name__)


def expire_holds(ctx: JobContext) -> None:
    """End the proposals whose hold is over; running twice finds none the second time."""
    with ctx.read_only() as db:
        due = operators_with_ended_holds(db, now=ctx.now())
    for operator_id in due:
        with acting_for(operator_id), ctx.unit_of_work() as work:
            service.expire_due(work, now=ctx.now())


def retry_waitlist(ctx: JobContext, operator_id: str | None = None, after: str | None = None) -> None:
    """Try again to find a trainer for bookings that wait, oldest first, of one operator or of all (rule A6).

    Each booking is a transaction of its own, so that one that fails keeps no other from its turn; what failed is
    raised together at the end. Where more wait than one run takes, it rings for the next part.
    """
    operator = UUID(operator_id) if operator_id else None
    limits = Limits.from_settings(ctx.settings)
    with ctx.read_only() as db:
        waiting = waitlist.retried_bookings(
            db, now=ctx.now(), limit=waitlist.BATCH, operator_id=operator, after=UUID(after) if after else None
        )
    failed: list[Exception] = []
    for booking_id, of_operator in waiting:
        try:
            with acting_for(of_operator):
                ctx.database.retrying(partial(waitlist.retry, booking_id=booking_id, now=ctx.now(), limits=limits))
        except DomainError as error:
            # Somebody changed the booking meanwhile: it comes round again.
            log.info("waitlist.not_now", booking_id=str(booking_id), code=getattr(error, "code", ""))
        except Exception as error:
            log.warning("waitlist.failed", booking_id=str(booking_id), exc_info=True)
            failed.append(error)
    if len(waiting) == waitlist.BATCH:
        more = {"after": str(waiting[-1][0]), **({"operator_id": operator_id} if operator_id else {})}
        with ctx.unit_of_work() as work:
            work.after_commit(JobName.RETRY_WAITLIST, **more)
    if failed:
        raise ExceptionGroup("some bookings of the waitlist could not be retried", failed)


def recheck_approvals(ctx: JobContext) -> None:
    """Look again at approvals that were made on an old roster, once the trainer service has been heard.

    Where there is no service any more the roster is the desk's own, and as fresh as can be. Running twice, or at once,
    writes down what is found once.
    """
    now, after, full = ctx.now(), None, True
    fresh_at = None if ctx.settings.trainer_service_url else now
    while full:
        with acting_as(SYSTEM), ctx.read_only() as db:
            seen = looked_at(db, fresh_at=fresh_at, now=now, limit=RECHECKED_AT_ONCE, after=after)
        for operator_id, rechecks in _found_otherwise(seen).items():
            with acting_for(operator_id), ctx.unit_of_work() as work:
                rechecking.record(work, rechecks, operator_id=operator_id, now=now)
        full = len(seen) == RECHECKED_AT_ONCE
        after = seen[-1].id if seen else None


def _found_otherwise(seen: Sequence[LookedAt]) -> dict[UUID, list[Recheck]]:
    """What has to be written down, of each operator's."""
    told: dict[UUID, list[Recheck]] = {}
    for one in seen:
        outcome = recheck_outcome(one.found)
        if outcome not in (None, one.outcome):
            told.setdefault(one.operator_id, []).append(Recheck(one.id, one.outcome, outcome))
    return told
