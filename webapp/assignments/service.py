"""Proposing a trainer for a whole booking, and deciding on the proposal: each verb is one transaction (rule A1).

Locks are always taken in this order: booking, assignment, trainer. A transaction waits for at most one trainer at a
time, so two of them can never wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.assignments.holding import Held, Holding, hold
from webapp.assignments.limits import Limits
from webapp.assignments.models import Assignment
from webapp.assignments.queries.candidates import candidates
from webapp.assignments.queries.needs import BookingNeed, booking_need
from webapp.assignments.refusals import not_eligible, taken
from webapp.assignments.rules import (
    AssignmentStatus,
    Verdict,
    hold_expires_at,
    may_decide,
    moved,
)
from webapp.audit import service as audit
from webapp.bookings.models import Booking
from webapp.bookings.rules import BookingStatus
from webapp.bookings.rules import moved as booking_moved
from webapp.bookings.service import booking_to_change, cancel_remaining, move_booking, required_reason
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict, Forbidden, NotFound
from webapp.core.words import msgid
from webapp.db.base import violates
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.operators.models import Operator
from webapp.schedule import service as schedule
from webapp.schedule.models import NO_OVERLAP, SAME_START

DECIDED_WORDS = {
    AssignmentStatus.APPROVED: msgid("%(who)s approved this proposal on %(when)s."),
    AssignmentStatus.REJECTED: msgid("%(who)s rejected this proposal on %(when)s."),
    AssignmentStatus.WITHDRAWN: msgid("%(who)s withdrew this proposal on %(when)s."),
    AssignmentStatus.EXPIRED: msgid("This proposal expired on %(when)s."),
    AssignmentStatus.REPLACED: msgid("%(who)s replaced this trainer on %(when)s."),
}


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
    """One request under way: the locked booking and what it needs, and the verdicts its explanation will hold."""

    booking: BookingNeed
    verdicts: Sequence[Verdict]
    by: Actor
    now: datetime
    limits: Limits
    without: frozenset[UUID] = frozenset()

    def choosable(self, verdict: Verdict) -> bool:
        """Eligible, and not one the automatic choice must leave out."""
        return verdict.eligible and verdict.trainer_id not in self.without

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
    verdicts = candidates(work.db, need, booking.family, max_courses=limits.max_courses)
    plan = _Plan(booking, verdicts, by, now, limits, without)
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
            after={"looked_at": len(verdicts)},
        )
        return Proposed(booking_id, BookingStatus.WAITLISTED)
    name = next(verdict.name for verdict in verdicts if verdict.trainer_id == held.trainer_id)
    return Proposed(booking_id, held.status, held.assignment_id, held.trainer_id, name)


def approve(work: Work, assignment_id: UUID, *, version: int, by: Actor, now: datetime, limits: Limits) -> None:
    """Approve a proposal: its slots become booked, its booking assigned (rules A4 and A5).

    All sessions are verified again under the locks. Raises ``Conflict``: ``already-decided`` (says who and when),
    ``assignment-changed``, ``hold-expired``, ``trainer-not-eligible``; and ``Forbidden`` ``own-proposal``.
    """
    booking, assignment = _to_decide(work.db, assignment_id, version=version, by=by)
    operator = work.db.get_one(Operator, booking.operator_id)
    may_decide(assignment.proposed_by, by, four_eyes=operator.four_eyes)
    if assignment.expires_at <= now:
        raise Conflict("hold-expired", "The hold has ended. Propose again.")
    schedule.lock_trainer(work.db, assignment.trainer_id)
    needed = booking_need(work.db, booking.id, travel=limits.travel)
    verdict = _Plan(needed, (), by, now, limits).verdict_now(work.db, assignment.trainer_id)
    if not verdict.eligible:
        raise not_eligible(verdict)
    _approve(work, booking, assignment, by=by, now=now)


def reject(work: Work, assignment_id: UUID, *, version: int, reason: str, by: Actor, now: datetime) -> None:
    """Reject a proposal with a reason: its slots go, its booking waits again (rule A4)."""
    reason = required_reason(reason)
    booking, assignment = _to_decide(work.db, assignment_id, version=version, by=by)
    may_decide(assignment.proposed_by, by, four_eyes=False, approve=False)
    _end(work, booking, assignment, AssignmentStatus.REJECTED, by=by, now=now, reason=reason)


def withdraw(work: Work, assignment_id: UUID, *, version: int, by: Actor, now: datetime) -> None:
    """Take one's own proposal back: its slots go, its booking waits and can be edited (rule A4)."""
    booking, assignment = _to_decide(work.db, assignment_id, version=version, by=by)
    if by.id != assignment.proposed_by:
        raise Forbidden("withdraw-other", "Only %(who)s can withdraw this proposal.", who=assignment.proposed_by_name)
    _end(work, booking, assignment, AssignmentStatus.WITHDRAWN, by=by, now=now)
    booking.retried = False  # whoever took it back edits it; freed capacity must not propose it meanwhile


def expire_due(work: Work, *, now: datetime, limit: int = 100) -> int:
    """Expire proposals whose hold has ended; those somebody is deciding on are left to them. Returns how many."""
    due = work.db.execute(
        select(Assignment.id, Assignment.booking_id)
        .where(Assignment.status == AssignmentStatus.PROPOSED, Assignment.expires_at <= now)
        # Several trainers are locked one after the other here: always in the same order.
        .order_by(Assignment.trainer_id, Assignment.id)
        .limit(limit)
    ).all()
    expired = 0
    for assignment_id, booking_id in due:
        booking = work.db.scalar(
            select(Booking)
            .where(Booking.id == booking_id)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
        if booking is None:
            continue  # whoever holds the booking decides; waiting for the assignment would wait for them
        assignment = _locked(work.db, assignment_id)
        if assignment.status is AssignmentStatus.PROPOSED:
            _end(work, booking, assignment, AssignmentStatus.EXPIRED, by=SYSTEM, now=now)
            expired += 1
    return expired


def cancel_booking(work: Work, booking_id: UUID, *, version: int, reason: str, by: Actor, now: datetime) -> None:
    """Cancel a booking with a reason: an open proposal is withdrawn, future slots and sessions go."""
    reason = required_reason(reason)
    booking = booking_to_change(work.db, booking_id, by=by, version=version)
    open_id = work.db.scalar(
        select(Assignment.id).where(Assignment.booking_id == booking_id, Assignment.status == AssignmentStatus.PROPOSED)
    )
    if open_id is not None:
        _decide(work, _locked(work.db, open_id), AssignmentStatus.WITHDRAWN, by=by, now=now, reason=reason)
        schedule.release(work, booking_id, operator_id=booking.operator_id, by=by, now=now)
    move_booking(work, booking, BookingStatus.CANCELLED, by=by, now=now, reason=reason, closed_reason=reason)
    cancel_remaining(work, booking, by=by, now=now)


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
    # Whoever was locked a moment ago may be taken by now, or free after all: ask afresh before waiting.
    booking = plan.booking
    for verdict in candidates(work.db, booking.need, booking.family, max_courses=plan.limits.max_courses):
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
                    automatic=automatic,
                    expires_at=hold_expires_at(plan.now, booking.need.starts[0], plan.limits.hold_hours),
                    explanation=plan.verdicts,
                    by=plan.by,
                    now=plan.now,
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
    if wait:
        schedule.lock_trainer(db, trainer_ids[0])
        return trainer_ids[0]
    periods = [session.planned.period for session in plan.booking.sessions] if crowded else []
    trainer_id = schedule.lock_first_free(db, trainer_ids, periods)
    if trainer_id is None:
        raise _Lost
    return trainer_id


def _locked(db: Session, assignment_id: UUID) -> Assignment:
    """The assignment under its row lock, as it is now."""
    return db.scalars(
        select(Assignment)
        .where(Assignment.id == assignment_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _to_decide(db: Session, assignment_id: UUID, *, version: int, by: Actor) -> tuple[Booking, Assignment]:
    """An open proposal and its booking, both locked, or why it is open no longer."""
    booking_id = db.scalar(
        select(Assignment.booking_id).where(Assignment.id == assignment_id, owned_by(Assignment.operator_id, by))
    )
    if booking_id is None:
        raise NotFound()
    booking = booking_to_change(db, booking_id, by=by)
    assignment = _locked(db, assignment_id)
    if assignment.status is not AssignmentStatus.PROPOSED:
        decided_at = assignment.decided_at or assignment.expires_at
        local = decided_at.astimezone(ZoneInfo(booking.time_zone))
        raise Conflict(
            "already-decided",
            DECIDED_WORDS[assignment.status],
            who=assignment.decided_by_name or "",
            when=f"{local:%-d %b %Y, %H:%M} {local.tzname()}",
        )
    if assignment.version != version:
        raise Conflict("assignment-changed", "Somebody changed this proposal meanwhile. Look at it again.")
    return booking, assignment


def _decide(
    work: Work,
    assignment: Assignment,
    to: AssignmentStatus,
    *,
    by: Actor,
    now: datetime,
    reason: str | None = None,
) -> None:
    """Write a decision onto a locked assignment, with its audit entry."""
    before = assignment.status
    assignment.status = moved(before, to)
    assignment.version += 1
    assignment.decided_by = by.id
    assignment.decided_by_name = by.name
    assignment.decided_at = now
    assignment.reason = reason
    audit.record(
        work,
        f"assignment.{to.value}",
        "assignment",
        assignment.id,
        operator_id=assignment.operator_id,
        by=by,
        at=now,
        before={"status": before},
        after={"status": to, **({"reason": reason} if reason else {})},
    )


def _approve(work: Work, booking: Booking, assignment: Assignment, *, by: Actor, now: datetime) -> None:
    _decide(work, assignment, AssignmentStatus.APPROVED, by=by, now=now)
    schedule.book(work, assignment.id)
    move_booking(work, booking, BookingStatus.ASSIGNED, by=by, now=now)


def _end(
    work: Work,
    booking: Booking,
    assignment: Assignment,
    to: AssignmentStatus,
    *,
    by: Actor,
    now: datetime,
    reason: str | None = None,
) -> None:
    """End a proposal without an approval: its slots are released and its booking waits again."""
    _decide(work, assignment, to, by=by, now=now, reason=reason)
    schedule.release(work, booking.id, operator_id=booking.operator_id, by=by, now=now)
    move_booking(work, booking, BookingStatus.WAITLISTED, by=by, now=now, reason=reason)
