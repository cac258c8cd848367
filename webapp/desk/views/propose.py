"""Correcting a waitlisted booking, and proposing a trainer for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import make_response, render_template, request
from flask.typing import ResponseReturnValue

from webapp.assignments import service as assignments
from webapp.assignments.rules import Verdict
from webapp.bookings.rules import BookingStatus
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.courses.queries import active_courses
from webapp.db.work import read_only, retrying
from webapp.desk import service
from webapp.desk.forms import AUTOMATIC, BookingForm, ProposeForm
from webapp.desk.queries.booking import BookingDetail, booking_detail
from webapp.desk.queries.plan import Trainers, stored_moves, trainers_for
from webapp.desk.views.blueprint import bp, in_words, limits, shown
from webapp.desk.views.new_booking import Do, answer_preview, pressed, refuse, sent_form, show_form, tell
from webapp.web.access import current_actor, requires


@dataclass(frozen=True, slots=True)
class ProposePage:
    """A waitlisted booking and the trainers for it, best first."""

    booking: BookingDetail
    trainers: Trainers
    chosen: Verdict | None
    automatic: bool


@bp.get("/bookings/<uuid:booking_id>/edit")
@requires(Permission.BOOKING_WRITE)
def edit(booking_id: UUID) -> ResponseReturnValue:
    """The booking form with what the booking says, changed as ``?fix=`` says for a trainer's sake."""
    actor = current_actor()
    booking = _to_change(booking_id)
    with read_only() as db:
        moves = stored_moves(db, booking)
        form = BookingForm(formdata=None, courses=active_courses(db), moves=moves, **_said_by(booking))
    form.apply(request.args.get("fix"))
    return show_form(form, actor, booking=booking)


@bp.post("/bookings/<uuid:booking_id>/edit/preview")
@requires(Permission.BOOKING_WRITE)
def edit_preview(booking_id: UUID) -> ResponseReturnValue:
    """As for a new booking; the booking does not stand in its own way."""
    return answer_preview(_to_change(booking_id))


@bp.post("/bookings/<uuid:booking_id>/edit")
@requires(Permission.BOOKING_WRITE)
def save(booking_id: UUID) -> ResponseReturnValue:
    """Save the correction, and propose a trainer when that button was pressed."""
    actor = current_actor()
    booking = _to_change(booking_id)
    form = sent_form(actor, booking)
    form.key.data = booking_id
    do = pressed()
    sound = form.validate()
    if do not in (Do.PROPOSE, Do.WAIT):
        return show_form(form, actor, booking=booking)
    demanded = form.demand(form.missing_for_proposal() if do is Do.PROPOSE else form.missing_for_booking())
    if not (sound and demanded):
        return show_form(form, actor, do=do, status=422, booking=booking)
    command, ask, now = form.to_command(), form.to_ask(propose=do is Do.PROPOSE), clock.now()
    try:
        booked = retrying(
            lambda work: service.rebook(
                work, command, ask, version=form.version_seen, by=actor, now=now, limits=limits()
            )
        )
    except (Conflict, Invalid, NotFound) as error:
        return refuse(form, error, actor, do, booking)
    return tell(booked, asked=ask.propose)


@bp.get("/bookings/<uuid:booking_id>/propose")
@requires(Permission.ASSIGNMENT_PROPOSE)
def propose(booking_id: UUID) -> ResponseReturnValue:
    """The ranked trainers for a waitlisted booking."""
    booking = _to_change(booking_id)
    shown(booking, "desk.propose")
    return _propose_page(booking, ProposeForm(formdata=None))


@bp.post("/bookings/<uuid:booking_id>/propose")
@requires(Permission.ASSIGNMENT_PROPOSE)
def propose_trainer(booking_id: UUID) -> ResponseReturnValue:
    """Propose the chosen trainer, or the best one free."""
    actor = current_actor()
    booking = _to_change(booking_id)
    form = ProposeForm()
    if not form.validate_on_submit():
        return _propose_page(booking, form, status=422)
    now = clock.now()
    try:
        proposed = retrying(
            lambda work: assignments.propose(
                work, booking_id, trainer_id=form.trainer_id, by=actor, now=now, limits=limits()
            )
        )
    except (Conflict, NotFound) as error:
        if isinstance(error, NotFound):
            error = Conflict("trainer-gone", "This trainer is gone. Choose from the fresh list.")
        form.refuse(in_words(error))
        return _propose_page(_to_change(booking_id), form, status=409)
    return tell(service.Booked(booking_id, booking.reference, proposed), asked=True)


def _propose_page(booking: BookingDetail, form: ProposeForm, *, status: int = 200) -> ResponseReturnValue:
    with read_only() as db:
        found = trainers_for(
            db, booking.id, now=clock.now(), limits=limits(), by_free=request.args.get("grid") == "free"
        )
    automatic = form.trainer.data == AUTOMATIC
    chosen = None if automatic else found.named(form.trainer_id) or found.best
    page = ProposePage(booking, found, chosen, automatic)
    return make_response(render_template("desk/propose.html", page=page, form=form), status)


def _to_change(booking_id: UUID) -> BookingDetail:
    """A waitlisted booking. Raises ``NotFound``, and ``Conflict`` for one that is proposed or further on."""
    with read_only() as db:
        booking = booking_detail(db, booking_id, visible_to=current_actor())
    if booking.status is BookingStatus.PENDING_APPROVAL:
        raise Conflict("booking-not-editable", "Withdraw the proposal first: only a waitlisted booking can be edited.")
    if booking.status is not BookingStatus.WAITLISTED:
        raise Conflict("booking-not-waiting", "Only a booking on the waitlist can be edited or proposed.")
    return booking


def _said_by(booking: BookingDetail) -> dict[str, Any]:
    """The form's data of a stored booking."""
    return {
        "key": booking.id,
        "version": str(booking.version),
        "household": booking.household_id,
        "student_ids": tuple(student.id for student in booking.students),
        "address": booking.address,
        "location": booking.place,
        "zone_id": booking.zone_id,
        "course": booking.course_id,
        "class_type": booking.class_type.value,
        "delivery_mode": booking.delivery_mode.value,
        "total_sessions": booking.total_sessions,
        "start_date": booking.start_date,
        "timeslot": booking.timeslot,
        "prefers_language": booking.prefers_language,
        "prefers_gender": booking.prefers_gender,
        "prefers_taught_before": booking.prefers_taught_before,
    }
