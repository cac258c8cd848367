"""Form fields of shapes: lengths, and borders as text or as a file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import isfinite
from typing import Any, Final
from zoneinfo import available_timezones

from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from wtforms.validators import ValidationError
from wtforms.widgets import HiddenInput, TextArea

from webapp.core.errors import Invalid
from webapp.core.geo import Location
from webapp.web.errors import sentence_of
from webapp.web.fields import ParsedField
from webapp.zones.borders import MOST_BYTES, read_border, read_geojson, write_border

_NOT_SHOWN: Final = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127])
"""Control characters that no page may hold; line ends and tabs stay."""


class LengthField(ParsedField):
    """Kilometres; ``data`` is a finite float or ``None``. Which lengths are sound, the rules say."""

    def read(self, text: str) -> float:
        """Read the number."""
        if "," in text:
            raise ValidationError(_l("Write the decimals with a point: 12.5."))
        try:
            value = float(text) if text.isascii() and "_" not in text else float("nan")
        except ValueError:
            value = float("nan")
        if not isfinite(value):
            raise ValidationError(_l("Give kilometres as a number, for example 12.5."))
        return value

    def show(self, value: float) -> str:
        """The number without an empty decimal."""
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)


class MinutesField(ParsedField):
    """Whole minutes; ``data`` is an int or ``None``."""

    def read(self, text: str) -> int:
        """Read the number."""
        if not (text.isascii() and text.isdigit() and len(text) <= 6):
            raise ValidationError(_l("Give whole minutes, for example 15."))
        return int(text)


class NumberSeenField(ParsedField):
    """The version a form was opened with, not for people; ``data`` is an int, 0 for what is no number."""

    widget = HiddenInput()

    def read(self, text: str) -> int:
        """Read the number."""
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0

    def take(self, number: int) -> None:
        """Hold a newer version."""
        self._typed, self.data = None, number


class BorderField(ParsedField):
    """A border as text, one corner a line, or GeoJSON; ``data`` is its corners or ``None``."""

    widget = TextArea()

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Read the lines; nothing typed is ``None``."""
        self._typed = str(valuelist[0]).translate(_NOT_SHOWN) if valuelist else ""
        self.data = self.read(self._typed) if self._typed.strip() else None

    def read(self, text: str) -> tuple[Location, ...]:
        """Read the corners."""
        return _heeding(lambda: read_border(text, field="corners"))

    def show(self, value: tuple[Location, ...]) -> str:
        """The corners, line by line."""
        return write_border(value)

    def take(self, ring: tuple[Location, ...]) -> None:
        """Hold a border that came another way."""
        self._typed, self.data, self.process_errors = None, ring, []

    def _value(self) -> str:
        return self._typed if self._typed is not None else self.show(self.data) if self.data else ""


class BorderFileField(FileField):  # type: ignore[misc]  # flask-wtf has no types
    """A GeoJSON file; ``ring`` is its border, ``None`` where none was sent."""

    ring: tuple[Location, ...] | None = None

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Read the file, never more than the most."""
        super().process_formdata(valuelist)
        if self.data:
            sent = self.data.stream.read(MOST_BYTES + 1)
            self.ring = _heeding(lambda: read_geojson(sent, field="geojson"))


def _heeding(read: Any) -> tuple[Location, ...]:
    try:
        ring: tuple[Location, ...] = read()
    except Invalid as error:
        raise ValidationError(sentence_of(error)) from error
    return ring


@lru_cache(maxsize=1)
def time_zone_names() -> tuple[str, ...]:
    """The IANA time zones that people choose from: those of places, and UTC."""
    places = (name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
    return (*sorted(places), "UTC")
