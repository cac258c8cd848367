"""The smallest change of a booking as a button says it, and what it does to the form; the moves a booking carries."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l
from wtforms import Field
from wtforms.validators import ValidationError

from webapp.assignments.fixes import FixKind, MoveSession, StartLater
from webapp.assignments.rules import Verdict

Move = tuple[int, time]
"""A session's number and the time of its own day at which it is taught instead, local to the booking's zone."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a pressed button asks to change, for the sake of which trainer."""

    kind: FixKind
    trainer_id: UUID
    number: int | None = None
    to_time: time | None = None
    on: date | None = None


def fix_value(verdict: Verdict) -> str:
    """The value of the button that applies a trainer's fix; nothing where there is none. A Jinja global."""
    fix = verdict.fix
    if fix is None:
        return ""
    if isinstance(fix, StartLater):
        what = fix.on.isoformat()
    elif isinstance(fix, MoveSession):
        what = move_value((fix.number, fix.to_time))
    else:
        what = f"{fix.to_time:%H:%M}"
    return f"{fix.kind.value}/{verdict.trainer_id}/{what}"


def read_fix(text: str | None) -> Change | None:
    """What ``fix_value`` wrote, ``None`` for nothing and for rubbish."""
    with contextlib.suppress(ValueError):
        kind, trainer_id, what = (text or "").split("/")
        change = Change(FixKind(kind), UUID(trainer_id))
        if change.kind is FixKind.START_LATER:
            return Change(change.kind, change.trainer_id, on=date.fromisoformat(what))
        if change.kind is FixKind.MOVE_SESSION:
            number, to_time = _read_move(what)
            return Change(change.kind, change.trainer_id, number, to_time)
        return Change(change.kind, change.trainer_id, to_time=_clock(what))
    return None


def move_value(move: Move) -> str:
    """A move as a form carries it: "17@10:20". A Jinja global."""
    return f"{move[0]}@{move[1]:%H:%M}"


def _clock(text: str) -> time:
    """A time of day like "10:20". Raises ``ValueError`` for anything else."""
    at = time.fromisoformat(text)
    if f"{at:%H:%M}" != text:
        raise ValueError(text)
    return at


def _read_move(text: str) -> Move:
    number, _at, clock = text.partition("@")
    return int(number), _clock(clock)


def shifted(moves: Sequence[Move], before: time, after: time) -> tuple[Move, ...]:
    """The moves of a course that is moved as a whole; one that would leave its day is given up."""
    by = _minute(after) - _minute(before)
    found = ((number, _minute(at) + by) for number, at in moves)
    return tuple((number, time(*divmod(minute, 60))) for number, minute in found if 0 <= minute < 24 * 60)


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute


class MovesField(Field):
    """Sessions moved within their day; ``data`` is a tuple of moves, one for a number, in the numbers' order."""

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Read the moves."""
        try:
            self.data = tuple(sorted(dict(_read_move(str(value)) for value in valuelist).items()))
        except ValueError as error:
            self.data = ()
            raise ValidationError(_l("Choose from the list.")) from error
