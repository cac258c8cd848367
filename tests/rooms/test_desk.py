"""Booking in one go, the plan that follows from a wish, and the home page, on a real database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.make import HOME, Make
from tests.web.client import NOW
from webapp.assignments.limits import Limits
from webapp.bookings import enquiries
from webapp.bookings.enquiries import EnquiryCommand
from webapp.bookings.rules import BookingStatus, ClassType, DeliveryMode, EnquiryStatus
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.db.work import Database, counting_statements, read_only, unit_of_work
from webapp.desk import service
from webapp.desk.places import by_state, cities, find_town
from webapp.desk.queries.booking import booking_page
from webapp.desk.queries.home import home
from webapp.desk.queries.plan import Plan, plan_of
from webapp.desk.rules import Missing, Wish
from webapp.desk.service import Ask, BookCommand, Booked, FamilyCommand
from webapp.households.queries import households_index
from webapp.households.rules import GuardianCommand, Language, StudentCommand

ELSEWHERE = Location(16.5, 80.6)
GUARDIAN = GuardianCommand("Sita Rao", "+919848012345", None, Language.TELUGU, True)


@dataclass
class Desk:
    """A franchise with staff, a zone, a course and two trainers, the first nearer."""

    make: Make
    operator_id: UUID
    staff: Actor
    zone_id: UUID
    course_id: UUID
    near: UUID
    far: UUID

    def command(self, **changes: Any) -> BookCommand:
        """A booking for a new family with one student, but for the changes."""
        sound = BookCommand(
            id=new_id(),
            family=FamilyCommand(guardian=GUARDIAN, new_students=(StudentCommand("Arun"),)),
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

    def book(self, command: BookCommand, ask: Ask | None = None, *, by: Actor | None = None) -> Booked:
        """Book."""
        with unit_of_work() as work:
            return service.book(work, command, ask or Ask(), by=by or self.staff, now=NOW, limits=Limits())

    def families(self) -> int:
        """How many families there are."""
        with read_only() as db:
            return households_index(db, visible_to=self.staff)[1]

    def plan(self, *, by: Actor | None = None, **wish: Any) -> Plan:
        """What follows from a wish."""
        with read_only() as db:
            return plan_of(db, Wish(**wish), visible_to=by or self.staff, now=NOW, limits=Limits())

    def whole(self) -> dict[str, Any]:
        """Everything a plan needs."""
        return {
            "place": HOME,
            "course_id": self.course_id,
            "class_type": ClassType.ONE_ON_ONE,
            "delivery_mode": DeliveryMode.WEEKDAY_DAILY,
            "total_sessions": 10,
            "start_date": date(2027, 1, 4),
            "timeslot": time(16),
            "students": 1,
        }


@pytest.fixture
def desk(make: Make) -> Desk:
    operator_id = make.franchise("Sunrise")
    zone_id, course_id = make.zone(operator_id=operator_id, center=HOME), make.course()
    near, far = (
        make.trainer((zone_id,), (course_id,), operator_id=operator_id, name=name, base=base)
        for name, base in (("Near", HOME), ("Far", Location(17.73, 83.2185)))
    )
    return Desk(make, operator_id, make.staff(operator_id).actor, zone_id, course_id, near, far)


def test_family_booking_and_proposal_are_stored_together(desk: Desk) -> None:
    booked = desk.book(desk.command(), Ask(propose=True, trainer_id=desk.far))
    assert booked.proposed is not None
    assert booked.proposed.trainer_name == "Far"
    with read_only() as db:
        page = booking_page(db, booked.booking_id, visible_to=desk.staff)
    assert page.booking.status is BookingStatus.PENDING_APPROVAL
    assert page.booking.family == "Sita Rao"
    assert [student.name for student in page.booking.students] == ["Arun"]
    assert page.live is not None
    assert [verdict.name for verdict in page.live.verdicts] == ["Near", "Far"]


def test_a_trainer_who_cannot_undoes_family_and_booking(desk: Desk) -> None:
    desk.book(desk.command(), Ask(propose=True, trainer_id=desk.near))
    before = desk.families()
    with pytest.raises(Conflict) as caught:
        desk.book(desk.command(), Ask(propose=True, trainer_id=desk.near))
    assert caught.value.code == "trainer-taken"
    assert desk.families() == before


def test_the_automatic_choice_takes_the_next_one_free_and_then_waits(desk: Desk) -> None:
    names = []
    for _ in range(3):
        proposed = desk.book(desk.command(), Ask(propose=True)).proposed
        assert proposed is not None
        names.append(proposed.trainer_name)
    assert names == ["Near", "Far", None]


def test_the_same_page_sent_twice_books_once(desk: Desk) -> None:
    command = desk.command()
    first = desk.book(command, Ask(propose=True))
    second = desk.book(command, Ask(propose=True))
    assert (second.booking_id, second.again) == (first.booking_id, True)
    assert desk.families() == 1


def test_a_colleague_with_the_same_id_gets_a_conflict_and_leaves_no_family(desk: Desk, make: Make) -> None:
    command = desk.command()
    desk.book(command)
    with pytest.raises(Conflict) as caught:
        desk.book(command, by=make.staff(desk.operator_id).actor)
    assert caught.value.code == "booking-placed"
    assert desk.families() == 1


def test_another_child_of_a_known_family_is_entered_with_the_booking(desk: Desk, make: Make) -> None:
    known = make.household("Arun", operator_id=desk.operator_id)
    family = FamilyCommand(known.household_id, None, known.student_ids, (StudentCommand("Bela"),))
    booked = desk.book(desk.command(family=family, class_type=ClassType.ONE_ON_TWO))
    with read_only() as db:
        page = booking_page(db, booked.booking_id, visible_to=desk.staff)
    assert [student.name for student in page.booking.students] == ["Arun", "Bela"]


def test_an_enquiry_that_was_booked_names_its_booking(desk: Desk) -> None:
    with unit_of_work() as work:
        kept = EnquiryCommand(status=EnquiryStatus.DRAFT, guardian_name="Sita Rao")
        enquiry_id = enquiries.record_enquiry(work, kept, by=desk.staff, now=NOW)
    booked = desk.book(desk.command(enquiry_id=enquiry_id))
    with read_only() as db:
        stored = db.execute(text("SELECT status, booking_id FROM enquiries WHERE id = :id"), {"id": enquiry_id}).one()
    assert tuple(stored) == ("booked", booked.booking_id)


def test_an_enquiry_an_admin_took_down_goes_with_the_franchise_s_booking_it_became(desk: Desk) -> None:
    """Else it would stay with the company when the family is given what is held of it, or erased."""
    admin = desk.make.admin().actor
    with unit_of_work() as work:
        kept = EnquiryCommand(EnquiryStatus.DRAFT, "Sita Rao", GUARDIAN.phone, note="Arun")
        enquiry_id = enquiries.record_enquiry(work, kept, by=admin, now=NOW)
    booked = desk.book(desk.command(enquiry_id=enquiry_id), by=admin)
    with read_only() as db:
        asked = text("SELECT operator_id, status, booking_id FROM enquiries WHERE id = :id")
        stored = db.execute(asked, {"id": enquiry_id}).one()
    assert tuple(stored) == (desk.operator_id, "booked", booked.booking_id)


def test_what_a_family_wishes_for_stands_in_no_entry_of_the_audit(desk: Desk) -> None:
    booked = desk.book(desk.command(prefers_language="te", prefers_gender="female", prefers_taught_before=True))
    with read_only() as db:
        asked = text("SELECT string_agg(coalesce(after::text, ''), ' ') FROM audit_entries WHERE subject_id = :id")
        told = str(db.scalar(asked, {"id": booked.booking_id}))
    assert "class_type" in told
    assert "prefers" not in told


def test_an_enquiry_closed_meanwhile_does_not_stop_the_booking(desk: Desk) -> None:
    with unit_of_work() as work:
        kept = EnquiryCommand(status=EnquiryStatus.DRAFT, guardian_name="Sita Rao")
        enquiry_id = enquiries.record_enquiry(work, kept, by=desk.staff, now=NOW)
        work.db.flush()
        enquiries.close_enquiry(work, enquiry_id, by=desk.staff, now=NOW)
    assert not desk.book(desk.command(enquiry_id=enquiry_id)).again


def test_a_correction_and_its_proposal_are_one_transaction(desk: Desk) -> None:
    booked = desk.book(desk.command())
    with read_only() as db:
        stored = booking_page(db, booked.booking_id, visible_to=desk.staff).booking
    family = FamilyCommand(stored.household_id, None, tuple(student.id for student in stored.students))
    command = desk.command(id=booked.booking_id, family=family, timeslot=time(17))
    with unit_of_work() as work:
        again = service.rebook(work, command, Ask(True, desk.far), version=1, by=desk.staff, now=NOW, limits=Limits())
    assert again.proposed is not None
    with read_only() as db:
        page = booking_page(db, booked.booking_id, visible_to=desk.staff)
    assert page.booking.timeslot == time(17)
    assert page.booking.status is BookingStatus.PENDING_APPROVAL


def test_nothing_known_says_what_is_missing(desk: Desk) -> None:
    plan = desk.plan()
    assert plan.missing == tuple(Missing)
    assert (plan.zone, plan.trainers) == (None, None)


def test_the_zone_shows_as_soon_as_the_place_is_known(desk: Desk) -> None:
    plan = desk.plan(place=HOME)
    assert plan.zone is not None
    assert (plan.zone.id, plan.zone.operator_name) == (desk.zone_id, "Sunrise")
    assert plan.sessions == ()


def test_a_whole_wish_ranks_the_trainers_and_explains_the_others(desk: Desk, make: Make) -> None:
    make.trainer((desk.zone_id,), (), operator_id=desk.operator_id, name="Untaught", base=HOME)
    plan = desk.plan(**desk.whole())
    assert plan.trainers is not None
    assert [verdict.name for verdict in plan.trainers.eligible] == ["Near", "Far"]
    assert [(v.name, str(v.reasons[0])) for v in plan.trainers.others] == [
        ("Untaught", "Not certified for this course")
    ]


def test_a_zone_chosen_for_an_earlier_place_no_longer_counts(desk: Desk) -> None:
    plan = desk.plan(place=HOME, zone_id=new_id())
    assert plan.zone is not None
    assert plan.zone.id == desk.zone_id


def test_another_operators_place_shows_whose_it_is(desk: Desk, make: Make) -> None:
    make.zone(operator_id=make.franchise("Lotus"), center=ELSEWHERE)
    plan = desk.plan(place=ELSEWHERE)
    assert plan.elsewhere is not None
    assert plan.elsewhere.operator_name == "Lotus"
    assert plan.zone is None


def test_a_place_nobody_serves_shows_the_nearest_zones(desk: Desk) -> None:
    plan = desk.plan(place=Location(18.5, 83.2))
    assert plan.outside
    assert [zone.id for zone in plan.nearest] == [desk.zone_id]


def test_a_family_of_another_operator_than_the_zone_is_a_fault(desk: Desk, make: Make) -> None:
    plan = desk.plan(by=make.admin().actor, **desk.whole(), owner_id=make.franchise())
    assert [fault.code for fault in plan.faults] == ["family-elsewhere"]
    assert plan.trainers is None


def test_a_plan_takes_few_statements(desk: Desk) -> None:
    with counting_statements() as count:
        desk.plan(**desk.whole())
        assert count() <= 6


def test_a_clock_change_is_shown_on_the_wall_clock_and_marked(desk: Desk, make: Make) -> None:
    new_york = Location(40.7128, -74.006)
    make.zone(operator_id=desk.operator_id, center=new_york, time_zone="America/New_York")
    wish = desk.whole() | {"place": new_york, "start_date": date(2027, 3, 10), "timeslot": time(2, 30)}
    plan = desk.plan(**wish)
    moved = [line for line in plan.sessions if line.shifted]
    assert [(line.date, line.clock) for line in moved] == [(date(2027, 3, 14), time(3))]
    assert (plan.clocks, plan.shifted) == ((time(2, 30),), 1)


def test_home_shows_each_role_what_waits_for_it(desk: Desk, make: Make) -> None:
    desk.book(desk.command(), Ask(propose=True))
    desk.book(desk.command())
    manager = make.manager(desk.operator_id).actor
    colleague, outsider = make.staff(desk.operator_id).actor, make.staff(make.franchise()).actor
    with read_only() as db:
        own, theirs, decides = (home(db, visible_to=who, now=NOW) for who in (desk.staff, colleague, manager))
        stranger = home(db, visible_to=outsider, now=NOW)
    assert (own.approvals.total, theirs.approvals.total, decides.approvals.total) == (1, 0, 1)
    assert (own.decides, decides.decides) == (False, True)
    assert own.waitlist.total == 1
    assert own.failed is None
    assert stranger.quiet


def test_home_counts_sessions_nobody_marked(desk: Desk, make: Make) -> None:
    booked = desk.book(desk.command(), Ask(propose=True))
    with unit_of_work() as work:
        work.db.execute(text("UPDATE bookings SET status = 'assigned' WHERE id = :id"), {"id": booked.booking_id})
    later = NOW + timedelta(days=3, hours=8)
    with read_only() as db:
        page = home(db, visible_to=desk.staff, now=later)
    assert [row.number for row in page.unmarked.items] == [1]
    assert page.today == 1


def test_home_asks_to_call_back_on_the_day_it_is_there(desk: Desk) -> None:
    with unit_of_work() as work:
        for day in (1, 2):
            kept = EnquiryCommand(EnquiryStatus.DRAFT, guardian_name=f"Day {day}", callback_on=date(2027, 1, day))
            enquiries.record_enquiry(work, kept, by=desk.staff, now=NOW)
    with read_only() as db:
        today = home(db, visible_to=desk.staff, now=NOW)
        late = home(db, visible_to=desk.staff, now=NOW + timedelta(hours=15, minutes=1))
    assert [row.name for row in today.callbacks.items] == ["Day 1"]
    assert late.callbacks.total == 2, "in Kolkata the next day has begun"


def test_home_takes_few_statements(desk: Desk, make: Make) -> None:
    admin = make.admin().actor
    with counting_statements() as count, read_only() as db:
        home(db, visible_to=admin, now=NOW)
        assert count() <= 10


def test_cities_have_sound_places_and_names(db: Database) -> None:
    assert len(cities()) > 300
    assert set(by_state()) == {"Andhra Pradesh", "Telangana", "New York", "New Jersey", "Connecticut"}
    assert find_town("visakhapatnam, Andhra Pradesh") == find_town("Visakhapatnam") is not None
    assert find_town("Atlantis") is None


def test_a_booking_without_a_zone_says_so_at_the_place(desk: Desk) -> None:
    with pytest.raises(Invalid) as caught:
        desk.book(desk.command(place=Location(-30, 10)))
    assert caught.value.field == "place"
    assert desk.families() == 0
