"""A family's data: give all of it out, or erase it where the law asks."""

from __future__ import annotations

from uuid import UUID

from flask import current_app, flash, make_response, url_for
from flask.typing import ResponseReturnValue

from webapp.audit import service as audit
from webapp.clients.stores import store_of
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Conflict, Unavailable
from webapp.db.work import read_only, retrying, unit_of_work
from webapp.desk import erasing
from webapp.desk.family_archive import archive
from webapp.desk.forms.family_data import EraseForm
from webapp.desk.queries.family_data import FamilyDataPage, family_data, family_data_page
from webapp.desk.views.blueprint import _, bp
from webapp.web.access import current_actor, requires
from webapp.web.htmx import redirect_after, render_page_or_fragment


@bp.get("/households/<uuid:household_id>/data")
@requires(Permission.HOUSEHOLD_EXPORT)
def family_data_of(household_id: UUID) -> ResponseReturnValue:
    """How much is held, a button to have it all, and for admins what erasing would take and leave."""
    page = _page(household_id)
    return _render(page, EraseForm(formdata=None, family=page.household.title))


@bp.post("/households/<uuid:household_id>/export")
@requires(Permission.HOUSEHOLD_EXPORT)
def export_family(household_id: UUID) -> ResponseReturnValue:
    """One ZIP file with everything, for the family; the audit says that it was given out."""
    actor, now = current_actor(), clock.now()
    settings: Settings = current_app.extensions["settings"]
    page = _page(household_id)
    if page.household.erased_at is not None:
        raise Conflict("household-erased", "The data of this family was erased: there is nothing left to give out.")
    with read_only() as db:
        data = family_data(db, household_id, visible_to=actor)
    try:
        made = archive(data, store_of(settings), now=now)
    except OSError as error:
        message = "The place where files are kept does not answer. Try again in a minute."
        raise Unavailable("store-away", message) from error
    with unit_of_work() as work:
        audit.record(
            work,
            "household.exported",
            "household",
            household_id,
            operator_id=page.household.operator_id,
            by=actor,
            at=now,
            after={"files": made.files, "files_missing": made.files_missing},
        )
    response = make_response(made.content)
    response.headers["Content-Type"] = "application/zip"
    # The family's id, not its name: names do not belong in lists of downloads.
    response.headers["Content-Disposition"] = f'attachment; filename="family-{household_id}.zip"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


@bp.post("/households/<uuid:household_id>/erase")
@requires(Permission.HOUSEHOLD_ERASE)
def erase_family(household_id: UUID) -> ResponseReturnValue:
    """Erase, once a reason is chosen and the name typed; a family that is erased already stays so."""
    page, actor = _page(household_id), current_actor()
    if page.household.erased_at is not None:
        return redirect_after(url_for("households.show", household_id=household_id))
    form = EraseForm(family=page.household.title)
    if not form.validate_on_submit():
        return _render(page, form, status=422)
    reason = form.reason.data
    try:
        retrying(lambda work: erasing.erase_family(work, household_id, reason=reason, by=actor, now=clock.now()))
    except Conflict as error:
        form.refuse(error)
        return _render(_page(household_id), form, status=409)
    flash(_("The family's data was erased."))
    return redirect_after(url_for("households.show", household_id=household_id))


def _page(household_id: UUID) -> FamilyDataPage:
    """Raises ``NotFound`` for a family that is not there or not the actor's."""
    with read_only() as db:
        return family_data_page(db, household_id, visible_to=current_actor(), now=clock.now())


def _render(page: FamilyDataPage, form: EraseForm, *, status: int = 200) -> ResponseReturnValue:
    return render_page_or_fragment(
        "desk/family_data.html", "desk/_erase_form.html", status=status, page=page, form=form
    )
