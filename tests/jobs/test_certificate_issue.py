"""Making certificates: whatever is repeated, overtaken or killed, each student sees one (rule C2)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.jobs.builders import (
    DONE,
    PlainKeys,
    PlainRenderer,
    Shelf,
    completed_booking,
    later,
    promise,
    rows,
    states,
)
from tests.make import Make
from tests.web.client import Bell
from webapp.certificates import jobs, service
from webapp.certificates.rules import CertificateState
from webapp.certificates.service import MAX_ATTEMPTS, Claim, Made
from webapp.core.errors import Conflict
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database

LEASE = timedelta(seconds=30)
DAY = timedelta(days=1)


def promised(make: Make, db: Database, *students: str) -> tuple[UUID, ...]:
    return promise(db, completed_booking(make, db, *students))


def claimed(db: Database, *, at: timedelta = timedelta(0), lease_for: timedelta = LEASE) -> Claim:
    with db.unit_of_work() as work:
        claim = service.claim_next(work, now=DONE + at, lease_for=lease_for)
    assert claim is not None
    return claim


def published(db: Database, claim: Claim, sha256: str) -> bool:
    with db.unit_of_work() as work:
        return service.publish(work, claim, Made(sha256, sha256), now=DONE)


def audited(db: Database, what: str) -> int:
    ((found,),) = rows(db, "SELECT count(*) FROM audit_entries WHERE what = :what", what=f"certificate.{what}")
    assert isinstance(found, int)
    return found


def test_one_job_issues_all_that_wait(
    make: Make, db: Database, ctx: JobContext, renderer: PlainRenderer, shelf: Shelf
) -> None:
    promised(make, db, "Meena", "Arun", "Ravi")
    assert jobs.issue(ctx, store=shelf, renderer=renderer, keys=PlainKeys()) == 3
    assert states(db) == Counter(issued=3)
    found = rows(db, "SELECT pdf_sha256, credential_sha256, lease, issued_at FROM certificates")
    assert {sha256 for *files, _, _ in found for sha256 in files} == set(shelf.files)
    assert len(shelf.files) == 6
    assert {(lease, issued_at) for *_, lease, issued_at in found} == {(None, DONE)}
    assert audited(db, "issued") == 3


def test_running_the_job_twice_has_one_effect(
    make: Make, db: Database, ctx: JobContext, renderer: PlainRenderer, shelf: Shelf
) -> None:
    promised(make, db, "Meena")
    jobs.issue(ctx, store=shelf, renderer=renderer, keys=PlainKeys())
    before = rows(db, "SELECT * FROM certificates")
    assert jobs.issue(later(ctx, DAY), store=shelf, renderer=renderer, keys=PlainKeys()) == 0
    assert rows(db, "SELECT * FROM certificates") == before
    assert audited(db, "issued") == 1
    assert set(renderer.drawn.values()) == {1}


def test_one_that_cannot_be_drawn_fails_at_once_and_blocks_nobody(
    make: Make, db: Database, ctx: JobContext, shelf: Shelf
) -> None:
    promised(make, db, "Meena", "Unprintable", "Ravi")
    assert jobs.issue(ctx, store=shelf, renderer=PlainRenderer(frozenset({"Unprintable"})), keys=PlainKeys()) == 2
    assert states(db) == Counter(issued=2, failed=1)
    ((problem,),) = rows(db, "SELECT last_error FROM certificates WHERE state = 'failed'")
    assert problem == "not-drawable"
    assert audited(db, "failed") == 1


def test_a_full_disk_is_waited_out(make: Make, db: Database, ctx: JobContext, renderer: PlainRenderer) -> None:
    promised(make, db, "Meena")
    shelf = Shelf(refusals=1)
    assert jobs.issue(ctx, store=shelf, renderer=renderer, keys=PlainKeys()) == 0
    ((state, attempts, problem, next_at, lease),) = rows(
        db, "SELECT state, attempts, last_error, next_at, lease FROM certificates"
    )
    assert (state, attempts, problem, lease) == ("pending", 1, "not-stored", None)
    assert DONE < next_at <= DONE + timedelta(seconds=10)
    assert jobs.issue(ctx, store=shelf, renderer=renderer, keys=PlainKeys()) == 0, "not before its time"
    assert jobs.issue(later(ctx, timedelta(seconds=10)), store=shelf, renderer=renderer, keys=PlainKeys()) == 1
    assert rows(db, "SELECT state, attempts, last_error FROM certificates") == [("issued", 2, None)]


def test_after_twelve_tries_it_fails_and_a_person_can_have_it_made_after_all(
    make: Make, db: Database, ctx: JobContext, renderer: PlainRenderer, bells: list[Bell]
) -> None:
    (certificate_id,) = promised(make, db, "Meena")
    shelf = Shelf(refusals=MAX_ATTEMPTS)
    for n in range(MAX_ATTEMPTS):
        assert states(db) == Counter(pending=1)
        jobs.issue(later(ctx, n * DAY), store=shelf, renderer=renderer, keys=PlainKeys())
    assert states(db) == Counter(failed=1)
    assert jobs.issue(later(ctx, 99 * DAY), store=shelf, renderer=renderer, keys=PlainKeys()) == 0

    bells.clear()
    admin = make.admin().actor
    with db.unit_of_work() as work:
        service.retry(work, certificate_id, by=admin, now=DONE)
    assert bells == [(JobName.ISSUE_CERTIFICATES, {})]
    assert audited(db, "retried") == 1
    with pytest.raises(Conflict), db.unit_of_work() as work:
        service.retry(work, certificate_id, by=admin, now=DONE)
    assert jobs.issue(ctx, store=shelf, renderer=renderer, keys=PlainKeys()) == 1


def test_a_bug_in_one_row_stays_with_that_row(
    make: Make, db: Database, ctx: JobContext, renderer: PlainRenderer, shelf: Shelf
) -> None:
    torn, *_others = promised(make, db, "Meena", "Arun")
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE certificates SET payload = '{}' WHERE id = :id"), {"id": torn})
    assert jobs.issue(ctx, store=shelf, renderer=renderer, keys=PlainKeys()) == 1
    assert rows(db, "SELECT id, last_error FROM certificates WHERE state = 'pending'") == [
        (torn, "unexpected-ValueError")
    ]


def test_a_claimed_row_is_nobody_elses_until_the_lease_runs_out(make: Make, db: Database) -> None:
    promised(make, db, "Meena")
    claimed(db)
    with db.unit_of_work() as work:
        assert service.claim_next(work, now=DONE + LEASE - timedelta(seconds=1), lease_for=LEASE) is None
    assert claimed(db, at=LEASE).attempt == 2


def test_whoever_lost_the_lease_cannot_publish(make: Make, db: Database) -> None:
    promised(make, db, "Meena")
    slow = claimed(db)
    quick = claimed(db, at=LEASE)
    assert not published(db, slow, "a" * 64)
    assert states(db) == Counter(pending=1)
    assert published(db, quick, "b" * 64)
    assert not published(db, slow, "a" * 64)
    assert not published(db, quick, "c" * 64), "publishing twice changes nothing"
    assert rows(db, "SELECT state, pdf_sha256 FROM certificates") == [("issued", "b" * 64)]
    assert audited(db, "issued") == 1


def test_whoever_lost_the_lease_cannot_report_a_failure_either(make: Make, db: Database) -> None:
    promised(make, db, "Meena")
    slow = claimed(db)
    quick = claimed(db, at=LEASE)
    with db.unit_of_work() as work:
        assert service.record_failure(work, slow, "not-drawable", lasting=True, now=DONE) is None
    assert published(db, quick, "b" * 64)


def test_a_row_that_kills_its_work_horse_every_time_ends_as_failed(make: Make, db: Database, ctx: JobContext) -> None:
    promised(make, db, "Meena")
    for n in range(MAX_ATTEMPTS):
        assert claimed(db, at=n * DAY).attempt == n + 1, "the try counts although nobody reports"
    with db.unit_of_work() as work:
        assert service.claim_next(work, now=DONE + 99 * DAY, lease_for=LEASE) is None
    jobs.ring_again(later(ctx, 99 * DAY))
    assert rows(db, "SELECT state, last_error, lease FROM certificates") == [("failed", "no-answer", None)]
    assert audited(db, "failed") == 1


def test_a_full_batch_hands_over_to_a_fresh_job(
    make: Make,
    db: Database,
    ctx: JobContext,
    renderer: PlainRenderer,
    shelf: Shelf,
    bells: list[Bell],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    promised(make, db, "Meena", "Arun", "Ravi")
    monkeypatch.setattr(jobs, "BATCH", 2)
    bells.clear()
    assert jobs.issue(ctx, store=shelf, renderer=renderer, keys=PlainKeys()) == 2
    assert bells == [(JobName.ISSUE_CERTIFICATES, {})]
    bells.clear()
    assert jobs.issue(ctx, store=shelf, renderer=renderer, keys=PlainKeys()) == 1
    assert bells == []


def test_the_sweep_rings_for_what_waits_too_long_and_for_nothing_else(
    make: Make, db: Database, ctx: JobContext, renderer: PlainRenderer, shelf: Shelf, bells: list[Bell]
) -> None:
    assert not jobs.ring_again(ctx)
    promised(make, db, "Meena")
    bells.clear()
    assert not jobs.ring_again(ctx), "its own ring may still arrive"
    assert bells == []
    assert jobs.ring_again(later(ctx, jobs.RING_AGAIN_AFTER))
    assert bells == [(JobName.ISSUE_CERTIFICATES, {})]
    jobs.issue(ctx, store=shelf, renderer=renderer, keys=PlainKeys())
    assert not jobs.ring_again(later(ctx, DAY))


def test_the_wait_between_tries_grows_and_has_an_end() -> None:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        wait = service.backoff(attempt)
        assert timedelta(seconds=3.75) <= wait <= timedelta(minutes=12.5)
    assert service.backoff(5) > service.backoff(1)


def test_the_log_of_a_failure_carries_no_name(
    make: Make, db: Database, ctx: JobContext, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    promised(make, db, "Unprintable")
    jobs.issue(ctx, store=shelf, renderer=PlainRenderer(frozenset({"Unprintable"})), keys=PlainKeys())
    assert "not_drawable" in caplog.text
    assert "Unprintable" not in caplog.text
    assert CertificateState.FAILED in states(db)
