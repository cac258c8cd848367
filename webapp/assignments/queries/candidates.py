"""The one scorer, asked of the database: the verdict on every trainer of an operator for one course, best first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.assignments.queries.roster import Family, trainer_as_now, trainers_of_operator
from webapp.assignments.reasons import OF_SESSIONS
from webapp.assignments.rules import CourseNeed, TrainerFacts, Verdict, assess, rank
from webapp.assignments.smallest_fix import fix_window, smallest_fix

__all__ = ["Family", "Weighed", "candidates", "weigh"]


def candidates(
    db: Session,
    need: CourseNeed,
    family: Family,
    *,
    max_courses: int,
    only: UUID | None = None,
    fixes_after: datetime | None = None,
) -> list[Verdict]:
    """The verdict on every trainer of the need's operator (or on ``only`` one of them), best first.

    This is the one scorer: pages, automatic choice and re-checks under a lock all ask here. ``only`` one trainer is
    read afresh. With ``fixes_after`` (the present instant) each trainer whom one change would make eligible comes with
    that change.
    """
    return weigh(db, need, family, max_courses=max_courses, only=only, fixes_after=fixes_after).verdicts


@dataclass(frozen=True, slots=True)
class Weighed:
    """The verdicts, best first, and what they were made from, by trainer."""

    verdicts: list[Verdict]
    facts: dict[UUID, TrainerFacts]


def weigh(
    db: Session,
    need: CourseNeed,
    family: Family,
    *,
    max_courses: int,
    only: UUID | None = None,
    fixes_after: datetime | None = None,
) -> Weighed:
    """``candidates``, with the facts, for whoever shows session by session what the verdicts say as a whole."""
    if only is not None:
        one = trainer_as_now(db, need, family, only)
        looked_at = [] if one is None else [one]
    else:
        window = None if fixes_after is None else fix_window(need)
        looked_at = trainers_of_operator(db, need, family, window=window)
    found = {facts.id: assess(need, facts, max_courses=max_courses) for facts in looked_at}
    if fixes_after is not None:
        for facts in looked_at:
            if _may_be_fixed(found[facts.id]):
                fix = smallest_fix(need, facts, now=fixes_after, max_courses=max_courses)
                found[facts.id] = replace(found[facts.id], fix=fix)
    return Weighed(rank(found.values()), {facts.id: facts for facts in looked_at})


def _may_be_fixed(verdict: Verdict) -> bool:
    """Whether only single sessions stand against the trainer, not a rule about the whole course."""
    return not verdict.eligible and all(reason.code in OF_SESSIONS for reason in verdict.reasons)
