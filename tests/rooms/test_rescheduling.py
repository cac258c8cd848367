"""Sessions moved, cancelled and made up for, and a series paused, on a real database (rules A7, B8 and S1)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.make import Make
from tests.rooms.test_replacing import LIMITS, Taught, rows, taught_by
from tests.web.client import NOW
from webapp.course_sessions import rescheduling
from webapp.course_sessions.rescheduling import MoveAnswer, PauseAnswer
from webapp.db.work import read_only, unit_of_work


class Desk:
    """A taught booking, and staff who change its times."""

    def __init__(self, taught: Taught) -> None:
        self.taught = taught

    def move(self, number: int, to_date: date, to_time: time = time(16), **how: Any) -> UUID:
        """Staff move a session."""
        (session_id,) = self.taught.ids(number)
        with unit_of_work() as work:
            return rescheduling.move_session(
                work,
                how.get("session_id", session_id),
                to_date,
                to_time,
                version=how.get("version", self.taught.version),
                by=how.get("by", self.taught.staff),
                now=how.get("now", NOW),
                limits=LIMITS,
            )

    def move_answer(self, number: int, to_date: date, to_time: time = time(16), now: datetime = NOW) -> MoveAnswer:
        """What the move would come to."""
        (session_id,) = self.taught.ids(number)
        with read_only() as db:
            return rescheduling.move_answer(
                db, session_id, to_date, to_time, visible_to=self.taught.staff, now=now, limits=LIMITS
            )

    def cancel(self, number: int, **how: Any) -> None:
        """Staff cancel a session."""
        (session_id,) = self.taught.ids(number)
        with unit_of_work() as work:
            rescheduling.cancel_session(
                work,
                session_id,
                version=how.get("version", self.taught.version),
                reason=how.get("reason", "A wedding"),
                by=how.get("by", self.taught.staff),
                now=how.get("now", NOW),
            )

    def pause(self, from_date: date, to_date: date, **how: Any) -> int:
        """Staff pause the series."""
        with unit_of_work() as work:
            return rescheduling.pause(
                work,
                self.taught.booking.id,
                from_date,
                to_date,
                version=how.get("version", self.taught.version),
                by=how.get("by", self.taught.staff),
                now=how.get("now", NOW),
                limits=LIMITS,
            )

    def pause_answer(self, from_date: date, to_date: date, now: datetime = NOW) -> PauseAnswer:
        """What the pause would come to."""
        with read_only() as db:
            return rescheduling.pause_answer(
                db, self.taught.booking.id, from_date, to_date, visible_to=self.taught.staff, now=now, limits=LIMITS
            )

    def calendar(self) -> dict[int, tuple[date, time, str]]:
        """Date, time and status of the session that counts for each number."""
        found = rows(
            "SELECT number, date, timeslot, status FROM course_sessions"
            " WHERE booking_id = :id AND status <> 'rescheduled'",
            id=self.taught.booking.id,
        )
        return {number: (on, at, status) for number, on, at, status in found}


@pytest.fixture
def desk(make: Make) -> Desk:
    return Desk(taught_by(make))


def jan(day: int) -> date:
    return date(2027, 1, day)


def test_a_moved_session_has_a_successor_and_its_trainer_moves_along(desk: Desk) -> None:
    (old,) = desk.taught.ids(3)
    before = desk.taught.version
    new = desk.move(3, jan(20), time(9))
    assert desk.taught.ids(3) == [new]
    assert desk.calendar()[3] == (jan(20), time(9), "scheduled")
    assert rows("SELECT status, successor_id FROM course_sessions WHERE id = :id", id=old) == [("rescheduled", new)]
    assert desk.taught.slots() == dict.fromkeys(range(1, 11), desk.taught.trainer_id)
    assert rows("SELECT count(*) FROM schedule_slots WHERE course_session_id = :id", id=old) == [(0,)]
    assert desk.taught.version == before + 1


def test_a_cancelled_session_comes_back_at_its_own_time(desk: Desk) -> None:
    desk.cancel(3)
    assert desk.calendar()[3] == (jan(6), time(16), "cancelled")
    assert 3 not in desk.taught.slots()
    desk.move(3, jan(6), time(16))
    assert desk.calendar()[3] == (jan(6), time(16), "scheduled")
    assert desk.taught.slots()[3] == desk.taught.trainer_id


def test_a_paused_series_goes_on_after_the_pause(desk: Desk) -> None:
    answer = desk.pause_answer(jan(6), jan(8))
    assert [session.number for session in answer.before] == list(range(3, 11))
    assert answer.trainer.eligible
    assert desk.pause(jan(6), jan(8)) == 8
    assert [on for on, _, _ in (desk.calendar()[n] for n in range(1, 11))] == [
        jan(4),
        jan(5),
        *(jan(day) for day in range(9, 17)),
    ]
    assert desk.taught.slots() == dict.fromkeys(range(1, 11), desk.taught.trainer_id)


def test_the_answer_to_a_move_names_free_times_and_others(desk: Desk) -> None:
    other = desk.taught.trainer("Bela")
    answer = desk.move_answer(3, jan(20), time(9))
    assert answer.trainer.eligible
    assert answer.trainer.trainer_id == desk.taught.trainer_id
    assert [verdict.trainer_id for verdict in answer.others] == [other]
    assert answer.free_times[0] == time(7)
    assert answer.free_times[-1] == time(20, 20)
    assert len(answer.free_times) == 41
    same_day = desk.move_answer(3, jan(5), time(10), now=NOW + timedelta(days=4))
    assert same_day.free_times[0] == time(9, 20)
    assert not {time(15, 40), time(16), time(16, 20)} & set(same_day.free_times)
