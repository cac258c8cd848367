"""The desk's real processes on a committed database: the worker draws, the sweeper finds what was lost."""

from __future__ import annotations

import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.certificate_keys import Verdict, judged
from tests.jobs.builders import DONE, PlainKeys, PlainRenderer, Shelf, completed_booking, promise, rows, states, until
from tests.jobs.conftest import OwnDesk
from webapp.certificates import jobs
from webapp.certificates.credentials import texts
from webapp.certificates.credentials.verifying import belongs_to, verify
from webapp.certificates.queries import keys as known
from webapp.certificates.rules import KeyKind
from webapp.clients.files import store_from_url
from webapp.db.job_context import JobContext
from webapp.ops import queries, service
from webapp.queue.worker import pulse

MUCH_LATER = DONE.replace(hour=23)


def waiting(desk: OwnDesk) -> int:
    return pulse(desk.settings.redis_url, timeout=5).waiting


def test_a_promise_outlives_a_flushed_queue_and_a_real_worker_keeps_it(desk: OwnDesk) -> None:
    promise(desk.database, completed_booking(desk.make, desk.database, "మీనా రావు", "Arun"))
    assert waiting(desk) == 1
    desk.redis.flushdb()
    assert waiting(desk) == 0, "the ring is lost; the row is not"

    worker = desk.start()
    until(lambda: pulse(desk.settings.redis_url, timeout=5).workers == 1, "the worker comes up")
    assert states(desk.database) == Counter(pending=2)
    assert jobs.ring_again(JobContext(desk.settings, desk.database, lambda: MUCH_LATER))
    until(lambda: states(desk.database) == Counter(issued=2), "the certificates are issued")

    store = store_from_url(desk.settings.certificate_store_url)
    files = [store.get(str(sha256)) for (sha256,) in rows(desk.database, "SELECT pdf_sha256 FROM certificates")]
    assert all(content.startswith(b"%PDF-") for content in files)
    assert len(set(files)) == 2
    with desk.database.read_only() as db:
        issuer, in_use = known.issuer(db, desk.settings.public_url), known.keys_in_use(db)
    (pem,) = (key.public for key in in_use if key.kind is KeyKind.X509)
    assert [judged(content, pem, at=DONE) for content in files] == [Verdict(True, True, DONE, True)] * 2
    for sha256, name in rows(desk.database, "SELECT credential_sha256, payload ->> 'student_name' FROM certificates"):
        credential = verify(texts.read(store.get(str(sha256))), issuer)
        assert belongs_to(credential, str(name))
    assert rows(desk.database, "SELECT DISTINCT source FROM audit_entries WHERE what = 'certificate.issued'") == [
        ("job",)
    ]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert pulse(desk.settings.redis_url, timeout=5).workers == 0


def test_a_sweeper_leads_rings_for_the_lost_and_hands_over_when_stopped(desk: OwnDesk) -> None:
    promise(desk.database, completed_booking(desk.make, desk.database))
    desk.redis.flushdb()

    def is_led() -> bool:
        with desk.database.read_only() as db:
            return queries.is_led(db, service.SWEEPER)

    sweeper = desk.start("sweep")
    until(is_led, "the sweeper leads")
    until(lambda: waiting(desk) > 0, "the sweeper rings")
    sweeper.send_signal(signal.SIGTERM)
    assert sweeper.wait(30) == 0
    assert not is_led()


def test_four_jobs_at_once_share_the_work_and_make_nothing_twice(desk: OwnDesk) -> None:
    for number in range(5):
        promise(desk.database, completed_booking(desk.make, desk.database, f"A {number}", f"B {number}", f"C {number}"))
    together, renderer, shelf = Barrier(4), PlainRenderer(), Shelf()

    def job(_number: int) -> int:
        together.wait(30)
        return jobs.issue(desk.ctx, store=shelf, renderer=renderer, keys=PlainKeys())

    with ThreadPoolExecutor(4) as crowd:
        assert sum(crowd.map(job, range(4))) == 15
    assert states(desk.database) == Counter(issued=15)
    assert sorted(renderer.drawn.values()) == [1] * 15
    audited = "SELECT count(DISTINCT subject_id), count(*) FROM audit_entries WHERE what = 'certificate.issued'"
    assert rows(desk.database, audited) == [(15, 15)]


def test_a_worker_waits_for_a_redis_that_is_away_and_still_stops_when_asked(desk: OwnDesk) -> None:
    worker = desk.start(REDIS_URL="redis://127.0.0.1:1/0")
    until(lambda: desk.log.count("worker.redis_away") >= 2, "the worker tries again")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0


def test_a_sweeper_waits_for_a_database_that_is_away_and_still_stops_when_asked(desk: OwnDesk) -> None:
    sweeper = desk.start("sweep", DATABASE_URL="postgresql+psycopg://nobody:very-secret@127.0.0.1:1/nothing")
    until(lambda: desk.log.count("sweeper.waits") >= 2, "the sweeper tries again")
    sweeper.send_signal(signal.SIGTERM)
    assert sweeper.wait(30) == 0
    assert "very-secret" not in desk.log


def test_more_arguments_than_there_are_is_said_and_nothing_starts(desk: OwnDesk) -> None:
    assert desk.start("sweep", "now").wait(30) == 2
    assert "python worker.py sweep" in desk.log
