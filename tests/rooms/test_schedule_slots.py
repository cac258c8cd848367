"""What the database itself forbids (rule A2), without any service to be polite about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.make import Make
from tests.web.client import NOW
from webapp.assignments.limits import Limits
from webapp.assignments.queries.cover import CoverReason, needs_cover
from webapp.assignments.service import approve, propose
from webapp.bookings.service import PlacedBooking
from webapp.core.actor import SYSTEM
from webapp.core.ids import new_id
from webapp.core.intervals import Interval
from webapp.db.base import constraint_of
from webapp.db.work import Database, read_only, unit_of_work
from webapp.schedule import service as schedule
from webapp.schedule.models import NO_OVERLAP, SAME_START
from webapp.schedule.rules import SlotStatus
from webapp.trainers import service as trainers

INSERT = text(
    "INSERT INTO schedule_slots (id, operator_id, trainer_id, booking_id, course_session_id, assignment_id, status,"
    " period, date, timeslot, buffer_minutes) SELECT gen_random_uuid(), s.operator_id, :trainer_id, s.booking_id, s.id,"
    " (SELECT id FROM assignments WHERE booking_id = s.booking_id), :status,"
    " CAST(:period AS tstzrange), :date, :timeslot, 0"
    " FROM course_sessions s WHERE s.booking_id = :booking_id AND s.number = :number"
)
DAY = date(2027, 6, 7)


@dataclass
class Board:
    """Two trainers, and a booking with a proposal whose sessions lend their ids to hand-made slots."""

    trainer_id: UUID
    other_id: UUID
    booking: PlacedBooking

    def put(
        self,
        number: int,
        starts: time,
        ends: time,
        *,
        status: SlotStatus = SlotStatus.HELD,
        trainer_id: UUID | None = None,
        bounds: str = "[)",
        timeslot: time | None = None,
    ) -> None:
        """Insert a slot of 7 June 2027, UTC, past every service."""
        at = [datetime.combine(DAY, clock, UTC).isoformat() for clock in (starts, ends)]
        with unit_of_work() as work:
            work.db.execute(
                INSERT,
                {
                    "trainer_id": trainer_id or self.trainer_id,
                    "status": status.value,
                    "period": f"{bounds[0]}{at[0]},{at[1]}{bounds[1]}",
                    "date": DAY,
                    "timeslot": timeslot or starts,
                    "booking_id": self.booking.id,
                    "number": number,
                },
            )

    def refused(self, *args: object, **kwargs: object) -> str | None:
        """The constraint that refuses the slot."""
        with pytest.raises(IntegrityError) as error:
            self.put(*args, **kwargs)  # type: ignore[arg-type]
        return constraint_of(error.value)


@pytest.fixture
def board(make: Make) -> Board:
    zone_id, course_id = make.zone(), make.course()
    one, other = (make.trainer((zone_id,), (course_id,)) for _ in range(2))
    booking = make.booking(zone_id=zone_id, course_id=course_id)
    make.proposal(booking, one)
    # The sessions' own slots go, so that hand-made ones can stand for them.
    with unit_of_work() as work:
        work.db.execute(text("DELETE FROM schedule_slots"))
    return Board(one, other, booking)


@pytest.mark.parametrize("first", SlotStatus)
@pytest.mark.parametrize("second", SlotStatus)
def test_two_overlapping_slots_of_one_trainer_are_refused_held_or_booked(
    board: Board, first: SlotStatus, second: SlotStatus
) -> None:
    board.put(1, time(9), time(9, 40), status=first)
    assert board.refused(2, time(9, 20), time(10), status=second) == NO_OVERLAP


def test_back_to_back_slots_are_allowed(board: Board) -> None:
    board.put(1, time(9), time(9, 40))
    board.put(2, time(9, 40), time(10, 20))
    board.put(3, time(8, 20), time(9))


def test_the_same_time_of_another_trainer_is_free(board: Board) -> None:
    board.put(1, time(9), time(9, 40))
    board.put(2, time(9), time(9, 40), trainer_id=board.other_id)


def test_the_same_local_start_is_refused_even_where_the_periods_do_not_meet(board: Board) -> None:
    board.put(1, time(9), time(9, 40))
    assert board.refused(2, time(12), time(12, 40), timeslot=time(9)) == SAME_START


@pytest.mark.parametrize("status", SlotStatus)
def test_a_course_session_takes_one_trainer_and_one_proposed_instead(board: Board, status: SlotStatus) -> None:
    board.put(1, time(9), time(9, 40), status=SlotStatus.HELD)
    board.put(1, time(9), time(9, 40), status=SlotStatus.BOOKED, trainer_id=board.other_id)
    refused = board.refused(1, time(12), time(12, 40), status=status)
    assert refused == "uq_schedule_slots_course_session_id_status"


@pytest.mark.parametrize(
    ("starts", "ends", "bounds"),
    [(time(9), time(9), "[)"), (time(9), time(9, 40), "[]"), (time(9), time(9, 40), "()")],
)
def test_a_period_is_half_open_and_not_empty(board: Board, starts: time, ends: time, bounds: str) -> None:
    assert board.refused(1, starts, ends, bounds=bounds) == "ck_schedule_slots_period"


def test_a_trainer_of_another_operator_cannot_take_a_session(board: Board, make: Make) -> None:
    franchise = make.franchise()
    stranger = make.trainer((make.zone(operator_id=franchise),), (make.course(),), operator_id=franchise)
    refused = board.refused(1, time(9), time(9, 40), trainer_id=stranger)
    assert refused == "fk_schedule_slots_operator_id_trainer_id"


def test_nine_twenty_conflicts_with_nine_and_nine_forty_does_not(make: Make) -> None:
    """Example 7, through the services."""
    zone_id, course_id = make.zone(), make.course()
    make.trainer((zone_id,), (course_id,))
    at_nine, at_twenty, at_forty = (
        make.booking(zone_id=zone_id, course_id=course_id, timeslot=start)
        for start in (time(9), time(9, 20), time(9, 40))
    )
    with unit_of_work() as work:
        made = [
            propose(work, booking.id, trainer_id=None, by=SYSTEM, now=NOW, limits=Limits())
            for booking in (at_nine, at_twenty, at_forty)
        ]
    assert [proposed.assignment_id is not None for proposed in made] == [True, False, True]


def test_example_8_sick_leave_over_five_booked_sessions_is_stored_and_they_need_cover(make: Make) -> None:
    """Being ill is a fact, whatever is booked."""
    zone_id, course_id = make.zone(), make.course()
    trainer_id = make.trainer((zone_id,), (course_id,))
    booking = make.booking(zone_id=zone_id, course_id=course_id)
    proposed = make.proposal(booking, trainer_id)
    assert proposed.assignment_id is not None
    with unit_of_work() as work:
        approve(work, proposed.assignment_id, version=1, by=make.admin().actor, now=NOW, limits=Limits())
    staff, stranger = make.staff().actor, make.manager().actor
    with read_only() as db:
        assert needs_cover(db, now=NOW, limit=25, visible_to=staff) == ([], 0)
    ill = Interval(datetime(2027, 1, 6, tzinfo=UTC), datetime(2027, 1, 11, tzinfo=UTC))
    with unit_of_work() as work:
        trainers.record_time_off(work, trainer_id, ill, "fever", by=SYSTEM, now=NOW)
    with read_only() as db:
        hit = text(
            "SELECT count(*) FROM schedule_slots s JOIN time_off t USING (trainer_id) WHERE s.period && t.period"
        )
        assert db.execute(hit).scalar_one() == 5
        found, total = needs_cover(db, now=NOW, limit=25, visible_to=staff)
        assert ([session.number for session in found], total) == ([3, 4, 5, 6, 7], 5)
        assert {session.reason for session in found} == {CoverReason.OFF}
        assert needs_cover(db, now=NOW, limit=25, visible_to=stranger) == ([], 0)
        later = found[1].starts_at
        assert needs_cover(db, now=later, limit=2, visible_to=staff) == (found[1:3], 4)


def test_the_first_free_trainer_in_the_order_given_is_locked(board: Board, db: Database) -> None:
    board.put(1, time(9), time(9, 40))
    nine = Interval(datetime.combine(DAY, time(9), UTC), datetime.combine(DAY, time(9, 40), UTC))
    ten = Interval(nine.ends_at + timedelta(minutes=20), nine.ends_at + timedelta(hours=1))
    both = [board.trainer_id, board.other_id]
    with unit_of_work() as work:
        assert schedule.lock_first_free(work.db, both, [ten]) == board.trainer_id
        assert schedule.lock_first_free(work.db, both[::-1], [ten]) == board.other_id
        assert schedule.lock_first_free(work.db, both, [nine, ten]) == board.other_id
        assert schedule.lock_first_free(work.db, both[:1], [ten, nine]) is None
        assert schedule.lock_first_free(work.db, [new_id()], [ten]) is None
        assert schedule.lock_first_free(work.db, [], [ten]) is None


def test_released_slots_stay_in_the_audit(board: Board) -> None:
    board.put(1, time(9), time(9, 40), status=SlotStatus.BOOKED)
    board.put(2, time(11), time(11, 40), status=SlotStatus.BOOKED)
    now = datetime.combine(DAY, time(10), UTC)
    with unit_of_work() as work:
        gone = [
            schedule.release(
                work, board.booking.id, operator_id=board.booking.operator_id, by=SYSTEM, now=now, future_only=True
            )
            for _ in range(2)
        ]
    assert gone == [1, 0]
    with read_only() as db:
        (entry,) = db.execute(text("SELECT before FROM audit_entries WHERE what = 'slots.released'")).scalars()
    assert entry == {"slots": [[str(board.trainer_id), "booked", "2027-06-07T11:00"]]}
