"""The waitlist retries itself when capacity is freed (rule A6); the waitlisted booking's row is the promise.

Whatever frees a trainer rings ``RETRY_WAITLIST``, and the sweeper comes round in case nobody heard.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from webapp.assignments.limits import Limits
from webapp.assignments.queries.candidates import candidates
from webapp.assignments.queries.needs import booking_need
from webapp.assignments.queries.waiting import locked_waiting, rejected_trainers, retried_bookings
from webapp.assignments.service import Proposed, propose
from webapp.audit import service as audit
from webapp.bookings.rules import BookingStatus
from webapp.bookings.service import booking_to_change
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict
from webapp.core.job_names import JobName
from webapp.db.work import Work

__all__ = ["BATCH", "retried_bookings", "retry", "ring", "set_retried"]

BATCH = 50
"""How many bookings one run retries before it lets others have the worker."""


def ring(work: Work, *, operator_id: UUID) -> None:
    """Have an operator's waitlist retried once this transaction has committed: capacity was freed."""
    work.after_commit(JobName.RETRY_WAITLIST, operator_id=str(operator_id))


def retry(work: Work, booking_id: UUID, *, now: datetime, limits: Limits) -> Proposed | None:
    """Propose the best free trainer for a waitlisted booking, as the system; ``None`` when that changed nothing.

    A booking somebody else has locked is left to them, and so is one that no longer waits. Trainers whose proposal for
    this booking was rejected are not proposed again.
    """
    if not locked_waiting(work.db, booking_id):
        return None
    without = rejected_trainers(work.db, booking_id)
    booking = booking_need(work.db, booking_id, travel=limits.travel)
    ranked = candidates(work.db, booking.need, booking.family, max_courses=limits.max_courses)
    # Looked at before asking: an attempt that finds nobody would be told in the audit, each time anew.
    if not any(verdict.eligible and verdict.trainer_id not in without for verdict in ranked):
        return None
    return propose(work, booking_id, trainer_id=None, by=SYSTEM, now=now, limits=limits, without=without)


def set_retried(work: Work, booking_id: UUID, *, on: bool, version: int, by: Actor, now: datetime) -> None:
    """Let a waitlisted booking be retried by itself, or keep it for somebody to decide on.

    Raises ``NotFound``, ``Conflict`` ``booking-changed``, and ``booking-not-waiting`` for one that does not wait.
    """
    booking = booking_to_change(work.db, booking_id, by=by, version=version)
    if booking.status is not BookingStatus.WAITLISTED:
        raise Conflict("booking-not-waiting", "Only a booking on the waitlist can be edited or proposed.")
    if booking.retried is on:
        return
    booking.retried = on
    booking.version += 1
    audit.record(
        work,
        "booking.retry_on" if on else "booking.retry_off",
        "booking",
        booking_id,
        operator_id=booking.operator_id,
        by=by,
        at=now,
        before={"retried": not on},
        after={"retried": on},
    )
    if on:
        ring(work, operator_id=booking.operator_id)
