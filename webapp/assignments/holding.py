"""Writing a proposal whole: the assignment, all its slots, the booking's new state and the audit in one statement.

Part of the service: only ``assignments.service`` calls it, with the booking's and the trainer's row locks held; under
the former the sessions in the table are those that were judged. The database decides whether the slots fit (rule A2).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from webapp.assignments.queries.needs import BookingNeed
from webapp.assignments.rules import AssignmentKind, AssignmentStatus, Verdict, moved
from webapp.audit import service as audit
from webapp.audit.models import AuditEntry
from webapp.bookings.rules import BookingStatus
from webapp.bookings.rules import moved as booking_moved
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import RuleBroken
from webapp.core.ids import new_id
from webapp.db.work import Work
from webapp.schedule.rules import SlotStatus

_WRITE = text("""
WITH made AS (
    INSERT INTO assignments (id, operator_id, booking_id, trainer_id, kind, status, automatic, proposed_by,
                             proposed_by_name, proposed_at, expires_at, decided_by, decided_by_name, decided_at,
                             explanation, version, purpose, recheck_since)
    VALUES (:assignment_id, :operator_id, :booking_id, :trainer_id, :kind, :status, :automatic, :proposed_by,
            :proposed_by_name, :now, :expires_at, NULL, :decided_by_name, :decided_at, CAST(:explanation AS jsonb),
            :version, :purpose, :recheck_since)
),
moved AS (
    UPDATE bookings SET status = :booking_status, version = version + 1, retried = true WHERE id = :booking_id
),
told AS (
    INSERT INTO audit_entries SELECT * FROM jsonb_populate_recordset(NULL::audit_entries, CAST(:entries AS jsonb))
),
held AS (
    INSERT INTO schedule_slots (id, operator_id, trainer_id, booking_id, course_session_id, assignment_id, status,
                                period, date, timeslot, place_lat, place_lng, buffer_minutes)
    SELECT gen_random_uuid(), operator_id, :trainer_id, booking_id, id, :assignment_id, :slot_status,
           tstzrange(starts_at, ends_at, '[)'), date, timeslot,
           CASE WHEN mode = 'offline' THEN CAST(:lat AS float8) END,
           CASE WHEN mode = 'offline' THEN CAST(:lng AS float8) END, :buffer
    FROM course_sessions
    WHERE booking_id = :booking_id AND status = 'scheduled'
      AND (CAST(:session_ids AS uuid[]) IS NULL OR id = ANY(CAST(:session_ids AS uuid[])))
    RETURNING 1
)
SELECT count(*) FROM held
""")


@dataclass(frozen=True, slots=True)
class Change:
    """A change of trainer (rule A7): of which kind, instead of whom, and why it is wanted."""

    kind: AssignmentKind
    instead_of: frozenset[UUID]
    purpose: str


@dataclass(frozen=True, slots=True)
class Holding:
    """A proposal about to be written: for whom, by whom, until when, and the explanation that stays with it.

    With a ``change`` the booking has a trainer already, who keeps the sessions and the booking its status until
    somebody approves. ``recheck_since``: approved at once it would rely on a roster that is too old, as of then.
    """

    booking: BookingNeed
    trainer_id: UUID
    trainer_name: str
    automatic: bool
    expires_at: datetime
    explanation: Sequence[Verdict]
    by: Actor
    now: datetime
    change: Change | None = None
    recheck_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A proposal that stands: its assignment and the booking's new state."""

    assignment_id: UUID
    trainer_id: UUID
    trainer_name: str
    status: BookingStatus


def hold(work: Work, holding: Holding) -> Held:
    """Write the proposal, approved at once where its operator approves automatically (rule A4).

    A change of trainer is never written approved: the present trainer's slots have to go first. Raises
    ``IntegrityError`` when the database refuses a slot: somebody wrote without the trainer's lock.
    """
    booking, now, change = holding.booking, holding.now, holding.change
    assignment_id = new_id()
    approved = booking.auto_approve and change is None
    status = booking.status if change else booking_moved(booking.status, BookingStatus.PENDING_APPROVAL)
    if approved:
        status = booking_moved(status, BookingStatus.ASSIGNED)
    count = work.db.scalar(
        _WRITE,
        {
            "assignment_id": assignment_id,
            "operator_id": booking.operator_id,
            "booking_id": booking.id,
            "trainer_id": holding.trainer_id,
            "kind": (change.kind if change else AssignmentKind.COURSE).value,
            "purpose": change.purpose if change else None,
            "status": (AssignmentStatus.APPROVED if approved else AssignmentStatus.PROPOSED).value,
            "automatic": holding.automatic,
            "proposed_by": holding.by.id,
            "proposed_by_name": holding.by.name,
            "now": now,
            "expires_at": holding.expires_at,
            "decided_by_name": SYSTEM.name if approved else None,
            "decided_at": now if approved else None,
            "recheck_since": holding.recheck_since if approved else None,
            "explanation": json.dumps([verdict.to_json() for verdict in holding.explanation]),
            "version": 2 if approved else 1,
            "booking_status": status.value,
            "entries": audit.as_rows(_told(holding, assignment_id, status)),
            "slot_status": (SlotStatus.BOOKED if approved else SlotStatus.HELD).value,
            "session_ids": [session.id for session in booking.sessions] if change else None,
            "lat": booking.need.place.lat,
            "lng": booking.need.place.lng,
            "buffer": booking.need.buffer_minutes,
        },
    )
    if count != len(booking.sessions):
        raise RuleBroken(f"held {count} sessions of {len(booking.sessions)} that were judged")
    return Held(assignment_id, holding.trainer_id, holding.trainer_name, status)


def decided_facts(status: AssignmentStatus, recheck_since: datetime | None) -> dict[str, Any]:
    """What the audit keeps of a decision: what it was, and that it is looked at again where it is."""
    return {"status": status} if recheck_since is None else {"status": status, "recheck_since": recheck_since}


def _told(holding: Holding, assignment_id: UUID, status: BookingStatus) -> list[AuditEntry]:
    """What the audit keeps of a proposal, and of its approval where the desk approves by itself."""
    booking = holding.booking

    def entry(
        what: str, kind: str, subject_id: UUID, by: Actor, before: dict[str, Any] | None, after: dict[str, Any]
    ) -> AuditEntry:
        return audit.entry(
            what, kind, subject_id, operator_id=booking.operator_id, by=by, at=holding.now, before=before, after=after
        )

    pending = BookingStatus.PENDING_APPROVAL
    proposal: dict[str, Any] = {
        "booking_id": booking.id,
        "trainer_id": holding.trainer_id,
        "automatic": holding.automatic,
        "expires_at": holding.expires_at,
        "sessions": len(booking.sessions),
    }
    if change := holding.change:
        numbers = [session.planned.number for session in booking.sessions]
        proposal |= {"kind": change.kind, "numbers": numbers}  # the purpose, in people's words, stays on the row
        return [entry("assignment.proposed", "assignment", assignment_id, holding.by, None, proposal)]
    entries = [
        entry("assignment.proposed", "assignment", assignment_id, holding.by, None, proposal),
        entry(
            f"booking.{pending.value}",
            "booking",
            booking.id,
            holding.by,
            {"status": booking.status},
            {"status": pending},
        ),
    ]
    if status is not pending:
        to = moved(AssignmentStatus.PROPOSED, AssignmentStatus.APPROVED)
        entries += [
            entry(
                "assignment.approved",
                "assignment",
                assignment_id,
                SYSTEM,
                {"status": AssignmentStatus.PROPOSED},
                decided_facts(to, holding.recheck_since),
            ),
            entry(f"booking.{status.value}", "booking", booking.id, SYSTEM, {"status": pending}, {"status": status}),
        ]
    return entries
