"""Seeing the desk as somebody else, and as oneself again."""

from __future__ import annotations

from uuid import UUID

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue

from webapp.accounts import sessions, signin, view_as
from webapp.accounts.rules import VIEW_AS_LIMIT
from webapp.accounts.views.blueprint import bp
from webapp.accounts.views.people import detail_of
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Conflict, Forbidden
from webapp.db.tenancy import acting_as
from webapp.db.work import read_only, retrying
from webapp.web.access import current_actor, requires, signed_in
from webapp.web.forms import BaseForm
from webapp.web.htmx import redirect_after
from webapp.web.nav import home_url
from webapp.web.words import _


@bp.route("/users/<uuid:user_id>/view-as", methods=["GET", "POST"])
@requires(Permission.VIEW_AS)
def view_as_begin(user_id: UUID) -> ResponseReturnValue:
    """Say what seeing the desk as somebody means, and begin."""
    me, now, form, status = signin.person(), clock.now(), BaseForm(), 200
    assert me is not None
    with read_only() as db:
        found = detail_of(db, user_id, current_actor())
    if form.validate_on_submit():
        try:
            retrying(lambda work: view_as.begin(work, me.session_id, user_id, by=me.actor, now=now))
        except (Conflict, Forbidden) as error:
            form.refuse(error)
            status = 403 if isinstance(error, Forbidden) else 409
        else:
            sessions.renew_csrf_token()
            return redirect_after(home_url())
    return render_template("accounts/view_as.html", user=found, limit=VIEW_AS_LIMIT, form=form), status


@bp.post("/view-as/end")
@signed_in
def view_as_end() -> ResponseReturnValue:
    """See the desk as oneself again; nothing when one does already."""
    me = signin.person()
    assert me is not None
    if me.viewed is None:
        return redirect_after(home_url())
    seen, viewer = me.viewed, me.account.actor
    with acting_as(viewer):
        retrying(
            lambda work: view_as.end(
                work, me.session_id, seen.id, seen.operator_id, by=viewer, now=clock.now(), why="asked"
            )
        )
    sessions.renew_csrf_token()
    flash(_("You see the desk as yourself again."))
    return redirect_after(url_for("accounts.user", user_id=seen.id))
