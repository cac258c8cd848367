"""Forms of the zones room: filters, and asking who serves a place."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from webapp.web.forms import BaseForm, LocationField, TextField, UuidSelectField, needed


class ZoneFilter(BaseForm):
    """Filters of the list, read from the address."""

    q = TextField(_l("Name or label"), max_length=120)
    operator = UuidSelectField(_l("Operator"))


class PlaceForm(BaseForm):
    """A place to look up, read from the address."""

    place = LocationField(_l("Place"), [needed(_l("Give latitude and longitude, or a Plus Code."))])
