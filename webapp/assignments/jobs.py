"""Background work on proposals and the waitlist."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import structlog

from webapp.assignments import service, waitlist
from webapp.assignments.limits import Limits
from webapp.assignments.queries.waiting import operators_with_ended_holds
from webapp.core.errors import DomainError
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for

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
