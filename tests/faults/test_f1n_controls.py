"""Negative controls: with a safeguard taken away something must be seen to go wrong, or the other tests prove nothing.

A pause between looking and writing makes each race certain. What stands behind each safeguard:

==================================  ===================================================================================
taken away                          what is seen, and what else would have stopped it
==================================  ===================================================================================
constraints and lock                double bookings; either alone suffices for the bare period
trainer's lock, named               a way that cannot be made (rule T9): no constraint can know it
trainer's lock, automatic           the same
trainer's lock, replacing           the same
trainer's lock, substituting        the same
trainer's lock, moving              the same
trainer's lock, pausing             the same
both trainers' locks together       a deadlock, where the desk approves a change by itself; the retry cures it
booking's lock, proposing           an integrity error: the unique index of live assignments refuses the second
booking's lock, replacing           the same
booking's lock, editing             an integrity error: the unique index of session numbers refuses the second
booking's lock, moving or pausing   the same; and a substitute held for a session that is no more
booking's lock, cancelling a        the session cancelled twice; and a substitute held for a session that is no more
session
booking's lock, deciding            nothing yet: the assignment's lock decides
assignment's lock                   nothing yet: the booking's lock decides
both of these                       one proposal approved twice, also one for a change of trainer
trainers' locks, releasing          nothing: slots that go free nobody; every writer takes them all the same
==================================  ===================================================================================

The checkers are tried, too: each has to find the breach that is planted for it.
"""

from __future__ import annotations

import time as clock_time
from collections.abc import Callable
from datetime import date, time, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests.bench.report import Row
from tests.faults import checkers
from tests.faults.world import LIMITS, FaultWorld, Home, client_actor, report
from tests.web.client import NOW
from webapp.assignments import deciding, replacing, service
from webapp.assignments.models import Assignment
from webapp.assignments.queries import needs
from webapp.assignments.queries.candidates import candidates
from webapp.assignments.rules import Verdict
from webapp.assignments.service import Proposed
from webapp.bookings import service as bookings
from webapp.bookings.models import Booking, CourseSession
from webapp.bookings.service import PlacedBooking
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, RuleBroken
from webapp.course_sessions import rescheduling, successors
from webapp.db.work import Work
from webapp.schedule.models import NO_OVERLAP, SAME_START
from webapp.schedule.service import lock_trainer

pytestmark = pytest.mark.faults

T = TypeVar("T")
PAUSE = 0.3
DAY = date(2027, 3, 10)
ONE, OTHER, THIRD = (client_actor(n) for n in range(3))
_rows: list[Row] = []


@pytest.fixture(autouse=True)
def paused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody who has looked under the lock waits a while before writing."""

    def look(*args: Any, **kwargs: Any) -> list[Verdict]:
        found = candidates(*args, **kwargs)
        if kwargs.get("only") is not None:
            clock_time.sleep(PAUSE)
        return found

    for module in (service, deciding, successors):
        monkeypatch.setattr(module, "candidates", look)


@pytest.fixture
def no_trainer_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes a trainer's lock."""
    monkeypatch.setattr("webapp.schedule.service.lock_trainer", lambda db, trainer_id: None)
    monkeypatch.setattr("webapp.schedule.service.lock_trainers", lambda db, trainer_ids: None)
    monkeypatch.setattr("webapp.schedule.service.lock_first_free", lambda db, trainer_ids, wanted: trainer_ids[0])


@pytest.fixture
def no_booking_lock_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changes a booking reads it without its lock, and nothing between reading and writing is quick."""

    def read(db: Session, booking_id: UUID, *, by: Actor, version: int | None = None) -> Booking:
        booking = db.scalars(select(Booking).where(Booking.id == booking_id)).one()
        if version is not None and booking.version != version:
            raise Conflict("booking-changed", "Changed.")
        clock_time.sleep(PAUSE)
        return booking

    for module in (bookings, deciding, replacing, rescheduling):
        monkeypatch.setattr(module, "booking_to_change", read)


@pytest.fixture
def no_assignment_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever decides on a proposal reads it without its lock."""

    def read(db: Session, assignment_id: UUID) -> Assignment:
        found = db.scalars(
            select(Assignment).where(Assignment.id == assignment_id).execution_options(populate_existing=True)
        ).one()
        clock_time.sleep(PAUSE)
        return found

    monkeypatch.setattr(deciding, "_locked", read)


def outcome(request: Callable[[], T]) -> T | Conflict | IntegrityError | RuleBroken:
    """What a request came to; integrity errors and broken rules are what the safeguards exist to prevent."""
    try:
        return request()
    except (Conflict, IntegrityError, RuleBroken) as error:
        return error


def together(world: FaultWorld, *requests: Callable[[], Any]) -> list[Any]:
    """All requests at once, and what each came to."""
    world.warm_up(len(requests))
    return world.at_once([partial(outcome, request) for request in requests])


def codes(outcomes: list[Any]) -> list[str]:
    """Refusals by their code, errors and successes by their kind, sorted."""
    return sorted(found.code if isinstance(found, Conflict) else type(found).__name__ for found in outcomes)


def same_slot(world: FaultWorld) -> list[PlacedBooking]:
    """Two courses of one family's neighbours at the same time."""
    home, other = world.homes(2)
    return [world.place(home, DAY, time(9), ONE), world.place(other, DAY, time(9, 20), ONE)]


def far_apart(world: FaultWorld) -> list[PlacedBooking]:
    """Two courses at homes seven kilometres apart, with five minutes for the way."""
    homes: list[Home] = world.homes(10)
    return [world.place(homes[0], DAY, time(9), ONE), world.place(homes[9], DAY, time(9, 45), ONE)]


def propose_both(world: FaultWorld, placed: list[PlacedBooking], trainer_id: UUID | None) -> list[Any]:
    """Both courses proposed at once."""
    return together(
        world, *(partial(world.propose, booking.id, trainer_id, client_actor(n)) for n, booking in enumerate(placed))
    )


def keep(what: str, seen: float, *, expected: bool) -> None:
    """Note what was seen with a safeguard gone (``expected``) or in place, for the report."""
    bound = "at least 1" if expected else "0"
    _rows.append(Row(what, seen, "", bound, seen >= 1 if expected else seen == 0))


def test_without_constraints_and_lock_the_checker_finds_the_double_booking(
    world: FaultWorld, no_trainer_lock: None
) -> None:
    (trainer_id,) = world.trainers(1)
    world.as_owner(*(f"ALTER TABLE schedule_slots DROP CONSTRAINT {name}" for name in (NO_OVERLAP, SAME_START)))
    assert codes(propose_both(world, same_slot(world), trainer_id)) == ["Proposed", "Proposed"]
    found = world.breaches()["overlaps"]
    keep("constraints and lock gone: double bookings found", found, expected=True)
    assert found == 10


def test_without_the_constraints_the_lock_alone_still_refuses(world: FaultWorld) -> None:
    (trainer_id,) = world.trainers(1)
    world.as_owner(*(f"ALTER TABLE schedule_slots DROP CONSTRAINT {name}" for name in (NO_OVERLAP, SAME_START)))
    assert codes(propose_both(world, same_slot(world), trainer_id)) == ["Proposed", "trainer-taken"]
    keep("constraints gone, lock in place: double bookings", world.breaches()["overlaps"], expected=False)
    assert sum(world.breaches().values()) == 0


def test_without_the_lock_the_constraints_alone_still_refuse(world: FaultWorld, no_trainer_lock: None) -> None:
    (trainer_id,) = world.trainers(1)
    assert codes(propose_both(world, same_slot(world), trainer_id)) == ["Proposed", "trainer-taken"]
    assert world.breaches()["overlaps"] == 0


@pytest.mark.parametrize("named", [True, False], ids=["named", "automatic"])
def test_without_the_trainers_lock_a_way_that_cannot_be_made_is_found(
    world: FaultWorld, no_trainer_lock: None, *, named: bool
) -> None:
    (trainer_id,) = world.trainers(1)
    outcomes = propose_both(world, far_apart(world), trainer_id if named else None)
    assert codes(outcomes) == ["Proposed", "Proposed"]
    found = world.breaches()["travel breaches"]
    keep(f"trainer's lock gone ({'named' if named else 'automatic'}): travel breaches found", found, expected=True)
    assert found == 10


@pytest.mark.parametrize("named", [True, False], ids=["named", "automatic"])
def test_with_the_trainers_lock_nobody_is_sent_on_a_way_that_cannot_be_made(world: FaultWorld, *, named: bool) -> None:
    (trainer_id,) = world.trainers(1)
    outcomes = propose_both(world, far_apart(world), trainer_id if named else None)
    held = [made for made in outcomes if isinstance(made, Proposed) and made.assignment_id]
    assert len(held) == 1
    found = sum(world.breaches().values())
    keep(f"trainer's lock in place ({'named' if named else 'automatic'}): breaches", found, expected=False)
    assert found == 0


def propose_twice(world: FaultWorld) -> list[Any]:
    """One booking proposed by two people at once, for two trainers."""
    first, second = world.trainers(2)
    booking = world.place(world.homes(1)[0], DAY, time(9), ONE)
    return together(
        world, partial(world.propose, booking.id, first, ONE), partial(world.propose, booking.id, second, OTHER)
    )


def test_without_the_bookings_lock_proposing_twice_ends_in_an_error(
    world: FaultWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "_LOCK", needs._READ)
    found = codes(propose_twice(world))
    keep("booking's lock gone, proposing: integrity errors", found.count("IntegrityError"), expected=True)
    assert found == ["IntegrityError", "Proposed"]


def test_with_the_bookings_lock_the_second_proposal_is_refused(world: FaultWorld) -> None:
    found = codes(propose_twice(world))
    keep("booking's lock in place, proposing: integrity errors", found.count("IntegrityError"), expected=False)
    assert found == ["Proposed", "booking-move"]


def edit_twice(world: FaultWorld) -> list[Any]:
    """One booking edited by two people at once, who both saw its first version."""
    (home,) = world.homes(1)
    booking = world.place(home, DAY, time(9), ONE)

    def edit(by: Actor, hour: int) -> PlacedBooking:
        command = world.command(home, DAY, time(hour), booking.id)
        return world.database.retrying(
            lambda work: bookings.edit_booking(work, booking.id, command, version=1, by=by, now=NOW)
        )

    return together(world, partial(edit, ONE, 10), partial(edit, OTHER, 11))


def test_without_the_bookings_lock_editing_twice_ends_in_an_error(
    world: FaultWorld, no_booking_lock_to_change: None
) -> None:
    found = codes(edit_twice(world))
    keep("booking's lock gone, editing: integrity errors", found.count("IntegrityError"), expected=True)
    assert found == ["IntegrityError", "PlacedBooking"]


def test_with_the_bookings_lock_the_second_edit_is_refused(world: FaultWorld) -> None:
    found = codes(edit_twice(world))
    keep("booking's lock in place, editing: integrity errors", found.count("IntegrityError"), expected=False)
    assert found == ["PlacedBooking", "booking-changed"]


def approve_twice(world: FaultWorld, kind: str = "course") -> list[Any]:
    """One proposal approved by two people at once: the first one, or one for a change of trainer."""
    trainer_id, other = world.trainers(2)
    booking = world.place(world.homes(1)[0], DAY, time(9), ONE)
    made = world.propose(booking.id, trainer_id, ONE)
    if kind != "course":
        course = approved(world, booking, made)
        made = course.replace(other)() if kind == "replacement" else course.substitute(3, other)()
    assignment_id = made.assignment_id
    assert assignment_id is not None

    def approve(by: Actor) -> str:
        world.database.retrying(
            lambda work: service.approve(work, assignment_id, version=1, by=by, now=NOW, limits=LIMITS)
        )
        return "approved"

    return together(world, partial(approve, OTHER), partial(approve, THIRD))


def approvals(world: FaultWorld) -> int:
    """How many approvals the audit tells of, for the newest proposal."""
    newest = "(SELECT id FROM assignments ORDER BY id DESC LIMIT 1)"
    told = f"SELECT id FROM audit_entries WHERE what = 'assignment.approved' AND subject_id = {newest}"
    return len(checkers.ids_with(world.address, told))


KINDS = ("course", "replacement", "substitute")


@pytest.mark.parametrize("kind", KINDS)
def test_without_either_lock_one_proposal_is_approved_twice(
    world: FaultWorld, no_booking_lock_to_change: None, no_assignment_lock: None, kind: str
) -> None:
    assert codes(approve_twice(world, kind)) == ["str", "str"]
    found = world.breaches()["audit gaps"]
    keep(f"booking's and assignment's locks gone ({kind}): audit gaps found", found, expected=True)
    assert approvals(world) == 2
    assert found > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gone", ["no_booking_lock_to_change", "no_assignment_lock", None])
def test_one_of_both_locks_is_enough_for_one_approval(
    world: FaultWorld, request: pytest.FixtureRequest, gone: str | None, kind: str
) -> None:
    if gone:
        request.getfixturevalue(gone)
    found = codes(approve_twice(world, kind))
    assert "str" in found
    assert found != ["str", "str"]
    assert approvals(world) == 1
    what = f"approving ({kind}), {gone or 'nothing gone'}: approvals too many"
    keep(what, approvals(world) - 1, expected=False)


class Course:
    """A booking with an approved trainer, and the requests that change it, all in the name of who saw one version."""

    def __init__(self, world: FaultWorld, booking_id: UUID) -> None:
        self.world = world
        self.booking_id = booking_id
        with world.database.read_only() as db:
            self.version = db.scalars(select(Booking.version).where(Booking.id == booking_id)).one()
            numbers = select(CourseSession.number, CourseSession.id).where(CourseSession.booking_id == booking_id)
            self.sessions: dict[int, UUID] = {row.number: row.id for row in db.execute(numbers)}

    def replace(self, trainer_id: UUID) -> Callable[[], Proposed]:
        """Another trainer for the whole course."""
        return self._ask(
            lambda work: replacing.replace_trainer(
                work, self.booking_id, trainer_id=trainer_id, reason="Ill", by=ONE, now=NOW, limits=LIMITS,
                version=self.version,
            )
        )  # fmt: skip

    def substitute(self, number: int, trainer_id: UUID) -> Callable[[], Proposed]:
        """Another trainer for one session."""
        return self._ask(
            lambda work: replacing.propose_substitute(
                work, self.booking_id, [self.sessions[number]], trainer_id=trainer_id, reason="Ill", by=ONE, now=NOW,
                limits=LIMITS, version=self.version,
            )
        )  # fmt: skip

    def move(self, number: int, to_date: date = date(2027, 4, 1), to_time: time = time(9)) -> Callable[[], UUID]:
        """A session at another time."""
        return self._ask(
            lambda work: rescheduling.move_session(
                work, self.sessions[number], to_date, to_time, version=self.version, by=ONE, now=NOW, limits=LIMITS
            )
        )

    def cancel(self, number: int) -> Callable[[], str]:
        """A session that is off."""

        def task(work: Work) -> str:
            rescheduling.cancel_session(
                work, self.sessions[number], version=self.version, reason="A wedding", by=ONE, now=NOW
            )
            return "cancelled"

        return self._ask(task)

    def pause(self, first: date = DAY, last: date = DAY) -> Callable[[], int]:
        """The series goes on after some days."""
        return self._ask(
            lambda work: rescheduling.pause(
                work, self.booking_id, first, last, version=self.version, by=ONE, now=NOW, limits=LIMITS
            )
        )

    def _ask(self, task: Callable[[Work], T]) -> Callable[[], T]:
        return partial(self.world.database.retrying, task)


def approved(world: FaultWorld, booking: PlacedBooking, made: Proposed) -> Course:
    """The course of a proposal that somebody has approved."""
    assert made.assignment_id is not None
    assignment_id = made.assignment_id
    world.database.retrying(
        lambda work: service.approve(work, assignment_id, version=1, by=THIRD, now=NOW, limits=LIMITS)
    )
    return Course(world, booking.id)


def taught(world: FaultWorld, home: Home, timeslot: time, trainer_id: UUID) -> Course:
    """A course with that trainer, ten days from ``DAY`` on."""
    booking = world.place(home, DAY, timeslot, ONE)
    return approved(world, booking, world.propose(booking.id, trainer_id, ONE))


FAR = date(2027, 4, 1)
"""When the other family, seven kilometres away, begins."""


def change_beside_a_proposal(world: FaultWorld, verb: str) -> list[Any]:
    """A change that brings a trainer to one home, and a proposal that has the same one far away just after."""
    own, wanted = world.trainers(2)
    homes = world.homes(10)
    course = taught(world, homes[0], time(9), own)
    start, whom = (DAY, wanted) if verb in ("replace", "substitute") else (FAR, own)
    other = world.place(homes[9], start, time(9, 45), ONE)
    change: Callable[[], Any] = {
        "replace": course.replace(wanted),
        "substitute": course.substitute(3, wanted),
        "move": course.move(3, FAR),
        "pause": course.pause(DAY, FAR - timedelta(days=1)),
    }[verb]
    return together(world, change, partial(world.propose, other.id, whom, OTHER))


CHANGES = ("replace", "substitute", "move", "pause")


@pytest.mark.parametrize("verb", CHANGES)
def test_without_the_trainers_lock_a_change_sends_somebody_on_a_way_that_cannot_be_made(
    world: FaultWorld, no_trainer_lock: None, verb: str
) -> None:
    assert not any(isinstance(found, Exception) for found in change_beside_a_proposal(world, verb))
    found = world.breaches()["travel breaches"]
    keep(f"trainer's lock gone ({verb}): travel breaches found", found, expected=True)
    assert found == (10 if verb in ("replace", "pause") else 1)


@pytest.mark.parametrize("verb", CHANGES)
def test_with_the_trainers_lock_no_change_does(world: FaultWorld, verb: str) -> None:
    outcomes = change_beside_a_proposal(world, verb)
    assert [found.code for found in outcomes if isinstance(found, Conflict)] == ["trainer-not-eligible"]
    found = sum(world.breaches().values())
    keep(f"trainer's lock in place ({verb}): breaches", found, expected=False)
    assert found == 0


def exchange(world: FaultWorld) -> list[Any]:
    """Two courses each get the other's trainer at once, at a desk that approves by itself."""
    one, other = world.trainers(2)
    home, neighbour = world.homes(2)
    first, second = taught(world, home, time(9), one), taught(world, neighbour, time(15), other)
    world.as_owner("UPDATE operators SET auto_approve = true")
    return together(world, first.replace(other), second.replace(one))


def test_without_both_trainers_locked_together_two_changes_deadlock(
    world: FaultWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_the_new_one(db: Session, plan: Any, trainer_ids: Any, *, wait: bool, crowded: bool) -> UUID:
        lock_trainer(db, trainer_ids[0])
        found: UUID = trainer_ids[0]
        return found

    monkeypatch.setattr(service, "_lock_one", only_the_new_one)
    assert codes(exchange(world)) == ["Proposed", "Proposed"]
    found = world.sqlstates["40P01"]
    keep("both trainers' locks not together: deadlocks seen by the server", found, expected=True)
    assert found == 1


def test_with_both_trainers_locked_together_two_changes_wait_for_each_other(world: FaultWorld) -> None:
    assert codes(exchange(world)) == ["Proposed", "Proposed"]
    found = world.sqlstates["40P01"]
    keep("both trainers' locks together: deadlocks seen by the server", found, expected=False)
    assert found == 0
    assert sum(world.breaches().values()) == 0


def change_twice(world: FaultWorld, verb: str) -> list[Any]:
    """One course changed by two people at once, who both saw the same version of it."""
    own, first, second = world.trainers(3)
    course = taught(world, world.homes(1)[0], time(9), own)
    requests: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "replace": (course.replace(first), course.replace(second)),
        "move": (course.move(3, FAR), course.move(3, FAR + timedelta(days=1))),
        "pause": (course.pause(DAY, DAY), course.pause(DAY, DAY + timedelta(days=20))),
        "cancel": (course.cancel(3), course.cancel(3)),
    }
    return together(world, *requests[verb])


@pytest.mark.parametrize("verb", ["replace", "move", "pause"])
def test_without_the_bookings_lock_two_changes_of_one_course_end_in_an_error(
    world: FaultWorld, no_booking_lock_to_change: None, verb: str
) -> None:
    found = codes(change_twice(world, verb))
    keep(f"booking's lock gone ({verb}): integrity errors", found.count("IntegrityError"), expected=True)
    assert found.count("IntegrityError") == 1


def test_without_the_bookings_lock_one_session_is_cancelled_twice(
    world: FaultWorld, no_booking_lock_to_change: None
) -> None:
    assert codes(change_twice(world, "cancel")) == ["str", "str"]
    told = len(checkers.ids_with(world.address, "SELECT id FROM audit_entries WHERE what = 'session.cancelled'"))
    keep("booking's lock gone (cancel): cancellations too many", told - 1, expected=True)
    with pytest.raises(AssertionError, match="happened twice"):
        checkers.ids_told(world.address, "session.cancelled")


@pytest.mark.parametrize("verb", ["replace", "move", "pause", "cancel"])
def test_with_the_bookings_lock_the_second_change_is_refused(world: FaultWorld, verb: str) -> None:
    found = codes(change_twice(world, verb))
    assert len(found) - found.count("booking-changed") == 1
    breaches = sum(world.breaches().values())
    keep(f"booking's lock in place ({verb}): breaches", breaches, expected=False)
    assert breaches == 0


def substitute_beside(world: FaultWorld, verb: str) -> list[Any]:
    """A substitute proposed for a session that somebody else moves, pauses or cancels."""
    own, other = world.trainers(2)
    course = taught(world, world.homes(1)[0], time(9), own)
    change: Callable[[], Any] = {"move": course.move(3), "pause": course.pause(), "cancel": course.cancel(3)}[verb]
    return together(world, change, course.substitute(3, other))


@pytest.mark.parametrize("verb", ["move", "pause", "cancel"])
def test_without_the_bookings_lock_a_substitute_is_held_for_a_session_that_is_no_more(
    world: FaultWorld, no_booking_lock_to_change: None, verb: str
) -> None:
    outcomes = substitute_beside(world, verb)
    assert not any(isinstance(outcome, Conflict) for outcome in outcomes)
    # Whoever writes last may notice that fewer sessions are left than were judged: that is a bug's error, too.
    found = world.breaches()["orphaned slots"] + codes(outcomes).count("RuleBroken")
    keep(f"booking's lock gone (substitute, {verb}): orphaned slots or errors found", found, expected=True)
    assert found > 0


@pytest.mark.parametrize("verb", ["move", "pause", "cancel"])
def test_with_the_bookings_lock_a_substitute_is_not(world: FaultWorld, verb: str) -> None:
    assert "booking-changed" in codes(substitute_beside(world, verb))
    found = sum(world.breaches().values())
    keep(f"booking's lock in place (substitute, {verb}): breaches", found, expected=False)
    assert found == 0


_BREAK = "ALTER TABLE schedule_slots DROP CONSTRAINT %s"
_AT_NINE = "(SELECT id FROM schedule_slots ORDER BY period LIMIT 1)"
PLANTED = {
    "overlaps": (
        _BREAK % NO_OVERLAP,
        "UPDATE schedule_slots SET period = tstzrange(lower(period) + interval '23 h 50 min',"
        f" upper(period) + interval '23 h 50 min') WHERE id = {_AT_NINE}",
    ),
    "duplicate starts": (
        _BREAK % SAME_START,
        f"UPDATE schedule_slots SET date = date + 1 WHERE id = {_AT_NINE}",
    ),
    "travel breaches": (
        "UPDATE schedule_slots SET period = tstzrange(lower(period) - interval '200 min',"
        " upper(period) - interval '200 min') WHERE timeslot = '13:00'",
    ),
    "orphaned slots": (f"UPDATE schedule_slots SET status = 'booked' WHERE id = {_AT_NINE}",),
    "missing slots": (f"DELETE FROM schedule_slots WHERE id = {_AT_NINE}",),
    "wrong states": ("UPDATE bookings SET status = 'assigned' WHERE timeslot = '09:00'",),
    "torn chains": (
        "UPDATE course_sessions SET status = 'rescheduled', successor_id ="
        " (SELECT id FROM course_sessions WHERE timeslot = '13:00' ORDER BY starts_at LIMIT 1)"
        " WHERE id = (SELECT id FROM course_sessions WHERE timeslot = '09:00' ORDER BY starts_at LIMIT 1)",
    ),
    "capacity breaches": ("UPDATE bookings SET class_type = 'one_on_two' WHERE timeslot = '09:00'",),
    "audit gaps": ("UPDATE bookings SET status = 'cancelled', closed_reason = 'x' WHERE timeslot = '09:00'",),
}


def test_each_checker_finds_the_breach_that_is_planted_for_it(world: FaultWorld) -> None:
    (trainer_id,) = world.trainers(1)
    homes = world.homes(10)
    for home, slot in ((homes[0], time(9)), (homes[9], time(13))):
        assert world.propose(world.place(home, DAY, slot, ONE).id, trainer_id, ONE).assignment_id
    found = {check: checkers.breaches_if(world.address, PLANTED[check])[check] for check in checkers.CHECKS}
    for check, number in found.items():
        keep(f"checker of {check}: planted breaches found", number, expected=True)
    assert all(found.values()), found
    assert sum(world.breaches().values()) == 0


def test_the_figures_are_kept() -> None:
    assert _rows, "run this module as a whole"
    report("controls", *_rows)
