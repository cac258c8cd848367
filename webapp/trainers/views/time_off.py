"""A trainer's time off: adding it, after seeing which booked sessions it hits, and taking it back."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue

from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Conflict, Invalid
from webapp.core.ids import new_id
from webapp.core.intervals import Interval
from webapp.db.work import read_only, retrying
from webapp.trainers import queries, service
from webapp.trainers.forms.time_off import TimeOffForm
from webapp.trainers.questions import BOOKED_FROM
from webapp.trainers.views.blueprint import bp, served
from webapp.web.access import current_actor, requires
from webapp.web.forms import form_problems
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.words import _, ngettext

ASK = "ask"
"""What the button says that only asks what the time off would hit."""


@dataclass(frozen=True, slots=True)
class TimeOffPage:
    """A trainer, the time off asked about, and the booked sessions it hits."""

    trainer: queries.TrainerName
    period: Interval | None = None
    hit: tuple[Interval, ...] = ()


@bp.get("/<uuid:trainer_id>/time-off")
@requires(Permission.TRAINER_WRITE)
def time_off(trainer_id: UUID) -> ResponseReturnValue:
    """From when until when the trainer is away."""
    return _render(_found(trainer_id), TimeOffForm(formdata=None))


@bp.post("/<uuid:trainer_id>/time-off")
@requires(Permission.TRAINER_WRITE)
def record_time_off(trainer_id: UUID) -> ResponseReturnValue:
    """Say which booked sessions the time off would hit, or record it."""
    actor, now, form, page = current_actor(), clock.now(), TimeOffForm(), _found(trainer_id)
    if not form.validate_on_submit():
        return _render(page, form, status=422)
    try:
        period = form.period(page.trainer.time_zone, now=now)
    except Invalid as error:
        form.refuse(error)
        return _render(page, form, status=422)
    page = _hit(page, period)
    if request.form.get("do") == ASK or _wants_answer():
        return _render(page, form)
    key, reason = form.key.data, form.reason.data or ""
    try:
        retrying(lambda work: service.record_time_off(work, trainer_id, period, reason, by=actor, now=now, key=key))
    except Invalid as error:
        form.refuse(error)
        return _render(page, form, status=422)
    except Conflict as error:
        form.refuse(error)
        form.key.data = new_id()  # recording once more is meant then
        return _render(page, form, status=409)
    flash(_told(page))
    return redirect_after(url_for("trainers.show", trainer_id=trainer_id))


@bp.post("/<uuid:trainer_id>/time-off/<uuid:time_off_id>/remove")
@requires(Permission.TRAINER_WRITE)
def remove_time_off(trainer_id: UUID, time_off_id: UUID) -> ResponseReturnValue:
    """Take time off back: whoever waits for a trainer is looked at again."""
    actor, now = current_actor(), clock.now()
    gone = retrying(
        lambda work: service.remove_time_off(work, trainer_id, time_off_id, by=actor, now=now, served=served())
    )
    flash(_("The time off is taken back.") if gone else _("The time off was taken back already."))
    return redirect_after(url_for("trainers.show", trainer_id=trainer_id))


def _told(page: TimeOffPage) -> str:
    if not page.hit:
        return _("Recorded. No booked session lies in it.")
    one, many = "Recorded. %(num)s booked session needs cover.", "Recorded. %(num)s booked sessions need cover."
    return ngettext(one, many, len(page.hit))


def _found(trainer_id: UUID) -> TimeOffPage:
    """Raises ``NotFound`` for a trainer that is not there or not the actor's."""
    with read_only() as db:
        return TimeOffPage(queries.trainer_name(db, trainer_id, visible_to=current_actor()))


def _hit(page: TimeOffPage, period: Interval) -> TimeOffPage:
    with read_only() as db:
        booked = BOOKED_FROM(db, page.trainer.id, clock.now(), current_actor())
    return TimeOffPage(page.trainer, period, tuple(lesson for lesson in booked if lesson.overlaps(period)))


def _wants_answer() -> bool:
    """Whether only the panel beside the form is asked for."""
    return request.args.get("part") == "answer"


def _render(page: TimeOffPage, form: TimeOffForm, *, status: int = 200) -> ResponseReturnValue:
    part = _wants_answer()
    fragment = "trainers/_time_off_answer.html" if part else "trainers/_time_off_form.html"
    # What is missing while somebody is still typing is no mistake: the panel says it in place.
    return render_page_or_fragment(
        "trainers/time_off.html",
        fragment,
        status=200 if part else status,
        page=page,
        form=form,
        problems=form_problems(form),
    )
