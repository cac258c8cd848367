"""Zones in words: square kilometres, and how many students live somewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from webapp.core.geo import Location
from webapp.core.words import msgid
from webapp.web.filters import minutes
from webapp.web.words import _, ngettext
from webapp.zones.history import Version
from webapp.zones.rules import ZoneCommand, ZoneKind, said_km2

BANDS: Final = (5, 10, 25, 50, 100, 250, 500, 1000)
"""Where the bands of counts begin that are told of another operator's students."""


def area(km2: float) -> str:
    """Square kilometres, never none where there is some."""
    return _("%(number)s km²", number=said_km2(km2))


def students_exactly(count: int) -> str:
    """How many students live somewhere."""
    return ngettext("%(num)s student lives there", "%(num)s students live there", count)


def students_roughly(count: int) -> str:
    """The same of an operator whose families are none of the reader's business.

    In bands: a border drawn to and fro around one house would tell by an exact number whether it is a customer's.
    """
    if count < BANDS[0]:
        return _("fewer than %(count)s students live there", count=BANDS[0])
    lowest = max(band for band in BANDS if band <= count)
    return _("%(count)s or more students live there", count=lowest)


def _shape(zone: ZoneCommand) -> str:
    center = zone.measured_center
    if zone.kind is ZoneKind.CIRCLE:
        words = _("Circle of %(radius)s about %(place)s", radius=_km(zone.radius_km), place=_place(center))
    else:
        count = len(zone.ring or ())
        words = ngettext(
            "Polygon of %(num)s corner about %(place)s",
            "Polygon of %(num)s corners about %(place)s",
            count,
            place=_place(center),
        )
    return f"{words}, {area(zone.area_km2)}"


def _km(km: float | None) -> str:
    """Kilometres to the last digit: what was changed by little was changed."""
    return _("%(number)s km", number=f"{km or 0.0:.10g}")


def _place(place: Location) -> str:
    return f"{place.lat:.5f}, {place.lng:.5f}"


_FACTS: Final[Mapping[str, tuple[str, Callable[[ZoneCommand], str]]]] = {
    "name": (msgid("Name"), lambda zone: zone.name),
    "label": (msgid("Label"), lambda zone: zone.label),
    "shape": (msgid("Border"), _shape),
    "max_travel_km": (
        msgid("Trainers come from at most"),
        lambda zone: _km(zone.max_travel_km) if zone.max_travel_km else "",
    ),
    "time_zone": (msgid("Time zone"), lambda zone: zone.time_zone),
    "travel_buffer_minutes": (msgid("Travel buffer"), lambda zone: minutes(zone.travel_buffer_minutes)),
    "active": (msgid("State"), lambda zone: _("Active") if zone.active else _("Retired")),
}
_SHAPE: Final = frozenset({"kind", "center", "radius_km", "ring"})


def changes_told(version: Version) -> list[tuple[str, str, str]]:
    """What a version changed, as label, what it was and what it became; all that it held for the first one."""
    names = dict.fromkeys("shape" if name in _SHAPE else name for name in version.changed)
    if version.before is None:
        return [(_(label), "", words(version.zone)) for label, words in _FACTS.values() if words(version.zone)]
    told = [_FACTS[name] for name in names]
    return [(_(label), words(version.before), words(version.zone)) for label, words in told]
