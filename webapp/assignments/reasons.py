"""Why a trainer cannot take a booking: fixed codes with their facts, storable and sayable (rule T11).

A reason never holds whom a trainer teaches; the facts of each code are listed in ``FACTS`` and no others are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from webapp.core.words import msgid

Fact = int | float | str


class ReasonCode(StrEnum):
    """Which rule failed. The values are stored and shown to programs: never rename one."""

    INACTIVE = "inactive"
    NOT_CERTIFIED = "not_certified"
    TOO_MANY_COURSES = "too_many_courses"
    OTHER_OPERATOR = "other_operator"
    OTHER_ZONE = "other_zone"
    NO_LOCATION = "no_location"
    TOO_FAR = "too_far"
    NO_HOURS = "no_hours"
    OUTSIDE_HOURS = "outside_hours"
    OFF = "off"
    BUSY = "busy"
    TRAVEL = "travel"
    BLOCKED = "blocked"


OF_SESSIONS = frozenset(
    {ReasonCode.NO_HOURS, ReasonCode.OUTSIDE_HOURS, ReasonCode.OFF, ReasonCode.BUSY, ReasonCode.TRAVEL}
)
"""The codes of rules that each session passes or fails (T4, T5, T9); the others are about the trainer as a whole."""

SENTENCES: dict[ReasonCode, str] = {
    ReasonCode.INACTIVE: msgid("Not active"),
    ReasonCode.NOT_CERTIFIED: msgid("Not certified for this course"),
    ReasonCode.TOO_MANY_COURSES: msgid("Certified for %(count)s courses, limit %(limit)s"),
    ReasonCode.OTHER_OPERATOR: msgid("Works for another operator"),
    ReasonCode.OTHER_ZONE: msgid("Does not work in this zone"),
    ReasonCode.NO_LOCATION: msgid("No base location known"),
    ReasonCode.TOO_FAR: msgid("%(km)s km away, limit %(limit_km)s km"),
    ReasonCode.NO_HOURS: msgid("No working hours known"),
    ReasonCode.OUTSIDE_HOURS: msgid("Outside working hours in %(count)s of %(total)s sessions, first %(first)s"),
    ReasonCode.OFF: msgid("Away in %(count)s of %(total)s sessions, first %(first)s"),
    ReasonCode.BUSY: msgid("Busy in %(count)s of %(total)s sessions, first %(first)s"),
    ReasonCode.TRAVEL: msgid(
        "Too little time for the way before or after %(count)s of %(total)s sessions, first %(first)s: "
        "%(gap)s min, %(need)s min needed"
    ),
    ReasonCode.BLOCKED: msgid("Kept apart from this family"),
}

OF_ONE_SESSION: dict[ReasonCode, str] = {
    ReasonCode.OUTSIDE_HOURS: msgid("Outside working hours on %(first)s"),
    ReasonCode.OFF: msgid("Away on %(first)s"),
    ReasonCode.BUSY: msgid("Busy on %(first)s"),
    ReasonCode.TRAVEL: msgid("Too little time for the way before or after %(first)s: %(gap)s min, %(need)s min needed"),
}
"""The same where a trainer is wanted for one session only."""

_SOME_SESSIONS = frozenset({"count", "total", "first"})

FACTS: dict[ReasonCode, frozenset[str]] = {
    **dict.fromkeys(ReasonCode, frozenset[str]()),
    ReasonCode.TOO_MANY_COURSES: frozenset({"count", "limit"}),
    ReasonCode.TOO_FAR: frozenset({"km", "limit_km"}),
    ReasonCode.OUTSIDE_HOURS: _SOME_SESSIONS,
    ReasonCode.OFF: _SOME_SESSIONS,
    ReasonCode.BUSY: _SOME_SESSIONS,
    ReasonCode.TRAVEL: _SOME_SESSIONS | {"gap", "need"},
}
"""The facts each code carries, all of them and no more: what may be told about a trainer is decided here."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def plain_date(on: date) -> str:
    """A date in English, like "12 Jan"; pages hand in their own language's way."""
    return f"{on.day} {_MONTHS[on.month - 1]}"


def plain_moment(local: datetime) -> str:
    """A local moment in English, like "12 Jan 09:00"; pages hand in their own language's way."""
    return f"{plain_date(local)} {local:%H:%M}"


def plain_km(km: float) -> str:
    """Kilometres in English with at most two decimals, never rounded to a limit it exceeds, like "6.2" or "3.001"."""
    return f"{km:.3f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class Reason:
    """One failed rule. ``first`` is the first session hit, local to the booking's zone: ``2027-01-12T09:00``.

    Of a way, ``gap`` is the time there is and ``need`` the time needed, both in whole minutes.

    Raises ``ValueError`` when the facts are not exactly those of the code.
    """

    code: ReasonCode
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.facts.keys() != FACTS[self.code]:
            raise ValueError(f"{self.code} carries {sorted(FACTS[self.code])}, not {sorted(self.facts)}")

    def sentence(
        self, *, moment: Callable[[datetime], str] = plain_moment, km: Callable[[float], str] = plain_km
    ) -> tuple[str, dict[str, str]]:
        """The message id and its filled-in places; ``moment`` and ``km`` word a local time and a distance."""
        words = {}
        for name, fact in self.facts.items():
            if name == "first":
                words[name] = moment(datetime.fromisoformat(str(fact)))
            elif name in ("km", "limit_km"):
                words[name] = km(float(fact))
            else:
                words[name] = str(fact)
        alone = self.facts.get("total") == 1
        return (OF_ONE_SESSION if alone and self.code in OF_ONE_SESSION else SENTENCES)[self.code], words

    def __str__(self) -> str:
        sentence, words = self.sentence()
        return sentence % words

    def to_json(self) -> dict[str, Any]:
        """The reason as it is stored with an assignment."""
        return {"code": self.code.value, "facts": dict(self.facts)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Reason:
        """The reason that ``to_json`` stored. Raises ``ValueError`` for an unknown code or wrong facts."""
        return cls(ReasonCode(stored["code"]), dict(stored["facts"]))
