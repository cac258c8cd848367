"""The bundled list of cities a place can be picked from when a family knows no coordinates.

Data: GeoNames, CC BY 4.0.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from webapp.core.geo import Location

_FILE = Path(__file__).with_name("cities.csv")


@dataclass(frozen=True, slots=True)
class City:
    """A city: its GeoNames id as text, and its middle."""

    id: str
    name: str
    state: str
    place: Location
    population: int

    @property
    def title(self) -> str:
        """Name and state in one."""
        return f"{self.name}, {self.state}"


@lru_cache(maxsize=1)
def cities() -> dict[str, City]:
    """All cities by id, in the order of the file: by state, then by name."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        return {
            row["id"]: City(
                id=row["id"],
                name=row["name"],
                state=row["state"],
                place=Location(float(row["lat"]), float(row["lng"])),
                population=int(row["population"]),
            )
            for row in csv.DictReader(file)
        }


@lru_cache(maxsize=1)
def by_state() -> dict[str, tuple[City, ...]]:
    """The cities of each state, for a list in groups."""
    groups: dict[str, list[City]] = {}
    for city in cities().values():
        groups.setdefault(city.state, []).append(city)
    return {state: tuple(found) for state, found in groups.items()}


def find_town(name: str) -> Location | None:
    """The middle of a city by its name (the largest of that name), with or without its state; for short Plus Codes."""
    wanted = name.partition(",")[0].strip().casefold()
    found = [city for city in cities().values() if city.name.casefold() == wanted]
    return max(found, key=lambda city: city.population).place if found else None
