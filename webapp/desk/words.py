"""The desk's own words: what is still missing, and what happened to a booking, one line for each audit entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Final

from flask_babel import lazy_gettext as _l

from webapp.audit.queries import Happened
from webapp.bookings.words import PAYMENTS
from webapp.core.actor import ActorKind
from webapp.desk.rules import Missing
from webapp.web.filters import clock_time, day
from webapp.web.words import _

_MISSING: Final[dict[Missing, Any]] = {
    Missing.PLACE: _l("place"),
    Missing.COURSE: _l("course"),
    Missing.KIND: _l("class, days and sessions"),
    Missing.START: _l("first day"),
    Missing.TIMESLOT: _l("time"),
}


def missing_words(missing: Iterable[Missing]) -> list[str]:
    """What the desk still has to ask. A Jinja global."""
    return [str(_MISSING[thing]) for thing in missing]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline."""

    icon: str
    sentence: str
    text: str


_PLAIN: Final[dict[str, tuple[str, Any]]] = {
    "booking.placed": ("calendar-plus", _l("%(who)s placed the booking")),
    "booking.edited": ("pencil", _l("%(who)s edited the booking")),
    "booking.no_trainer": ("user-off", _l("%(who)s looked for a trainer; nobody was free")),
    "booking.retry_on": ("refresh", _l("%(who)s lets the desk retry the waitlist")),
    "booking.retry_off": ("hourglass", _l("%(who)s keeps it waiting for somebody to decide")),
    "booking.in_progress": ("player-play", _l("The first session was taught")),
    "booking.completed": ("circle-check", _l("%(who)s completed the booking")),
    "booking.cancelled": ("ban", _l("%(who)s cancelled the booking")),
    "assignment.proposed": ("user-check", _l("%(who)s proposed %(trainer)s")),
    "assignment.approved": ("checklist", _l("%(who)s approved %(trainer)s")),
    "assignment.rejected": ("circle-x", _l("%(who)s rejected the proposal")),
    "assignment.withdrawn": ("ban", _l("%(who)s withdrew the proposal")),
    "assignment.expired": ("clock", _l("The hold ended without a decision")),
    "assignment.replaced": ("arrows-exchange", _l("%(who)s replaced the trainer")),
    "booking.paused": ("player-pause", _l("%(who)s paused the series")),
    "session.completed": ("circle-check", _l("%(who)s completed session %(number)s")),
    "session.missed": ("circle-x", _l("%(who)s marked session %(number)s as missed")),
    "session.cancelled": ("ban", _l("%(who)s cancelled session %(number)s")),
    "session.rescheduled": ("arrows-exchange", _l("%(who)s moved session %(number)s")),
    "session.attendance": ("note", _l("%(who)s corrected the attendance of session %(number)s")),
}

_CHANGES: Final[dict[tuple[str, str], tuple[str, Any]]] = {
    ("assignment.proposed", "replacement"): ("user-check", _l("%(who)s proposed %(trainer)s for all that remains")),
    ("assignment.proposed", "substitute"): (
        "user-check",
        _l("%(who)s proposed %(trainer)s as substitute for session %(number)s"),
    ),
    ("assignment.proposed", "substitutes"): (
        "user-check",
        _l("%(who)s proposed %(trainer)s as substitute for sessions %(number)s"),
    ),
    ("assignment.approved", "replacement"): ("checklist", _l("%(who)s approved %(trainer)s for all that remains")),
    ("assignment.approved", "substitute"): (
        "checklist",
        _l("%(who)s approved %(trainer)s as substitute for session %(number)s"),
    ),
    ("assignment.approved", "substitutes"): (
        "checklist",
        _l("%(who)s approved %(trainer)s as substitute for sessions %(number)s"),
    ),
    ("assignment.rechecked", "confirmed"): (
        "shield-check",
        _l("%(who)s checked %(trainer)s again: nothing stands against it"),
    ),
    ("assignment.rechecked", "left"): ("user-off", _l("%(who)s checked %(trainer)s again: has left or is not active")),
    ("assignment.rechecked", "not_certified"): (
        "alert-triangle",
        _l("%(who)s checked %(trainer)s again: not certified for this course"),
    ),
    ("assignment.rechecked", "not_in_zone"): (
        "alert-triangle",
        _l("%(who)s checked %(trainer)s again: does not work in this zone"),
    ),
    ("session.rescheduled", "missed"): ("calendar-plus", _l("%(who)s planned the make-up of session %(number)s")),
    ("session.rescheduled", "cancelled"): ("calendar-plus", _l("%(who)s planned the make-up of session %(number)s")),
}

_UNKNOWN: Final[tuple[str, Any]] = ("info-circle", _l("%(who)s: %(what)s"))

_TOLD_ELSEWHERE: Final = frozenset(
    {"booking.pending_approval", "booking.assigned", "booking.waitlisted", "slots.released"}
)
"""What the entry of the proposal beside it says already."""


def event_words(
    happened: Happened,
    *,
    trainer: str = "",
    number: int | None = None,
    proposed: Happened | None = None,
    reason: str = "",
) -> Event | None:
    """An audit entry as a line of the timeline, ``None`` for one that another line tells. A Jinja global.

    ``trainer`` is who a proposal is about, ``proposed`` the entry that tells what it is for, ``number`` the session an
    entry is about, ``reason`` what was given for it: the row has it, the audit does not.
    """
    if happened.what in _TOLD_ELSEWHERE:
        return None
    if happened.what == "session.attendance" and not happened.before:
        return None  # The first marks come with the session's completion; only a correction is a line of its own.
    who = _("The desk") if happened.actor_kind is ActorKind.SYSTEM else happened.actor_name
    if happened.what == "booking.payment":
        words = {status.value: word for status, word in PAYMENTS.items()}
        status = words.get(str(happened.after.get("payment_status")), "")
        return Event("cash", _("%(who)s noted the payment: %(status)s", who=who, status=status), "")
    proposal = proposed.after if proposed else happened.after
    icon, sentence = _CHANGES.get(_change_of(happened, proposal)) or _PLAIN.get(happened.what, _UNKNOWN)
    numbers = proposal.get("numbers") or [number or happened.after.get("number") or ""]
    places = {"who": who, "trainer": trainer, "number": ", ".join(map(str, numbers)), "what": happened.what}
    return Event(icon, str(sentence) % places, _days_of(happened) or _doubt_of(happened) or reason)


def _change_of(happened: Happened, proposal: Mapping[str, Any]) -> tuple[str, str]:
    """What the plain words of an entry do not say: what a proposal is for, what became of a session, what was found."""
    if happened.what == "session.rescheduled":
        return happened.what, str(happened.before.get("status") or "")
    if happened.what == "assignment.rechecked":
        return happened.what, str(happened.after.get("outcome") or "")
    kind, numbers = str(proposal.get("kind") or ""), proposal.get("numbers") or ()
    return happened.what, "substitutes" if kind == "substitute" and len(numbers) > 1 else kind


def _doubt_of(happened: Happened) -> str:
    """That an approval relies on too old a roster."""
    if happened.what == "assignment.approved" and happened.after.get("recheck_since"):
        return _("on trainers that were not up to date: to be checked again")
    return ""


def _days_of(happened: Happened) -> str:
    """The days an entry is about: from when to when a session was moved, or how long a series pauses."""
    before, after = happened.before, happened.after
    if happened.what == "session.rescheduled" and "date" in before and "date" in after:
        if after.get("trainer_id", "") is None:
            return _("%(before)s → %(after)s, with nobody yet", before=_moment(before), after=_moment(after))
        return _("%(before)s → %(after)s", before=_moment(before), after=_moment(after))
    if happened.what == "booking.paused" and "from_date" in after and "to_date" in after:
        first, last = (day(date.fromisoformat(after[name])) for name in ("from_date", "to_date"))
        return _("%(first)s – %(last)s", first=first, last=last)
    return ""


def _moment(at: Mapping[str, Any]) -> str:
    on, clock = date.fromisoformat(at["date"]), time.fromisoformat(at["timeslot"])
    return _("%(day)s, %(time)s", day=day(on), time=clock_time(clock))
