"""The proposals of one booking: for all of it, and for changes of its trainer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, select
from sqlalchemy.orm import Session

from webapp.assignments.models import Assignment
from webapp.assignments.queries.rechecks import recheck_standing
from webapp.assignments.rules import AssignmentKind, AssignmentStatus, RecheckStanding, Verdict
from webapp.trainers.models import Trainer


@dataclass(frozen=True, slots=True)
class Proposal:
    """One assignment of the booking and what became of it."""

    id: UUID
    kind: AssignmentKind
    trainer_id: UUID
    trainer: str
    status: AssignmentStatus
    automatic: bool
    proposed_by: UUID | None
    proposed_by_name: str
    proposed_at: datetime
    expires_at: datetime
    decided_by_name: str | None
    decided_at: datetime | None
    reason: str | None
    purpose: str | None
    version: int
    recheck_since: datetime | None
    """As of when the roster was that it was approved on, where that was too long before."""
    recheck_standing: RecheckStanding | None
    verdicts: tuple[Verdict, ...]
    """The stored explanation (rule T11); only ``BookingPage.last`` brings it along."""

    @property
    def is_change(self) -> bool:
        """It changes a trainer the booking has already (rule A7)."""
        return self.kind is not AssignmentKind.COURSE


def proposals_of(db: Session, booking_id: UUID) -> tuple[Proposal, ...]:
    """The booking's assignments, newest first; only the one for all of it that counts brings its explanation."""
    approved = Assignment.status == AssignmentStatus.APPROVED
    counts = (
        select(Assignment.id)
        .where(Assignment.booking_id == booking_id, Assignment.kind != AssignmentKind.SUBSTITUTE)
        .order_by(approved.desc(), Assignment.proposed_at.desc(), Assignment.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = db.execute(
        select(
            Assignment.id,
            Assignment.kind,
            Assignment.trainer_id,
            Trainer.name,
            Assignment.status,
            Assignment.automatic,
            Assignment.proposed_by,
            Assignment.proposed_by_name,
            Assignment.proposed_at,
            Assignment.expires_at,
            Assignment.decided_by_name,
            Assignment.decided_at,
            Assignment.reason,
            Assignment.purpose,
            Assignment.version,
            Assignment.recheck_since,
            recheck_standing(),
            case((Assignment.id == counts, Assignment.explanation)),
        )
        .join(
            Trainer,
            and_(Trainer.id == Assignment.trainer_id, Trainer.operator_id == Assignment.operator_id),
        )
        .where(Assignment.booking_id == booking_id)
        .order_by(Assignment.proposed_at.desc(), Assignment.id.desc())
    )
    return tuple(_proposal(row) for row in rows)


def _proposal(row: Any) -> Proposal:
    values: tuple[Any, ...] = (*row[:-1], tuple(Verdict.from_json(stored) for stored in row[-1] or ()))
    return Proposal(*values)
