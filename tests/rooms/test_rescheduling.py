"""Sessions moved, cancelled and made up for, and a series paused, on a real database (rules A7, B8 and S1)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.make import Make
from tests.rooms.test_replacing import LIMITS, Taught, refused, rows, taught_by
from tests.web.client import NOW
from webapp.assignments import service as assignments
from webapp.assignments.reasons import ReasonCode
from webapp.bookings.rules import DeliveryMode
from webapp.core.actor import Actor
from webapp.core.errors import Conflict
from webapp.core.ids import new_id
from webapp.core.intervals import Interval
from webapp.core.job_names import JobName
from webapp.course_sessions import rescheduling
from webapp.course_sessions.rescheduling import MoveAnswer, PauseAnswer
from webapp.course_sessions.service import Outcome
from webapp.db.work import counting_statements, read_only, unit_of_work
from webapp.trainers import service as trainers
from webapp.trainers.rules import WorkingHours


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
                without_trainer=how.get("without_trainer", False),
            )

    def move_answer(self, number: int, to_date: date, to_time: time = time(16), **how: Any) -> MoveAnswer:
        """What the move would come to."""
        (session_id,) = self.taught.ids(number)
        with read_only() as db:
            return rescheduling.move_answer(
                db,
                session_id,
                to_date,
                to_time,
                visible_to=how.get("by", self.taught.staff),
                now=how.get("now", NOW),
                limits=LIMITS,
            )

    def refused_move(self, *args: Any, **how: Any) -> str:
        """The code a move is refused with; nothing may have changed by it."""
        before = (self.calendar(), self.taught.slots(), self.taught.version, self.taught.assignments())
        code = refused(lambda: self.move(*args, **how))
        assert (self.calendar(), self.taught.slots(), self.taught.version, self.taught.assignments()) == before
        return code

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

    def pause_answer(self, from_date: date, to_date: date, *, by: Actor | None = None) -> PauseAnswer:
        """What the pause would come to."""
        with read_only() as db:
            return rescheduling.pause_answer(
                db,
                self.taught.booking.id,
                from_date,
                to_date,
                visible_to=by or self.taught.staff,
                now=NOW,
                limits=LIMITS,
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


# Which sessions may move


def test_what_has_begun_is_marked_and_what_is_done_stays(desk: Desk) -> None:
    first = desk.taught.booking.sessions[0]
    assert desk.refused_move(1, jan(20), now=first.starts_at) == "session-begun"
    desk.taught.mark(1)
    assert desk.refused_move(1, jan(20), now=first.ends_at) == "session-done"
    (third,) = desk.taught.ids(3)
    desk.move(3, jan(20))
    assert desk.refused_move(3, jan(21), session_id=third) == "session-done"


def test_a_missed_session_is_made_up_for_and_the_course_can_end(desk: Desk) -> None:
    taught = desk.taught
    taught.mark(1, Outcome.MISSED)
    (missed,) = taught.ids(1)
    for number in range(2, 11):
        taught.mark(number)
    over = taught.booking.sessions[9].ends_at
    assert taught.status == "in_progress"
    new = desk.move(1, jan(20), time(10), now=over)
    assert taught.slots()[1] == taught.trainer_id
    stored = rows("SELECT status, successor_id FROM course_sessions WHERE id = :id", id=missed)
    assert stored == [("rescheduled", new)]
    # The slot in which nobody was taught stays where it was: the trainer was there.
    assert rows("SELECT status FROM schedule_slots WHERE course_session_id = :id", id=missed) == [("booked",)]
    taught.mark(1)
    assert taught.status == "completed"
    assert rows("SELECT taught_by FROM course_sessions WHERE id = :id", id=new) == [(taught.trainer_id,)]


def test_a_session_moves_as_often_as_it_has_to(desk: Desk) -> None:
    for day in (20, 21, 22):
        desk.move(3, jan(day))
    assert desk.calendar()[3] == (jan(22), time(16), "scheduled")
    statuses = rows("SELECT status FROM course_sessions WHERE number = 3 ORDER BY date")
    assert [status for (status,) in statuses] == ["rescheduled"] * 3 + ["scheduled"]
    assert len(desk.taught.slots()) == 10


def test_a_booking_that_is_not_taught_has_no_session_to_move(desk: Desk) -> None:
    taught, make = desk.taught, desk.taught.make
    waiting = make.booking(zone_id=taught.zone_id, course_id=taught.course_id, operator_id=taught.operator_id)
    over, taught.booking = taught.booking, waiting
    assert desk.refused_move(3, jan(20)) == "booking-not-taught"
    assert refused(lambda: desk.cancel(3)) == "booking-not-taught"
    assert refused(lambda: desk.pause(jan(6), jan(7))) == "booking-not-taught"
    taught.booking = over
    with unit_of_work() as work:
        assignments.cancel_booking(work, over.id, version=taught.version, reason="Gone", by=taught.staff, now=NOW)
    assert desk.refused_move(3, jan(20)) == "booking-not-taught"
    assert refused(lambda: desk.cancel(3)) == "booking-not-taught"


def test_another_session_may_have_taken_the_time_of_one_that_was_cancelled(desk: Desk) -> None:
    desk.cancel(3)
    desk.move(4, jan(6), time(16, 20))
    assert desk.refused_move(3, jan(6)) == "move-overlap"
    desk.move(3, jan(7))
    assert desk.calendar()[3] == (jan(7), time(16), "scheduled")


# Where to


@pytest.mark.parametrize(
    ("to_date", "to_time", "code"),
    [
        (jan(6), time(16), "move-same"),
        (jan(7), time(16, 20), "move-overlap"),
        (date(2026, 12, 31), time(16), "move-past"),
        (date(2099, 1, 1), time(16), "move-far"),
        (jan(20), time(23, 30), "crosses-midnight"),
        (jan(20), time(21), "trainer-not-eligible"),
    ],
)
def test_a_time_that_cannot_be_is_refused_and_nothing_changes(
    desk: Desk, to_date: date, to_time: time, code: str
) -> None:
    assert desk.refused_move(3, to_date, to_time) == code
    if code == "trainer-not-eligible":
        assert not desk.move_answer(3, to_date, to_time).trainer.eligible
    else:
        assert refused(lambda: desk.move_answer(3, to_date, to_time)) == code


def test_a_session_may_move_by_less_than_its_own_length(desk: Desk) -> None:
    """Its own slot is no other session's."""
    desk.move(3, jan(6), time(16, 20))
    assert desk.calendar()[3][:2] == (jan(6), time(16, 20))
    desk.move(3, jan(6), time(16))
    assert desk.calendar()[3][:2] == (jan(6), time(16))


def test_a_time_at_which_the_trainer_teaches_elsewhere_is_taken(desk: Desk) -> None:
    taught = desk.taught
    other = taught.make.booking(
        zone_id=taught.zone_id,
        course_id=taught.course_id,
        operator_id=taught.operator_id,
        start_date=jan(18),
        timeslot=time(10),
    )
    taught.make.proposal(other, taught.trainer_id, by=taught.staff)
    assert desk.refused_move(3, jan(20), time(10, 20)) == "trainer-taken"
    answer = desk.move_answer(3, jan(20), time(10, 20))
    assert [reason.code for reason in answer.trainer.reasons] == [ReasonCode.BUSY]
    assert {time(9, 20), time(10, 40)} <= set(answer.free_times)
    assert not {time(9, 40), time(10), time(10, 20)} & set(answer.free_times)


def test_a_trainer_who_is_away_is_refused_and_somebody_else_named(desk: Desk) -> None:
    taught = desk.taught
    bela = taught.trainer("Bela")
    taught.away(taught.trainer_id, 7, 9)
    desk.cancel(8)
    assert desk.refused_move(8, jan(11)) == "trainer-not-eligible"
    answer = desk.move_answer(8, jan(11))
    assert answer.free_times == ()
    assert [verdict.trainer_id for verdict in answer.others] == [bela]


def test_online_sessions_keep_their_time_slot(make: Make) -> None:
    """Rule B7: sessions 1 to 7 of a hybrid course are online, the eighth is not."""
    desk = Desk(taught_by(make, delivery_mode=DeliveryMode.HYBRID, total_sessions=30))
    assert desk.refused_move(7, jan(10), time(9)) == "move-online"
    answer = desk.move_answer(7, date(2027, 2, 10))
    assert answer.free_times == (time(16),)
    desk.move(7, date(2027, 2, 10))
    desk.move(8, jan(11), time(9))
    modes = dict(rows("SELECT number, mode FROM course_sessions WHERE status = 'scheduled' AND number IN (7, 8)"))
    assert modes == {7: "online", 8: "offline"}
    places = rows(
        "SELECT c.number, s.place_lat IS NULL FROM schedule_slots s"
        " JOIN course_sessions c ON c.id = s.course_session_id WHERE c.number IN (7, 8) ORDER BY c.number"
    )
    assert places == [(7, True), (8, False)]


def test_e1_a_session_keeps_its_wall_clock_across_a_clock_change(make: Make) -> None:
    round_the_clock = tuple(WorkingHours(weekday, time(0), time(0)) for weekday in range(7))
    first, at = date(2027, 3, 10), time(9)
    desk = Desk(taught_by(make, time_zone="America/New_York", hours=round_the_clock, start_date=first, timeslot=at))
    desk.move(1, date(2027, 3, 25), time(9))
    desk.move(2, date(2027, 3, 13), time(7))
    # In the hour that does not exist a session begins at the first instant that does, and says so.
    desk.move(3, date(2027, 3, 14), time(2, 30))
    found = rows(
        "SELECT number, starts_at, shifted, timeslot FROM course_sessions WHERE number <= 3 AND status = 'scheduled'"
        " ORDER BY number"
    )
    assert [(n, at.astimezone(UTC), shifted, slot) for n, at, shifted, slot in found] == [
        (1, datetime(2027, 3, 25, 13, tzinfo=UTC), False, time(9)),
        (2, datetime(2027, 3, 13, 12, tzinfo=UTC), False, time(7)),
        (3, datetime(2027, 3, 14, 7, tzinfo=UTC), True, time(2, 30)),
    ]


def test_a_slot_the_database_refuses_leaves_nothing_even_in_its_own_transaction(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another writer, without the lock, was faster."""
    taught = desk.taught
    taught.approve(taught.substitute(taught.ids(3), taught.trainer()))
    before = (desk.calendar(), taught.slots(), taught.version, taught.assignments(), taught.told("slots.released"))
    monkeypatch.setattr("webapp.schedule.service.take", lambda *_args, **_how: False)
    (third,) = taught.ids(3)
    with unit_of_work() as work, pytest.raises(Conflict) as refusal:
        rescheduling.move_session(
            work, third, jan(20), time(9), version=taught.version, by=taught.staff, now=NOW, limits=LIMITS
        )
    assert refusal.value.code == "trainer-taken"
    after = (desk.calendar(), taught.slots(), taught.version, taught.assignments(), taught.told("slots.released"))
    assert after == before


# Who teaches it then


def test_a_moved_session_goes_back_to_the_bookings_own_trainer(desk: Desk) -> None:
    taught = desk.taught
    one = taught.trainer()
    taught.approve(taught.substitute(taught.ids(3, 4), one))
    desk.move(3, jan(20))
    assert taught.slots() == dict.fromkeys(range(1, 11), taught.trainer_id) | {4: one}
    assert taught.assignments()[1] == ("substitute", "approved", one)
    desk.move(4, jan(21))
    assert taught.slots() == dict.fromkeys(range(1, 11), taught.trainer_id)
    assert taught.assignments()[1] == ("substitute", "replaced", one)


def test_after_a_replacement_a_moved_session_is_the_new_trainers(desk: Desk) -> None:
    taught = desk.taught
    taught.mark(1, Outcome.MISSED)
    other = taught.trainer()
    now = taught.booking.sessions[0].ends_at
    taught.approve(taught.replace(other, now=now), now=now)
    desk.move(1, jan(20), now=now)
    assert taught.slots()[1] == other
    under = rows(
        "SELECT a.kind FROM schedule_slots s JOIN assignments a ON a.id = s.assignment_id WHERE s.date = '2027-01-20'"
    )
    assert under == [("replacement",)]


def test_a_session_somebody_else_is_proposed_for_waits_for_the_decision(desk: Desk) -> None:
    taught = desk.taught
    made = taught.substitute(taught.ids(3), taught.trainer())
    assert desk.refused_move(3, jan(20)) == "cover-pending"
    assert refused(lambda: desk.pause(jan(5), jan(6))) == "cover-pending"
    assert refused(lambda: desk.pause_answer(jan(5), jan(6))) == "cover-pending"
    desk.move(4, jan(20))
    desk.pause(jan(8), jan(9))
    taught.approve(made)
    desk.move(3, jan(25))


def test_while_a_replacement_waits_no_session_gets_another_time(desk: Desk) -> None:
    """The proposal is for all that remains: a session planned meanwhile would be left to the trainer who goes."""
    taught = desk.taught
    desk.cancel(3)
    made = taught.replace(taught.trainer())
    assert desk.refused_move(3, jan(20)) == "cover-pending"
    assert desk.refused_move(4, jan(20)) == "cover-pending"
    assert refused(lambda: desk.pause(jan(5), jan(6))) == "cover-pending"
    taught.approve(made)
    desk.move(3, jan(20))
    assert set(taught.slots().values()) == {made.trainer_id}


# Cancelling one session


def test_a_cancelled_session_frees_its_trainer_and_needs_a_make_up(desk: Desk) -> None:
    taught = desk.taught
    before = taught.version
    desk.cancel(3, reason="A  wedding")
    assert desk.calendar()[3] == (jan(6), time(16), "cancelled")
    assert set(taught.slots()) == {1, 2, *range(4, 11)}
    assert taught.version == before + 1
    assert taught.status == "assigned"
    told, after = taught.told("session.cancelled")[0]
    assert told == {"status": "scheduled"}
    assert (after["status"], after["number"]) == ("cancelled", 3)
    assert "wedding" not in str(after), "what people write stays on the row, where it can be erased"
    assert rows("SELECT cancelled_reason FROM course_sessions WHERE status = 'cancelled'") == [("A wedding",)]
    assert refused(lambda: desk.cancel(3)) == "session-done"
    assert refused(lambda: taught.substitute(taught.ids(3), taught.trainer())) == "session-done"


def test_only_what_lies_ahead_is_cancelled_by_whoever_saw_it_last(desk: Desk) -> None:
    first = desk.taught.booking.sessions[0].starts_at
    assert refused(lambda: desk.cancel(1, now=first)) == "session-begun"
    assert refused(lambda: desk.cancel(1, reason="")) == "reason-missing"
    assert refused(lambda: desk.cancel(1, version=1)) == "booking-changed"
    desk.taught.mark(1)
    assert refused(lambda: desk.cancel(1)) == "session-done"


def test_a_proposal_goes_on_without_a_session_that_is_cancelled(desk: Desk) -> None:
    taught = desk.taught
    other = taught.trainer()
    made = taught.replace(other)
    desk.cancel(3)
    assert set(taught.slots("held")) == {1, 2, *range(4, 11)}
    assert refused(lambda: taught.approve(made)) == "assignment-changed", "whoever saw ten sessions approves no nine"
    taught.approve(made, version=2)
    assert taught.slots() == dict.fromkeys((1, 2, *range(4, 11)), other)


def test_a_proposal_for_a_cancelled_session_alone_is_withdrawn(desk: Desk) -> None:
    taught = desk.taught
    one, other = taught.trainer(), taught.trainer()
    taught.approve(taught.substitute(taught.ids(3), one))
    made = taught.substitute(taught.ids(3), other)
    desk.cancel(3)
    assert [status for _, status, _ in taught.assignments()] == ["approved", "replaced", "withdrawn"]
    assert taught.slots("held") == {}
    assert refused(lambda: taught.approve(made)) == "already-decided"
    desk.move(3, jan(6))
    assert taught.slots()[3] == taught.trainer_id


# Pausing


def test_a_pause_is_made_whole_or_not_at_all(desk: Desk) -> None:
    taught = desk.taught
    other = taught.make.booking(
        zone_id=taught.zone_id, course_id=taught.course_id, operator_id=taught.operator_id, start_date=jan(15)
    )
    taught.make.proposal(other, taught.trainer_id, by=taught.staff)
    before = (desk.calendar(), taught.slots(), taught.version)
    assert refused(lambda: desk.pause(jan(6), jan(8))) == "trainer-taken"
    assert (desk.calendar(), taught.slots(), taught.version) == before
    answer = desk.pause_answer(jan(6), jan(8))
    assert [session.date for session in answer.after] == [jan(day) for day in range(9, 17)]
    assert not answer.trainer.eligible
    assert answer.resume_on is None  # the other course takes ten days, and this one needs eight in a row


def test_a_refused_pause_says_when_the_course_could_go_on(desk: Desk) -> None:
    taught = desk.taught
    taught.away(taught.trainer_id, 9, 10)  # the 12th and 13th
    answer = desk.pause_answer(jan(6), jan(8))
    assert not answer.trainer.eligible
    assert answer.resume_on == jan(14)
    assert refused(lambda: desk.pause(jan(6), jan(8))) == "trainer-not-eligible"
    assert desk.pause(jan(6), jan(13)) == 8
    assert desk.calendar()[3][0] == jan(14)


def test_sessions_in_a_pause_come_back_from_their_substitute(desk: Desk) -> None:
    taught = desk.taught
    one = taught.trainer()
    taught.approve(taught.substitute(taught.ids(2, 5), one))
    desk.pause(jan(6), jan(8))
    assert taught.slots() == dict.fromkeys(range(1, 11), taught.trainer_id) | {2: one}
    assert taught.assignments()[1] == ("substitute", "approved", one)


def test_what_has_begun_is_not_paused(desk: Desk) -> None:
    third = desk.taught.booking.sessions[2]
    assert desk.pause(jan(4), jan(8), now=third.starts_at) == 7
    assert [on for on, _, _ in (desk.calendar()[number] for number in range(1, 5))] == [jan(4), jan(5), jan(6), jan(9)]


def test_sundays_go_on_in_pairs(make: Make) -> None:
    desk = Desk(taught_by(make, delivery_mode=DeliveryMode.SUNDAY_ONLY, timeslot=time(9)))
    assert desk.pause(jan(11), jan(17)) == 8
    calendar = desk.calendar()
    assert [calendar[number][:2] for number in range(1, 5)] == [
        (jan(10), time(9)),
        (jan(10), time(9, 40)),
        (jan(24), time(9)),
        (jan(24), time(9, 40)),
    ]
    taught = desk.taught
    away = Interval(datetime(2027, 1, 24, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC))
    with unit_of_work() as work:
        trainers.record_time_off(work, taught.trainer_id, away, "exam", by=taught.manager, now=NOW)
    assert refused(lambda: desk.pause_answer(jan(18), jan(20))) == "pause-nothing"  # no Sunday among these days
    assert desk.pause_answer(jan(18), jan(24)).resume_on == date(2027, 2, 7)


def test_a_hybrid_course_keeps_its_modes(make: Make) -> None:
    desk = Desk(taught_by(make, delivery_mode=DeliveryMode.HYBRID, total_sessions=30))
    modes = "SELECT number, mode FROM course_sessions WHERE status = 'scheduled' ORDER BY number"
    before = rows(modes)
    assert desk.pause(jan(20), jan(25)) == 14
    assert rows(modes) == before
    assert rows("SELECT count(*) FROM schedule_slots WHERE place_lat IS NULL") == [(18,)]


def test_e1_a_paused_series_keeps_its_wall_clock_across_a_clock_change(make: Make) -> None:
    """Example 6, paused for the two days before clocks change."""
    first, at = date(2027, 3, 10), time(9)
    desk = Desk(taught_by(make, time_zone="America/New_York", start_date=first, timeslot=at))
    assert desk.pause(date(2027, 3, 12), date(2027, 3, 13)) == 8
    found = rows(
        "SELECT starts_at FROM course_sessions WHERE status = 'scheduled' AND number IN (2, 3) ORDER BY number"
    )
    assert [at.astimezone(UTC) for (at,) in found] == [
        datetime(2027, 3, 11, 14, tzinfo=UTC),
        datetime(2027, 3, 14, 13, tzinfo=UTC),
    ]
    assert len(desk.taught.slots()) == 10


# Who may, and what is told


def test_another_operators_sessions_are_not_there(desk: Desk, make: Make) -> None:
    stranger = taught_by(make).staff
    assert desk.refused_move(3, jan(20), by=stranger) == "not-found"
    assert refused(lambda: desk.cancel(3, by=stranger)) == "not-found"
    assert refused(lambda: desk.pause(jan(6), jan(8), by=stranger)) == "not-found"
    assert desk.refused_move(3, jan(20), session_id=new_id()) == "not-found"
    assert refused(lambda: desk.move_answer(3, jan(20), by=stranger)) == "not-found"
    assert refused(lambda: desk.pause_answer(jan(6), jan(8), by=stranger)) == "not-found"


def test_whoever_saw_an_older_booking_changes_nothing(desk: Desk) -> None:
    seen = desk.taught.version
    desk.move(3, jan(20))
    assert desk.refused_move(4, jan(21), version=seen) == "booking-changed"
    assert refused(lambda: desk.pause(jan(6), jan(8), version=seen)) == "booking-changed"


def test_the_audit_tells_what_moved_from_where_to_where(desk: Desk) -> None:
    taught = desk.taught
    (old,) = taught.ids(3)
    new = desk.move(3, jan(20), time(9))
    before, after = taught.told("session.rescheduled")[0]
    assert before == {"status": "scheduled", "date": "2027-01-06", "timeslot": "16:00:00"}
    assert after == {
        "status": "rescheduled",
        "date": "2027-01-20",
        "timeslot": "09:00:00",
        "successor_id": str(new),
        "booking_id": str(taught.booking.id),
        "number": 3,
        "trainer_id": str(taught.trainer_id),
    }
    assert rows("SELECT subject_id FROM audit_entries WHERE what = 'session.rescheduled'") == [(old,)]
    desk.pause(jan(7), jan(8))
    assert taught.told("booking.paused") == [
        (None, {"from_date": "2027-01-07", "to_date": "2027-01-08", "sessions": 7})
    ]
    assert len(taught.told("session.rescheduled")) == 8


def test_freed_time_rings_for_the_waitlist(desk: Desk) -> None:
    (third,) = desk.taught.ids(3)
    with unit_of_work() as work:
        rescheduling.move_session(
            work, third, jan(20), time(9), version=desk.taught.version, by=desk.taught.staff, now=NOW, limits=LIMITS
        )
        assert (JobName.RETRY_WAITLIST, {"operator_id": str(desk.taught.operator_id)}) in work.bells


def test_an_answer_changes_nothing_and_costs_few_statements(desk: Desk) -> None:
    desk.taught.trainer()
    before = (desk.calendar(), desk.taught.slots(), desk.taught.version)
    with counting_statements() as counted:
        desk.move_answer(3, jan(20), time(9))
        of_move = counted()
        desk.pause_answer(jan(6), jan(8))
        of_pause = counted() - of_move
    assert (of_move - 1, of_pause) == (7, 5)  # less the look-up of the session by its number
    assert (desk.calendar(), desk.taught.slots(), desk.taught.version) == before


@pytest.mark.parametrize(
    ("time_zone", "on"),
    [
        ("America/New_York", date(2027, 3, 14)),
        ("Europe/London", date(2027, 3, 28)),
        ("Europe/Berlin", date(2027, 3, 28)),
        ("Australia/Lord_Howe", date(2027, 10, 3)),
        ("America/New_York", date(2027, 11, 7)),
    ],
)
def test_free_times_are_told_on_a_day_on_which_clocks_change(make: Make, time_zone: str, on: date) -> None:
    all_day = tuple(WorkingHours(day, time(0), time(0)) for day in range(7))
    desk = Desk(taught_by(make, time_zone=time_zone, hours=all_day))
    free = desk.move_answer(3, on).free_times
    assert {time(0), time(9), time(16), time(23, 20)} <= set(free)
    if time_zone == "America/New_York" and on.month == 3:
        assert time(2) not in free
        assert {time(1, 40), time(3)} <= set(free)
