"""Which approvals have to be looked at again now that the trainer service has been heard, and what the roster says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.assignments.rechecks import FoundAgain
from webapp.assignments.rules import RecheckOutcome


@dataclass(frozen=True, slots=True)
class LookedAt:
    """An approval, what was found of it before, and what the roster says of its trainer now."""

    id: UUID
    operator_id: UUID
    outcome: RecheckOutcome | None
    found: FoundAgain


# The first: never looked at, and a run of the synchronisation has begun after they were approved and is done.
# The second: failed, and the trainer has sessions of the booking still ahead; a roster that was put right clears them.
# The third: confirmed, and gone since, though no full run saw the trainer after the approval. What changed is told
# within the minute; who is missing is told by full runs alone, and by two of them.
_LOOKED_AT = text("""
WITH due AS (
    SELECT * FROM assignments
    WHERE status = 'approved' AND recheck_since IS NOT NULL AND rechecked_at IS NULL
      AND decided_at < COALESCE(CAST(:fresh_at AS timestamptz), (SELECT fresh_at FROM trainer_service_state))
    UNION ALL
    SELECT failed.* FROM assignments AS failed
    WHERE status = 'approved' AND recheck_outcome <> 'confirmed' AND EXISTS (
        SELECT FROM schedule_slots AS slot
        WHERE slot.booking_id = failed.booking_id AND slot.trainer_id = failed.trainer_id AND slot.status = 'booked'
          AND lower(slot.period) >= :now)
    UNION ALL
    SELECT confirmed.* FROM trainers AS gone
    JOIN assignments AS confirmed ON confirmed.trainer_id = gone.id
    WHERE gone.left_at IS NOT NULL AND confirmed.status = 'approved' AND confirmed.recheck_outcome = 'confirmed'
      AND NOT EXISTS (
        SELECT FROM trainer_service_records AS record JOIN trainer_sync_runs AS seen ON seen.id = record.seen_run
        WHERE record.trainer_id = gone.id AND seen.started_at > confirmed.decided_at)
)
SELECT a.id, a.operator_id, a.recheck_outcome,
       t.active AND t.left_at IS NULL AS on_roster,
       EXISTS (SELECT FROM bookings AS b JOIN trainer_courses AS c ON c.course_id = b.course_id
               WHERE b.id = a.booking_id AND c.trainer_id = t.id) AS certified,
       EXISTS (SELECT FROM bookings AS b JOIN trainer_zones AS z ON z.zone_id = b.zone_id
               WHERE b.id = a.booking_id AND z.trainer_id = t.id) AS in_zone,
       CAST(:fresh_at AS timestamptz) IS NULL AND (t.held_back_at IS NOT NULL OR EXISTS (
           SELECT FROM trainer_service_records AS record WHERE record.trainer_id = t.id AND record.missed_runs > 0
       )) AS in_doubt
FROM due AS a
JOIN trainers AS t ON t.id = a.trainer_id
ORDER BY a.recheck_outcome IS NOT NULL, a.id
LIMIT :limit
""")


def looked_at(db: Session, *, fresh_at: datetime | None, now: datetime, limit: int) -> list[LookedAt]:
    """The approvals to look at, with what the roster says of them; those never looked at before come first.

    ``fresh_at`` is as of when the roster is, as the desk says itself where there is no trainer service (any more);
    nothing leaves it to the service. Asked for all operators at once, and so on behalf of somebody who sees them all.
    """
    rows = db.execute(_LOOKED_AT, {"fresh_at": fresh_at, "now": now, "limit": limit})
    return [LookedAt(row[0], row[1], RecheckOutcome(row[2]) if row[2] else None, FoundAgain(*row[3:])) for row in rows]
