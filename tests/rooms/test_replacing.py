"""Another trainer for what remains of a course, or for single sessions, on a real database (rule A7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.make import EVERY_DAY, KOLKATA, Make
from tests.web.client import NOW
from webapp.assignments import replacing, service
from webapp.assignments.limits import Limits
from webapp.assignments.queries.cover import needs_cover
from webapp.assignments.queries.covering import remaining_cover, sessions_cover
from webapp.assignments.rules import AssignmentKind, AssignmentStatus
from webapp.assignments.service import Proposed
from webapp.bookings.queries import BookingFilter, bookings_index
from webapp.bookings.service import PlacedBooking
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import DomainError
from webapp.core.ids import new_id
from webapp.core.intervals import Interval
from webapp.course_sessions import service as course_sessions
from webapp.course_sessions.queries import session_row, sessions_on
from webapp.course_sessions.rules import AttendanceMark
from webapp.course_sessions.service import Outcome
from webapp.db.work import read_only, unit_of_work
from webapp.trainers import service as trainers
from webapp.trainers.rules import WorkingHours

LIMITS = Limits()


@dataclass
class Taught:
    """A franchise with a booking that has a trainer, and others who could take it."""

    make: Make
    operator_id: UUID
    staff: Actor
    manager: Actor
    zone_id: UUID
    course_id: UUID
    trainer_id: UUID
    booking: PlacedBooking

    def trainer(self, name: str | None = None, **wishes: Any) -> UUID:
        """Another trainer whom nothing stands against."""
        return self.make.trainer((self.zone_id,), (self.course_id,), operator_id=self.operator_id, name=name, **wishes)

    def ids(self, *numbers: int) -> list[UUID]:
        """The sessions of some numbers that count now."""
        found = dict(
            rows(
                "SELECT number, id FROM course_sessions WHERE booking_id = :id AND status <> 'rescheduled'",
                id=self.booking.id,
            )
        )
        return [found[number] for number in numbers]

    @property
    def version(self) -> int:
        """The booking's present version."""
        found: int = rows("SELECT version FROM bookings WHERE id = :id", id=self.booking.id)[0][0]
        return found

    def replace(self, trainer_id: UUID | None = None, **how: Any) -> Proposed:
        """Staff propose another trainer for what remains."""
        with unit_of_work() as work:
            return replacing.replace_trainer(
                work,
                self.booking.id,
                trainer_id=trainer_id,
                version=how.get("version", self.version),
                reason=how.get("reason", "Has moved away"),
                by=how.get("by", self.staff),
                now=how.get("now", NOW),
                limits=LIMITS,
            )

    def substitute(self, session_ids: Collection[UUID], trainer_id: UUID | None = None, **how: Any) -> Proposed:
        """Staff propose a substitute for some sessions."""
        with unit_of_work() as work:
            return replacing.propose_substitute(
                work,
                self.booking.id,
                session_ids,
                trainer_id=trainer_id,
                version=how.get("version", self.version),
                reason=how.get("reason", "Fever"),
                by=how.get("by", self.staff),
                now=how.get("now", NOW),
                limits=LIMITS,
            )

    def approve(self, made: Proposed, *, by: Actor | None = None, now: datetime = NOW, version: int = 1) -> None:
        """The manager approves."""
        assert made.assignment_id is not None
        with unit_of_work() as work:
            service.approve(work, made.assignment_id, version=version, by=by or self.manager, now=now, limits=LIMITS)

    def reject(self, made: Proposed, reason: str = "Too far") -> None:
        """The manager rejects."""
        assert made.assignment_id is not None
        with unit_of_work() as work:
            service.reject(work, made.assignment_id, version=1, reason=reason, by=self.manager, now=NOW)

    def withdraw(self, made: Proposed, *, by: Actor | None = None) -> None:
        """The proposer takes it back."""
        assert made.assignment_id is not None
        with unit_of_work() as work:
            service.withdraw(work, made.assignment_id, version=1, by=by or self.staff, now=NOW)

    def mark(self, number: int, outcome: Outcome = Outcome.COMPLETED) -> None:
        """What became of a session, told at its start."""
        (session_id,) = self.ids(number)
        ((starts_at,),) = rows("SELECT starts_at FROM course_sessions WHERE id = :id", id=session_id)
        students = [
            id_ for (id_,) in rows("SELECT student_id FROM booking_students WHERE booking_id = :id", id=self.booking.id)
        ]
        with unit_of_work() as work:
            marks = dict.fromkeys(students, AttendanceMark.PRESENT) if outcome is Outcome.COMPLETED else {}
            course_sessions.mark(
                work,
                session_id,
                outcome,
                marks,
                by=self.staff,
                now=starts_at,
                on_completed=lambda *_args, **_more: None,
            )

    def away(self, trainer_id: UUID, first: int, last: int) -> None:
        """A trainer is ill from one session of the plan to another, both included."""
        ill = Interval(self.booking.sessions[first - 1].starts_at, self.booking.sessions[last - 1].ends_at)
        with unit_of_work() as work:
            trainers.record_time_off(work, trainer_id, ill, "fever", by=SYSTEM, now=NOW)

    def told(self, what: str) -> list[tuple[Any, Any]]:
        """What the audit keeps before and after of one kind of event, oldest first."""
        found = rows("SELECT before, after FROM audit_entries WHERE what = :what ORDER BY at, id", what=what)
        return [(before, after) for before, after in found]

    def slots(self, status: str = "booked") -> dict[int, UUID]:
        """Who is taken for which number."""
        return dict(
            rows(
                "SELECT c.number, s.trainer_id FROM schedule_slots s"
                " JOIN course_sessions c ON c.id = s.course_session_id WHERE s.booking_id = :id AND s.status = :status"
                " ORDER BY c.starts_at",  # of a session that was missed and made up for, the make-up counts
                id=self.booking.id,
                status=status,
            )
        )

    def assignments(self) -> list[tuple[str, str, UUID]]:
        """Kind, status and trainer of every assignment, oldest first."""
        found = rows(
            "SELECT kind, status, trainer_id FROM assignments WHERE booking_id = :id ORDER BY id", id=self.booking.id
        )
        return [(kind, status, trainer_id) for kind, status, trainer_id in found]

    @property
    def status(self) -> str:
        """The booking's present status."""
        found: str = rows("SELECT status FROM bookings WHERE id = :id", id=self.booking.id)[0][0]
        return found


def rows(sql: str, **places: object) -> list[Any]:
    with read_only() as db:
        return list(db.execute(text(sql), places).all())


def taught_by(
    make: Make,
    *,
    auto_approve: bool = False,
    time_zone: str = KOLKATA,
    hours: tuple[WorkingHours, ...] = EVERY_DAY,
    **wishes: Any,
) -> Taught:
    operator_id = make.franchise(auto_approve=auto_approve)
    staff, manager = make.staff(operator_id).actor, make.manager(operator_id).actor
    zone_id, course_id = make.zone(operator_id=operator_id, time_zone=time_zone), make.course()
    trainer_id = make.trainer((zone_id,), (course_id,), operator_id=operator_id, name="Asha", hours=hours)
    booking = make.booking(zone_id=zone_id, course_id=course_id, operator_id=operator_id, **wishes)
    made = make.proposal(booking, trainer_id, by=staff)
    desk = Taught(make, operator_id, staff, manager, zone_id, course_id, trainer_id, booking)
    if not auto_approve:
        desk.approve(made)
    return desk


@pytest.fixture
def desk(make: Make) -> Taught:
    return taught_by(make)


def test_a_replacement_is_held_beside_the_present_trainer_until_somebody_approves(desk: Taught) -> None:
    other = desk.trainer("Bela")
    before = desk.version
    made = desk.replace(other)
    assert (made.trainer_id, made.trainer_name, made.status) == (other, "Bela", "assigned")
    assert set(desk.slots().values()) == {desk.trainer_id}
    assert desk.slots("held") == dict.fromkeys(range(1, 11), other)
    assert (desk.status, desk.version) == ("assigned", before + 1)
    desk.approve(made)
    assert desk.slots() == dict.fromkeys(range(1, 11), other)
    assert desk.slots("held") == {}
    assert (desk.status, desk.version) == ("assigned", before + 2)
    assert desk.assignments() == [
        (AssignmentKind.COURSE, AssignmentStatus.REPLACED, desk.trainer_id),
        (AssignmentKind.REPLACEMENT, AssignmentStatus.APPROVED, other),
    ]


def test_a_substitute_takes_the_sessions_named_and_no_other(desk: Taught) -> None:
    other = desk.trainer("Bela")
    made = desk.substitute(desk.ids(3, 5), other)
    assert desk.slots("held") == {3: other, 5: other}
    desk.approve(made)
    assert Counter(desk.slots().values()) == {desk.trainer_id: 8, other: 2}
    assert {number for number, trainer_id in desk.slots().items() if trainer_id == other} == {3, 5}
    assert desk.assignments() == [
        (AssignmentKind.COURSE, AssignmentStatus.APPROVED, desk.trainer_id),
        (AssignmentKind.SUBSTITUTE, AssignmentStatus.APPROVED, other),
    ]


def test_what_a_change_would_cover_is_told_before_it_is_asked_for(desk: Taught) -> None:
    with read_only() as db:
        third = desk.booking.sessions[2]
        later = third.starts_at - timedelta(minutes=1)
        remaining = remaining_cover(db, desk.booking.id, visible_to=desk.staff, now=later)
        assert [session.planned.number for session in remaining.booking.sessions] == list(range(3, 11))
        assert remaining.trainers == {desk.trainer_id: "Asha"}
        single = sessions_cover(db, desk.booking.id, desk.ids(7), visible_to=desk.staff, now=later)
        assert [session.planned.number for session in single.booking.sessions] == [7]


def refused(request: Callable[[], object]) -> str:
    """The code a request is refused with."""
    with pytest.raises(DomainError) as refusal:
        request()
    return refusal.value.code


# Who decides


def test_whoever_proposed_a_change_may_not_approve_it(desk: Taught) -> None:
    """Rule A5."""
    made = desk.replace(desk.trainer(), by=desk.manager)
    assert refused(lambda: desk.approve(made)) == "own-proposal"
    assert refused(lambda: desk.approve(made, by=desk.staff)) == "approve-role"
    desk.approve(made, by=desk.make.manager(desk.operator_id).actor)
    assert set(desk.slots().values()) == {made.trainer_id}


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("single", [False, True])
def test_where_the_desk_approves_by_itself_a_change_is_made_at_once(make: Make, *, single: bool, named: bool) -> None:
    desk = taught_by(make, auto_approve=True)
    other = desk.trainer()
    whom = other if named else None
    made = desk.substitute(desk.ids(2), whom) if single else desk.replace(whom)
    assert (made.status, made.trainer_id) == ("assigned", other)
    assert desk.slots("held") == {}
    assert Counter(desk.slots().values()) == ({desk.trainer_id: 9, other: 1} if single else {other: 10})
    found = rows("SELECT status, decided_by_name FROM assignments WHERE id = :id", id=made.assignment_id)
    assert found == [("approved", SYSTEM.name)]


def test_a_change_is_refused_like_any_proposal_when_it_was_decided_already(desk: Taught) -> None:
    made = desk.replace(desk.trainer())
    assert refused(lambda: desk.approve(made, version=2)) == "assignment-changed"
    desk.approve(made)
    assert refused(lambda: desk.approve(made)) == "already-decided"


@pytest.mark.parametrize("how", ["reject", "withdraw", "expire"])
@pytest.mark.parametrize("single", [False, True])
def test_a_change_that_is_not_approved_leaves_everything_as_it_was(desk: Taught, how: str, *, single: bool) -> None:
    other = desk.trainer()
    made = desk.substitute(desk.ids(3, 4), other) if single else desk.replace(other)
    before = desk.version
    if how == "expire":
        with unit_of_work() as work:
            assert service.expire_due(work, now=NOW + timedelta(hours=48)) == 1
    else:
        getattr(desk, how)(made)
    assert desk.slots("held") == {}
    assert desk.slots() == dict.fromkeys(range(1, 11), desk.trainer_id)
    assert (desk.status, desk.version) == ("assigned", before)
    ending = {"reject": "rejected", "withdraw": "withdrawn", "expire": "expired"}[how]
    assert [status for _, status, _ in desk.assignments()] == ["approved", ending]
    assert desk.told("slots.released")[-1][0]["slots"][0][:2] == [str(other), "held"]
    assert rows("SELECT retried FROM bookings WHERE id = :id", id=desk.booking.id) == [(True,)]
    desk.approve(desk.replace(other))


def test_only_the_proposer_withdraws_a_change(desk: Taught) -> None:
    made = desk.replace(desk.trainer())
    assert refused(lambda: desk.withdraw(made, by=desk.manager)) == "withdraw-other"


def test_a_change_expires_when_the_first_session_it_covers_begins(desk: Taught) -> None:
    third = desk.booking.sessions[2].starts_at
    now = third - timedelta(hours=3)
    made = desk.substitute(desk.ids(3, 9), desk.trainer(), now=now)
    assert rows("SELECT expires_at FROM assignments WHERE id = :id", id=made.assignment_id) == [(third,)]
    assert refused(lambda: desk.approve(made, now=third)) == "hold-expired"
    with unit_of_work() as work:
        assert service.expire_due(work, now=third - timedelta(seconds=1)) == 0
        assert service.expire_due(work, now=third) == 1
    later = desk.substitute(desk.ids(9), desk.trainer(), now=now)
    assert rows("SELECT expires_at FROM assignments WHERE id = :id", id=later.assignment_id) == [
        (now + timedelta(hours=48),)
    ]


def test_all_sessions_are_looked_at_once_more_when_a_change_is_approved(desk: Taught) -> None:
    other = desk.trainer()
    made = desk.substitute(desk.ids(3, 4), other)
    desk.away(other, 4, 6)
    before = (desk.version, desk.assignments(), desk.slots())
    assert refused(lambda: desk.approve(made)) == "trainer-not-eligible"
    assert (desk.version, desk.assignments(), desk.slots()) == before
    # What is covered is free: being away during other sessions of the course is no matter.
    third = desk.trainer()
    desk.reject(made)
    desk.away(third, 5, 10)
    desk.approve(desk.substitute(desk.ids(3, 4), third))


# Who is chosen


def test_the_present_trainer_is_no_candidate(desk: Taught) -> None:
    assert refused(lambda: desk.replace(desk.trainer_id)) == "same-trainer"
    assert refused(lambda: desk.substitute(desk.ids(3), desk.trainer_id)) == "same-trainer"
    assert refused(lambda: desk.replace()) == "nobody-free"
    assert refused(lambda: desk.substitute(desk.ids(3))) == "nobody-free"
    assert desk.assignments() == [("course", "approved", desk.trainer_id)]
    assert desk.told("booking.no_trainer") == []
    other = desk.trainer()
    assert desk.replace().trainer_id == other
    (stored,) = rows("SELECT explanation FROM assignments WHERE status = 'proposed'")[0]
    assert [verdict["trainer_id"] for verdict in stored] == [str(other)]


def test_a_trainer_who_cannot_is_refused_by_name_and_passed_over_else(desk: Taught) -> None:
    ill, free = desk.trainer("Ill"), desk.trainer("Zara")
    desk.away(ill, 5, 5)
    assert refused(lambda: desk.replace(ill)) == "trainer-not-eligible"
    assert desk.replace().trainer_id == free


def test_a_trainer_taught_elsewhere_at_one_of_the_times_is_taken(desk: Taught) -> None:
    busy = desk.trainer()
    other_booking = desk.make.booking(
        zone_id=desk.zone_id, course_id=desk.course_id, operator_id=desk.operator_id, start_date=date(2027, 1, 12)
    )
    desk.make.proposal(other_booking, busy, by=desk.staff)
    assert refused(lambda: desk.replace(busy)) == "trainer-taken"
    assert refused(lambda: desk.substitute(desk.ids(9), busy)) == "trainer-taken"
    assert desk.substitute(desk.ids(8), busy).trainer_id == busy


def test_a_session_is_covered_by_one_open_proposal_at_most(desk: Taught) -> None:
    one, other = desk.trainer(), desk.trainer()
    single = desk.substitute(desk.ids(3, 4), one)
    assert refused(lambda: desk.substitute(desk.ids(4, 5), other)) == "cover-pending"
    assert refused(lambda: desk.replace(other)) == "cover-pending"
    assert desk.substitute(desk.ids(5), other).assignment_id
    assert len(desk.assignments()) == 3
    desk.withdraw(single)
    desk.substitute(desk.ids(3), other)


def test_while_a_replacement_waits_its_sessions_get_no_substitute(desk: Taught) -> None:
    desk.replace(desk.trainer())
    other = desk.trainer()
    assert refused(lambda: desk.substitute(desk.ids(3), other)) == "cover-pending"
    assert refused(lambda: desk.replace(other)) == "cover-pending"


# What is covered


def test_taught_sessions_keep_their_trainer(desk: Taught) -> None:
    for number in (1, 2):
        desk.mark(number)
    desk.mark(3, Outcome.MISSED)
    other = desk.trainer()
    now = desk.booking.sessions[3].starts_at - timedelta(hours=1)
    made = desk.replace(other, now=now)
    assert made.status == "in_progress"
    assert set(desk.slots("held")) == set(range(4, 11))
    desk.approve(made, now=now)
    assert desk.slots() == dict.fromkeys((1, 2, 3), desk.trainer_id) | dict.fromkeys(range(4, 11), other)
    desk.mark(4)
    by = rows("SELECT number, taught_by FROM course_sessions WHERE taught_by IS NOT NULL ORDER BY number")
    assert by == [(1, desk.trainer_id), (2, desk.trainer_id), (4, other)]
    assert desk.status == "in_progress"


def test_a_session_taught_while_a_substitute_is_only_proposed_was_taught_by_the_trainer_who_had_it(
    desk: Taught,
) -> None:
    other = desk.trainer()
    made = desk.substitute(desk.ids(1, 2), other)
    desk.mark(1)
    assert rows("SELECT taught_by FROM course_sessions WHERE number = 1") == [(desk.trainer_id,)]
    assert desk.status == "in_progress"
    begun = desk.booking.sessions[0].starts_at
    assert refused(lambda: desk.approve(made, now=begun)) == "hold-expired"
    with unit_of_work() as work:
        assert service.expire_due(work, now=begun) == 1
    assert desk.status == "in_progress"
    assert desk.slots() == dict.fromkeys(range(1, 11), desk.trainer_id)


def test_a_session_given_to_a_substitute_stays_with_the_substitute(desk: Taught) -> None:
    one, other = desk.trainer(), desk.trainer()
    desk.approve(desk.substitute(desk.ids(5), one))
    desk.approve(desk.replace(other))
    assert desk.slots() == dict.fromkeys(range(1, 11), other) | {5: one}
    assert [status for _, status, _ in desk.assignments()] == ["replaced", "approved", "approved"]
    # Whoever comes next takes over what is the new trainer's, and again not the substitute's.
    with read_only() as db:
        cover = remaining_cover(db, desk.booking.id, visible_to=desk.staff, now=NOW)
    assert [session.planned.number for session in cover.booking.sessions] == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert list(cover.trainers) == [other]


def test_a_substitute_left_without_a_session_is_replaced(desk: Taught) -> None:
    one, other = desk.trainer(), desk.trainer()
    desk.approve(desk.substitute(desk.ids(3, 4), one))
    desk.approve(desk.substitute(desk.ids(4, 5), other))
    assert desk.assignments()[1:] == [("substitute", "approved", one), ("substitute", "approved", other)]
    desk.approve(desk.substitute(desk.ids(3), other))
    assert desk.assignments() == [
        ("course", "approved", desk.trainer_id),
        ("substitute", "replaced", one),
        ("substitute", "approved", other),
        ("substitute", "approved", other),
    ]
    assert {number for number, who in desk.slots().items() if who == other} == {3, 4, 5}


def test_a_substitute_who_taught_stays_approved(desk: Taught) -> None:
    one, other = desk.trainer(), desk.trainer()
    desk.approve(desk.substitute(desk.ids(1, 4), one))
    desk.mark(1)
    desk.approve(desk.substitute(desk.ids(4), other))
    assert desk.assignments()[1] == ("substitute", "approved", one)
    assert rows("SELECT taught_by FROM course_sessions WHERE number = 1") == [(one,)]


def test_the_own_trainer_may_take_a_session_back_from_a_substitute(desk: Taught) -> None:
    desk.approve(desk.substitute(desk.ids(3), desk.trainer()))
    desk.approve(desk.substitute(desk.ids(3), desk.trainer_id))
    assert desk.slots() == dict.fromkeys(range(1, 11), desk.trainer_id)
    assert [status for _, status, _ in desk.assignments()] == ["approved", "replaced", "approved"]


def test_replaced_twice_the_booking_has_one_trainer(desk: Taught) -> None:
    one, other = desk.trainer(), desk.trainer()
    desk.approve(desk.replace(one))
    desk.approve(desk.replace(other))
    assert [(kind, status) for kind, status, _ in desk.assignments()] == [
        ("course", "replaced"),
        ("replacement", "replaced"),
        ("replacement", "approved"),
    ]
    assert set(desk.slots().values()) == {other}


def test_with_nothing_left_to_teach_there_is_nothing_to_change(desk: Taught) -> None:
    other = desk.trainer()
    over = desk.booking.sessions[9].starts_at
    assert refused(lambda: desk.replace(other, now=over)) == "nothing-to-teach"
    assert refused(lambda: desk.substitute(desk.ids(10), other, now=over)) == "session-begun"
    desk.approve(desk.substitute(desk.ids(*range(1, 11)), other))
    assert refused(lambda: desk.replace(desk.trainer())) == "nothing-to-teach"
    desk.mark(1)
    assert refused(lambda: desk.substitute(desk.ids(1, 2), desk.trainer())) == "session-done"
    assert refused(lambda: desk.substitute([], other)) == "sessions-missing"


def test_a_booking_without_a_trainer_has_none_to_change(make: Make, desk: Taught) -> None:
    other = desk.trainer()
    waiting = desk.make.booking(zone_id=desk.zone_id, course_id=desk.course_id, operator_id=desk.operator_id)
    taught, desk.booking = desk.booking, waiting
    assert refused(lambda: desk.replace(other)) == "booking-not-taught"
    assert refused(lambda: desk.substitute(desk.ids(1), other)) == "booking-not-taught"
    desk.make.proposal(waiting, other, by=desk.staff)
    assert refused(lambda: desk.replace(other)) == "booking-not-taught"
    desk.booking = taught
    with unit_of_work() as work:
        service.cancel_booking(work, taught.id, version=desk.version, reason="Gone", by=desk.staff, now=NOW)
    assert refused(lambda: desk.replace(other)) == "nothing-to-teach"


# Who may, and what is refused


def test_another_operators_booking_and_sessions_are_not_there(desk: Taught, make: Make) -> None:
    elsewhere = taught_by(make)
    other, strangers = desk.trainer(), elsewhere.trainer()
    assert refused(lambda: desk.replace(other, by=elsewhere.staff)) == "not-found"
    assert refused(lambda: desk.substitute(desk.ids(3), other, by=elsewhere.staff)) == "not-found"
    assert refused(lambda: desk.substitute([*desk.ids(3), *elsewhere.ids(3)], other)) == "not-found"
    assert refused(lambda: desk.substitute([new_id()], other)) == "not-found"
    assert refused(lambda: desk.replace(strangers)) == "not-found"
    with read_only() as db:
        for ask in (
            lambda: remaining_cover(db, desk.booking.id, visible_to=elsewhere.staff, now=NOW),
            lambda: sessions_cover(db, desk.booking.id, desk.ids(3), visible_to=elsewhere.staff, now=NOW),
            lambda: sessions_cover(db, desk.booking.id, elsewhere.ids(3), visible_to=desk.staff, now=NOW),
        ):
            assert refused(ask) == "not-found"
    made = desk.replace(other)
    assert refused(lambda: desk.approve(made, by=elsewhere.manager)) == "not-found"


def test_a_change_needs_a_reason_and_the_version_that_was_seen(desk: Taught) -> None:
    other = desk.trainer()
    assert refused(lambda: desk.replace(other, reason="  ")) == "reason-missing"
    assert refused(lambda: desk.substitute(desk.ids(3), other, reason="x" * 401)) == "reason-long"
    assert refused(lambda: desk.replace(other, version=desk.version - 1)) == "booking-changed"
    assert refused(lambda: desk.substitute(desk.ids(3), other, version=99)) == "booking-changed"


def test_the_audit_tells_who_took_over_what_from_whom_and_the_row_says_why(desk: Taught) -> None:
    other = desk.trainer()
    made = desk.substitute(desk.ids(3, 5), other, reason="Asha  is ill")
    _, proposed = desk.told("assignment.proposed")[-1]
    assert (proposed["kind"], proposed["numbers"]) == ("substitute", [3, 5])
    assert "Asha" not in str(proposed), "what people write stays on the row, where it can be erased"
    stored = "SELECT kind, purpose, reason FROM assignments WHERE id = :id"
    assert rows(stored, id=made.assignment_id) == [("substitute", "Asha is ill", None)]
    desk.approve(made)
    assert desk.told("assignment.approved")[-1] == ({"status": "proposed"}, {"status": "approved"})
    before, _ = desk.told("slots.released")[-1]
    assert [slot[:2] for slot in before["slots"]] == [[str(desk.trainer_id), "booked"]] * 2
    desk.approve(desk.replace(desk.trainer(), reason="Moved away"))
    assert desk.told("assignment.replaced") == [({"status": "approved"}, {"status": "replaced"})]
    assert rows("SELECT reason, decided_by_name FROM assignments WHERE status = 'replaced'") == [
        ("Moved away", desk.manager.name)
    ]


# When the booking ends


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_a_booking_that_ends_takes_its_open_proposals_along(desk: Taught, how: str) -> None:
    desk.mark(1)
    one, other = desk.trainer(), desk.trainer()
    desk.substitute(desk.ids(3), one)
    desk.substitute(desk.ids(4, 5), other)
    now = desk.booking.sessions[0].ends_at
    verb = service.cancel_booking if how == "cancel" else service.close_booking
    with unit_of_work() as work:
        verb(work, desk.booking.id, version=desk.version, reason="Moving away", by=desk.make.admin().actor, now=now)
    assert desk.slots("held") == {}
    assert desk.slots() == {1: desk.trainer_id}
    assert desk.status == ("cancelled" if how == "cancel" else "completed")
    assert [status for _, status, _ in desk.assignments()] == ["approved", "withdrawn", "withdrawn"]
    assert rows("SELECT reason FROM assignments WHERE status = 'withdrawn'") == [("Moving away",)] * 2
    assert [after for _, after in desk.told("assignment.withdrawn")] == [{"status": "withdrawn"}] * 2
    left = rows(
        "SELECT number FROM course_sessions WHERE booking_id = :id AND status = 'scheduled'", id=desk.booking.id
    )
    assert left == []


def test_a_booking_is_closed_by_whoever_saw_it_last_and_says_why(desk: Taught) -> None:
    def close(version: int, reason: str) -> None:
        with unit_of_work() as work:
            service.close_booking(
                work, desk.booking.id, version=version, reason=reason, by=desk.make.admin().actor, now=NOW
            )

    assert refused(lambda: close(1, "Enough")) == "booking-changed"
    assert refused(lambda: close(desk.version, "")) == "reason-missing"


# What shows the trainer of a session


def test_lists_show_the_trainer_who_is_booked_beside_the_one_who_is_proposed(desk: Taught) -> None:
    desk.away(desk.trainer_id, 3, 4)
    other = desk.trainer("Bela")
    made = desk.substitute(desk.ids(3), other)
    third = desk.booking.sessions[2]
    with read_only() as db:
        shown, total = sessions_on(db, third.date, now=NOW, limit=25, offset=0, visible_to=desk.staff)
        assert ([row.trainer for row in shown], total) == (["Asha"], 1)
        assert session_row(db, desk.ids(3)[0], visible_to=desk.staff).trainer == "Asha"
        (listed,), _ = bookings_index(db, BookingFilter(), limit=25, offset=0, visible_to=desk.staff)
        assert listed.trainer == "Asha"
        uncovered, total = needs_cover(db, now=NOW, limit=25, visible_to=desk.staff)
        assert total == 2
        assert [(row.number, row.trainer, row.proposed, row.proposed_id) for row in uncovered] == [
            (3, "Asha", "Bela", made.assignment_id),
            (4, "Asha", None, None),
        ]
    desk.approve(made)
    with read_only() as db:
        assert session_row(db, desk.ids(3)[0], visible_to=desk.staff).trainer == "Bela"
        (listed,), _ = bookings_index(db, BookingFilter(), limit=25, offset=0, visible_to=desk.staff)
        assert listed.trainer == "Asha"
        uncovered, _ = needs_cover(db, now=NOW, limit=25, visible_to=desk.staff)
        assert [row.number for row in uncovered] == [4]


def test_the_list_of_bookings_shows_who_took_over(desk: Taught) -> None:
    for number in range(1, 7):
        desk.mark(number)
    now = desk.booking.sessions[5].ends_at
    made = desk.replace(desk.trainer("Bela"), now=now)

    def listed() -> str | None:
        with read_only() as db:
            (row,), _ = bookings_index(db, BookingFilter(), limit=25, offset=0, visible_to=desk.staff)
            return row.trainer

    assert listed() == "Asha"
    desk.approve(made, now=now)
    assert listed() == "Bela"


def test_before_the_first_approval_the_trainer_of_a_session_is_whoever_is_proposed(desk: Taught) -> None:
    waiting = desk.make.booking(zone_id=desk.zone_id, course_id=desk.course_id, operator_id=desk.operator_id)
    desk.make.proposal(waiting, desk.trainer("Bela"), by=desk.staff)
    desk.booking = waiting
    with read_only() as db:
        assert session_row(db, desk.ids(1)[0], visible_to=desk.staff).trainer == "Bela"


def test_a_session_taken_back_from_a_substitute_goes_with_the_others(desk: Taught) -> None:
    substitute, successor = desk.trainer("Bela"), desk.trainer("Chitra")
    desk.approve(desk.substitute(desk.ids(5), substitute))
    desk.approve(desk.substitute(desk.ids(5), desk.trainer_id))
    assert set(desk.slots().values()) == {desk.trainer_id}
    desk.approve(desk.replace(successor))
    assert set(desk.slots().values()) == {successor}
    approved = [row for row in desk.assignments() if row[1] == AssignmentStatus.APPROVED]
    assert [who for _, _, who in approved] == [successor]


def test_whoever_was_rejected_is_not_chosen_again_by_itself_but_may_be_named(desk: Taught) -> None:
    near = desk.trainer("Bela")
    desk.reject(desk.replace(near))
    assert refused(lambda: desk.replace(None)) == "nobody-free"
    other = desk.trainer("Chitra")
    made = desk.replace(None)
    assert made.trainer_id == other
    desk.reject(made)
    assert desk.replace(near).trainer_id == near
