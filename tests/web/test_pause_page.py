"""A series paused: what changes is shown before it does (rules A7 and B8)."""

from __future__ import annotations

from datetime import date, time

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from tests.make import Make
from tests.rooms.test_replacing import Taught, rows, taught_by
from tests.web.client import NOW, DeskClient
from tests.web.test_bookings_pages import words
from webapp.core.ids import new_id
from webapp.db.work import unit_of_work


@pytest.fixture
def desk(make: Make, client: DeskClient) -> Taught:
    taught = taught_by(make)
    client.sign_in(make.staff(taught.operator_id))
    return taught


def send(client: DeskClient, desk: Taught, *, htmx: bool = False, part: str = "", **changed: str) -> TestResponse:
    """The form, filled in but for what is changed: three days from the third session on."""
    data = {"version": str(desk.version), "from_date": "2027-01-06", "to_date": "2027-01-08", "do": "do"} | changed
    query = {"part": part} if part else None
    return client.post("desk.pause_series", booking_id=desk.booking.id, data=data, htmx=htmx, query_string=query)


def last_day(desk: Taught) -> date:
    """The day of the last session."""
    found: date = rows("SELECT max(date) FROM course_sessions WHERE booking_id = :id", id=desk.booking.id)[0][0]
    return found


def busy(desk: Taught, make: Make, *, on: date, at: time = time(16, 20)) -> None:
    """The trainer is held for another family's course."""
    other = make.booking(
        operator_id=desk.operator_id,
        zone_id=desk.zone_id,
        course_id=desk.course_id,
        household=make.household(operator_id=desk.operator_id),
        start_date=on,
        timeslot=at,
    )
    make.proposal(other, desk.trainer_id)


def test_the_page_asks_for_the_days(client: DeskClient, desk: Taught) -> None:
    page = words(client.get("desk.pause", booking_id=desk.booking.id))
    assert "First day without a session" in page
    assert "before anything changes" in page
    assert client.statements <= 12


@pytest.mark.parametrize("htmx", [False, True])
def test_before_and_after_are_shown_with_counts_and_the_last_day(client: DeskClient, desk: Taught, htmx: bool) -> None:
    answer = send(client, desk, htmx=htmx, do="ask")
    assert answer.status_code == 200
    page = words(answer)
    assert "8 sessions get new days. The last one moves from Wed 13 Jan 2027 to Sat 16 Jan 2027." in page
    assert "Asha is free for all of them." in page
    assert "3 Wed 6 Jan 2027, 16:00 IST Sat 9 Jan 2027, 16:00 IST" in page
    assert "Pause the series" in page
    assert client.statements <= 12
    panel = send(client, desk, htmx=True, part="answer", do="")
    assert panel.text.lstrip().startswith('<div id="answer"')
    assert last_day(desk) == date(2027, 1, 13)


def test_the_series_is_paused(client: DeskClient, desk: Taught) -> None:
    answer = send(client, desk)
    assert (answer.status_code, answer.location) == (303, f"/bookings/{desk.booking.id}")
    page = words(client.get(answer.location))
    assert "Paused: 8 sessions have new days." in page
    assert "paused the series" in page
    assert "Wed 6 Jan 2027 – Fri 8 Jan 2027" in page
    assert "moved session" not in page, "the pause says it for all of them"
    assert client.statements <= 12
    assert last_day(desk) == date(2027, 1, 16)
    again = send(client, desk, htmx=True, from_date="2027-01-09", to_date="2027-01-09")
    assert again.headers["HX-Redirect"] == f"/bookings/{desk.booking.id}"


@pytest.mark.parametrize("htmx", [False, True])
def test_a_trainer_who_is_not_free_comes_with_the_reasons_and_a_day_that_would_do(
    client: DeskClient, desk: Taught, make: Make, htmx: bool
) -> None:
    desk.away(desk.trainer_id, 6, 6)
    answer = send(client, desk, htmx=htmx, do="ask", to_date="2027-01-08")
    page = words(answer)
    assert "Asha cannot teach all of them:" in page
    assert "Away in 1 of 8 sessions, first Sat 9 Jan 2027 at 16:00" in page
    assert "Pause the series" not in page[page.index("Asha cannot") :]
    assert "Resume on Sun 10 Jan 2027 instead" in page
    assert 'name="resume" value="2027-01-10"' in answer.text
    taken = send(client, desk, htmx=htmx, resume="2027-01-10")
    assert taken.status_code == 200
    assert "Asha is free for all of them." in words(taken)
    assert 'value="2027-01-09"' in taken.text
    refused = send(client, desk, htmx=htmx)
    assert refused.status_code == 409
    assert "Asha cannot take this course: Away in 1 of 8 sessions" in words(refused)
    assert "Resume on Sun 10 Jan 2027 instead" in words(refused)
    assert last_day(desk) == date(2027, 1, 13)


def test_where_no_day_would_do_the_page_says_what_would_help(client: DeskClient, desk: Taught, make: Make) -> None:
    for on in (date(2027, 1, 16), date(2027, 1, 26)):
        busy(desk, make, on=on)
    page = words(send(client, desk, do="ask"))
    assert "No day in the two weeks after it would do." in page


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(
    ("changed", "status", "sentence"),
    [
        ({"from_date": ""}, 422, "Give the first day."),
        ({"to_date": ""}, 422, "Give the last day."),
        ({"to_date": "soon"}, 422, "Give the date as year-month-day"),
        ({"to_date": "2027-01-05"}, 422, "The pause must end after it begins."),
        ({"from_date": "2026-01-01", "to_date": "2026-01-05"}, 422, "The pause must not be over already."),
        ({"to_date": "9999-12-31"}, 422, "This date lies too far ahead."),
        ({"from_date": "2027-02-01", "to_date": "2027-02-05"}, 409, "This pause would move no session."),
    ],
)
def test_what_cannot_be_comes_back_with_what_was_typed(
    client: DeskClient, desk: Taught, changed: dict[str, str], status: int, sentence: str, htmx: bool
) -> None:
    for step in ("do", "ask"):
        answer = send(client, desk, htmx=htmx, do=step, **changed)
        assert answer.status_code == status
        assert sentence in words(answer)
    panel = send(client, desk, htmx=True, part="answer", do="", **changed)
    assert panel.status_code == 200, "nobody is blamed while they type"
    assert sentence in words(panel)
    assert last_day(desk) == date(2027, 1, 13)


@pytest.mark.parametrize("resume", ["", "soon", "0001-01-01"])
def test_a_day_to_go_on_that_is_none_is_asked_about_and_pauses_nothing(
    client: DeskClient, desk: Taught, resume: str
) -> None:
    answer = send(client, desk, resume=resume)
    assert answer.status_code == 200
    assert 'value="2027-01-08"' in answer.text
    assert last_day(desk) == date(2027, 1, 13)


def test_a_page_that_is_no_longer_true_pauses_nothing(client: DeskClient, desk: Taught) -> None:
    answer = send(client, desk, version="1")
    assert answer.status_code == 409
    assert f'name="version" value="{desk.version}"' in answer.text
    assert last_day(desk) == date(2027, 1, 13)


def test_an_open_proposal_is_decided_on_first(client: DeskClient, desk: Taught) -> None:
    made = desk.replace(desk.trainer("Bela"))
    for answer in (send(client, desk, do="ask"), send(client, desk, htmx=True, part="answer", do="")):
        assert "Bela is proposed for sessions 3–10. Approve, reject or withdraw that first." in words(answer)
        assert answer.text.count(f'href="/approvals/{made.assignment_id}"') == 1
    assert send(client, desk, do="ask").status_code == 409


def test_a_booking_without_a_trainer_is_not_paused(client: DeskClient, desk: Taught, make: Make) -> None:
    waiting = make.booking(operator_id=desk.operator_id, zone_id=desk.zone_id, course_id=desk.course_id)
    data = {"version": "1", "from_date": "2027-01-06", "to_date": "2027-01-08", "do": "ask"}
    asked = client.get("desk.pause", booking_id=waiting.id)
    for answer in (client.post("desk.pause_series", booking_id=waiting.id, data=data), asked):
        assert answer.status_code == 409
        assert "This booking has no trainer yet. Propose one first." in words(answer)
    assert f'href="/bookings/{waiting.id}"' in asked.text
    assert 'name="from_date"' not in asked.text, "nothing to fill in that would be refused"


@pytest.mark.parametrize(
    ("status", "sentence"),
    [("completed", "The course of this booking is over"), ("cancelled", "This booking is cancelled")],
)
def test_a_booking_that_is_over_is_not_paused(client: DeskClient, desk: Taught, status: str, sentence: str) -> None:
    with unit_of_work() as work:
        change = "UPDATE bookings SET status = :status, completed_at = :at, closed_reason = 'Moved' WHERE id = :id"
        at = NOW if status == "completed" else None
        work.db.execute(text(change), {"status": status, "at": at, "id": desk.booking.id})
    answer = client.get("desk.pause", booking_id=desk.booking.id)
    assert answer.status_code == 409
    assert sentence in words(answer)


def test_a_foreign_booking_is_not_there(client: DeskClient, desk: Taught, make: Make) -> None:
    foreign = taught_by(make)
    for booking_id in (foreign.booking.id, new_id()):
        assert client.get("desk.pause", booking_id=booking_id).status_code == 404
        for data in ({}, {"version": "3", "from_date": "2027-01-06", "to_date": "2027-01-08", "do": "do"}):
            assert client.post("desk.pause_series", booking_id=booking_id, data=data).status_code == 404
    assert last_day(foreign) == date(2027, 1, 13)


def test_an_auditor_pauses_nothing(client: DeskClient, desk: Taught, make: Make) -> None:
    client.sign_in(make.auditor())
    assert client.get("desk.pause", booking_id=desk.booking.id).status_code == 403
    assert send(client, desk).status_code == 403
