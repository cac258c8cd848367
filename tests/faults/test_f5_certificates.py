"""Certificates under kills: however often a process, a server or the disk fails, each student sees exactly one.

A whole desk on servers of its own completes courses through its pages while a hand kills, stops and starves whatever
takes part. When it rests, all is well within two minutes: what is due is issued, once, under one number, with the file
whose hash stands in its row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from tests.bench.report import Row, at_least, at_most
from tests.bench.taught import Taught, students_of
from tests.faults.certificate_checkers import numbers, orphans
from tests.faults.certificate_desk import CertificateDesk, certificate_desk
from tests.faults.certificate_kills import NEED_A_HORSE, Fault, Hand, schedule
from tests.faults.world import SEED, exactly, none_of, recorded, report, sized

pytestmark = pytest.mark.faults

CERTIFICATES = sized(200, 5000)
FAULTS = sized(30, 60)
EVERY = sized(4, 8)
"""Seconds from one fault to the next, if it takes no longer itself."""
HEALED_WITHIN = 120.0
CLIENTS = 2


def complete_all(desk: CertificateDesk, bookings: list[Taught], seconds: float) -> None:
    """Complete every booking, evenly spread over so many seconds."""
    began = time.monotonic()

    def client(number: int) -> None:
        for n in range(number, len(bookings), CLIENTS):
            time.sleep(max(0.0, began + n * seconds / len(bookings) - time.monotonic()))
            desk.complete_at_last(bookings[n], number)

    with ThreadPoolExecutor(CLIENTS) as crowd:
        for done in [crowd.submit(client, number) for number in range(CLIENTS)]:
            done.result()


def test_whatever_is_killed_each_student_sees_one_certificate() -> None:
    rng = Random(SEED)
    with recorded("f5_certificates") as history, certificate_desk(history) as desk:
        bookings = desk.teach(list(students_of(CERTIFICATES)), absent_every=25, short_every=20)
        desk.begin()
        reserve = FAULTS // len(Fault) * NEED_A_HORSE + FAULTS % len(Fault)
        hand, faults = Hand(desk, rng, iter(bookings[:reserve])), schedule(FAULTS, rng)
        began = time.monotonic()
        with ThreadPoolExecutor(1) as beside:
            completing = beside.submit(complete_all, desk, bookings[reserve:], FAULTS * EVERY)
            for number, fault in enumerate(faults):
                time.sleep(max(0.0, began + number * EVERY - time.monotonic()))
                hand.strike(fault)
            completing.result()
        complete_all(desk, bookings[:reserve], 0)  # those that nobody had to complete so far
        raged = time.monotonic() - began
        healed, found = desk.wait_until_sound(HEALED_WITHIN)
        print(f"struck: {dict(hand.struck)}\nin vain: {dict(hand.in_vain)}")
        report("f5_certificates", *rows_of(desk, hand, raged), at_most("healed after", healed, "s", HEALED_WITHIN),
               *none_of(found))  # fmt: skip


def rows_of(desk: CertificateDesk, hand: Hand, raged: float) -> Iterator[Row]:
    """What was due and is there, and whether the faults were any."""
    counted = numbers(desk.address)
    told = {event.subject for event in desk.history.of("complete", "ok")}
    kept = {str(row[0]) for row in desk.rows("SELECT id FROM bookings WHERE status = 'completed'")}
    retries = "SELECT count(*), coalesce(max(attempts), 0) FROM certificates WHERE attempts > 1"
    again, most = desk.rows(retries)[0]
    yield Row("seconds of faults", round(raged, 1), "s")
    yield at_least("certificates due", counted["due"], "", CERTIFICATES * 0.85)
    yield exactly("certificates issued", counted["issued"], counted["due"])
    yield exactly("bookings said to be completed that are not", len(told - kept), 0)
    yield exactly("bookings not completed", len(desk.bookings) - len(kept), 0)
    yield at_least("faults that struck", hand.struck.total(), f"of {FAULTS}", FAULTS * 0.8)
    for fault in Fault:
        yield at_least(f"  {fault}", hand.struck[fault], "", 1)
    yield at_least("certificates tried more than once", again, "", 1)
    yield Row("most tries of one", most, "")
    yield Row("files that overtaken tries left", orphans(desk.address, desk.store), "")
    yield Row("requests that were not answered well", len(desk.history.unexpected), "")
    yield Row(f"the disk was full by: {hand.how_full}", hand.struck[Fault.DISK], "times")
