"""The part ``certificates``: what completing a course costs, how fast certificates are made, and that pages stay quick.

One desk on a database that syncs to disk: the web and the workers are processes as in ``make run``, and what they are
measured against, Typst and the signature alone, is a process as well, in turns with them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench.certified_desk import Desk, Web, desk_of, web_of
from tests.bench.report import Report, Row, at_least, at_most, high, middle
from tests.bench.workers import Workers
from tests.bench.world import SEED
from tests.services import ROOT, Servers

Say = Callable[[str], None]
WARM_UP: Final = 8
"""Bookings that are completed before anybody measures: the first pages of each of the web's processes take longer."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: bookings completed by hand, rounds of certificates against the floor, and all at once."""

    completions: int
    rounds: int
    of: int
    at_once: int
    verified: int


NORMAL: Final = Sizes(completions=60, rounds=3, of=400, at_once=10_000, verified=60)
SMALL: Final = Sizes(completions=4, rounds=1, of=12, at_once=24, verified=4)


class CertificatesBench:
    """Measures on a database of its own."""

    def __init__(self, servers: Servers, sizes: Sizes, say: Say) -> None:
        self._servers = servers
        self._sizes = sizes
        self._say = say

    def run(self) -> Report:
        """Everything there is to measure."""
        rows = [
            Row("processor cores", os.cpu_count() or 0, ""),
            Row("load of the machine by others, at the start", os.getloadavg()[0], ""),
        ]
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zonedesk-certificates-")))
            desk = stack.enter_context(desk_of(self._servers, folder))
            with web_of(desk) as web:
                rows += self._completions(desk, web)
                self._say("the last sessions are completed.")
                rows += self._against_the_floor(desk)
                self._say("one worker is measured.")
                rows += self._verifications(desk, web)
                self._say("verifications are measured.")
            rows += self._at_once(desk)
        return Report("certificates", SEED, tuple(rows))

    def _completions(self, desk: Desk, web: Web) -> Iterator[Row]:
        """Each booking's 29th session, then its 30th; no worker runs."""
        bookings = desk.teach([2] * (self._sizes.completions + WARM_UP), open_from=29)
        took: dict[int, list[float]] = {29: [], 30: []}
        for n, booking in enumerate(bookings):
            for number, session_id in zip((29, 30), booking.sessions, strict=True):
                seconds = web.mark(booking, session_id)
                if n >= WARM_UP:
                    took[number].append(seconds * 1000)
        before, last = middle(took[29]), middle(took[30])
        yield Row("completing the 29th session: median", before, "ms")
        yield Row("completing the 30th session, two certificates promised: median", last, "ms")
        yield at_most("  of that for its being the last", last - before, "ms", 10)
        states = desk.rows("SELECT state, count(*), max(attempts) FROM certificates GROUP BY state")
        untouched = states == [("pending", 2 * len(bookings), 0)] and not any(desk.files())
        yield Row("  certificates promised and left alone", float(untouched), "", "1", untouched)
        yield at_most("  web processes that have loaded Typst", web.with_typst(), "", 0)

    def _against_the_floor(self, desk: Desk) -> Iterator[Row]:
        """One worker and the bare calls by turns, on payloads of the same kind."""
        ours, floor, loaded, statements = [], [], [], []
        desk.forget_rings()
        with Workers(desk.env, desk.folder, 1) as workers:
            workers.wait_until_idle()
            desk.ring()
            desk.wait_until_issued(workers)  # what the completions above promised
            for _ in range(self._sizes.rounds):
                workers.wait_until_idle()
                desk.promise(self._sizes.of)
                bare = _bare(desk.payloads(self._sizes.of))
                floor.append(bare["documented"])
                loaded.append(bare["loaded"])
                desk.forget_statements()
                began = time.perf_counter()
                desk.ring()
                desk.wait_until_issued(workers)
                ours.append(self._sizes.of / (time.perf_counter() - began))
                statements.append(desk.statements() / self._sizes.of)
        yield at_least("one worker: signed PDFs, each with its credential", middle(ours), "a second", 35)
        yield Row("bare Typst and bare pyHanko, no credential", middle(floor), "a second")
        yield at_least("  one worker against that", _percent(ours, floor), "%", 80)
        yield Row("bare Typst and our signer alone, no credential", middle(loaded), "a second")
        yield Row("  one worker against that", _percent(ours, loaded), "%")
        self._statements = middle(statements)
        yield Row(f"SQL statements for each of {self._sizes.of:,} certificates", self._statements, "")

    def _verifications(self, desk: Desk, web: Web) -> Iterator[Row]:
        """The public page, for numbers alone and with their links, while all workers are down."""
        found = desk.rows(
            "SELECT number, token FROM certificates WHERE state = 'issued' ORDER BY id LIMIT %s", self._sizes.verified
        )
        paths = [
            f"/verify/{number}" if n % 2 else f"/verify/{number}/{token}" for n, (number, token) in enumerate(found)
        ]
        for path in paths[:4]:
            web.visit(path, 250)
        desk.forget_statements()
        took = [web.visit(path, n // 5 + 1) for n, path in enumerate(paths)]
        yield at_most("/verify: SQL statements a page", desk.statements() / len(paths), "", 3)
        yield Row(
            "/verify with all workers down: pages answered", len(took), "", f"{len(found)}", len(took) == len(found)
        )
        yield Row("  median", middle(took) * 1000, "ms")
        yield Row("  95th percentile", high(took) * 1000, "ms")

    def _at_once(self, desk: Desk) -> Iterator[Row]:
        """All due at once, two workers."""
        number = self._sizes.at_once
        desk.promise(number)
        self._say(f"{number:,} certificates are due.")
        desk.forget_statements()
        with Workers(desk.env, desk.folder, 2) as workers:
            workers.wait_until_idle()
            began = time.perf_counter()
            for _ in range(2):
                desk.ring()
            with workers.watched() as memory:
                desk.wait_until_issued(workers)
            seconds = time.perf_counter() - began
        issued, open_ones = desk.rows(
            "SELECT count(*) FILTER (WHERE state = 'issued'), count(*) FILTER (WHERE state <> 'issued')"
            " FROM certificates"
        )[0]
        what = f"{number:,} due at once, two workers"
        yield Row(f"{what}: issued a second", number / seconds, "")
        yield Row("  certificates issued in all", issued, "")
        yield at_most("  certificates left", open_ones, "", 0)
        more = desk.statements() / number / self._statements
        yield at_most("  SQL statements for each, against a few hundred due", more, "times", 1.1)
        yield Row("  memory of a worker, highest", memory.highest("worker"), "MB")
        yield Row("  memory of a work-horse, highest", memory.highest("horse"), "MB")
        yield at_most("  a worker at the end against the beginning", memory.growth("worker"), "times", 1.1)
        yield at_most("  work-horses at the end against the beginning", memory.growth("horse"), "times", 1.1)


def _percent(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return 100 * middle(our / their for our, their in zip(ours, theirs, strict=True))


def _bare(payloads: list[dict[str, Any]]) -> dict[str, float]:
    """What Typst and the signature alone make a second of these, in a process of their own."""
    command = [sys.executable, "-m", "tests.bench.bare_pdfs"]
    said = subprocess.run(command, cwd=ROOT, input=json.dumps(payloads), capture_output=True, text=True, check=True)
    return {how: len(payloads) / float(seconds) for how, seconds in json.loads(said.stdout).items()}
