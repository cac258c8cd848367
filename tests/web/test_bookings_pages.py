"""The list of bookings, a booking's own page with what can be done there, and the list of enquiries."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from tests.make import HOME, Make, Person
from tests.web.client import NOW, DeskClient
from webapp.assignments import service as assignments
from webapp.assignments.limits import Limits
from webapp.bookings import enquiries
from webapp.bookings.enquiries import EnquiryCommand
from webapp.bookings.rules import DeliveryMode, EnquiryStatus
from webapp.bookings.service import PlacedBooking
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.db.work import read_only, unit_of_work


@dataclass
class Desk:
    """Staff of a franchise who look at its bookings."""

    client: DeskClient
    make: Make
    operator_id: UUID
    staff: Person
    zone_id: UUID
    course_id: UUID
    trainer_id: UUID

    def booking(self, *students: str, **facts: Any) -> PlacedBooking:
        """A booking on the waitlist."""
        return self.make.booking(
            operator_id=self.operator_id,
            zone_id=self.zone_id,
            course_id=self.course_id,
            place=HOME,
            household=self.make.household(*students or ("Arun",), operator_id=self.operator_id, guardian="Sita Rao"),
            **facts,
        )

    def proposed(self) -> PlacedBooking:
        """A booking with a proposal of this person's."""
        booking = self.booking()
        self.make.proposal(booking, self.trainer_id, by=self.staff.actor)
        return booking

    def assigned(self, **facts: Any) -> PlacedBooking:
        """A booking whose proposal a manager approved."""
        booking = self.booking(**facts)
        made = self.make.proposal(booking, self.trainer_id, by=self.staff.actor)
        assert made.assignment_id is not None
        manager = self.make.manager(self.operator_id).actor
        with unit_of_work() as work:
            assignments.approve(work, made.assignment_id, version=1, by=manager, now=NOW, limits=Limits())
        return booking

    def show(self, booking: PlacedBooking) -> str:
        """The words of the booking's page."""
        return words(self.client.get("desk.booking", booking_id=booking.id))

    def post(self, endpoint: str, booking: PlacedBooking, **data: str) -> TestResponse:
        """Send one of the page's forms."""
        return self.client.post(endpoint, booking_id=booking.id, data=data)


def words(answer: TestResponse) -> str:
    """The words of a page, without its tags."""
    found = " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())
    return html.unescape(found).replace(" ,", ",").replace(" .", ".")


def status_of(booking: PlacedBooking) -> str:
    """The booking's status as stored."""
    with read_only() as db:
        return str(db.execute(text("SELECT status FROM bookings WHERE id = :id"), {"id": booking.id}).scalar_one())


@pytest.fixture
def desk(client: DeskClient, make: Make) -> Desk:
    operator_id = make.franchise("Sunrise")
    zone_id, course_id = make.zone(operator_id=operator_id, center=HOME, name="Beach"), make.course("Science")
    trainer_id = make.trainer((zone_id,), (course_id,), operator_id=operator_id, name="Lakshmi", base=HOME)
    staff = client.sign_in(make.staff(operator_id))
    return Desk(client, make, operator_id, staff, zone_id, course_id, trainer_id)


def test_an_empty_list_says_how_to_begin(desk: Desk) -> None:
    answer = desk.client.get("bookings.index")
    assert "There are no bookings yet." in words(answer)
    assert 'href="/bookings/new"' in answer.text


def test_a_filter_that_hides_all_says_so(desk: Desk) -> None:
    desk.booking()
    assert "No booking matches." in words(desk.client.get("bookings.index", q="zebra"))


def test_the_list_shows_family_zone_start_and_status(desk: Desk) -> None:
    booking = desk.booking("Arun", "Bela")
    page = words(desk.client.get("bookings.index"))
    for shown in (booking.reference, "Sita Rao", "Arun, Bela", "Beach", "Mon 4 Jan 2027", "16:00 IST", "Waitlisted"):
        assert shown in page
    assert desk.client.statements <= 12


def test_the_filters_stay_in_the_form_and_in_the_links_of_the_pages(desk: Desk) -> None:
    for _ in range(26):
        desk.booking()
    answer = desk.client.get("bookings.index", status="waitlisted", q="sita", sort="oldest")
    assert 'value="sita"' in answer.text
    assert '<option value="waitlisted" selected>' in answer.text
    assert "status=waitlisted&amp;q=sita&amp;sort=oldest&amp;page=2" in answer.text
    second = desk.client.get("bookings.index", status="waitlisted", page=2)
    assert "26–26 of 26" in words(second)
    assert "This page of the list is empty." in words(desk.client.get("bookings.index", page=9))


@pytest.mark.parametrize(
    "query", ["zone=b0b", "status=odd", "course=1", "sort=up", "page=x", "q=%00", "q=" + "x" * 900]
)
def test_rubbish_in_the_address_never_fails(desk: Desk, query: str) -> None:
    assert desk.client.get(f"/bookings?{query}").status_code == 200
    assert desk.client.get(f"/enquiries?{query}").status_code == 200


def test_htmx_gets_the_list_alone(desk: Desk) -> None:
    answer = desk.client.get("bookings.index", htmx=True)
    assert answer.text.lstrip().startswith('<div id="booking-list">')


def test_another_operators_bookings_are_not_listed_or_shown(desk: Desk, make: Make) -> None:
    foreign = make.booking(operator_id=make.franchise())
    assert foreign.reference not in desk.client.get("bookings.index").text
    assert desk.client.get("desk.booking", booking_id=foreign.id).status_code == 404
    assert desk.client.get("desk.booking", booking_id=new_id()).status_code == 404
    for endpoint in ("desk.cancel", "desk.set_payment"):
        data = {"cancel-reason": "x", "cancel-version": "1", "version": "1", "payment_status": "paid"}
        assert desk.client.post(endpoint, booking_id=foreign.id, data=data).status_code == 404


def test_a_waiting_booking_offers_to_edit_and_to_propose(desk: Desk) -> None:
    booking = desk.booking()
    page = desk.client.get("desk.booking", booking_id=booking.id)
    assert "Waits for a trainer since" in words(page)
    assert f"/bookings/{booking.id}/edit" in page.text
    assert f"/bookings/{booking.id}/propose" in page.text
    assert desk.client.statements <= 12


def test_a_proposed_booking_shows_its_hold_and_why_this_trainer(desk: Desk) -> None:
    desk.make.trainer((desk.zone_id,), (), operator_id=desk.operator_id, name="Untaught", base=HOME)
    page = desk.show(desk.proposed())
    assert "Lakshmi is proposed and held. Hold ends in 2 days." in page
    assert "Why this trainer" in page
    assert "Not certified for this course" in page


def test_a_withdrawn_booking_waits_again_and_tells_its_story(desk: Desk) -> None:
    booking = desk.proposed()
    page = desk.client.get("desk.booking", booking_id=booking.id)
    action = re.search(r'action="(/approvals/[^"]+/withdraw)"', page.text)
    assert action is not None
    answer = desk.client.post(action[1], data={"version": "1"})
    assert answer.status_code == 303
    story = desk.show(booking)
    for told in ("placed the booking", "proposed Lakshmi", "withdrew the proposal"):
        assert told in story
    assert "Propose a trainer" in story


def test_a_colleague_cannot_withdraw_the_proposal(desk: Desk) -> None:
    booking = desk.proposed()
    desk.client.sign_in(desk.make.staff(desk.operator_id))
    assert "Withdraw the proposal" not in desk.show(booking)


def test_sessions_stand_in_a_strip_and_a_table_with_their_attendance(desk: Desk) -> None:
    booking = desk.assigned()
    with unit_of_work() as work:
        first = work.db.execute(
            text(
                "UPDATE course_sessions SET status = 'completed', completed_at = :now "
                "WHERE booking_id = :id AND number = 1 RETURNING id, operator_id"
            ),
            {"id": booking.id, "now": NOW},
        ).one()
        work.db.execute(
            text(
                "INSERT INTO attendance (operator_id, booking_id, course_session_id, student_id, mark, marked_at) "
                "SELECT operator_id, booking_id, :session, student_id, 'present', :now "
                "FROM booking_students WHERE booking_id = :id"
            ),
            {"id": booking.id, "session": first.id, "now": NOW},
        )
    answer = desk.client.get("desk.booking", booking_id=booking.id)
    page = words(answer)
    assert 'aria-label="Session 1, Mon 4 Jan 2027: Completed"' in answer.text
    assert "1 present" in page
    assert "1 of 10 sessions taught. Next: Tue 5 Jan 2027, 16:00 IST." in page
    assert desk.client.statements <= 12


def test_a_clock_change_is_marked_in_the_table(desk: Desk, make: Make) -> None:
    place = Location(40.7128, -74.006)
    zone_id = make.zone(operator_id=desk.operator_id, center=place, time_zone="America/New_York")
    booking = make.booking(
        operator_id=desk.operator_id,
        zone_id=zone_id,
        place=place,
        start_date=date(2027, 3, 10),
        timeslot=time(2, 30),
    )
    page = desk.show(booking)
    assert "03:00 EDT clock change" in page
    assert "02:30 EST" in page


def test_the_payment_is_noted(desk: Desk) -> None:
    booking = desk.booking()
    assert desk.post("desk.set_payment", booking, version="1", payment_status="paid").status_code == 303
    assert "noted the payment: Paid" in desk.show(booking)


@pytest.mark.parametrize("status", ["", "stolen"])
def test_a_payment_nobody_knows_is_refused(desk: Desk, status: str) -> None:
    assert desk.post("desk.set_payment", desk.booking(), version="1", payment_status=status).status_code == 422


def test_a_payment_noted_on_an_old_page_is_a_conflict(desk: Desk) -> None:
    booking = desk.booking()
    desk.post("desk.set_payment", booking, version="1", payment_status="paid")
    answer = desk.post("desk.set_payment", booking, version="1", payment_status="unpaid")
    assert answer.status_code == 409
    assert "Somebody changed this booking meanwhile" in words(answer)


def test_cancelling_says_why_and_releases_the_trainer(desk: Desk) -> None:
    booking = desk.proposed()
    answer = desk.post("desk.cancel", booking, **{"cancel-version": "2", "cancel-reason": "The family moved"})
    assert answer.status_code == 303
    page = desk.show(booking)
    assert "Cancelled: The family moved" in page
    assert "Cancel the booking" not in page
    again = desk.booking()
    assert desk.make.proposal(again, desk.trainer_id).assignment_id is not None


@pytest.mark.parametrize("reason", ["", "  ", "x" * 500, "a\x00b"])
def test_cancelling_without_a_sound_reason_is_refused(desk: Desk, reason: str) -> None:
    booking = desk.booking()
    answer = desk.post("desk.cancel", booking, **{"cancel-version": "1", "cancel-reason": reason})
    assert answer.status_code == 422
    assert "<details open>" in answer.text, "the form stays open"
    assert status_of(booking) == "waitlisted"


@pytest.mark.parametrize("version", ["", "0", "x", "99999999999999999999", "5"])
def test_cancelling_an_old_page_is_a_conflict(desk: Desk, version: str) -> None:
    booking = desk.booking()
    answer = desk.post("desk.cancel", booking, **{"cancel-version": version, "cancel-reason": "Moved"})
    assert answer.status_code == 409
    assert status_of(booking) == "waitlisted"


def test_only_an_admin_closes_a_booking_short(desk: Desk) -> None:
    booking = desk.assigned()
    with unit_of_work() as work:
        work.db.execute(text("UPDATE bookings SET status = 'in_progress' WHERE id = :id"), {"id": booking.id})
    data = {"close-version": "3", "close-reason": "The family moved"}
    assert desk.post("desk.close_short", booking, **data).status_code == 403
    assert "Close before the last session" not in desk.show(booking)
    desk.client.sign_in(desk.make.admin())
    assert "Close before the last session" in desk.show(booking)
    assert desk.post("desk.close_short", booking, **(data | {"close-reason": ""})).status_code == 422
    assert desk.post("desk.close_short", booking, **(data | {"close-version": "1"})).status_code == 409
    assert desk.post("desk.close_short", booking, **data).status_code == 303
    assert "Closed before the last session: The family moved" in desk.show(booking)
    assert status_of(booking) == "completed"


def test_an_auditor_reads_and_finds_no_buttons(desk: Desk) -> None:
    booking = desk.booking()
    desk.client.sign_in(desk.make.auditor())
    answer = desk.client.get("desk.booking", booking_id=booking.id)
    for action in ("edit", "propose", "cancel", "payment", "close"):
        assert f"/bookings/{booking.id}/{action}" not in answer.text
    assert "Unpaid" in words(answer)


def test_certificates_of_the_booking_are_shown(desk: Desk) -> None:
    booking = desk.booking(total_sessions=30, delivery_mode=DeliveryMode.SUNDAY_ONLY)
    with unit_of_work() as work:
        work.db.execute(
            text(
                "INSERT INTO certificates (id, operator_id, booking_id, student_id, number, token, state, payload,"
                " salt, awarded_on, awarded_at, valid_from, created_at, next_at, attempts) SELECT :id, operator_id,"
                " booking_id, student_id, 'ZD-27-ABCDE-ABCDE', 'token', 'pending', '{}', repeat('0', 32),"
                " '2027-01-01', :now, :now, :now, :now, 0"
                " FROM booking_students WHERE booking_id = :booking"
            ),
            {"id": new_id(), "booking": booking.id, "now": NOW},
        )
    page = desk.show(booking)
    assert "ZD-27-ABCDE-ABCDE" in page
    assert "Being made" in page


def record(by: Person, **facts: Any) -> UUID:
    """An enquiry."""
    command = EnquiryCommand(**{"status": EnquiryStatus.SERVICE_NOT_AVAILABLE, "guardian_name": "Sita Rao"} | facts)
    with unit_of_work() as work:
        return enquiries.record_enquiry(work, command, by=by.actor, now=NOW)


def test_an_empty_list_of_enquiries_says_what_comes_here(desk: Desk) -> None:
    assert "No open enquiries." in words(desk.client.get("bookings.enquiries"))
    assert "No enquiry of this kind." in words(desk.client.get("bookings.enquiries", status="closed"))


def test_an_enquiry_is_listed_and_closed(desk: Desk) -> None:
    one = record(desk.staff, callback_on=date(2027, 1, 1), note="Calls at six")
    page = words(desk.client.get("bookings.enquiries"))
    assert "Calls at six" in page
    assert "Fri 1 Jan 2027" in page
    assert desk.client.statements <= 12
    assert desk.client.post("bookings.close_enquiry", enquiry_id=one).status_code == 303
    assert "Calls at six" not in words(desk.client.get("bookings.enquiries"))
    assert "Calls at six" in words(desk.client.get("bookings.enquiries", status="all"))
    assert desk.client.post("bookings.close_enquiry", enquiry_id=one).status_code == 409


def test_the_company_reads_a_franchises_demand_and_closes_none_of_it(
    desk: Desk, new_client: Callable[[], DeskClient]
) -> None:
    one = record(desk.staff)
    company = new_client()
    company.sign_in(desk.make.staff())
    listed = company.get("bookings.enquiries")
    assert "Sita Rao" in listed.text
    assert "Sunrise" in listed.text
    assert f"/enquiries/{one}/close" not in listed.text
    assert company.post("bookings.close_enquiry", enquiry_id=one).status_code == 404


def test_another_franchise_sees_none_of_it(desk: Desk, new_client: Callable[[], DeskClient]) -> None:
    one = record(desk.staff)
    other = new_client()
    other.sign_in(desk.make.staff(desk.make.franchise()))
    assert "Sita Rao" not in other.get("bookings.enquiries").text
    assert other.post("bookings.close_enquiry", enquiry_id=one).status_code == 404
    assert other.get("desk.new_booking", enquiry=one).status_code == 404


def test_a_hold_that_ran_out_is_told_before_anybody_swept_it(desk: Desk, at: Callable[[datetime], None]) -> None:
    booking = desk.proposed()
    at(NOW + timedelta(hours=49))
    desk.client.sign_in(desk.staff)
    assert "The hold has ended." in desk.show(booking)


def test_a_waiting_booking_says_whether_it_is_retried_and_can_be_told(client: DeskClient, make: Make) -> None:
    booking = make.booking()
    client.sign_in(make.admin())
    page = client.get("desk.booking", booking_id=booking.id)
    assert "Retried by itself when a trainer becomes free." in page.text
    answer = client.post("desk.set_retried", booking_id=booking.id, data={"version": "1", "on": "0"})
    assert answer.status_code == 303
    page = client.get("desk.booking", booking_id=booking.id)
    assert "Waits for you: nobody is proposed by itself." in page.text
    assert "keeps it waiting for somebody to decide" in page.text
    assert client.post("desk.set_retried", booking_id=booking.id, data={"version": "1", "on": "1"}).status_code == 409
    client.sign_in(make.auditor())
    assert "Retry by itself" not in client.get("desk.booking", booking_id=booking.id).text
