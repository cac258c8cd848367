"""What a place tells by itself: its time zone, whether it lies in the sea, and whether its numbers were swapped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Final

from timezonefinder import TimezoneFinder

from webapp.core.geo import Location
from webapp.zones.rules import is_time_zone

FAR_KM: Final = 300.0
"""A zone is seldom drawn farther than that from every other one."""

_lock: Final = Lock()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What lies around a place: kilometres to the nearest zone's centre, ``None`` where there are no zones."""

    on_land: bool
    nearest_km: float | None

    @property
    def likely(self) -> bool:
        """Whether somebody would draw a zone here."""
        return self.on_land and (self.nearest_km is None or self.nearest_km <= FAR_KM)


def looks_swapped(here: Surroundings, swapped: Surroundings) -> bool:
    """Whether latitude and longitude seem to be the wrong way round: lost here, at home there."""
    return not here.likely and swapped.likely


def swapped(place: Location) -> Location | None:
    """The place with its numbers changed over; ``None`` where that is no place."""
    return Location(place.lng, place.lat) if abs(place.lng) <= 90 else None


def time_zone_at(place: Location) -> str | None:
    """The IANA time zone of a place on land, from boundaries that lie on this machine; ``None`` at sea."""
    with _lock:  # the finder reads its file from one place to the next
        found: str | None = _finder().timezone_at_land(lat=place.lat, lng=place.lng)
    return found if found is not None and is_time_zone(found) else None


@lru_cache(maxsize=1)
def _finder() -> TimezoneFinder:
    """A quarter of a second and thirty megabytes, which only a process that needs it pays."""
    return TimezoneFinder()
