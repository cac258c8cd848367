"""A booking's own page and what can be done there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import flash, make_response, render_template, url_for
from flask.typing import ResponseReturnValue

from webapp.assignments import service as assignments
from webapp.bookings import service as bookings
from webapp.bookings.rules import MOVES, TAUGHT, BookingStatus
from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Invalid
from webapp.db.work import Work, read_only, retrying
from webapp.desk.forms import PaymentForm, ReasonForm
from webapp.desk.queries.booking import BookingPage, booking_page
from webapp.desk.views.blueprint import _, bp, in_words, shown
from webapp.web.access import current_actor, requires
from webapp.web.htmx import redirect_after

CANCEL, CLOSE = "cancel-", "close-"
"""Two forms of one kind stand on the page: their fields need names of their own."""

_GONE_FROM = (BookingStatus.COMPLETED, BookingStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class ShownBooking:
    """The page of a booking, its small forms, and what its reader may do."""

    page: BookingPage
    actor: Actor
    now: datetime
    payment: PaymentForm
    cancel: ReasonForm
    close: ReasonForm

    @property
    def waits(self) -> bool:
        """On the waitlist: to be edited, or proposed for again."""
        return self.page.booking.status is BookingStatus.WAITLISTED

    @property
    def may_withdraw(self) -> bool:
        """The open proposal is the reader's own."""
        live = self.page.live
        pending = self.page.booking.status is BookingStatus.PENDING_APPROVAL
        return pending and live is not None and live.proposed_by == self.actor.id

    @property
    def may_cancel(self) -> bool:
        """The booking is not over and the role may."""
        return BookingStatus.CANCELLED in MOVES[self.page.booking.status] and self.actor.may(Permission.BOOKING_WRITE)

    @property
    def may_close(self) -> bool:
        """The booking is under way and the role may end it short (rule C1)."""
        under_way = BookingStatus.COMPLETED in MOVES[self.page.booking.status]
        return under_way and self.actor.may(Permission.BOOKING_CLOSE_SHORT)

    @property
    def taught(self) -> bool:
        """The booking has a trainer, and its course is not over."""
        return self.page.booking.status in TAUGHT

    @property
    def may_change(self) -> bool:
        """Sessions can be moved, and the role may."""
        return self.taught and self.actor.may(Permission.BOOKING_WRITE)

    @property
    def open(self) -> bool:
        """Whether the booking can still change."""
        return self.page.booking.status not in _GONE_FROM


@bp.get("/bookings/<uuid:booking_id>")
@requires(Permission.BOOKING_READ)
def booking(booking_id: UUID) -> ResponseReturnValue:
    """One booking whole."""
    return _show(booking_id)


@bp.post("/bookings/<uuid:booking_id>/payment")
@requires(Permission.BOOKING_WRITE)
def set_payment(booking_id: UUID) -> ResponseReturnValue:
    """Note what is known of the payment."""
    form = PaymentForm()
    if not form.validate_on_submit():
        return _show(booking_id, payment=form, status=422)

    def task(work: Work) -> None:
        bookings.set_payment_status(
            work,
            booking_id,
            form.payment_status.data,
            version=form.version_seen,
            by=current_actor(),
            now=clock.now(),
        )

    return _change(booking_id, task, _("The payment is noted."), lambda e: _refused_payment(booking_id, form, e))


@bp.post("/bookings/<uuid:booking_id>/cancel")
@requires(Permission.BOOKING_WRITE)
def cancel(booking_id: UUID) -> ResponseReturnValue:
    """Cancel the booking, saying why."""
    form = ReasonForm(prefix=CANCEL)
    if not form.validate_on_submit():
        return _show(booking_id, cancel=form, status=422)

    def task(work: Work) -> None:
        assignments.cancel_booking(
            work,
            booking_id,
            version=form.version_seen,
            reason=form.reason.data or "",
            by=current_actor(),
            now=clock.now(),
        )

    def again(error: Conflict | Invalid) -> ResponseReturnValue:
        form.refuse(in_words(error))
        return _show(booking_id, cancel=form, status=422 if isinstance(error, Invalid) else 409)

    return _change(booking_id, task, _("The booking is cancelled."), again)


@bp.post("/bookings/<uuid:booking_id>/close")
@requires(Permission.BOOKING_CLOSE_SHORT)
def close_short(booking_id: UUID) -> ResponseReturnValue:
    """Complete the booking before its last session, saying why, without certificates."""
    form = ReasonForm(prefix=CLOSE)
    if not form.validate_on_submit():
        return _show(booking_id, close=form, status=422)

    def task(work: Work) -> None:
        assignments.close_booking(
            work,
            booking_id,
            version=form.version_seen,
            reason=form.reason.data or "",
            by=current_actor(),
            now=clock.now(),
        )

    def again(error: Conflict | Invalid) -> ResponseReturnValue:
        form.refuse(in_words(error))
        return _show(booking_id, close=form, status=422 if isinstance(error, Invalid) else 409)

    return _change(booking_id, task, _("The booking is closed."), again)


def _refused_payment(booking_id: UUID, form: PaymentForm, error: Conflict | Invalid) -> ResponseReturnValue:
    form.refuse(error)
    return _show(booking_id, payment=form, status=409)


def _change(
    booking_id: UUID,
    task: Callable[[Work], None],
    done: str,
    again: Callable[[Conflict | Invalid], ResponseReturnValue],
) -> ResponseReturnValue:
    """Run the verb and show the booking, or show it with the refusal."""
    try:
        retrying(task)
    except (Conflict, Invalid) as error:
        return again(error)
    flash(done)
    return redirect_after(url_for("desk.booking", booking_id=booking_id))


def _show(
    booking_id: UUID,
    *,
    payment: PaymentForm | None = None,
    cancel: ReasonForm | None = None,
    close: ReasonForm | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    actor = current_actor()
    with read_only() as db:
        found = booking_page(db, booking_id, visible_to=actor)
    shown(found.booking, "desk.booking")
    page = ShownBooking(
        page=found,
        actor=actor,
        now=clock.now(),
        payment=payment or PaymentForm(formdata=None, payment_status=found.booking.payment_status.value),
        cancel=cancel or ReasonForm(formdata=None, prefix=CANCEL),
        close=close or ReasonForm(formdata=None, prefix=CLOSE),
    )
    sent = payment or cancel or close
    return make_response(render_template("desk/booking.html", shown=page, page=found, form=sent), status)
