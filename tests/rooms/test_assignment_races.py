"""Many people at once (rules A2 and A3): real connections, real commits, a database of their own.

Example 5 in full, two approvers, approvals against the sweeper. Who won is told by the requests; that nobody was
booked twice is told by a query that knows nothing of the application and does not use the operator the constraint
stands on. The last tests take constraints and lock away, one by one and both: with both gone that query has to find the
double bookings, or it proves nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from itertools import count
from os import getpid
from threading import Barrier, Event, local
from typing import Any, TypeVar
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, make_url, text

from tests.make import Make
from tests.rooms.test_assignments import hold_once_too_often
from tests.services import Servers
from tests.web.client import NOW
from webapp import embedded
from webapp.assignments import service
from webapp.assignments.limits import Limits
from webapp.assignments.queries.candidates import candidates
from webapp.assignments.rules import Verdict
from webapp.assignments.service import Proposed
from webapp.bookings.rules import BookingStatus
from webapp.bookings.service import PlacedBooking
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict
from webapp.db import work as work_module
from webapp.db.work import Database, Work, connect
from webapp.schedule.models import NO_OVERLAP, SAME_START

pytestmark = pytest.mark.race

CROWD = 64
LIMITS = Limits()
T = TypeVar("T")

OVERLAPS = """
SELECT count(*) FROM schedule_slots a JOIN schedule_slots b ON a.trainer_id = b.trainer_id AND a.id < b.id
WHERE a.status IN ('held', 'booked') AND b.status IN ('held', 'booked')
  AND lower(a.period) < upper(b.period) AND lower(b.period) < upper(a.period)
"""
"""Double bookings, found without ``&&``: a bad operator class could not hide them."""

_numbers = count()


class Desk:
    """A database of its own with one zone and one course, and a crowd of connections to it."""

    def __init__(self, engine: Engine, make: Make, servers: Servers) -> None:
        self.engine = engine
        self.database = work_module.database()
        self.make = make
        self.servers = servers
        self.zone_id = make.zone()
        self.course_id = make.course()

    def trainers(self, number: int) -> list[UUID]:
        """Free trainers, all equally near."""
        return [self.make.trainer((self.zone_id,), (self.course_id,)) for _ in range(number)]

    def bookings(self, number: int) -> list[PlacedBooking]:
        """Waitlisted bookings that want the same slot, of as many families."""
        return [self.make.booking(zone_id=self.zone_id, course_id=self.course_id) for _ in range(number)]

    def propose(self, booking: PlacedBooking, trainer_id: UUID | None = None) -> Proposed:
        """One request on a connection of its own; automatic unless a trainer is named."""
        return self.database.retrying(
            lambda work: service.propose(work, booking.id, trainer_id=trainer_id, by=SYSTEM, now=NOW, limits=LIMITS)
        )

    def approve(self, assignment_id: UUID, by: Actor = SYSTEM) -> str:
        """One approval, a second before the hold ends."""
        now = NOW + timedelta(hours=LIMITS.hold_hours, seconds=-1)
        self.database.retrying(
            lambda work: service.approve(work, assignment_id, version=1, by=by, now=now, limits=LIMITS)
        )
        return "approved"

    def sweep(self) -> int:
        """One run of the sweeper, at the end of the hold."""
        now = NOW + timedelta(hours=LIMITS.hold_hours)
        return self.database.retrying(lambda work: service.expire_due(work, now=now))

    def at_once(self, tasks: Sequence[Callable[[], T]]) -> list[T | Conflict]:
        """Run all tasks at the same moment, each in a thread with a connection that is open already.

        A refusal is an outcome; any other error fails the test.
        """
        barrier = Barrier(len(tasks))

        def run(task: Callable[[], T]) -> T | Conflict:
            barrier.wait(30)
            try:
                return task()
            except Conflict as refusal:
                return refusal

        with ExitStack() as open_at_once:
            for _ in tasks:
                open_at_once.enter_context(self.engine.connect())
        with ThreadPoolExecutor(len(tasks)) as crowd:
            return list(crowd.map(run, tasks))

    def number(self, sql: str) -> int:
        """What a checker counts, on a connection that is not the application's and that no policy binds."""
        engine = create_engine(self.servers.admin_url)
        with engine.connect() as connection:
            found: int = connection.execute(text(sql)).scalar_one()
        engine.dispose()
        return found

    def as_owner(self, *statements: str) -> None:
        """Change the schema of this database, and of no other."""
        engine = create_engine(self.servers.owner_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()


@pytest.fixture
def desk(servers: Servers, app: Flask, at: object) -> Iterator[Desk]:
    """On a fresh copy of the migrated database, dropped afterwards."""
    name = f"{servers.template}_race_{getpid()}_{next(_numbers)}"
    embedded.create_database(
        servers.admin_url, name, owner=make_url(servers.owner_url).username or "", template=servers.template
    )
    mine = servers.on_database(name)
    engine = connect(mine.database_url, pool_size=CROWD)
    before = work_module.database()
    work_module.bind(Database(engine, lambda job, ids: None))
    try:
        yield Desk(engine, Make(app), mine)
    finally:
        work_module.bind(before)
        engine.dispose()
        embedded.drop_database(servers.admin_url, name)


def refusals(outcomes: Sequence[object]) -> Counter[str]:
    """How often each refusal was heard."""
    return Counter(outcome.code for outcome in outcomes if isinstance(outcome, Conflict))


def test_of_two_automatic_requests_for_the_last_free_trainer_one_is_held_and_the_other_waits(desk: Desk) -> None:
    (trainer_id,) = desk.trainers(1)
    outcomes = desk.at_once([partial(desk.propose, booking) for booking in desk.bookings(2)])
    found = {outcome.status: outcome for outcome in outcomes if isinstance(outcome, Proposed)}
    assert found.keys() == {BookingStatus.PENDING_APPROVAL, BookingStatus.WAITLISTED}
    assert found[BookingStatus.PENDING_APPROVAL].trainer_id == trainer_id
    assert found[BookingStatus.WAITLISTED].assignment_id is None
    assert desk.number("SELECT count(*) FROM schedule_slots") == 10
    assert desk.number(OVERLAPS) == 0


def test_64_simultaneous_automatic_requests_hold_64_different_trainers_out_of_200(desk: Desk) -> None:
    desk.trainers(200)
    outcomes = desk.at_once([partial(desk.propose, booking) for booking in desk.bookings(CROWD)])
    held = [outcome for outcome in outcomes if isinstance(outcome, Proposed) and outcome.assignment_id]
    assert len(held) == CROWD
    assert len({outcome.trainer_id for outcome in held}) == CROWD
    assert desk.number("SELECT count(DISTINCT trainer_id) FROM schedule_slots WHERE status = 'held'") == CROWD
    assert desk.number("SELECT count(*) FROM schedule_slots") == CROWD * 10
    assert desk.number(OVERLAPS) == 0


def test_of_fifty_people_naming_the_same_trainer_one_wins_and_49_hear_that_the_trainer_is_taken(desk: Desk) -> None:
    trainer_id, *_others = desk.trainers(3)
    outcomes = desk.at_once([partial(desk.propose, booking, trainer_id) for booking in desk.bookings(50)])
    assert refusals(outcomes) == {"trainer-taken": 49}
    (won,) = (outcome for outcome in outcomes if isinstance(outcome, Proposed))
    assert won.trainer_id == trainer_id
    assert desk.number("SELECT count(*) FROM assignments") == 1
    assert desk.number("SELECT count(*) FROM bookings WHERE status = 'waitlisted'") == 49
    assert desk.number(OVERLAPS) == 0


def test_as_many_automatic_requests_as_trainers_leave_nobody_waiting(desk: Desk) -> None:
    desk.trainers(12)
    outcomes = desk.at_once([partial(desk.propose, booking) for booking in desk.bookings(16)])
    statuses = Counter(outcome.status for outcome in outcomes if isinstance(outcome, Proposed))
    assert statuses == {BookingStatus.PENDING_APPROVAL: 12, BookingStatus.WAITLISTED: 4}
    assert desk.number(OVERLAPS) == 0


def test_one_booking_asked_for_twice_at_once_is_held_once(desk: Desk) -> None:
    desk.trainers(4)
    (booking,) = desk.bookings(1)
    outcomes = desk.at_once([partial(desk.propose, booking) for _ in range(4)])
    assert refusals(outcomes) == {"booking-move": 3}
    assert desk.number("SELECT count(*) FROM schedule_slots") == 10


def test_an_automatic_request_waits_for_a_trainer_somebody_is_locking_before_it_gives_up(desk: Desk) -> None:
    (trainer_id,) = desk.trainers(1)
    (booking,) = desk.bookings(1)
    with ThreadPoolExecutor(1) as other:
        with desk.database.unit_of_work() as work:
            lock(work, trainer_id)
            request = other.submit(desk.propose, booking)
            until(lambda: desk.number("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
            assert not request.done()
        assert request.result(10).trainer_id == trainer_id


def test_whoever_cannot_get_the_lock_in_three_tries_hears_a_refusal_and_not_an_error(desk: Desk) -> None:
    (trainer_id,) = desk.trainers(1)
    (booking,) = desk.bookings(1)

    def impatient(work: Work) -> Proposed:
        work.db.execute(text("SET LOCAL lock_timeout = '20ms'"))
        return service.propose(work, booking.id, trainer_id=trainer_id, by=SYSTEM, now=NOW, limits=LIMITS)

    with desk.database.unit_of_work() as work:
        lock(work, trainer_id)
        with pytest.raises(Conflict) as refused:
            desk.database.retrying(impatient)
    assert refused.value.code == "too-busy"


def test_a_lost_trainer_is_unlocked_before_the_transaction_that_lost_ends(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (trainer_id,) = desk.trainers(1)
    (booking,) = desk.bookings(1)
    monkeypatch.setattr("webapp.assignments.service.hold", hold_once_too_often)
    with desk.database.unit_of_work() as work:
        made = service.propose(work, booking.id, trainer_id=None, by=SYSTEM, now=NOW, limits=LIMITS)
        assert made.assignment_id is None
        free = "SELECT count(*) FROM (SELECT id FROM trainers FOR NO KEY UPDATE SKIP LOCKED) AS unlocked"
        assert desk.number(free) == 1
        lock(work, trainer_id)
        assert desk.number(free) == 0


def test_of_two_approvers_one_approves_and_the_other_hears_who_did(desk: Desk) -> None:
    desk.trainers(1)
    (booking,) = desk.bookings(1)
    proposed = desk.propose(booking)
    assert proposed.assignment_id is not None
    approvers = [desk.make.admin().actor for _ in range(2)]
    outcomes = desk.at_once([partial(desk.approve, proposed.assignment_id, approver) for approver in approvers])
    (winner,) = (who for who, outcome in zip(approvers, outcomes, strict=True) if outcome == "approved")
    (refusal,) = (outcome for outcome in outcomes if isinstance(outcome, Conflict))
    assert (refusal.code, refusal.params["who"]) == ("already-decided", winner.name)
    assert desk.number("SELECT count(*) FROM audit_entries WHERE what = 'assignment.approved'") == 1
    assert desk.number("SELECT count(*) FROM schedule_slots WHERE status = 'booked'") == 10


def test_approvals_and_the_sweeper_at_the_same_moment_never_leave_half_of_each(desk: Desk) -> None:
    desk.trainers(16)
    ids = [made.assignment_id for made in map(desk.propose, desk.bookings(16)) if made.assignment_id]
    tasks: list[Callable[[], str | int]] = [partial(desk.approve, id_) for id_ in ids]
    outcomes = desk.at_once([*tasks[:8], desk.sweep, desk.sweep, *tasks[8:]])
    approved = outcomes.count("approved")
    swept = sum(outcome for outcome in outcomes if isinstance(outcome, int)) + desk.sweep()
    assert approved + swept == 16
    assert refusals(outcomes) == ({"already-decided": 16 - approved} if approved < 16 else {})
    assert desk.number("SELECT count(*) FROM assignments WHERE status = 'approved'") == approved
    assert desk.number("SELECT count(*) FROM bookings WHERE status = 'assigned'") == approved
    assert desk.number("SELECT count(*) FROM bookings WHERE status = 'waitlisted'") == swept
    assert desk.number("SELECT count(*) FROM schedule_slots WHERE status = 'booked'") == approved * 10
    assert desk.number("SELECT count(*) FROM schedule_slots WHERE status = 'held'") == 0


def test_the_sweeper_leaves_a_proposal_to_whoever_is_deciding_on_it(desk: Desk) -> None:
    desk.trainers(2)
    first, _second = (desk.propose(booking) for booking in desk.bookings(2))
    with desk.database.unit_of_work() as work:
        held = text("SELECT id FROM bookings WHERE id = :id FOR UPDATE")
        work.db.execute(held, {"id": first.booking_id})
        work.db.execute(text("SELECT id FROM assignments WHERE booking_id = :id FOR UPDATE"), {"id": first.booking_id})
        assert desk.sweep() == 1
    assert desk.sweep() == 1
    assert desk.sweep() == 0


@pytest.fixture
def without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes the trainer's lock, and everybody has looked before anybody books."""
    all_looked, seen = Barrier(2), local()

    def look(*args: Any, **kwargs: Any) -> list[Verdict]:
        found = candidates(*args, **kwargs)
        if kwargs.get("only") is not None and not getattr(seen, "already", False):
            seen.already = True
            all_looked.wait(30)
        return found

    monkeypatch.setattr("webapp.assignments.service.candidates", look)
    monkeypatch.setattr("webapp.schedule.service.lock_trainer", lambda db, trainer_id: None)
    monkeypatch.setattr("webapp.schedule.service.lock_first_free", lambda db, trainer_ids, wanted: trainer_ids[0])


def drop_constraints(desk: Desk) -> None:
    """Let this database allow double bookings."""
    desk.as_owner(*(f"ALTER TABLE schedule_slots DROP CONSTRAINT {name}" for name in (NO_OVERLAP, SAME_START)))


def test_without_lock_and_constraints_the_checker_finds_the_double_booking(desk: Desk, without_lock: None) -> None:
    (trainer_id,) = desk.trainers(1)
    drop_constraints(desk)
    outcomes = desk.at_once([partial(desk.propose, booking, trainer_id) for booking in desk.bookings(2)])
    assert refusals(outcomes) == {}
    assert desk.number(OVERLAPS) == 10


def test_without_the_lock_the_constraints_alone_still_refuse(desk: Desk, without_lock: None) -> None:
    (trainer_id,) = desk.trainers(1)
    outcomes = desk.at_once([partial(desk.propose, booking, trainer_id) for booking in desk.bookings(2)])
    assert refusals(outcomes) == {"trainer-taken": 1}
    assert desk.number("SELECT count(*) FROM schedule_slots") == 10
    assert desk.number(OVERLAPS) == 0


def test_without_the_constraints_the_lock_alone_still_refuses(desk: Desk) -> None:
    (trainer_id,) = desk.trainers(1)
    drop_constraints(desk)
    outcomes = desk.at_once([partial(desk.propose, booking, trainer_id) for booking in desk.bookings(8)])
    assert refusals(outcomes) == {"trainer-taken": 7}
    assert desk.number(OVERLAPS) == 0


def lock(work: Work, trainer_id: UUID) -> None:
    """Hold the trainer's row as a writer of slots does."""
    work.db.execute(text("SELECT id FROM trainers WHERE id = :id FOR NO KEY UPDATE"), {"id": trainer_id})


def until(condition: Callable[[], bool]) -> None:
    """Wait for something another connection is about to do; two seconds are plenty, the lock timeout is three."""
    pause = Event()
    for _ in range(100):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("meanwhile", ["somebody arrives", "somebody is freed"])
def test_the_second_look_is_what_is_chosen_from_and_explained(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    desk.trainers(1)
    other, booking = desk.bookings(2)
    held = desk.propose(other)
    looks, seen = candidates, count()

    def look(*args: Any, **how: Any) -> list[Verdict]:
        found = looks(*args, **how)
        if "only" not in how and next(seen) == 0:
            if meanwhile == "somebody arrives":
                desk.trainers(1)
            else:
                assert held.assignment_id is not None
                id_ = held.assignment_id
                desk.database.retrying(lambda work: service.withdraw(work, id_, version=1, by=SYSTEM, now=NOW))
        return found

    monkeypatch.setattr(service, "candidates", look)
    made = desk.propose(booking)
    assert (made.trainer_id == held.trainer_id) is (meanwhile == "somebody is freed")
    with desk.database.read_only() as db:
        asked = text(
            "SELECT t.name, a.explanation FROM assignments a JOIN trainers t ON t.id = a.trainer_id WHERE a.id = :id"
        )
        name, explanation = db.execute(asked, {"id": made.assignment_id}).one()
    assert made.trainer_name == name
    assert [verdict["reasons"] for verdict in explanation if verdict["trainer_id"] == str(made.trainer_id)] == [[]]
