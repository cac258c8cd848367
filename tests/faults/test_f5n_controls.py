"""What F5 looks for is found where it is: each check can fail, and each guard is what keeps the damage away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError

from tests.bench.taught import Taught, load, school
from tests.faults import careless_worker, certificate_checkers
from tests.faults.certificate_desk import LEASE_SECONDS, certificate_desk
from tests.faults.certificate_kills import Fault, schedule
from tests.faults.world import FaultWorld, recorded
from tests.jobs.builders import PlainKeys, PlainRenderer
from webapp.certificates import jobs, promising, service
from webapp.clients.files import LocalFileStore
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.core.failpoints import Failpoint
from webapp.course_sessions.rules import AttendanceMark
from webapp.course_sessions.service import Outcome, mark
from webapp.db.job_context import JobContext
from webapp.db.promises import Promises

pytestmark = pytest.mark.faults

LEASE = timedelta(seconds=3)
FREE_HAND = "ALTER TABLE certificates DISABLE TRIGGER keep_certificate"
COPY = (
    "INSERT INTO certificates SELECT (jsonb_populate_record(c, jsonb_build_object("
    "'id', gen_random_uuid(), 'token', md5(c.token), {changed}))).* FROM certificates c LIMIT 1"
)
ONE = "WHERE id = (SELECT min(id::text)::uuid FROM certificates)"

DAMAGES: tuple[tuple[str, list[str]], ...] = (
    ("lost", [FREE_HAND, f"DELETE FROM certificates {ONE}"]),
    ("not earned", ["UPDATE bookings SET closed_reason = 'moved away'"]),
    (
        "duplicates",
        ["DROP INDEX uq_certificates_live_booking_id_student_id", COPY.format(changed="'number', 'ZD-26-00000-00000'")],
    ),
    (
        "two visible numbers",
        ["DROP INDEX uq_certificates_live_booking_id_student_id", COPY.format(changed="'number', 'ZD-26-00000-00000'")],
    ),
    (
        "one number twice",
        [
            "DROP INDEX uq_certificates_number",
            "DROP INDEX uq_certificates_live_booking_id_student_id",
            COPY.format(changed="'x', 1"),
        ],
    ),
    ("open promises", [FREE_HAND, f"UPDATE certificates SET state = 'failed' {ONE}"]),
    ("leases that outlast", [f"UPDATE certificates SET lease = id, lease_until = now() {ONE}"]),
    (
        "published twice, or untold",
        [
            "ALTER TABLE audit_entries DISABLE TRIGGER USER",
            "DELETE FROM audit_entries WHERE what = 'certificate.issued'",
        ],
    ),
    ("not as published", [FREE_HAND, f"UPDATE certificates SET pdf_sha256 = repeat('0', 64) {ONE}"]),
    (
        "promised twice, or untold",
        [
            "ALTER TABLE audit_entries DISABLE TRIGGER USER",
            "DELETE FROM audit_entries WHERE what = 'certificate.promised'",
        ],
    ),
    ("completed by halves", ["UPDATE bookings SET status = 'in_progress', completed_at = NULL"]),
    (
        "void and on no list",
        [FREE_HAND, f"UPDATE certificates SET state = 'revoked', revoked_at = now(), revoked_reason = 'x' {ONE}"],
    ),
    ("files not erased", [FREE_HAND, f"UPDATE certificates SET erased_at = now(), salt = NULL {ONE}"]),
    ("files missing or changed", [FREE_HAND, f"UPDATE certificates SET pdf_sha256 = repeat('0', 64) {ONE}"]),
    ("files left of the erased", [FREE_HAND, f"UPDATE certificates SET erased_at = now(), salt = NULL {ONE}"]),
)
"""What a check is for, and how to do it to a desk where nothing is wrong."""


class Scene:
    """A desk in this process: bookings completed by its services, certificates made by its job."""

    def __init__(self, world: FaultWorld, settings: Settings, folder: Path) -> None:
        self.world = world
        self.settings = settings
        self.folder = folder
        with psycopg.connect(world.address, autocommit=True) as db:
            self.bookings = load(db, school(world.database, clock.now()), [1, 2, 3], absent_every=3)

    def complete(self, booking: Taught) -> None:
        """Mark the last session, which promises the certificates."""
        marks = dict.fromkeys(booking.students, AttendanceMark.PRESENT)
        promise = partial(promising.promise_for, public_url="http://127.0.0.1")
        with self.world.database.unit_of_work() as work:
            mark(
                *(work, booking.sessions[-1], Outcome.COMPLETED, marks),
                by=SYSTEM, now=clock.now(), on_completed=promise,
            )  # fmt: skip

    def promise_again(self, booking: Taught) -> None:
        """Do once more what completing did."""
        with self.world.database.unit_of_work() as work:
            promising.promise_for(work, booking.id, by=SYSTEM, now=clock.now(), public_url="http://127.0.0.1")

    def issue(self) -> int:
        """Make what is due."""
        ctx = JobContext(self.settings, self.world.database, clock.now)
        return jobs.issue(ctx, store=LocalFileStore(self.folder), renderer=PlainRenderer(), keys=PlainKeys())

    def claim(self, after: timedelta = timedelta(0)) -> service.Claim:
        """Take the next one, so much later."""
        with self.world.database.unit_of_work() as work:
            claim = service.claim_next(work, now=clock.now() + after, lease_for=LEASE)
        assert claim is not None
        return claim

    def publish(self, claim: service.Claim, content: bytes) -> bool:
        """Keep files and publish them."""
        store = LocalFileStore(self.folder)
        made = service.Made(
            store.put(content, media_type="application/pdf"), store.put(content[:2], media_type="application/ld+json")
        )
        with self.world.database.unit_of_work() as work:
            return service.publish(work, claim, made, now=clock.now())

    def breaches(self, statements: Sequence[str] = ()) -> set[str]:
        """Which checks find something, after some statements that are then undone."""
        found = certificate_checkers.breaches_if(self.world.address, self.folder, statements)
        return {name for name, number in found.items() if number}


@pytest.fixture
def scene(world: FaultWorld, settings: Settings, at: datetime, tmp_path: Path) -> Scene:
    """Three bookings that are about to be completed."""
    return Scene(world, settings, tmp_path / "certificates")


@pytest.fixture
def issued(scene: Scene) -> Scene:
    """The same, completed and issued: five students, one of whom was absent too often, and nothing is wrong."""
    for booking in scene.bookings:
        scene.complete(booking)
    assert scene.issue() == 5
    assert scene.breaches() == set()
    return scene


def test_each_check_finds_what_it_is_for(issued: Scene) -> None:
    for check, statements in DAMAGES:
        assert check in issued.breaches(statements), check
    assert {check for check, _ in DAMAGES} == {*certificate_checkers.breaches(issued.world.address, issued.folder)}
    assert issued.breaches() == set(), "what was tried is undone"


def test_a_file_that_was_changed_on_the_disk_is_found(issued: Scene) -> None:
    kept = next(path for path in issued.folder.rglob("*") if path.is_file())
    kept.write_bytes(kept.read_bytes() + b"x")
    assert issued.breaches() == {"files missing or changed"}


def test_without_its_unique_index_a_promise_kept_twice_is_two_certificates(scene: Scene) -> None:
    one, two, _absent = scene.bookings
    scene.complete(one)
    scene.promise_again(one)
    assert scene.issue() == 1
    assert not {"duplicates", "two visible numbers"} & scene.breaches()
    scene.world.as_owner("DROP INDEX uq_certificates_live_booking_id_student_id")
    scene.complete(two)
    scene.promise_again(two)
    assert scene.issue() == 4
    assert {"duplicates", "two visible numbers"} <= scene.breaches()


def overtaken(scene: Scene) -> tuple[service.Claim, service.Claim]:
    """A slow try of the first booking's certificate, and the one that began when its lease was over."""
    scene.complete(scene.bookings[0])
    return scene.claim(), scene.claim(LEASE + timedelta(seconds=10))


def test_with_its_lease_checked_who_was_overtaken_changes_nothing(scene: Scene) -> None:
    slow, quick = overtaken(scene)
    with scene.world.database.unit_of_work() as work:
        assert service.record_failure(work, slow, "not-drawable", lasting=True, now=clock.now()) is None
    assert scene.publish(quick, b"quick")
    assert not scene.publish(slow, b"slow")
    assert scene.breaches() == set()


def test_without_the_lease_check_who_was_overtaken_fails_what_another_makes(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = overtaken(scene)
    with monkeypatch.context() as careless, scene.world.database.unit_of_work() as work:
        careless.setattr(Promises, "settle", careless_worker.settle)
        service.record_failure(work, slow, "not-drawable", lasting=True, now=clock.now())
    assert not scene.publish(quick, b"quick")
    assert {"lost", "open promises"} <= scene.breaches()


def test_without_the_lease_check_the_database_still_refuses_a_second_file(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = overtaken(scene)
    monkeypatch.setattr(Promises, "settle", careless_worker.settle)
    assert scene.publish(quick, b"quick")
    with pytest.raises(IntegrityError, match="never changes"):
        scene.publish(slow, b"slow")
    assert scene.breaches() == set()


def test_without_either_a_certificate_is_published_twice(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = overtaken(scene)
    monkeypatch.setattr(Promises, "settle", careless_worker.settle)
    scene.world.as_owner(FREE_HAND)
    assert scene.publish(quick, b"quick")
    assert scene.publish(slow, b"slow")
    assert {"published twice, or untold", "not as published"} <= scene.breaches()


def test_on_a_whole_desk_the_damage_of_a_careless_worker_and_of_a_missing_sweeper_is_found() -> None:
    """The rig of F5 with its workers' lease check taken out, then without sweepers: both show."""
    with recorded("f5n_controls") as history, certificate_desk(history) as desk:
        slow, quick, unswept = desk.teach([1, 1, 1])
        desk.execute(FREE_HAND)
        desk.begin(worker=("-m", "tests.faults.careless_worker"))
        desk.order(Failpoint.RENDERED, f"pause:{4 * LEASE_SECONDS + 4}@1", "worker")
        desk.complete_at_last(slow)
        desk.until(lambda: desk.was_hit(Failpoint.RENDERED, "worker"), "one is rendered, and hangs")
        due = "SELECT count(*) FROM certificates WHERE next_at < now() AND lease_until < now()"
        desk.until(lambda: desk.rows(due)[0][0] == 1, "its lease is over")
        desk.complete_at_last(quick)
        twice = "published twice, or untold"
        desk.until(lambda: desk.breaches()[twice] == 1, "both publish")

        for name in desk.processes.names("sweeper"):
            desk.processes.kill(name)
        with desk.held():
            desk.complete_at_last(unswept)
            desk.redis.flushall()
        _, found = desk.wait_until_sound(15)
        assert (found["open promises"], found["lost"], found[twice]) == (1, 1, 1)
        desk.restart_ended()
        desk.until(lambda: desk.breaches()["open promises"] == 0, "somebody sweeps again")


def test_a_schedule_holds_every_kind_of_fault_and_is_the_same_for_the_same_seed() -> None:
    one, other = schedule(30, Random(1)), schedule(30, Random(1))
    assert one == other
    assert len(one) == 30
    assert set(one) == set(Fault)
    assert schedule(30, Random(2)) != one
