"""Keeping a family and a trainer apart, and no longer (rule T10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import flash, url_for
from flask.typing import ResponseReturnValue

from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Invalid
from webapp.db.work import read_only, retrying
from webapp.desk.forms.apart import ApartForm
from webapp.desk.views.blueprint import _, bp
from webapp.households.queries import HouseholdDetail, household
from webapp.trainers import service
from webapp.trainers.mentions import blocks_of_household, trainer_choices
from webapp.web.access import current_actor, requires
from webapp.web.filters import instant
from webapp.web.htmx import redirect_after, render_page_or_fragment


@dataclass(frozen=True, slots=True)
class ApartPage:
    """The family, the trainers of its operator, and those it is kept apart from already, with since when."""

    household: HouseholdDetail
    trainers: tuple[tuple[UUID, str], ...]
    apart: Mapping[UUID, datetime]

    @property
    def others(self) -> tuple[tuple[UUID, str], ...]:
        """Whom it is not kept apart from: the trainers to choose from."""
        return tuple(choice for choice in self.trainers if choice[0] not in self.apart)


@bp.get("/households/<uuid:household_id>/apart")
@requires(Permission.HOUSEHOLD_WRITE)
def apart(household_id: UUID) -> ResponseReturnValue:
    """Choose a trainer to keep the family apart from."""
    page = _page(household_id)
    return _render(page, ApartForm(formdata=None, trainers=page.trainers))


@bp.post("/households/<uuid:household_id>/apart")
@requires(Permission.HOUSEHOLD_WRITE)
def keep_apart(household_id: UUID) -> ResponseReturnValue:
    """Keep them apart from now on; what is booked already stays."""
    page, actor = _page(household_id), current_actor()
    form = ApartForm(trainers=page.trainers)
    if not form.validate_on_submit():
        return _render(page, form, status=422)
    trainer_id, reason = form.trainer.data, form.reason.data or ""
    try:
        if trainer_id in page.apart:
            raise service.already_apart(page.apart[trainer_id])
        retrying(lambda work: service.block(work, trainer_id, household_id, reason, by=actor, now=clock.now()))
    except Invalid as error:
        form.refuse(_worded(error))
        return _render(_page(household_id), form, status=422)
    name = dict(page.trainers)[trainer_id]
    flash(_("%(trainer)s is no longer proposed for this family.", trainer=name))
    return redirect_after(url_for("households.show", household_id=household_id))


@bp.post("/households/<uuid:household_id>/apart/<uuid:trainer_id>/end")
@requires(Permission.HOUSEHOLD_WRITE)
def end_apart(household_id: UUID, trainer_id: UUID) -> ResponseReturnValue:
    """Let the trainer be proposed for the family again."""
    _page(household_id)
    retrying(lambda work: service.unblock(work, trainer_id, household_id, by=current_actor(), now=clock.now()))
    flash(_("The trainer can be proposed for this family again."))
    return redirect_after(url_for("households.show", household_id=household_id))


def _page(household_id: UUID) -> ApartPage:
    """Raises ``NotFound`` for a family that is not there or not the actor's."""
    actor = current_actor()
    with read_only() as db:
        found = household(db, household_id, visible_to=actor)
        apart = {block.trainer_id: block.created_at for block in blocks_of_household(db, household_id, actor)}
        return ApartPage(found, trainer_choices(db, found.operator_id, actor), apart)


def _worded(error: Invalid) -> Invalid:
    """A refusal whose moment is said as the page says moments."""
    since = error.params.get("since")
    if not isinstance(since, datetime):
        return error
    return Invalid(error.code, error.message, field=error.field, since=instant(since, "UTC"))


def _render(page: ApartPage, form: ApartForm, *, status: int = 200) -> ResponseReturnValue:
    form.offer(page.others)
    return render_page_or_fragment("desk/apart.html", "desk/_apart_form.html", status=status, page=page, form=form)
