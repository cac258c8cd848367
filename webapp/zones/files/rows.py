"""From the texts of a row to a zone: the same for CSV and GeoJSON. Nothing raises; what cannot be read is a fault."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from math import isfinite
from typing import BinaryIO, Final, TypeVar
from uuid import UUID

import shapely

from webapp.core.errors import Invalid
from webapp.core.geo import Location
from webapp.core.names import clean_lines, name_key
from webapp.core.words import msgid
from webapp.zones.files.csv_rows import CIRCLE, csv_rows
from webapp.zones.files.geojson_rows import geojson_rows
from webapp.zones.files.said import (
    MAX_REASON,
    Fault,
    FileFormat,
    FileZone,
    RawRow,
    ReadRow,
    bad_file,
    fault_of,
    opened,
    shown,
)
from webapp.zones.rules import ZoneCommand
from webapp.zones.shapes import MAX_DRAWN

_READERS: Final[dict[FileFormat, Callable[[BinaryIO], Iterator[RawRow]]]] = {
    FileFormat.CSV: csv_rows,
    FileFormat.GEOJSON: geojson_rows,
}
_YES: Final = frozenset({"yes", "true", "1", "y"})
_NO: Final = frozenset({"no", "false", "0", "n"})
_DEGREES: Final = {"center_lat": 90, "center_lng": 180}
_WKT: Final = re.compile(r"polygon\s*(zm?|m)?[-+0-9.e,()\s]*", re.IGNORECASE | re.ASCII)
_BETWEEN: Final = re.compile(r"[,\s]+")
T = TypeVar("T")


def format_of(data: bytes) -> FileFormat:
    """What a file is by its first letter. Raises ``BadFile`` for one that holds nothing."""
    head = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head:
        raise bad_file(msgid("The file is empty."))
    return FileFormat.GEOJSON if head[:1] in (b"{", b"[") else FileFormat.CSV


def read_rows(
    stream: BinaryIO, kind: FileFormat, *, franchise_id: UUID | None, operator_name: str | None = None
) -> Iterator[ReadRow]:
    """The rows of a file for the company (``franchise_id`` None) or a franchise, one at a time.

    A row that names another operator than ``operator_name`` is at fault. Raises ``BadFile`` when it cannot be read on.
    """
    owner = name_key(operator_name) if operator_name else None
    for raw in _READERS[kind](stream):
        yield _Row(raw, franchise_id, owner).read()


class _Row:
    """One row while it is read."""

    def __init__(self, raw: RawRow, franchise_id: UUID | None, owner: str | None) -> None:
        self._raw = raw
        self._franchise_id = franchise_id
        self._owner = owner
        self._faults = list(raw.faults)

    def read(self) -> ReadRow:
        """The row's zone with whatever of it can be read."""
        reason = self._tried(lambda: clean_lines(self._cell("reason"), limit=MAX_REASON, field="reason")) or ""
        zone = None if self._raw.faults and not self._raw.cells.get("time_zone") else self._zone()
        if self._owner is not None and (theirs := self._cell("operator")) and _key(theirs) != self._owner:
            self._say("operator", msgid("This is a zone of %(operator)s: choose that operator."), operator=theirs)
        return ReadRow(
            self._raw.line,
            shown(self._cell("name")) if self._cell("name") else "",
            zone,
            reason,
            tuple(self._faults),
        )

    def _zone(self) -> FileZone:
        unsaid = {name for name in ("travel_buffer_minutes", "active") if not self._cell(name)}
        if "label" not in self._raw.cells:
            unsaid.add("label")
        buffer = self._tried(lambda: self._whole_number("travel_buffer_minutes"))
        active = self._tried(lambda: self._yes_or_no("active"))
        shape = self._polygon(unsaid) if self._is_polygon else self._circle()
        command = ZoneCommand(
            name=self._cell("name"),
            franchise_id=self._franchise_id,
            time_zone=self._cell("time_zone"),
            label=self._cell("label"),
            travel_buffer_minutes=buffer or 0,
            active=True if active is None else active,
            **shape,  # type: ignore[arg-type]  # either shape's own fields, by name
        )
        return FileZone(command, frozenset(unsaid))

    @property
    def _is_polygon(self) -> bool:
        return self._raw.ring is not None or bool(self._cell("corners"))

    def _circle(self) -> dict[str, object]:
        found = {name: self._tried(lambda name=name: self._number(name)) for name in CIRCLE}  # type: ignore[misc]  # bound now
        if self._cell("max_travel_km"):
            self._say("max_travel_km", msgid("Only a polygon has this: a circle's trainers come from its radius."))
        lat, lng, radius = (found[name] for name in CIRCLE)
        return {"center": None if lat is None or lng is None else Location(lat, lng), "radius_km": radius}

    def _polygon(self, unsaid: set[str]) -> dict[str, object]:
        if any(self._cell(name) for name in CIRCLE):
            self._say("corners", msgid("Give a circle or a polygon, not both."))
        ring = self._raw.ring
        if ring is None:
            # Without a border it is a polygon all the same, and no circle that lacks its centre.
            ring = self._tried(lambda: ring_of_text(self._cell("corners"))) or ()
        travel = None
        if self._cell("max_travel_km"):
            travel = self._tried(lambda: self._number("max_travel_km"))
        else:
            unsaid.add("max_travel_km")
        return {"ring": ring, "max_travel_km": travel}

    def _cell(self, name: str) -> str:
        return self._raw.cells.get(name, "")

    def _say(self, field: str, sentence: str, **params: str) -> None:
        told = {name: shown(value) for name, value in params.items()}
        self._faults.append(Fault(self._raw.line, field, sentence, told))

    def _tried(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except Invalid as refused:
            self._faults.append(fault_of(self._raw.line, refused))
            return None

    def _number(self, name: str) -> float:
        return number_of(self._cell(name), name, limit=_DEGREES.get(name))

    def _whole_number(self, name: str) -> int | None:
        text = self._cell(name)
        if not text:
            return None
        value = number_of(text, name)
        if value != int(value):
            raise Invalid("number-whole", "%(text)s is not a whole number.", field=name, text=shown(text))
        return int(value)

    def _yes_or_no(self, name: str) -> bool | None:
        word = self._cell(name).casefold()
        if word and word not in _YES | _NO:
            raise Invalid("word-unknown", "Write yes or no, not %(text)s.", field=name, text=shown(word))
        return word in _YES if word else None


def _key(text: str) -> str:
    try:
        return name_key(text)
    except Invalid:
        return ""


def number_of(text: str, field: str, *, limit: int | None = None) -> float:
    """A number as a file holds it, within ``limit`` degrees of 0. Raises ``Invalid`` for the field."""
    # float() also reads "1_000", "nan", "inf" and digits of other scripts, which no spreadsheet means by a number.
    try:
        value = float(text) if text.isascii() and "_" not in text else float("nan")
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise Invalid("number-shape", "%(text)s is not a number like 17.6868.", field=field, text=shown(text))
    if limit is not None and abs(value) > limit:
        raise Invalid("degrees-range", "Degrees lie between -%(limit)s and %(limit)s.", field=field, limit=limit)
    return value


def ring_of_text(text: str, field: str = "corners") -> tuple[Location, ...]:
    """Corners as "lat, lng; lat, lng" (or one a line), or as WKT ``POLYGON ((lng lat, …))``. Raises ``Invalid``."""
    if text.count(";") + text.count(",") > 3 * MAX_DRAWN:
        raise Invalid("ring-too-long", "Draw at most %(limit)s corners.", field=field, limit=MAX_DRAWN)
    if text[:7].casefold() == "polygon":
        return _ring_of_wkt(text, field)
    ring = []
    for part in re.split("[;\n]", text):
        if part.strip():
            numbers = _BETWEEN.split(part.strip())
            if len(numbers) != 2:
                raise Invalid(
                    "corner-shape", "%(text)s is not a corner like 17.6868, 83.2185.", field=field, text=shown(part)
                )
            ring.append(Location(number_of(numbers[0], field, limit=90), number_of(numbers[1], field, limit=180)))
    return opened(tuple(ring))


def _ring_of_wkt(text: str, field: str) -> tuple[Location, ...]:
    if not _WKT.fullmatch(text):  # "nan" and "inf" are numbers to Shapely
        raise _no_wkt(field)
    try:
        polygon = shapely.from_wkt(text)
    except (shapely.errors.ShapelyError, ValueError) as error:
        raise _no_wkt(field) from error
    if polygon.geom_type != "Polygon" or polygon.is_empty:
        raise _no_wkt(field)
    if len(polygon.interiors):
        raise Invalid("ring-hole", "The polygon has a hole: a zone has one border.", field=field)
    ring = []
    for lng, lat in shapely.get_coordinates(polygon.exterior).tolist():
        if not (abs(lat) <= 90 and abs(lng) <= 180):  # NaN as well
            raise Invalid(
                "corner-range",
                "%(text)s is no corner: give longitude before latitude, in degrees.",
                field=field,
                text=f"{lng!r} {lat!r}",
            )
        ring.append(Location(lat, lng))
    return opened(tuple(ring))


def _no_wkt(field: str) -> Invalid:
    return Invalid("wkt-shape", "This is no POLYGON as WKT writes it, its first corner again at its end.", field=field)
