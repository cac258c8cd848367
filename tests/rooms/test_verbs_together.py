"""Several verbs in one transaction: none undoes what an earlier one changed."""

from __future__ import annotations

from tests.make import Make
from tests.web.client import NOW
from webapp.bookings import service
from webapp.bookings.models import Booking
from webapp.bookings.rules import BookingStatus, PaymentStatus
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
