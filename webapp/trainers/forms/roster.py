"""Filters of the list of trainers."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from webapp.web.forms import BaseForm, TextField, UuidSelectField


class TrainerFilter(BaseForm):
    """Read from the address."""

    q = TextField(_l("Name"), max_length=120)
    zone = UuidSelectField(_l("Zone"))
    course = UuidSelectField(_l("Course"))
