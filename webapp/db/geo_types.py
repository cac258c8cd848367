"""PostgreSQL's core geometric types: ``box`` and ``polygon``, with x = longitude and y = latitude in degrees."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.types import UserDefinedType

from webapp.core.geo import Bounds, Location

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)


class Box(UserDefinedType[Bounds]):
    """A bounding box, GiST-indexable; may reach over the 180° meridian (see ``core.geo.Bounds``)."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The SQL type's name."""
        return "BOX"

    def bind_processor(self, dialect: Dialect) -> Callable[[Bounds | None], str | None]:
        """Bounds to ``(east,north),(west,south)``."""
        return lambda b: None if b is None else f"({b.east!r},{b.north!r}),({b.west!r},{b.south!r})"

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Bounds | None]:
        """Text of a box to Bounds."""

        def read(value: str | None) -> Bounds | None:
            if value is None:
                return None
            east, north, west, south = (float(n) for n in _NUMBER.findall(value))
            return Bounds(south, west, north, east)

        return read


class Ring(UserDefinedType[tuple[Location, ...]]):
    """A simple ring of corners, stored as a ``polygon``; the last corner is not repeated."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The SQL type's name."""
        return "POLYGON"

    def bind_processor(self, dialect: Dialect) -> Callable[[tuple[Location, ...] | None], str | None]:
        """Corners to ``((lng,lat),…)``."""
        return lambda ring: None if ring is None else "(" + ",".join(f"({c.lng!r},{c.lat!r})" for c in ring) + ")"

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[str | None], tuple[Location, ...] | None]:
        """Text of a polygon to corners."""

        def read(value: str | None) -> tuple[Location, ...] | None:
            if value is None:
                return None
            numbers = [float(n) for n in _NUMBER.findall(value)]
            return tuple(Location(lat, lng) for lng, lat in zip(numbers[::2], numbers[1::2], strict=True))

        return read
