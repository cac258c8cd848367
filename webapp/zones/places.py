"""A place somebody asks about: found by coordinates, Plus Code or address, and who serves it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import structlog
from flask_babel import get_locale

from webapp.clients.geocoder import FoundPlace, GeocoderAway
from webapp.core.actor import Actor, Permission
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.db.work import read_only
from webapp.web.words import _
from webapp.zones.addresses import geocoder
from webapp.zones.lookup import ZoneAt
from webapp.zones.place_form import PlaceForm
from webapp.zones.remembered import serving_zones, zone_lookup
from webapp.zones.serving import ZoneAway, zones_away

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PlacePage:
    """Who serves a place: the first zone does; ``nearest`` only where none does.

    ``found`` are places of an address to choose among, or the one that was taken. ``key`` is the id of the enquiry that
    the page offers to keep.
    """

    place: Location | None
    address: str
    found: tuple[FoundPlace, ...]
    searches: bool
    zones: tuple[ZoneAt, ...]
    nearest: tuple[ZoneAway, ...]
    linked_operator: UUID | None
    key: UUID
    remembered: int | None = None
    """For whoever runs the desk: the share of lookups that this process answered from memory, per cent."""

    @property
    def text(self) -> str:
        """The place as it is typed."""
        return f"{self.place.lat:.6f}, {self.place.lng:.6f}" if self.place else ""

    @property
    def elsewhere(self) -> bool:
        """Whether another operator serves the place, so that an enquiry is all that can be recorded."""
        return bool(self.zones) and self.linked_operator not in (None, self.zones[0].operator_id)


def locate(form: PlaceForm) -> tuple[FoundPlace, ...]:
    """The places a sound form means by its address; none where coordinates say it. Tells the form what it lacks.

    Asks the geocoder: never call it inside a transaction.
    """
    if form.place.data is not None:
        return ()
    if not form.address.data:
        form.refuse_place(_("Give latitude and longitude, a Plus Code, or an address."))
        return ()
    search = geocoder()
    if search is None:
        form.refuse_place(_("This desk cannot search for addresses. Give latitude and longitude, or a Plus Code."))
        return ()
    try:
        found = search.find(form.address.data, language=str(get_locale() or "en").replace("_", "-"))
    except GeocoderAway:
        log.warning("geocoder.away")
        form.refuse_address(
            _("The search for addresses does not answer. Give latitude and longitude, or a Plus Code, or try later.")
        )
        return ()
    if not found:
        form.refuse_address(_("No such place was found. Leave the house number out, or add the town."))
    return found


def place_page(form: PlaceForm, found: tuple[FoundPlace, ...], *, actor: Actor) -> PlacePage:
    """The page of a form that ``locate`` has looked at."""
    place = None if form.errors else form.place.data
    if place is None and len(found) == 1:
        place = found[0].place
    zones = serving_zones(place) if place is not None else ()
    nearest: tuple[ZoneAway, ...] = ()
    if place is not None and not zones:
        with read_only() as db:
            nearest = zones_away(db, place)
    return PlacePage(
        place=place,
        address=form.address.data or "" if not form.address.errors else "",
        found=found,
        searches=geocoder() is not None,
        zones=zones,
        nearest=nearest,
        linked_operator=None if actor.sees_everything else actor.operator_id,
        key=new_id(),
        remembered=_remembered() if actor.may(Permission.POLICY_READ) else None,
    )


def _remembered() -> int | None:
    rate = zone_lookup().counts.hit_rate
    return None if rate is None else round(100 * rate)
