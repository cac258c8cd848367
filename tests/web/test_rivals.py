"""Who else waits for the proposed trainer at these times, on the page where the proposal is decided."""

from __future__ import annotations

from datetime import date, time, timedelta
from uuid import UUID

import pytest

from tests.make import Make
from tests.web.client import NOW, DeskClient
from tests.web.test_approvals import Franchise, franchise_of
from webapp.assignments import service
from webapp.bookings.service import PlacedBooking
from webapp.core.actor import SYSTEM
from webapp.db.work import unit_of_work
from webapp.trainers import service as trainers

NOBODY = "No waitlisted booking wants this trainer at these times."


@pytest.fixture
def desk(make: Make) -> Franchise:
    return franchise_of(make)


def waiting(
    desk: Franchise,
    *,
    at: time = time(16),
    on: date = date(2027, 1, 4),
    course_id: UUID | None = None,
    zone_id: UUID | None = None,
    hours: int = 0,
) -> PlacedBooking:
    return desk.make.booking(
        operator_id=desk.id,
        zone_id=zone_id or desk.zone_id,
        course_id=course_id or desk.course_id,
        timeslot=at,
        start_date=on,
        now=NOW - timedelta(hours=hours),
    )


def shown(client: DeskClient, assignment_id: UUID) -> str:
    """The card of the page that names the rivals."""
    page = client.get("assignments.show", assignment_id=assignment_id).text
    return page.partition('id="rivals"')[2].partition("</section>")[0]


def test_bookings_at_the_same_times_are_named_longest_waiting_first(client: DeskClient, desk: Franchise) -> None:
    later = waiting(desk, on=date(2027, 1, 10), hours=2)
    earlier = waiting(desk, at=time(16, 20), hours=5)
    id_ = desk.proposal()
    client.sign_in(desk.manager)
    card = shown(client, id_)
    assert card.index(earlier.reference) < card.index(later.reference)
    assert "5 h ago" in card
    assert "10 sessions" in card, "a session that begins in the middle of another is at the same time"
    assert "4 sessions" in card
    assert client.statements <= 9, "three of them for the grid, one for who else waits"


def test_who_cannot_want_this_trainer_is_not_named(client: DeskClient, desk: Franchise, make: Make) -> None:
    waiting(desk, at=time(16, 40))
    waiting(desk, course_id=make.course())
    waiting(desk, zone_id=make.zone(operator_id=desk.id, name="Where the trainer does not work"))
    waiting(franchise_of(make))
    apart = waiting(desk)
    with unit_of_work() as work:
        household_id = _household_of(apart)
        trainers.block(work, desk.trainer_id, household_id, "They asked", by=SYSTEM, now=NOW)
    id_ = desk.proposal()
    client.sign_in(desk.manager)
    assert NOBODY in shown(client, id_)


def _household_of(booking: PlacedBooking) -> UUID:
    from webapp.db.work import read_only
    from webapp.desk.queries.booking import booking_detail

    with read_only() as db:
        return booking_detail(db, booking.id, visible_to=SYSTEM).household_id


def test_at_most_five_are_named_and_the_others_counted(client: DeskClient, desk: Franchise) -> None:
    for hours in range(7):
        waiting(desk, hours=hours)
    id_ = desk.proposal()
    client.sign_in(desk.manager)
    card = shown(client, id_)
    assert card.count('href="/bookings/') == 5
    assert "2 more bookings wait for this trainer at these times." in card
    assert client.statements <= 9


def test_whoever_was_rejected_waits_since_then(client: DeskClient, desk: Franchise) -> None:
    booking, first = desk.proposed(now=NOW - timedelta(hours=30))
    with unit_of_work() as work:
        by, at = desk.manager.actor, NOW - timedelta(hours=3)
        service.reject(work, first, version=1, reason="Too far", by=by, now=at)
    id_ = desk.proposal()
    client.sign_in(desk.manager)
    card = shown(client, id_)
    assert booking.reference in card
    assert "3 h ago" in card


def test_a_decided_proposal_has_no_rivals(client: DeskClient, desk: Franchise) -> None:
    waiting(desk)
    id_ = desk.proposal()
    client.sign_in(desk.manager)
    client.post("assignments.approve", assignment_id=id_, data={"version": "1"})
    assert "Who else waits" not in client.get("assignments.show", assignment_id=id_).text
