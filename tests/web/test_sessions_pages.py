"""The sessions pages, as staff use them without JavaScript and with htmx."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from tests.make import Make
from tests.rooms.test_course_sessions import Taught
from tests.web.client import DeskClient
from webapp.bookings.rules import CourseSessionStatus
from webapp.certificates.models import Certificate
from webapp.course_sessions.models import Attendance
from webapp.course_sessions.rules import AttendanceMark
from webapp.db.work import Database


@pytest.fixture
def taught(make: Make, db: Database) -> Taught:
    return Taught(make, db)


def _marks(taught: Taught, mark: str = "present") -> dict[str, str]:
    return {f"mark-{student}": mark for student in taught.family.student_ids}


def test_staff_mark_todays_session_and_return_to_the_day(
    client: DeskClient, taught: Taught, make: Make, at: Callable[[datetime], None], db: Database
) -> None:
    session = taught.session(1)
    at(session.starts_at + timedelta(minutes=5))
    client.sign_in(make.staff())
    listed = client.get("course_sessions.index")
    assert "Mark attendance" in listed.text
    assert "1 session waits for attendance" in listed.text
    assert client.statements <= 12
    form = client.get("course_sessions.show", session_id=session.id)
    assert "Arun" in form.text
    assert "Divya" in form.text
    assert client.statements <= 12
    sent = client.post(
        "course_sessions.mark", session_id=session.id, data={**_marks(taught, "absent"), "outcome": "completed"}
    )
    assert sent.status_code == 303
    assert f"on={session.date}" in sent.location
    assert taught.session(1).status is CourseSessionStatus.COMPLETED
    with db.read_only() as reading:
        assert set(reading.scalars(select(Attendance.mark))) == {AttendanceMark.ABSENT}
    assert "is recorded" in client.get(sent.location).text


def test_before_it_begins_the_session_offers_no_form_and_refuses_one(
    client: DeskClient, taught: Taught, make: Make
) -> None:
    session = taught.session(1)
    client.sign_in(make.staff())
    page = client.get("course_sessions.show", session_id=session.id)
    assert "once the session has begun" in page.text
    assert "Save attendance" not in page.text
    sent = client.post("course_sessions.mark", session_id=session.id, data={**_marks(taught), "outcome": "completed"})
    assert sent.status_code == 409
    assert taught.session(1).status is CourseSessionStatus.SCHEDULED


@pytest.mark.parametrize("data", [{"outcome": "completed"}, {"outcome": "eaten"}, {}, {"mark-": "present"}])
def test_rubbish_is_refused_with_the_form_kept(
    client: DeskClient, taught: Taught, make: Make, at: Callable[[datetime], None], data: dict[str, str]
) -> None:
    session = taught.session(1)
    at(session.starts_at)
    client.sign_in(make.staff())
    for htmx in (False, True):
        sent = client.post(
            "course_sessions.mark",
            session_id=session.id,
            data=dict.fromkeys(_marks(taught), "sleepy") | data,
            htmx=htmx,
        )
        assert sent.status_code == 422
        assert "There are" in sent.text or "There is a problem" in sent.text


def test_an_auditor_reads_but_does_not_mark(
    client: DeskClient, taught: Taught, make: Make, at: Callable[[datetime], None]
) -> None:
    session = taught.session(1)
    at(session.starts_at)
    client.sign_in(make.auditor())
    assert "Save attendance" not in client.get("course_sessions.show", session_id=session.id).text
    sent = client.post("course_sessions.mark", session_id=session.id, data={**_marks(taught), "outcome": "completed"})
    assert sent.status_code == 403


def test_another_franchise_finds_no_such_session(client: DeskClient, taught: Taught, make: Make) -> None:
    session = taught.session(1)
    client.sign_in(make.manager())
    assert client.get("course_sessions.show", session_id=session.id).status_code == 404
    sent = client.post("course_sessions.mark", session_id=session.id, data=_marks(taught))
    assert sent.status_code == 404
    listed = client.get("course_sessions.index", query_string={"on": session.date.isoformat()})
    assert taught.booking.reference not in listed.text


@pytest.mark.parametrize("on", ["2026-02-30", "yesterday", "", "2027-01-04' OR 1=1", "0001-01-01", "9999-12-31"])
def test_any_day_in_the_address_answers_a_page(client: DeskClient, make: Make, on: str) -> None:
    client.sign_in(make.staff())
    assert client.get("course_sessions.index", query_string={"on": on}).status_code == 200


def test_the_thirtieth_session_promises_one_certificate_per_student(
    client: DeskClient, make: Make, db: Database, at: Callable[[datetime], None], bells: list[object]
) -> None:
    taught = Taught(make, db, total=30)
    for number in range(1, 30):
        taught.mark(number)
    last = taught.session(30)
    at(last.starts_at)
    client.sign_in(make.staff())
    bells.clear()
    sent = client.post("course_sessions.mark", session_id=last.id, data={**_marks(taught), "outcome": "completed"})
    assert sent.status_code == 303
    with db.read_only() as reading:
        promised = reading.scalars(select(Certificate.student_id)).all()
    assert sorted(promised) == sorted(taught.family.student_ids)
    assert len(bells) == 1
