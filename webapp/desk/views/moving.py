"""Moving one session to another time, which for a missed one is its make-up, and cancelling one (rules A7 and S1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from uuid import UUID

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from webapp.assignments.queries.covering import must_be_taught, must_lie_ahead
from webapp.bookings.rules import CourseSessionStatus, SessionMode
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Conflict, Invalid
from webapp.course_sessions import rescheduling
from webapp.course_sessions.queries import SessionRow, session_row
from webapp.course_sessions.rescheduling import MoveAnswer
from webapp.db.work import Work, read_only, retrying
from webapp.desk.forms import ReasonForm
from webapp.desk.forms.changes import MoveForm, Step, step_of
from webapp.desk.queries.booking import BookingDetail, booking_detail
from webapp.desk.rules import nearest_times
from webapp.desk.views.blueprint import _, bp, in_words, limits, shown
from webapp.desk.views.refusing import refusal_page
from webapp.web.access import current_actor, requires
from webapp.web.filters import instant
from webapp.web.forms import form_problems
from webapp.web.htmx import redirect_after, render_page_or_fragment

_NEAR = 12
"""How many free times are offered at once; the others stand behind a click."""


@dataclass(frozen=True, slots=True)
class MovePage:
    """A session, its booking, and what the engine says of the day and time asked for."""

    session: SessionRow
    booking: BookingDetail
    answer: MoveAnswer | None = None

    @property
    def make_up(self) -> bool:
        """It did not take place: what is asked for is its make-up."""
        return self.session.status in (CourseSessionStatus.MISSED, CourseSessionStatus.CANCELLED)

    @property
    def online(self) -> bool:
        """Online sessions keep their time of day (rule B7)."""
        return self.session.mode is SessionMode.ONLINE

    @property
    def free_times(self) -> tuple[time, ...]:
        """The free times of the day asked for, without the one it has."""
        if self.answer is None:
            return ()
        stays = self.answer.session.date == self.session.date and not self.make_up
        return tuple(at for at in self.answer.free_times if not (stays and at == self.session.timeslot))

    @property
    def near_times(self) -> tuple[time, ...]:
        """The free times nearest to the one asked for."""
        return nearest_times(self.free_times, self.answer.session.timeslot, _NEAR) if self.answer else ()

    @property
    def other_times(self) -> tuple[time, ...]:
        """The other free times of the day."""
        near = set(self.near_times)
        return tuple(at for at in self.free_times if at not in near)


@dataclass(frozen=True, slots=True)
class CancelPage:
    """A session to be cancelled, and its booking."""

    session: SessionRow
    booking: BookingDetail


@bp.get("/sessions/<uuid:session_id>/move")
@requires(Permission.BOOKING_WRITE)
def move(session_id: UUID) -> ResponseReturnValue:
    """Where the session could go; it starts from where it is, a make-up from no day at all."""
    page = _found(session_id)
    shown(page.booking, "desk.move")
    try:
        must_be_taught(page.booking.status)
        if not page.make_up:
            must_lie_ahead(page.session.status, page.session.starts_at, clock.now())
    except Conflict as error:
        heading = _("Move session %(number)s", number=page.session.number)
        return refusal_page(error, heading, page.booking, page.session)
    form = MoveForm(formdata=None, timeslot=page.session.timeslot, to_date=None if page.make_up else page.session.date)
    return _render(page, form)


@bp.post("/sessions/<uuid:session_id>/move")
@requires(Permission.BOOKING_WRITE)
def move_session(session_id: UUID) -> ResponseReturnValue:
    """Say what stands against the day and time, or move the session there; without its trainer, find somebody else."""
    form, page = MoveForm(), _found(session_id)
    form.apply(request.form.get("at"))
    step = step_of(request.form.get("do"))
    asks, without = "at" in request.form or step is Step.ASK, step is Step.WITHOUT
    if not form.validate_on_submit():
        return _render(page, form, status=422)
    if asks:
        return _answer(page, form)
    actor, on, at = current_actor(), form.to_date.data, form.timeslot.data

    def task(work: Work) -> UUID:
        return rescheduling.move_session(
            work,
            session_id,
            on,
            at,
            version=form.version_seen,
            by=actor,
            now=clock.now(),
            limits=limits(),
            without_trainer=without,
        )

    try:
        successor_id = retrying(task)
    except (Conflict, Invalid) as error:
        form.refuse(in_words(error))
        return _answer(_found(session_id), form, status=_status_of(error))
    with read_only() as db:
        moved = session_row(db, successor_id, visible_to=actor)
    when = instant(moved.starts_at, moved.time_zone)
    if without:
        flash(_("Session %(number)s is now on %(when)s, with nobody yet.", number=moved.number, when=when))
        return redirect_after(url_for("desk.substitute", booking_id=moved.booking_id, session=successor_id))
    flash(_("Session %(number)s is now on %(when)s.", number=moved.number, when=when))
    return redirect_after(url_for("course_sessions.show", session_id=successor_id))


@bp.get("/sessions/<uuid:session_id>/cancel")
@requires(Permission.BOOKING_WRITE)
def cancel_session_page(session_id: UUID) -> ResponseReturnValue:
    """Ask why the session does not take place."""
    page = _found(session_id)
    shown(page.booking, "desk.cancel_session_page")
    try:
        must_be_taught(page.booking.status)
        must_lie_ahead(page.session.status, page.session.starts_at, clock.now())
    except Conflict as error:
        heading = _("Cancel session %(number)s", number=page.session.number)
        return refusal_page(error, heading, page.booking, page.session)
    return _render_cancel(page, ReasonForm(formdata=None))


@bp.post("/sessions/<uuid:session_id>/cancel")
@requires(Permission.BOOKING_WRITE)
def cancel_session(session_id: UUID) -> ResponseReturnValue:
    """Cancel it; it needs a make-up then."""
    form, actor = ReasonForm(), current_actor()
    if not form.validate_on_submit():
        return _render_cancel(_found(session_id), form, status=422)
    version, reason = form.version_seen, form.reason.data or ""
    try:
        retrying(
            lambda work: rescheduling.cancel_session(
                work, session_id, version=version, reason=reason, by=actor, now=clock.now()
            )
        )
    except (Conflict, Invalid) as error:
        form.refuse(in_words(error))
        return _render_cancel(_found(session_id), form, status=_status_of(error))
    flash(_("The session is cancelled. It needs a make-up."))
    return redirect_after(url_for("course_sessions.show", session_id=session_id))


def _found(session_id: UUID) -> MovePage:
    """Raises ``NotFound`` for a session that is not there or not the actor's."""
    actor = current_actor()
    with read_only() as db:
        session = session_row(db, session_id, visible_to=actor)
        return MovePage(session, booking_detail(db, session.booking_id, visible_to=actor))


def _answer(page: MovePage, form: MoveForm, *, status: int = 200) -> ResponseReturnValue:
    """The page with what the engine says of the day and time in the form."""
    with read_only() as db:
        try:
            answer = _asked(db, page.session.id, form.to_date.data, form.timeslot.data)
        except (Conflict, Invalid) as error:
            if status == 200:
                form.refuse(in_words(error))
                status = _status_of(error)
            return _render(page, form, status=status)
    return _render(MovePage(page.session, page.booking, answer), form, status=status)


def _asked(db: Session, session_id: UUID, on: date, at: time) -> MoveAnswer:
    actor, now = current_actor(), clock.now()
    return rescheduling.move_answer(db, session_id, on, at, visible_to=actor, now=now, limits=limits())


def _render(page: MovePage, form: MoveForm, *, status: int = 200) -> ResponseReturnValue:
    part = request.args.get("part") == "answer"
    fragment = "desk/_move_answer.html" if part else "desk/_move_form.html"
    # What is missing while somebody is still typing is no mistake: the panel says it in place.
    return render_page_or_fragment(
        "desk/move.html", fragment, status=200 if part else status, page=page, form=form, problems=form_problems(form)
    )


def _render_cancel(found: MovePage, form: ReasonForm, *, status: int = 200) -> ResponseReturnValue:
    page = CancelPage(found.session, found.booking)
    return render_page_or_fragment(
        "desk/cancel_session.html", "desk/_cancel_session_form.html", status=status, page=page, form=form
    )


def _status_of(error: Conflict | Invalid) -> int:
    return 422 if isinstance(error, Invalid) else 409
