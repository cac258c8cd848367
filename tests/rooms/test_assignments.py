"""Proposing a trainer for a whole booking and deciding on the proposal, on a real database (rules A1 to A5, T11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.make import Make
from tests.web.client import NOW
from webapp.assignments import service
from webapp.assignments.holding import Held, Holding, hold
from webapp.assignments.limits import Limits
from webapp.assignments.queries import pages
from webapp.assignments.reasons import ReasonCode
from webapp.assignments.rules import AssignmentStatus
from webapp.assignments.service import Proposed
from webapp.bookings.rules import BookingStatus, DeliveryMode
from webapp.bookings.service import PlacedBooking
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict, Forbidden, Invalid, NotFound
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.core.intervals import Interval
from webapp.db.work import Database, Work, read_only, unit_of_work
from webapp.operators import service as operators
from webapp.operators.rules import OperatorCommand
from webapp.trainers import service as trainers
from webapp.trainers.rules import WorkingHours

LIMITS = Limits()
HOLD_ENDS = NOW + timedelta(hours=48)


@dataclass
class Desk:
    """A franchise with staff who propose, a manager who decides, and a course in one zone."""

    make: Make
    operator_id: UUID
    staff: Actor
    manager: Actor
    zone_id: UUID
    course_id: UUID

    def trainer(self, name: str | None = None, **wishes: Any) -> UUID:
        """A trainer whom nothing stands against, but for what the test wishes."""
        zones, courses = wishes.pop("zones", (self.zone_id,)), wishes.pop("courses", (self.course_id,))
        return self.make.trainer(zones, courses, operator_id=self.operator_id, name=name, **wishes)

    def booking(self, **wishes: Any) -> PlacedBooking:
        """A waitlisted booking, ten days at 16:00 from Monday 4 January 2027."""
        defaults = {"zone_id": self.zone_id, "course_id": self.course_id, "operator_id": self.operator_id}
        return self.make.booking(**defaults | wishes)

    def propose(self, booking: PlacedBooking, trainer_id: UUID | None = None, **how: Any) -> Proposed:
        """Staff propose; automatic unless a trainer is named."""
        with unit_of_work() as work:
            by, now, limits = how.get("by", self.staff), how.get("now", NOW), how.get("limits", LIMITS)
            return service.propose(work, booking.id, trainer_id=trainer_id, by=by, now=now, limits=limits)

    def proposed(self, booking: PlacedBooking | None = None, **how: Any) -> UUID:
        """The id of an open proposal."""
        made = self.propose(booking or self.booking(), **how)
        assert made.assignment_id is not None
        return made.assignment_id

    def approve(self, assignment_id: UUID, *, by: Actor | None = None, version: int = 1, now: datetime = NOW) -> None:
        """The manager approves."""
        with unit_of_work() as work:
            service.approve(work, assignment_id, version=version, by=by or self.manager, now=now, limits=LIMITS)

    def reject(
        self, assignment_id: UUID, *, by: Actor | None = None, version: int = 1, reason: str = "Too far"
    ) -> None:
        """The manager rejects."""
        with unit_of_work() as work:
            service.reject(work, assignment_id, version=version, reason=reason, by=by or self.manager, now=NOW)

    def withdraw(self, assignment_id: UUID, *, by: Actor | None = None, version: int = 1) -> None:
        """The proposer withdraws."""
        with unit_of_work() as work:
            service.withdraw(work, assignment_id, version=version, by=by or self.staff, now=NOW)

    def cancel(self, booking: PlacedBooking, *, version: int, now: datetime = NOW, by: Actor | None = None) -> None:
        """Staff cancel a booking."""
        with unit_of_work() as work:
            service.cancel_booking(
                work, booking.id, version=version, reason="Moving away", by=by or self.staff, now=now
            )

    def expire(self, now: datetime) -> int:
        """The sweeper runs."""
        with unit_of_work() as work:
            return service.expire_due(work, now=now)


@pytest.fixture
def desk(make: Make) -> Desk:
    return desk_of(make)


def desk_of(make: Make, *, auto_approve: bool = False) -> Desk:
    operator_id = make.franchise(auto_approve=auto_approve)
    staff, manager = make.staff(operator_id).actor, make.manager(operator_id).actor
    return Desk(make, operator_id, staff, manager, make.zone(operator_id=operator_id), make.course())


def found(id_: UUID) -> pages.Proposal:
    with read_only() as db:
        return pages.proposal(db, id_, visible_to=SYSTEM)


def rows(sql: str, **places: object) -> list[Any]:
    with read_only() as db:
        return list(db.execute(text(sql), places).all())


def slots(booking_id: UUID) -> list[Any]:
    return rows(
        "SELECT status, date, timeslot, lower(period) AS starts_at, upper(period) AS ends_at, trainer_id"
        " FROM schedule_slots WHERE booking_id = :id ORDER BY period",
        id=booking_id,
    )


def status_of(booking: PlacedBooking) -> BookingStatus:
    return BookingStatus(rows("SELECT status FROM bookings WHERE id = :id", id=booking.id)[0].status)


def history(subject_id: UUID) -> list[tuple[Any, ...]]:
    entries = rows(
        "SELECT what, actor_name, before, after FROM audit_entries WHERE subject_id = :id ORDER BY at, id",
        id=subject_id,
    )
    return [(e.what, e.actor_name, (e.before or {}).get("status"), (e.after or {}).get("status")) for e in entries]


# Proposing


def test_an_automatic_proposal_holds_every_session_of_the_best_trainer(desk: Desk) -> None:
    lat, lng = desk.make.place_of(desk.operator_id).lat, desk.make.place_of(desk.operator_id).lng
    desk.trainer("Far", base=Location(lat + 0.05, lng))
    near = desk.trainer("Near")
    booking = desk.booking()
    made = desk.propose(booking)
    assert (made.status, made.trainer_id, made.trainer_name) == (BookingStatus.PENDING_APPROVAL, near, "Near")
    assert made.assignment_id is not None
    assert status_of(booking) is BookingStatus.PENDING_APPROVAL
    held = slots(booking.id)
    assert [slot.status for slot in held] == ["held"] * 10
    assert {slot.trainer_id for slot in held} == {near}
    assert found(made.assignment_id).row.automatic


def test_held_slots_keep_the_local_date_and_time_they_were_made_from(desk: Desk) -> None:
    desk.trainer()
    booking = desk.booking()
    desk.proposed(booking)
    first, *_others, last = slots(booking.id)
    assert (first.date, first.timeslot) == (date(2027, 1, 4), time(16))
    assert first.starts_at.astimezone(UTC) == datetime(2027, 1, 4, 10, 30, tzinfo=UTC)
    assert first.ends_at - first.starts_at == timedelta(minutes=40)
    assert (last.date, last.timeslot) == (date(2027, 1, 13), time(16))


def test_the_slots_of_a_daily_course_stay_at_nine_local_when_clocks_change(make: Make) -> None:
    place = Location(40.7128, -74.006)
    zone_id, course_id = make.zone(center=place, time_zone="America/New_York"), make.course()
    make.trainer((zone_id,), (course_id,), base=place)
    booking = make.booking(
        zone_id=zone_id, course_id=course_id, place=place, start_date=date(2027, 3, 10), timeslot=time(9)
    )
    make.proposal(booking, None)
    starts = {slot.date: slot.starts_at.astimezone(UTC) for slot in slots(booking.id)}
    assert starts[date(2027, 3, 13)] == datetime(2027, 3, 13, 14, tzinfo=UTC)
    assert starts[date(2027, 3, 14)] == datetime(2027, 3, 14, 13, tzinfo=UTC)
    assert {slot.timeslot for slot in slots(booking.id)} == {time(9)}


def test_back_to_back_sessions_of_a_sunday_course_are_held_together(desk: Desk) -> None:
    desk.trainer()
    booking = desk.booking(delivery_mode=DeliveryMode.SUNDAY_ONLY, start_date=date(2027, 1, 6), timeslot=time(9))
    desk.proposed(booking)
    assert [(slot.date.day, slot.timeslot) for slot in slots(booking.id)][:4] == [
        (10, time(9)),
        (10, time(9, 40)),
        (17, time(9)),
        (17, time(9, 40)),
    ]


def test_a_trainer_named_by_staff_is_held_even_when_another_ranks_higher(desk: Desk) -> None:
    lat, lng = desk.make.place_of(desk.operator_id).lat, desk.make.place_of(desk.operator_id).lng
    far = desk.trainer("Far", base=Location(lat + 0.05, lng))
    desk.trainer("Near")
    made = desk.propose(desk.booking(), far)
    assert made.trainer_id == far
    assert made.assignment_id is not None
    assert not found(made.assignment_id).row.automatic


def test_a_named_trainer_whom_rules_refuse_is_refused_with_every_reason(desk: Desk) -> None:
    mornings = tuple(WorkingHours(day, time(7), time(11)) for day in range(7))
    named = desk.trainer("Ravi", courses=(), hours=mornings)
    booking = desk.booking()
    with pytest.raises(Conflict) as refused:
        desk.propose(booking, named)
    assert refused.value.code == "trainer-not-eligible"
    assert str(refused.value) == (
        "Ravi cannot take this course: Not certified for this course; "
        "Outside working hours in 10 of 10 sessions, first 4 Jan 16:00."
    )
    assert [reason.code for reason in refused.value.params["reasons"]] == [  # type: ignore[attr-defined]
        ReasonCode.NOT_CERTIFIED,
        ReasonCode.OUTSIDE_HOURS,
    ]
    assert (status_of(booking), slots(booking.id)) == (BookingStatus.WAITLISTED, [])


def test_a_named_trainer_who_is_busy_by_now_is_taken(desk: Desk) -> None:
    named = desk.trainer("Ravi")
    desk.proposed()
    with pytest.raises(Conflict) as refused:
        desk.propose(desk.booking(), named)
    assert refused.value.code == "trainer-taken"


def test_a_trainer_of_another_operator_is_not_there_to_be_named(desk: Desk, make: Make) -> None:
    stranger = desk_of(make).trainer()
    for trainer_id in (stranger, new_id()):
        with pytest.raises(NotFound):
            desk.propose(desk.booking(), trainer_id)


def test_a_booking_waits_when_nobody_is_free_and_the_audit_says_how_many_were_looked_at(desk: Desk) -> None:
    desk.trainer(courses=())
    desk.trainer()
    desk.proposed()
    booking = desk.booking()
    made = desk.propose(booking)
    assert made == Proposed(booking.id, BookingStatus.WAITLISTED)
    assert slots(booking.id) == []
    (entry,) = rows("SELECT after FROM audit_entries WHERE what = 'booking.no_trainer'")
    assert entry.after == {"looked_at": 2}


def test_a_pending_or_assigned_booking_cannot_be_proposed_again(desk: Desk) -> None:
    desk.trainer()
    desk.trainer()
    booking = desk.booking()
    id_ = desk.proposed(booking)
    for _ in range(2):
        with pytest.raises(Conflict) as refused:
            desk.propose(booking)
        assert refused.value.code == "booking-move"
        if found(id_).is_open:
            desk.approve(id_)


def test_a_booking_whose_first_session_has_begun_is_not_proposed(desk: Desk) -> None:
    desk.trainer()
    booking = desk.booking()
    with pytest.raises(Conflict) as refused:
        desk.propose(booking, now=datetime(2027, 1, 4, 10, 30, tzinfo=UTC))
    assert refused.value.code == "booking-start-passed"


def test_the_hold_ends_after_its_hours_or_when_the_first_session_starts(desk: Desk) -> None:
    desk.trainer()
    desk.trainer()
    first_session = datetime(2027, 1, 4, 10, 30, tzinfo=UTC)
    assert found(desk.proposed()).row.expires_at == HOLD_ENDS
    assert found(desk.proposed(limits=replace(LIMITS, hold_hours=24 * 7))).row.expires_at == first_session


def test_the_limits_are_heeded(desk: Desk) -> None:
    desk.trainer(courses=(desk.course_id, desk.make.course()))
    assert desk.propose(desk.booking(), limits=replace(LIMITS, max_courses=1)).assignment_id is None


def test_a_family_kept_apart_from_a_trainer_is_given_another(desk: Desk) -> None:
    blocked, other = desk.trainer("A"), desk.trainer("B")
    household = desk.make.household(operator_id=desk.operator_id)
    with unit_of_work() as work:
        trainers.block(work, blocked, household.household_id, "They asked", by=SYSTEM, now=NOW)
    assert desk.propose(desk.booking(household=household)).trainer_id == other


def test_the_explanation_is_stored_whole_and_says_nothing_of_whom_a_trainer_teaches(desk: Desk) -> None:
    other = desk.booking()
    busy = desk.trainer("Busy")
    desk.proposed(other)
    chosen, lost = desk.trainer("Chosen"), desk.trainer("Nowhere", without_base=True)
    proposal = found(desk.proposed())
    assert [(v.trainer_id, v.eligible) for v in proposal.verdicts] == [(chosen, True), (busy, False), (lost, False)]
    assert [str(reason) for reason in proposal.verdicts[1].reasons] == ["Busy in 10 of 10 sessions, first 4 Jan 16:00"]
    assert [reason.code for reason in proposal.verdicts[2].reasons] == [ReasonCode.NO_LOCATION]
    assert proposal.verdicts[0].distance_km == 0
    stored = rows("SELECT explanation::text FROM assignments WHERE id = :id", id=proposal.row.id)[0][0]
    assert str(other.id) not in stored
    assert other.reference not in stored


def hold_once_too_often(work: Work, holding: Holding) -> Held:
    """Hold, and let the database refuse one slot more at a time that is taken by then."""
    hold(work, holding)
    again = "jsonb_populate_record(slot, jsonb_build_object('id', gen_random_uuid()))"
    work.db.execute(
        text(f"INSERT INTO schedule_slots SELECT ({again}).* FROM schedule_slots slot WHERE trainer_id = :id LIMIT 1"),
        {"id": holding.trainer_id},
    )
    raise AssertionError("the database took a trainer twice")


def test_a_slot_the_database_refuses_leaves_no_row_no_lock_and_no_audit(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another writer, without the lock, was faster by one session: all ten go, not nine stay."""
    loser, winner = desk.trainer("A"), desk.trainer("B")
    booking = desk.booking()
    asked = []

    def hold_and_lose(work: Work, holding: Holding) -> Held:
        asked.append(holding.trainer_id)
        return (hold_once_too_often if holding.trainer_id == loser else hold)(work, holding)

    monkeypatch.setattr(service, "hold", hold_and_lose)
    made = desk.propose(booking)
    assert (asked, made.trainer_id) == ([loser, winner], winner)
    assert {slot.trainer_id for slot in slots(booking.id)} == {winner}
    assert [row.trainer_id for row in rows("SELECT trainer_id FROM assignments")] == [winner]
    assert len(rows("SELECT 1 FROM audit_entries WHERE what = 'assignment.proposed'")) == 1


def test_a_lost_race_for_a_named_trainer_leaves_nothing_even_in_its_own_transaction(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = desk.trainer()
    booking = desk.booking()
    monkeypatch.setattr(service, "hold", hold_once_too_often)
    with unit_of_work() as work:
        with pytest.raises(Conflict) as refused:
            service.propose(work, booking.id, trainer_id=named, by=desk.staff, now=NOW, limits=LIMITS)
        assert refused.value.code == "trainer-taken"
        assert work.db.execute(text("SELECT count(*) FROM schedule_slots")).scalar_one() == 0
        assert work.db.execute(text("SELECT count(*) FROM assignments")).scalar_one() == 0


# Deciding


def test_approving_books_the_slots_and_assigns_the_booking(desk: Desk) -> None:
    desk.trainer()
    booking = desk.booking()
    id_ = desk.proposed(booking)
    desk.approve(id_)
    proposal = found(id_)
    assert (proposal.status, proposal.version) == (AssignmentStatus.APPROVED, 2)
    assert (proposal.decided_by_name, proposal.decided_at) == (desk.manager.name, NOW)
    assert status_of(booking) is BookingStatus.ASSIGNED
    assert [slot.status for slot in slots(booking.id)] == ["booked"] * 10


def test_rejecting_with_a_reason_frees_the_slots_and_the_booking_waits_again(desk: Desk) -> None:
    desk.trainer()
    booking = desk.booking()
    id_ = desk.proposed(booking)
    desk.reject(id_, reason="  Too   far ")
    assert (found(id_).status, found(id_).reason) == (AssignmentStatus.REJECTED, "Too far")
    assert (status_of(booking), slots(booking.id)) == (BookingStatus.WAITLISTED, [])
    assert desk.propose(booking).status is BookingStatus.PENDING_APPROVAL


def test_rejecting_without_a_reason_changes_nothing(desk: Desk) -> None:
    desk.trainer()
    id_ = desk.proposed()
    for reason in ("", " \n "):
        with pytest.raises(Invalid) as refused:
            desk.reject(id_, reason=reason)
        assert refused.value.field == "reason"
    assert found(id_).is_open


def test_the_proposer_withdraws_and_nobody_else(desk: Desk) -> None:
    desk.trainer()
    booking = desk.booking()
    id_ = desk.proposed(booking)
    with pytest.raises(Forbidden) as refused:
        desk.withdraw(id_, by=desk.manager)
    assert refused.value.code == "withdraw-other"
    assert desk.staff.name in str(refused.value)
    desk.withdraw(id_)
    assert found(id_).status is AssignmentStatus.WITHDRAWN
    assert (status_of(booking), slots(booking.id)) == (BookingStatus.WAITLISTED, [])


def test_expired_holds_let_their_slots_go_and_a_second_run_finds_none(desk: Desk) -> None:
    desk.trainer()
    desk.trainer()
    due, later = desk.booking(), desk.booking()
    id_ = desk.proposed(due)
    desk.proposed(later, now=NOW + timedelta(hours=1))
    assert desk.expire(HOLD_ENDS - timedelta(seconds=1)) == 0
    assert desk.expire(HOLD_ENDS) == 1
    assert desk.expire(HOLD_ENDS) == 0
    assert (found(id_).status, found(id_).decided_by_name) == (AssignmentStatus.EXPIRED, "system")
    assert (status_of(due), slots(due.id)) == (BookingStatus.WAITLISTED, [])
    assert status_of(later) is BookingStatus.PENDING_APPROVAL
    assert len(rows("SELECT 1 FROM audit_entries WHERE what = 'assignment.expired'")) == 1


def test_every_move_is_in_the_audit_with_who_and_from_where(desk: Desk) -> None:
    desk.trainer()
    booking = desk.booking()
    rejected = desk.proposed(booking)
    desk.reject(rejected)
    approved = desk.proposed(booking)
    desk.approve(approved)
    staff, manager = desk.staff.name, desk.manager.name
    assert history(rejected) == [
        ("assignment.proposed", staff, None, None),
        ("assignment.rejected", manager, "proposed", "rejected"),
    ]
    assert history(approved) == [
        ("assignment.proposed", staff, None, None),
        ("assignment.approved", manager, "proposed", "approved"),
    ]
    assert history(booking.id) == [
        ("booking.placed", "system", None, "waitlisted"),
        ("booking.pending_approval", staff, "waitlisted", "pending_approval"),
        ("slots.released", manager, None, None),
        ("booking.waitlisted", manager, "pending_approval", "waitlisted"),
        ("booking.pending_approval", staff, "waitlisted", "pending_approval"),
        ("booking.assigned", manager, "pending_approval", "assigned"),
    ]
    (released,) = rows("SELECT before FROM audit_entries WHERE what = 'slots.released'")
    assert len(released.before["slots"]) == 10
    assert released.before["slots"][0][1:] == ["held", "2027-01-04T16:00"]


def test_whoever_proposed_does_not_approve_but_may_reject(desk: Desk) -> None:
    desk.trainer()
    id_ = desk.proposed(by=desk.manager)
    with pytest.raises(Forbidden) as refused:
        desk.approve(id_)
    assert refused.value.code == "own-proposal"
    assert found(id_).is_open
    desk.reject(id_)


def test_where_four_eyes_are_not_asked_for_the_proposer_approves(desk: Desk, db: Database) -> None:
    desk.trainer()
    with unit_of_work() as work:
        work.db.execute(text("UPDATE operators SET four_eyes = false WHERE id = :id"), {"id": desk.operator_id})
    id_ = desk.proposed(by=desk.manager)
    desk.approve(id_)
    assert found(id_).status is AssignmentStatus.APPROVED


def test_staff_do_not_decide(desk: Desk) -> None:
    desk.trainer()
    id_ = desk.proposed(by=desk.manager)
    for verb in (desk.approve, desk.reject):
        with pytest.raises(Forbidden) as refused:
            verb(id_, by=desk.staff)
        assert refused.value.code == "approve-role"
    assert found(id_).is_open


def test_a_franchise_set_to_auto_approve_has_it_done_by_the_system_at_once(make: Make) -> None:
    desk = desk_of(make, auto_approve=True)
    desk.trainer()
    booking = desk.booking()
    made = desk.propose(booking)
    assert made.status is BookingStatus.ASSIGNED
    assert made.assignment_id is not None
    assert found(made.assignment_id).decided_by_name == "system"
    assert [slot.status for slot in slots(booking.id)] == ["booked"] * 10
    assert history(made.assignment_id)[-1] == ("assignment.approved", "system", "proposed", "approved")


def test_auto_approval_can_be_switched_on_later(desk: Desk) -> None:
    desk.trainer()
    with unit_of_work() as work:
        operators.change(work, desk.operator_id, OperatorCommand("Renamed", True), by=SYSTEM, now=NOW)
    assert desk.propose(desk.booking()).status is BookingStatus.ASSIGNED


def test_an_approval_after_the_hold_is_refused_even_before_the_sweeper_came(desk: Desk) -> None:
    desk.trainer()
    id_ = desk.proposed()
    with pytest.raises(Conflict) as refused:
        desk.approve(id_, now=HOLD_ENDS)
    assert refused.value.code == "hold-expired"
    assert found(id_).is_open


def test_a_second_decision_hears_who_decided_and_when(desk: Desk) -> None:
    desk.trainer()
    id_ = desk.proposed()
    desk.approve(id_)
    decisions: list[Callable[[], None]] = [
        lambda: desk.approve(id_, version=2),
        lambda: desk.reject(id_, version=2),
        lambda: desk.withdraw(id_, version=2),
    ]
    for decide in decisions:
        with pytest.raises(Conflict) as refused:
            decide()
        assert refused.value.code == "already-decided"
        assert str(refused.value) == f"{desk.manager.name} approved this proposal on 1 Jan 2027, 09:00 IST."


def test_another_version_than_the_one_looked_at_is_refused(desk: Desk) -> None:
    desk.trainer()
    id_ = desk.proposed()
    decisions: list[Callable[[], None]] = [
        lambda: desk.approve(id_, version=2),
        lambda: desk.reject(id_, version=0),
        lambda: desk.withdraw(id_, version=2),
    ]
    for decide in decisions:
        with pytest.raises(Conflict) as refused:
            decide()
        assert refused.value.code == "assignment-changed"


def test_an_approval_looks_at_the_trainer_again(desk: Desk) -> None:
    trainer_id = desk.trainer("Ravi")
    booking = desk.booking()
    id_ = desk.proposed(booking)
    away = Interval(datetime(2027, 1, 6, tzinfo=UTC), datetime(2027, 1, 8, tzinfo=UTC))
    with unit_of_work() as work:
        trainers.record_time_off(work, trainer_id, away, "ill", by=SYSTEM, now=NOW)
    with pytest.raises(Conflict) as refused:
        desk.approve(id_)
    assert str(refused.value) == "Ravi cannot take this course: Away in 2 of 10 sessions, first 6 Jan 16:00."
    assert found(id_).is_open
    assert [slot.status for slot in slots(booking.id)] == ["held"] * 10


def test_another_operator_s_proposal_is_not_there_for_any_verb(desk: Desk, make: Make) -> None:
    other = desk_of(make)
    other.trainer()
    booking = other.booking()
    theirs = other.proposed(booking)
    for id_ in (theirs, new_id()):
        verbs: list[Callable[[], None]] = [
            lambda id_=id_: desk.approve(id_),  # type: ignore[misc]
            lambda id_=id_: desk.reject(id_),  # type: ignore[misc]
            lambda id_=id_: desk.withdraw(id_),  # type: ignore[misc]
        ]
        for verb in verbs:
            with pytest.raises(NotFound):
                verb()
    with pytest.raises(NotFound):
        desk.propose(booking)
    with pytest.raises(NotFound):
        desk.cancel(booking, version=1)
    with read_only() as db, pytest.raises(NotFound):
        pages.proposal(db, theirs, visible_to=desk.manager)
    assert found(theirs).is_open


# Cancelling


def test_cancelling_a_pending_booking_withdraws_the_proposal_and_frees_the_slots(desk: Desk) -> None:
    trainer_id = desk.trainer()
    booking = desk.booking()
    id_ = desk.proposed(booking)
    desk.cancel(booking, version=2)
    assert (found(id_).status, found(id_).reason) == (AssignmentStatus.WITHDRAWN, "Moving away")
    assert (status_of(booking), slots(booking.id)) == (BookingStatus.CANCELLED, [])
    assert desk.propose(desk.booking(), trainer_id).trainer_id == trainer_id


def test_cancelling_a_course_under_way_keeps_what_was_and_frees_what_was_to_come(desk: Desk) -> None:
    desk.trainer()
    booking = desk.booking()
    desk.approve(desk.proposed(booking))
    third_session = datetime(2027, 1, 6, 10, 30, tzinfo=UTC)
    desk.cancel(booking, version=3, now=third_session)
    assert [slot.date.day for slot in slots(booking.id)] == [4, 5, 6]
    sessions = rows("SELECT status FROM course_sessions WHERE booking_id = :id ORDER BY number", id=booking.id)
    assert [row.status for row in sessions] == ["scheduled"] * 3 + ["cancelled"] * 7
    assert status_of(booking) is BookingStatus.CANCELLED


def test_cancelling_needs_a_reason_and_the_booking_as_it_was_seen(desk: Desk) -> None:
    desk.trainer()
    booking = desk.booking()
    desk.proposed(booking)
    with pytest.raises(Conflict) as refused:
        desk.cancel(booking, version=1)
    assert refused.value.code == "booking-changed"
    with unit_of_work() as work, pytest.raises(Invalid):
        service.cancel_booking(work, booking.id, version=2, reason=" ", by=desk.staff, now=NOW)
    assert status_of(booking) is BookingStatus.PENDING_APPROVAL
