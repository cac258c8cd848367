"""The form that asks who serves a place."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from webapp.web.forms import BaseForm, LocationField, TextField
from webapp.zones.addresses import FIND_TOWN


class PlaceForm(BaseForm):
    """A place to look up, read from the address: coordinates or a Plus Code, else what a geocoder finds."""

    place = LocationField(_l("Place"), find_town=lambda town: FIND_TOWN(town))
    address = TextField(_l("Address"), max_length=400)

    def refuse_place(self, sentence: str) -> None:
        """Say what is wrong with the place."""
        self.place.errors = [*self.place.errors, sentence]

    def refuse_address(self, sentence: str) -> None:
        """Say what is wrong with the address."""
        self.address.errors = [*self.address.errors, sentence]
