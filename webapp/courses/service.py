"""Adding and changing courses."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.errors import Invalid, NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.courses.models import Course
from webapp.courses.rules import CourseCommand
from webapp.db.base import violates
from webapp.db.work import Work


def create(work: Work, command: CourseCommand, *, by: Actor, now: datetime, description: str = "") -> UUID:
    """Add a course to the catalogue. Raises ``Invalid`` for a name in use."""
    checked = command.checked()
    course_id = new_id()
    work.db.add(
        Course(
            id=course_id,
            name=checked.name,
            name_key=checked.name_key,
            description=description,
            active=checked.active,
            created_at=now,
        )
    )
    _flush(work, checked.name)
    audit.record(
        work,
        "course.created",
        "course",
        course_id,
        operator_id=COMPANY_ID,
        by=by,
        after={"name": checked.name, "active": checked.active},
        at=now,
    )
    return course_id


def change(
    work: Work, course_id: UUID, command: CourseCommand, *, by: Actor, now: datetime, description: str | None = None
) -> bool:
    """Rename a course, retire it or bring it back; whether anything changed. A ``description`` of None stays.

    Raises ``NotFound``, and ``Invalid`` for a name in use.
    """
    checked = command.checked()
    row = work.db.scalar(select(Course).where(Course.id == course_id).with_for_update(key_share=True))
    if row is None:
        raise NotFound()
    text = row.description if description is None else description
    before = {"name": row.name, "active": row.active, "description": row.description}
    after = {"name": checked.name, "active": checked.active, "description": text}
    if before == after:
        return False
    row.name, row.name_key, row.active, row.description = checked.name, checked.name_key, checked.active, text
    _flush(work, checked.name)
    audit.record(
        work, "course.changed", "course", course_id, operator_id=COMPANY_ID, by=by, before=before, after=after, at=now
    )
    return True


def _flush(work: Work, name: str) -> None:
    try:
        work.db.flush()  # So that a name in use is refused here, in words, and not at the commit.
    except IntegrityError as error:
        if violates(error, ["uq_courses_name_key"]):
            raise Invalid(
                "course-name-taken", "There is already a course named %(name)s.", field="name", name=name
            ) from error
        raise
