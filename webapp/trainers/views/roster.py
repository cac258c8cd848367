"""Pages of the trainers: the list, and one trainer with their week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.core.intervals import Interval
from webapp.core.names import search_words
from webapp.courses import queries as courses
from webapp.db.work import read_only
from webapp.trainers import queries
from webapp.trainers.forms import TrainerFilter
from webapp.trainers.week import Row, Week, WeekSlot, grid, week_of
from webapp.web.access import current_actor, requires
from webapp.web.beside import Question
from webapp.web.htmx import render_page_or_fragment
from webapp.web.pagination import Page, page_args
from webapp.zones import queries as zones

bp = Blueprint("trainers", __name__, url_prefix="/trainers")

SLOTS_OF: Question[[Session, UUID, Interval, Actor], tuple[WeekSlot, ...]] = Question("trainers.slots_of")

AHEAD = timedelta(days=2 * 365)
"""How far ahead time off is listed."""


@dataclass(frozen=True, slots=True)
class TrainersPage:
    """The list."""

    page: Page[queries.TrainerRow]
    filtered: bool
    several_operators: bool


@dataclass(frozen=True, slots=True)
class TrainerPage:
    """One trainer, when they are away from now on, and one week."""

    trainer: queries.TrainerDetail
    away: tuple[queries.Away, ...]
    week: Week
    rows: tuple[Row, ...]
    slots: tuple[WeekSlot, ...]
    this_week: str


@bp.get("")
@requires(Permission.TRAINER_READ)
def index() -> ResponseReturnValue:
    """The trainers, filtered by name, zone and course."""
    actor, args = current_actor(), page_args(request.args)
    form = TrainerFilter(request.args, meta={"csrf": False})
    with read_only() as db:
        where = zones.zone_choices(db, visible_to=actor)
        form.zone.choices = [("", _("All zones")), *((zone.id, zone.title) for zone in where)]
        form.course.choices = [
            ("", _("All courses")),
            *((course.id, course.name) for course in courses.active_courses(db)),
        ]
        valid = form.validate()
        rows, total = queries.trainers_index(
            db,
            visible_to=actor,
            search=search_words(form.q.data or ""),
            zone_id=form.zone.data,
            course_id=form.course.data,
            limit=args.limit,
            offset=args.offset,
        )
    trainers = TrainersPage(
        page=args.page_of(rows, total),
        filtered=bool(form.q.data or form.zone.data or form.course.data),
        several_operators=actor.sees_everything,
    )
    return render_page_or_fragment(
        "trainers/index.html", "trainers/_list.html", status=200 if valid else 422, trainers=trainers, form=form
    )


@bp.get("/<uuid:trainer_id>")
@requires(Permission.TRAINER_READ)
def show(trainer_id: UUID) -> ResponseReturnValue:
    """One trainer, and the week of ``?week=2027-W01`` (the present one where none is named)."""
    actor, now = current_actor(), clock.now()
    with read_only() as db:
        trainer = queries.trainer(db, trainer_id, visible_to=actor)
        week = week_of(request.args.get("week", ""), trainer.time_zone, now=now)
        slots = SLOTS_OF(db, trainer_id, week.period, actor)
        away_in_week = queries.time_off_of(db, trainer_id, week.period, visible_to=actor)
        away = queries.time_off_of(db, trainer_id, Interval(now, now + AHEAD), visible_to=actor)
    page = TrainerPage(
        trainer=trainer,
        away=away,
        week=week,
        rows=grid(week, slots, trainer.hours, [absence.period for absence in away_in_week]),
        slots=slots,
        this_week=week_of("", trainer.time_zone, now=now).name,
    )
    return render_template("trainers/show.html", page=page)
