"""The home page."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from webapp.core import clock
from webapp.core.actor import Permission
from webapp.db.work import read_only
from webapp.desk.queries import home as queries
from webapp.desk.views.blueprint import bp
from webapp.web.access import current_actor, requires


@bp.get("/")
@requires(Permission.HOME_READ)
def home() -> ResponseReturnValue:
    """What needs me now."""
    with read_only() as db:
        page = queries.home(db, visible_to=current_actor(), now=clock.now())
    return render_template("desk/home.html", page=page)
