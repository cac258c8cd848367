"""A family may wish for a trainer who taught one of its children before (rule T10): wishes rank, they never refuse."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from tests.make import Make
from tests.rooms.test_replacing import Taught, rows, taught_by
from tests.web.client import DeskClient
from tests.web.test_bookings_pages import words


@pytest.fixture
def desk(make: Make, client: DeskClient) -> Taught:
    """Asha taught the child once; Bela lives as near and has less to do."""
    taught = taught_by(make)
    taught.mark(1)
    taught.trainer("Bela")
    client.sign_in(make.staff(taught.operator_id))
    return taught


def form(desk: Taught, **changed: str) -> dict[str, Any]:
    """Another course for the same child."""
    ((household_id, student_id),) = rows(
        "SELECT b.household_id, s.student_id FROM bookings b JOIN booking_students s ON s.booking_id = b.id"
        " WHERE b.id = :id",
        id=desk.booking.id,
    )
    place = desk.make.place_of(desk.operator_id)
    return {
        "key": "01920000-0000-7000-8000-000000000001",
        "household": str(household_id),
        "student_ids": str(student_id),
        "address": "12 Beach Road",
        "location": f"{place.lat}, {place.lng}",
        "course": str(desk.course_id),
        "class_type": "one_on_one",
        "delivery_mode": "weekday_daily",
        "total_sessions": "10",
        "start_date": "2027-01-04",
        "timeslot": "10:00",
    } | changed


def ranked(answer: TestResponse) -> list[str]:
    """The trainers in the order of the page."""
    page = words(answer)
    return sorted(("Asha", "Bela"), key=page.index)


def test_the_wish_ranks_whoever_taught_the_child_before(client: DeskClient, desk: Taught) -> None:
    without = client.post("desk.preview", data=form(desk), htmx=True)
    assert ranked(without) == ["Bela", "Asha"]
    wished = client.post("desk.preview", data=form(desk, prefers_taught_before="y"), htmx=True)
    assert ranked(wished) == ["Asha", "Bela"]
    assert "Taught the family before, as wished for" in words(wished)


def test_the_wish_is_kept_shown_and_can_be_given_up(client: DeskClient, desk: Taught) -> None:
    placed = client.post("desk.create_booking", data=form(desk, prefers_taught_before="y", do="wait"))
    assert placed.status_code == 303
    booking_id = UUID(placed.location.rsplit("/", 1)[1])
    assert "Wishes taught a student before" in words(client.get(placed.location))
    assert ranked(client.get("desk.propose", booking_id=booking_id)) == ["Asha", "Bela"]
    edit = client.get("desk.edit", booking_id=booking_id)
    assert 'name="prefers_taught_before" value="y" checked' in edit.text
    best = {"trainer": "best"}
    assert client.post("desk.propose_trainer", booking_id=booking_id, data=best).status_code == 303
    assignment_id = rows("SELECT id FROM assignments WHERE booking_id = :id", id=booking_id)[0][0]
    proposal = words(client.get("assignments.show", assignment_id=assignment_id))
    assert "Asha for" in proposal
    assert "Wishes taught a student before" in proposal
    client.post("assignments.withdraw", assignment_id=assignment_id, data={"version": "1"})
    version = str(rows("SELECT version FROM bookings WHERE id = :id", id=booking_id)[0][0])
    saved = client.post("desk.save", booking_id=booking_id, data=form(desk, version=version, do="wait"))
    assert saved.status_code == 303
    assert "Wishes" not in words(client.get("desk.booking", booking_id=booking_id))
