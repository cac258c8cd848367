"""Approving a replacement or a substitute: what changes, for whom, and what is said when it is decided (rule A7)."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.make import Make
from tests.rooms.test_replacing import Taught, taught_by
from tests.web.client import DeskClient
from tests.web.test_bookings_pages import words
from webapp.assignments.service import Proposed


@pytest.fixture
def desk(make: Make, client: DeskClient) -> Taught:
    taught = taught_by(make)
    client.sign_in(make.manager(taught.operator_id))
    return taught


def id_of(made: Proposed) -> UUID:
    assert made.assignment_id is not None
    return made.assignment_id


def test_the_queue_says_what_a_proposal_is_for(client: DeskClient, desk: Taught) -> None:
    desk.substitute(desk.ids(3, 5), desk.trainer("Bela"))
    page = words(client.get("assignments.index"))
    assert "Bela Substitute for single sessions" in page
    assert "Wed 6 Jan 2027, 16:00 IST" in page, "the first of them, not the first of the course"
    assert client.statements <= 6


def test_a_substitute_comes_with_its_sessions_who_has_them_and_why(client: DeskClient, desk: Taught) -> None:
    made = desk.substitute(desk.ids(3, 5), desk.trainer("Bela"))
    page = words(client.get("assignments.show", assignment_id=id_of(made)))
    for shown in (
        "substitute for single sessions",
        "For Substitute for single sessions",
        "Has the sessions now Asha",
        "Why Fever",
        "Session 3, Wed 6 Jan 2027, 16:00 IST Asha",
        "Session 5, Fri 8 Jan 2027, 16:00 IST Asha",
        "2 sessions, as of now",
        "Trainers who can take these sessions, best first",
    ):
        assert shown in page
    assert "Session 4" not in page
    assert client.statements <= 9


def test_a_replacement_comes_with_what_remains(client: DeskClient, desk: Taught) -> None:
    made = desk.replace(desk.trainer("Bela"))
    page = words(client.get("assignments.show", assignment_id=id_of(made)))
    assert "Replacement for all that remains" in page
    assert "Why Has moved away" in page
    assert "10 sessions, as of now" in page
    assert client.statements <= 9


def test_an_approved_substitute_has_the_sessions_from_then_on(client: DeskClient, desk: Taught) -> None:
    made = desk.substitute(desk.ids(3, 5), desk.trainer("Bela"))
    answer = client.post("assignments.approve", assignment_id=id_of(made), data={"version": "1"})
    assert answer.status_code == 303
    said = words(client.get(answer.location))
    assert f"Approved: Bela teaches these sessions of {desk.booking.reference}." in said
    assert "Trainer Bela" in words(client.get("course_sessions.show", session_id=desk.ids(3)[0]))
    booking = words(client.get("desk.booking", booking_id=desk.booking.id))
    assert "Trainer Asha Approved" in booking
    assert "Substitutes Bela 2 sessions" in booking
    assert client.statements <= 12
    decided = words(client.get("assignments.show", assignment_id=id_of(made)))
    assert "Session 3, Wed 6 Jan 2027" in decided
    assert "Has the sessions now" not in decided


def test_an_approved_replacement_is_the_booking_s_trainer(client: DeskClient, desk: Taught) -> None:
    made = desk.replace(desk.trainer("Bela"))
    assert client.post("assignments.approve", assignment_id=id_of(made), data={"version": "1"}).status_code == 303
    page = words(client.get("desk.booking", booking_id=desk.booking.id))
    assert "Trainer Bela Approved" in page
    assert "Why the trainer changed Has moved away" in page
    assert "replaced the trainer" in page


@pytest.mark.parametrize("verb", ["reject", "withdraw"])
def test_what_is_not_approved_leaves_the_trainer_and_says_so(
    client: DeskClient, desk: Taught, make: Make, verb: str
) -> None:
    manager = make.manager(desk.operator_id)
    client.sign_in(manager)
    made = desk.substitute(desk.ids(3), desk.trainer("Bela"), by=manager.actor)
    data = {"version": "1", "reason": "Too far"}
    answer = client.post(f"assignments.{verb}", assignment_id=id_of(made), data=data)
    assert answer.status_code == 303
    assert f"{desk.booking.reference} keeps the trainer it has." in words(client.get(answer.location))
    decided = words(client.get("assignments.show", assignment_id=id_of(made)))
    assert "The sessions stayed with whoever had them." in decided
    assert "Why Fever" in decided
    booking = words(client.get("desk.booking", booking_id=desk.booking.id))
    assert "Trainer Asha Approved" in booking
    assert "Bela is proposed" not in booking


def test_a_change_decided_by_somebody_else_is_refused_in_words(client: DeskClient, desk: Taught) -> None:
    made = desk.replace(desk.trainer("Bela"))
    desk.approve(made)
    answer = client.post("assignments.approve", assignment_id=id_of(made), data={"version": "1"})
    assert answer.status_code == 409
    assert "approved this proposal on Fri 1 Jan 2027" in words(answer)


def test_a_trainer_who_fell_ill_meanwhile_is_refused_with_the_reason(client: DeskClient, desk: Taught) -> None:
    bela = desk.trainer("Bela")
    made = desk.substitute(desk.ids(3, 5), bela)
    desk.away(bela, 5, 5)
    answer = client.post("assignments.approve", assignment_id=id_of(made), data={"version": "1"})
    assert answer.status_code == 409
    assert "Bela cannot take this course: Away in 1 of 2 sessions, first Fri 8 Jan 2027 at 16:00." in words(answer)
