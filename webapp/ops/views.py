"""Two addresses for whoever watches over the desk: is it alive, can it work."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue

from webapp.config import Settings
from webapp.db import work
from webapp.ops import health
from webapp.web.access import public
from webapp.zones.remembered import zone_lookup

bp = Blueprint("ops", __name__)

_FRESH = {"Cache-Control": "no-store"}


@bp.get("/healthz")
@public
def healthz() -> ResponseReturnValue:
    """Alive: this process answers. It asks no server, so a database that is away does not get the process restarted."""
    return jsonify(status="alive"), 200, _FRESH


@bp.get("/readyz")
@public
def readyz() -> ResponseReturnValue:
    """Ready: 200 when database, Redis, a worker and a sweeper all work, else 503 and what does not.

    Beside it how often this process remembered who serves a place.
    """
    settings: Settings = current_app.extensions["settings"]
    found = health.readiness(work.database(), settings.redis_url)
    lookups = zone_lookup().counts
    told = found.to_json() | {"zone_lookups": asdict(lookups) | {"hit_rate": lookups.hit_rate}}
    return jsonify(told), 200 if found.ready else 503, _FRESH
