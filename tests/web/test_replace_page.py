"""Another trainer for what remains of a course, as staff propose one on the booking's page (rule A7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

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


def send(client: DeskClient, desk: Taught, *, htmx: bool = False, **changed: str) -> TestResponse:
    """The form, filled in but for what is changed."""
    data = {"version": str(desk.version), "purpose": "Has moved away", "trainer": "best"} | changed
    return client.post("desk.replace_trainer", booking_id=desk.booking.id, data=data, htmx=htmx)


def test_the_page_says_what_remains_who_has_it_and_who_could_take_it(
    client: DeskClient, desk: Taught, make: Make, at: Callable[[datetime], None]
) -> None:
    desk.trainer("Bela")
    make.trainer((desk.zone_id,), (), operator_id=desk.operator_id, name="Chitra")
    at(desk.booking.sessions[3].starts_at - timedelta(minutes=1))
    client.sign_in(make.staff(desk.operator_id))
    answer = client.get("desk.replace", booking_id=desk.booking.id)
    page = words(answer)
    for shown in ("Has them now Asha", "7 sessions: Thu 7 Jan 2027 – Wed 13 Jan 2027, 16:00 IST", "Bela", "Why"):
        assert shown in page
    assert "Why not the other one? Chitra Not certified for this course" in page
    assert page.index("Bela") > page.index("Who takes over"), "whoever has them is in no list"
    assert "Asha" not in page[page.index("Who takes over") :]
    assert "Whole-course grid" in page
    assert client.statements <= 12


def test_a_proposal_waits_for_approval_and_the_booking_says_so(client: DeskClient, desk: Taught) -> None:
    bela = desk.trainer("Bela")
    answer = send(client, desk, trainer=str(bela))
    assert (answer.status_code, answer.location) == (303, f"/bookings/{desk.booking.id}")
    page = words(client.get(answer.location))
    assert "Bela is proposed. Until it is approved nothing changes." in page
    assert "Bela is proposed for all sessions that remain: Has moved away" in page
    assert "proposed Bela for all that remains" in page
    assert "Trainer Asha Approved" in page
    assert "Assigned" in page
    assert client.statements <= 12
    assert desk.slots("held") == dict.fromkeys(range(1, 11), bela)


def test_whoever_is_best_is_proposed_where_nobody_is_named(client: DeskClient, desk: Taught) -> None:
    bela = desk.trainer("Bela")
    answer = send(client, desk, htmx=True)
    assert answer.headers["HX-Redirect"] == f"/bookings/{desk.booking.id}"
    assert set(desk.slots("held").values()) == {bela}


def test_where_the_operator_approves_by_itself_the_trainer_changes_at_once(client: DeskClient, make: Make) -> None:
    desk = taught_by(make, auto_approve=True)
    bela = desk.trainer("Bela")
    client.sign_in(make.staff(desk.operator_id))
    page = words(client.get(send(client, desk, trainer=str(bela)).location))
    assert "Bela takes over." in page
    assert "Trainer Bela Approved" in page
    assert "replaced the trainer" in page


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"purpose": " "}, "Say why the trainer changes."),
        ({"purpose": "x" * 401}, "Use at most 400 characters."),
        ({"purpose": "a\x00b"}, "Remove the invisible characters from this text."),
        ({"trainer": ""}, "Choose one from the list."),
        ({"trainer": "rubbish"}, "Choose one from the list."),
    ],
)
def test_a_form_that_is_not_whole_comes_back_with_what_was_typed(
    client: DeskClient, desk: Taught, changed: dict[str, str], sentence: str, htmx: bool
) -> None:
    desk.trainer("Bela")
    answer = send(client, desk, htmx=htmx, **changed)
    assert answer.status_code == 422
    assert ("<h1" in answer.text) is not htmx
    assert sentence in words(answer)
    assert "Bela" in answer.text
    assert desk.slots("held") == {}


def test_a_trainer_taken_meanwhile_is_refused_in_words_with_a_fresh_list(
    client: DeskClient, desk: Taught, make: Make
) -> None:
    bela, _chitra = desk.trainer("Bela"), desk.trainer("Chitra")
    family = make.household(operator_id=desk.operator_id)
    other = make.booking(operator_id=desk.operator_id, zone_id=desk.zone_id, course_id=desk.course_id, household=family)
    make.proposal(other, bela)
    for htmx in (False, True):
        answer = send(client, desk, htmx=htmx, trainer=str(bela))
        assert answer.status_code == 409
        page = words(answer)
        assert "Bela was just given another session at one of these times. Choose from the fresh list." in page
        assert "Has moved away" in page
        assert "Chitra" in page
    assert desk.slots("held") == {}


@pytest.mark.parametrize("version", ["1", "0", "", "x", "9" * 30])
def test_a_page_that_is_no_longer_true_changes_nothing(client: DeskClient, desk: Taught, version: str) -> None:
    desk.trainer("Bela")
    answer = send(client, desk, version=version)
    assert answer.status_code == 409
    assert f'name="version" value="{desk.version}"' in answer.text, "pressed again it is meant for what is shown now"
    assert desk.slots("held") == {}


def test_a_trainer_who_is_gone_or_foreign_or_has_the_sessions_is_refused(
    client: DeskClient, desk: Taught, make: Make
) -> None:
    foreign = taught_by(make).trainer_id
    for trainer_id, sentence in (
        (new_id(), "This trainer is gone."),
        (foreign, "This trainer is gone."),
        (desk.trainer_id, "Asha has these sessions already."),
    ):
        answer = send(client, desk, trainer=str(trainer_id))
        assert answer.status_code == 409
        assert sentence in words(answer)


def test_where_nobody_else_could_the_page_says_what_would_help(client: DeskClient, desk: Taught) -> None:
    page = words(client.get("desk.replace", booking_id=desk.booking.id))
    assert "Nobody else can take all of it" in page
    assert "A substitute for single sessions" in page
    answer = send(client, desk)
    assert answer.status_code == 409
    assert "No other trainer is free for these sessions." in words(answer)


def test_what_is_proposed_already_is_not_proposed_twice(client: DeskClient, desk: Taught) -> None:
    made = desk.replace(desk.trainer("Bela"))
    for answer in (client.get("desk.replace", booking_id=desk.booking.id), send(client, desk)):
        assert answer.status_code == 409
        assert "Bela is proposed for sessions 1–10. Approve, reject or withdraw that first." in words(answer)
        assert f'href="/approvals/{made.assignment_id}"' in answer.text
        assert f'href="/bookings/{desk.booking.id}"' in answer.text


def test_a_booking_without_a_trainer_has_none_to_replace(client: DeskClient, desk: Taught, make: Make) -> None:
    booking = make.booking(operator_id=desk.operator_id, zone_id=desk.zone_id, course_id=desk.course_id)
    answer = client.get("desk.replace", booking_id=booking.id)
    assert answer.status_code == 409
    assert "This booking has no trainer yet. Propose one first." in words(answer)
    assert "Replace the trainer" not in words(client.get("desk.booking", booking_id=booking.id))
    make.proposal(booking, desk.trainer("Bela"), by=desk.staff)
    answer = client.get("desk.replace", booking_id=booking.id)
    assert "This booking has no trainer yet: somebody is proposed. Approve, reject or" in words(answer)


def test_the_timeline_says_who_was_approved_and_for_what(client: DeskClient, desk: Taught) -> None:
    bela, chitra = desk.trainer("Bela"), desk.trainer("Chitra")
    desk.approve(desk.substitute(desk.ids(3, 5), chitra))
    desk.approve(desk.substitute(desk.ids(7), chitra))
    desk.approve(desk.replace(bela))
    told = words(client.get("desk.booking", booking_id=desk.booking.id))
    told = told[told.index("What happened") :]
    for line in (
        "approved Bela for all that remains",
        "approved Chitra as substitute for session 7",
        "approved Chitra as substitute for sessions 3, 5",
        "approved Asha ",
    ):
        assert line in told
    assert "approved the proposal" not in told


def test_a_foreign_booking_is_not_there(client: DeskClient, desk: Taught, make: Make) -> None:
    foreign = taught_by(make)
    for booking_id in (foreign.booking.id, new_id()):
        assert client.get("desk.replace", booking_id=booking_id).status_code == 404
        for data in ({}, {"version": "3", "purpose": "Why not", "trainer": "best"}):
            assert client.post("desk.replace_trainer", booking_id=booking_id, data=data).status_code == 404
    assert foreign.slots("held") == {}


def test_an_auditor_sees_no_button_and_changes_nothing(client: DeskClient, desk: Taught, make: Make) -> None:
    client.sign_in(make.auditor())
    page = client.get("desk.booking", booking_id=desk.booking.id)
    for address in ("/replace", "/substitute", "/pause", "/move"):
        assert address not in page.text
    assert client.get("desk.replace", booking_id=desk.booking.id).status_code == 403
    assert send(client, desk).status_code == 403
