"""The approvals pages: the queue, one proposal with its stored explanation, and what becomes of a decision."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID

import pytest

from tests.make import Make, Person
from tests.web.client import NOW, DeskClient
from webapp.assignments import service
from webapp.assignments.limits import Limits
from webapp.assignments.queries import pages
from webapp.assignments.rules import AssignmentStatus
from webapp.bookings.service import PlacedBooking
from webapp.core.actor import SYSTEM
from webapp.core.ids import new_id
from webapp.db.work import Database, read_only, unit_of_work
from webapp.trainers.rules import WorkingHours


@dataclass
class Franchise:
    """A franchise with a manager, staff, a zone, a course and a trainer who is free."""

    make: Make
    id: UUID
    manager: Person
    staff: Person
    zone_id: UUID
    course_id: UUID
    trainer_id: UUID

    def proposal(self, *, by: Person | None = None, now: datetime = NOW, at: time = time(16)) -> UUID:
        """An open proposal, made by staff."""
        return self.proposed(by=by, now=now, at=at)[1]

    def proposed(
        self, *, by: Person | None = None, now: datetime = NOW, at: time = time(16)
    ) -> tuple[PlacedBooking, UUID]:
        """A booking and its open proposal."""
        household = self.make.household("Arun", operator_id=self.id)
        booking = self.make.booking(
            operator_id=self.id, zone_id=self.zone_id, course_id=self.course_id, household=household, timeslot=at
        )
        made = self.make.proposal(booking, self.trainer_id, by=(by or self.staff).actor, now=now)
        assert made.assignment_id is not None
        return booking, made.assignment_id


@pytest.fixture
def franchise(make: Make) -> Franchise:
    return franchise_of(make)


def franchise_of(make: Make) -> Franchise:
    id_ = make.franchise()
    zone_id, course_id = make.zone(operator_id=id_), make.course("Abacus level " + str(make.number()))
    trainer_id = make.trainer((zone_id,), (course_id,), operator_id=id_, name="Lakshmi R.")
    manager = make.manager(id_)
    return Franchise(make, id_, manager, make.staff(id_), zone_id, course_id, trainer_id)


def status_of(assignment_id: UUID) -> AssignmentStatus:
    with read_only() as db:
        return pages.proposal(db, assignment_id, visible_to=SYSTEM).status


def test_the_queue_shows_the_oldest_proposal_first_with_its_age_and_the_end_of_its_hold(
    client: DeskClient, franchise: Franchise, at: Callable[[datetime], None]
) -> None:
    younger, _ = franchise.proposed(at=time(8), now=NOW + timedelta(hours=1))
    older, _ = franchise.proposed(at=time(10))
    at(NOW + timedelta(hours=45))
    client.sign_in(franchise.manager)
    page = client.get("assignments.index").text
    assert page.index(older.reference) < page.index(younger.reference)
    assert "Hold ends in 3 h" in page
    assert "45 h ago" in page
    assert "Arun" in page
    assert "Lakshmi R." in page


def test_a_hold_that_is_over_says_so_until_it_is_swept(
    client: DeskClient, franchise: Franchise, at: Callable[[datetime], None]
) -> None:
    id_ = franchise.proposal()
    at(NOW + timedelta(hours=49))
    client.sign_in(franchise.manager)
    assert "Hold has ended" in client.get("assignments.index").text
    page = client.get("assignments.show", assignment_id=id_).text
    assert "The hold has ended" in page
    assert "/approve" not in page


def test_an_empty_queue_says_why_and_what_to_do(client: DeskClient, franchise: Franchise) -> None:
    client.sign_in(franchise.manager)
    assert "Nothing waits for a decision." in client.get("assignments.index").text


def test_the_queue_refreshes_itself_with_the_very_list_of_the_page(client: DeskClient, franchise: Franchise) -> None:
    booking, _ = franchise.proposed()
    client.sign_in(franchise.manager)
    page = client.get("assignments.index")
    fragment = client.get("assignments.index", htmx=True)
    assert 'hx-trigger="every 15s"' in page.text
    assert fragment.text.lstrip().startswith('<div id="queue"')
    assert booking.reference in fragment.text
    assert "<h1" not in fragment.text


def test_the_queue_comes_in_pages_and_keeps_its_page_when_it_refreshes(
    client: DeskClient, franchise: Franchise, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = franchise.proposed(at=time(8))
    second, _ = franchise.proposed(at=time(10), now=NOW + timedelta(minutes=1))
    monkeypatch.setattr("webapp.assignments.views.page_args", lambda args: _two_pages(args))
    client.sign_in(franchise.manager)
    page = client.get("/approvals?page=2").text
    assert second.reference in page
    assert first.reference not in page
    assert 'hx-get="/approvals?page=2"' in page


def _two_pages(args: object) -> object:
    from webapp.web.pagination import page_args

    return page_args(args, size=1)  # type: ignore[arg-type]


def test_neither_page_asks_the_database_per_row(client: DeskClient, franchise: Franchise) -> None:
    ids = [franchise.proposal(at=time(hour)) for hour in (8, 10, 12, 14)]
    client.sign_in(franchise.manager)
    client.get("assignments.index")
    assert client.statements <= 6
    client.get("assignments.show", assignment_id=ids[0])
    assert client.statements <= 9, "three of them for the grid, one for who else waits"


def test_the_page_tells_of_the_booking_and_of_everybody_who_was_looked_at(
    client: DeskClient, franchise: Franchise, make: Make
) -> None:
    mornings = tuple(WorkingHours(day, time(7), time(11)) for day in range(7))
    make.trainer((franchise.zone_id,), (franchise.course_id,), operator_id=franchise.id, name="Ravi", hours=mornings)
    make.trainer((franchise.zone_id,), (), operator_id=franchise.id, name="Sita", without_base=True)
    booking, id_ = franchise.proposed()
    client.sign_in(franchise.manager)
    page = client.get("assignments.show", assignment_id=id_).text
    assert booking.reference in page
    assert "12 Beach Road" in page
    assert "Mon 4 Jan 2027, 16:00 IST" in page
    assert "Outside working hours in 10 of 10 sessions, first Mon 4 Jan 2027 at 16:00" in page
    assert "Not certified for this course" in page
    assert "No base location known" in page
    assert "Why not the other 2?" in page


def test_the_strip_of_a_proposal_counts_sessions_as_every_other_page_does(
    client: DeskClient, franchise: Franchise
) -> None:
    id_ = franchise.proposal()
    client.sign_in(franchise.staff)
    page = client.get("assignments.show", assignment_id=id_).text
    strip = page[page.index('class="zd-strip"') :]
    strip = strip[: strip.index("</ol>")]
    assert re.findall(r'aria-hidden="true">(\d+)<', strip) == [str(number) for number in range(1, 11)]
    assert "Session 10, " in strip


def test_the_explanation_stays_what_it_was_when_the_roster_changes(
    client: DeskClient, franchise: Franchise, make: Make
) -> None:
    id_ = franchise.proposal()
    make.trainer((franchise.zone_id,), (franchise.course_id,), operator_id=franchise.id, name="Somebody new")
    client.sign_in(franchise.manager)
    explained, _, live = client.get("assignments.show", assignment_id=id_).text.partition("Session by session")
    assert "Somebody new" not in explained
    assert "Somebody new" in live, "the grid shows who is there now"


def test_approving_goes_on_to_the_next_and_then_back_to_the_queue(client: DeskClient, franchise: Franchise) -> None:
    first = franchise.proposal(at=time(8))
    second = franchise.proposal(at=time(10), now=NOW + timedelta(minutes=1))
    client.sign_in(franchise.manager)
    answer = client.post("assignments.approve", assignment_id=first, data={"version": "1"})
    assert (answer.status_code, answer.location) == (303, f"/approvals/{second}")
    assert status_of(first) is AssignmentStatus.APPROVED
    assert "Approved: Lakshmi R. teaches" in client.get(answer.location).text
    answer = client.post("assignments.approve", assignment_id=second, data={"version": "1"})
    assert (answer.status_code, answer.location) == (303, "/approvals")


def test_the_next_one_is_the_next_younger_and_after_the_last_the_oldest(
    client: DeskClient, franchise: Franchise
) -> None:
    ids = [franchise.proposal(at=time(8 + 2 * n), now=NOW + timedelta(minutes=n)) for n in range(3)]
    client.sign_in(franchise.manager)
    for here, following in zip(ids, [*ids[1:], ids[0]], strict=True):
        page = client.get("assignments.show", assignment_id=here).text
        assert f'href="/approvals/{following}"' in page


def test_rejecting_asks_for_a_reason_and_stores_it(client: DeskClient, franchise: Franchise) -> None:
    id_ = franchise.proposal()
    client.sign_in(franchise.manager)
    for nothing in ("", "   "):
        answer = client.post("assignments.reject", assignment_id=id_, data={"version": "1", "reason": nothing})
        assert answer.status_code == 422
        assert "Say why" in answer.text
    assert status_of(id_) is AssignmentStatus.PROPOSED
    answer = client.post("assignments.reject", assignment_id=id_, data={"version": "1", "reason": "Too <far> away"})
    assert (answer.status_code, answer.location) == (303, "/approvals")
    page = client.get("assignments.show", assignment_id=id_).text
    assert f"{franchise.manager.name} rejected this proposal on Fri 1 Jan 2027, 09:00 IST." in page
    assert "Too &lt;far&gt; away" in page
    assert "/reject" not in page


def test_too_long_a_reason_comes_back_as_it_was_typed(client: DeskClient, franchise: Franchise) -> None:
    id_ = franchise.proposal()
    client.sign_in(franchise.manager)
    answer = client.post("assignments.reject", assignment_id=id_, data={"version": "1", "reason": "x" * 401})
    assert answer.status_code == 422
    assert "x" * 401 in answer.text


def test_whoever_comes_second_is_told_who_decided_and_when_and_can_go_on(
    franchise: Franchise, make: Make, new_client: Callable[[], DeskClient], at: Callable[[datetime], None]
) -> None:
    id_ = franchise.proposal(at=time(8))
    other = franchise.proposal(at=time(10), now=NOW + timedelta(minutes=1))
    asha, ben = new_client(), new_client()
    asha.sign_in(make.user(franchise.manager.role, operator_id=franchise.id, name="Asha"))
    ben.sign_in(franchise.manager)
    assert asha.post("assignments.approve", assignment_id=id_, data={"version": "1"}).status_code == 303
    at(NOW + timedelta(minutes=5))
    for verb, data in (("approve", {"version": "1"}), ("reject", {"version": "1", "reason": "No"})):
        answer = ben.post(f"assignments.{verb}", assignment_id=id_, data=data)
        assert answer.status_code == 409
        assert "Asha approved this proposal on Fri 1 Jan 2027, 09:00 IST." in answer.text
        assert f'href="/approvals/{other}"' in answer.text
    assert status_of(id_) is AssignmentStatus.APPROVED


@pytest.mark.parametrize("version", ["2", "0", "", "x", "-1", "9" * 30, "１"])
def test_a_version_that_is_not_the_one_on_the_page_decides_nothing(
    client: DeskClient, franchise: Franchise, version: str
) -> None:
    id_ = franchise.proposal()
    client.sign_in(franchise.manager)
    answer = client.post("assignments.approve", assignment_id=id_, data={"version": version})
    assert answer.status_code == 409
    assert "Somebody changed this proposal meanwhile" in answer.text
    assert status_of(id_) is AssignmentStatus.PROPOSED


def test_approving_after_the_hold_is_refused_in_words(
    client: DeskClient, franchise: Franchise, at: Callable[[datetime], None]
) -> None:
    id_ = franchise.proposal()
    at(NOW + timedelta(hours=48))
    client.sign_in(franchise.manager)
    answer = client.post("assignments.approve", assignment_id=id_, data={"version": "1"})
    assert answer.status_code == 409
    assert "The hold has ended. Propose again." in answer.text


def test_a_trainer_who_went_away_meanwhile_is_refused_with_the_reason(
    client: DeskClient, franchise: Franchise, db: Database
) -> None:
    from webapp.core.intervals import Interval
    from webapp.trainers import service as trainers

    id_ = franchise.proposal()
    away = Interval(NOW + timedelta(days=4), NOW + timedelta(days=6))
    with unit_of_work() as work:
        trainers.record_time_off(work, franchise.trainer_id, away, "ill", by=SYSTEM, now=NOW)
    client.sign_in(franchise.manager)
    answer = client.post("assignments.approve", assignment_id=id_, data={"version": "1"})
    assert answer.status_code == 409
    assert "Lakshmi R. cannot take this course: Away in 2 of 10 sessions, first Tue 5 Jan 2027 at 16:00." in answer.text


def test_own_proposals_say_why_approving_is_not_offered_and_are_refused_when_tried(
    client: DeskClient, franchise: Franchise
) -> None:
    id_ = franchise.proposal(by=franchise.manager)
    client.sign_in(franchise.manager)
    page = client.get("assignments.show", assignment_id=id_).text
    assert "somebody else has to approve" in page
    assert "/approve" not in page
    assert "/withdraw" in page
    assert client.post("assignments.approve", assignment_id=id_, data={"version": "1"}).status_code == 403
    assert status_of(id_) is AssignmentStatus.PROPOSED


def test_staff_read_the_queue_and_can_only_withdraw_their_own(
    client: DeskClient, franchise: Franchise, make: Make
) -> None:
    mine = franchise.proposal(at=time(8))
    colleague = franchise.proposal(at=time(10), by=make.staff(franchise.id))
    client.sign_in(franchise.staff)
    assert client.get("assignments.index").status_code == 200
    page = client.get("assignments.show", assignment_id=mine).text
    assert "/withdraw" in page
    assert "/approve" not in page
    assert "/reject" not in page
    assert "A manager or an admin decides" in page
    assert "/withdraw" not in client.get("assignments.show", assignment_id=colleague).text
    for verb in ("approve", "reject"):
        data = {"version": "1", "reason": "No"}
        assert client.post(f"assignments.{verb}", assignment_id=mine, data=data).status_code == 403
    assert client.post("assignments.withdraw", assignment_id=colleague, data={"version": "1"}).status_code == 403
    assert status_of(colleague) is AssignmentStatus.PROPOSED


def test_withdrawing_leads_to_the_booking_which_can_then_be_edited(client: DeskClient, franchise: Franchise) -> None:
    booking, id_ = franchise.proposed()
    client.sign_in(franchise.staff)
    answer = client.post("assignments.withdraw", assignment_id=id_, data={"version": "1"})
    assert answer.status_code == 303
    assert str(booking.id) in answer.location
    assert status_of(id_) is AssignmentStatus.WITHDRAWN
    assert "withdrew this proposal" in client.get("assignments.show", assignment_id=id_).text


def test_an_auditor_reads_and_decides_nothing(client: DeskClient, franchise: Franchise, make: Make) -> None:
    id_ = franchise.proposal()
    client.sign_in(make.auditor())
    page = client.get("assignments.show", assignment_id=id_).text
    assert "does not decide" in page
    for verb in ("approve", "reject", "withdraw"):
        answer = client.post(f"assignments.{verb}", assignment_id=id_, data={"version": "1", "reason": "No"})
        assert answer.status_code == 403


def test_another_franchise_s_proposal_is_not_there_and_neither_is_one_that_never_was(
    client: DeskClient, franchise: Franchise, make: Make
) -> None:
    foreign = franchise_of(make)
    booking, theirs = foreign.proposed()
    client.sign_in(franchise.manager)
    assert booking.reference not in client.get("assignments.index").text
    data = {"version": "1", "reason": "No"}
    for id_ in (theirs, new_id()):
        assert client.get("assignments.show", assignment_id=id_).status_code == 404
        for verb in ("approve", "reject", "withdraw"):
            assert client.post(f"assignments.{verb}", assignment_id=id_, data=data).status_code == 404
    assert client.post("assignments.reject", assignment_id=theirs, data={"version": "1"}).status_code == 404
    assert status_of(theirs) is AssignmentStatus.PROPOSED


def test_the_next_one_is_never_another_franchise_s(client: DeskClient, franchise: Franchise, make: Make) -> None:
    franchise_of(make).proposal()
    id_ = franchise.proposal()
    client.sign_in(franchise.manager)
    answer = client.post("assignments.approve", assignment_id=id_, data={"version": "1"})
    assert answer.location == "/approvals"


def test_an_admin_sees_whose_proposal_it_is(client: DeskClient, franchise: Franchise, make: Make) -> None:
    franchise.proposal()
    client.sign_in(make.admin())
    assert ">Operator<" in client.get("assignments.index").text


def test_what_waits_counts_what_this_person_can_approve(franchise: Franchise, make: Make) -> None:
    franchise.proposal(at=time(8))
    franchise.proposal(at=time(10), by=franchise.manager)
    franchise_of(make).proposal()
    with read_only() as db:
        counts = {
            person.role: None if (waiting := pages.waiting_count(person.actor)) is None else db.scalar(waiting)
            for person in (franchise.manager, franchise.staff, make.admin(), make.auditor())
        }
    assert list(counts.values()) == [1, None, 3, None]


def test_the_navigation_shows_what_waits(client: DeskClient, franchise: Franchise) -> None:
    franchise.proposal()
    client.sign_in(franchise.manager)
    assert "zd-count" in client.get("assignments.index").text
    client.sign_in(franchise.staff)
    assert "zd-count" not in client.get("assignments.index").text


def test_a_course_approved_by_the_desk_itself_says_so(client: DeskClient, make: Make) -> None:
    id_ = make.franchise(auto_approve=True)
    zone_id, course_id = make.zone(operator_id=id_), make.course()
    make.trainer((zone_id,), (course_id,), operator_id=id_)
    booking = make.booking(
        operator_id=id_, zone_id=zone_id, course_id=course_id, household=make.household(operator_id=id_)
    )
    manager = make.manager(id_)
    made = make.proposal(booking, None, by=manager.actor)
    client.sign_in(manager)
    page = client.get("assignments.show", assignment_id=made.assignment_id).text
    assert "system approved this proposal" in page


def test_an_expired_proposal_stays_readable(client: DeskClient, franchise: Franchise) -> None:
    id_ = franchise.proposal()
    with unit_of_work() as work:
        assert service.expire_due(work, now=NOW + timedelta(hours=48)) == 1
    client.sign_in(franchise.manager)
    page = client.get("assignments.show", assignment_id=id_).text
    assert "This proposal expired on Sun 3 Jan 2027, 09:00 IST." in page
    assert "Lakshmi R." in page
    assert Limits().hold_hours == 48
