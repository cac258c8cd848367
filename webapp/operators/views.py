"""Pages of the operators: the company and its franchises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Invalid
from webapp.db.work import read_only, retrying
from webapp.operators import queries, service
from webapp.operators.forms import OperatorForm
from webapp.web.access import current_actor, requires
from webapp.web.beside import Question
from webapp.web.forms import BaseForm
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.pagination import Page, page_args
from webapp.web.words import _

bp = Blueprint("operators", __name__, url_prefix="/operators")

Counts = Mapping[UUID, int]
ZONES_BY: Question[[Session, Actor], Counts] = Question("operators.zones_by")
TRAINERS_BY: Question[[Session, Actor], Counts] = Question("operators.trainers_by")
STAFF_BY: Question[[Session, Actor], Counts] = Question("operators.staff_by")
BOOKINGS_BY: Question[[Session, Actor], Counts] = Question("operators.bookings_by")


@dataclass(frozen=True, slots=True)
class OperatorCounts:
    """How many active zones, trainers and accounts, and live bookings, by operator."""

    zones: Counts
    trainers: Counts
    staff: Counts
    bookings: Counts


@dataclass(frozen=True, slots=True)
class OperatorsPage:
    """The list."""

    page: Page[queries.OperatorRow]
    counts: OperatorCounts


@dataclass(frozen=True, slots=True)
class OperatorPage:
    """One operator."""

    operator: queries.OperatorRow
    counts: OperatorCounts


def _counts(db: Session, actor: Actor) -> OperatorCounts:
    return OperatorCounts(ZONES_BY(db, actor), TRAINERS_BY(db, actor), STAFF_BY(db, actor), BOOKINGS_BY(db, actor))


@bp.get("")
@requires(Permission.OPERATOR_READ)
def index() -> ResponseReturnValue:
    """The operators the actor may see."""
    actor, args = current_actor(), page_args(request.args)
    with read_only() as db:
        rows, total = queries.operators_index(db, visible_to=actor, limit=args.limit, offset=args.offset)
        page = OperatorsPage(args.page_of(rows, total), _counts(db, actor))
    return render_template("operators/index.html", page=page)


@bp.get("/<uuid:operator_id>")
@requires(Permission.OPERATOR_READ)
def show(operator_id: UUID) -> ResponseReturnValue:
    """One operator."""
    actor = current_actor()
    with read_only() as db:
        page = OperatorPage(queries.operator_seen_by(db, operator_id, visible_to=actor), _counts(db, actor))
    return render_template("operators/show.html", page=page)


@bp.route("/new", methods=["GET", "POST"])
@requires(Permission.OPERATOR_WRITE)
def create() -> ResponseReturnValue:
    """Found a franchise."""
    actor, form = current_actor(), OperatorForm()
    status = 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        command = form.to_command()
        try:
            operator_id = retrying(lambda work: service.create(work, command, by=actor, now=clock.now()))
        except Invalid as error:
            form.refuse(error)
        else:
            flash(_("%(name)s is a franchise now. Invite its manager next.", name=command.name))
            return redirect_after(url_for("operators.show", operator_id=operator_id))
    return _form(None, form, status)


@bp.route("/<uuid:operator_id>/change", methods=["GET", "POST"])
@requires(Permission.OPERATOR_WRITE)
def change(operator_id: UUID) -> ResponseReturnValue:
    """Change an operator's name and how its proposals are approved."""
    actor, found = current_actor(), _operator(operator_id)
    form = OperatorForm(found)
    status = 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        command, seen = form.to_command(), form.seen.data or ""
        try:
            retrying(lambda work: service.change(work, operator_id, command, by=actor, now=clock.now(), seen=seen))
        except (Conflict, Invalid) as error:
            form.refuse(error)
            status = 422 if isinstance(error, Invalid) else 409
        else:
            flash(_("Saved."))
            return redirect_after(url_for("operators.show", operator_id=operator_id))
    return _form(found, form, status)


@bp.route("/<uuid:operator_id>/disable", methods=["GET", "POST"])
@requires(Permission.OPERATOR_WRITE)
def disable(operator_id: UUID) -> ResponseReturnValue:
    """Say what switching a franchise off means, and do it."""
    return _switch(operator_id, active=False)


@bp.route("/<uuid:operator_id>/enable", methods=["GET", "POST"])
@requires(Permission.OPERATOR_WRITE)
def enable(operator_id: UUID) -> ResponseReturnValue:
    """Switch a franchise on again."""
    return _switch(operator_id, active=True)


def _operator(operator_id: UUID) -> queries.OperatorRow:
    with read_only() as db:
        return queries.operator_seen_by(db, operator_id, visible_to=current_actor())


def _form(found: queries.OperatorRow | None, form: OperatorForm, status: int) -> ResponseReturnValue:
    return render_page_or_fragment("operators/form.html", "operators/_form.html", status=status, owner=found, form=form)


def _switch(operator_id: UUID, *, active: bool) -> ResponseReturnValue:
    actor, form, status = current_actor(), BaseForm(), 200
    with read_only() as db:
        page = OperatorPage(queries.operator_seen_by(db, operator_id, visible_to=actor), _counts(db, actor))
    if form.validate_on_submit():
        try:
            retrying(lambda work: service.set_active(work, operator_id, active, by=actor, now=clock.now()))
        except Conflict as error:
            form.refuse(error)
            status = 409
        else:
            flash(_("Switched on.") if active else _("Switched off. Nobody who belongs to it can sign in."))
            return redirect_after(url_for("operators.show", operator_id=operator_id))
    return render_template("operators/switch.html", page=page, active=active, form=form), status
