"""SIGKILL at each named point of a certificate's way, again and again: as under F5, nothing is lost and nothing double.

A point that nobody reaches fails the test: whoever moves it or takes it away has to say where it went.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.bench.report import Row, at_most
from tests.bench.taught import Taught
from tests.faults.certificate_checkers import numbers
from tests.faults.certificate_desk import CertificateDesk, certificate_desk
from tests.faults.world import exactly, none_of, recorded, report, sized
from webapp.certificates.jobs import BATCH
from webapp.certificates.service import MAX_ATTEMPTS
from webapp.core.failpoints import Failpoint

pytestmark = pytest.mark.faults

TIMES = sized(3, 20)
STUDENTS = 3
"""Of each booking; a work-horse dies at the first, second or third certificate by turns."""
REACHED_WITHIN = 120.0
HEALED_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Way:
    """Who comes to a point, and what has to happen for that."""

    kind: str
    trigger: Callable[[CertificateDesk, Taught], None]
    hits: int = 1
    """How often one trigger leads there: two files for each certificate come to the points of the store."""


def completed(desk: CertificateDesk, booking: Taught) -> None:
    """Somebody marks the last session, and again when the desk died of it."""
    desk.complete_at_last(booking)


def completed_on_a_full_disk(desk: CertificateDesk, booking: Taught) -> None:
    """The first file cannot be written."""
    desk.order(Failpoint.STORING, "raise:ENOSPC@1", "worker")
    desk.complete_at_last(booking)


def due_for_long(desk: CertificateDesk, booking: Taught) -> None:
    """The ring is lost, and the certificates have waited a minute for it."""
    desk.complete_at_last(booking)
    desk.redis.flushall()
    desk.execute("UPDATE certificates SET next_at = next_at - interval '1 minute' WHERE booking_id = %s", booking.id)


def never_rung(desk: CertificateDesk, booking: Taught) -> None:
    """As ``due_for_long``; the workers go on when the sweeper has come by."""
    with desk.held():
        due_for_long(desk, booking)
        desk.until(lambda: desk.was_hit(Failpoint.RINGING_AGAIN, "sweeper"), "the sweeper finds them", REACHED_WITHIN)


def tried_too_often(desk: CertificateDesk, booking: Taught) -> None:
    """Every try was killed, so the sweeper gives the certificates up; then somebody has them made after all."""
    with desk.held():
        desk.complete_at_last(booking)
        desk.execute("UPDATE certificates SET attempts = %s WHERE booking_id = %s", MAX_ATTEMPTS, booking.id)
        desk.until(lambda: desk.was_hit(Failpoint.GIVING_UP, "sweeper"), "the sweeper gives up", REACHED_WITHIN)
        desk.take_back(Failpoint.GIVING_UP, "sweeper")
        replace_sweeper(desk)
        desk.until(lambda: len(desk.certificates(booking, "failed")) == STUDENTS, "they are given up", REACHED_WITHIN)
    for certificate_id in desk.certificates(booking, "failed"):
        assert desk.ask("POST", f"/certificates/{certificate_id}/retry", desk.admin) == 303


def more_than_a_batch(desk: CertificateDesk, booking: Taught) -> None:
    """More is due at once than one job makes, and only one worker is there to make it."""
    more = desk.teach([STUDENTS] * (BATCH // STUDENTS + 1))
    with desk.held("worker-1"), ThreadPoolExecutor(4) as crowd:
        for asked in [crowd.submit(desk.complete_at_last, one, n) for n, one in enumerate((booking, *more))]:
            asked.result()
    desk.until(lambda: desk.was_hit(Failpoint.HANDING_OVER, "worker"), "a batch is full", REACHED_WITHIN)
    desk.processes.kill("worker-1", signal.SIGCONT)


def erased(desk: CertificateDesk, booking: Taught) -> None:
    """The certificates are issued, and then the family is erased."""
    desk.complete_at_last(booking)
    desk.until(lambda: len(desk.certificates(booking, "issued")) == STUDENTS, "they are issued")
    path = f"/households/{booking.household_id}/erase"

    def press() -> bool:
        desk.ask("POST", path, desk.admin, reason="asked_for", confirmation="Guardian")
        # Asked of the rows: the answer may lead to a sign-in, or be lost with the server that is killed on the way.
        said = desk.rows("SELECT erased_at IS NOT NULL FROM households WHERE id = %s", booking.household_id)
        return said == [(True,)]

    desk.until(press, "the family is erased")


def revoked(desk: CertificateDesk, booking: Taught) -> None:
    """The certificates are issued, two people revoke one, and the list of the void ones is asked for."""
    desk.complete_at_last(booking)
    desk.until(lambda: len(desk.certificates(booking, "issued")) == STUDENTS, "they are issued")
    desk.revoke(desk.certificates(booking, "issued")[0])


# Those of the web lie apart: its servers take their time to come up again.
WAYS = {
    Failpoint.CLAIMING: Way("worker", completed, STUDENTS),
    Failpoint.COMPLETING: Way("web", completed),
    Failpoint.CLAIMED: Way("worker", completed, STUDENTS),
    Failpoint.RENDERED: Way("worker", completed, STUDENTS),
    Failpoint.STORING: Way("worker", completed, 2 * STUDENTS),
    Failpoint.SIGNED: Way("worker", completed, STUDENTS),
    Failpoint.CREDENTIAL: Way("worker", completed, STUDENTS),
    Failpoint.PROMISING: Way("web", completed),
    Failpoint.WRITTEN: Way("worker", completed, 2 * STUDENTS),
    Failpoint.SYNCED: Way("worker", completed, 2 * STUDENTS),
    Failpoint.RENAMED: Way("worker", completed, 2 * STUDENTS),
    Failpoint.STORED: Way("worker", completed, STUDENTS),
    Failpoint.PDF_STORED: Way("worker", completed, STUDENTS),
    Failpoint.BEFORE_RING: Way("web", completed),
    Failpoint.PUBLISHING: Way("worker", completed, STUDENTS),
    Failpoint.PUBLISHED: Way("worker", completed, STUDENTS),
    Failpoint.FAILING: Way("worker", completed_on_a_full_disk),
    Failpoint.FAILED: Way("worker", completed_on_a_full_disk),
    Failpoint.AFTER_RING: Way("web", completed),
    Failpoint.HANDING_OVER: Way("worker", more_than_a_batch),
    Failpoint.LISTED: Way("worker", revoked),
    Failpoint.SWEEPING: Way("sweeper", completed),
    Failpoint.GIVING_UP: Way("sweeper", tried_too_often),
    Failpoint.ERASING: Way("web", erased),
    Failpoint.RINGING_AGAIN: Way("sweeper", never_rung),
    Failpoint.REMOVED: Way("worker", erased, STUDENTS),
    Failpoint.FILE_ERASED: Way("worker", erased, STUDENTS),
}


def replace_sweeper(desk: CertificateDesk) -> None:
    """Start a killed sweeper again, and take the dead one's lead off: waiting for that to run out proves nothing here.

    That a sweeper does take over by itself is what F5 shows.
    """
    desk.until(desk.processes.ended, "the sweeper is dead")
    desk.restart_ended()
    desk.execute("DELETE FROM leases")


def strike(desk: CertificateDesk, point: Failpoint, way: Way, number: int) -> bool:
    """Kill whoever comes to the point; whether somebody came."""
    (booking,) = desk.teach([STUDENTS])
    hit = 1 + number % way.hits
    desk.order(point, f"kill@{hit}", way.kind)
    way.trigger(desk, booking)
    try:
        desk.until(lambda: desk.was_hit(point, way.kind), f"{point}", REACHED_WITHIN)
        reached = True
    except AssertionError:
        reached = False
    for armed in {point, Failpoint.STORING}:
        desk.take_back(armed, way.kind)
    desk.history.note("killed", point=point, booking=booking.id, hit=hit, reached=reached)
    if reached and point in (Failpoint.SWEEPING, Failpoint.RINGING_AGAIN):
        replace_sweeper(desk)
    desk.complete_at_last(booking)
    return reached


def test_nothing_is_lost_wherever_a_process_is_killed() -> None:
    assert WAYS.keys() == set(Failpoint), "every point has its way"
    reached: Counter[Failpoint] = Counter()
    with recorded("f5f_failpoints") as history, certificate_desk(history) as desk:
        desk.begin()
        for number in range(TIMES):
            for point, way in WAYS.items():
                reached[point] += strike(desk, point, way, number)
        healed, found = desk.wait_until_sound(HEALED_WITHIN)
        counted = numbers(desk.address)
        report(
            "f5f_failpoints",
            *points(reached),
            Row("certificates due", counted["due"], ""),
            exactly("certificates issued", counted["issued"], counted["due"]),
            at_most("healed after", healed, "s", HEALED_WITHIN),
            *none_of(found),
        )


def points(reached: Counter[Failpoint]) -> Iterator[Row]:
    """How often somebody was killed at each point."""
    for point in Failpoint:
        yield exactly(f"killed at {point}", reached[point], TIMES, "times")
