"""Transactions over several trainers, in any order, among sweeps: nobody hears of a deadlock.

Each client has three bookings of its own and asks for three of ten trainers at once, in random order, all or none, then
takes them back. The recipe under test: bookings by id, then ``lock_trainers``, which sorts; then the verbs. That the
meters can count is shown by two clients who leave the recipe.
"""

from __future__ import annotations

import time as clock_time
from datetime import date, time, timedelta
from functools import partial
from itertools import count
from random import Random
from threading import Barrier
from typing import NamedTuple
from uuid import UUID

import pytest

from tests.bench.report import Row, at_least, at_most
from tests.faults.history import History
from tests.faults.world import (
    LIMITS,
    SEED,
    CountedTries,
    FaultWorld,
    client_actor,
    exactly,
    none_of,
    recorded,
    report,
    sized,
)
from tests.web.client import NOW
from webapp.assignments import service
from webapp.bookings.service import booking_to_change
from webapp.core.actor import Actor
from webapp.db.work import Work
from webapp.schedule.service import lock_trainer, lock_trainers

pytestmark = pytest.mark.faults

CLIENTS = 16
TRAINERS = 10
AT_ONCE = 3
OPERATIONS = sized(500, 5_000)
SECONDS = sized(45, 600)
STARTS = [time(9), time(9, 20), time(10), time(14)]


class Asked(NamedTuple):
    """One booking and the trainer it is to have."""

    booking_id: UUID
    trainer_id: UUID


def hold_all(work: Work, asked: list[Asked], by: Actor) -> list[UUID]:
    """Hold every trainer asked for, or none, by the recipe."""
    for booking_id in sorted(one.booking_id for one in asked):
        booking_to_change(work.db, booking_id, by=by)
    lock_trainers(work.db, [one.trainer_id for one in asked])
    held = []
    for one in asked:
        made = service.propose(work, one.booking_id, trainer_id=one.trainer_id, by=by, now=NOW, limits=LIMITS)
        assert made.assignment_id is not None
        held.append(made.assignment_id)
    return held


def take_back(work: Work, asked: list[Asked], held: list[UUID], by: Actor) -> bool:
    """Take all of them back, by the recipe."""
    for booking_id in sorted(one.booking_id for one in asked):
        booking_to_change(work.db, booking_id, by=by)
    lock_trainers(work.db, [one.trainer_id for one in asked])
    for assignment_id in held:
        service.withdraw(work, assignment_id, version=1, by=by, now=NOW)
    return True


def sweep(work: Work) -> int:
    """Many trainers in one transaction, as the sweeper takes them."""
    return service.expire_due(work, now=NOW + timedelta(hours=LIMITS.hold_hours), limit=4)


class Client:
    """Asks for three trainers, takes them back, and now and then sweeps."""

    def __init__(self, number: int, world: FaultWorld, history: History, trainers: list[UUID]) -> None:
        self.number = number
        self.by = client_actor(number)
        self.history = history
        self.trainers = trainers
        self.rng = Random(f"{SEED} {number}")
        self.tries = CountedTries(world.database)
        homes = world.homes(AT_ONCE)
        self.bookings = [world.place(home, date(2027, 3, 10), self.rng.choice(STARTS), self.by).id for home in homes]

    def run(self, tickets: count[int], ends: float) -> None:
        """Until all is done or the time is up."""
        while next(tickets) < OPERATIONS and clock_time.monotonic() < ends:
            chosen = self.rng.sample(self.trainers, AT_ONCE)
            asked = [Asked(*pair) for pair in zip(self.bookings, chosen, strict=True)]
            self.rng.shuffle(asked)
            request = partial(self.tries.retrying, partial(hold_all, asked=asked, by=self.by))
            held = self.history.ask(self.number, "hold", self.number, request)
            if self.rng.random() < 0.1:
                self.history.ask(self.number, "sweep", "", partial(self.tries.retrying, sweep))
            if held:
                back = partial(take_back, asked=asked, held=held, by=self.by)
                if not self.history.ask(self.number, "take back", self.number, partial(self.tries.retrying, back)):
                    self._take_back_the_rest(held)

    def _take_back_the_rest(self, held: list[UUID]) -> None:
        """Where a sweep ended some of them first, taking back all was refused: take back those that are left."""
        for assignment_id in held:
            verb = partial(service.withdraw, assignment_id=assignment_id, version=1, by=self.by, now=NOW)
            self.history.ask(self.number, "tidy", assignment_id, partial(self.tries.retrying, verb))


def test_three_of_ten_trainers_in_any_order_and_nobody_hears_of_a_deadlock(world: FaultWorld) -> None:
    trainers = world.trainers(TRAINERS)
    world.warm_up(CLIENTS)
    with recorded("multi_trainer") as history:
        clients = [Client(n, world, history, trainers) for n in range(CLIENTS)]
        tickets, began = count(), clock_time.monotonic()
        world.at_once([partial(client.run, tickets, began + SECONDS) for client in clients])
    answers = history.outcomes()
    print(dict(answers.most_common()))
    for error in history.unexpected[:3]:
        print(repr(error)[:2000])
    asked = history.outcomes("hold")
    report(
        "multi_trainer",
        at_least("requests for three trainers", asked.total(), "", sized(300, 3_000)),
        at_least("of these held", asked["ok"], "", asked.total() // 20),
        exactly("errors nobody expected", len(history.unexpected), 0),
        exactly("answered too-busy", answers["too-busy"], 0),
        Row("deadlocks seen by the server", world.sqlstates["40P01"], "", "0", world.sqlstates["40P01"] == 0),
        Row("lock timeouts, retried", world.sqlstates["55P03"], ""),
        at_most("tries of one request", max(client.tries.most for client in clients), "", 3),
        at_most("slowest", history.slowest(), "s", 5),
        *none_of(world.breaches()),
    )


def test_two_who_lock_two_trainers_crosswise_deadlock_and_the_retry_cures_it(world: FaultWorld) -> None:
    one, other = world.trainers(2)
    world.warm_up(2)
    both_hold_one = Barrier(2)
    tries = [CountedTries(world.database) for _ in range(2)]

    def crosswise(number: int) -> str:
        first = True

        def task(work: Work) -> str:
            nonlocal first
            mine, theirs = (one, other) if number == 0 else (other, one)
            lock_trainer(work.db, mine)
            if first:
                first = False
                both_hold_one.wait(10)
            lock_trainer(work.db, theirs)
            return "done"

        return tries[number].retrying(task)

    assert world.at_once([partial(crosswise, 0), partial(crosswise, 1)]) == ["done", "done"]
    assert world.sqlstates["40P01"] == 1
    assert sorted(counted.most for counted in tries) == [1, 2]
