"""The families a trainer is kept apart from (rule T10)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue

from webapp.audit import reading
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Invalid
from webapp.core.names import search_words
from webapp.db.work import read_only, retrying
from webapp.households.queries import HouseholdRow, households_index
from webapp.trainers import queries, service
from webapp.trainers.forms.apart import FamilyApartForm, FamilySearch
from webapp.trainers.mentions import KeptApart, families_kept_apart
from webapp.trainers.views.blueprint import bp
from webapp.web.access import current_actor, requires
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.words import _

FOUND = 10
"""How many families are offered at once."""


@dataclass(frozen=True, slots=True)
class ApartPage:
    """A trainer, the families they are kept apart from, and the families that were found; ``None`` for no search."""

    trainer: queries.TrainerName
    apart: tuple[KeptApart, ...]
    searched: str
    found: tuple[HouseholdRow, ...] | None
    more: bool
    """Whether more were found than are offered."""


@bp.get("/<uuid:trainer_id>/apart")
@requires(Permission.HOUSEHOLD_READ)
def apart(trainer_id: UUID) -> ResponseReturnValue:
    """Which families the trainer is kept apart from; another one is looked for by name or phone (``?q=``)."""
    page = _page(trainer_id, request.args.get("q", ""))
    return _render(page, FamilyApartForm(page.found or (), formdata=None, data={"q": page.searched}))


@bp.post("/<uuid:trainer_id>/apart")
@requires(Permission.HOUSEHOLD_WRITE)
def keep_apart(trainer_id: UUID) -> ResponseReturnValue:
    """Keep them apart from now on; what is booked already stays."""
    actor, page = current_actor(), _page(trainer_id, request.form.get("q", ""))
    sent = request.form.get("household")
    # Sent twice, it is among those kept apart by now: the service knows that this changes nothing.
    form = FamilyApartForm(page.found or (), [family for family in page.apart if str(family.household_id) == sent])
    if not form.validate_on_submit():
        return _render(page, form, status=422)
    household_id, reason = form.household.data, form.reason.data or ""
    try:
        retrying(lambda work: service.block(work, trainer_id, household_id, reason, by=actor, now=clock.now()))
    except Invalid as error:
        form.refuse(error)
        return _render(page, form, status=422)
    flash(_("%(trainer)s is no longer proposed for this family.", trainer=page.trainer.name))
    return redirect_after(url_for("trainers.apart", trainer_id=trainer_id))


@bp.post("/<uuid:trainer_id>/apart/<uuid:household_id>/end")
@requires(Permission.HOUSEHOLD_WRITE)
def end_apart(trainer_id: UUID, household_id: UUID) -> ResponseReturnValue:
    """Let the trainer be proposed for the family again."""
    retrying(lambda work: service.unblock(work, trainer_id, household_id, by=current_actor(), now=clock.now()))
    flash(_("The trainer can be proposed for this family again."))
    return redirect_after(url_for("trainers.apart", trainer_id=trainer_id))


def _page(trainer_id: UUID, asked: str) -> ApartPage:
    """Leaves a trace of the families it shows. Raises ``NotFound`` for a trainer not there or not the actor's."""
    actor, searched = current_actor(), search_words(asked)
    rows: tuple[HouseholdRow, ...] = ()
    total = 0
    with read_only() as db:
        trainer = queries.trainer_name(db, trainer_id, visible_to=actor)
        kept = families_kept_apart(db, trainer_id, visible_to=actor)
        known = {family.household_id for family in kept}
        if searched:
            where = trainer.operator_id
            rows, total = households_index(
                db, visible_to=actor, search=searched, operator_id=where, but_for=known, limit=FOUND
            )
    about = {"on": "trainers.apart", "searched": bool(searched)}
    reading.listed("household.listed", known | {row.id for row in rows}, by=actor, about=about)
    return ApartPage(trainer, kept, searched, rows if searched else None, more=total > FOUND)


def _render(page: ApartPage, form: FamilyApartForm, *, status: int = 200) -> ResponseReturnValue:
    search = FamilySearch(formdata=None, data={"q": page.searched}, meta={"csrf": False})
    return render_page_or_fragment(
        "trainers/apart.html", "trainers/_apart_form.html", status=status, page=page, form=form, search=search
    )
