"""Zones in words: square kilometres, and how many students live somewhere."""

from __future__ import annotations

from typing import Final

from webapp.web.words import _, ngettext
from webapp.zones.rules import said_km2

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
