"""Writing down what came of looking again at approvals. Part of the service: one transaction for one operator's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from webapp.assignments.rules import RecheckOutcome
from webapp.audit import service as audit
from webapp.core.actor import SYSTEM
from webapp.db.work import Work


@dataclass(frozen=True, slots=True)
class Recheck:
    """An approval, what was found of it before, and what is found now."""

    assignment_id: UUID
    before: RecheckOutcome | None
    outcome: RecheckOutcome


# Whoever has one of them locked is ending it, most likely: it is left to them, and if it stays it comes round again.
# Nothing but these rows is locked, and nobody is waited for.
_WRITE = text("""
WITH told AS (
    SELECT a.id, f.outcome
    FROM assignments AS a
    JOIN unnest(CAST(:ids AS uuid[]), CAST(:outcomes AS text[])) AS f (id, outcome) ON f.id = a.id
    WHERE a.operator_id = :operator_id AND a.status = 'approved' AND a.recheck_since IS NOT NULL
      AND a.recheck_outcome IS DISTINCT FROM f.outcome
    ORDER BY a.id
    FOR UPDATE OF a SKIP LOCKED
)
UPDATE assignments AS a SET recheck_outcome = told.outcome, rechecked_at = :now FROM told WHERE a.id = told.id
RETURNING a.id
""")


def record(work: Work, rechecks: Sequence[Recheck], *, operator_id: UUID, now: datetime) -> int:
    """Write down what is new, with its audit entries; how many that were.

    An approval that is over by now, or of which the same was found already, is left as it is.
    """
    found = {recheck.assignment_id: recheck for recheck in rechecks}
    asked = {
        "ids": list(found),
        "outcomes": [recheck.outcome.value for recheck in found.values()],
        "operator_id": operator_id,
        "now": now,
    }
    written = [found[id_] for id_ in work.db.scalars(_WRITE, asked)]
    for recheck in written:
        audit.record(
            work,
            "assignment.rechecked",
            "assignment",
            recheck.assignment_id,
            operator_id=operator_id,
            by=SYSTEM,
            at=now,
            before={"outcome": recheck.before},
            after={"outcome": recheck.outcome},
        )
    return len(written)
