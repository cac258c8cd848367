"""Proposing another trainer for a booking that has one: for all that remains, or for single sessions (rule A7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from webapp.assignments import replacing
from webapp.assignments.queries.covering import Covered, must_be_taught, remaining_cover, sessions_cover
from webapp.assignments.queries.pages import proposal
from webapp.assignments.rules import Verdict
from webapp.assignments.service import Proposed
from webapp.bookings.rules import TAUGHT
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.db.work import Work, read_only, retrying
from webapp.desk.forms import AUTOMATIC
from webapp.desk.forms.changes import ReplaceForm, Step, SubstituteForm, step_of
from webapp.desk.queries.booking import BookingDetail, booking_detail
from webapp.desk.queries.changes import SessionAhead, sessions_ahead, trainers_to_take_over
from webapp.desk.queries.plan import Trainers
from webapp.desk.views.blueprint import _, bp, in_words, limits, shown
from webapp.web.access import current_actor, requires
from webapp.web.htmx import redirect_after, render_page_or_fragment


@dataclass(frozen=True, slots=True)
class TakingOverPage:
    """A booking, the sessions somebody else shall teach, and the trainers for them, best first.

    Nothing is ``covered`` where the form says why. For a substitute ``ahead`` are the sessions to choose from; without
    a choice nothing is covered either.
    """

    booking: BookingDetail
    covered: Covered | None
    trainers: Trainers | None
    chosen: Verdict | None
    automatic: bool
    ahead: tuple[SessionAhead, ...] = ()

    @property
    def has_them(self) -> str:
        """Who has the covered sessions now."""
        return ", ".join(self.covered.trainers.values()) if self.covered else ""


@bp.get("/bookings/<uuid:booking_id>/replace")
@requires(Permission.ASSIGNMENT_PROPOSE)
def replace(booking_id: UUID) -> ResponseReturnValue:
    """The sessions that remain, and who could take them over."""
    return _show_replace(booking_id, ReplaceForm(formdata=None))


@bp.post("/bookings/<uuid:booking_id>/replace")
@requires(Permission.ASSIGNMENT_PROPOSE)
def replace_trainer(booking_id: UUID) -> ResponseReturnValue:
    """Propose the chosen trainer, or the best one free, for all that remains."""
    form, actor = ReplaceForm(), current_actor()
    if not form.validate_on_submit():
        return _show_replace(booking_id, form, status=422)

    def task(work: Work) -> Proposed:
        return replacing.replace_trainer(
            work,
            booking_id,
            trainer_id=form.trainer_id,
            version=form.version_seen,
            reason=form.purpose.data or "",
            by=actor,
            now=clock.now(),
            limits=limits(),
        )

    return _propose(form, task, partial(_show_replace, booking_id, form))


@bp.get("/bookings/<uuid:booking_id>/substitute")
@requires(Permission.ASSIGNMENT_PROPOSE)
def substitute(booking_id: UUID) -> ResponseReturnValue:
    """Choose sessions (``?session=`` chooses some) and see who could teach them."""
    form = SubstituteForm(formdata=None)
    form.choose(request.args.getlist("session"))
    return _show_substitute(booking_id, form)


@bp.post("/bookings/<uuid:booking_id>/substitute")
@requires(Permission.ASSIGNMENT_PROPOSE)
def propose_substitute(booking_id: UUID) -> ResponseReturnValue:
    """Show who is free for the chosen sessions, or propose the chosen trainer for them."""
    form, actor = SubstituteForm(), current_actor()
    if step_of(request.form.get("do")) is Step.ASK:
        return _show_substitute(booking_id, form)
    if not form.validate_on_submit():
        return _show_substitute(booking_id, form, status=422)
    sessions = form.session.data or ()

    def task(work: Work) -> Proposed:
        return replacing.propose_substitute(
            work,
            booking_id,
            sessions,
            trainer_id=form.trainer_id,
            version=form.version_seen,
            reason=form.purpose.data or "",
            by=actor,
            now=clock.now(),
            limits=limits(),
        )

    return _propose(form, task, partial(_show_substitute, booking_id, form))


def _propose(
    form: ReplaceForm, task: Callable[[Work], Proposed], again: Callable[..., ResponseReturnValue]
) -> ResponseReturnValue:
    """Run the verb and tell what became of it, or show the page ``again`` with the refusal and a fresh list."""
    try:
        proposed = retrying(task)
    except (Conflict, Invalid, NotFound) as error:
        return again(status=_refused(form, error))
    return _tell(proposed)


def _refused(form: ReplaceForm, error: Conflict | Invalid | NotFound) -> int:
    """The refusal in the form, and the status to answer with."""
    if isinstance(error, NotFound):
        error = Conflict("trainer-gone", "This trainer is gone. Choose from the fresh list.")
    form.refuse(in_words(error))
    return 422 if isinstance(error, Invalid) else 409


def _tell(proposed: Proposed) -> ResponseReturnValue:
    """Say what became of it, and show the booking."""
    assert proposed.assignment_id is not None, "a change is held or refused"
    with read_only() as db:
        made = proposal(db, proposed.assignment_id, visible_to=current_actor())
    if made.is_open:
        flash(_("%(trainer)s is proposed. Until it is approved nothing changes.", trainer=made.row.trainer))
    else:
        flash(_("%(trainer)s takes over.", trainer=made.row.trainer))
    return redirect_after(url_for("desk.booking", booking_id=proposed.booking_id))


def _show_replace(booking_id: UUID, form: ReplaceForm, *, status: int = 200) -> ResponseReturnValue:
    actor, now = current_actor(), clock.now()
    with read_only() as db:
        booking = booking_detail(db, booking_id, visible_to=actor)
        covered = None
        try:
            covered = remaining_cover(db, booking_id, visible_to=actor, now=now, travel=limits().travel)
        except Conflict as error:  # nothing is left to hand over, or it is handed over already
            status = status if status >= 400 else _refused(form, error)
        page = _page(db, booking, covered, form)
    shown(booking, "desk.replace")
    return render_page_or_fragment("desk/replace.html", "desk/_replace_form.html", status=status, page=page, form=form)


def _show_substitute(booking_id: UUID, form: SubstituteForm, *, status: int = 200) -> ResponseReturnValue:
    actor, now = current_actor(), clock.now()
    with read_only() as db:
        booking = booking_detail(db, booking_id, visible_to=actor)
        ahead = sessions_ahead(db, booking, now=now) if booking.status in TAUGHT else ()
        try:
            must_be_taught(booking.status)
            covered = _chosen(db, booking, form, now)
        except Conflict as error:  # one of them has begun or was cancelled meanwhile: go on with the others
            status = status if status >= 400 else _refused(form, error)
            form.keep(session.id for session in ahead if session.proposed is None)
            covered = _chosen(db, booking, form, now) if booking.status in TAUGHT else None
        page = _page(db, booking, covered, form, ahead)
    shown(booking, "desk.substitute")
    part = "desk/_substitute_who.html" if request.args.get("part") == "who" else "desk/_substitute_form.html"
    return render_page_or_fragment("desk/substitute.html", part, status=status, page=page, form=form)


def _chosen(db: Session, booking: BookingDetail, form: SubstituteForm, now: datetime) -> Covered | None:
    """What the chosen sessions need, ``None`` without a choice. Raises ``NotFound`` for another booking's."""
    if not form.session.data:
        return None
    sessions = form.session.data
    return sessions_cover(db, booking.id, sessions, visible_to=current_actor(), now=now, travel=limits().travel)


def _page(
    db: Session,
    booking: BookingDetail,
    covered: Covered | None,
    form: ReplaceForm,
    ahead: tuple[SessionAhead, ...] = (),
) -> TakingOverPage:
    by_free = request.values.get("grid") == "free"
    found = trainers_to_take_over(db, covered, limits=limits(), by_free=by_free) if covered else None
    automatic = form.trainer.data == AUTOMATIC
    chosen = None if automatic or found is None else found.named(form.trainer_id) or found.best
    return TakingOverPage(booking, covered, found, chosen, automatic, ahead)
