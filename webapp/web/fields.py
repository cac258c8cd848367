"""Form fields of this desk: each says in plain words what it could not read. Bad input never goes further."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import date, time
from math import isfinite
from typing import Any, Final
from uuid import UUID

import phonenumbers
from flask_babel import lazy_gettext as _l
from openlocationcode import openlocationcode
from wtforms import Field, SelectField, SelectMultipleField, StringField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the type stubs
from wtforms.validators import ValidationError
from wtforms.widgets import CheckboxInput, DateInput, ListWidget, RadioInput, TextArea, TextInput, TimeInput

from webapp.core.geo import Location

PlaceLookup = Callable[[str], Location | None]
"""Finds the middle of a town by its name, for short Plus Codes."""

_LINES: Final = "\n\t"


def _first(valuelist: Sequence[Any]) -> str:
    return str(valuelist[0]).strip() if valuelist else ""


def clean_text(text: str, *, lines: bool = False) -> str:
    """Text as people meant it: NFC, outer space gone. Raises ``ValueError`` on control characters, NUL included."""
    normal = unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip()
    for letter in normal:
        category = unicodedata.category(letter)
        if category in ("Cc", "Cs") and not (lines and letter in _LINES):
            raise ValueError("control character")
    return normal


class TextField(StringField):
    """One line of text in any script; ``data`` is cleaned, ``""`` for nothing; ``max_length`` in characters."""

    lines = False

    def __init__(
        self,
        label: Any = None,
        validators: Any = None,
        *,
        max_length: int = 200,
        **kwargs: Any,
    ) -> None:
        super().__init__(label, validators, **kwargs)
        self.max_length = max_length

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Clean what was typed; refuses control characters and too long a text."""
        if not valuelist:
            return
        self.data = str(valuelist[0])
        try:
            self.data = clean_text(self.data, lines=self.lines)
        except ValueError as error:
            raise ValidationError(_l("Remove the invisible characters from this text.")) from error
        if len(self.data) > self.max_length:
            raise ValidationError(_l("Use at most %(count)s characters.", count=self.max_length))

    def _value(self) -> str:
        # A NUL or a lone surrogate must not come back in the page either.
        return "".join(c for c in self.data or "" if c in _LINES or unicodedata.category(c) not in ("Cc", "Cs"))


class LongTextField(TextField):
    """Several lines of text; otherwise a ``TextField``."""

    widget = TextArea()
    lines = True


class ParsedField(Field):
    """A field whose text is read into a value; the typed text stays in place when it cannot be read."""

    widget: Any = TextInput()
    _typed: str | None = None

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Read the text; nothing typed is ``None``."""
        self._typed = _first(valuelist)
        self.data = self.read(self._typed) if self._typed else None

    def read(self, text: str) -> Any:
        """The value of a text that is not empty. Raises ``ValidationError``."""
        raise NotImplementedError

    def show(self, value: Any) -> str:
        """The text of a value."""
        return str(value)

    def _value(self) -> str:
        if self._typed is not None:
            return "".join(letter for letter in self._typed if unicodedata.category(letter) not in ("Cc", "Cs"))
        return "" if self.data is None else self.show(self.data)


def read_degrees(text: str, limit: int) -> float:
    """Degrees between ``-limit`` and ``limit``. Raises ``ValidationError`` with what to type instead."""
    if "," in text:
        raise ValidationError(_l("Write the decimals with a point: 17.6868."))
    try:
        value = float(text)
    except ValueError as error:
        raise ValidationError(_l("Give degrees as a number, for example 17.6868.")) from error
    if not isfinite(value):
        raise ValidationError(_l("Give degrees as a number, for example 17.6868."))
    if abs(value) > limit:
        raise ValidationError(_l("Give a number between -%(limit)s and %(limit)s.", limit=limit))
    return value


class LatitudeField(ParsedField):
    """Degrees north, -90…90; ``data`` is a float or ``None``."""

    limit = 90

    def read(self, text: str) -> float:
        """Read the degrees."""
        return read_degrees(text, self.limit)


class LongitudeField(LatitudeField):
    """Degrees east, -180…180; ``data`` is a float or ``None``."""

    limit = 180


class LocationField(ParsedField):
    """A place in one field: "17.6868, 83.2185", a full Plus Code, or a short one with its town.

    ``data`` is a ``Location`` or ``None``. Short codes need ``find_town``; without it they are refused in words.
    """

    def __init__(
        self,
        label: Any = None,
        validators: Any = None,
        *,
        find_town: PlaceLookup | None = None,
        **kw: Any,
    ):
        super().__init__(label, validators, **kw)
        self.find_town = find_town

    def show(self, value: Location) -> str:
        """The coordinates as they are typed."""
        return f"{value.lat:.6f}, {value.lng:.6f}"

    def read(self, text: str) -> Location:
        """Read coordinates or a Plus Code."""
        if "+" in text and any(letter.isalpha() or letter == "+" for letter in text.split("+")[0][-1:] + "+"):
            code, _space, town = text.replace(",", " ").partition(" ")
            if openlocationcode.isValid(code.upper()):
                return self._from_code(code.upper(), town.strip())
        if re.fullmatch(r"[-+]?[0-9]{1,3},[0-9]+", text, re.ASCII):
            # One number with a comma, or two places in whole degrees: nobody lives at the second.
            raise ValidationError(_l("Write the decimals with a point: 17.6868, 83.2185."))
        parts = [part for part in text.replace(";", ",").split(",") if part.strip()]
        if len(parts) == 1:
            parts = text.split()
        if len(parts) != 2:
            raise ValidationError(_l("Give latitude and longitude, “17.6868, 83.2185”, or a Plus Code."))
        return Location(read_degrees(parts[0].strip(), 90), read_degrees(parts[1].strip(), 180))

    def _from_code(self, code: str, town: str) -> Location:
        if not openlocationcode.isFull(code):
            near = self.find_town(town) if self.find_town and town else None
            if near is None:
                raise ValidationError(_l("This Plus Code is short. Give the full one, for example 7M95M6P9+PC."))
            code = openlocationcode.recoverNearest(code, near.lat, near.lng)
        area = openlocationcode.decode(code)
        return Location(round(area.latitudeCenter, 6), round(area.longitudeCenter, 6))


class PhoneField(ParsedField):
    """A phone number; ``data`` is E.164 ("+919876543210") or ``None``. ``region`` is assumed without a leading +."""

    def __init__(
        self,
        label: Any = None,
        validators: Any = None,
        *,
        region: str = "IN",
        **kwargs: Any,
    ) -> None:
        super().__init__(label, validators, **kwargs)
        self.region = region

    def read(self, text: str) -> str:
        """Read the number in any usual spelling."""
        sentence = _l("Give a phone number that exists, with its country code, for example +91 98765 43210.")
        try:
            number = phonenumbers.parse(text, self.region)
        except phonenumbers.NumberParseException as error:
            raise ValidationError(sentence) from error
        if not phonenumbers.is_valid_number(number):
            raise ValidationError(sentence)
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    def show(self, value: str) -> str:
        """The number as people write it."""
        try:
            number = phonenumbers.parse(value, self.region)
        except phonenumbers.NumberParseException:
            return value
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


class IdField(ParsedField):
    """An id as it stands in an address or in the audit; ``data`` is a ``UUID`` or ``None``."""

    def read(self, text: str) -> UUID:
        """Read the 32 hexadecimal digits, with dashes or without."""
        try:
            return UUID(text)
        except ValueError as error:
            raise ValidationError(_l("Give the whole id, for example 01920000-0000-7000-8000-000000000001.")) from error


class TimeslotField(ParsedField):
    """A local wall-clock time, HH:MM; ``data`` is a ``time`` without a zone, or ``None``."""

    widget = TimeInput()

    def read(self, text: str) -> time:
        """Read hours and minutes; seconds a browser adds are dropped only when they are zero."""
        found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::00)?", text, re.ASCII)
        if found:
            return time(int(found[1]), int(found[2]))
        raise ValidationError(_l("Give the time as hours and minutes, for example 16:00."))

    def show(self, value: time) -> str:
        """The time as HH:MM."""
        return value.strftime("%H:%M")


class DayField(ParsedField):
    """A local date; ``data`` is a ``date`` or ``None``."""

    widget = DateInput()

    def read(self, text: str) -> date:
        """Read an ISO date."""
        try:
            if len(text) != 10:
                raise ValueError(text)
            return date.fromisoformat(text)
        except ValueError as error:
            raise ValidationError(_l("Give the date as year-month-day, for example 2027-01-04.")) from error

    def show(self, value: date) -> str:
        """The date as ISO 8601."""
        return value.isoformat()


Choices = Iterable[tuple[Any, Any] | str | SelectChoice] | None
"""What a list offers: pairs of value and word, or words that are their own value."""


def _options(choices: Choices) -> list[SelectChoice] | None:
    """Pairs as WTForms wants them from 3.4 on; ``None`` stays, for a list filled in by the view."""
    if choices is None:
        return None
    return [
        choice
        if isinstance(choice, SelectChoice)
        else SelectChoice(choice, choice)
        if isinstance(choice, str)
        else SelectChoice("" if choice[0] is None else str(choice[0]), choice[1])
        for choice in choices
    ]


class _ChosenFrom:
    """Reads what was chosen: ``coerce`` makes the value (``UUID``, an enum); what it refuses is a field error."""

    def __init__(
        self, label: Any = None, validators: Any = None, *, coerce: Any = str, choices: Choices = None, **kwargs: Any
    ) -> None:
        def read(value: Any) -> Any:
            if value in (None, ""):
                return None
            return coerce(value) if isinstance(value, str) else value

        super().__init__(label, validators, coerce=read, choices=_options(choices), **kwargs)  # type: ignore[call-arg]

    @property
    def choices(self) -> Any:
        """What may be chosen; a view may set pairs of value and word."""
        return self._choices

    @choices.setter
    def choices(self, offered: Choices) -> None:
        self._choices = _options(offered)

    def _is_offered(self, value: Any) -> bool:
        reader: Any = self
        return any(reader.coerce(choice.value) == value for choice in self.choices or [])


class ChoiceSelectField(_ChosenFrom, SelectField):
    """A list to choose one from; ``""`` is "nothing chosen" and gives ``None``."""

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Read what was chosen."""
        if not valuelist:
            return
        try:
            self.data = self.coerce(str(valuelist[0]))
        except ValueError as error:
            self.data = None
            raise ValidationError(_l("Choose one from the list.")) from error

    def pre_validate(self, form: Any) -> None:
        """Refuse what is not in the list; choosing nothing is left to ``needed``."""
        if self.data is not None and not self.errors and not self._is_offered(self.data):
            raise ValidationError(_l("Choose one from the list."))


class ChoiceRadioField(ChoiceSelectField):
    """Radio buttons to choose one from, drawn by the macro ``radios``; ``data`` as in ``ChoiceSelectField``."""

    widget = ListWidget(prefix_label=False)
    option_widget = RadioInput()


class ChoiceManyField(_ChosenFrom, SelectMultipleField):
    """Boxes to tick, drawn by the macro ``checkboxes``; ``data`` is a list of values, empty for none."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Read what was ticked."""
        try:
            self.data = [self.coerce(str(value)) for value in valuelist if value != ""]
        except ValueError as error:
            self.data = []
            raise ValidationError(_l("Choose from the list.")) from error

    def pre_validate(self, form: Any) -> None:
        """Refuse what is not in the list."""
        if not all(self._is_offered(value) for value in self.data or []):
            raise ValidationError(_l("Choose from the list."))


class UuidSelectField(ChoiceSelectField):
    """A list of things by id; ``data`` is a ``UUID`` or ``None``."""

    def __init__(self, label: Any = None, validators: Any = None, **kwargs: Any) -> None:
        super().__init__(label, validators, coerce=UUID, **kwargs)


class UuidManyField(ChoiceManyField):
    """Boxes to tick for things by id; ``data`` is a list of ``UUID``."""

    def __init__(self, label: Any = None, validators: Any = None, **kwargs: Any) -> None:
        super().__init__(label, validators, coerce=UUID, **kwargs)


__all__ = [
    "ChoiceManyField",
    "ChoiceRadioField",
    "ChoiceSelectField",
    "DayField",
    "IdField",
    "LatitudeField",
    "LocationField",
    "LongTextField",
    "LongitudeField",
    "ParsedField",
    "PhoneField",
    "TextField",
    "TimeslotField",
    "UuidManyField",
    "UuidSelectField",
]
