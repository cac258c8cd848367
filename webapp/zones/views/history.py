"""What a zone was, and the holes between zones."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from webapp.core.actor import Permission
from webapp.db.work import read_only
from webapp.operators.queries import operators_index
from webapp.web.access import current_actor, requires
from webapp.web.htmx import render_page_or_fragment
from webapp.web.pagination import Page, page_args
from webapp.web.words import _
from webapp.zones import queries
from webapp.zones.forms import HolesFilter
from webapp.zones.history import Version, versions_of
from webapp.zones.holes import Hole, holes_of
from webapp.zones.views.blueprint import bp


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A zone and a page of its versions, newest first."""

    zone: queries.ZoneDetail
    versions: Page[Version]


@dataclass(frozen=True, slots=True)
class HolesPage:
    """A page of the holes, the largest first. ``all_zones``: the reader sees every operator's."""

    holes: Page[Hole]
    crowded: bool
    all_zones: bool


@bp.get("/<uuid:zone_id>/history")
@requires(Permission.ZONE_READ)
def history(zone_id: UUID) -> ResponseReturnValue:
    """What a zone was: what changed, who changed it, when and why."""
    actor, args = current_actor(), page_args(request.args)
    with read_only() as db:
        zone = queries.zone(db, zone_id, visible_to=actor)
        rows, total = versions_of(db, zone_id, visible_to=actor, limit=args.limit, offset=args.offset)
    return render_template("zones/history.html", page=HistoryPage(zone, args.page_of(rows, total)))


@bp.get("/holes")
@requires(Permission.ZONE_READ)
def holes() -> ResponseReturnValue:
    """Ground that nobody serves although it is served all around."""
    actor, args = current_actor(), page_args(request.args)
    form = HolesFilter(request.args, meta={"csrf": False})
    with read_only() as db:
        owners = operators_index(db, visible_to=actor)[0]
        form.operator.choices = [("", _("Everybody’s")), *((owner.id, owner.name) for owner in owners)]
        valid = form.validate()
        found = holes_of(db, visible_to=actor, operator_id=form.operator.data if valid else None)
    shown = found.found[args.offset : args.offset + args.limit]
    page = HolesPage(args.page_of(shown, len(found.found)), found.crowded, actor.sees_everything)
    return render_page_or_fragment(
        "zones/holes.html", "zones/_holes.html", status=200 if valid else 422, page=page, form=form
    )
