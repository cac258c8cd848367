"""Reading courses. They belong to no operator: everybody teaches the same catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core.errors import Invalid, NotFound
from webapp.core.names import name_key
from webapp.courses.models import Course


@dataclass(frozen=True, slots=True)
class CourseRow:
    """A course to choose."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class CourseDetail:
    """A course as its page shows it."""

    id: UUID
    name: str
    description: str
    active: bool


def active_courses(db: Session) -> tuple[CourseRow, ...]:
    """The courses that may be booked, by name."""
    rows = db.execute(select(Course.id, Course.name).where(Course.active).order_by(Course.name_key))
    return tuple(CourseRow(*row) for row in rows)


def courses_index(db: Session) -> tuple[CourseDetail, ...]:
    """All courses, those that may be booked first, then by name."""
    rows = db.execute(
        select(Course.id, Course.name, Course.description, Course.active).order_by(
            Course.active.desc(), Course.name_key
        )
    )
    return tuple(CourseDetail(*row) for row in rows)


def course(db: Session, course_id: UUID) -> CourseDetail:
    """One course. Raises ``NotFound``."""
    row = db.execute(
        select(Course.id, Course.name, Course.description, Course.active).where(Course.id == course_id)
    ).one_or_none()
    if row is None:
        raise NotFound()
    return CourseDetail(*row)


def course_named(db: Session, name: str) -> CourseDetail:
    """The course of a name, however it is spaced or capitalised. Raises ``Invalid`` for field ``course``."""
    row = db.execute(
        select(Course.id, Course.name, Course.description, Course.active).where(
            Course.name_key == name_key(name, field="course")
        )
    ).one_or_none()
    if row is None:
        raise Invalid("course-unknown", "There is no course named %(name)s.", field="course", name=name)
    return CourseDetail(*row)
