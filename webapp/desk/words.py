"""The desk's own words: what is still missing, and what happened to a booking, one line for each audit entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from flask_babel import lazy_gettext as _l

from webapp.audit.queries import Happened
from webapp.bookings.words import PAYMENTS
from webapp.core.actor import ActorKind
from webapp.desk.rules import Missing
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
    "assignment.approved": ("checklist", _l("%(who)s approved the proposal")),
    "assignment.rejected": ("circle-x", _l("%(who)s rejected the proposal")),
    "assignment.withdrawn": ("ban", _l("%(who)s withdrew the proposal")),
    "assignment.expired": ("clock", _l("The hold ended without a decision")),
    "assignment.replaced": ("arrows-exchange", _l("%(who)s replaced the trainer")),
    "session.completed": ("circle-check", _l("%(who)s completed session %(number)s")),
    "session.missed": ("circle-x", _l("%(who)s marked session %(number)s as missed")),
    "session.cancelled": ("ban", _l("%(who)s cancelled session %(number)s")),
    "session.rescheduled": ("arrows-exchange", _l("%(who)s moved session %(number)s")),
    "session.attendance": ("note", _l("%(who)s corrected the attendance of session %(number)s")),
}

_TOLD_ELSEWHERE: Final = frozenset(
    {"booking.pending_approval", "booking.assigned", "booking.waitlisted", "slots.released"}
)
"""What the entry of the proposal beside it says already."""


def event_words(happened: Happened, *, trainer: str = "", number: int | None = None) -> Event | None:
    """An audit entry as a line of the timeline, ``None`` for one that another line tells. A Jinja global.

    ``trainer`` is who a proposal is about, ``number`` the session an entry is about.
    """
    if happened.what in _TOLD_ELSEWHERE:
        return None
    if happened.what == "session.attendance" and not happened.before:
        return None  # The first marks come with the session's completion; only a correction is a line of its own.
    who = _("The desk") if happened.actor_kind is ActorKind.SYSTEM else happened.actor_name
    text = str(happened.after.get("reason") or "")
    if happened.what == "booking.payment":
        words = {status.value: word for status, word in PAYMENTS.items()}
        status = words.get(str(happened.after.get("payment_status")), "")
        return Event("cash", _("%(who)s noted the payment: %(status)s", who=who, status=status), text)
    icon, sentence = _PLAIN.get(happened.what, ("info-circle", _l("%(who)s: %(what)s")))
    places = {"who": who, "trainer": trainer, "number": number or "", "what": happened.what}
    return Event(icon, str(sentence) % places, text)
