"""Somebody books, edits or keeps apart while the family is erased: real connections, real commits.

Whoever comes first is whole, and whoever comes second hears a refusal; afterwards nothing tells who the family was.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from threading import Event
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.make import HOME
from tests.rooms.test_assignment_races import Desk, desk, refusals
from tests.web.client import NOW
from webapp.bookings import service as bookings
from webapp.bookings.rules import ClassType, DeliveryMode
from webapp.bookings.service import BookingCommand
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict
from webapp.db.work import Work
from webapp.desk.erasing import erase_family
from webapp.households import service as households
from webapp.households.rules import ErasureReason, StudentCommand
from webapp.households.service import RegisteredHousehold
from webapp.trainers import service as trainers

pytestmark = pytest.mark.race
__all__ = ["desk"]

Task = Callable[[Work], object]

LEFT = """
SELECT (SELECT count(*) FROM guardians g JOIN households h ON h.id = g.household_id WHERE h.erased_at IS NOT NULL)
     + (SELECT count(*) FROM students s JOIN households h ON h.id = s.household_id
        WHERE h.erased_at IS NOT NULL AND s.name <> U&'\\2421')
     + (SELECT count(*) FROM trainer_blocks b JOIN households h ON h.id = b.household_id WHERE h.erased_at IS NOT NULL)
     + (SELECT count(*) FROM bookings b JOIN households h ON h.id = b.household_id
        WHERE h.erased_at IS NOT NULL AND b.status NOT IN ('completed', 'cancelled'))
"""
"""What must not be there of an erased family."""


def erasing(household_id: UUID) -> Task:
    return lambda work: erase_family(work, household_id, reason=ErasureReason.MISTAKE, by=SYSTEM, now=NOW)


def booking(desk: Desk, family: RegisteredHousehold) -> Task:
    command = BookingCommand(
        household_id=family.household_id,
        student_ids=family.student_ids,
        course_id=desk.course_id,
        class_type=ClassType.ONE_ON_ONE,
        delivery_mode=DeliveryMode.WEEKDAY_DAILY,
        total_sessions=10,
        start_date=date(2027, 1, 4),
        timeslot=NOW.time(),
        address="12 Beach Road",
        place=HOME,
    )
    return lambda work: bookings.place_booking(work, command, by=SYSTEM, now=NOW)


def adding(_desk: Desk, family: RegisteredHousehold) -> Task:
    return lambda work: households.add_students(
        work, family.household_id, [StudentCommand("Meena")], by=SYSTEM, now=NOW
    )


def keeping_apart(desk: Desk, family: RegisteredHousehold) -> Task:
    (trainer_id,) = desk.trainers(1)
    return lambda work: trainers.block(work, trainer_id, family.household_id, "Why", by=SYSTEM, now=NOW)


ENTERING = {"a booking": booking, "a child": adding, "a block": keeping_apart}


@pytest.mark.parametrize("what", ENTERING)
def test_whatever_is_entered_at_the_same_moment_is_refused_or_erased_too(desk: Desk, what: str) -> None:
    for _round in range(6):
        family = desk.make.household()
        tasks = [erasing(family.household_id), ENTERING[what](desk, family)]
        outcomes = desk.at_once([partial(desk.database.retrying, task) for task in (*tasks, tasks[1])])
        assert set(refusals(outcomes)) <= {"household-erased", "household-live", "already-apart"}
        assert desk.number(LEFT) == 0


@pytest.mark.parametrize("what", ENTERING)
def test_what_waited_for_the_erasure_hears_of_it(desk: Desk, what: str) -> None:
    """The one who comes second looks before the first has committed, and must not go by what it saw."""
    family = desk.make.household()
    task = ENTERING[what](desk, family)
    asked = Event()

    def second() -> object:
        asked.wait(10)
        return desk.database.retrying(task)

    def first() -> object:
        with desk.database.unit_of_work() as work:
            done = erasing(family.household_id)(work)
            asked.set()
            _until_somebody_waits(desk)
            return done

    outcomes = desk.at_once([first, second])
    assert outcomes[0] is True
    assert refusals(outcomes) == {"household-erased": 1}
    assert desk.number(LEFT) == 0


@pytest.mark.parametrize("what", ["a booking"])
def test_without_the_lock_the_database_itself_refuses(desk: Desk, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later verb that forgets to look: the trigger waits for the erasure as the look would have."""
    from webapp.bookings import placing

    family = desk.make.household()
    monkeypatch.setattr(placing, "must_live_at", lambda *_: None)
    task = ENTERING[what](desk, family)
    asked = Event()
    heard: list[str] = []

    def second() -> object:
        asked.wait(10)
        try:
            return desk.database.retrying(task)
        except Exception as error:
            heard.append(str(error))
            raise Conflict("refused-by-the-database", "") from error

    def first() -> object:
        with desk.database.unit_of_work() as work:
            done = erasing(family.household_id)(work)
            asked.set()
            _until_somebody_waits(desk)
            return done

    assert refusals(desk.at_once([first, second])) == {"refused-by-the-database": 1}
    assert "is erased" in heard[0]
    assert desk.number(LEFT) == 0


def test_with_lock_and_trigger_gone_the_checker_finds_what_slips_in(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: without both, the query above has to see it, or it proves nothing."""
    from webapp.bookings import placing

    desk.as_owner("DROP TRIGGER not_of_erased ON bookings")
    monkeypatch.setattr(placing, "must_live_at", lambda *_: None)
    family = desk.make.household()
    with desk.database.unit_of_work() as work:
        erasing(family.household_id)(work)
    with desk.database.unit_of_work() as work:
        booking(desk, family)(work)
    assert desk.number(LEFT) == 1


def test_many_erasing_at_once_erase_once(desk: Desk) -> None:
    family = desk.make.household()
    outcomes = desk.at_once([partial(desk.database.retrying, erasing(family.household_id)) for _ in range(8)])
    assert sorted(map(str, outcomes)) == ["False"] * 7 + ["True"]
    assert desk.number("SELECT count(*) FROM audit_entries WHERE what = 'household.erased'") == 1


def _until_somebody_waits(desk: Desk) -> None:
    """Until another connection waits for a lock of ours."""
    waiting = (
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
        " WHERE NOT l.granted AND a.datname = current_database()"
    )
    with desk.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for _ in range(2000):
            if connection.execute(text(waiting)).scalar_one():
                return
            connection.execute(text("SELECT pg_sleep(0.002)"))
    raise AssertionError("nobody waits")
