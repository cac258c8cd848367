"""Several sweepers and workers retry one waitlist at once: real connections, real commits."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import text

from tests.rooms.test_assignment_races import LIMITS, Desk, desk
from tests.web.client import NOW
from webapp import jobs
from webapp.assignments import waitlist
from webapp.assignments.service import Proposed
from webapp.config import Settings
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext

pytestmark = pytest.mark.race
__all__ = ["desk"]


def proposals(desk: Desk) -> tuple[int, int]:
    """How many proposals there are, and how many bookings and trainers they are of."""
    with desk.database.read_only() as db:
        row = db.execute(
            text("SELECT count(*), least(count(DISTINCT booking_id), count(DISTINCT trainer_id)) FROM assignments")
        ).one()
    return row[0], row[1]


def test_many_at_once_propose_each_booking_once(desk: Desk, settings: Settings) -> None:
    desk.bookings(4)
    desk.trainers(6)
    context, job = JobContext(settings, desk.database, lambda: NOW), JobName.RETRY_WAITLIST
    desk.at_once([partial(jobs.perform, context, job, jobs.HANDLERS[job], {}) for _ in range(8)])
    jobs.perform(context, job, jobs.HANDLERS[job], {})
    assert proposals(desk) == (4, 4)


def test_a_booking_somebody_is_changing_is_left_to_them(desk: Desk) -> None:
    (booking,) = desk.bookings(1)
    desk.trainers(1)

    def retried() -> Proposed | None:
        with desk.database.unit_of_work() as work:
            return waitlist.retry(work, booking.id, now=NOW, limits=LIMITS)

    with desk.database.unit_of_work() as work:
        work.db.execute(text("SELECT FROM bookings WHERE id = :id FOR UPDATE"), {"id": booking.id})
        assert retried() is None
    assert retried() is not None
