"""Pages of the families: the list, and one family with its bookings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from webapp.audit import reading
from webapp.core.actor import Actor, Permission
from webapp.core.names import search_words
from webapp.db.work import read_only
from webapp.households import queries
from webapp.households.forms import HouseholdFilter
from webapp.web.access import current_actor, requires
from webapp.web.beside import Question
from webapp.web.htmx import render_page_or_fragment
from webapp.web.pagination import Page, page_args

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
