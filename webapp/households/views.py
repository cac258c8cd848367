"""Pages of the families: the list, and one family with its bookings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from flask import Blueprint, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from webapp.audit import reading
from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Invalid, NotFound
from webapp.core.names import search_words
from webapp.db.work import read_only, retrying
from webapp.households import queries, service
from webapp.households.forms import HouseholdFilter, StudentNameForm
from webapp.web.access import current_actor, requires
from webapp.web.beside import Question
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.pagination import Page, page_args
from webapp.web.words import _

bp = Blueprint("households", __name__, url_prefix="/households")


class BookingLine(Protocol):
    """What the page shows of a booking; the status is one of the booking statuses."""

    @property
    def id(self) -> UUID:
        """The booking."""

    @property
    def reference(self) -> str:
        """What people say on the phone."""

    @property
    def course(self) -> str:
        """The course's name."""

    @property
    def status(self) -> str:
        """The booking's status."""

    @property
    def start_date(self) -> date:
        """The local date it starts on."""

    @property
    def total_sessions(self) -> int:
        """10, 20 or 30."""


class ApartLine(Protocol):
    """What the page shows of a trainer the family is kept apart from (rule T10)."""

    @property
    def trainer_id(self) -> UUID:
        """The trainer."""

    @property
    def trainer(self) -> str:
        """The trainer's name."""

    @property
    def reason(self) -> str:
        """Why."""

    @property
    def created_at(self) -> datetime:
        """Since when."""

    @property
    def by(self) -> str | None:
        """Who said so, where the audit knows."""


BOOKINGS_OF: Question[[Session, UUID, Actor], Sequence[BookingLine]] = Question("households.bookings_of")
APART_FROM: Question[[Session, UUID, Actor], Sequence[ApartLine]] = Question("households.apart_from")


@dataclass(frozen=True, slots=True)
class HouseholdsPage:
    """The list."""

    page: Page[queries.HouseholdRow]
    filtered: bool
    several_operators: bool


@dataclass(frozen=True, slots=True)
class HouseholdPage:
    """One family, its bookings and the trainers it is kept apart from, newest first."""

    household: queries.HouseholdDetail
    bookings: Sequence[BookingLine]
    apart: Sequence[ApartLine]


@dataclass(frozen=True, slots=True)
class StudentPage:
    """One child of a family."""

    household: queries.HouseholdDetail
    student: queries.StudentDetail


@bp.get("")
@requires(Permission.HOUSEHOLD_READ)
def index() -> ResponseReturnValue:
    """The families, newest first, or those that match what is looked for."""
    actor, args = current_actor(), page_args(request.args)
    form = HouseholdFilter(request.args, meta={"csrf": False})
    valid = form.validate()
    with read_only() as db:
        rows, total = queries.households_index(
            db, visible_to=actor, search=search_words(form.q.data or ""), limit=args.limit, offset=args.offset
        )
    about = {"page": args.number, "searched": bool(form.q.data)}
    reading.listed("household.listed", [row.id for row in rows], by=actor, about=about)
    families = HouseholdsPage(args.page_of(rows, total), bool(form.q.data), actor.sees_everything)
    return render_page_or_fragment(
        "households/index.html", "households/_list.html", status=200 if valid else 422, families=families, form=form
    )


@bp.get("/<uuid:household_id>")
@requires(Permission.HOUSEHOLD_READ)
def show(household_id: UUID) -> ResponseReturnValue:
    """One family."""
    actor = current_actor()
    with read_only() as db:
        page = HouseholdPage(
            household=queries.household(db, household_id, visible_to=actor),
            bookings=BOOKINGS_OF(db, household_id, actor),
            apart=APART_FROM(db, household_id, actor),
        )
    reading.household_read(household_id, page.household.operator_id, by=actor, on="households.show")
    return render_template("households/show.html", page=page)


@bp.get("/<uuid:household_id>/students/<uuid:student_id>/name")
@requires(Permission.HOUSEHOLD_WRITE)
def student_name(household_id: UUID, student_id: UUID) -> ResponseReturnValue:
    """How a child's name is written, to be corrected."""
    page = _student_page(household_id, student_id)
    return _render_name(page, StudentNameForm(formdata=None, data={"student_name": page.student.name}))


@bp.post("/<uuid:household_id>/students/<uuid:student_id>/name")
@requires(Permission.HOUSEHOLD_WRITE)
def rename_student(household_id: UUID, student_id: UUID) -> ResponseReturnValue:
    """Correct it; certificates that are out keep the name they bear."""
    page, form, actor = _student_page(household_id, student_id), StudentNameForm(), current_actor()
    if not form.validate_on_submit():
        return _render_name(page, form, status=422)
    command = form.to_command()
    try:
        retrying(
            lambda work: service.rename_student(work, household_id, student_id, command, by=actor, now=clock.now())
        )
    except Invalid as error:
        form.refuse(error)
        return _render_name(page, form, status=422)
    flash(_("The name is corrected. A certificate that is out already keeps the old one: issue it anew."))
    return redirect_after(url_for("households.show", household_id=household_id))


def _student_page(household_id: UUID, student_id: UUID) -> StudentPage:
    """Raises ``NotFound`` for what is not there, not theirs, or erased."""
    with read_only() as db:
        family = queries.household(db, household_id, visible_to=current_actor())
    student = next((one for one in family.students if one.id == student_id), None)
    if student is None or family.erased_at is not None:
        raise NotFound()
    return StudentPage(family, student)


def _render_name(page: StudentPage, form: StudentNameForm, *, status: int = 200) -> ResponseReturnValue:
    return render_page_or_fragment(
        "households/student_name.html", "households/_student_name_form.html", status=status, page=page, form=form
    )
