"""Pausing a series: what changes is shown, session by session, before anything does (rules A7 and B8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import ngettext

from webapp.assignments.queries.covering import must_be_taught
from webapp.bookings.rules import PlannedSession
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Conflict, Invalid
from webapp.course_sessions import rescheduling
from webapp.course_sessions.rescheduling import PauseAnswer
from webapp.db.work import Work, read_only, retrying
from webapp.desk.forms.changes import PauseForm, Step, step_of
from webapp.desk.queries.booking import BookingDetail, booking_detail
from webapp.desk.views.blueprint import _, bp, in_words, limits, shown
from webapp.desk.views.refusing import refusal_page
from webapp.web.access import current_actor, requires
from webapp.web.forms import form_problems
from webapp.web.htmx import redirect_after, render_page_or_fragment


@dataclass(frozen=True, slots=True)
class PausePage:
    """A booking, and what the engine says of the pause asked for."""

    booking: BookingDetail
    answer: PauseAnswer | None = None

    @property
    def changes(self) -> tuple[tuple[PlannedSession, PlannedSession], ...]:
        """The sessions that change, as they are and as they would be."""
        return tuple(zip(self.answer.before, self.answer.after, strict=True)) if self.answer else ()

    @property
    def last_before(self) -> date | None:
        """The day the last of them is on now."""
        return max((session.date for session, _after in self.changes), default=None)

    @property
    def last_after(self) -> date | None:
        """The day the last of them would be on."""
        return max((session.date for _before, session in self.changes), default=None)


@bp.get("/bookings/<uuid:booking_id>/pause")
@requires(Permission.BOOKING_WRITE)
def pause(booking_id: UUID) -> ResponseReturnValue:
    """From when until when there shall be no session; a booking that is not running says so at once."""
    page = _found(booking_id)
    shown(page.booking, "desk.pause")
    try:
        must_be_taught(page.booking.status)
    except Conflict as error:
        return refusal_page(error, _("Pause the series"), page.booking)
    return _render(page, PauseForm(formdata=None))


@bp.post("/bookings/<uuid:booking_id>/pause")
@requires(Permission.BOOKING_WRITE)
def pause_series(booking_id: UUID) -> ResponseReturnValue:
    """Show what would change and whether the trainer is free for it, or pause."""
    form, page = PauseForm(), _found(booking_id)
    form.apply(request.form.get("resume"))
    asks = "resume" in request.form or step_of(request.form.get("do")) is Step.ASK
    if not form.validate_on_submit():
        return _render(page, form, status=422)
    if asks:
        return _answer(page, form)
    actor, first, last = current_actor(), form.from_date.data, form.to_date.data

    def task(work: Work) -> int:
        version = form.version_seen
        return rescheduling.pause(
            work, booking_id, first, last, version=version, by=actor, now=clock.now(), limits=limits()
        )

    try:
        changed = retrying(task)
    except (Conflict, Invalid) as error:
        form.refuse(in_words(error))
        return _answer(_found(booking_id), form, status=422 if isinstance(error, Invalid) else 409)
    flash(ngettext("Paused: %(num)s session has a new day.", "Paused: %(num)s sessions have new days.", changed))
    return redirect_after(url_for("desk.booking", booking_id=booking_id))


def _found(booking_id: UUID) -> PausePage:
    """Raises ``NotFound`` for a booking that is not there or not the actor's."""
    with read_only() as db:
        return PausePage(booking_detail(db, booking_id, visible_to=current_actor()))


def _answer(page: PausePage, form: PauseForm, *, status: int = 200) -> ResponseReturnValue:
    """The page with what the engine says of the days in the form."""
    actor, first, last = current_actor(), form.from_date.data, form.to_date.data
    try:
        with read_only() as db:
            found = rescheduling.pause_answer(
                db, page.booking.id, first, last, visible_to=actor, now=clock.now(), limits=limits()
            )
    except (Conflict, Invalid) as error:
        if status == 200:
            form.refuse(in_words(error))
            status = 422 if isinstance(error, Invalid) else 409
        return _render(page, form, status=status)
    return _render(PausePage(page.booking, found), form, status=status)


def _render(page: PausePage, form: PauseForm, *, status: int = 200) -> ResponseReturnValue:
    part = request.args.get("part") == "answer"
    fragment = "desk/_pause_answer.html" if part else "desk/_pause_form.html"
    # What is missing while somebody is still typing is no mistake: the panel says it in place.
    return render_page_or_fragment(
        "desk/pause.html", fragment, status=200 if part else status, page=page, form=form, problems=form_problems(form)
    )
