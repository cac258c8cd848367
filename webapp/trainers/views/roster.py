"""The list of trainers, and one trainer with their week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.intervals import Interval
from webapp.core.names import search_words
from webapp.courses import queries as courses
from webapp.db.work import read_only
from webapp.trainers import queries
from webapp.trainers.forms.roster import TrainerFilter
from webapp.trainers.questions import BOOKED_FROM, SLOTS_OF
from webapp.trainers.roster_list import roster_version, trainers_list
from webapp.trainers.views.blueprint import bp, served
from webapp.trainers.week import Row, Week, WeekSlot, grid, week_of
from webapp.web.access import current_actor, requires
from webapp.web.cache import cache
from webapp.web.htmx import render_page_or_fragment
from webapp.web.pagination import Page, page_args
from webapp.web.words import _
from webapp.zones import queries as zones

AHEAD = timedelta(days=2 * 366)
"""How far ahead time off is listed."""


@dataclass(frozen=True, slots=True)
class TrainersPage:
    """The list; ``fresh_at`` is as of when the trainer service is believed, where somebody listed comes from it."""

    page: Page[queries.TrainerRow]
    filtered: bool
    several_operators: bool
    fresh_at: datetime | None
    served: bool
    """Whether there is a trainer service."""


@dataclass(frozen=True, slots=True)
class Absence:
    """A period of time off, and how many booked sessions it hits: those need cover."""

    away: queries.Away
    booked: int


@dataclass(frozen=True, slots=True)
class TrainerPage:
    """One trainer, when they are away from now on, and one week."""

    trainer: queries.TrainerDetail
    fresh_at: datetime | None
    absences: tuple[Absence, ...]
    uncovered: int
    """How many booked sessions nobody will come to, because the trainer is away then or not active."""
    week: Week
    rows: tuple[Row, ...]
    slots: tuple[WeekSlot, ...]
    this_week: str
    served: bool
    """Whether there is a trainer service, for which something may be read-only."""


@bp.get("")
@requires(Permission.TRAINER_READ)
def index() -> ResponseReturnValue:
    """The trainers, filtered by name, zone, course, where they are kept and how they stand."""
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
        version = roster_version(db, visible_to=actor)
        fresh_at = queries.roster_fresh_at(db)
    rows, total = trainers_list(
        cache(),
        version,
        visible_to=actor,
        search=search_words(form.q.data or ""),
        zone_id=form.zone.data,
        course_id=form.course.data,
        source=form.source.data,
        standing=form.state.data,
        limit=args.limit,
        offset=args.offset,
    )
    trainers = TrainersPage(args.page_of(rows, total), form.filtered, actor.sees_everything, fresh_at, served())
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
        known = Interval(min(now, week.period.starts_at), max(now + AHEAD, week.period.ends_at))
        away = queries.time_off_of(db, trainer_id, known, visible_to=actor)
        booked = BOOKED_FROM(db, trainer_id, now, actor)
        fresh_at = queries.roster_fresh_at(db) if trainer.from_service else None
    ahead = [absence for absence in away if absence.period.overlaps(Interval(now, now + AHEAD))]
    page = TrainerPage(
        trainer=trainer,
        fresh_at=fresh_at,
        absences=tuple(Absence(absence, sum(map(absence.period.overlaps, booked))) for absence in ahead),
        uncovered=sum(
            not trainer.active or any(absence.period.overlaps(lesson) for absence in ahead) for lesson in booked
        ),
        week=week,
        rows=grid(week, slots, trainer.hours, [absence.period for absence in away]),
        slots=slots,
        this_week=week_of("", trainer.time_zone, now=now).name,
        served=served(),
    )
    return render_template("trainers/show.html", page=page)
