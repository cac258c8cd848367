"""Approvals are looked at again while somebody decides: real connections, real commits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from time import monotonic

import pytest
from sqlalchemy import text

from tests.rooms.test_assignment_races import Desk, desk, refusals
from tests.rooms.test_change_races import ROUNDS, course_of, sound
from tests.web.client import NOW
from webapp import jobs
from webapp.config import Settings
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database

__all__ = ["desk"]

pytestmark = pytest.mark.race

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def recheck(desk: Desk, settings: Settings) -> Callable[[], object]:
    """The job, a while after every approval."""
    served = settings.model_copy(update={"trainer_service_url": "https://trainers.example.org"})
    ctx = JobContext(served, desk.database, lambda: NOW + timedelta(days=3))
    return lambda: jobs.perform(ctx, JobName.RECHECK_APPROVALS, jobs.HANDLERS[JobName.RECHECK_APPROVALS], {})


def write(database: Database, sql: str, **places: object) -> None:
    """Write past the services."""
    with database.unit_of_work() as work:
        work.db.execute(text(sql), places)


def mark_all(desk: Desk) -> None:
    """Every approval so far was made on an old roster, and the service has been heard since."""
    marked = "UPDATE assignments SET recheck_since = :old, decided_at = :now WHERE status = 'approved'"
    write(desk.database, marked, old=NOW - timedelta(hours=2), now=NOW)
    write(desk.database, "UPDATE trainer_service_state SET fresh_at = :at", at=LATER)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_an_approval_that_is_replaced_meanwhile_is_either_looked_at_first_or_not_at_all(
    desk: Desk, recheck: Callable[[], object], round_: int
) -> None:
    own, other = desk.trainers(2)
    course = course_of(desk, own)
    replacement = course.open_proposal(other)
    mark_all(desk)
    write(desk.database, "UPDATE trainers SET active = false, left_at = :at WHERE id = :id", at=LATER, id=own)
    tasks: list[Callable[[], object]] = [course.approve(replacement), recheck, recheck]
    outcomes = desk.at_once(tasks if round_ % 2 else tasks[::-1])
    assert refusals(outcomes) == {}
    old = "SELECT count(*) FROM assignments WHERE status = 'replaced'"
    assert desk.number(old) == 1
    looked_at = desk.number(f"{old} AND recheck_outcome = 'left'")
    assert desk.number(f"{old} AND recheck_since IS NULL AND recheck_outcome IS NULL") == 1 - looked_at
    assert desk.number("SELECT count(*) FROM audit_entries WHERE what = 'assignment.rechecked'") == looked_at
    assert desk.number("SELECT count(*) FROM assignments WHERE status = 'approved' AND recheck_since IS NOT NULL") == 0
    sound(desk)


def test_whoever_holds_an_approval_is_not_waited_for(desk: Desk, recheck: Callable[[], object]) -> None:
    held, free = desk.trainers(2)
    kept, other = course_of(desk, held), course_of(desk, free)
    mark_all(desk)
    done = "SELECT count(*) FROM assignments WHERE recheck_outcome = 'confirmed'"
    with desk.database.unit_of_work() as work:
        lock = text("SELECT id FROM assignments WHERE booking_id = :id FOR UPDATE")
        work.db.execute(lock, {"id": kept.booking.id})
        begun = monotonic()
        recheck()
        assert monotonic() - begun < 2
        assert desk.number(done) == 1
        assert desk.number(f"{done} AND booking_id = '{other.booking.id}'") == 1
    recheck()
    assert desk.number(done) == 2


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_two_sweepers_at_once_write_it_down_once(desk: Desk, recheck: Callable[[], object], _round: int) -> None:
    for trainer_id in desk.trainers(3):
        course_of(desk, trainer_id)
    mark_all(desk)
    assert refusals(desk.at_once([recheck] * 4)) == {}
    recheck()
    assert desk.number("SELECT count(*) FROM assignments WHERE recheck_outcome = 'confirmed'") == 3
    assert desk.number("SELECT count(*) FROM audit_entries WHERE what = 'assignment.rechecked'") == 3
