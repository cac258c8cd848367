"""One change that would make a trainer eligible: what it is, how it is said and stored, and what it does to a need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, time
from enum import StrEnum
from typing import Any, ClassVar

from webapp.assignments.facts import CourseNeed
from webapp.assignments.reasons import plain_date
from webapp.bookings.replanning import planned_move
from webapp.bookings.rules import PlannedSession, SessionMode
from webapp.core.errors import Conflict, Invalid
from webapp.core.words import msgid


class FixKind(StrEnum):
    """What is changed. The values are stored and shown to programs: never rename one."""

    MOVE_SESSION = "move_session"
    MOVE_COURSE = "move_course"
    START_LATER = "start_later"


def plain_time(clock: time) -> str:
    """A time of day in English, like "10:20"; pages hand in their own language's way."""
    return f"{clock:%H:%M}"


@dataclass(frozen=True, slots=True)
class _Change:
    """``free`` of ``total`` sessions are free without the change. Dates and times are local to the booking's zone."""

    kind: ClassVar[FixKind]
    message: ClassVar[str]
    bare: ClassVar[str]
    """The message where nothing is free without the change."""

    free: int
    total: int

    def facts(self) -> dict[str, int | date | time]:
        """What the change is, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def sentence(
        self, *, clock: Callable[[time], str] = plain_time, day: Callable[[date], str] = plain_date
    ) -> tuple[str, dict[str, str]]:
        """The message id and its filled-in places; ``clock`` and ``day`` word a time of day and a date."""
        words = {}
        for name, fact in self.facts().items():
            if isinstance(fact, time):
                words[name] = clock(fact)
            else:
                words[name] = day(fact) if isinstance(fact, date) else str(fact)
        return self.message if self.free else self.bare, words

    def __str__(self) -> str:
        sentence, words = self.sentence()
        return sentence % words

    def to_json(self) -> dict[str, Any]:
        """The change as it is stored with an assignment, readable by ``fix_from_json`` years later."""
        facts = self.facts().items()
        return {
            "kind": self.kind.value,
            **{name: fact if isinstance(fact, int) else fact.isoformat() for name, fact in facts},
        }


@dataclass(frozen=True, slots=True)
class MoveSession(_Change):
    """The session of a ``number`` is taught at ``to_time`` of its own day, ``on``."""

    kind = FixKind.MOVE_SESSION
    message = msgid("Free for %(free)s of %(total)s: move session %(number)s to %(to_time)s")
    bare = msgid("Move session %(number)s to %(to_time)s")

    number: int
    on: date
    to_time: time


@dataclass(frozen=True, slots=True)
class MoveCourse(_Change):
    """The whole course is taught so much earlier or later that its usual time slot becomes ``to_time``."""

    kind = FixKind.MOVE_COURSE
    message = msgid("Free for %(free)s of %(total)s: move the whole course to %(to_time)s")
    bare = msgid("Move the whole course to %(to_time)s")

    to_time: time


@dataclass(frozen=True, slots=True)
class StartLater(_Change):
    """The whole course starts later, its first session being ``on`` that date."""

    kind = FixKind.START_LATER
    message = msgid("Free for %(free)s of %(total)s: start the course on %(on)s")
    bare = msgid("Start the course on %(on)s")

    on: date


Fix = MoveSession | MoveCourse | StartLater


def fix_from_json(stored: Mapping[str, Any]) -> Fix:
    """The change that ``to_json`` stored. Raises ``ValueError`` for an unknown kind."""
    kind, free, total = FixKind(stored["kind"]), stored["free"], stored["total"]
    if kind is FixKind.MOVE_COURSE:
        return MoveCourse(free, total, time.fromisoformat(stored["to_time"]))
    on = date.fromisoformat(stored["on"])
    if kind is FixKind.START_LATER:
        return StartLater(free, total, on)
    return MoveSession(free, total, stored["number"], on, time.fromisoformat(stored["to_time"]))


def applied(need: CourseNeed, fix: Fix) -> CourseNeed:
    """What the booking needs after the change: its new sessions are in ``sessions``.

    Raises ``Conflict`` ``fix-outdated`` when the booking is no longer the one the change was found for.
    """
    changed: CourseNeed | None
    if isinstance(fix, MoveCourse):
        changed = need.at(fix.to_time)
    elif isinstance(fix, StartLater):
        changed = need.starting(fix.on)
    else:
        changed = _with_moved(need, fix)
    if changed is None:
        raise Conflict("fix-outdated", "The booking has changed meanwhile: this change no longer fits it.")
    return changed


def _with_moved(need: CourseNeed, fix: MoveSession) -> CourseNeed | None:
    session = next((s for s in need.sessions if (s.number, s.date) == (fix.number, fix.on)), None)
    moved = session and moved_within_day(need, session, fix.to_time)
    if moved is None:
        return None
    return need.with_sessions((*(other for other in need.sessions if other is not session), moved))


def moved_within_day(need: CourseNeed, session: PlannedSession, to_time: time) -> PlannedSession | None:
    """One of the need's sessions at another time of its day.

    ``None`` for a session online, which keeps its time slot (rule B7), for a time that ends past midnight or does not
    exist on that day, and where the booking's own sessions would overlap.
    """
    if session.mode is not SessionMode.OFFLINE:
        return None
    try:
        moved = planned_move(session, session.date, to_time, need.time_zone)
    except Invalid:
        return None
    overlaps = any(moved.period.overlaps(other.period) for other in need.sessions if other is not session)
    return None if moved.shifted or overlaps else moved
