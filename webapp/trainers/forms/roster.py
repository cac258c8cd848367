"""Filters of the list of trainers, and whose trainer is to be entered; both read from the address."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from webapp.trainers.rules import Source, Standing
from webapp.trainers.words import SOURCES, STANDINGS
from webapp.web.forms import BaseForm, ChoiceSelectField, TextField, UuidSelectField


class TrainerFilter(BaseForm):
    """Which trainers the list shows."""

    q = TextField(_l("Name"), max_length=120)
    zone = UuidSelectField(_l("Zone"))
    course = UuidSelectField(_l("Course"))
    source = ChoiceSelectField(_l("Kept in"), coerce=Source, choices=[("", _l("Either")), *SOURCES.items()])
    state = ChoiceSelectField(_l("State"), coerce=Standing, choices=[("", _l("All")), *STANDINGS.items()])

    @property
    def filtered(self) -> bool:
        """Whether anything is asked for."""
        return any(field.data for field in (self.q, self.zone, self.course, self.source, self.state))


class WhoseForm(BaseForm):
    """Whose trainer is to be entered."""

    operator = UuidSelectField(_l("Operator"))
