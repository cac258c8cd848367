"""A trainer leaves while the trainer service is silent: from the approval to the home page, beside a real service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.jobs.builders import rows
from tests.make import Make
from tests.reference_service.running import Service, running
from tests.web.client import NOW
from webapp import jobs
from webapp.assignments import service as assignments
from webapp.assignments.limits import Limits
from webapp.assignments.queries.cover import needs_cover
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database
from webapp.desk.queries.home import home
from webapp.trainers.sync_rules import RunCause, RunKind
from webapp.trainers.syncing import runs

HOUR = timedelta(hours=1)


@dataclass
class Served:
    """A desk of one zone and one course whose roster of two comes from a service, and its clock."""

    service: Service
    settings: Settings
    database: Database
    make: Make
    zone_id: UUID
    course_id: UUID
    now: datetime = NOW

    def do(self, job: JobName) -> None:
        """A job, as the worker or the sweeper does it."""
        jobs.perform(JobContext(self.settings, self.database, lambda: self.now), job, jobs.HANDLERS[job], {})

    def sync(self, kind: RunKind) -> None:
        """One synchronisation, to its end."""
        with self.database.unit_of_work() as work:
            runs.request(work, kind, RunCause.PERSON, by=SYSTEM, now=self.now)
        self.do(JobName.SYNC_TRAINERS)

    def trainer(self, service_id: str) -> UUID:
        """A trainer, by what the service calls them."""
        with self.database.read_only() as session:
            found = session.scalar(text("SELECT id FROM trainers WHERE service_id = :id"), {"id": service_id})
        assert isinstance(found, UUID)
        return found

    def approve(self, trainer_id: UUID) -> UUID:
        """A booking approved for a trainer now; its id."""
        booking = self.make.booking(
            zone_id=self.zone_id, course_id=self.course_id, start_date=date(2027, 1, 10), timeslot=time(16)
        )
        limits = Limits.from_settings(self.settings)
        with self.database.unit_of_work() as work:
            made = assignments.propose(work, booking.id, trainer_id=trainer_id, by=SYSTEM, now=self.now, limits=limits)
            assert made.assignment_id is not None
            work.db.flush()
            assignments.approve(work, made.assignment_id, version=1, by=SYSTEM, now=self.now, limits=limits)
        return booking.id

    def outcomes(self) -> dict[UUID, str | None]:
        """What came of each booking's approval."""
        found: list[Any] = [*rows(self.database, "SELECT booking_id, recheck_outcome FROM assignments")]
        return dict(found)


@pytest.fixture
def served(make: Make, db: Database, settings: Settings) -> Iterator[Served]:
    zone_id, course_id = make.zone(), make.course("Maths")
    with running(2, zones={None: [zone_id]}, courses=["Maths"], all_hours=True) as service:
        told = {"trainer_service_url": service.url, "trainer_service_token": service.token}
        yield Served(service, settings.model_copy(update=told), db, make, zone_id, course_id)


@pytest.mark.parametrize("first", [RunKind.DELTA, RunKind.FULL])
def test_who_left_while_nobody_heard_of_it_is_found_and_told(served: Served, first: RunKind) -> None:
    served.sync(RunKind.FULL)
    gone, stays = served.trainer("T000001"), served.trainer("T000002")
    served.service.remove("T000001")
    served.service.set(fault="503")
    served.now += HOUR
    served.sync(RunKind.DELTA)
    left, kept = served.approve(gone), served.approve(stays)
    assert served.outcomes() == {left: None, kept: None}
    served.do(JobName.RECHECK_APPROVALS)
    assert served.outcomes() == {left: None, kept: None}, "nobody has answered yet"

    served.service.clear()
    served.now += HOUR
    served.sync(first)  # a delta cannot tell who is missing, and one full run alone is not believed
    served.now += timedelta(minutes=1)
    served.do(JobName.RECHECK_APPROVALS)
    assert served.outcomes()[kept] == "confirmed"
    assert served.outcomes()[left] == ("confirmed" if first is RunKind.DELTA else None)

    for _ in range(2):
        served.now += HOUR
        served.sync(RunKind.FULL)
    served.do(JobName.RECHECK_APPROVALS)
    assert served.outcomes() == {left: "left", kept: "confirmed"}

    admin = served.make.admin().actor
    with served.database.read_only() as session:
        page = home(session, visible_to=admin, now=served.now)
        uncovered, total = needs_cover(session, now=served.now, limit=50, visible_to=admin)
    assert [(row.booking_id, row.standing, row.sessions) for row in page.rechecks.items] == [(left, "left", 10)]
    assert (total, {session.booking_id for session in uncovered}) == (10, {left})
    with served.database.read_only() as session:
        marked = text("SELECT count(*) FROM audit_entries WHERE what = 'assignment.rechecked'")
        assert session.scalar(marked) == (3 if first is RunKind.DELTA else 2)
