"""Who can take a whole booking, in which order, and what may become of a proposal (rules T1 to T11, A4 and A5).

One scorer for every place that asks: the booking page, the approval, automatic choice and the programs' interface.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from webapp.assignments.conflicts import Conflicts, conflicts
from webapp.assignments.facts import CourseNeed, TrainerFacts
from webapp.assignments.fixes import Fix, fix_from_json
from webapp.assignments.reasons import Fact, Reason, ReasonCode
from webapp.core import moves
from webapp.core.actor import Actor, ActorKind, Permission
from webapp.core.errors import Forbidden
from webapp.core.geo import distance_km
from webapp.trainers.rules import MAX_COURSES

__all__ = [
    "HOLD_HOURS",
    "MOVES",
    "AssignmentKind",
    "AssignmentStatus",
    "CourseNeed",
    "Preference",
    "Reason",
    "ReasonCode",
    "TrainerFacts",
    "Verdict",
    "assess",
    "hold_expires_at",
    "may_decide",
    "moved",
    "rank",
]

HOLD_HOURS = 48
"""Default of the setting for rule A4: how long a proposal holds its slots."""

_STEP_M = 500
"""Trainers whose bases lie in the same step of this many metres count as equally near."""


class AssignmentStatus(StrEnum):
    """The life of an assignment."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    REPLACED = "replaced"


class AssignmentKind(StrEnum):
    """What an assignment covers (rule A7)."""

    COURSE = "course"
    """The whole booking, from its first session on."""
    REPLACEMENT = "replacement"
    """The sessions that remained when the trainer was replaced."""
    SUBSTITUTE = "substitute"
    """Single sessions; the booking's own trainer stays."""


class RecheckOutcome(StrEnum):
    """What came of looking again at an approval that was made on an old roster."""

    CONFIRMED = "confirmed"
    LEFT = "left"
    """The trainer has left, or is not active: what remains needs cover."""
    NOT_CERTIFIED = "not_certified"
    NOT_IN_ZONE = "not_in_zone"


class RecheckStanding(StrEnum):
    """How an approval that was made on an old roster stands, as pages tell it. It is worked out, never stored."""

    WAITS = "waits"
    """The trainer service has not answered since."""
    OPEN = "open"
    """It has, and nobody has looked yet; or it did not name the trainer, and the next full run tells."""
    HELD_BACK = "held_back"
    """It has, but its word on the trainer cannot be used: that has to be settled by somebody."""
    CONFIRMED = "confirmed"
    LEFT = "left"
    INACTIVE = "inactive"
    """Was found not to be active, and has not left."""
    NOT_CERTIFIED = "not_certified"
    NOT_IN_ZONE = "not_in_zone"


_A = AssignmentStatus

MOVES: dict[AssignmentStatus, frozenset[AssignmentStatus]] = {
    _A.PROPOSED: frozenset({_A.APPROVED, _A.REJECTED, _A.EXPIRED, _A.WITHDRAWN}),
    _A.APPROVED: frozenset({_A.REPLACED}),
    _A.REJECTED: frozenset(),
    _A.EXPIRED: frozenset(),
    _A.WITHDRAWN: frozenset(),
    _A.REPLACED: frozenset(),
}


def moved(is_: AssignmentStatus, to: AssignmentStatus) -> AssignmentStatus:
    """``to``, when an assignment may go there. Raises ``Conflict`` ``assignment-move``."""
    return moves.moved(
        MOVES, is_, to, code="assignment-move", sentence="This proposal is %(is_)s and cannot become %(to)s."
    )


class Preference(StrEnum):
    """What a family may wish for (rule T10). Wishes rank, they never refuse."""

    LANGUAGE = "language"
    GENDER = "gender"
    TAUGHT_BEFORE = "taught_before"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the scorer says of one trainer: every failed rule, and the numbers that rank (rule T11).

    ``free`` of ``total`` sessions have nothing in the way; both are ``None`` in verdicts stored before they were kept.
    ``fix`` is the smallest change that would make the trainer eligible, where one was looked for and found.
    ``of_service``: the trainer comes from the trainer service; it is not stored, and nothing is ranked by it.
    """

    trainer_id: UUID
    name: str
    reasons: tuple[Reason, ...]
    distance_km: float | None
    preferences: tuple[Preference, ...]
    booked_minutes: int
    taught_before: bool
    free: int | None = None
    total: int | None = None
    fix: Fix | None = None
    of_service: bool = False

    @property
    def eligible(self) -> bool:
        """No rule failed."""
        return not self.reasons

    @property
    def preferences_met(self) -> int:
        """How many of the family's wishes the trainer meets."""
        return len(self.preferences)

    @property
    def distance_step(self) -> int:
        """Whole 500 m steps to the student; zero where the base is unknown, which is never eligible."""
        return round((self.distance_km or 0.0) * 1000) // _STEP_M

    def to_json(self) -> dict[str, Any]:
        """The verdict as it is stored with an assignment, readable by ``from_json`` years later."""
        return {
            "trainer_id": str(self.trainer_id),
            "name": self.name,
            "reasons": [reason.to_json() for reason in self.reasons],
            "distance_km": self.distance_km,
            "preferences": [preference.value for preference in self.preferences],
            "booked_minutes": self.booked_minutes,
            "taught_before": self.taught_before,
            "free": self.free,
            "total": self.total,
            "fix": None if self.fix is None else self.fix.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Verdict:
        """The verdict that ``to_json`` stored, also before it kept ``free``, ``total`` and ``fix``."""
        fix = stored.get("fix")
        return cls(
            trainer_id=UUID(stored["trainer_id"]),
            name=stored["name"],
            reasons=tuple(Reason.from_json(reason) for reason in stored["reasons"]),
            distance_km=stored["distance_km"],
            preferences=tuple(Preference(preference) for preference in stored["preferences"]),
            booked_minutes=stored["booked_minutes"],
            taught_before=stored["taught_before"],
            free=stored.get("free"),
            total=stored.get("total"),
            fix=None if fix is None else fix_from_json(fix),
        )


def _of_sessions(
    code: ReasonCode, need: CourseNeed, indexes: Sequence[int], more: dict[str, Fact] | None = None
) -> Iterator[Reason]:
    """The reason for some of the sessions, with the first one on the booking's wall clock; none for no index."""
    if indexes:
        facts: dict[str, Fact] = {"count": len(indexes), "total": need.total, "first": need.told_start(indexes[0])}
        yield Reason(code, facts | (more or {}))


def _reasons(
    need: CourseNeed, trainer: TrainerFacts, found: Conflicts, away_km: float | None, max_courses: int
) -> Iterator[Reason]:
    """Every failed rule, in the order of the rules; cheap ones first."""
    if not trainer.active:
        yield Reason(ReasonCode.INACTIVE)
    if need.course_id not in trainer.course_ids:
        yield Reason(ReasonCode.NOT_CERTIFIED)
    if len(trainer.course_ids) > max_courses:
        yield Reason(ReasonCode.TOO_MANY_COURSES, {"count": len(trainer.course_ids), "limit": max_courses})
    if trainer.operator_id != need.operator_id:
        yield Reason(ReasonCode.OTHER_OPERATOR)
    if need.zone_id not in trainer.zone_ids:
        yield Reason(ReasonCode.OTHER_ZONE)
    if away_km is None:
        yield Reason(ReasonCode.NO_LOCATION)
    elif away_km > need.reach_km:
        yield Reason(ReasonCode.TOO_FAR, {"km": away_km, "limit_km": need.reach_km})
    if not trainer.hours:
        yield Reason(ReasonCode.NO_HOURS)
    else:
        yield from _of_sessions(ReasonCode.OUTSIDE_HOURS, need, found.outside)
    yield from _of_sessions(ReasonCode.OFF, need, found.off)
    yield from _of_sessions(ReasonCode.BUSY, need, found.busy)
    if found.tight:
        first = found.tight[0]
        way: dict[str, Fact] = {"gap": first.gap_minutes, "need": first.need_minutes}
        yield from _of_sessions(ReasonCode.TRAVEL, need, [tight.index for tight in found.tight], way)
    if trainer.blocked:
        yield Reason(ReasonCode.BLOCKED)


def _preferences(need: CourseNeed, trainer: TrainerFacts) -> Iterator[Preference]:
    if need.prefers_language is not None and need.prefers_language in trainer.languages:
        yield Preference.LANGUAGE
    if need.prefers_gender is not None and need.prefers_gender == trainer.gender:
        yield Preference.GENDER
    if need.prefers_taught_before and trainer.taught_students:
        yield Preference.TAUGHT_BEFORE
    if trainer.id in need.prefers_trainers:
        yield Preference.NAMED


def _booked_minutes(need: CourseNeed, trainer: TrainerFacts) -> int:
    """How long the trainer teaches elsewhere between the booking's first and last session."""
    first, last, seconds = need.start_seconds[0], need.start_seconds[-1], 0
    for slots in trainer.taken:
        starts = slots.starts
        if first <= starts[0] and starts[-1] <= last:
            seconds += len(starts) * slots.seconds
        elif starts[0] <= last and first <= starts[-1]:
            seconds += (bisect_right(starts, last) - bisect_left(starts, first)) * slots.seconds
    return seconds // 60


def assess(need: CourseNeed, trainer: TrainerFacts, *, max_courses: int = MAX_COURSES) -> Verdict:
    """Every rule T1 to T10 for one trainer and all sessions: all reasons, not the first (rule T11).

    Pure and cheap: a few microseconds for a trainer with nothing in the way. Nothing in the answer tells whom the
    trainer teaches. The verdict comes without a fix: ``smallest_fix`` looks for one.
    """
    found = conflicts(need, trainer)
    away_km = None if trainer.base is None else distance_km(trainer.base, need.place)
    return Verdict(
        trainer_id=trainer.id,
        name=trainer.name,
        reasons=tuple(_reasons(need, trainer, found, away_km, max_courses)),
        distance_km=away_km,
        preferences=tuple(_preferences(need, trainer)),
        booked_minutes=_booked_minutes(need, trainer),
        taught_before=trainer.taught_students,
        free=need.total - found.count,
        total=need.total,
        of_service=trainer.of_service,
    )


def rank(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The eligible, best first, then the others: fewest reasons first, then by name.

    Eligible: preferences met, nearer in whole 500 m steps, fewer booked minutes, taught before, id.
    """
    eligible: list[Verdict] = []
    others: list[Verdict] = []
    for verdict in verdicts:
        (eligible if verdict.eligible else others).append(verdict)
    eligible.sort(
        key=lambda v: (-v.preferences_met, v.distance_step, v.booked_minutes, not v.taught_before, v.trainer_id)
    )
    others.sort(key=lambda v: (len(v.reasons), v.name.casefold(), v.trainer_id))
    return eligible + others


def hold_expires_at(now: datetime, first_session_starts_at: datetime, hold_hours: int = HOLD_HOURS) -> datetime:
    """When a proposal made at ``now`` lets its slots go (rule A4): the hold's end or the first session's start."""
    return min(now + timedelta(hours=hold_hours), first_session_starts_at)


def may_decide(proposer_id: UUID | None, actor: Actor, *, four_eyes: bool, approve: bool = True) -> None:
    """Let an actor decide on a proposal, or raise ``Forbidden`` (rules A4 and A5); ownership is asked in SQL.

    With ``four_eyes`` nobody approves what they proposed themselves; rejecting it harms nobody. The desk itself
    approves where a franchise is set to that.
    """
    if not actor.may(Permission.ASSIGNMENT_APPROVE):
        raise Forbidden("approve-role", "Your role may not decide on proposals.")
    if approve and four_eyes and actor.kind is not ActorKind.SYSTEM and actor.id == proposer_id:
        raise Forbidden("own-proposal", "Whoever proposed a trainer may not approve the same proposal.")
