"""Changes of trainer and of time made at the same moment: real connections, real commits (rules A2, A3 and A7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from uuid import UUID

import pytest

from tests.rooms.test_assignment_races import LIMITS, OVERLAPS, Desk, desk, refusals
from tests.web.client import NOW
from webapp.assignments import replacing, service
from webapp.bookings.service import PlacedBooking
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict
from webapp.course_sessions import rescheduling
from webapp.course_sessions import service as course_sessions
from webapp.course_sessions.rules import AttendanceMark
from webapp.course_sessions.service import Outcome
from webapp.db.work import Work

__all__ = ["desk"]

pytestmark = pytest.mark.race

ROUNDS = 6
"""A race is run several times: who comes first is up to the machine."""
TWO_BOOKED = """
SELECT count(*) FROM course_sessions c LEFT JOIN schedule_slots s ON s.course_session_id = c.id AND s.status = 'booked'
JOIN bookings b ON b.id = c.booking_id
WHERE b.status IN ('assigned', 'in_progress') AND c.status = 'scheduled' AND s.id IS NULL
"""
"""Sessions still to be taught that nobody is booked for."""
LEFT_BEHIND = """
SELECT count(*) FROM schedule_slots s JOIN course_sessions c ON c.id = s.course_session_id
JOIN assignments a ON a.id = s.assignment_id
WHERE c.status IN ('rescheduled', 'cancelled') OR (c.status = 'scheduled' AND a.status NOT IN ('approved', 'proposed'))
   OR (s.status = 'held') <> (a.status = 'proposed')
"""
"""Slots of sessions that are no more, or under assignments that are over."""


@dataclass
class Course:
    """A booking with an approved trainer, and who asks for changes of it."""

    desk: Desk
    booking: PlacedBooking
    trainer_id: UUID

    @property
    def version(self) -> int:
        """The booking's present version."""
        return self.desk.number(f"SELECT version FROM bookings WHERE id = '{self.booking.id}'")

    def session(self, number: int) -> UUID:
        """The session that counts for a number."""
        found: object = self.desk.number(
            f"SELECT id FROM course_sessions WHERE booking_id = '{self.booking.id}' AND number = {number}"
            " AND status <> 'rescheduled'"
        )
        assert isinstance(found, UUID)
        return found

    def replace(self, trainer_id: UUID | None, version: int) -> Callable[[], object]:
        """A request for another trainer."""
        return self._ask(
            lambda work: replacing.replace_trainer(
                work,
                self.booking.id,
                trainer_id=trainer_id,
                version=version,
                reason="Ill",
                by=SYSTEM,
                now=NOW,
                limits=LIMITS,
            )
        )

    def substitute(self, number: int, trainer_id: UUID, version: int) -> Callable[[], object]:
        """A request for a substitute."""
        session_id = self.session(number)
        return self._ask(
            lambda work: replacing.propose_substitute(
                work,
                self.booking.id,
                [session_id],
                trainer_id=trainer_id,
                version=version,
                reason="Ill",
                by=SYSTEM,
                now=NOW,
                limits=LIMITS,
            )
        )

    def move(self, number: int, to_date: date, version: int) -> Callable[[], object]:
        """A request to move a session."""
        session_id = self.session(number)
        return self._ask(
            lambda work: rescheduling.move_session(
                work, session_id, to_date, time(16), version=version, by=SYSTEM, now=NOW, limits=LIMITS
            )
        )

    def cancel_session(self, number: int, version: int) -> Callable[[], object]:
        """A request to cancel a session."""
        session_id = self.session(number)
        return self._ask(
            lambda work: rescheduling.cancel_session(
                work, session_id, version=version, reason="Ill", by=SYSTEM, now=NOW
            )
        )

    def pause(self, version: int) -> Callable[[], object]:
        """A request to pause the series."""
        return self._ask(
            lambda work: rescheduling.pause(
                work,
                self.booking.id,
                date(2027, 1, 6),
                date(2027, 1, 8),
                version=version,
                by=SYSTEM,
                now=NOW,
                limits=LIMITS,
            )
        )

    def cancel(self, version: int) -> Callable[[], object]:
        """A request to cancel the booking."""
        return self._ask(
            lambda work: service.cancel_booking(
                work, self.booking.id, version=version, reason="Gone", by=SYSTEM, now=NOW
            )
        )

    def mark(self, number: int, at: datetime) -> Callable[[], object]:
        """A request that records a session as missed."""
        session_id = self.session(number)
        marks: dict[UUID, AttendanceMark] = {}
        return self._ask(
            lambda work: course_sessions.mark(
                work, session_id, Outcome.MISSED, marks, by=SYSTEM, now=at, on_completed=lambda *_a, **_k: None
            )
        )

    def approve(self, assignment_id: UUID, now: datetime = NOW) -> Callable[[], object]:
        """A request to approve."""
        return self._ask(
            lambda work: service.approve(work, assignment_id, version=1, by=SYSTEM, now=now, limits=LIMITS)
        )

    def open_proposal(self, trainer_id: UUID, number: int | None = None) -> UUID:
        """A replacement, or a substitute for one session, that waits for a decision."""
        if number is None:
            made = self.replace(trainer_id, self.version)()
        else:
            made = self.substitute(number, trainer_id, self.version)()
        assert isinstance(made, service.Proposed)
        assert made.assignment_id is not None
        return made.assignment_id

    def _ask(self, task: Callable[[Work], object]) -> Callable[[], object]:
        return partial(self.desk.database.retrying, task)


def course_of(desk: Desk, trainer_id: UUID) -> Course:
    """A course ten days at 16:00 from 4 January with that trainer."""
    (booking,) = desk.bookings(1)
    made = desk.propose(booking, trainer_id)
    assert made.assignment_id is not None
    desk.approve(made.assignment_id)
    return Course(desk, booking, trainer_id)


def sound(desk: Desk) -> None:
    """Nothing forbidden is in the database."""
    for checker in (OVERLAPS, TWO_BOOKED, LEFT_BEHIND):
        assert desk.number(checker) == 0, checker


def won(outcomes: list[object]) -> int:
    """How many requests were granted; the others are refusals, and nothing else was raised."""
    return sum(not isinstance(outcome, Conflict) for outcome in outcomes)


def test_of_two_who_replace_one_trainer_at_once_one_is_heard(desk: Desk) -> None:
    own, one, other = desk.trainers(3)
    course = course_of(desk, own)
    version = course.version
    outcomes = desk.at_once(
        [course.replace(one, version), course.replace(other, version), course.replace(None, version)]
    )
    assert refusals(outcomes) == {"booking-changed": 2}
    assert desk.number("SELECT count(*) FROM assignments WHERE status = 'proposed'") == 1
    assert desk.number("SELECT count(*) FROM schedule_slots WHERE status = 'held'") == 10
    sound(desk)


def test_of_two_courses_that_want_one_new_trainer_one_gets_the_trainer(desk: Desk) -> None:
    one, other, wanted = desk.trainers(3)
    first, second = course_of(desk, one), course_of(desk, other)
    outcomes = desk.at_once([course.replace(wanted, course.version) for course in (first, second)])
    assert refusals(outcomes) == {"trainer-taken": 1}
    sound(desk)


def test_of_two_courses_that_each_want_the_other_ones_trainer_nobody_waits_for_ever(desk: Desk) -> None:
    """Whoever approves locks both trainers, always in the order of their ids."""
    one, other = desk.trainers(2)
    first = course_of(desk, one)
    second = Course(desk, desk.make.booking(zone_id=desk.zone_id, course_id=desk.course_id, timeslot=time(9)), other)
    made = desk.propose(second.booking, other)
    assert made.assignment_id is not None
    desk.approve(made.assignment_id)
    outcomes = desk.at_once([first.approve(first.open_proposal(other)), second.approve(second.open_proposal(one))])
    assert won(outcomes) == 2
    sound(desk)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_move_and_a_proposal_for_the_same_trainer_and_time_do_not_both_get_it(desk: Desk, round_: int) -> None:
    (own,) = desk.trainers(1)
    course = course_of(desk, own)
    wanted = desk.make.booking(zone_id=desk.zone_id, course_id=desk.course_id, start_date=date(2027, 1, 20))
    tasks: list[Callable[[], object]] = [
        course.move(3, date(2027, 1, 22), course.version),
        partial(desk.propose, wanted, own),
    ]
    outcomes = desk.at_once(tasks if round_ % 2 else tasks[::-1])
    assert refusals(outcomes) == {"trainer-taken": 1}
    sound(desk)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_an_approval_and_another_change_of_the_same_booking_leave_half_of_neither(desk: Desk, round_: int) -> None:
    own, one, other = desk.trainers(3)
    course = course_of(desk, own)
    assignment_id = course.open_proposal(one, 3 if round_ % 2 else None)
    version = course.version
    first = course.booking.sessions[0].starts_at
    outcomes = desk.at_once(
        [
            course.approve(assignment_id),
            course.move(3, date(2027, 1, 22), version),
            course.cancel_session(3, version),
            course.pause(version),
            course.mark(1, first),
            course.substitute(4, other, version),
        ]
    )
    heard = set(refusals(outcomes))
    assert heard <= {
        "already-decided", "booking-changed", "cover-pending", "session-done", "session-move", "trainer-taken",
        "nothing-to-teach", "assignment-changed",
    }  # fmt: skip
    assert won(outcomes) >= 2  # marking takes no part in the quarrel
    sound(desk)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_an_approval_and_the_end_of_the_booking_leave_half_of_neither(desk: Desk, round_: int) -> None:
    own, one = desk.trainers(2)
    course = course_of(desk, own)
    assignment_id = course.open_proposal(one, 3 if round_ % 2 else None)
    outcomes = desk.at_once([course.approve(assignment_id), course.cancel(course.version), desk.sweep])
    assert desk.number("SELECT count(*) FROM assignments WHERE status = 'proposed'") == 0
    cancelled = desk.number("SELECT count(*) FROM bookings WHERE status = 'cancelled'")
    assert desk.number("SELECT count(*) FROM schedule_slots") == (0 if cancelled else 10)
    assert set(refusals(outcomes)) <= {"already-decided", "booking-changed"}
    sound(desk)


def test_a_crowd_that_changes_one_booking_is_heard_one_at_a_time(desk: Desk) -> None:
    own, *others = desk.trainers(8)
    course = course_of(desk, own)
    version = course.version
    tasks: list[Callable[[], object]] = [course.substitute(n, who, version) for n, who in enumerate(others, start=1)]
    tasks += [course.move(n, date(2027, 2, n), version) for n in range(1, 9)]
    outcomes = desk.at_once(tasks)
    assert refusals(outcomes) == {"booking-changed": len(tasks) - 1}
    assert course.version == version + 1
    sound(desk)


def test_changes_of_many_courses_of_one_trainer_at_once_all_end(desk: Desk) -> None:
    """All wait for one trainer, in turn; moved to the same day at most one finds it free."""
    (own,) = desk.trainers(1)
    courses = []
    for hour in range(8, 14):
        booking = desk.make.booking(zone_id=desk.zone_id, course_id=desk.course_id, timeslot=time(hour))
        made = desk.propose(booking, own)
        assert made.assignment_id is not None
        desk.approve(made.assignment_id)
        courses.append(Course(desk, booking, own))
    outcomes = desk.at_once([course.move(1, date(2027, 3, 1), course.version) for course in courses])
    assert refusals(outcomes) == {"trainer-taken": len(courses) - 1}
    sound(desk)
