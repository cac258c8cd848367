"""What maps ask for while somebody looks at them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core.actor import Actor, Permission
from webapp.db.work import read_only
from webapp.web.access import current_actor, requires
from webapp.web.limits import limiter, person_key, rate
from webapp.zones.near import drawn, own_extent, read_box, zones_near
from webapp.zones.neighbours import Neighbour

bp = Blueprint("zone_map", __name__, url_prefix="/zones")


@bp.get("/near.json")
@requires(Permission.ZONE_READ)
@limiter.limit(rate("map_rate"), key_func=person_key)
def near() -> ResponseReturnValue:
    """The zones in a box (``?bbox=west,south,east,north``), with their borders.

    Own zones come with id and page; of others' there is what the lookup of a place tells anyway. Asked about nothing it
    tells nothing.
    """
    if "bbox" not in request.args:
        return jsonify(zones=[], whole=True)
    box, actor = read_box(request.args["bbox"]), current_actor()
    with read_only() as db:
        found, whole = zones_near(db, box)
    return jsonify(zones=[_as_json(zone, actor) for zone in found], whole=whole)


@bp.get("/extent.json")
@requires(Permission.ZONE_READ)
@limiter.limit(rate("map_rate"), key_func=person_key)
def extent() -> ResponseReturnValue:
    """Where a map begins that has nothing else to show: south, west, north, east of the zones one may see."""
    with read_only() as db:
        box = own_extent(db, visible_to=current_actor())
    return jsonify(bounds=None if box is None else [box.south, box.west, box.north, box.east])


def _as_json(zone: Neighbour, actor: Actor) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": f"{zone.name} · {zone.label}" if zone.label else zone.name,
        "operator": zone.operator_name,
        "mine": zone.operator_id == actor.operator_id,
    }
    if actor.reaches(zone.operator_id):
        told["id"] = str(zone.id)
        told["url"] = url_for("zones.show", zone_id=zone.id)
    return told | drawn(zone.shape)
