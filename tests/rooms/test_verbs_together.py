"""Several verbs in one transaction: none undoes what an earlier one changed."""

from __future__ import annotations

from datetime import date, time
from typing import Any

from tests.make import Make
from tests.rooms.test_replacing import LIMITS, taught_by
from tests.web.client import NOW
from webapp.assignments import replacing
from webapp.assignments import service as assignments
from webapp.bookings import service
from webapp.bookings.models import Booking
from webapp.bookings.rules import BookingStatus, PaymentStatus
from webapp.course_sessions import rescheduling
from webapp.db.work import Database


def test_a_payment_noted_before_another_verb_of_the_same_transaction_is_kept(make: Make, db: Database) -> None:
    booking, staff = make.booking(), make.staff().actor
    with db.unit_of_work() as work:
        service.set_payment_status(work, booking.id, PaymentStatus.PAID, version=1, by=staff, now=NOW)
        changed = service.booking_to_change(work.db, booking.id, by=staff, version=2)
        service.move_booking(work, changed, BookingStatus.CANCELLED, by=staff, now=NOW)
    with db.read_only() as read:
        stored = read.get_one(Booking, booking.id)
        assert (stored.payment_status, stored.status) == (PaymentStatus.PAID, BookingStatus.CANCELLED)


def test_a_trainer_changed_and_times_changed_in_one_transaction(make: Make, db: Database) -> None:
    desk = taught_by(make)
    other, version = desk.trainer(), desk.version
    third, fourth, fifth = desk.ids(3, 4, 5)
    who: dict[str, Any] = {"by": desk.staff, "now": NOW}
    with db.unit_of_work() as work:
        made = replacing.propose_substitute(
            work,
            desk.booking.id,
            [third, fourth],
            trainer_id=other,
            version=version,
            reason="Ill",
            limits=LIMITS,
            **who,
        )
        assert made.assignment_id is not None
        assignments.approve(work, made.assignment_id, version=1, by=desk.manager, now=NOW, limits=LIMITS)
        to = date(2027, 1, 20), time(16)
        rescheduling.move_session(work, third, *to, version=version + 2, limits=LIMITS, **who)
        rescheduling.cancel_session(work, fourth, version=version + 3, reason="A wedding", **who)
        rescheduling.move_session(work, fifth, date(2027, 1, 6), time(16), version=version + 4, limits=LIMITS, **who)
    assert desk.version == version + 5
    assert desk.assignments() == [
        ("course", "approved", desk.trainer_id),
        ("substitute", "replaced", other),
    ]
    assert desk.slots() == dict.fromkeys((1, 2, 3, *range(5, 11)), desk.trainer_id)
