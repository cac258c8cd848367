"""Fields of the trainers' forms."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l
from wtforms import Field
from wtforms.validators import ValidationError
from wtforms.widgets import HiddenInput

from webapp.core.errors import Invalid
from webapp.core.ids import new_id
from webapp.trainers.hours import MAX_TEXT, read_hours, write_hours
from webapp.trainers.rules import WorkingHours
from webapp.web.errors import sentence_of
from webapp.web.fields import ParsedField


class HoursField(ParsedField):
    """The working hours of one weekday in one line; ``data`` is a tuple of periods, or ``None`` for a day off."""

    def __init__(self, label: Any = None, validators: Any = None, *, weekday: int, **kwargs: Any) -> None:
        super().__init__(label, validators, **kwargs)
        self.weekday = weekday

    def read(self, text: str) -> tuple[WorkingHours, ...]:
        """Read the periods; what cannot be read is named."""
        if len(text) > MAX_TEXT:
            raise ValidationError(_l("Use at most %(count)s characters.", count=MAX_TEXT))
        try:
            return read_hours(text, self.weekday)
        except Invalid as error:
            raise ValidationError(sentence_of(error)) from error

    def show(self, value: Sequence[WorkingHours]) -> str:
        """The periods as they are typed."""
        return write_hours(value)


class KeyField(Field):
    """The id that what is entered will have: the same page sent twice enters it once. Rubbish draws a new one."""

    widget = HiddenInput()

    def __init__(self, label: Any = None, validators: Any = None, **kwargs: Any) -> None:
        super().__init__(label, validators, default=new_id, **kwargs)

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Read the id."""
        with suppress(ValueError, IndexError):
            self.data = UUID(str(valuelist[0]))

    def _value(self) -> str:
        return str(self.data)
