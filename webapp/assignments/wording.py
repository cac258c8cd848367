"""Verdicts in the reader's language: the rules know codes and facts, pages need sentences."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from flask_babel import format_decimal
from flask_babel import lazy_gettext as _l

from webapp.assignments.fixes import Fix
from webapp.assignments.grid import Cell
from webapp.assignments.rules import AssignmentKind, Preference, Reason, RecheckStanding
from webapp.web.filters import clock_time, day
from webapp.web.words import _

_PREFERENCES: Final = {
    Preference.LANGUAGE: _l("Speaks the language wished for"),
    Preference.GENDER: _l("Gender as wished for"),
    Preference.TAUGHT_BEFORE: _l("Taught the family before, as wished for"),
    Preference.NAMED: _l("Asked for by name"),
}

_KINDS: Final = {
    AssignmentKind.COURSE: _l("Whole course"),
    AssignmentKind.REPLACEMENT: _l("Replacement for all that remains"),
    AssignmentKind.SUBSTITUTE: _l("Substitute for single sessions"),
}

_RECHECKS: Final = {
    RecheckStanding.WAITS: _l(
        "%(trainer)s was approved on trainers as of %(since)s. That is checked again when the trainer service has"
        " answered."
    ),
    RecheckStanding.OPEN: _l(
        "%(trainer)s was approved on trainers as of %(since)s. The trainer service has answered since: that is checked"
        " again within minutes, or, where it did not name %(trainer)s, after its next full list."
    ),
    RecheckStanding.HELD_BACK: _l(
        "%(trainer)s was approved on trainers as of %(since)s. The trainer service has answered since, but what it says"
        " of %(trainer)s cannot be used. That is checked again when an admin has settled it, in quarantine."
    ),
    RecheckStanding.CONFIRMED: _l("%(trainer)s was checked again: nothing stands against it."),
    RecheckStanding.LEFT: _l("%(trainer)s has left. The sessions that remain need somebody else."),
    RecheckStanding.INACTIVE: _l("%(trainer)s is no longer active. The sessions that remain need somebody else."),
    RecheckStanding.NOT_CERTIFIED: _l(
        "%(trainer)s is not certified for this course. Replace the trainer, or have the certification entered where the"
        " roster is kept."
    ),
    RecheckStanding.NOT_IN_ZONE: _l(
        "%(trainer)s does not work in this zone. Replace the trainer, or have the zone entered where the roster is"
        " kept."
    ),
}

_CELLS: Final = {
    Cell.FREE: ("✓", _l("free")),
    Cell.TRAVEL_TIGHT: ("→", _l("too little time for the way")),
    Cell.BUSY: ("■", _l("busy")),
    Cell.OFF: ("○", _l("away")),
    Cell.OUTSIDE_HOURS: ("–", _l("outside working hours")),
}


def _moment(local: datetime) -> str:
    return _("%(day)s at %(time)s", day=day(local.date()), time=clock_time(local.time()))


def _km(km: float) -> str:
    # To the metre: rounded further, "3.0 km away, limit 3 km" would contradict itself.
    return str(format_decimal(km, "#,##0.###"))


def reason_words(reason: Reason) -> str:
    """Why a trainer cannot take the course: "Busy in 3 of 30 sessions, first Tue 12 Jan 2027 at 09:00".

    A Jinja global. Moments are local to the booking's zone.
    """
    sentence, places = reason.sentence(moment=_moment, km=_km)
    return _(sentence, **places)


def preference_words(preference: Preference) -> str:
    """Which of the family's wishes a trainer meets. A Jinja global."""
    return str(_PREFERENCES[preference])


def kind_words(kind: AssignmentKind) -> str:
    """What a proposal is for. A Jinja global."""
    return str(_KINDS[kind])


def recheck_words(standing: RecheckStanding, trainer: str, since: str) -> str:
    """How an approval made on trainers as of ``since`` stands, in words. A Jinja global."""
    return str(_RECHECKS[standing]) % {"trainer": trainer, "since": since}


def cell_mark(cell: Cell) -> str:
    """The sign of a cell of the grid, the same in every language. A Jinja global."""
    return _CELLS[cell][0]


def cell_words(cell: Cell) -> str:
    """What a cell of the grid means. A Jinja global."""
    return str(_CELLS[cell][1])


def fix_words(fix: Fix) -> str:
    """The change that would do: "Free for 29 of 30: move session 17 to 10:20". A Jinja global."""
    sentence, places = fix.sentence(clock=clock_time, day=day)
    return _(sentence, **places)
