"""Deciding on proposals, and ending what is open when a booking ends: each verb is one transaction (rules A4, A5, A7).

Part of the service. Locks are always taken in this order: booking, assignment, trainers by id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.assignments.holding import decided_facts
from webapp.assignments.limits import Limits
from webapp.assignments.models import Assignment
from webapp.assignments.queries.candidates import candidates
from webapp.assignments.queries.covering import own_trainer, slots_now
from webapp.assignments.queries.needs import BookingNeed, booking_need
from webapp.assignments.rechecks import recheck_since
from webapp.assignments.refusals import not_eligible
from webapp.assignments.rules import AssignmentKind, AssignmentStatus, may_decide, moved
from webapp.audit import service as audit
from webapp.bookings.models import Booking
from webapp.bookings.rules import BookingStatus
from webapp.bookings.service import booking_to_change, cancel_remaining, close_short, move_booking, required_reason
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict, Forbidden, NotFound
from webapp.core.words import msgid
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.operators.models import Operator
from webapp.schedule import service as schedule

DECIDED_WORDS = {
    AssignmentStatus.APPROVED: msgid("%(who)s approved this proposal on %(when)s."),
    AssignmentStatus.REJECTED: msgid("%(who)s rejected this proposal on %(when)s."),
    AssignmentStatus.WITHDRAWN: msgid("%(who)s withdrew this proposal on %(when)s."),
    AssignmentStatus.EXPIRED: msgid("This proposal expired on %(when)s."),
    AssignmentStatus.REPLACED: msgid("%(who)s replaced this trainer on %(when)s."),
}


def approve(work: Work, assignment_id: UUID, *, version: int, by: Actor, now: datetime, limits: Limits) -> None:
    """Approve a proposal: its slots become booked, its booking assigned (rules A4 and A5).

    Where the booking has a trainer already its status stays: those sessions change hands that the proposal covers, and
    whoever keeps none by that is ``replaced`` (rule A7). All sessions are verified again under the locks. Raises
    ``Conflict``: ``already-decided`` (says who and when), ``assignment-changed``, ``hold-expired``,
    ``trainer-not-eligible``; and ``Forbidden`` ``own-proposal``.
    """
    booking, assignment = _to_decide(work.db, assignment_id, version=version, by=by)
    operator = work.db.get_one(Operator, booking.operator_id)
    may_decide(assignment.proposed_by, by, four_eyes=operator.four_eyes)
    if assignment.expires_at <= now:
        raise Conflict("hold-expired", "The hold has ended. Propose again.")
    if assignment.kind is not AssignmentKind.COURSE:
        _approve_change(work, booking, assignment, by=by, now=now, limits=limits)
        return
    schedule.lock_trainer(work.db, assignment.trainer_id)
    needed = booking_need(work.db, booking.id, travel=limits.travel)
    since = _verified(work.db, needed, assignment, now=now, limits=limits)
    _decide(work, assignment, AssignmentStatus.APPROVED, by=by, now=now, recheck_since=since)
    schedule.book(work, assignment.id)
    move_booking(work, booking, BookingStatus.ASSIGNED, by=by, now=now)


def reject(work: Work, assignment_id: UUID, *, version: int, reason: str, by: Actor, now: datetime) -> None:
    """Reject a proposal with a reason: its slots go, its booking waits again or keeps its trainer (rule A4)."""
    reason = required_reason(reason)
    booking, assignment = _to_decide(work.db, assignment_id, version=version, by=by)
    may_decide(assignment.proposed_by, by, four_eyes=False, approve=False)
    _end(work, booking, assignment, AssignmentStatus.REJECTED, by=by, now=now, reason=reason)


def withdraw(work: Work, assignment_id: UUID, *, version: int, by: Actor, now: datetime) -> None:
    """Take one's own proposal back: its slots go, its booking waits and can be edited, or keeps its trainer."""
    booking, assignment = _to_decide(work.db, assignment_id, version=version, by=by)
    if by.id != assignment.proposed_by:
        raise Forbidden("withdraw-other", "Only %(who)s can withdraw this proposal.", who=assignment.proposed_by_name)
    _end(work, booking, assignment, AssignmentStatus.WITHDRAWN, by=by, now=now)
    if assignment.kind is AssignmentKind.COURSE:
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
    """Cancel a booking with a reason: open proposals are withdrawn, future slots and sessions go."""
    reason = required_reason(reason)
    booking = booking_to_change(work.db, booking_id, by=by, version=version)
    _withdraw_open(work, booking_id, by=by, now=now, reason=reason)
    move_booking(work, booking, BookingStatus.CANCELLED, by=by, now=now, closed_reason=reason)
    cancel_remaining(work, booking, by=by, now=now)


def close_booking(work: Work, booking_id: UUID, *, version: int, reason: str, by: Actor, now: datetime) -> None:
    """Complete a booking before its last session (rule C1: admins only): open proposals are withdrawn first."""
    reason = required_reason(reason)
    booking_to_change(work.db, booking_id, by=by, version=version)
    _withdraw_open(work, booking_id, by=by, now=now, reason=reason)
    close_short(work, booking_id, version=version, reason=reason, by=by, now=now)


def lock_assignments(db: Session, ids: Collection[UUID]) -> list[Assignment]:
    """Assignments of a locked booking under their row locks, taken in id order and before any trainer's."""
    return [_locked(db, assignment_id) for assignment_id in sorted(ids)]


def end_assignments(
    work: Work,
    locked: Iterable[Assignment],
    to: AssignmentStatus,
    *,
    by: Actor,
    now: datetime,
    reason: str | None = None,
) -> None:
    """End locked assignments that are left without a session to teach."""
    for assignment in locked:
        _decide(work, assignment, to, by=by, now=now, reason=reason)


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
    recheck_since: datetime | None = None,
) -> None:
    """Write a decision onto a locked assignment, with its audit entry.

    With ``recheck_since`` it is looked at again. Whoever is replaced before that need not be: nobody relies on them.
    """
    before = assignment.status
    assignment.status = moved(before, to)
    assignment.version += 1
    assignment.decided_by = by.id
    assignment.decided_by_name = by.name
    assignment.decided_at = now
    assignment.reason = reason
    if assignment.rechecked_at is None:
        assignment.recheck_since = recheck_since
    audit.record(
        work,
        f"assignment.{to.value}",
        "assignment",
        assignment.id,
        operator_id=assignment.operator_id,
        by=by,
        at=now,
        before={"status": before},
        after=decided_facts(to, recheck_since),
    )


def _approve_change(
    work: Work, booking: Booking, assignment: Assignment, *, by: Actor, now: datetime, limits: Limits
) -> None:
    """Hand the sessions that a proposal holds over from whoever has them (rule A7)."""
    slots = slots_now(work.db, booking.id)
    session_ids = {slot.session_id for slot in slots.slots if slot.assignment_id == assignment.id}
    going = {id_ for id_, slot in slots.without(session_ids).items() if slot.kind is AssignmentKind.SUBSTITUTE}
    if assignment.kind is AssignmentKind.REPLACEMENT:
        going.add(own_trainer(work.db, booking.id).assignment_id)
    replaced = lock_assignments(work.db, going - {assignment.id})
    schedule.lock_trainers(work.db, {assignment.trainer_id, *slots.trainers_of(session_ids)})
    needed = booking_need(work.db, booking.id, travel=limits.travel).only(session_ids)
    since = _verified(work.db, needed, assignment, now=now, limits=limits)
    end_assignments(work, replaced, AssignmentStatus.REPLACED, by=by, now=now, reason=assignment.purpose)
    work.db.flush()  # one trainer is approved at a time: the one who goes must be gone when the new one is written
    _decide(work, assignment, AssignmentStatus.APPROVED, by=by, now=now, recheck_since=since)
    schedule.release_sessions(
        work, booking.id, session_ids, operator_id=booking.operator_id, by=by, now=now, booked_only=True
    )
    schedule.book(work, assignment.id)
    booking.version += 1


def _verified(
    db: Session, needed: BookingNeed, assignment: Assignment, *, now: datetime, limits: Limits
) -> datetime | None:
    """Look at all sessions once more under the trainer's lock; as of when the roster is, where that is too long ago."""
    (verdict,) = candidates(db, needed.need, needed.family, max_courses=limits.max_courses, only=assignment.trainer_id)
    if not verdict.eligible:
        raise not_eligible(verdict)
    return recheck_since(needed.roster_fresh_at, of_service=verdict.of_service, after=limits.recheck_after, now=now)


def _withdraw_open(work: Work, booking_id: UUID, *, by: Actor, now: datetime, reason: str) -> None:
    """Withdraw what is proposed for a locked booking that ends; its slots go with the booking's."""
    open_ids = work.db.scalars(
        select(Assignment.id).where(Assignment.booking_id == booking_id, Assignment.status == AssignmentStatus.PROPOSED)
    )
    open_ones = lock_assignments(work.db, open_ids.all())
    end_assignments(work, open_ones, AssignmentStatus.WITHDRAWN, by=by, now=now, reason=reason)


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
    """End a proposal without an approval: its slots go, and its booking waits again or keeps the trainer it has."""
    _decide(work, assignment, to, by=by, now=now, reason=reason)
    schedule.release(work, booking.id, operator_id=booking.operator_id, by=by, now=now, assignment_id=assignment.id)
    if assignment.kind is AssignmentKind.COURSE:
        move_booking(work, booking, BookingStatus.WAITLISTED, by=by, now=now)
