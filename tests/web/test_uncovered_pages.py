"""A session planned without its trainer from the move page, and found a substitute on the next (rules A7 and S1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tests.make import Make
from tests.rooms.test_replacing import Taught, taught_by
from tests.web.client import DeskClient
from tests.web.test_bookings_pages import words
from tests.web.test_move_page import HERE, at_of, send
from webapp.course_sessions.service import Outcome

FIND = "Move it and find somebody else"


@pytest.fixture
def desk(make: Make, client: DeskClient) -> Taught:
    """The trainer is away from the sixth to the seventh of January."""
    taught = taught_by(make)
    taught.away(taught.trainer_id, 3, 4)
    client.sign_in(make.staff(taught.operator_id))
    return taught


def without(client: DeskClient, desk: Taught, *, htmx: bool = False, **changed: str) -> str:
    """Move the third session to where its trainer is away; where the desk goes on."""
    answer = send(client, desk, htmx=htmx, do="without", **{"timeslot": "16:20"} | changed)
    if htmx:
        return answer.headers["HX-Redirect"]
    assert answer.status_code == 303
    return answer.location or ""


def test_the_button_stands_only_where_somebody_else_would_be_free(client: DeskClient, desk: Taught) -> None:
    assert FIND not in words(send(client, desk, do="ask", timeslot="16:20"))
    desk.trainer("Bela")
    for htmx, part in ((False, ""), (True, "answer")):
        answer = send(client, desk, htmx=htmx, part=part, do="ask", timeslot="16:20")
        assert 'name="do" value="without"' in answer.text
        page = words(answer)
        assert "Asha cannot teach on Wed 6 Jan 2027, 16:20 IST:" in page
        assert FIND in page
        assert "Move the session" not in page
        assert "until then it needs cover" in page
    free = send(client, desk, do="ask", to_date="2027-01-20")
    assert FIND not in words(free)
    assert 'value="without"' not in free.text
    assert at_of(desk, 3) == HERE


@pytest.mark.parametrize("htmx", [False, True])
def test_it_moves_and_leads_to_the_substitutes_with_the_session_chosen(
    client: DeskClient, desk: Taught, htmx: bool
) -> None:
    desk.trainer("Bela")
    location = without(client, desk, htmx=htmx)
    new = desk.ids(3)[0]
    assert location == f"/bookings/{desk.booking.id}/substitute?session={new}"
    answer = client.get(location)
    assert f'value="{new}" checked' in answer.text
    page = words(answer)
    assert "Session 3 is now on Wed 6 Jan 2027, 16:20 IST, with nobody yet." in page
    assert "For 1 session: 3. Taught by nobody now." in page
    assert "Propose the substitute" in page
    assert client.statements <= 12


def test_every_page_that_shows_the_session_says_that_nobody_has_it(client: DeskClient, desk: Taught) -> None:
    bela = desk.trainer("Bela")
    without(client, desk)
    new = desk.ids(3)[0]
    cover = client.get("desk.cover")
    assert f'href="/bookings/{desk.booking.id}/substitute?session={new}"' in cover.text
    assert "Nobody yet" in words(cover)
    assert client.statements <= 12
    assert "Trainer Nobody yet" in words(client.get("course_sessions.show", session_id=new))
    booking = words(client.get("desk.booking", booking_id=desk.booking.id))
    assert "Nobody yet" in booking
    assert "Wed 6 Jan 2027, 16:00 → Wed 6 Jan 2027, 16:20, with nobody yet" in booking
    assert "Nobody yet" in words(client.get("course_sessions.index", query_string={"on": "2027-01-06"}))
    assert "Nobody yet" in words(client.get("desk.cancel_session_page", session_id=new))
    made = desk.substitute([new], bela)
    shown = client.get("course_sessions.show", session_id=new)
    assert f'href="/approvals/{made.assignment_id}">Bela is proposed</a>' in shown.text
    assert "Bela is proposed" in words(client.get("desk.booking", booking_id=desk.booking.id))
    assert f'href="/approvals/{made.assignment_id}">Bela is proposed</a>' in client.get("desk.cover").text
    desk.approve(made)
    for endpoint in ("desk.cover", "course_sessions.index"):
        assert "Nobody yet" not in words(client.get(endpoint))
    assert "Trainer Bela" in words(client.get("course_sessions.show", session_id=new))


def test_a_replacement_says_that_nobody_has_the_only_session_left(
    client: DeskClient, desk: Taught, make: Make, at: Callable[[datetime], None]
) -> None:
    for number in range(1, 10):
        desk.mark(number)
    desk.mark(10, Outcome.MISSED)
    desk.trainer("Bela")
    desk.away(desk.trainer_id, 10, 10)
    at(desk.booking.sessions[9].starts_at + timedelta(minutes=5))
    client.sign_in(make.staff(desk.operator_id))
    answer = send(client, desk, 10, to_date="2027-01-13", timeslot="16:20", do="without")
    assert answer.status_code == 303
    page = words(client.get("desk.replace", booking_id=desk.booking.id))
    assert "Has them now Nobody yet" in page
    assert "Bela" in page


def test_a_make_up_is_planned_in_words_of_its_own(
    client: DeskClient, desk: Taught, make: Make, at: Callable[[datetime], None]
) -> None:
    desk.mark(1, Outcome.MISSED)
    at(desk.booking.sessions[0].ends_at)
    client.sign_in(make.staff(desk.operator_id))
    desk.trainer("Bela")
    asked = words(send(client, desk, 1, do="ask", timeslot="17:20", to_date="2027-01-06"))
    assert "Plan it and find somebody else" in asked
    assert FIND not in asked


def test_a_time_at_which_the_trainer_is_free_is_theirs(client: DeskClient, desk: Taught) -> None:
    desk.trainer("Bela")
    for htmx in (False, True):
        answer = send(client, desk, htmx=htmx, do="without", to_date="2027-01-20")
        assert answer.status_code == 409
        page = words(answer)
        assert "Asha is free then: move it with them." in page
        assert "Move the session" in page
    assert at_of(desk, 3) == HERE


def test_what_cannot_be_is_refused_without_a_trainer_too(client: DeskClient, desk: Taught) -> None:
    desk.trainer("Bela")
    for changed, status in (({"version": "1"}, 409), ({"timeslot": "16:00"}, 422), ({"to_date": ""}, 422)):
        data: Any = {"timeslot": "16:20"} | changed
        assert send(client, desk, do="without", **data).status_code == status
    desk.substitute(desk.ids(3))
    assert send(client, desk, do="without", timeslot="16:20").status_code == 409
    assert at_of(desk, 3) == HERE


def test_attendance_of_a_session_nobody_was_booked_for_is_refused(
    client: DeskClient, desk: Taught, make: Make, at: Callable[[datetime], None]
) -> None:
    desk.trainer("Bela")
    without(client, desk)
    new = desk.ids(3)[0]
    at(
        datetime.combine(date(2027, 1, 6), datetime.min.time(), desk.booking.sessions[2].starts_at.tzinfo).replace(
            hour=11
        )
    )
    client.sign_in(make.staff(desk.operator_id))
    assert "nobody" in words(client.get("desk.home"))
    page = client.get("course_sessions.show", session_id=new).text
    mark = page.split('name="mark-')[1].split('"')[0]
    data = {f"mark-{mark}": "present", "outcome": "completed"}
    answer = client.post("course_sessions.mark", session_id=new, data=data)
    assert answer.status_code == 409
    assert "Nobody is booked for this session." in words(answer)
    missed = client.post("course_sessions.mark", session_id=new, data={"outcome": "missed"})
    assert missed.status_code == 303
    assert "Plan the make-up" in words(client.get("course_sessions.show", session_id=new))


def test_who_may_not_move_moves_nothing_without_a_trainer_either(client: DeskClient, desk: Taught, make: Make) -> None:
    desk.trainer("Bela")
    client.sign_in(make.auditor())
    assert send(client, desk, do="without", timeslot="16:20").status_code == 403
    client.sign_in(make.staff(taught_by(make).operator_id))
    assert send(client, desk, do="without", timeslot="16:20").status_code == 404
    assert at_of(desk, 3) == HERE
