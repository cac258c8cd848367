"""A substitute for single sessions, chosen by ticking them (rule A7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from tests.make import Make
from tests.rooms.test_replacing import Taught, taught_by
from tests.web.client import DeskClient
from tests.web.test_bookings_pages import words
from webapp.core.ids import new_id


@pytest.fixture
def desk(make: Make, client: DeskClient) -> Taught:
    taught = taught_by(make)
    client.sign_in(make.staff(taught.operator_id))
    return taught


def send(
    client: DeskClient, desk: Taught, sessions: list[UUID], *, htmx: bool = False, part: str = "", **changed: str
) -> TestResponse:
    """The form, filled in but for what is changed."""
    data: dict[str, Any] = {"version": str(desk.version), "purpose": "Fever", "trainer": "best", "do": "do"} | changed
    data["session"] = [str(session) for session in sessions]
    query = {"part": part} if part else None
    return client.post("desk.propose_substitute", booking_id=desk.booking.id, data=data, htmx=htmx, query_string=query)


def test_without_a_choice_the_page_asks_for_one(client: DeskClient, desk: Taught) -> None:
    answer = client.get("desk.substitute", booking_id=desk.booking.id)
    assert answer.text.count('name="session"') == 10
    assert "checked" not in answer.text
    assert "Choose sessions: the trainers who are free for all of them appear here." in words(answer)
    assert client.statements <= 12


def test_the_sessions_an_address_names_are_chosen_already(client: DeskClient, desk: Taught) -> None:
    desk.trainer("Bela")
    third, fifth = desk.ids(3, 5)
    query = {"session": [str(third), str(fifth), "rubbish"]}
    answer = client.get("desk.substitute", booking_id=desk.booking.id, query_string=query)
    assert answer.status_code == 200
    for session in (third, fifth):
        assert f'value="{session}" checked' in answer.text
    page = words(answer)
    assert "For 2 sessions: 3, 5. Taught by Asha now." in page
    assert "Bela" in page
    assert client.statements <= 12


def test_the_list_follows_the_chosen_sessions(client: DeskClient, desk: Taught) -> None:
    """With htmx whenever the choice changes, without by the button."""
    bela = desk.trainer("Bela")
    desk.away(bela, 5, 5)
    third, fifth = desk.ids(3, 5)
    fragment = send(client, desk, [third], htmx=True, part="who", do="ask")
    assert fragment.text.lstrip().startswith('<div id="who"')
    assert "Propose the substitute" in fragment.text
    fragment = send(client, desk, [third, fifth], htmx=True, part="who", do="ask", purpose="", trainer="")
    assert fragment.status_code == 200
    assert "Nobody is free for all of them" in fragment.text
    assert "Away in 1 of 2 sessions" in fragment.text
    whole = send(client, desk, [third, fifth], do="ask", purpose="")
    assert whole.status_code == 200
    assert "Nobody is free for all of them" in whole.text
    assert f'value="{fifth}" checked' in whole.text
    assert "There is a problem" not in whole.text
    assert desk.slots("held") == {}


def test_enter_in_the_form_asks_and_proposes_nothing(client: DeskClient, desk: Taught) -> None:
    page = client.get("desk.substitute", booking_id=desk.booking.id).text
    assert page.index('value="ask"') < page.index('name="session"')


def test_a_substitute_is_proposed_for_the_ticked_sessions(client: DeskClient, desk: Taught) -> None:
    bela = desk.trainer("Bela")
    answer = send(client, desk, desk.ids(3, 5), trainer=str(bela))
    assert (answer.status_code, answer.location) == (303, f"/bookings/{desk.booking.id}")
    page = words(client.get(answer.location))
    assert "Bela is proposed as substitute for 2 sessions: Fever" in page
    assert "proposed Bela as substitute for sessions 3, 5" in page
    assert desk.slots("held") == {3: bela, 5: bela}
    third = client.get("course_sessions.show", session_id=desk.ids(3)[0])
    assert "Bela is proposed instead" in words(third)
    for refused in ("/substitute", "/move"):
        assert refused not in third.text, "what would be refused is not offered"
    assert client.statements <= 12
    again = client.get("desk.substitute", booking_id=desk.booking.id)
    assert again.text.count('name="session"') == 8, "what is proposed already is not for choosing"
    assert "Bela is proposed" in words(again)


def test_htmx_is_sent_on_to_the_booking(client: DeskClient, desk: Taught) -> None:
    desk.trainer("Bela")
    answer = send(client, desk, desk.ids(3), htmx=True)
    assert answer.headers["HX-Redirect"] == f"/bookings/{desk.booking.id}"


@pytest.mark.parametrize("htmx", [False, True])
def test_a_form_that_is_not_whole_comes_back_with_what_was_typed(client: DeskClient, desk: Taught, htmx: bool) -> None:
    desk.trainer("Bela")
    third = desk.ids(3)
    for sessions, changed, sentence in (
        ([], {}, "Choose at least one session."),
        (third, {"purpose": ""}, "Say why the trainer changes."),
        (third, {"trainer": "rubbish"}, "Choose one from the list."),
    ):
        answer = send(client, desk, sessions, htmx=htmx, **changed)
        assert answer.status_code == 422
        assert ("<h1" in answer.text) is not htmx
        assert sentence in words(answer)
    rubbish = client.post("desk.propose_substitute", booking_id=desk.booking.id, data={"do": "do", "session": "x"})
    assert rubbish.status_code == 422
    assert desk.slots("held") == {}


@pytest.mark.parametrize("htmx", [False, True])
def test_a_session_that_has_begun_meanwhile_is_left_out_and_the_rest_can_be_proposed(
    client: DeskClient, desk: Taught, make: Make, at: Callable[[datetime], None], htmx: bool
) -> None:
    desk.trainer("Bela")
    third, fifth = desk.ids(3, 5)
    at(desk.booking.sessions[2].starts_at + timedelta(minutes=1))
    client.sign_in(make.staff(desk.operator_id))
    answer = send(client, desk, [third, fifth], htmx=htmx)
    assert answer.status_code == 409
    assert "This session has begun. Mark what became of it." in words(answer)
    assert str(third) not in answer.text
    assert f'value="{fifth}" checked' in answer.text
    assert send(client, desk, [fifth]).status_code == 303
    query = {"session": str(third)}
    asked = client.get("desk.substitute", booking_id=desk.booking.id, query_string=query)
    assert asked.status_code == 409
    assert "This session has begun." in words(asked)


def test_a_trainer_who_cannot_is_refused_with_every_reason_and_a_fresh_list(client: DeskClient, desk: Taught) -> None:
    bela, _chitra = desk.trainer("Bela"), desk.trainer("Chitra")
    desk.away(bela, 5, 5)
    answer = send(client, desk, desk.ids(5), trainer=str(bela))
    assert answer.status_code == 409
    page = words(answer)
    assert "Bela cannot take this course: Away on Fri 8 Jan 2027 at 16:00" in page
    assert "Chitra" in page


def test_two_proposals_for_one_session_are_refused(client: DeskClient, desk: Taught) -> None:
    bela, chitra = desk.trainer("Bela"), desk.trainer("Chitra")
    made = desk.substitute(desk.ids(3), bela)
    answer = send(client, desk, desk.ids(3, 5), trainer=str(chitra))
    assert answer.status_code == 409
    assert "Bela is proposed for session 3. Approve, reject or withdraw that first." in words(answer)
    assert f'href="/approvals/{made.assignment_id}"' in answer.text
    assert desk.slots("held") == {3: bela}


def test_a_foreign_booking_or_session_is_not_there(client: DeskClient, desk: Taught, make: Make) -> None:
    foreign = taught_by(make)
    desk.trainer("Bela")
    for booking_id in (foreign.booking.id, new_id()):
        assert client.get("desk.substitute", booking_id=booking_id).status_code == 404
        assert client.post("desk.propose_substitute", booking_id=booking_id, data={}).status_code == 404
    for session_id in (foreign.ids(3)[0], new_id()):
        query = {"session": str(session_id)}
        asked = client.get("desk.substitute", booking_id=desk.booking.id, query_string=query)
        assert asked.status_code == 404
        assert send(client, desk, [session_id]).status_code == 404
        assert send(client, desk, [session_id], do="ask").status_code == 404


def test_a_booking_without_a_trainer_has_none_to_stand_in_for(client: DeskClient, desk: Taught, make: Make) -> None:
    waiting = make.booking(operator_id=desk.operator_id, zone_id=desk.zone_id, course_id=desk.course_id)
    page = client.get("desk.substitute", booking_id=waiting.id)
    assert page.status_code == 409
    assert "This booking has no trainer yet. Propose one first." in words(page)


def test_an_auditor_proposes_nobody(client: DeskClient, desk: Taught, make: Make) -> None:
    client.sign_in(make.auditor())
    assert client.get("desk.substitute", booking_id=desk.booking.id).status_code == 403
    assert send(client, desk, desk.ids(3)).status_code == 403
    assert "/substitute" not in client.get("course_sessions.show", session_id=desk.ids(3)[0]).text
