"""The catalogue on the database."""

from __future__ import annotations

import pytest

from tests.make import Make
from tests.web.client import NOW
from webapp.core.actor import SYSTEM
from webapp.core.errors import Invalid, NotFound
from webapp.core.ids import new_id
from webapp.courses import queries, service
from webapp.courses.rules import CourseCommand
from webapp.db.work import Database


def test_a_retired_course_is_listed_last_and_not_offered(db: Database, make: Make) -> None:
    abacus, maths = make.course("Abacus"), make.course("Maths")
    with db.unit_of_work() as work:
        assert service.change(work, abacus, CourseCommand("Abacus", active=False), by=SYSTEM, now=NOW)
        assert not service.change(work, maths, CourseCommand(" Maths "), by=SYSTEM, now=NOW)
    with db.read_only() as session:
        assert [course.name for course in queries.active_courses(session)] == ["Maths"]
        assert [(course.name, course.active) for course in queries.courses_index(session)] == [
            ("Maths", True),
            ("Abacus", False),
        ]
        assert not queries.course(session, abacus).active


def test_a_name_is_taken_however_it_is_written(db: Database, make: Make) -> None:
    make.course("Spoken English")
    other = make.course("Maths")
    with pytest.raises(Invalid) as refused, db.unit_of_work() as work:
        service.create(work, CourseCommand("SPOKEN  english"), by=SYSTEM, now=NOW)
    assert (refused.value.field, refused.value.code) == ("name", "course-name-taken")
    with pytest.raises(Invalid), db.unit_of_work() as work:
        service.change(work, other, CourseCommand("spoken english"), by=SYSTEM, now=NOW)


def test_a_course_that_is_not_there(db: Database) -> None:
    with db.read_only() as session, pytest.raises(NotFound):
        queries.course(session, new_id())
    with pytest.raises(NotFound), db.unit_of_work() as work:
        service.change(work, new_id(), CourseCommand("Maths"), by=SYSTEM, now=NOW)
