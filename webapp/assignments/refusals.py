"""Why a trainer cannot be had, as the conflict that people read."""

from __future__ import annotations

from webapp.assignments.rules import ReasonCode, Verdict
from webapp.core.errors import Conflict


def not_eligible(verdict: Verdict) -> Conflict:
    """The refusal for a trainer a rule stands against by now; busy alone means that somebody was first."""
    if {reason.code for reason in verdict.reasons} == {ReasonCode.BUSY}:
        return taken(verdict)
    return Conflict(
        "trainer-not-eligible",
        "%(name)s cannot take this course: %(why)s.",
        name=verdict.name,
        why="; ".join(str(reason) for reason in verdict.reasons),
        reasons=verdict.reasons,  # for a face that words them in another language
    )


def taken(verdict: Verdict) -> Conflict:
    """Somebody else was first."""
    return Conflict(
        "trainer-taken",
        "%(name)s was just given another session at one of these times. Choose from the fresh list.",
        name=verdict.name,
    )
