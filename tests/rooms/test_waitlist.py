"""The waitlist retries itself when capacity is freed (rule A6), on a real database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.make import Make
from tests.rooms.test_assignments import LIMITS, Desk, desk, desk_of, rows, status_of
from tests.web.client import NOW, Bell
from webapp import jobs
from webapp.assignments import service, waitlist
from webapp.bookings.rules import BookingStatus
from webapp.bookings.service import PlacedBooking
from webapp.config import Settings
from webapp.core.errors import Conflict
from webapp.core.intervals import Interval
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database, Work, unit_of_work
from webapp.trainers import service as trainers
from webapp.trainers.queries import as_command

__all__ = ["desk"]
Retry = Callable[..., None]


@pytest.fixture
def retry(db: Database, settings: Settings) -> Retry:
    """Do the job, as the sweeper does or as it was rung."""

    def run(now: datetime = NOW, **ids: str) -> None:
        job = JobName.RETRY_WAITLIST
        jobs.perform(JobContext(settings, db, lambda: now), job, jobs.HANDLERS[job], ids)

    return run


def last_assignment(booking: PlacedBooking) -> Any:
    found = rows(
        "SELECT * FROM assignments WHERE booking_id = :id ORDER BY proposed_at DESC, id DESC LIMIT 1", id=booking.id
    )
    return found[0] if found else None


def rung(bells: list[Bell], operator_id: UUID) -> bool:
    return (JobName.RETRY_WAITLIST, {"operator_id": str(operator_id)}) in bells


def set_retried(desk: Desk, booking: PlacedBooking, *, on: bool, version: int) -> None:
    with unit_of_work() as work:
        waitlist.set_retried(work, booking.id, on=on, version=version, by=desk.staff, now=NOW)


def test_a_cancellation_lets_the_next_in_line_have_the_trainer(desk: Desk, retry: Retry, bells: list[Bell]) -> None:
    desk.trainer("Asha")
    first, waits = desk.booking(), desk.booking()
    desk.propose(first)
    retry()
    assert status_of(waits) is BookingStatus.WAITLISTED
    bells.clear()
    desk.cancel(first, version=2)
    assert rung(bells, desk.operator_id)
    retry(operator_id=str(desk.operator_id))
    assert status_of(waits) is BookingStatus.PENDING_APPROVAL
    made = last_assignment(waits)
    assert (made.proposed_by, made.proposed_by_name, made.automatic) == (None, "system", True)


def test_rejection_withdrawal_expiry_and_a_new_trainer_ring(desk: Desk, bells: list[Bell]) -> None:
    bells.clear()
    desk.trainer()
    assert rung(bells, desk.operator_id), "a new trainer"
    booking = desk.booking()
    for end in (desk.reject, desk.withdraw):
        made = desk.proposed(booking)
        bells.clear()
        end(made)
        assert rung(bells, desk.operator_id)
    desk.proposed(booking)
    bells.clear()
    assert desk.expire(NOW + timedelta(hours=49)) == 1
    assert rung(bells, desk.operator_id)


def test_a_trainer_certified_anew_is_found(desk: Desk, retry: Retry, bells: list[Bell]) -> None:
    trainer_id = desk.trainer("Asha", courses=())
    booking = desk.booking()
    retry()
    assert last_assignment(booking) is None
    bells.clear()
    with unit_of_work() as work:
        changed = replace(as_command(work.db, trainer_id), course_ids=(desk.course_id,))
        trainers.change(work, trainer_id, changed, by=desk.manager, now=NOW)
    assert rung(bells, desk.operator_id)
    retry()
    assert last_assignment(booking).trainer_id == trainer_id


def test_the_oldest_is_served_first(desk: Desk, retry: Retry) -> None:
    young, old = desk.booking(now=NOW - timedelta(hours=1)), desk.booking(now=NOW - timedelta(days=1))
    desk.trainer()
    retry()
    assert (status_of(old), status_of(young)) == (BookingStatus.PENDING_APPROVAL, BookingStatus.WAITLISTED)


def test_twice_has_one_effect_and_a_vain_try_leaves_no_trace(desk: Desk, retry: Retry) -> None:
    desk.trainer()
    desk.booking()
    desk.booking(now=NOW + timedelta(minutes=1))
    retry()
    audited = rows("SELECT count(*) AS n FROM audit_entries")
    proposed = rows("SELECT count(*) AS n FROM assignments")
    assert proposed[0].n == 1
    retry()
    assert rows("SELECT count(*) AS n FROM audit_entries") == audited
    assert rows("SELECT count(*) AS n FROM assignments") == proposed


def test_a_trainer_rejected_for_a_booking_is_not_proposed_for_it_again(desk: Desk, retry: Retry) -> None:
    rejected = desk.trainer("Asha")
    booking = desk.booking()
    desk.reject(desk.proposed(booking))
    retry()
    assert status_of(booking) is BookingStatus.WAITLISTED
    other = desk.trainer("Bela")
    retry()
    assert last_assignment(booking).trainer_id == other != rejected


def test_a_withdrawn_booking_waits_until_somebody_lets_it_be_retried(
    desk: Desk, retry: Retry, bells: list[Bell]
) -> None:
    desk.trainer()
    booking = desk.booking()
    desk.withdraw(desk.proposed(booking))
    retry()
    assert status_of(booking) is BookingStatus.WAITLISTED
    bells.clear()
    set_retried(desk, booking, on=True, version=3)
    assert rung(bells, desk.operator_id)
    retry()
    assert status_of(booking) is BookingStatus.PENDING_APPROVAL
    with pytest.raises(Conflict) as caught:
        set_retried(desk, booking, on=False, version=5)
    assert caught.value.code == "booking-not-waiting"


def test_a_booking_that_has_begun_is_not_retried(desk: Desk, retry: Retry) -> None:
    booking = desk.booking()
    desk.trainer()
    retry(NOW + timedelta(days=30))
    assert last_assignment(booking) is None


def test_one_booking_that_fails_keeps_no_other_from_its_turn(
    desk: Desk, retry: Retry, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = desk.booking(), desk.booking(now=NOW + timedelta(minutes=1))
    desk.trainer()
    real = waitlist.retry

    def fails_for_one(work: Work, booking_id: UUID, **how: Any) -> object:
        if booking_id == broken.id:
            work.db.execute(text("SELECT 1 / 0"))
        return real(work, booking_id, **how)

    monkeypatch.setattr(waitlist, "retry", fails_for_one)
    with pytest.raises(ExceptionGroup):
        retry()
    assert status_of(sound) is BookingStatus.PENDING_APPROVAL


def test_more_than_one_run_takes_is_left_to_the_next(
    desk: Desk, retry: Retry, bells: list[Bell], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waitlist, "BATCH", 2)
    made = [desk.booking(now=NOW + timedelta(minutes=number)) for number in range(3)]
    with unit_of_work() as work:
        work.db.execute(text("UPDATE bookings SET retried = false WHERE id = :id"), {"id": made[0].id})
    busy = desk.trainer("Asha")
    with unit_of_work() as work:
        away = Interval(NOW, NOW + timedelta(days=20))
        trainers.record_time_off(work, busy, away, "", by=desk.manager, now=NOW)
    later = desk.booking(now=NOW + timedelta(minutes=9), start_date=(NOW + timedelta(days=40)).date())
    bells.clear()
    retry()
    ((name, ids),) = bells
    assert name is JobName.RETRY_WAITLIST
    assert status_of(later) is BookingStatus.WAITLISTED
    retry(**ids)
    assert status_of(later) is BookingStatus.PENDING_APPROVAL


def test_an_operator_that_approves_by_itself_has_it_assigned(make: Make, retry: Retry) -> None:
    desk = desk_of(make, auto_approve=True)
    booking = desk.booking()
    desk.trainer()
    retry()
    assert status_of(booking) is BookingStatus.ASSIGNED


def test_whoever_approves_may_approve_what_the_desk_proposed(desk: Desk, retry: Retry) -> None:
    booking = desk.booking()
    desk.trainer()
    retry()
    desk.approve(last_assignment(booking).id)
    assert status_of(booking) is BookingStatus.ASSIGNED


def test_without_leaves_a_trainer_out_of_the_automatic_choice_only(desk: Desk) -> None:
    only = desk.trainer()
    booking = desk.booking()
    with unit_of_work() as work:
        left = frozenset({only})
        made = service.propose(work, booking.id, trainer_id=None, by=desk.staff, now=NOW, limits=LIMITS, without=left)
    assert made.assignment_id is None
