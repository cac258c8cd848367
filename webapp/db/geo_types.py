"""Shapes in columns: PostgreSQL's ``box`` and rings of corners; longitude before latitude, in degrees."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import ARRAY, Dialect, Double
from sqlalchemy.types import TypeDecorator, UserDefinedType

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
        return lambda bounds: None if bounds is None else box_text(bounds)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Bounds | None]:
        """Text of a box to Bounds."""

        def read(value: str | None) -> Bounds | None:
            if value is None:
                return None
            east, north, west, south = (float(n) for n in _NUMBER.findall(value))
            return Bounds(south, west, north, east)

        return read


class Ring(TypeDecorator[tuple[Location, ...]]):
    """A simple ring of corners: longitude and latitude by turns, as in GeoJSON; the last corner is not repeated.

    Plain numbers and no ``polygon``, whose operators compare with a tolerance (ADR 20).
    """

    impl = ARRAY(Double)
    cache_ok = True

    def process_bind_param(self, value: tuple[Location, ...] | None, dialect: Dialect) -> list[float] | None:
        """Corners to numbers."""
        return None if value is None else numbers_of(value)

    def process_result_value(self, value: list[float] | None, dialect: Dialect) -> tuple[Location, ...] | None:
        """Numbers to corners."""
        return ring_of(value)


def box_text(bounds: Bounds) -> str:
    """A box as PostgreSQL reads it."""
    return f"({bounds.east!r},{bounds.north!r}),({bounds.west!r},{bounds.south!r})"


def numbers_of(ring: Iterable[Location]) -> list[float]:
    """A ring as numbers, whole ones as floats too: the driver takes no list of several types."""
    return [float(number) for corner in ring for number in (corner.lng, corner.lat)]


def ring_of(numbers: Sequence[float] | None) -> tuple[Location, ...] | None:
    """A ring from its numbers, longitude and latitude by turns."""
    if numbers is None:
        return None
    return tuple(Location(lat, lng) for lng, lat in zip(numbers[::2], numbers[1::2], strict=True))
