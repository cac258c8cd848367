"""Which approvals have to be looked at again now that the trainer service has been heard, and how they stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, String, and_, case, cast, select, text, type_coerce
from sqlalchemy.orm import Session

from webapp.assignments.models import Assignment
from webapp.assignments.rechecks import FoundAgain
from webapp.assignments.rules import AssignmentStatus, RecheckOutcome, RecheckStanding
from webapp.db.base import word
from webapp.trainers.models import Trainer
from webapp.trainers.sync_models import ServiceState


@dataclass(frozen=True, slots=True)
class LookedAt:
    """An approval, what was found of it before, and what the roster says of its trainer now."""

    id: UUID
    operator_id: UUID
    outcome: RecheckOutcome | None
    found: FoundAgain


# The first: never looked at, and a run of the synchronisation has begun after they were approved and is done.
# The second, while their trainer has sessions of the booking ahead: those that did not stand, so that a roster that was
# put right clears them; and those that were confirmed, whose trainer has left since and was last heard of before the
# approval. What changed is told within the minute; who is missing is told by full runs alone, and by two of them. A
# trainer of whom that cannot be told any more has left in the common way.
# Whoever is in doubt is looked at while they have sessions ahead, too: a doubt may last for ever. Should it end after
# the course, or should a make-up be planned, the approval comes round again.
_LOOKED_AT = text("""
WITH due AS (
    SELECT * FROM assignments
    WHERE status = 'approved' AND recheck_since IS NOT NULL AND rechecked_at IS NULL
      AND decided_at < COALESCE(CAST(:fresh_at AS timestamptz), (SELECT fresh_at FROM trainer_service_state))
    UNION ALL
    SELECT * FROM assignments AS told
    WHERE status = 'approved' AND recheck_outcome IS NOT NULL
      AND (recheck_outcome <> 'confirmed' OR EXISTS (
        SELECT FROM trainers AS gone
        JOIN trainer_service_records AS record ON record.trainer_id = gone.id
        LEFT JOIN trainer_sync_runs AS seen ON seen.id = record.seen_run
        WHERE gone.id = told.trainer_id AND gone.left_at IS NOT NULL AND record.said_at <= told.decided_at
          AND (record.seen_run IS NULL OR seen.started_at <= told.decided_at)))
)
SELECT a.id, a.operator_id, a.recheck_outcome,
       t.active AND t.left_at IS NULL AS on_roster,
       EXISTS (SELECT FROM bookings AS b JOIN trainer_courses AS c ON c.course_id = b.course_id
               WHERE b.id = a.booking_id AND c.trainer_id = t.id) AS certified,
       EXISTS (SELECT FROM bookings AS b JOIN trainer_zones AS z ON z.zone_id = b.zone_id
               WHERE b.id = a.booking_id AND z.trainer_id = t.id) AS in_zone,
       found.in_doubt
FROM due AS a
JOIN trainers AS t ON t.id = a.trainer_id
CROSS JOIN LATERAL (
    SELECT CAST(:fresh_at AS timestamptz) IS NULL AND (t.held_back_at IS NOT NULL OR EXISTS (
        SELECT FROM trainer_service_records AS record WHERE record.trainer_id = t.id AND record.missed_runs > 0
    )) AS in_doubt
) AS found
LEFT JOIN LATERAL (
    SELECT true AS there FROM schedule_slots AS slot
    WHERE slot.booking_id = a.booking_id AND slot.trainer_id = a.trainer_id AND slot.status = 'booked'
      AND lower(slot.period) >= :now
    LIMIT 1
) AS ahead ON true
WHERE (CAST(:after AS uuid) IS NULL OR a.id > :after)
  AND (ahead.there OR (a.recheck_outcome IS NULL AND NOT found.in_doubt))
ORDER BY a.id
LIMIT :limit
""")


def looked_at(
    db: Session, *, fresh_at: datetime | None, now: datetime, limit: int, after: UUID | None = None
) -> list[LookedAt]:
    """The next ``limit`` approvals to look at ``after`` one of them, by id, with what the roster says of them.

    ``fresh_at`` is as of when the roster is, as the desk says itself where there is no trainer service (any more);
    nothing leaves it to the service. Asked for all operators at once, and so on behalf of somebody who sees them all.
    """
    rows = db.execute(_LOOKED_AT, {"fresh_at": fresh_at, "now": now, "limit": limit, "after": after})
    return [LookedAt(row[0], row[1], RecheckOutcome(row[2]) if row[2] else None, FoundAgain(*row[3:])) for row in rows]


def _heard_since() -> ColumnElement[bool]:
    """Whether a run of the synchronisation has begun after the approval and is done."""
    return Assignment.decided_at < select(ServiceState.fresh_at).scalar_subquery()


def waits_for_somebody() -> ColumnElement[bool]:
    """Whether an approval cannot be looked at until somebody settles what the service says of its trainer.

    A condition of a statement over assignments joined with their trainers, as ``recheck_standing`` is a column of one.
    """
    return and_(
        Assignment.status == AssignmentStatus.APPROVED,
        Assignment.recheck_since.is_not(None),
        Assignment.rechecked_at.is_(None),
        Trainer.held_back_at.is_not(None),
        _heard_since(),
    )


def recheck_standing() -> ColumnElement[str]:
    """How an approval made on an old roster stands, as a ``RecheckStanding``; nothing for one that was not."""
    standing = case(
        (Assignment.recheck_since.is_(None), None),
        (
            and_(Assignment.recheck_outcome == RecheckOutcome.LEFT, Trainer.left_at.is_(None)),
            RecheckStanding.INACTIVE.value,
        ),
        (Assignment.recheck_outcome.is_not(None), cast(Assignment.recheck_outcome, String)),
        (and_(_heard_since(), Trainer.held_back_at.is_not(None)), RecheckStanding.HELD_BACK.value),
        (_heard_since(), RecheckStanding.OPEN.value),
        else_=RecheckStanding.WAITS.value,
    )
    return type_coerce(standing, word(RecheckStanding, "recheck_standing"))
