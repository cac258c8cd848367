"""Pages of the courses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from webapp.core.actor import Actor, Permission
from webapp.courses import queries
from webapp.db.work import read_only
from webapp.web.access import current_actor, requires
from webapp.web.beside import Question

bp = Blueprint("courses", __name__, url_prefix="/courses")

TRAINERS_BY: Question[[Session, Actor], Mapping[UUID, int]] = Question("courses.trainers_by")
BOOKINGS_BY: Question[[Session, Actor], Mapping[UUID, int]] = Question("courses.bookings_by")


@dataclass(frozen=True, slots=True)
class CoursesPage:
    """All courses, with the trainers certified and the live bookings the actor may see."""

    courses: tuple[queries.CourseDetail, ...]
    trainers: Mapping[UUID, int]
    bookings: Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class CoursePage:
    """One course."""

    course: queries.CourseDetail
    trainers: int
    bookings: int


@bp.get("")
@requires(Permission.COURSE_READ)
def index() -> ResponseReturnValue:
    """All courses."""
    actor = current_actor()
    with read_only() as db:
        page = CoursesPage(queries.courses_index(db), TRAINERS_BY(db, actor), BOOKINGS_BY(db, actor))
    return render_template("courses/index.html", page=page)


@bp.get("/<uuid:course_id>")
@requires(Permission.COURSE_READ)
def show(course_id: UUID) -> ResponseReturnValue:
    """One course."""
    actor = current_actor()
    with read_only() as db:
        page = CoursePage(
            course=queries.course(db, course_id),
            trainers=TRAINERS_BY(db, actor).get(course_id, 0),
            bookings=BOOKINGS_BY(db, actor).get(course_id, 0),
        )
    return render_template("courses/show.html", page=page)
