"""Pages of the zones: the list, one zone, and who serves a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp.core.actor import Permission
from webapp.core.names import search_words
from webapp.db.work import read_only
from webapp.operators import queries as operators
from webapp.web.access import current_actor, requires
from webapp.web.htmx import render_page_or_fragment
from webapp.web.limits import limiter, person_key, rate
from webapp.web.pagination import Page, page_args
from webapp.zones import queries
from webapp.zones.forms import ZoneFilter
from webapp.zones.near import drawn
from webapp.zones.place_form import PlaceForm
from webapp.zones.places import locate, place_page
from webapp.zones.questions import BOOKINGS_BY, TRAINERS_BY, TRAINERS_OF
from webapp.zones.shapes import Shape
from webapp.zones.views.blueprint import bp, linked


@dataclass(frozen=True, slots=True)
class ZonesPage:
    """The list; trainers and live bookings are counted for the zones shown."""

    page: Page[queries.ZoneRow]
    trainers: Mapping[UUID, int]
    bookings: Mapping[UUID, int]
    filtered: bool
    several_operators: bool
    asked: Mapping[str, str]

    def export_url(self, endpoint: str) -> str:
        """The address of a file of all the zones that the filter finds."""
        asked: dict[str, Any] = {name: value for name, value in self.asked.items() if value}
        return url_for(endpoint, **asked)


@dataclass(frozen=True, slots=True)
class ZonePage:
    """One zone, who works in it, and which zones share its ground."""

    zone: queries.ZoneDetail
    overlaps: tuple[queries.ZoneOverlap, ...]
    trainers: Mapping[UUID, str]
    bookings: int
    linked_operator: UUID | None
    """The operator whose zones may be opened; ``None`` when all may."""

    @property
    def drawn(self) -> dict[str, Any]:
        """The zone as the map draws it."""
        return drawn(Shape(self.zone.center, self.zone.radius_km, self.zone.ring))


@bp.get("")
@requires(Permission.ZONE_READ)
def index() -> ResponseReturnValue:
    """The zones, filtered by name or label and by operator."""
    actor, args = current_actor(), page_args(request.args)
    form = ZoneFilter(request.args, meta={"csrf": False})
    with read_only() as db:
        owners, _total = operators.operators_index(db, visible_to=actor)
        form.operator.choices = [("", _("All operators")), *((owner.id, owner.name) for owner in owners)]
        valid = form.validate()
        rows, total = queries.zones_index(
            db,
            visible_to=actor,
            search=search_words(form.q.data or ""),
            operator_id=form.operator.data,
            limit=args.limit,
            offset=args.offset,
        )
        ids = [row.id for row in rows]
        zones = ZonesPage(
            page=args.page_of(rows, total),
            trainers=TRAINERS_BY(db, ids, actor),
            bookings=BOOKINGS_BY(db, ids, actor),
            filtered=bool(form.q.data or form.operator.data),
            several_operators=len(owners) > 1,
            asked={"q": form.q.data or "", "operator": str(form.operator.data or "")},
        )
    return render_page_or_fragment(
        "zones/index.html", "zones/_list.html", status=200 if valid else 422, zones=zones, form=form
    )


@bp.get("/<uuid:zone_id>")
@requires(Permission.ZONE_READ)
def show(zone_id: UUID) -> ResponseReturnValue:
    """One zone."""
    actor = current_actor()
    with read_only() as db:
        zone = ZonePage(
            zone=queries.zone(db, zone_id, visible_to=actor),
            overlaps=queries.overlaps_of(db, zone_id),
            trainers=TRAINERS_OF(db, zone_id, actor),
            bookings=BOOKINGS_BY(db, [zone_id], actor).get(zone_id, 0),
            linked_operator=linked(actor),
        )
    return render_template("zones/show.html", page=zone)


@bp.get("/lookup")
@requires(Permission.ZONE_READ)
@limiter.limit(rate("geocoder_rate"), key_func=person_key, exempt_when=lambda: not _searches())
def lookup() -> ResponseReturnValue:
    """Who serves a place (``?place=17.6868, 83.2185``, a Plus Code, or ``?address=``), and who else could."""
    asked = bool(request.args.keys() & {"place", "address"})
    form = PlaceForm(request.args if asked else None, meta={"csrf": False})
    found = locate(form) if asked and form.validate() else ()
    page = place_page(form, found, actor=current_actor())
    return render_template("zones/lookup.html", page=page, form=form), 422 if form.errors else 200


def _searches() -> bool:
    """Whether the geocoder is asked: a place that is given needs no address."""
    return bool(request.args.get("address")) and not request.args.get("place")
