"""Lock, look, write: on one connection and in one transaction, in this order (rule A3).

Every statement of a verb is watched on its way to the server, with the connection and the transaction it runs in. The
controls look on another connection, or before the lock, and have to be found out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from tests.rooms.test_assignment_races import LIMITS, Desk, desk
from tests.rooms.test_change_races import Course, course_of
from tests.web.client import NOW
from webapp.assignments import service, waitlist
from webapp.assignments.queries.candidates import candidates
from webapp.assignments.rules import Verdict
from webapp.course_sessions import successors
from webapp.db.work import read_only
from webapp.schedule import service as schedule

__all__ = ["desk"]

pytestmark = pytest.mark.race


@dataclass(frozen=True, slots=True)
class Step:
    """What a statement does, on which connection (its server process), and in which transaction of that connection."""

    kind: str
    connection: int
    transaction: int


def kind_of(statement: str) -> str | None:
    """A lock on trainers, a look at whether one can teach, or a write of slots; anything else is no matter."""
    if "FOR NO KEY UPDATE" in statement and "trainers" in statement:
        return "lock"
    if "(only)s" in statement and "FROM trainers AS t" in statement:
        return "look"
    if "INSERT INTO schedule_slots" in statement or statement.startswith("UPDATE schedule_slots"):
        return "write"
    return None


@contextmanager
def watched(engine: Engine) -> Iterator[list[Step]]:
    """The steps that the block takes on an engine."""
    steps: list[Step] = []
    begun: dict[int, int] = {}

    def pid(connection: Connection) -> int:
        driver: Any = connection.connection.driver_connection
        return int(driver.info.backend_pid)

    def begin(connection: Connection) -> None:
        begun[pid(connection)] = begun.get(pid(connection), 0) + 1

    def note(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        if kind := kind_of(statement):
            steps.append(Step(kind, pid(connection), begun.get(pid(connection), 0)))

    event.listen(engine, "begin", begin)
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield steps
    finally:
        event.remove(engine, "begin", begin)
        event.remove(engine, "before_cursor_execute", note)


def breaches(steps: list[Step]) -> list[str]:
    """The writes without a look before them, or with a look that no lock came before, in the very same transaction."""
    found = []
    for at, step in enumerate(steps):
        if step.kind != "write":
            continue
        before = [
            one.kind for one in steps[:at] if (one.connection, one.transaction) == (step.connection, step.transaction)
        ]
        if "look" not in before or "lock" not in before[: before.index("look")]:
            found.append(f"wrote after {before}")
    return found


def proposes(desk: Desk) -> Callable[[], object]:
    desk.trainers(2)
    (booking,) = desk.bookings(1)
    return lambda: desk.propose(booking)


def proposes_by_name(desk: Desk) -> Callable[[], object]:
    trainer_id, _other = desk.trainers(2)
    (booking,) = desk.bookings(1)
    return lambda: desk.propose(booking, trainer_id)


def retries_the_waitlist(desk: Desk) -> Callable[[], object]:
    desk.trainers(1)
    (booking,) = desk.bookings(1)
    return lambda: desk.database.retrying(lambda work: waitlist.retry(work, booking.id, now=NOW, limits=LIMITS))


def approves(desk: Desk) -> Callable[[], object]:
    desk.trainers(1)
    (booking,) = desk.bookings(1)
    made = desk.propose(booking)
    assert made.assignment_id is not None
    id_ = made.assignment_id
    return lambda: desk.approve(id_)


def _course(desk: Desk) -> Course:
    return course_of(desk, desk.trainers(1)[0])


def replaces(desk: Desk) -> Callable[[], object]:
    course = _course(desk)
    desk.trainers(1)
    return course.replace(None, course.version)


def approves_a_replacement(desk: Desk) -> Callable[[], object]:
    course = _course(desk)
    return course.approve(course.open_proposal(desk.trainers(1)[0]))


def proposes_a_substitute(desk: Desk) -> Callable[[], object]:
    course = _course(desk)
    return course.substitute(3, desk.trainers(1)[0], course.version)


def moves_a_session(desk: Desk) -> Callable[[], object]:
    course = _course(desk)
    return course.move(3, date(2027, 1, 22), course.version)


def pauses(desk: Desk) -> Callable[[], object]:
    course = _course(desk)
    return course.pause(course.version)


VERBS = (
    proposes,
    proposes_by_name,
    retries_the_waitlist,
    approves,
    replaces,
    approves_a_replacement,
    proposes_a_substitute,
    moves_a_session,
    pauses,
)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_a_trainer_is_locked_then_looked_at_then_taken_in_one_transaction(
    desk: Desk, verb: Callable[[Desk], Callable[[], object]]
) -> None:
    task = verb(desk)
    with watched(desk.engine) as steps:
        task()
    assert "write" in [step.kind for step in steps]
    assert breaches(steps) == []


def elsewhere(_db: object, *args: Any, **how: Any) -> list[Verdict]:
    """The same look, on a connection of its own."""
    with read_only() as other:
        return candidates(other, *args, **how)


@pytest.mark.parametrize("verb", [proposes, moves_a_session], ids=lambda verb: verb.__name__)
def test_a_look_on_another_connection_is_found_out(
    desk: Desk, verb: Callable[[Desk], Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = verb(desk)
    for module in (service, successors):
        monkeypatch.setattr(module, "candidates", elsewhere)
    with watched(desk.engine) as steps:
        task()
    assert breaches(steps)


def test_a_look_before_the_lock_is_found_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    task = moves_a_session(desk)
    monkeypatch.setattr(schedule, "lock_trainers", lambda db, trainer_ids: None)
    with watched(desk.engine) as steps:
        task()
    assert breaches(steps)
