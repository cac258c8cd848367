"""The home page: what needs me now, for each role."""

from __future__ import annotations

import html
import re
from datetime import date

import pytest
from sqlalchemy import text

from tests.make import Make
from tests.web.client import NOW, DeskClient
from webapp.bookings import enquiries
from webapp.bookings.enquiries import EnquiryCommand
from webapp.bookings.rules import EnquiryStatus
from webapp.core.actor import Role
from webapp.core.ids import COMPANY_ID
from webapp.db.work import unit_of_work


def words(client: DeskClient) -> str:
    """The words of the home page."""
    answer = client.get("desk.home")
    assert answer.status_code == 200
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", answer.text).split()))


@pytest.mark.parametrize("role", list(Role))
def test_every_role_has_a_quiet_home_when_nothing_waits(client: DeskClient, make: Make, role: Role) -> None:
    client.sign_in(make.user(role))
    page = words(client)
    assert "Nothing waits for you." in page
    assert ("Failed certificates" in page) is (role is Role.ADMIN)
    assert ("New booking" in page) is (role is not Role.AUDITOR)
    assert client.statements <= 12


def test_staff_see_their_own_proposals_and_a_manager_all_of_them(client: DeskClient, make: Make) -> None:
    operator_id = make.franchise()
    zone_id, course_id = make.zone(operator_id=operator_id), make.course()
    trainer_id = make.trainer((zone_id,), (course_id,), operator_id=operator_id, name="Lakshmi")
    proposer = make.staff(operator_id)
    booking = make.booking(operator_id=operator_id, zone_id=zone_id, course_id=course_id)
    make.proposal(booking, trainer_id, by=proposer.actor)
    client.sign_in(proposer)
    assert "1 My proposals waiting" in words(client)
    client.sign_in(make.staff(operator_id))
    assert "0 My proposals waiting" in words(client)
    client.sign_in(make.manager(operator_id))
    page = words(client)
    assert "1 Approvals waiting" in page
    assert "Lakshmi" in page
    client.sign_in(make.auditor())
    assert "1 Proposals waiting" in words(client)


def test_only_the_oldest_few_are_listed_and_the_rest_is_a_link_away(client: DeskClient, make: Make) -> None:
    for _ in range(7):
        make.booking()
    client.sign_in(make.staff())
    page = words(client)
    assert "7 On the waitlist" in page
    assert "2 more" in page


def test_calls_to_return_are_listed_with_the_number(client: DeskClient, make: Make) -> None:
    staff = client.sign_in(make.staff())
    command = EnquiryCommand(
        EnquiryStatus.DRAFT, guardian_name="Sita Rao", phone="+919848012345", callback_on=date(2027, 1, 1)
    )
    with unit_of_work() as work:
        enquiries.record_enquiry(work, command, by=staff.actor, now=NOW)
    page = words(client)
    assert "1 Calls to return" in page
    assert "+919848012345" in page


def test_sessions_that_began_unmarked_can_be_marked_from_here(client: DeskClient, make: Make) -> None:
    booking = make.booking()
    with unit_of_work() as work:
        work.db.execute(text("UPDATE bookings SET status = 'assigned' WHERE id = :id"), {"id": booking.id})
        work.db.execute(
            text(
                "UPDATE course_sessions SET starts_at = :now - interval '1 hour', ends_at = :now - interval '20 min'"
                " WHERE booking_id = :id AND number = 1"
            ),
            {"id": booking.id, "now": NOW},
        )
    client.sign_in(make.staff())
    page = words(client)
    assert "1 Sessions without attendance" in page
    assert "Mark" in page


def test_admins_see_certificates_that_could_not_be_made(client: DeskClient, make: Make) -> None:
    booking = make.booking()
    with unit_of_work() as work:
        work.db.execute(
            text(
                "INSERT INTO certificates (id, operator_id, booking_id, student_id, number, token, state, payload,"
                " salt, awarded_on, awarded_at, valid_from, created_at, next_at, attempts) SELECT gen_random_uuid(),"
                " operator_id, booking_id, student_id, 'ZD-27-ABCDE-ABCDE', 'token', 'failed', '{}', repeat('0', 32),"
                " '2027-01-01', :now, :now, :now, :now, 5"
                " FROM booking_students WHERE booking_id = :booking"
            ),
            {"booking": booking.id, "now": NOW},
        )
    client.sign_in(make.admin())
    page = words(client)
    assert "1 Failed certificates" in page
    assert "ZD-27-ABCDE-ABCDE" in page
    assert client.statements <= 12


def test_another_operators_work_is_nobodys_business(client: DeskClient, make: Make) -> None:
    make.booking(operator_id=COMPANY_ID)
    client.sign_in(make.staff(make.franchise()))
    assert "Nothing waits for you." in words(client)


def test_a_visitor_is_asked_to_sign_in(client: DeskClient) -> None:
    answer = client.get("desk.home")
    assert answer.status_code == 303
    assert answer.location.startswith("/sign-in")
