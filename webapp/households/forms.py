"""Filters of the list of families."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from webapp.web.forms import BaseForm, TextField


class HouseholdFilter(BaseForm):
    """Read from the address."""

    q = TextField(_l("Guardian, phone or student"), max_length=120)
