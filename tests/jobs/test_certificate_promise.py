"""The promise of a certificate is a row of the transaction that completes the booking (rules C1 to C3)."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from tests.jobs.builders import DONE, PUBLIC_URL, completed_booking, promise, rows
from tests.make import Make
from tests.web.client import Bell
from webapp.certificates.rules import draw_number
from webapp.core.errors import NotFound, RuleBroken
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.work import Database, counting_statements


def test_each_student_of_a_completed_booking_is_promised_one_and_the_bell_rings_once(
    make: Make, db: Database, bells: list[Bell]
) -> None:
    booking = completed_booking(make, db, "Meena", "Arun", "Ravi")
    bells.clear()
    promised = promise(db, booking)
    assert len(promised) == 3
    found = rows(db, "SELECT student_id, state, attempts FROM certificates ORDER BY student_id")
    assert found == [(student, "pending", 0) for student in sorted(booking.student_ids)]
    assert bells == [(JobName.ISSUE_CERTIFICATES, {})]
    audit = "SELECT count(*) FROM audit_entries WHERE what = 'certificate.promised'"
    assert rows(db, audit) == [(3,)]


def test_promising_twice_keeps_the_first_promise_and_rings_no_second_time(
    make: Make, db: Database, bells: list[Bell]
) -> None:
    booking = completed_booking(make, db, "Meena", "Arun")
    promise(db, booking)
    before = rows(db, "SELECT id, number, token FROM certificates ORDER BY id")
    bells.clear()
    assert promise(db, booking) == ()
    assert rows(db, "SELECT id, number, token FROM certificates ORDER BY id") == before
    assert bells == []


@pytest.mark.parametrize("sessions", [10, 20])
def test_only_courses_of_thirty_sessions_end_with_certificates(make: Make, db: Database, sessions: int) -> None:
    assert promise(db, completed_booking(make, db, sessions=sessions)) == ()


@pytest.mark.parametrize(("mark", "absences", "promised"), [("absent", 6, 2), ("absent", 7, 1), ("excused", 30, 2)])
def test_who_was_absent_too_often_gets_none_and_the_others_do(
    make: Make, db: Database, mark: str, absences: int, promised: int
) -> None:
    booking = completed_booking(make, db, "Often away", "Always there", absences=absences, mark=mark)
    assert len(promise(db, booking)) == promised
    assert (booking.student_ids[1],) in rows(db, "SELECT student_id FROM certificates")


def test_the_limit_of_absences_is_a_setting(make: Make, db: Database) -> None:
    assert promise(db, completed_booking(make, db, absences=1), max_absences=0) == ()


def test_a_booking_closed_short_ends_without_certificates(make: Make, db: Database) -> None:
    booking = completed_booking(make, db)
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE bookings SET closed_reason = 'moved away' WHERE id = :id"), {"id": booking.id})
    assert promise(db, booking) == ()


def test_a_booking_that_is_not_completed_promises_nothing(make: Make, db: Database) -> None:
    booking = completed_booking(make, db)
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE bookings SET status = 'in_progress' WHERE id = :id"), {"id": booking.id})
    with pytest.raises(RuleBroken):
        promise(db, booking)
    assert rows(db, "SELECT id FROM certificates") == []


def test_an_unknown_booking_is_not_found(db: Database) -> None:
    from tests.jobs.builders import Completed

    with pytest.raises(NotFound):
        promise(db, Completed(new_id(), None, ()))


def test_a_number_that_is_taken_is_drawn_again(make: Make, db: Database) -> None:
    promise(db, completed_booking(make, db, "First"))
    (taken,) = (number for (number,) in rows(db, "SELECT number FROM certificates"))
    free = draw_number(DONE.year)
    drawn = iter([str(taken), str(taken), free])
    asked = []

    def rigged(year: int) -> str:
        asked.append(year)
        return next(drawn)

    assert len(promise(db, completed_booking(make, db, "Second"), draw=rigged)) == 1
    assert asked == [DONE.year] * 3
    assert {number for (number,) in rows(db, "SELECT number FROM certificates")} == {taken, free}


def test_a_source_that_only_repeats_itself_is_noticed(make: Make, db: Database) -> None:
    promise(db, completed_booking(make, db, "First"))
    (taken,) = (str(number) for (number,) in rows(db, "SELECT number FROM certificates"))
    with pytest.raises(RuleBroken):
        promise(db, completed_booking(make, db, "Second"), draw=lambda _year: taken)


def test_what_the_certificate_says_is_frozen(make: Make, db: Database) -> None:
    booking = completed_booking(make, db, "మీనా రావు")
    promise(db, booking)
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE students SET name = 'Somebody else'"))
    ((said, number, token),) = rows(db, "SELECT payload, number, token FROM certificates")
    assert isinstance(said, dict)
    assert said["student_name"] == "మీనా రావు"
    assert said["number"] == number
    assert said["verify_url"] == f"{PUBLIC_URL}/verify/{number}/{token}"
    assert (said["first_session_on"], said["last_session_on"]) == ("2027-01-04", "2027-02-02")
    assert said["awarded_on"] == "2027-03-02"
    assert len(str(token)) >= 22


def test_a_whole_class_is_promised_in_as_many_statements_as_one_student(make: Make, db: Database) -> None:
    """The booking with its students, its design, the rows, and what the audit says of them."""
    taken = []
    for students in (["Asha"], ["Meena", "Arun", "Ravi"]):
        booking = completed_booking(make, db, *students)
        with counting_statements() as counted:
            assert len(promise(db, booking)) == len(students)
        taken.append(counted())
    assert taken == [4, 4]


def test_two_of_a_class_who_draw_one_number_get_two(make: Make, db: Database) -> None:
    first, second = draw_number(DONE.year), draw_number(DONE.year)
    drawn = iter([first, first, second])
    assert len(promise(db, completed_booking(make, db, "Meena", "Arun"), draw=lambda _year: next(drawn))) == 2
    assert {number for (number,) in rows(db, "SELECT number FROM certificates")} == {first, second}
