"""Completing sessions, attendance, make-ups (rules S1, S2 and C1)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from tests.rules.builders import NOW
from webapp.bookings.rules import BookingStatus, CourseSessionStatus
from webapp.core.errors import Conflict, Invalid, RuleBroken
from webapp.course_sessions.rules import (
    MOVES,
    AttendanceMark,
    SessionFacts,
    booking_done,
    booking_status_after,
    can_complete,
    check_marks,
    count_absences,
    done_numbers,
    moved,
    needing_make_up,
)

SCHEDULED, COMPLETED = CourseSessionStatus.SCHEDULED, CourseSessionStatus.COMPLETED
MISSED, CANCELLED = CourseSessionStatus.MISSED, CourseSessionStatus.CANCELLED
RESCHEDULED = CourseSessionStatus.RESCHEDULED
RAVI, SITA = UUID(int=71), UUID(int=72)


def session(
    id_: int, number: int, status: CourseSessionStatus = SCHEDULED, *, successor: int | None = None
) -> SessionFacts:
    return SessionFacts(UUID(int=id_), number, status, NOW, UUID(int=successor) if successor else None)


def test_s1_a_session_cannot_be_completed_before_it_starts() -> None:
    ahead = session(1, 1)
    with pytest.raises(Conflict) as refused:
        can_complete(ahead, NOW - timedelta(seconds=1))
    assert refused.value.code == "session-not-started"
    assert can_complete(ahead, NOW)


def test_s1_completing_twice_changes_nothing() -> None:
    assert can_complete(session(1, 1, COMPLETED), NOW) is False
    assert can_complete(session(1, 1, COMPLETED), NOW - timedelta(days=1)) is False


@pytest.mark.parametrize("status", [MISSED, CANCELLED, RESCHEDULED])
def test_s1_a_session_that_did_not_happen_is_not_completed(status: CourseSessionStatus) -> None:
    with pytest.raises(Conflict, match=f"is {status} and cannot become completed") as refused:
        can_complete(session(1, 1, status), NOW)
    assert refused.value.code == "session-move"


def test_s1_a_missed_or_cancelled_session_is_rescheduled_once_its_make_up_is_planned() -> None:
    assert set(MOVES) == set(CourseSessionStatus)
    assert moved(MISSED, RESCHEDULED) is moved(CANCELLED, RESCHEDULED) is RESCHEDULED
    with pytest.raises(Conflict):
        moved(COMPLETED, MISSED)


def test_s1_a_number_is_done_when_its_last_successor_is_completed() -> None:
    chain = [session(1, 1, RESCHEDULED, successor=2), session(2, 1, MISSED, successor=3), session(3, 1, COMPLETED)]
    assert done_numbers([*chain, session(4, 2), session(5, 3, MISSED)]) == {1}
    assert done_numbers(chain[::-1]) == {1}


def test_s1_missed_and_cancelled_sessions_without_successor_need_a_make_up() -> None:
    sessions = [
        session(5, 5, CANCELLED),
        session(1, 1, MISSED, successor=2),
        session(2, 1),
        session(3, 2, MISSED),
        session(4, 3, COMPLETED),
    ]
    assert [s.number for s in needing_make_up(sessions)] == [2, 5]


@pytest.mark.parametrize(
    "torn",
    [
        [session(1, 1), session(2, 1)],
        [session(1, 1, RESCHEDULED, successor=2), session(2, 1, RESCHEDULED, successor=1)],
    ],
)
def test_s1_a_torn_chain_of_successors_is_a_bug(torn: list[SessionFacts]) -> None:
    with pytest.raises(RuleBroken, match=r"ends twice|never end"):
        done_numbers(torn)


def test_c1_a_booking_is_done_when_all_its_numbers_are() -> None:
    done = [session(n, n, COMPLETED) for n in range(1, 11)]
    assert booking_done(done, total_sessions=10)
    assert not booking_done(done[:9], total_sessions=10)
    assert not booking_done([*done[:9], session(10, 10)], total_sessions=10)


def test_s1_the_first_completed_session_starts_the_booking_and_the_last_ends_it() -> None:
    def after(is_: BookingStatus, completed: int) -> BookingStatus:
        sessions = [session(n, n, COMPLETED if n <= completed else SCHEDULED) for n in range(1, 11)]
        return booking_status_after(is_, sessions, total_sessions=10)

    assert after(BookingStatus.ASSIGNED, 0) is BookingStatus.ASSIGNED
    assert after(BookingStatus.ASSIGNED, 1) is BookingStatus.IN_PROGRESS
    assert after(BookingStatus.IN_PROGRESS, 9) is BookingStatus.IN_PROGRESS
    assert after(BookingStatus.IN_PROGRESS, 10) is BookingStatus.COMPLETED
    assert after(BookingStatus.CANCELLED, 10) is BookingStatus.CANCELLED


def test_s2_every_student_is_marked_and_nobody_else() -> None:
    marks = {RAVI: AttendanceMark.PRESENT, SITA: AttendanceMark.EXCUSED}
    check_marks(marks, student_ids=[SITA, RAVI])
    for students in ([RAVI], [RAVI, SITA, UUID(int=73)]):
        with pytest.raises(Invalid) as refused:
            check_marks(marks, student_ids=students)
        assert refused.value.field == "marks"


def test_c1_excused_sessions_are_no_absences() -> None:
    assert count_absences([AttendanceMark.ABSENT, AttendanceMark.EXCUSED, AttendanceMark.PRESENT] * 2) == 2
    assert count_absences([]) == 0
