"""Changing a trainer: for all sessions that remain, or for single ones (rule A7). Each verb is one transaction.

Part of the service. A change is a proposal like any other: its slots are held for the new trainer, somebody else
approves, and until then the present trainer keeps the sessions. A session has at most one slot of each kind, so at most
one open proposal covers it. Where the operator approves automatically the system does so in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from webapp.assignments import service
from webapp.assignments.holding import Change
from webapp.assignments.limits import Limits
from webapp.assignments.queries.covering import Covered, remaining_cover, sessions_cover
from webapp.assignments.rules import AssignmentKind
from webapp.assignments.service import Proposed
from webapp.bookings.service import booking_to_change, required_reason
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict
from webapp.db.work import Work


def replace_trainer(
    work: Work,
    booking_id: UUID,
    *,
    trainer_id: UUID | None,
    version: int,
    reason: str,
    by: Actor,
    now: datetime,
    limits: Limits,
) -> Proposed:
    """Propose another trainer for all sessions not begun that are the booking's own trainer's, or nobody's.

    A session given to a substitute stays with the substitute. With a ``trainer_id`` that trainer is held or the request
    fails; without one the best who is free. Raises ``NotFound``; ``Invalid`` for the ``reason``; ``Conflict``
    ``booking-changed``, ``booking-not-taught``, ``nothing-to-teach``, ``cover-pending``, ``same-trainer``,
    ``nobody-free``, ``trainer-taken`` and ``trainer-not-eligible``.
    """
    reason = required_reason(reason)
    booking_to_change(work.db, booking_id, by=by, version=version)
    covered = remaining_cover(work.db, booking_id, visible_to=by, now=now, travel=limits.travel)
    change = Change(AssignmentKind.REPLACEMENT, frozenset(covered.instead_of), reason)
    return _propose(work, covered, change, trainer_id, by=by, now=now, limits=limits)


def propose_substitute(
    work: Work,
    booking_id: UUID,
    session_ids: Collection[UUID],
    *,
    trainer_id: UUID | None,
    version: int,
    reason: str,
    by: Actor,
    now: datetime,
    limits: Limits,
) -> Proposed:
    """Propose another trainer for some sessions of a booking that lie ahead; its own trainer keeps the others.

    A session that nobody has yet is found its trainer by this.

    Raises like ``replace_trainer``, and ``Conflict`` ``session-begun`` and ``session-done``.
    """
    reason = required_reason(reason)
    booking_to_change(work.db, booking_id, by=by, version=version)
    covered = sessions_cover(work.db, booking_id, session_ids, visible_to=by, now=now, travel=limits.travel)
    change = Change(AssignmentKind.SUBSTITUTE, frozenset(covered.instead_of), reason)
    return _propose(work, covered, change, trainer_id, by=by, now=now, limits=limits)


def _propose(
    work: Work, covered: Covered, change: Change, trainer_id: UUID | None, *, by: Actor, now: datetime, limits: Limits
) -> Proposed:
    booking = covered.booking
    if trainer_id is not None and trainer_id in covered.instead_of:
        name = covered.instead_of[trainer_id]
        raise Conflict("same-trainer", "%(name)s has these sessions already.", name=name)
    proposed = service.hold_instead(work, booking, trainer_id, change=change, by=by, now=now, limits=limits)
    if booking.auto_approve and proposed.assignment_id is not None:
        service.approve(work, proposed.assignment_id, version=1, by=SYSTEM, now=now, limits=limits)
    return proposed
