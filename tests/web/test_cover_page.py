"""The list of booked sessions that need another trainer."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.make import Make
from tests.rooms.test_replacing import taught_by
from tests.web.client import NOW, DeskClient
from webapp.assignments.limits import Limits
from webapp.assignments.service import approve
from webapp.core.actor import SYSTEM
from webapp.core.intervals import Interval
from webapp.db.work import unit_of_work
from webapp.trainers import service as trainers


def test_sessions_of_a_sick_trainer_are_listed_for_their_own_operator_only(make: Make, client: DeskClient) -> None:
    client.sign_in(make.staff())
    assert "Every booked session has its trainer" in client.get("desk.cover").text
    zone_id, course_id = make.zone(), make.course()
    trainer_id = make.trainer((zone_id,), (course_id,), name="Lakshmi R.")
    booking = make.booking(zone_id=zone_id, course_id=course_id)
    proposed = make.proposal(booking, trainer_id)
    assert proposed.assignment_id is not None
    with unit_of_work() as work:
        approve(work, proposed.assignment_id, version=1, by=make.admin().actor, now=NOW, limits=Limits())
    ill = Interval(datetime(2027, 1, 6, tzinfo=UTC), datetime(2027, 1, 11, tzinfo=UTC))
    with unit_of_work() as work:
        trainers.record_time_off(work, trainer_id, ill, "fever", by=SYSTEM, now=NOW)
    listed = client.get("desk.cover")
    assert listed.text.count(booking.reference) == 5
    assert "fever" not in listed.text
    assert client.statements <= 12
    client.sign_in(make.manager())
    assert booking.reference not in client.get("desk.cover").text


def test_a_session_that_needs_cover_leads_to_a_substitute_until_one_is_proposed(make: Make, client: DeskClient) -> None:
    desk = taught_by(make)
    desk.away(desk.trainer_id, 3, 4)
    desk.away(desk.trainer_id, 6, 6)
    client.sign_in(make.staff(desk.operator_id))
    page = client.get("desk.cover").text
    third, fourth, sixth = desk.ids(3, 4, 6)
    address = f'href="/bookings/{desk.booking.id}/substitute?'
    assert page.count(address) == 1, "neighbouring sessions of one booking and trainer have one button"
    assert f'{address}session={third}&amp;session={fourth}&amp;session={sixth}">Find a substitute for these 3<' in page
    assert page.count(f'href="/bookings/{desk.booking.id}/replace"') == 1
    chosen = client.get(f"/bookings/{desk.booking.id}/substitute?session={third}&session={fourth}").text
    assert chosen.count(" checked>") >= 2
    made = desk.substitute([fourth], desk.trainer("Bela"))
    page = client.get("desk.cover").text
    for alone in (third, sixth):
        assert f'{address}session={alone}">Find a substitute<' in page
    assert "/replace" not in page, "it would be refused while a change of the booking is open"
    assert f'href="/approvals/{made.assignment_id}">Bela is proposed</a>' in page
    assert f"session={fourth}" not in page
    assert client.statements <= 12
    desk.approve(made)
    assert "Bela" not in client.get("desk.cover").text
    client.sign_in(make.auditor())
    page = client.get("desk.cover").text
    assert desk.booking.reference in page
    assert "/substitute" not in page
    assert "/replace" not in page
