"""How dates, times, distances and spans are written for people. Jinja filters, in the reader's language.

Weekday always; the zone's abbreviation wherever zones could differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel.dates import format_date as babel_date
from flask import Flask
from flask_babel import format_decimal, get_locale

from webapp.core import clock
from webapp.core.names import ERASED
from webapp.web.words import _

_DAY: Final = "EEE d MMM y"
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY_SECONDS: Final = 24 * _HOUR


def day(value: date | None) -> str:
    """A local date with its weekday: "Mon 4 Jan 2027"; nothing for nothing."""
    if value is None:
        return ""
    return babel_date(value, _DAY, locale=get_locale() or "en")


def zone_abbreviation(at: datetime) -> str:
    """What people call the zone of an aware local instant: "IST", "EST"; zones without a name say "UTC+4"."""
    name = at.tzname() or ""
    if name[:1] not in "+-" or not name:
        return name
    digits = name[1:].lstrip("0")
    hours, minutes = (name[1:3].lstrip("0") or "0"), name[3:5]
    return "UTC" + (name[0] + hours + (":" + minutes if minutes not in ("", "00") else "") if digits else "")


def clock_time(value: time | None, zone: str | None = None, on: date | None = None) -> str:
    """A local wall-clock time: "16:00"; with an IANA zone "16:00 IST" (its abbreviation on the day ``on``)."""
    if value is None:
        return ""
    text = value.strftime("%H:%M")
    if zone is None:
        return text
    at = datetime.combine(on or clock.today_in(zone, clock.now()), value, ZoneInfo(zone))
    return f"{text} {zone_abbreviation(at)}"


def instant(value: datetime | None, zone: str) -> str:
    """An aware instant as it is in an IANA zone: "Mon 4 Jan 2027, 16:00 IST"; nothing for nothing."""
    if value is None:
        return ""
    local = value.astimezone(ZoneInfo(zone))
    return f"{day(local.date())}, {local:%H:%M} {zone_abbreviation(local)}"


def moment(value: datetime, zone: str) -> str:
    """An aware instant as it is in an IANA zone, said shortly where it is today's there: "14:05 IST"."""
    local = value.astimezone(ZoneInfo(zone))
    if local.date() != clock.today_in(zone, clock.now()):
        return instant(value, zone)
    return f"{local:%H:%M} {zone_abbreviation(local)}"


def iso(value: datetime) -> str:
    """An aware instant for a machine: ISO 8601 in UTC to the second."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float) -> str:
    """A length of time in its largest unit, rounded down: "45 min", "3 h", "2 days"."""
    whole = int(abs(seconds))
    if whole < _HOUR:
        return str(_("%(number)s min", number=whole // _MINUTE))
    if whole < 2 * _DAY_SECONDS:
        return _("%(number)s h", number=whole // _HOUR)
    return _("%(number)s days", number=whole // _DAY_SECONDS)


def ago(value: datetime | None, now: datetime | None = None) -> str:
    """How far an aware instant lies from now: "in 3 h", "2 h ago", "just now"; nothing for nothing."""
    if value is None:
        return ""
    seconds = (value - (now or clock.now())).total_seconds()
    if abs(seconds) < _MINUTE:
        return _("just now")
    if seconds > 0:
        return _("in %(span)s", span=span(seconds))
    return _("%(span)s ago", span=span(seconds))


def distance(km: float | None) -> str:
    """A distance given in kilometres: "450 m", "1.1 km", "12 km"; nothing for nothing."""
    if km is None:
        return ""
    if km < 0.9995:
        return _("%(number)s m", number=round(km * 1000))
    return _("%(number)s km", number=format_decimal(round(km, 1) if km < 10 else round(km)))


def minutes(value: int | None) -> str:
    """A number of minutes as time: "40 min", "2 h", "2 h 20 min"; nothing for nothing."""
    if value is None:
        return ""
    hours, rest = divmod(value, 60)
    if not hours:
        return _("%(number)s min", number=rest)
    if not rest:
        return _("%(number)s h", number=hours)
    return _("%(hours)s h %(minutes)s min", hours=hours, minutes=rest)


def person(name: str | None) -> str:
    """The name of a guardian or student; of a family that was erased there is none left."""
    return name if name and name != ERASED else _("Erased family")


def people(names: Iterable[Any]) -> str:
    """Names, or things that have one, in a row: "Arun, Meena"; those of an erased family are said once."""
    said = (person(one if isinstance(one, str) else one.name) for one in names)
    return ", ".join(dict.fromkeys(said))


def told(text: str | None) -> str:
    """What somebody wrote, unless it was erased with a family's data; nothing for nothing."""
    return _("erased with the family's data") if text == ERASED else text or ""


def register(app: Flask) -> None:
    """Give the filters to the templates, each under its own name; ``clock_time`` is ``clock`` there."""
    app.jinja_env.filters.update(
        day=day,
        clock=clock_time,
        instant=instant,
        moment=moment,
        iso=iso,
        ago=ago,
        span=span,
        distance=distance,
        minutes=minutes,
        person=person,
        people=people,
        told=told,
    )
