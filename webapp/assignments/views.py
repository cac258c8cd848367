"""Approvals: the queue of proposals, and deciding on one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Flask, current_app, flash, make_response, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from webapp.assignments import service, wording
from webapp.assignments.forms import DecisionForm, RejectForm
from webapp.assignments.grid import Cell, Grid, course_grid
from webapp.assignments.limits import Limits
from webapp.assignments.queries import pages
from webapp.assignments.queries.candidates import weigh
from webapp.assignments.queries.needs import booking_need
from webapp.assignments.queries.rivals import Rival, rivals
from webapp.assignments.rules import AssignmentStatus
from webapp.audit import reading
from webapp.bookings.words import class_type_word, delivery_mode_word, wish_words
from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Invalid
from webapp.db.work import Work, read_only, retrying
from webapp.web import nav
from webapp.web.access import current_actor, requires
from webapp.web.errors import sentence_of
from webapp.web.filters import instant
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.pagination import Page, page_args
from webapp.web.words import _

bp = Blueprint("assignments", __name__, url_prefix="/approvals")
bp.add_app_template_global(wording.reason_words, "reason_words")
bp.add_app_template_global(wording.preference_words, "preference_words")
bp.add_app_template_global(wording.kind_words, "kind_words")
bp.add_app_template_global(wording.recheck_words, "recheck_words")
bp.add_app_template_global(wording.cell_mark, "cell_mark")
bp.add_app_template_global(wording.cell_words, "cell_words")
bp.add_app_template_global(wording.fix_words, "fix_words")
bp.add_app_template_global(lambda: tuple(Cell), "grid_cells")


@dataclass(frozen=True, slots=True)
class QueuePage:
    """The open proposals and who looks at them."""

    page: Page[pages.ProposalRow]
    actor: Actor
    now: datetime
    one_operator: bool
    """Everything shown is one operator's, so its name need not stand in every row."""


@dataclass(frozen=True, slots=True)
class ProposalPage:
    """One proposal, what its reader may do with it, and where to go next."""

    proposal: pages.Proposal
    actor: Actor
    now: datetime
    next_id: UUID | None
    refusal: str | None = None
    """Why what was just tried did not happen."""
    grid: Grid | None = None
    """Session by session, as of now, for a proposal that is open."""
    rivals: Sequence[Rival] = ()
    """Who else waits for the trainer at these times, for a proposal that is open; ``rivals_total`` of them."""
    rivals_total: int = 0

    @property
    def own(self) -> bool:
        """The reader proposed it."""
        return self.actor.id is not None and self.proposal.row.proposed_by == self.actor.id

    @property
    def lapsed(self) -> bool:
        """The hold is over, though nobody has swept it yet."""
        return self.proposal.row.expires_at <= self.now

    @property
    def decides(self) -> bool:
        """The reader's role decides on open proposals."""
        return self.proposal.is_open and self.actor.may(Permission.ASSIGNMENT_APPROVE)

    @property
    def needs_other_eyes(self) -> bool:
        """The reader may not approve because they proposed it (rule A5)."""
        return self.own and self.proposal.four_eyes

    @property
    def class_type(self) -> str:
        """The class type in words."""
        return str(class_type_word(self.proposal.class_type))

    @property
    def delivery_mode(self) -> str:
        """The delivery mode in words."""
        return str(delivery_mode_word(self.proposal.delivery_mode))

    @property
    def wishes(self) -> str:
        """What the family wishes for, in words; empty when it wishes for nothing."""
        wished = self.proposal
        return wish_words(wished.prefers_language, wished.prefers_gender, wished.prefers_taught_before)

    @property
    def may_withdraw(self) -> bool:
        """The reader can take it back."""
        return self.proposal.is_open and self.own and self.actor.may(Permission.ASSIGNMENT_PROPOSE)


@bp.record_once
def _count_in_navigation(state: BlueprintSetupState) -> None:
    assert isinstance(state.app, Flask)
    nav.count_with(state.app, "assignments.index", pages.waiting_count)


@bp.get("")
@requires(Permission.ASSIGNMENT_READ)
def index() -> ResponseReturnValue:
    """The queue, oldest first; the list asks for itself again while it is looked at."""
    args, actor = page_args(request.args), current_actor()
    with read_only() as db:
        rows, total = pages.open_proposals(db, limit=args.limit, offset=args.offset, visible_to=actor)
    queue = QueuePage(args.page_of(rows, total), actor, clock.now(), one_operator=not actor.sees_everything)
    return render_page_or_fragment("assignments/index.html", "assignments/_queue.html", queue=queue)


@bp.get("/<uuid:assignment_id>")
@requires(Permission.ASSIGNMENT_READ)
def show(assignment_id: UUID) -> ResponseReturnValue:
    """One proposal, open or decided, with the explanation stored with it."""
    return _render(assignment_id, RejectForm(formdata=None))


@bp.post("/<uuid:assignment_id>/approve")
@requires(Permission.ASSIGNMENT_APPROVE)
def approve(assignment_id: UUID) -> ResponseReturnValue:
    """Approve, then go on to the next."""
    limits = Limits.from_settings(current_app.extensions["settings"])

    def task(work: Work, version: int, actor: Actor) -> None:
        service.approve(work, assignment_id, version=version, by=actor, now=clock.now(), limits=limits)

    done = _("Approved: %(trainer)s teaches %(reference)s.")
    taken_over = _("Approved: %(trainer)s teaches these sessions of %(reference)s.")
    return _decide(assignment_id, DecisionForm(), task, done, taken_over)


@bp.post("/<uuid:assignment_id>/reject")
@requires(Permission.ASSIGNMENT_APPROVE)
def reject(assignment_id: UUID) -> ResponseReturnValue:
    """Reject with a reason, then go on to the next."""
    form = RejectForm()

    def task(work: Work, version: int, actor: Actor) -> None:
        reason = form.reason.data or ""
        service.reject(work, assignment_id, version=version, reason=reason, by=actor, now=clock.now())

    done = _("Rejected: %(reference)s is back on the waitlist.")
    kept = _("Rejected: %(reference)s keeps the trainer it has.")
    return _decide(assignment_id, form, task, done, kept)


@bp.post("/<uuid:assignment_id>/withdraw")
@requires(Permission.ASSIGNMENT_PROPOSE)
def withdraw(assignment_id: UUID) -> ResponseReturnValue:
    """Take one's own proposal back; its booking can then be edited."""

    def task(work: Work, version: int, actor: Actor) -> None:
        service.withdraw(work, assignment_id, version=version, by=actor, now=clock.now())

    done = _("Withdrawn: %(reference)s is back on the waitlist.")
    kept = _("Withdrawn: %(reference)s keeps the trainer it has.")
    return _decide(assignment_id, DecisionForm(), task, done, kept, to_booking=True)


def _decide(
    assignment_id: UUID,
    form: DecisionForm,
    task: Callable[[Work, int, Actor], None],
    done: str,
    done_to_change: str,
    *,
    to_booking: bool = False,
) -> ResponseReturnValue:
    """Check the form, run the verb, and go on; a refusal shows the proposal as it is now, with what happened.

    ``done`` is said of a whole course, ``done_to_change`` where the booking has a trainer already.
    """
    actor = current_actor()
    if not form.validate_on_submit():
        return _render(assignment_id, form, status=422)
    try:
        retrying(lambda work: task(work, form.to_version(), actor))
    except Invalid as error:
        form.refuse(error)
        return _render(assignment_id, form, status=422)
    except Conflict as error:
        return _render(assignment_id, RejectForm(formdata=None), status=409, refused=error)
    with read_only() as db:
        decided = pages.proposal(db, assignment_id, visible_to=actor)
        next_id = None if to_booking else pages.next_open(db, after=assignment_id, visible_to=actor)
    sentence = done_to_change if decided.row.is_change else done
    flash(sentence % {"trainer": decided.row.trainer, "reference": decided.row.reference})
    if to_booking:
        return redirect_after(url_for("desk.booking", booking_id=decided.row.booking_id))
    return redirect_after(url_for(".show", assignment_id=next_id) if next_id else url_for(".index"))


def _render(
    assignment_id: UUID, form: DecisionForm, *, status: int = 200, refused: Conflict | None = None
) -> ResponseReturnValue:
    actor = current_actor()
    with read_only() as db:
        found = pages.proposal(db, assignment_id, visible_to=actor)
        next_id = pages.next_open(db, after=assignment_id, visible_to=actor)
        grid = _grid(db, found) if found.is_open else None
        others, total = rivals(db, assignment_id, visible_to=actor) if found.is_open else ([], 0)
    row = found.row
    reading.household_read(row.household_id, row.operator_id, by=actor, on="assignments.show")
    refusal = _worded(refused, found) if refused else None
    page = ProposalPage(found, actor, clock.now(), next_id, refusal, grid, others, total)
    return make_response(render_template("assignments/show.html", page=page, form=form), status)


def _grid(db: Session, found: pages.Proposal) -> Grid | None:
    """The proposed trainer and the others, session by session; the slots of this very booking count as free."""
    limits = Limits.from_settings(current_app.extensions["settings"])
    try:
        booking = booking_need(db, found.row.booking_id, travel=limits.travel)
        if found.row.is_change:
            booking = booking.only([session.id for session in found.sessions])
    except Conflict:
        return None  # no session is left to teach
    looked = weigh(db, booking.need, booking.family, max_courses=limits.max_courses)
    by_free = request.args.get("grid") == "free"
    return course_grid(booking.need, looked.verdicts, looked.facts, by_free=by_free, first=found.row.trainer_id)


def _worded(error: Conflict, found: pages.Proposal) -> str:
    """The refusal in the reader's language: moments and reasons are worded here, the service only names them."""
    if error.code == "already-decided":
        return decided_words(found)
    if reasons := error.params.get("reasons"):
        why = "; ".join(wording.reason_words(reason) for reason in reasons)  # type: ignore[attr-defined]
        return _(error.message, name=error.params["name"], why=why)
    return sentence_of(error)


@bp.app_template_global("decided_words")
def decided_words(found: pages.Proposal) -> str:
    """Who decided, what and when: "Asha approved this proposal on Mon 4 Jan 2027, 16:00 IST." A Jinja global."""
    if found.status is AssignmentStatus.PROPOSED:
        return ""
    places: dict[str, Any] = {
        "who": found.decided_by_name or "",
        "when": instant(found.decided_at, found.row.time_zone),
    }
    return _(service.DECIDED_WORDS[found.status], **places)
