"""One session moved to another time, made up for, or cancelled; the answer comes before the change (rules A7, S1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta

import pytest
from werkzeug.test import TestResponse

from tests.make import Make
from tests.rooms.test_replacing import Taught, rows, taught_by
from tests.web.client import DeskClient
from tests.web.test_bookings_pages import words
from webapp.bookings.rules import DeliveryMode
from webapp.core.ids import new_id
from webapp.course_sessions.service import Outcome


@pytest.fixture
def desk(make: Make, client: DeskClient) -> Taught:
    taught = taught_by(make)
    client.sign_in(make.staff(taught.operator_id))
    return taught


def send(
    client: DeskClient, desk: Taught, number: int = 3, /, *, htmx: bool = False, part: str = "", **changed: str
) -> TestResponse:
    """The form, filled in but for what is changed."""
    data = {"version": str(desk.version), "to_date": "2027-01-06", "timeslot": "10:00", "do": "do"} | changed
    query = {"part": part} if part else None
    session_id = desk.ids(number)[0]
    return client.post("desk.move_session", session_id=session_id, data=data, htmx=htmx, query_string=query)


def at_of(desk: Taught, number: int) -> tuple[date, time]:
    """Where a session is now."""
    ((on, at),) = rows("SELECT date, timeslot FROM course_sessions WHERE id = :id", id=desk.ids(number)[0])
    return on, at


HERE = (date(2027, 1, 6), time(16))


def test_the_page_begins_where_the_session_is_and_promises_an_answer_first(client: DeskClient, desk: Taught) -> None:
    answer = client.get("desk.move", session_id=desk.ids(3)[0])
    assert 'value="2027-01-06"' in answer.text
    assert 'value="16:00"' in answer.text
    page = words(answer)
    assert "Now Wed 6 Jan 2027, 16:00 IST" in page
    assert "whether the trainer is free appears here, before anything is moved" in page
    assert "Move the session" not in page
    assert client.statements <= 12


@pytest.mark.parametrize("htmx", [False, True])
def test_a_time_that_is_free_is_said_to_be_before_the_move(client: DeskClient, desk: Taught, htmx: bool) -> None:
    desk.trainer("Bela")
    answer = send(client, desk, htmx=htmx, do="ask")
    assert answer.status_code == 200
    assert ("<h1" in answer.text) is not htmx
    page = words(answer)
    assert "Asha is free on Wed 6 Jan 2027, 10:00 IST." in page
    assert "Move the session" in page
    assert "Others who would be free then Bela" in page
    assert client.statements <= 12
    assert at_of(desk, 3) == HERE


def test_a_time_that_is_not_comes_with_every_reason_and_the_free_times_of_the_day(
    client: DeskClient, desk: Taught, make: Make
) -> None:
    fragment = send(client, desk, htmx=True, part="answer", do="", timeslot="05:00")
    assert fragment.status_code == 200
    assert fragment.text.lstrip().startswith('<div id="answer"')
    page = words(fragment)
    assert "Asha cannot teach on Wed 6 Jan 2027, 05:00 IST:" in page
    assert "Outside working hours on Wed 6 Jan 2027 at 05:00" in page
    assert 'name="at" value="07:00"' in fragment.text
    assert 'name="at" value="16:00"' not in fragment.text, "it is there already"
    assert "Move the session" not in page
    desk.away(desk.trainer_id, 3, 3)
    page = words(send(client, desk, htmx=True, part="answer", do="", timeslot="16:20"))
    assert "Away on Wed 6 Jan 2027 at 16:20" in page


def test_a_free_time_is_taken_by_its_button_and_the_answer_given_again(client: DeskClient, desk: Taught) -> None:
    for htmx in (False, True):
        answer = send(client, desk, htmx=htmx, timeslot="05:00", at="07:20")
        assert answer.status_code == 200
        assert "Asha is free on Wed 6 Jan 2027, 07:20 IST." in words(answer)
        assert 'data-filled="yes"' in answer.text
        assert 'value="07:20"' in answer.text
    assert at_of(desk, 3) == HERE
    assert send(client, desk, do="ask", at="rubbish").status_code == 200


def test_the_session_moves_and_its_page_is_shown(client: DeskClient, desk: Taught) -> None:
    old = desk.ids(3)[0]
    answer = send(client, desk, timeslot="10:00")
    assert (answer.status_code, answer.location) == (303, f"/sessions/{desk.ids(3)[0]}")
    page = words(client.get(answer.location))
    assert "Session 3 is now on Wed 6 Jan 2027, 10:00 IST." in page
    assert "Trainer Asha" in page
    assert at_of(desk, 3) == (date(2027, 1, 6), time(10))
    before = client.get("course_sessions.show", session_id=old)
    assert f'href="/sessions/{desk.ids(3)[0]}"' in before.text
    assert "This session was moved." in words(before)
    told = words(client.get("desk.booking", booking_id=desk.booking.id))
    assert "moved session 3" in told
    assert "Wed 6 Jan 2027, 16:00 → Wed 6 Jan 2027, 10:00" in told
    again = send(client, desk, timeslot="11:00", htmx=True)
    assert again.headers["HX-Redirect"] == f"/sessions/{desk.ids(3)[0]}"


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"to_date": ""}, "Give the day."),
        ({"to_date": "tomorrow"}, "Give the date as year-month-day"),
        ({"to_date": "9999-12-31"}, "This date lies too far ahead."),
        ({"to_date": "0001-01-01"}, "A session must start later than now."),
        ({"timeslot": ""}, "Give the time."),
        ({"timeslot": "25:00"}, "Give the time as hours and minutes"),
        ({"timeslot": "23:40"}, "The sessions of a day must end by midnight."),
        ({"timeslot": "16:00"}, "The session is at that time already."),
        ({"to_date": "2027-01-07", "timeslot": "16:20"}, "Session 3 would overlap another one."),
        ({"to_date": "2027-01-01", "timeslot": "08:00"}, "A session must start later than now."),
    ],
)
def test_what_cannot_be_comes_back_with_what_was_typed(
    client: DeskClient, desk: Taught, changed: dict[str, str], sentence: str, htmx: bool
) -> None:
    for step in ("do", "ask"):
        answer = send(client, desk, htmx=htmx, do=step, **changed)
        assert answer.status_code == 422
        assert sentence in words(answer)
    panel = send(client, desk, htmx=True, part="answer", do="", **changed)
    assert panel.status_code == 200, "nobody is blamed while they type"
    assert sentence in words(panel)
    assert at_of(desk, 3) == HERE


@pytest.mark.parametrize("htmx", [False, True])
def test_a_trainer_taken_meanwhile_is_refused_in_words_with_the_free_times(
    client: DeskClient, desk: Taught, make: Make, htmx: bool
) -> None:
    other = make.booking(
        operator_id=desk.operator_id,
        zone_id=desk.zone_id,
        course_id=desk.course_id,
        household=make.household(operator_id=desk.operator_id),
        timeslot=time(10),
    )
    make.proposal(other, desk.trainer_id)
    answer = send(client, desk, htmx=htmx)
    assert answer.status_code == 409
    page = words(answer)
    assert "Asha was just given another session at one of these times." in page
    assert "Busy on Wed 6 Jan 2027 at 10:00" in page
    assert 'name="at"' in answer.text
    assert at_of(desk, 3) == HERE


def test_a_page_that_is_no_longer_true_moves_nothing(client: DeskClient, desk: Taught) -> None:
    for version in ("1", "x", ""):
        answer = send(client, desk, version=version)
        assert answer.status_code == 409
        assert f'name="version" value="{desk.version}"' in answer.text
    assert at_of(desk, 3) == HERE


def test_a_session_somebody_else_is_proposed_for_waits_for_that_decision(client: DeskClient, desk: Taught) -> None:
    made = desk.substitute(desk.ids(3), desk.trainer("Bela"))
    for step in ("ask", "do"):
        answer = send(client, desk, do=step)
        assert answer.status_code == 409
        assert "Bela is proposed for session 3. Approve, reject or withdraw that first." in words(answer)
        assert answer.text.count(f'href="/approvals/{made.assignment_id}"') == 1
    panel = send(client, desk, htmx=True, part="answer", do="")
    assert f'href="/approvals/{made.assignment_id}"' in panel.text


@pytest.mark.parametrize("endpoint", ["desk.move", "desk.cancel_session_page"])
def test_what_is_taught_or_was_moved_leads_on_instead_of_to_a_form(
    client: DeskClient, desk: Taught, endpoint: str, make: Make, at: Callable[[datetime], None]
) -> None:
    first, third = desk.ids(1, 3)
    assert send(client, desk, timeslot="10:00").status_code == 303
    now = desk.ids(3)[0]
    desk.mark(1)
    at(desk.booking.sessions[1].starts_at + timedelta(minutes=1))
    client.sign_in(make.staff(desk.operator_id))
    for session_id, sentence, link in (
        (first, "This session was taught: it stays as it is.", f"/sessions/{first}"),
        (third, "This session was moved already. Go on with the one it was moved to.", f"/sessions/{now}"),
        (desk.ids(2)[0], "This session has begun. Mark what became of it.", f"/sessions/{desk.ids(2)[0]}"),
    ):
        answer = client.get(endpoint, session_id=session_id)
        assert answer.status_code == 409
        assert sentence in words(answer)
        for href in (link, f"/bookings/{desk.booking.id}"):
            assert f'href="{href}"' in answer.text
        assert 'name="version"' not in answer.text
    assert client.get(endpoint, session_id=now).status_code == 200


def test_a_session_of_a_booking_without_a_trainer_is_neither_moved_nor_cancelled(
    client: DeskClient, desk: Taught, make: Make
) -> None:
    waiting = make.booking(operator_id=desk.operator_id, zone_id=desk.zone_id, course_id=desk.course_id)
    (session_id,) = rows("SELECT id FROM course_sessions WHERE booking_id = :id AND number = 1", id=waiting.id)[0]
    for endpoint in ("desk.move", "desk.cancel_session_page"):
        answer = client.get(endpoint, session_id=session_id)
        assert answer.status_code == 409
        assert "This booking has no trainer yet. Propose one first." in words(answer)


def test_a_session_online_keeps_its_time(client: DeskClient, make: Make) -> None:
    desk = taught_by(make, delivery_mode=DeliveryMode.HYBRID, total_sessions=30)
    client.sign_in(make.staff(desk.operator_id))
    page = client.get("desk.move", session_id=desk.ids(1)[0])
    assert "readonly" in page.text
    assert "Online sessions keep their time" in page.text
    answer = send(client, desk, 1, to_date="2027-02-10", timeslot="10:00")
    assert answer.status_code == 422
    assert "Session 1 is online and keeps its time." in words(answer)
    asked = send(client, desk, 1, do="ask", to_date="2027-02-10", timeslot="16:00")
    assert "Asha is free on Wed 10 Feb 2027, 16:00 IST." in words(asked)
    assert 'name="at"' not in asked.text


def test_a_missed_session_is_made_up_for(
    client: DeskClient, desk: Taught, make: Make, at: Callable[[datetime], None]
) -> None:
    desk.mark(1, Outcome.MISSED)
    missed = desk.ids(1)[0]
    at(desk.booking.sessions[0].ends_at)
    client.sign_in(make.staff(desk.operator_id))
    assert "Plan the make-up" in words(client.get("course_sessions.show", session_id=missed))
    assert "Make up session 1" in words(client.get("desk.booking", booking_id=desk.booking.id))
    page = client.get("desk.move", session_id=missed)
    assert "Make up session 1" in words(page)
    assert 'name="to_date"' in page.text
    assert 'value="2027-01-04"' not in page.text, "the day it was missed on is no suggestion"
    asked = send(client, desk, 1, do="ask", to_date="2027-01-20", timeslot="16:00")
    assert "Book the make-up" in words(asked)
    assert send(client, desk, 1, to_date="2027-01-20", timeslot="16:00").status_code == 303
    told = words(client.get("desk.booking", booking_id=desk.booking.id))
    assert "planned the make-up of session 1" in told


def test_one_session_is_cancelled_with_a_reason_and_can_come_back(client: DeskClient, desk: Taught) -> None:
    third = desk.ids(3)[0]
    page = client.get("desk.cancel_session_page", session_id=third)
    assert "Wed 6 Jan 2027, 16:00 IST" in words(page)
    assert client.statements <= 12
    for htmx in (False, True):
        data = {"version": str(desk.version), "reason": " "}
        refused = client.post("desk.cancel_session", session_id=third, data=data, htmx=htmx)
        assert refused.status_code == 422
        assert "Give a reason." in words(refused)
    data = {"version": str(desk.version), "reason": "A wedding"}
    answer = client.post("desk.cancel_session", session_id=third, data=data)
    assert (answer.status_code, answer.location) == (303, f"/sessions/{third}")
    shown = words(client.get(answer.location))
    assert "The session is cancelled. It needs a make-up." in shown
    assert "Cancelled" in shown
    again = client.get("desk.cancel_session_page", session_id=third)
    assert again.status_code == 409
    assert "This session is cancelled. Plan its make-up instead." in words(again)
    booking = client.get("desk.booking", booking_id=desk.booking.id)
    assert 'zd-key zd-stopped"></span>cancelled' in booking.text, "the strip says what grey is"
    told = words(booking)
    assert "cancelled session 3" in told
    assert "A wedding" in told
    back = send(client, desk, to_date="2027-01-06", timeslot="16:00")
    assert back.status_code == 303, "at its own time again"


def test_what_cannot_be_cancelled_says_why(
    client: DeskClient, desk: Taught, make: Make, at: Callable[[datetime], None]
) -> None:
    data = {"version": "1", "reason": "A wedding"}
    stale = client.post("desk.cancel_session", session_id=desk.ids(3)[0], data=data)
    assert stale.status_code == 409
    assert "A wedding" in stale.text
    at(desk.booking.sessions[2].starts_at + timedelta(minutes=1))
    client.sign_in(make.staff(desk.operator_id))
    for htmx in (False, True):
        data = {"version": str(desk.version), "reason": "A wedding"}
        begun = client.post("desk.cancel_session", session_id=desk.ids(3)[0], data=data, htmx=htmx)
        assert begun.status_code == 409
        assert "This session has begun. Mark what became of it." in words(begun)
    moved = send(client, desk, to_date="2027-01-20")
    assert moved.status_code == 409
    assert "This session has begun." in words(moved)
    page = client.get("course_sessions.show", session_id=desk.ids(3)[0]).text
    assert "/move" not in page
    assert "/cancel" not in page


def test_a_foreign_session_is_not_there(client: DeskClient, desk: Taught, make: Make) -> None:
    foreign = taught_by(make)
    for session_id in (foreign.ids(3)[0], new_id()):
        for endpoint in ("desk.move", "desk.cancel_session_page"):
            assert client.get(endpoint, session_id=session_id).status_code == 404
        whole = {"version": "3", "to_date": "2027-01-06", "timeslot": "10:00", "do": "do", "reason": "No"}
        for endpoint in ("desk.move_session", "desk.cancel_session"):
            for data in ({}, whole):
                assert client.post(endpoint, session_id=session_id, data=data).status_code == 404
    assert at_of(foreign, 3) == HERE


def test_an_auditor_moves_and_cancels_nothing(client: DeskClient, desk: Taught, make: Make) -> None:
    client.sign_in(make.auditor())
    third = desk.ids(3)[0]
    for endpoint in ("desk.move", "desk.cancel_session_page"):
        assert client.get(endpoint, session_id=third).status_code == 403
    assert send(client, desk).status_code == 403
    assert client.post("desk.cancel_session", session_id=third, data={}).status_code == 403
    page = client.get("course_sessions.show", session_id=third).text
    assert "/move" not in page
    assert "/cancel" not in page
