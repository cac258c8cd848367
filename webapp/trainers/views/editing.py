"""Entering a trainer, and changing one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.courses.queries import CourseRow, active_courses
from webapp.db.work import read_only, retrying
from webapp.operators.queries import OperatorRow, operator_seen_by, operators_index
from webapp.trainers import queries, service
from webapp.trainers.forms.roster import WhoseForm
from webapp.trainers.forms.trainer import Offer, TrainerForm
from webapp.trainers.questions import BOOKED_FROM
from webapp.trainers.views.blueprint import bp, max_courses, served
from webapp.web.access import current_actor, requires
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.words import _, ngettext
from webapp.zones.queries import zones_of_operator


@dataclass(frozen=True, slots=True)
class FormPage:
    """Whose trainer it is, the trainer when there is one already, and what may be ticked."""

    operator_id: UUID
    operator_name: str
    offer: Offer
    trainer: queries.TrainerDetail | None = None
    booked: int = 0
    """How many booked sessions lie ahead of the trainer."""
    several_operators: bool = False


@bp.route("/new", methods=["GET", "POST"])
@requires(Permission.TRAINER_WRITE)
def create() -> ResponseReturnValue:
    """Put a trainer on the roster; whoever sees every operator says first whose (``?operator=``)."""
    actor = current_actor()
    with read_only() as db:
        owner = _owner(db, request.args.get("operator"), actor)
        if owner is None:
            return _ask_whose(db, actor)
        offer = Offer(active_courses(db), zones_of_operator(db, owner.id, visible_to=actor), max_courses())
    page = FormPage(owner.id, owner.name, offer, several_operators=actor.sees_everything)
    form = TrainerForm(offer)
    if not form.validate_on_submit():
        return _render(page, form, status=422 if form.is_submitted() else 200)
    command, key = form.to_command(owner.id), form.key.data
    limit = offer.max_courses
    try:
        retrying(lambda work: service.create(work, command, by=actor, now=clock.now(), max_courses=limit, key=key))
    except Invalid as error:
        form.refuse(error)
        return _render(page, form, status=422)
    except Conflict as error:
        if error.code != "trainer-entered":
            raise
        flash(_("This trainer was entered already: here they are."))
    else:
        flash(_("%(name)s is on the roster now.", name=command.name))
    return redirect_after(url_for("trainers.show", trainer_id=key))


@bp.route("/<uuid:trainer_id>/edit", methods=["GET", "POST"])
@requires(Permission.TRAINER_WRITE)
def edit(trainer_id: UUID) -> ResponseReturnValue:
    """Change a trainer; while there is a trainer service, what it says of them stays as it says."""
    actor, page = current_actor(), _found(trainer_id)
    assert page.trainer is not None
    form = TrainerForm(page.offer, page.trainer, served=served())
    if not form.validate_on_submit():
        return _render(page, form, status=422 if form.is_submitted() else 200)
    command, seen, limit = form.to_command(page.operator_id), form.seen.data or "", page.offer.max_courses
    try:
        changed = retrying(
            lambda work: service.change(
                work, trainer_id, command, by=actor, now=clock.now(), max_courses=limit, seen=seen, served=served()
            )
        )
    except Invalid as error:
        form.refuse(error)
        return _render(page, form, status=422)
    except Conflict as error:
        if error.code != "trainer-changed":
            raise
        present = _found(trainer_id)
        form = TrainerForm(present.offer, present.trainer, served=served())
        form.overtaken()
        return _render(present, form, status=409)
    flash(_told(page, retired=page.trainer.active and not command.active, changed=changed))
    return redirect_after(url_for("trainers.show", trainer_id=trainer_id))


def _told(page: FormPage, *, retired: bool, changed: bool) -> str:
    if not changed:
        return _("It was like that already; nothing was changed.")
    if retired and page.booked:
        return ngettext(
            "Saved. %(num)s booked session needs cover now.",
            "Saved. %(num)s booked sessions need cover now.",
            page.booked,
        )
    return _("Saved.")


def _owner(db: Session, asked: str | None, actor: Actor) -> OperatorRow | None:
    """Whose trainer is to be entered; ``None`` while somebody who may choose has not.

    Raises ``NotFound`` for an operator that is not there, not the actor's or switched off.
    """
    if not asked and actor.sees_everything:
        return None
    operator_id = actor.operator_id
    if asked:
        operator_id = None
        with suppress(ValueError):
            operator_id = UUID(asked)
    if operator_id is None:
        raise NotFound()
    owner = operator_seen_by(db, operator_id, visible_to=actor)
    if not owner.active:
        raise NotFound()
    return owner


def _ask_whose(db: Session, actor: Actor) -> ResponseReturnValue:
    owners, _total = operators_index(db, visible_to=actor)
    form = WhoseForm(formdata=None, meta={"csrf": False})
    form.operator.choices = [(owner.id, owner.name) for owner in owners if owner.active]
    return render_template("trainers/whose.html", form=form)


def _found(trainer_id: UUID) -> FormPage:
    """Raises ``NotFound`` for a trainer that is not there or not the actor's."""
    actor = current_actor()
    with read_only() as db:
        found = queries.trainer(db, trainer_id, visible_to=actor)
        held = [zone.id for zone in found.zones]
        zones = zones_of_operator(db, found.operator_id, visible_to=actor, also=held)
        booked = BOOKED_FROM(db, trainer_id, clock.now(), actor)
        courses = _with_those_held(active_courses(db), found)
    offer = Offer(courses, zones, max_courses())
    return FormPage(found.operator_id, found.operator_name, offer, found, len(booked))


def _with_those_held(offered: tuple[CourseRow, ...], trainer: queries.TrainerDetail) -> tuple[CourseRow, ...]:
    """The courses that may be booked, and those the trainer is certified for although they may not any more."""
    known = {course.id for course in offered}
    return (*offered, *(CourseRow(course.id, course.name) for course in trainer.courses if course.id not in known))


def _render(page: FormPage, form: TrainerForm, *, status: int) -> ResponseReturnValue:
    return render_page_or_fragment("trainers/form.html", "trainers/_form.html", status=status, page=page, form=form)
