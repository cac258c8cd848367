"""Sessions planned without a trainer, because their own cannot take them, until a substitute is found (A7, S1, C1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from tests.make import Make
from tests.rooms.test_replacing import Taught, refused, rows, taught_by
from tests.rooms.test_rescheduling import Desk, jan
from tests.web.client import NOW
from webapp.assignments import service as assignments
from webapp.assignments.queries.cover import CoverReason, UncoveredSession, needs_cover
from webapp.assignments.queries.covering import remaining_cover, sessions_cover
from webapp.assignments.rules import AssignmentKind, AssignmentStatus
from webapp.assignments.service import Proposed
from webapp.certificates.promising import promise_for
from webapp.core.actor import SYSTEM, Actor
from webapp.core.ids import new_id
from webapp.core.intervals import Interval
from webapp.course_sessions import service as course_sessions
from webapp.course_sessions.queries import session_row, sessions_on, waiting_for_attendance
from webapp.course_sessions.rules import AttendanceMark
from webapp.course_sessions.service import Outcome
from webapp.db.work import read_only, unit_of_work
from webapp.desk.queries.booking import booking_page
from webapp.desk.queries.changes import sessions_ahead
from webapp.trainers import service as trainers
from webapp.trainers.queries import as_command

SUBSTITUTE, COURSE, REPLACEMENT = AssignmentKind.SUBSTITUTE, AssignmentKind.COURSE, AssignmentKind.REPLACEMENT


@pytest.fixture
def desk(make: Make) -> Desk:
    return Desk(taught_by(make))


def change(trainer_id: UUID, **to: Any) -> None:
    """A trainer is not what they were."""
    with unit_of_work() as work:
        assert trainers.change(work, trainer_id, replace(as_command(work.db, trainer_id), **to), by=SYSTEM, now=NOW)


def uncovered(taught: Taught, *, now: datetime = NOW, by: Actor | None = None) -> list[UncoveredSession]:
    """What stands on needs cover."""
    with read_only() as db:
        found, total = needs_cover(db, now=now, limit=50, visible_to=by or taught.staff)
    assert len(found) == total
    return found


def without(desk: Desk, number: int = 8, *, day: int = 20, now: datetime = NOW) -> UUID:
    """A session moved to a day on which its trainer is away."""
    taught = desk.taught
    at = taught.booking.sessions[0].starts_at.replace(day=day)
    off = Interval(at - timedelta(hours=2), at + timedelta(hours=2))
    with unit_of_work() as work:
        trainers.record_time_off(work, taught.trainer_id, off, "away", by=SYSTEM, now=NOW)
    return desk.move(number, jan(day), now=now, without_trainer=True)


# The dead end


def nobody_left(make: Make, total: int) -> tuple[Desk, datetime]:
    """All sessions but the last were taught, the last was missed, and then its trainer left."""
    desk = Desk(taught_by(make, total_sessions=total))
    for number in range(1, total):
        desk.taught.mark(number)
    desk.taught.mark(total, Outcome.MISSED)
    change(desk.taught.trainer_id, active=False)
    return desk, desk.taught.booking.sessions[-1].ends_at


def test_a_course_whose_trainer_left_before_the_last_make_up_can_end(make: Make) -> None:
    desk, over = nobody_left(make, 10)
    taught, bela = desk.taught, desk.taught.trainer("Bela")
    assert desk.refused_move(10, jan(20), now=over) == "trainer-not-eligible"
    assert refused(lambda: taught.replace(bela, now=over)) == "nothing-to-teach"
    assert refused(lambda: taught.substitute(taught.ids(10), bela, now=over)) == "session-done"
    assert [verdict.trainer_id for verdict in desk.move_answer(10, jan(20), now=over).others] == [bela]

    (missed,), before = taught.ids(10), taught.version
    new = desk.move(10, jan(20), now=over, without_trainer=True)
    assert rows("SELECT status, successor_id FROM course_sessions WHERE id = :id", id=missed) == [("rescheduled", new)]
    assert desk.calendar()[10] == (jan(20), time(16), "scheduled")
    assert rows("SELECT count(*) FROM schedule_slots WHERE course_session_id = :id", id=new) == [(0,)]
    assert (taught.version, taught.status) == (before + 1, "in_progress")
    assert taught.told("session.rescheduled")[-1][1]["trainer_id"] is None
    (needed,) = uncovered(taught, now=over)
    assert (needed.session_id, needed.reason, needed.trainer, needed.trainer_id) == (
        new,
        CoverReason.NOBODY,
        None,
        None,
    )

    made = taught.substitute([new], bela, now=over)
    assert [row.proposed for row in uncovered(taught, now=over)] == ["Bela"]
    taught.approve(made, now=over)
    assert uncovered(taught, now=over) == []
    assert taught.slots()[10] == bela
    taught.mark(10)
    assert taught.status == "completed"
    assert rows("SELECT taught_by FROM course_sessions WHERE id = :id", id=new) == [(bela,)]
    assert taught.assignments() == [
        (COURSE, AssignmentStatus.APPROVED, taught.trainer_id),
        (SUBSTITUTE, AssignmentStatus.APPROVED, bela),
    ]


def test_c1_the_thirtieth_session_taught_by_a_substitute_promises_the_certificate(make: Make) -> None:
    desk, over = nobody_left(make, 30)
    taught, later = desk.taught, date(2027, 2, 20)
    new = desk.move(30, later, now=over, without_trainer=True)
    taught.approve(taught.substitute([new], taught.trainer("Bela"), now=over), now=over)
    ((starts_at,),) = rows("SELECT starts_at FROM course_sessions WHERE id = :id", id=new)
    students = [
        id_ for (id_,) in rows("SELECT student_id FROM booking_students WHERE booking_id = :id", id=taught.booking.id)
    ]
    with unit_of_work() as work:
        course_sessions.mark(
            work,
            new,
            Outcome.COMPLETED,
            dict.fromkeys(students, AttendanceMark.PRESENT),
            by=taught.staff,
            now=starts_at,
            on_completed=partial(promise_for, public_url="http://desk.example"),
        )
    promised = rows("SELECT student_id, state FROM certificates WHERE booking_id = :id", id=taught.booking.id)
    assert promised == [(student, "pending") for student in students]


@pytest.mark.parametrize("loss", ["left", "certificate", "away"])
def test_whatever_keeps_the_trainer_from_it_the_session_can_be_planned(make: Make, loss: str) -> None:
    desk = Desk(taught_by(make))
    taught = desk.taught
    if loss == "left":
        change(taught.trainer_id, active=False)
    elif loss == "away":
        taught.away(taught.trainer_id, 8, 9)
    else:
        change(taught.trainer_id, course_ids=(taught.make.course(),))
    desk.cancel(8)
    assert desk.refused_move(8, jan(11)) == "trainer-not-eligible"
    new = desk.move(8, jan(11), without_trainer=True)
    assert new in {row.session_id for row in uncovered(taught) if row.reason is CoverReason.NOBODY}


# When it may be


def test_a_trainer_who_is_free_keeps_the_session(desk: Desk) -> None:
    assert desk.refused_move(3, jan(20), without_trainer=True) == "trainer-free"
    desk.cancel(3)
    assert desk.refused_move(3, jan(6), without_trainer=True) == "trainer-free"


def test_the_rules_of_a_move_stay(desk: Desk) -> None:
    taught = desk.taught
    change(taught.trainer_id, active=False)
    for to_date, to_time, code in [
        (jan(6), time(16), "move-same"),
        (jan(7), time(16, 20), "move-overlap"),
        (date(2026, 12, 31), time(16), "move-past"),
        (date(2099, 1, 1), time(16), "move-far"),
        (jan(20), time(23, 30), "crosses-midnight"),
    ]:
        assert desk.refused_move(3, to_date, to_time, without_trainer=True) == code
    assert desk.refused_move(3, jan(20), version=1, without_trainer=True) == "booking-changed"
    assert desk.refused_move(3, jan(20), session_id=new_id(), without_trainer=True) == "not-found"
    foreign = taught_by(taught.make)
    assert desk.refused_move(3, jan(20), by=foreign.staff, without_trainer=True) == "not-found"
    began = taught.booking.sessions[2].starts_at
    assert desk.refused_move(3, jan(20), now=began, without_trainer=True) == "session-begun"
    taught.substitute(taught.ids(3), taught.trainer("Bela"))
    assert desk.refused_move(3, jan(20), without_trainer=True) == "cover-pending"


def test_while_a_replacement_waits_no_session_is_planned_without_a_trainer(desk: Desk) -> None:
    change(desk.taught.trainer_id, active=False)
    desk.taught.replace(desk.taught.trainer("Bela"))
    assert desk.refused_move(3, jan(20), without_trainer=True) == "cover-pending"


# What it leaves behind


def test_the_slot_of_a_session_ahead_is_released_and_a_begun_one_stays(desk: Desk) -> None:
    taught = desk.taught
    taught.mark(1, Outcome.MISSED)
    (missed,), (ahead,) = taught.ids(1), taught.ids(8)
    after = taught.booking.sessions[0].ends_at
    change(taught.trainer_id, active=False)
    desk.move(8, jan(20), now=after, without_trainer=True)
    desk.move(1, jan(21), now=after, without_trainer=True)
    of = "SELECT status FROM schedule_slots WHERE course_session_id = :id"
    assert rows(of, id=ahead) == []
    assert rows(of, id=missed) == [("booked",)]
    assert len(taught.told("slots.released")) == 1


def test_a_substitute_left_without_a_session_is_replaced(desk: Desk) -> None:
    taught = desk.taught
    bela = taught.trainer("Bela")
    taught.approve(taught.substitute(taught.ids(8), bela))
    without(desk)
    assert taught.assignments()[-1] == (SUBSTITUTE, AssignmentStatus.REPLACED, bela)
    assert bela not in taught.slots().values()


def test_it_is_shown_wherever_sessions_are(desk: Desk) -> None:
    taught = desk.taught
    new = without(desk)
    with read_only() as db:
        row = session_row(db, new, visible_to=taught.staff)
        assert (row.trainer, row.without_trainer, row.ahead_at(NOW)) == (None, True, True)
        listed, _ = sessions_on(db, jan(20), now=NOW, limit=25, offset=0, visible_to=taught.staff)
        assert [session.id for session in listed] == [new]
        page = booking_page(db, taught.booking.id, visible_to=taught.staff)
        assert (len(page.sessions), page.planned) == (10, 10)
        assert [session.trainer for session in page.sessions if session.id == new] == [None]
        ahead = sessions_ahead(db, page.booking, now=NOW)
        assert [(session.id, session.trainer) for session in ahead][-1] == (new, None)
        unmarked, _ = waiting_for_attendance(db, now=row.starts_at, limit=50, visible_to=taught.staff)
        assert unmarked[-1].id == new
    assert [row.session_id for row in uncovered(taught)] == [new]
    assert uncovered(taught, by=taught_by(taught.make).staff) == []
    assert uncovered(taught, now=row.starts_at + timedelta(seconds=1)) == []


def test_a_booking_that_waits_needs_no_cover_however_free_its_sessions_are(desk: Desk) -> None:
    taught = desk.taught
    taught.make.booking(zone_id=taught.zone_id, course_id=taught.course_id, operator_id=taught.operator_id)
    new = without(desk)
    assert [row.session_id for row in uncovered(taught)] == [new]
    with unit_of_work() as work:
        assignments.cancel_booking(
            work, taught.booking.id, version=taught.version, reason="Gone", by=taught.staff, now=NOW
        )
    assert uncovered(taught) == []
    assert desk.calendar()[8][2] == "cancelled"


# Who it is found


def ends_by(how: str, taught: Taught, made: Proposed) -> None:
    """A proposal ends without an approval."""
    if how == "rejected":
        taught.reject(made)
    elif how == "withdrawn":
        taught.withdraw(made)
    else:
        with unit_of_work() as work:
            assert assignments.expire_due(work, now=NOW + timedelta(days=3)) == 1


@pytest.mark.parametrize("how", ["rejected", "withdrawn", "expired"])
def test_without_an_approval_it_still_needs_cover(desk: Desk, how: str) -> None:
    taught = desk.taught
    new = without(desk)
    made = taught.substitute([new], taught.trainer("Bela"))
    assert taught.slots("held").keys() == {8}
    ends_by(how, taught, made)
    (needed,) = uncovered(taught)
    assert (needed.session_id, needed.reason, needed.proposed) == (new, CoverReason.NOBODY, None)
    assert taught.slots("held") == {}
    assert (taught.status, taught.assignments()[-1][1]) == ("assigned", how)
    again = taught.substitute([new], made.trainer_id)
    taught.approve(again)
    assert taught.slots()[8] == again.trainer_id


def test_a_proposal_for_it_releases_nothing(desk: Desk) -> None:
    taught = desk.taught
    new = without(desk)
    released = len(taught.told("slots.released"))
    with read_only() as db:
        covered = sessions_cover(db, taught.booking.id, [new], visible_to=taught.staff, now=NOW)
    assert (dict(covered.trainers), covered.own) == ({}, None)
    taught.approve(taught.substitute([new], taught.trainer("Bela")))
    assert len(taught.told("slots.released")) == released
    assert len(taught.slots()) == 10


def test_a_substitute_may_take_it_together_with_one_that_has_a_trainer(desk: Desk) -> None:
    taught, bela = desk.taught, desk.taught.trainer("Bela")
    without(desk)
    assert refused(lambda: taught.substitute(taught.ids(3, 8), taught.trainer_id)) == "same-trainer"
    taught.approve(taught.substitute(taught.ids(3, 8), bela))
    assert {number for number, trainer_id in taught.slots().items() if trainer_id == bela} == {3, 8}


def test_where_the_operator_approves_by_itself_it_is_covered_at_once(make: Make) -> None:
    desk = Desk(taught_by(make, auto_approve=True))
    new = without(desk)
    bela = desk.taught.trainer("Bela")
    assert desk.taught.substitute([new]).trainer_id == bela
    assert desk.taught.slots()[8] == bela


def test_a_replacement_takes_over_what_nobody_has(desk: Desk) -> None:
    taught, bela = desk.taught, desk.taught.trainer("Bela")
    taught.approve(taught.substitute(taught.ids(3), taught.trainer("Chitra")))
    without(desk)
    with read_only() as db:
        covered = remaining_cover(db, taught.booking.id, visible_to=taught.staff, now=NOW)
    assert sorted(session.planned.number for session in covered.booking.sessions) == [1, 2, *range(4, 11)]
    assert list(covered.trainers.values()) == ["Asha"]
    taught.approve(taught.replace(bela))
    assert {number for number, trainer_id in taught.slots().items() if trainer_id == bela} == {1, 2, *range(4, 11)}
    assert uncovered(taught) == []


def test_a_replacement_for_nobodys_session_alone_is_another_trainer(make: Make) -> None:
    """The own trainer has no session left, and still is whom a replacement replaces."""
    desk, over = nobody_left(make, 10)
    taught = desk.taught
    new = desk.move(10, jan(20), now=over, without_trainer=True)
    change(taught.trainer_id, active=True)
    assert refused(lambda: taught.replace(taught.trainer_id, now=over)) == "same-trainer"
    assert refused(lambda: taught.replace(now=over)) == "nobody-free"
    bela = taught.trainer("Bela")
    taught.approve(taught.replace(now=over), now=over)
    assert taught.assignments() == [
        (COURSE, AssignmentStatus.REPLACED, taught.trainer_id),
        (REPLACEMENT, AssignmentStatus.APPROVED, bela),
    ]
    assert rows("SELECT trainer_id FROM schedule_slots WHERE course_session_id = :id", id=new) == [(bela,)]


# What becomes of it


def test_nobody_can_have_taught_it_but_it_can_be_missed_and_made_up(desk: Desk) -> None:
    taught = desk.taught
    without(desk)
    assert refused(lambda: taught.mark(8)) == "session-without-trainer"
    assert desk.calendar()[8][2] == "scheduled"
    assert rows("SELECT count(*) FROM attendance") == [(0,)]
    taught.mark(8, Outcome.MISSED)
    assert desk.calendar()[8][2] == "missed"
    after = taught.booking.sessions[0].starts_at.replace(day=20, hour=23)
    desk.move(8, jan(25), now=after)
    assert taught.slots()[8] == taught.trainer_id
    taught.mark(8)
    assert taught.status == "in_progress"


def test_it_moves_again_with_its_trainer_or_once_more_without(desk: Desk) -> None:
    taught = desk.taught
    without(desk)
    without(desk, day=21)
    assert 8 not in taught.slots()
    desk.move(8, jan(22))
    assert taught.slots()[8] == taught.trainer_id
    assert uncovered(taught) == []


def test_it_is_cancelled_like_any_other_and_takes_its_proposal_along(desk: Desk) -> None:
    taught = desk.taught
    new = without(desk)
    taught.substitute([new], taught.trainer("Bela"))
    desk.cancel(8)
    assert uncovered(taught) == []
    assert taught.slots("held") == {}
    assert taught.assignments()[-1][:2] == (SUBSTITUTE, AssignmentStatus.WITHDRAWN)
