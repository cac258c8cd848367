"""Fields and readings that the desk's forms share."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from flask_babel import lazy_gettext as _l
from wtforms import Field
from wtforms.validators import ValidationError
from wtforms.widgets import HiddenInput

AUTOMATIC: Final = "best"
"""The value of the choice "whoever is best when I press"."""


def trainer_id(text: str | None) -> UUID | None:
    """A trainer's id, ``None`` for the automatic choice, for nothing and for rubbish."""
    with contextlib.suppress(ValueError):
        return UUID(text or "")
    return None


def version_of(text: str | None) -> int:
    """The version a page showed; 0, which no row has, for rubbish."""
    text = text or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def fill(field: Any, value: Any) -> None:
    """Write a value into a field that reads text, over what was typed; the mark lets the browser follow."""
    field.raw_data = [field.show(value)]
    field.process_formdata(field.raw_data)
    field.render_kw = {**(field.render_kw or {}), "data-filled": "yes"}


class HiddenUuidField(Field):
    """An id the page carries along; ``data`` is a ``UUID`` or ``None``, also for rubbish."""

    widget = HiddenInput()

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Read the id."""
        self.data = None
        with contextlib.suppress(ValueError):
            self.data = UUID(str(valuelist[0])) if valuelist and valuelist[0] else None

    def _value(self) -> str:
        return str(self.data) if self.data else ""


class UuidsField(Field):
    """Several ids out of a list; ``data`` is a tuple of ``UUID``."""

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Read the ids."""
        try:
            self.data = tuple(dict.fromkeys(UUID(str(value)) for value in valuelist))
        except ValueError as error:
            self.data = ()
            raise ValidationError(_l("Choose from the list.")) from error
