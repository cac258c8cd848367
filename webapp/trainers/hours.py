"""Working hours of one day as people type them: "9-13, 15:00–19:30". Pure: text in, periods out, and back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import time
from itertools import pairwise
from typing import Final

from webapp.core.errors import Invalid
from webapp.trainers.rules import MINUTES_PER_DAY, WorkingHours

MAX_TEXT: Final = 200
"""Longest text of one day, in characters."""

_DASHES: Final = dict.fromkeys(map(ord, "‐‑‒–—―−~〜"), "-")
_NOTHING: Final = frozenset({"", "-", "off", "closed", "none"})
# A space parts two periods only between what ends one and what begins the next: "9-13 15-19".
_BETWEEN: Final = re.compile(r"[,;&\n]|\band\b|(?<=[0-9m]) (?=[0-9])")
_UNTIL: Final = re.compile(r"-|\bto\b|\btill\b|\buntil\b")
_CLOCK: Final = re.compile(r"([0-9]{1,2})(?:[:.h]?([0-9]{2}))? ?(am|pm)?")
_WORDS: Final = {"midnight": MINUTES_PER_DAY, "noon": MINUTES_PER_DAY // 2, "midday": MINUTES_PER_DAY // 2}


def read_hours(text: str, weekday: int, *, field: str = "hours") -> tuple[WorkingHours, ...]:
    """The periods of one weekday, sorted; none for an empty text, "off" and a dash.

    Raises ``Invalid`` for ``field`` with the very piece that cannot be read, is no time of day, runs backwards or
    overlaps another.
    """
    plain = _plain(text)
    if plain in _NOTHING:
        return ()
    found = sorted(_period(piece.strip(), weekday, field) for piece in _BETWEEN.split(plain) if piece.strip())
    for before, after in pairwise(found):
        if after.start_minute < before.end_minute:
            both = {"first": _written(before), "second": _written(after)}
            raise Invalid("hours-overlap", "%(first)s and %(second)s overlap.", field=field, **both)
    return tuple(found)


def write_hours(periods: Iterable[WorkingHours]) -> str:
    """The periods of one weekday as ``read_hours`` reads them: "09:00-13:00, 15:00-24:00"."""
    return ", ".join(_written(period) for period in sorted(periods))


def _plain(text: str) -> str:
    """Small letters, one kind of dash and digit, single spaces."""
    normal = unicodedata.normalize("NFKC", text).translate(_DASHES).lower()
    digits = "".join(str(unicodedata.decimal(letter)) if letter.isdecimal() else letter for letter in normal)
    return " ".join(digits.replace("a.m.", "am").replace("p.m.", "pm").split())


def _period(piece: str, weekday: int, field: str) -> WorkingHours:
    ends = [end.strip() for end in _UNTIL.split(piece)]
    clocks = [_clock(end, piece, field) for end in ends if end]
    if len(ends) != 2 or len(clocks) != 2:
        raise _unreadable(piece, field)
    (first, first_half), (last, last_half) = clocks
    if (first_half is None) != (last_half is None) and not {ends[0], ends[1]} & _WORDS.keys():
        # "1-5pm": whether one in the night is meant, or one in the afternoon, nobody can tell.
        raise Invalid("hours-half", "“%(piece)s”: say am or pm for both, or write 13:00.", field=field, piece=piece)
    period = WorkingHours(weekday, _at(first), _at(last))
    if period.start_minute >= period.end_minute:
        sentence = "“%(piece)s” ends before it starts. Hours after midnight belong to the next day."
        raise Invalid("hours-order", sentence, field=field, piece=piece)
    return period


def _clock(text: str, piece: str, field: str) -> tuple[int, str | None]:
    """Minutes from midnight, 0 to 1,440, and whether it was said as ``am`` or ``pm``."""
    if text in _WORDS:
        return _WORDS[text], None
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise _unreadable(piece, field)
    hour, minute, half = int(found[1]), int(found[2] or 0), found[3]
    if half is not None:
        if not 1 <= hour <= 12:
            raise _no_time(text, field)
        hour = hour % 12 + 12 * (half == "pm")
    at = hour * 60 + minute
    if minute > 59 or at > MINUTES_PER_DAY:
        raise _no_time(text, field)
    return at, half


def _at(minute: int) -> time:
    """A minute of the day as a wall clock shows it: the midnight that ends the day is 00:00, as in ``WorkingHours``."""
    return time(minute // 60 % 24, minute % 60)


def _written(period: WorkingHours) -> str:
    ends = "24:00" if period.end_minute == MINUTES_PER_DAY else f"{period.ends:%H:%M}"
    return f"{period.starts:%H:%M}-{ends}"


def _unreadable(piece: str, field: str) -> Invalid:
    return Invalid("hours-unreadable", "“%(piece)s”: write hours as 09:00-13:00.", field=field, piece=piece)


def _no_time(text: str, field: str) -> Invalid:
    sentence = "“%(time)s” is no time of day: they go from 00:00 to 24:00."
    return Invalid("hours-time", sentence, field=field, time=text)
