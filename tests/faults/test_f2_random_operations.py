"""Everything at once: clients place, propose, approve, reject, withdraw, cancel and edit, jobs retry and expire.

Twenty trainers, families up to seven kilometres apart, start times around the two clock changes of New York, the hour
that does not exist and the hour that exists twice among them. What each client is about to ask follows from the seed;
afterwards the database may hold nothing forbidden, everything that was answered ``ok``, and nothing that was refused.
"""

from __future__ import annotations

import time as clock_time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import count
from random import Random
from threading import Lock
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.bench.report import Row, at_least, at_most
from tests.faults import checkers
from tests.faults.history import History
from tests.faults.world import (
    LIMITS,
    SEED,
    CountedTries,
    FaultWorld,
    Home,
    client_actor,
    exactly,
    none_of,
    recorded,
    report,
    sized,
)
from tests.web.client import NOW
from webapp.assignments import service, waitlist
from webapp.assignments.service import Proposed
from webapp.bookings.models import Booking
from webapp.bookings.service import edit_booking, place_booking
from webapp.core.actor import SYSTEM, Actor
from webapp.db.work import Work

pytestmark = pytest.mark.faults

CLIENTS = 32
TRAINERS = 20
OPERATIONS = sized(5_000, 50_000)
SECONDS = sized(60, 1100)
"""However slow the machine: no new operation after so long. How many there were is in the report."""
STARTS = [date(2027, 3, day) for day in range(6, 15)] + [date(2027, 10, 30), date(2027, 11, 2), date(2027, 11, 7)]
TIMES = [time(hour, minute) for hour in (1, 2, 3, 9, 16) for minute in (0, 10, 30, 40)]
"""12 starts × 20 times of day: 240 courses that somebody may want, most in each other's way."""
RECENT = 40
OPERATION = {
    "propose at once": 26,
    "propose": 18,
    "approve": 16,
    "reject": 10,
    "withdraw": 10,
    "cancel": 8,
    "edit": 10,
    "retry": 6,
    "expire": 2,
}
DECISIONS = {"approve": "approved", "reject": "rejected", "withdraw": "withdrawn"}


class Placed(NamedTuple):
    """A booking somebody made."""

    id: UUID
    home: Home


class Open(NamedTuple):
    """A proposal somebody made."""

    assignment_id: UUID
    by: Actor


@dataclass
class Board:
    """What the clients know of each other's doings: enough to get in each other's way."""

    bookings: list[Placed] = field(default_factory=list)
    proposals: list[Open] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def put(self, what: list[Any], found: object) -> None:
        """Tell the others."""
        with self._lock:
            what.append(found)


class Client:
    """One of the clients: a person with a seed of their own."""

    def __init__(
        self, number: int, world: FaultWorld, board: Board, history: History, trainers: list[UUID], homes: list[Home]
    ) -> None:
        self.number = number
        self.by: Actor = client_actor(number)
        self.world = world
        self.board = board
        self.history = history
        self.trainers = trainers
        self.homes = homes
        self.rng = Random(f"{SEED} {number}")
        self.tries = CountedTries(world.database)

    def run(self, tickets: count[int], ends: float) -> None:
        """One operation after the other until all are done or the time is up."""
        names, weights = list(OPERATION), list(OPERATION.values())
        while next(tickets) < OPERATIONS and clock_time.monotonic() < ends:
            (name,) = self.rng.choices(names, weights)
            wanted: Callable[[], None] = getattr(self, name.replace(" ", "_"))
            wanted()

    def now(self) -> datetime:
        """Some moment of the first two days: holds may have ended meanwhile."""
        return NOW + timedelta(minutes=self.rng.randrange(0, 49 * 60))

    def whom(self) -> UUID | None:
        """A trainer, or the best there is."""
        return self.rng.choice(self.trainers) if self.rng.random() < 0.5 else None

    def propose_at_once(self) -> None:
        """A new booking, and its trainer, in one transaction."""
        home = self.rng.choice(self.homes)
        command = self.world.command(home, self.rng.choice(STARTS), self.rng.choice(TIMES), UUID(int=self._id()))
        whom, now = self.whom(), NOW + timedelta(minutes=self.rng.randrange(0, 600))
        assert command.id is not None
        booking_id = command.id

        def both(work: Work) -> Proposed:
            place_booking(work, command, by=self.by, now=now)
            return service.propose(work, booking_id, trainer_id=whom, by=self.by, now=now, limits=LIMITS)

        made = self._ask("propose at once", booking_id, both, _facts)
        if made is not None:
            self.board.put(self.board.bookings, Placed(booking_id, home))
            self._remember(made)

    def propose(self) -> None:
        """A trainer for a booking that may be waiting."""
        if booking := self._some(self.board.bookings):
            whom, now = self.whom(), NOW + timedelta(minutes=self.rng.randrange(0, 600))
            made = self._ask(
                "propose",
                booking.id,
                lambda work: service.propose(work, booking.id, trainer_id=whom, by=self.by, now=now, limits=LIMITS),
                _facts,
            )
            self._remember(made)

    def approve(self) -> None:
        """Approve somebody's proposal."""
        self._decide("approve", lambda work, id_: service.approve(
            work, id_, version=1, by=self.by, now=self.now(), limits=LIMITS))  # fmt: skip

    def reject(self) -> None:
        """Reject somebody's proposal."""
        self._decide("reject", lambda work, id_: service.reject(
            work, id_, version=1, reason="No", by=self.by, now=self.now()))  # fmt: skip

    def withdraw(self) -> None:
        """Take a proposal back in its proposer's name."""
        if proposal := self._some(self.board.proposals):
            by = proposal.by
            self._ask(
                "withdraw",
                proposal.assignment_id,
                lambda work: service.withdraw(work, proposal.assignment_id, version=1, by=by, now=self.now()),
            )

    def cancel(self) -> None:
        """Cancel a booking as it was seen a moment ago."""
        if booking := self._some(self.board.bookings):
            version = self._seen(booking.id)
            self._ask(
                "cancel",
                booking.id,
                lambda work: service.cancel_booking(
                    work, booking.id, version=version, reason="Moved away", by=self.by, now=self.now()
                ),
            )

    def edit(self) -> None:
        """Give a waiting booking another time."""
        if booking := self._some(self.board.bookings):
            version = self._seen(booking.id)
            command = self.world.command(booking.home, self.rng.choice(STARTS), self.rng.choice(TIMES), booking.id)
            self._ask(
                "edit",
                booking.id,
                lambda work: edit_booking(work, booking.id, command, version=version, by=self.by, now=NOW),
            )

    def retry(self) -> None:
        """Freed capacity is offered to a booking that waits, as the worker does it."""
        if booking := self._some(self.board.bookings):
            now = NOW + timedelta(minutes=self.rng.randrange(0, 600))
            made = self._ask(
                "retry", booking.id, lambda work: waitlist.retry(work, booking.id, now=now, limits=LIMITS), _facts
            )
            self._remember(made, SYSTEM)

    def expire(self) -> None:
        """The sweeper's round, over a few of those that are due."""
        now = NOW + timedelta(hours=48, minutes=self.rng.randrange(0, 600))
        self._ask(
            "expire",
            "",
            lambda work: service.expire_due(work, now=now, limit=5),
            lambda ended: {"ended": ended},
        )

    def _decide(self, what: str, verb: Callable[[Work, UUID], None]) -> None:
        if proposal := self._some(self.board.proposals):
            self._ask(what, proposal.assignment_id, lambda work: verb(work, proposal.assignment_id))

    def _ask(
        self,
        what: str,
        subject: object,
        task: Callable[[Work], Any],
        told: Callable[[Any], dict[str, Any]] | None = None,
    ) -> Any:
        request = partial(self.tries.retrying, task)
        return self.history.ask(self.number, what, subject, request, told or (lambda answer: {}))

    def _remember(self, made: Proposed | None, by: Actor | None = None) -> None:
        if made is not None and made.assignment_id is not None:
            self.board.put(self.board.proposals, Open(made.assignment_id, by or self.by))

    def _some(self, of: list[Any]) -> Any:
        """One of the newest, so that several are after the same one."""
        recent = of[-RECENT:]
        return self.rng.choice(recent) if recent else None

    def _seen(self, booking_id: UUID) -> int:
        with self.world.database.read_only() as db:
            return db.scalars(select(Booking.version).where(Booking.id == booking_id)).one()

    def _id(self) -> int:
        """An id the client chose, in the shape of the desk's."""
        return (0x0194 << 112) | (7 << 76) | (2 << 62) | self.rng.getrandbits(60)


def _facts(made: Proposed | None) -> dict[str, Any]:
    if made is None:
        return {}
    return {"assignment": made.assignment_id, "trainer": made.trainer_id, "status": made.status}


def test_random_operations_leave_nothing_forbidden_and_all_that_was_answered(world: FaultWorld) -> None:
    trainers, homes = world.trainers(TRAINERS), world.homes(10)
    world.warm_up(CLIENTS)
    with recorded("random_operations") as history:
        board, tickets = Board(), count()
        clients = [Client(n, world, board, history, trainers, homes) for n in range(CLIENTS)]
        began = clock_time.monotonic()
        world.at_once([partial(client.run, tickets, began + SECONDS) for client in clients])
        took = clock_time.monotonic() - began
    answers = history.outcomes()
    print(dict(answers.most_common()))
    for error in history.unexpected[:3]:
        print(repr(error)[:2000])
    held = [event for event in history.events if "assignment" in event.facts]
    report(
        "random_operations",
        at_least("operations", len(history.events), "", sized(1_500, 15_000)),
        Row("operations a second", len(history.events) / took, "1/s"),
        at_least("proposals held", len(held), "", len(history.events) // 20),
        Row("refusals", sum(event.outcome == "fail" for event in history.events), ""),
        exactly("errors nobody expected", len(history.unexpected), 0),
        exactly("answered too-busy", answers["too-busy"], 0),
        Row("deadlocks and lock timeouts, retried", world.sqlstates["40P01"] + world.sqlstates["55P03"], ""),
        at_most("tries of one operation", max(client.tries.most for client in clients), "", 3),
        *none_of(world.breaches()),
        *_as_told(world, history),
        at_most("slowest", history.slowest(), "s", 5),
    )


def _as_told(world: FaultWorld, history: History) -> list[Row]:
    """Each ``ok`` is in the database and no ``fail`` is: what clients and database say are the same sets."""
    found = []
    held = {event.facts["assignment"] for event in history.events if "assignment" in event.facts}
    stored = checkers.ids_with(world.address, "SELECT id FROM assignments")
    found.append(exactly("proposals told and stored: in one of both only", len(held ^ stored), 0))
    placed = {event.subject for event in history.of("propose at once", "ok")}
    stored = checkers.ids_with(world.address, "SELECT id FROM bookings")
    found.append(exactly("bookings told and stored: in one of both only", len(placed ^ stored), 0))
    for what, status in DECISIONS.items():
        told = {event.subject for event in history.of(what, "ok")}
        stored = checkers.ids_with(
            world.address,
            f"SELECT id FROM assignments WHERE status = '{status}' AND reason IS DISTINCT FROM 'Moved away'",
        )
        found.append(exactly(f"{status} told and stored: in one of both only", len(told ^ stored), 0))
    told = {event.subject for event in history.of("cancel", "ok")}
    stored = checkers.ids_with(world.address, "SELECT id FROM bookings WHERE status = 'cancelled'")
    found.append(exactly("cancelled told and stored: in one of both only", len(told ^ stored), 0))
    ended = sum(int(event.facts["ended"]) for event in history.of("expire", "ok"))
    stored = checkers.ids_with(world.address, "SELECT id FROM assignments WHERE status = 'expired'")
    found.append(exactly("expired told less expired stored", ended - len(stored), 0))
    edits = len(history.of("edit", "ok"))
    stored = checkers.ids_with(world.address, "SELECT id FROM audit_entries WHERE what = 'booking.edited'")
    found.append(exactly("edits told less edits stored", edits - len(stored), 0))
    return found
