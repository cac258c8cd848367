"""Proposing a trainer for a whole booking: each verb is one transaction (rule A1). Deciding on it is ``deciding``.

Locks are always taken in this order: booking, assignment, trainer. A transaction waits for at most one trainer at a
time, or for several in the order of their ids, so two of them can never wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.assignments.deciding import (
    DECIDED_WORDS,
    approve,
    cancel_booking,
    close_booking,
    expire_due,
    reject,
    withdraw,
)
from webapp.assignments.holding import Change, Held, Holding, hold
from webapp.assignments.limits import Limits
from webapp.assignments.queries.candidates import candidates
from webapp.assignments.queries.needs import BookingNeed, booking_need
from webapp.assignments.queries.waiting import rejected_trainers
from webapp.assignments.rechecks import recheck_since
from webapp.assignments.refusals import not_eligible, taken
from webapp.assignments.rules import Verdict, hold_expires_at
from webapp.audit import service as audit
from webapp.bookings.rules import BookingStatus
from webapp.bookings.rules import moved as booking_moved
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, NotFound
from webapp.db.base import violates
from webapp.db.work import Work
from webapp.schedule import service as schedule
from webapp.schedule.models import NO_OVERLAP, SAME_START

__all__ = [
    "DECIDED_WORDS",
    "Proposed",
    "approve",
    "cancel_booking",
    "close_booking",
    "expire_due",
    "hold_instead",
    "propose",
    "reject",
    "withdraw",
]


@dataclass(frozen=True, slots=True)
class Proposed:
    """What became of a request. Without an ``assignment_id`` nobody was free: the booking waits."""

    booking_id: UUID
    status: BookingStatus
    assignment_id: UUID | None = None
    trainer_id: UUID | None = None
    trainer_name: str | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """One request under way: the locked booking and what it needs, and the verdicts its explanation will hold.

    The automatic choice leaves out those ``without``; a ``change`` is not explained by whom the booking has already.
    """

    booking: BookingNeed
    verdicts: Sequence[Verdict]
    by: Actor
    now: datetime
    limits: Limits
    without: frozenset[UUID] = frozenset()
    change: Change | None = None

    def choosable(self, verdict: Verdict) -> bool:
        """Eligible, and not one the automatic choice must leave out."""
        return verdict.eligible and verdict.trainer_id not in self.without

    def looked_at(self, db: Session) -> Sequence[Verdict]:
        """The verdicts on everybody as of now, best first."""
        booking = self.booking
        found = candidates(db, booking.need, booking.family, max_courses=self.limits.max_courses)
        present = self.change.instead_of if self.change else frozenset()
        return [verdict for verdict in found if verdict.trainer_id not in present]

    def verdict_now(self, db: Session, trainer_id: UUID) -> Verdict:
        """The verdict on one trainer as the rows are now: under the trainer's lock it stays true."""
        booking = self.booking
        (verdict,) = candidates(db, booking.need, booking.family, max_courses=self.limits.max_courses, only=trainer_id)
        return verdict


class _Lost(Exception):
    """Nothing was held; the savepoint is rolled back and with it the trainer's lock.

    Without a ``trainer_id`` there was nobody left to lock; with a ``verdict`` a rule refuses by now, and without one
    the database refused a slot.
    """

    def __init__(self, trainer_id: UUID | None = None, verdict: Verdict | None = None) -> None:
        super().__init__(trainer_id)
        self.trainer_id = trainer_id
        self.verdict = verdict


def propose(
    work: Work,
    booking_id: UUID,
    *,
    trainer_id: UUID | None,
    by: Actor,
    now: datetime,
    limits: Limits,
    without: frozenset[UUID] = frozenset(),
) -> Proposed:
    """Hold all sessions of a waitlisted booking for one trainer, or find that nobody is free (rules A1 to A4).

    With a ``trainer_id`` that trainer is held or the request fails: ``Conflict`` ``trainer-taken`` when somebody else
    was first, ``trainer-not-eligible`` when a rule refuses. Without one the best free trainer is held: first over the
    candidates nobody else is locking, then once more waiting for each; only when nobody eligible is free the booking
    stays on the waitlist; trainers in ``without`` are left out of that choice. Where the operator approves
    automatically the system approves in the same transaction.
    """
    booking = booking_need(work.db, booking_id, visible_to=by, travel=limits.travel, lock=True)
    booking_moved(booking.status, BookingStatus.PENDING_APPROVAL)
    need = booking.need
    if need.starts[0] <= now:
        raise Conflict("booking-start-passed", "The first session has already begun. Edit the start date first.")
    plan = _Plan(booking, (), by, now, limits, without)
    plan = replace(plan, verdicts=plan.looked_at(work.db))
    held = _hold_best(work, plan) if trainer_id is None else _hold_named(work, plan, trainer_id)
    if held is None:
        audit.record(
            work,
            "booking.no_trainer",
            "booking",
            booking_id,
            operator_id=booking.operator_id,
            by=by,
            at=now,
            after={"looked_at": len(plan.verdicts)},
        )
        return Proposed(booking_id, BookingStatus.WAITLISTED)
    return _proposed(booking_id, held)


def hold_instead(
    work: Work,
    booking: BookingNeed,
    trainer_id: UUID | None,
    *,
    change: Change,
    by: Actor,
    now: datetime,
    limits: Limits,
) -> Proposed:
    """Hold the sessions of a locked booking for another trainer beside the one it has (rule A7).

    Raises like ``propose``, and ``Conflict`` ``nobody-free`` where the choice is automatic: nothing waits for it. That
    choice leaves out whoever was rejected for this booking.
    """
    plan = _Plan(booking, (), by, now, limits, rejected_trainers(work.db, booking.id), change)
    plan = replace(plan, verdicts=plan.looked_at(work.db))
    held = _hold_best(work, plan) if trainer_id is None else _hold_named(work, plan, trainer_id)
    if held is None:
        raise Conflict("nobody-free", "No other trainer is free for these sessions.")
    return _proposed(booking.id, held)


def _proposed(booking_id: UUID, held: Held) -> Proposed:
    return Proposed(booking_id, held.status, held.assignment_id, held.trainer_id, held.trainer_name)


def _hold_best(work: Work, plan: _Plan) -> Held | None:
    """The best eligible trainer held: one pass past locked ones, one pass waiting; ``None`` when nobody is free."""
    ranked = [verdict.trainer_id for verdict in plan.verdicts if plan.choosable(verdict)]
    crowded = False
    while ranked:
        held = _try_hold(work, plan, ranked, wait=False, automatic=True, crowded=crowded)
        if isinstance(held, Held):
            return held
        if held.trainer_id is None:
            break
        ranked.remove(held.trainer_id)
        crowded = True
    # Whoever was locked a moment ago may be taken by now, or free after all: ask afresh before waiting, and explain by
    # what was seen then.
    plan = replace(plan, verdicts=plan.looked_at(work.db))
    for verdict in plan.verdicts:
        if not verdict.eligible:
            break
        if not plan.choosable(verdict):
            continue
        held = _try_hold(work, plan, [verdict.trainer_id], wait=True, automatic=True)
        if isinstance(held, Held):
            return held
    return None


def _hold_named(work: Work, plan: _Plan, trainer_id: UUID) -> Held:
    """The trainer that staff named, held, or a ``Conflict``; never silently another one (rule A3)."""
    named = next((verdict for verdict in plan.verdicts if verdict.trainer_id == trainer_id), None)
    if named is None:
        raise NotFound()
    if not named.eligible:
        raise not_eligible(named)
    held = _try_hold(work, plan, [trainer_id], wait=True, automatic=False)
    if isinstance(held, Held):
        return held
    raise not_eligible(held.verdict) if held.verdict is not None else taken(named)


def _try_hold(
    work: Work, plan: _Plan, trainer_ids: Sequence[UUID], *, wait: bool, automatic: bool, crowded: bool = False
) -> Held | _Lost:
    """Lock a trainer, look again under the lock, and hold every session, inside a savepoint.

    With ``wait`` the first trainer, else the first one nobody else is locking; ``crowded``, the first of those who is
    free as well: worth asking only once somebody was lost. Whatever is not held leaves no row and no lock behind, and
    says who was lost and, where a rule refuses by now, why.
    """
    booking = plan.booking
    trainer_id: UUID | None = None
    try:
        with work.db.begin_nested():
            trainer_id = _lock_one(work.db, plan, trainer_ids, wait=wait, crowded=crowded)
            verdict = plan.verdict_now(work.db, trainer_id)
            if not verdict.eligible:
                raise _Lost(trainer_id, verdict)
            return hold(
                work,
                Holding(
                    booking=booking,
                    trainer_id=trainer_id,
                    trainer_name=verdict.name,
                    automatic=automatic,
                    expires_at=hold_expires_at(plan.now, booking.need.starts[0], plan.limits.hold_hours),
                    explanation=plan.verdicts,
                    by=plan.by,
                    now=plan.now,
                    change=plan.change,
                    recheck_since=recheck_since(
                        booking.roster_fresh_at,
                        of_service=verdict.of_service,
                        after=plan.limits.recheck_after,
                        now=plan.now,
                    ),
                ),
            )
    except _Lost as lost:
        return lost
    except IntegrityError as error:
        if violates(error, (NO_OVERLAP, SAME_START)):
            return _Lost(trainer_id)
        raise


def _lock_one(db: Session, plan: _Plan, trainer_ids: Sequence[UUID], *, wait: bool, crowded: bool) -> UUID:
    """The trainer now locked: the first one, waited for, or the first one nobody is locking. Raises ``_Lost``."""
    if plan.change is not None and plan.booking.auto_approve:
        # The approval follows in this transaction and locks who has the sessions now: together, in id order.
        schedule.lock_trainers(db, plan.change.instead_of.union(trainer_ids[:1] if wait else ()))
    if wait:
        schedule.lock_trainer(db, trainer_ids[0])
        return trainer_ids[0]
    periods = [session.planned.period for session in plan.booking.sessions] if crowded else []
    trainer_id = schedule.lock_first_free(db, trainer_ids, periods)
    if trainer_id is None:
        raise _Lost
    return trainer_id
