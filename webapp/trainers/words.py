"""What the trainers' pages call things: where a trainer is kept, how they stand, why what is said of them is no use."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from flask_babel import lazy_gettext as _l

from webapp.households.rules import Gender
from webapp.trainers.rules import Source, Standing
from webapp.trainers.sync_rules import Owned
from webapp.web.filters import moment
from webapp.web.words import _

WEEKDAYS: Final = (
    _l("Monday"),
    _l("Tuesday"),
    _l("Wednesday"),
    _l("Thursday"),
    _l("Friday"),
    _l("Saturday"),
    _l("Sunday"),
)
SOURCES: Final[dict[Source, Any]] = {
    Source.DESK: _l("The desk"),
    Source.SERVICE: _l("Trainer service"),
}
STANDINGS: Final[dict[Standing, Any]] = {
    Standing.ACTIVE: _l("Active"),
    Standing.INACTIVE: _l("Inactive"),
    Standing.LEFT: _l("Has left"),
}
GENDERS: Final[dict[Gender, Any]] = {
    Gender.FEMALE: _l("Female"),
    Gender.MALE: _l("Male"),
    Gender.OTHER: _l("Other"),
}
OWNED: Final[dict[Owned, Any]] = {
    Owned.NAME: _l("Name"),
    Owned.ACTIVE: _l("Active"),
    Owned.BASE: _l("Base"),
    Owned.COURSES: _l("Certified for"),
    Owned.ZONES: _l("Works in"),
    Owned.HOURS: _l("Weekly hours"),
    Owned.TIME_OFF: _l("Time off"),
}
"""What the pages call the fields that the trainer service may own."""
_HELD_BACK: Final[dict[str, Any]] = {
    "franchise-unknown": _l("It names a franchise of which nobody has said which one it is here."),
    "franchise-unsaid": _l("It does not say whose the trainer is."),
    "operator-changed": _l("It says that the trainer is another operator’s now."),
    "zone-of-another-operator": _l("It names a zone of another operator."),
    "zones-time-zone": _l("It names zones in different time zones."),
    "zones-unknown": _l("It names no zone that is known here."),
    "no-time-zone": _l("It names no zone, and no zone here tells the trainer’s time zone."),
    "unreadable": _l("Part of it cannot be read."),
}


def held_back_words(code: str) -> str:
    """Why what the trainer service says of a trainer cannot be used. A Jinja global."""
    return str(_HELD_BACK.get(code) or _("It cannot be used (%(code)s).", code=code))


def kept_words(
    from_service: bool, held_back_at: datetime | None, fresh_at: datetime | None, zone: str, *, served: bool
) -> str:
    """Where a trainer is kept, and as of when what is shown holds; ``served`` while there is a trainer service.

    A Jinja global.
    """
    if not from_service:
        return _("Kept in the desk")
    as_of = held_back_at or fresh_at
    if as_of is None:
        return _("From the trainer service") if served else _("From the trainer service; the desk looks after it now")
    told = moment(as_of, zone)
    if served:
        return _("From the trainer service, as of %(moment)s", moment=told)
    return _("From the trainer service, as of %(moment)s; the desk looks after it now", moment=told)
