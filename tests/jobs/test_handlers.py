"""The job table: whatever is rung twice happens once, and a job knows who it is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.jobs.builders import rows
from tests.make import Make
from tests.web.client import NOW
from webapp import jobs
from webapp.accounts import sign_ins
from webapp.accounts.queries import account
from webapp.bookings import enquiries
from webapp.bookings.enquiries import EnquiryCommand
from webapp.bookings.rules import EnquiryStatus
from webapp.core.job_names import JobName
from webapp.db import tenancy
from webapp.db.job_context import JobContext
from webapp.db.tenancy import NOBODY, current_tenant
from webapp.db.work import Database

EVERYTHING = {
    JobName.EXPIRE_HOLDS: "SELECT id, status, version FROM assignments ORDER BY id",
    JobName.EXPIRE_DRAFTS: "SELECT id, status FROM enquiries ORDER BY id",
    JobName.TIDY_ACCOUNTS: "SELECT id FROM sign_in_sessions ORDER BY id",
}
"""What each handler changes; certificates have tests of their own."""


@pytest.fixture
def waiting(make: Make, db: Database) -> None:
    """Something for every handler: a held proposal, an interrupted call, a sign-in nobody ended."""
    zone_id, course_id = make.zone(), make.course()
    make.trainer((zone_id,), (course_id,))
    make.proposal(make.booking(zone_id=zone_id, course_id=course_id), None)
    person = make.admin()
    with db.unit_of_work() as work:
        enquiries.record_enquiry(work, EnquiryCommand(EnquiryStatus.DRAFT, "Guardian"), by=person.actor, now=NOW)
        browser = sign_ins.Browser(b"0" * 32, "test", "127.0.0.1")
        signed_in = account(work.db, person.id)
        sign_ins.begin_sign_in(work, signed_in, browser, absolute=timedelta(hours=12), now=NOW)


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("name", EVERYTHING)
def test_a_handler_run_twice_has_one_effect(name: JobName, ctx: JobContext, db: Database) -> None:
    before = rows(db, EVERYTHING[name])
    assert before, "there is something to do"
    jobs.perform(ctx, name, jobs.HANDLERS[name], {})
    after, audited = rows(db, EVERYTHING[name]), rows(db, "SELECT count(*) FROM audit_entries")
    assert after != before
    jobs.perform(ctx, name, jobs.HANDLERS[name], {})
    assert rows(db, EVERYTHING[name]) == after
    assert rows(db, "SELECT count(*) FROM audit_entries") == audited


@pytest.mark.usefixtures("waiting")
def test_the_audit_says_that_a_job_of_the_system_did_it(ctx: JobContext, db: Database) -> None:
    jobs.perform(ctx, JobName.EXPIRE_HOLDS, jobs.HANDLERS[JobName.EXPIRE_HOLDS], {})
    found = rows(db, "SELECT DISTINCT actor_kind, source FROM audit_entries WHERE what LIKE 'assignment.expired'")
    assert found == [("system", "job")]


def test_a_job_begins_on_nobody_s_behalf_and_sees_no_operator_s_rows(ctx: JobContext, make: Make) -> None:
    make.user()
    seen = []

    def look(context: JobContext) -> None:
        with context.read_only() as db:
            seen.extend([current_tenant(), db.scalar(text("SELECT count(*) FROM users"))])

    jobs.perform(ctx, JobName.TIDY_ACCOUNTS, look, {})
    assert seen == [NOBODY, 0]
    assert current_tenant() is tenancy.UNSAID


def test_a_failing_job_is_logged_and_fails(ctx: JobContext, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_ctx: JobContext) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        jobs.perform(ctx, JobName.TIDY_ACCOUNTS, broken, {})
    assert "job.failed" in caplog.text


def test_a_name_there_is_no_job_of_is_refused() -> None:
    with pytest.raises(ValueError, match="no such job"):
        jobs.run("no such job", {})
