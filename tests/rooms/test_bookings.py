"""Placing, changing and closing bookings, and keeping enquiries, on a real database (rules B1 to B9, Z2, Z4, C1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.make import HOME, Make
from tests.web.client import NOW
from webapp.assignments.limits import Limits
from webapp.assignments.service import cancel_booking, propose
from webapp.audit.queries import history
from webapp.bookings import enquiries, queries, service
from webapp.bookings.enquiries import EnquiryCommand
from webapp.bookings.queries import BookingFilter, Order
from webapp.bookings.rules import BookingStatus, ClassType, DeliveryMode, EnquiryStatus, PaymentStatus
from webapp.bookings.service import BookingCommand, PlacedBooking
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict, DomainError, Invalid, NotFound
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.db.work import Database, read_only, unit_of_work
from webapp.desk.queries.booking import BookingDetail, booking_detail, booking_page
from webapp.households.service import RegisteredHousehold

NOWHERE = Location(-30.0, 10.0)


@dataclass
class Desk:
    """A franchise with staff, a zone, a course and a family."""

    make: Make
    operator_id: UUID
    staff: Actor
    zone_id: UUID
    course_id: UUID
    family: RegisteredHousehold

    def command(self, **changes: Any) -> BookingCommand:
        """A sound booking, but for the changes."""
        sound = BookingCommand(
            household_id=self.family.household_id,
            student_ids=self.family.student_ids,
            course_id=self.course_id,
            class_type=ClassType.ONE_ON_ONE,
            delivery_mode=DeliveryMode.WEEKDAY_DAILY,
            total_sessions=10,
            start_date=date(2027, 1, 4),
            timeslot=time(16),
            address="12 Beach Road",
            place=HOME,
        )
        return replace(sound, **changes)

    def place(self, **changes: Any) -> PlacedBooking:
        """Place a booking."""
        with unit_of_work() as work:
            return service.place_booking(work, self.command(**changes), by=self.staff, now=NOW)

    def refused(self, **changes: Any) -> DomainError:
        """What a booking is refused with."""
        with pytest.raises(DomainError) as caught:
            self.place(**changes)
        return caught.value

    def detail(self, booking_id: UUID) -> BookingDetail:
        """The booking as it is now."""
        with read_only() as db:
            return booking_detail(db, booking_id, visible_to=self.staff)


@pytest.fixture
def desk(make: Make) -> Desk:
    operator_id = make.franchise()
    return Desk(
        make,
        operator_id,
        make.staff(operator_id).actor,
        make.zone(operator_id=operator_id, center=HOME),
        make.course(),
        make.household("Arun", operator_id=operator_id),
    )


def test_a_placed_booking_waits_with_all_its_sessions_and_is_in_the_audit(desk: Desk) -> None:
    placed = desk.place()
    with read_only() as db:
        page = booking_page(db, placed.id, visible_to=desk.staff)
        told = history(db, [placed.id], visible_to=desk.staff)
    assert page.booking.status is BookingStatus.WAITLISTED
    assert page.booking.zone_id == desk.zone_id
    assert [session.number for session in page.sessions] == list(range(1, 11))
    assert [entry.what for entry in told] == ["booking.placed"]
    assert told[0].after["reference"] == placed.reference


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"class_type": ClassType.ONE_ON_TWO}, "students"),
        ({"class_type": ClassType.HYBRID}, "delivery_mode"),
        ({"delivery_mode": DeliveryMode.HYBRID, "class_type": ClassType.HYBRID}, "total_sessions"),
        ({"total_sessions": 12}, "total_sessions"),
        ({"start_date": date(2026, 12, 31)}, "start_date"),
        ({"start_date": date(2027, 1, 1), "timeslot": time(9)}, "timeslot"),
        ({"timeslot": time(23, 40)}, "timeslot"),
        ({"place": NOWHERE}, "place"),
    ],
)
def test_a_broken_rule_names_its_field_and_stores_nothing(desk: Desk, changes: dict[str, Any], field: str) -> None:
    error = desk.refused(**changes)
    assert isinstance(error, Invalid)
    assert error.field == field
    with read_only() as db:
        assert queries.bookings_index(db, BookingFilter(), limit=9, offset=0, visible_to=desk.staff)[1] == 0


def test_another_operators_place_is_a_conflict_that_says_whose_it_is(desk: Desk, make: Make) -> None:
    other = make.franchise("Sunrise")
    there = Location(16.5, 80.6)
    make.zone(operator_id=other, name="Benz Circle", center=there)
    error = desk.refused(place=there)
    assert error.code == "other-operator"
    assert "Sunrise" in str(error)
    assert "Benz Circle" in str(error)


def test_a_family_of_another_operator_is_not_found(desk: Desk, make: Make) -> None:
    foreign = make.household("Mia", operator_id=make.franchise())
    error = desk.refused(household_id=foreign.household_id, student_ids=foreign.student_ids)
    assert isinstance(error, NotFound)


def test_a_zone_that_does_not_contain_the_place_is_refused(desk: Desk, make: Make) -> None:
    far = make.zone(operator_id=desk.operator_id, center=Location(16.5, 80.6))
    assert desk.refused(zone_id=far).code == "zone-elsewhere"


def test_another_containing_zone_of_the_operator_can_be_chosen(desk: Desk, make: Make) -> None:
    wider = make.zone(operator_id=desk.operator_id, center=Location(17.70, 83.22), radius_km=20)
    assert desk.detail(desk.place(zone_id=wider).id).zone_id == wider


def test_one_id_places_one_booking(desk: Desk) -> None:
    booking_id = new_id()
    assert desk.place(id=booking_id).id == booking_id
    assert desk.refused(id=booking_id).code == "booking-placed"


def test_an_edit_draws_the_sessions_anew_and_counts_the_version_up(desk: Desk) -> None:
    placed = desk.place()
    with unit_of_work() as work:
        service.edit_booking(
            work, placed.id, desk.command(total_sessions=20, timeslot=time(17)), version=1, by=desk.staff, now=NOW
        )
    with read_only() as db:
        page = booking_page(db, placed.id, visible_to=desk.staff)
    assert page.booking.version == 2
    assert len(page.sessions) == 20
    assert {session.clock for session in page.sessions} == {time(17)}


def test_an_edit_of_an_old_version_is_refused(desk: Desk) -> None:
    placed = desk.place()
    with pytest.raises(Conflict, match="Somebody changed") as caught, unit_of_work() as work:
        service.edit_booking(work, placed.id, desk.command(), version=7, by=desk.staff, now=NOW)
    assert caught.value.code == "booking-changed"


def test_a_proposed_booking_cannot_be_edited(desk: Desk, make: Make) -> None:
    make.trainer((desk.zone_id,), (desk.course_id,), operator_id=desk.operator_id, base=HOME)
    placed = desk.place()
    make.proposal(placed, None, by=desk.staff)
    with pytest.raises(Conflict, match="Withdraw"), unit_of_work() as work:
        service.edit_booking(work, placed.id, desk.command(), version=2, by=desk.staff, now=NOW)


def test_an_edited_booking_stays_with_its_family(desk: Desk, make: Make) -> None:
    placed = desk.place()
    other = make.household("Bela", operator_id=desk.operator_id)
    command = desk.command(household_id=other.household_id, student_ids=other.student_ids)
    with pytest.raises(Invalid, match="stays with its family"), unit_of_work() as work:
        service.edit_booking(work, placed.id, command, version=1, by=desk.staff, now=NOW)


def test_the_payment_is_noted_with_what_it_was_before(desk: Desk) -> None:
    placed = desk.place()
    with unit_of_work() as work:
        service.set_payment_status(work, placed.id, PaymentStatus.PAID, version=1, by=desk.staff, now=NOW)
    with read_only() as db:
        noted = history(db, [placed.id], visible_to=desk.staff)[0]
    assert desk.detail(placed.id).payment_status is PaymentStatus.PAID
    assert (noted.before, noted.after) == ({"payment_status": "unpaid"}, {"payment_status": "paid"})


def test_a_cancelled_booking_frees_its_trainer_and_cancels_its_sessions(desk: Desk, make: Make) -> None:
    trainer_id = make.trainer((desk.zone_id,), (desk.course_id,), operator_id=desk.operator_id, base=HOME)
    placed = desk.place()
    make.proposal(placed, trainer_id, by=desk.staff)
    with unit_of_work() as work:
        cancel_booking(work, placed.id, version=2, reason="The family moved", by=desk.staff, now=NOW)
    with read_only() as db:
        page = booking_page(db, placed.id, visible_to=desk.staff)
    assert page.booking.status is BookingStatus.CANCELLED
    assert page.booking.closed_reason == "The family moved"
    assert page.planned == 0
    again = desk.place()
    with unit_of_work() as work:
        proposed = propose(work, again.id, trainer_id=trainer_id, by=desk.staff, now=NOW, limits=Limits())
    assert proposed.trainer_id == trainer_id


def test_closing_short_needs_a_booking_under_way(desk: Desk) -> None:
    placed = desk.place()
    with pytest.raises(Conflict) as caught, unit_of_work() as work:
        service.close_short(work, placed.id, version=1, reason="Enough", by=SYSTEM, now=NOW)
    assert caught.value.code == "booking-move"


@pytest.mark.parametrize("reason", ["", "   ", "x" * 401])
def test_ending_a_booking_needs_a_reason_that_fits(desk: Desk, reason: str) -> None:
    placed = desk.place()
    with pytest.raises(Invalid) as caught, unit_of_work() as work:
        cancel_booking(work, placed.id, version=1, reason=reason, by=desk.staff, now=NOW)
    assert caught.value.field == "reason"


def test_the_list_finds_by_reference_family_phone_and_student(desk: Desk, make: Make) -> None:
    family = make.household("Meera", operator_id=desk.operator_id, guardian="Sita Devi", phone="+919848012345")
    placed = desk.place(household_id=family.household_id, student_ids=family.student_ids)
    desk.place()
    for text in (placed.reference, placed.reference.replace("-", "").lower(), "sita d", "98480 12345", "MEERA"):
        with read_only() as db:
            rows, total = queries.bookings_index(
                db, BookingFilter(search=text), limit=9, offset=0, visible_to=desk.staff
            )
        assert ([row.id for row in rows], total) == ([placed.id], 1), text


def test_the_list_filters_sorts_and_pages(desk: Desk, make: Make) -> None:
    late = desk.place(start_date=date(2027, 2, 1))
    early = desk.place(start_date=date(2027, 1, 10))
    untaught = make.course()
    with read_only() as db:
        by_start, total = queries.bookings_index(
            db, BookingFilter(order=Order.STARTS), limit=1, offset=0, visible_to=desk.staff
        )
        of_zone, _ = queries.bookings_index(
            db, BookingFilter(zone_id=desk.zone_id), limit=9, offset=0, visible_to=desk.staff
        )
        of_course, none = queries.bookings_index(
            db, BookingFilter(course_id=untaught), limit=9, offset=0, visible_to=desk.staff
        )
    assert ([row.id for row in by_start], total) == ([early.id], 2)
    assert {row.id for row in of_zone} == {early.id, late.id}
    assert (of_course, none) == ((), 0)


def test_staff_of_another_operator_see_no_booking(desk: Desk, make: Make) -> None:
    placed = desk.place()
    stranger = make.staff(make.franchise()).actor
    with read_only() as db:
        assert queries.bookings_index(db, BookingFilter(), limit=9, offset=0, visible_to=stranger) == ((), 0)
        with pytest.raises(NotFound):
            booking_page(db, placed.id, visible_to=stranger)


def record(by: Actor, **facts: Any) -> UUID:
    """An enquiry."""
    with unit_of_work() as work:
        command = EnquiryCommand(**{"status": EnquiryStatus.SERVICE_NOT_AVAILABLE, **facts})
        return enquiries.record_enquiry(work, command, by=by, now=NOW)


def enquiries_of(actor: Actor, **which: Any) -> set[UUID]:
    """Which enquiries an actor sees."""
    with read_only() as db:
        rows, _ = queries.enquiries_index(db, limit=50, offset=0, visible_to=actor, **which)
    return {row.id for row in rows}


def test_demand_is_seen_by_its_operator_and_by_the_company_and_by_nobody_else(desk: Desk, make: Make) -> None:
    unserved = record(desk.staff, guardian_name="Rao", place=NOWHERE)
    draft = record(desk.staff, status=EnquiryStatus.DRAFT, guardian_name="Half a call")
    assert enquiries_of(desk.staff) == {unserved, draft}
    assert enquiries_of(make.staff().actor) == {unserved}
    assert enquiries_of(make.admin().actor) == {unserved, draft}
    assert enquiries_of(make.staff(make.franchise()).actor) == set()


def test_a_draft_expires_after_fourteen_days(desk: Desk) -> None:
    draft = record(desk.staff, status=EnquiryStatus.DRAFT)
    with unit_of_work() as work:
        assert enquiries.expire_drafts(work, now=NOW + timedelta(days=13, hours=23)) == 0
    with unit_of_work() as work:
        assert enquiries.expire_drafts(work, now=NOW + timedelta(days=14)) == 1
    assert enquiries_of(desk.staff) == set()
    assert enquiries_of(desk.staff, status=EnquiryStatus.EXPIRED) == {draft}


def test_an_enquiry_sent_twice_is_kept_once(desk: Desk) -> None:
    one = new_id()
    assert record(desk.staff, id=one, guardian_name="Rao") == record(desk.staff, id=one, guardian_name="Rao") == one
    assert enquiries_of(desk.staff) == {one}


def test_the_id_of_a_strangers_enquiry_is_not_found(desk: Desk, make: Make) -> None:
    one = record(desk.staff)
    with pytest.raises(NotFound):
        record(make.staff(make.franchise()).actor, id=one)


def test_a_closed_enquiry_is_closed_for_good(desk: Desk) -> None:
    one = record(desk.staff)
    with unit_of_work() as work:
        enquiries.close_enquiry(work, one, by=desk.staff, now=NOW)
    with pytest.raises(Conflict), unit_of_work() as work:
        enquiries.close_enquiry(work, one, by=desk.staff, now=NOW)


def test_nobody_closes_another_operators_enquiry(desk: Desk, make: Make, db: Database) -> None:
    one = record(desk.staff)
    with pytest.raises(NotFound), unit_of_work() as work:
        enquiries.close_enquiry(work, one, by=make.staff().actor, now=NOW)
