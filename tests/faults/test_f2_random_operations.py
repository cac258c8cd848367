"""Everything at once: clients place, propose, approve, reject, withdraw, cancel and edit, jobs retry and expire;
courses under way get other trainers, move, lose and make up for sessions, and pause, one by one and several in one go.

Twenty trainers, families up to seven kilometres apart, start times around the two clock changes of New York, the hour
that does not exist and the hour that exists twice among them. What each client is about to ask follows from the seed;
afterwards the database may hold nothing forbidden, everything that was answered ``ok``, and nothing that was refused.
"""

from __future__ import annotations

import time as clock_time
from collections.abc import Callable, Sequence
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
from webapp.assignments.replacing import propose_substitute, replace_trainer
from webapp.assignments.service import Proposed
from webapp.bookings.models import Booking, CourseSession
from webapp.bookings.rules import CourseSessionStatus
from webapp.bookings.service import booking_to_change, edit_booking, place_booking
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict
from webapp.course_sessions.rescheduling import cancel_session, move_session, pause
from webapp.db.work import Work
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.service import lock_trainers

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
    "replace": 8,
    "substitute": 14,
    "move": 12,
    "cancel session": 6,
    "make up": 6,
    "pause": 6,
    "holiday": 4,
}
DECISIONS = {"approve": ("approved", "replaced"), "reject": ("rejected",), "withdraw": ("withdrawn",)}
"""What a decision makes of a proposal, and what may become of it then."""
WITHDRAWN_WITH = ("Moved away", "A wedding")
"""Proposals that were withdrawn because their booking or their session was cancelled."""


class Placed(NamedTuple):
    """A booking somebody made."""

    id: UUID
    home: Home


class Open(NamedTuple):
    """A proposal somebody made."""

    assignment_id: UUID
    booking_id: UUID
    by: Actor


class Stored(NamedTuple):
    """A session that counts, as somebody sees it."""

    id: UUID
    date: date
    timeslot: time
    status: CourseSessionStatus


@dataclass
class Board:
    """What the clients know of each other's doings: enough to get in each other's way."""

    bookings: list[Placed] = field(default_factory=list)
    taught: list[UUID] = field(default_factory=list)
    """Bookings somebody approved a trainer for."""
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
        if proposal := self._some(self.board.proposals):

            def approved(work: Work) -> bool:
                service.approve(work, proposal.assignment_id, version=1, by=self.by, now=self.now(), limits=LIMITS)
                return True

            if self._ask("approve", proposal.assignment_id, approved):
                self.board.put(self.board.taught, proposal.booking_id)

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

    def replace(self) -> None:
        """Another trainer for what remains of a course."""
        if booking_id := self._some(self.board.taught):
            version, whom, now = self._seen(booking_id), self.whom(), NOW + timedelta(minutes=self.rng.randrange(600))
            made = self._ask(
                "replace",
                booking_id,
                lambda work: replace_trainer(
                    work, booking_id, trainer_id=whom, version=version, reason="Ill", by=self.by, now=now, limits=LIMITS
                ),
                _facts,
            )
            self._remember(made)

    def substitute(self) -> None:
        """Another trainer for up to three sessions."""
        if booking_id := self._some(self.board.taught):
            version, whom, now = self._seen(booking_id), self.whom(), NOW + timedelta(minutes=self.rng.randrange(600))
            wanted = [session.id for session in self._sessions(booking_id, CourseSessionStatus.SCHEDULED, 3)]
            if not wanted:
                return  # the booking was cancelled
            made = self._ask(
                "substitute",
                booking_id,
                lambda work: propose_substitute(
                    work,
                    booking_id,
                    wanted,
                    trainer_id=whom,
                    version=version,
                    reason="Ill",
                    by=self.by,
                    now=now,
                    limits=LIMITS,
                ),
                _facts,
            )
            self._remember(made)

    def move(self) -> None:
        """A session at another time of some day."""
        if booking_id := self._some(self.board.taught):
            version = self._seen(booking_id)
            for session in self._sessions(booking_id, CourseSessionStatus.SCHEDULED):
                to_date = self.rng.choice(STARTS) + timedelta(days=self.rng.randrange(14))
                self._move("move", session, to_date, self.rng.choice(TIMES), version)

    def make_up(self) -> None:
        """A cancelled session comes back: at its own time, or at another."""
        if booking_id := self._some(self.board.taught):
            version = self._seen(booking_id)
            for session in self._sessions(booking_id, CourseSessionStatus.CANCELLED):
                on, at = session.date, session.timeslot
                if self.rng.random() < 0.4:
                    on, at = on + timedelta(days=self.rng.randrange(1, 14)), self.rng.choice(TIMES)
                self._move("make up", session, on, at, version)

    def _move(self, what: str, session: Stored, to_date: date, to_time: time, version: int) -> None:
        now = self.now()
        self._ask(
            what,
            session.id,
            lambda work: move_session(
                work, session.id, to_date, to_time, version=version, by=self.by, now=now, limits=LIMITS
            ),
            lambda successor: {"successor": successor},
        )

    def cancel_session(self) -> None:
        """A family cannot come."""
        if booking_id := self._some(self.board.taught):
            version, now = self._seen(booking_id), self.now()
            for session in self._sessions(booking_id, CourseSessionStatus.SCHEDULED):
                self._ask(
                    "cancel session",
                    session.id,
                    partial(
                        cancel_session,
                        session_id=session.id,
                        version=version,
                        reason="A wedding",
                        by=self.by,
                        now=now,
                    ),
                )

    def pause(self) -> None:
        """A family is away for a few days, and the series goes on after them."""
        if booking_id := self._some(self.board.taught):
            version, now = self._seen(booking_id), self.now()
            first, last = self._days()
            self._ask(
                "pause",
                booking_id,
                lambda work: pause(work, booking_id, first, last, version=version, by=self.by, now=now, limits=LIMITS),
                lambda sessions: {"sessions": sessions},
            )

    def holiday(self) -> None:
        """The courses that the days touch are paused in one go, all or none: bookings, then trainers, then verbs."""
        taught = sorted(set(self.board.taught[-5 * RECENT :]))
        chosen = sorted(self.rng.sample(taught, min(3, len(taught))))
        first, last = self._days()
        now = self.now()

        def all_of_them(work: Work) -> list[int]:
            versions = [booking_to_change(work.db, booking_id, by=self.by).version for booking_id in chosen]
            theirs = select(ScheduleSlot.trainer_id).where(ScheduleSlot.booking_id.in_(chosen)).distinct()
            lock_trainers(work.db, work.db.scalars(theirs).all())
            moved = []
            for booking_id, version in zip(chosen, versions, strict=True):
                try:
                    moved.append(
                        pause(work, booking_id, first, last, version=version, by=self.by, now=now, limits=LIMITS)
                    )
                except Conflict as refusal:
                    if refusal.code not in ("pause-nothing", "nothing-to-teach"):
                        raise
            if not moved:
                raise Conflict("pause-nothing", "These days touch no course.")
            return moved

        if len(chosen) > 1:
            self._ask(
                "holiday", len(chosen), all_of_them, lambda moved: {"courses": len(moved), "sessions": sum(moved)}
            )

    def _days(self) -> tuple[date, date]:
        first = self.rng.choice(STARTS) + timedelta(days=self.rng.randrange(9))
        return first, first + timedelta(days=self.rng.randrange(3))

    def _sessions(self, booking_id: UUID, status: CourseSessionStatus, most: int = 1) -> list[Stored]:
        """Some sessions of a booking, as they are a moment before the request."""
        columns = (CourseSession.id, CourseSession.date, CourseSession.timeslot, CourseSession.status)
        found = select(*columns).where(CourseSession.booking_id == booking_id, CourseSession.status == status)
        with self.world.database.read_only() as db:
            sessions = [Stored(*row) for row in db.execute(found.order_by(CourseSession.number))]
        return self.rng.sample(sessions, min(self.rng.randint(1, most), len(sessions)))

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
            self.board.put(self.board.proposals, Open(made.assignment_id, made.booking_id, by or self.by))

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
        *(
            at_least(f"{what}: granted", len(history.of(what, "ok")), "", sized(3, 30))
            for what in ("replace", "substitute", "move", "cancel session", "make up", "pause", "holiday")
        ),
        Row("deadlocks and lock timeouts, retried", world.sqlstates["40P01"] + world.sqlstates["55P03"], ""),
        at_most("tries of one operation", max(client.tries.most for client in clients), "", 3),
        *none_of(world.breaches()),
        *_as_told(world, history),
        at_most("slowest", history.slowest(), "s", 5),
    )


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _as_told(world: FaultWorld, history: History) -> list[Row]:
    """Each ``ok`` is in the database and no ``fail`` is: what clients and database say are the same sets."""
    found = []
    held = {event.facts["assignment"] for event in history.events if "assignment" in event.facts}
    stored = checkers.ids_with(world.address, "SELECT id FROM assignments")
    found.append(exactly("proposals told and stored: in one of both only", len(held ^ stored), 0))
    placed = {event.subject for event in history.of("propose at once", "ok")}
    stored = checkers.ids_with(world.address, "SELECT id FROM bookings")
    found.append(exactly("bookings told and stored: in one of both only", len(placed ^ stored), 0))
    for what, statuses in DECISIONS.items():
        told = {event.subject for event in history.of(what, "ok")}
        stored = checkers.ids_with(
            world.address,
            f"SELECT id FROM assignments WHERE status IN ({_quoted(statuses)})"
            f" AND coalesce(reason, '') NOT IN ({_quoted(WITHDRAWN_WITH)})",
        )
        if what == "approve":  # a substitute whose only session was cancelled was approved all the same
            stored |= checkers.ids_with(world.address, "SELECT id FROM assignments WHERE status = 'replaced'")
        found.append(exactly(f"{statuses[0]} told and stored: in one of both only", len(told ^ stored), 0))
    told = {event.subject for event in history.of("cancel", "ok")}
    stored = checkers.ids_with(world.address, "SELECT id FROM bookings WHERE status = 'cancelled'")
    found.append(exactly("cancelled told and stored: in one of both only", len(told ^ stored), 0))
    ended = sum(int(event.facts["ended"]) for event in history.of("expire", "ok"))
    stored = checkers.ids_with(world.address, "SELECT id FROM assignments WHERE status = 'expired'")
    found.append(exactly("expired told less expired stored", ended - len(stored), 0))
    successors = {event.facts["successor"] for what in ("move", "make up") for event in history.of(what, "ok")}
    stored = checkers.ids_with(world.address, "SELECT successor_id FROM course_sessions WHERE successor_id IS NOT NULL")
    found.append(exactly("successors told and not stored", len(successors - stored), 0))
    paused = sum(int(event.facts["sessions"]) for what in ("pause", "holiday") for event in history.of(what, "ok"))
    found.append(exactly("sessions moved told less moved stored", len(successors) + paused - len(stored), 0))
    told = {event.subject for event in history.of("cancel session", "ok")}
    stored = checkers.ids_told(world.address, "session.cancelled")
    found.append(exactly("sessions cancelled told and stored: in one of both only", len(told ^ stored), 0))
    pauses = len(history.of("pause", "ok")) + sum(int(event.facts["courses"]) for event in history.of("holiday", "ok"))
    stored = checkers.ids_with(world.address, "SELECT id FROM audit_entries WHERE what = 'booking.paused'")
    found.append(exactly("pauses told less pauses stored", pauses - len(stored), 0))
    edits = len(history.of("edit", "ok"))
    stored = checkers.ids_with(world.address, "SELECT id FROM audit_entries WHERE what = 'booking.edited'")
    found.append(exactly("edits told less edits stored", edits - len(stored), 0))
    return found
