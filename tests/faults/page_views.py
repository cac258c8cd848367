"""Pages asked for at a steady rate, whatever the answers take, and what has to be true of them. Pure but for asking.

A view's time runs from when it was due, so that a desk which stops answering cannot hide it by being asked less.
"""

from __future__ import annotations

import http.client
import re
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import quantiles
from typing import Any

from tests.faults.over_http import Browser

BADGE = re.compile(r'data-roster="(\w+)"')
REMEMBERED = timedelta(seconds=2.5)
"""A process of the desk may remember for so long how fresh the roster was, and a little more."""
PATIENCE = 20.0
CROWD = 64
"""Views that can be under way at once: with fewer, a desk that hangs would be asked less."""


@dataclass(frozen=True, slots=True)
class View:
    """One page that was asked for."""

    path: str
    phase: str
    asked_at: datetime
    answered_at: datetime
    took_ms: float
    status: int
    """0: there was no answer."""
    badge: str | None
    whole: bool
    """Whether the page came to its end."""

    @property
    def good(self) -> bool:
        """Whether it is what somebody wanted to see."""
        return self.status == 200 and self.whole


@dataclass(frozen=True, slots=True)
class Look:
    """The database was asked as of when the roster is, and answered."""

    asked_at: datetime
    answered_at: datetime
    fresh_at: datetime | None


@dataclass(slots=True)
class RosterLog:
    """As of when the roster was, looked up again and again, the first look first. It never gets older."""

    looks: list[Look] = field(default_factory=list)

    def at_most(self, at: datetime) -> datetime | None:
        """The newest that it can have been at a moment, which has to lie before the last look."""
        return self.looks[bisect_left(self.looks, at, key=lambda look: look.asked_at)].fresh_at

    def at_least(self, at: datetime) -> datetime | None:
        """The oldest that it can have been at a moment."""
        index = bisect_right(self.looks, at, key=lambda look: look.answered_at)
        return self.looks[index - 1].fresh_at if index else None

    def surely_older(self, asked_at: datetime, answered_at: datetime, than: timedelta) -> bool:
        """Whether the roster was older all the time between a question and its answer."""
        newest = self.at_most(answered_at)
        return newest is None or asked_at - newest > than

    def surely_younger(self, asked_at: datetime, answered_at: datetime, than: timedelta) -> bool:
        """Whether it was younger all the time, even for a process that remembers."""
        oldest = self.at_least(asked_at - REMEMBERED)
        return oldest is not None and answered_at - oldest <= than


def older_than(views: Iterable[View], log: RosterLog, than: timedelta) -> list[View]:
    """The good views of a roster that was surely older."""
    return [view for view in views if view.good and log.surely_older(view.asked_at, view.answered_at, than)]


def without_badge(views: Iterable[View], *badges: str) -> list[View]:
    """The views that wear none of these badges."""
    return [view for view in views if view.badge not in badges]


def badges_of_fresh(views: Iterable[View], log: RosterLog, fresh: timedelta) -> list[View]:
    """The views that wear a badge although the roster was surely fresh."""
    return [view for view in views if view.badge and log.surely_younger(view.asked_at, view.answered_at, fresh)]


def good_percent(views: Sequence[View]) -> float:
    """How many of a hundred are good; none at all are not."""
    return 100 * sum(view.good for view in views) / len(views) if views else 0.0


def within_ms(views: Sequence[View], percent: int) -> float:
    """Milliseconds within which so many of a hundred were answered."""
    return quantiles([view.took_ms for view in views], n=100, method="inclusive")[percent - 1]


def asked_between(requests: Iterable[Mapping[str, Any]], spans: Sequence[tuple[float, float]]) -> int:
    """How many of a log's requests came in one of the spans of the monotonic clock."""
    return sum(any(begin <= seen["monotonic"] <= end for begin, end in spans) for seen in requests)


class Visitors:
    """Signed-in people who look at pages, one after the other, at a steady rate."""

    def __init__(self, port: int, pages: Sequence[tuple[Browser, str]], *, seed: int) -> None:
        """``pages``: who may look at what."""
        self._port = port
        self._pages = pages
        self._rng = Random(seed)

    def look(self, phase: str, *, seconds: float, rate: float) -> list[View]:
        """Ask for so many pages a second, each with its own connection, and wait for the last answer."""
        began = time.monotonic()
        due_in = [number / rate for number in range(int(seconds * rate))]
        asked: list[Future[View]] = []
        with ThreadPoolExecutor(CROWD) as crowd:
            for due in due_in:
                time.sleep(max(0.0, began + due - time.monotonic()))
                asked.append(crowd.submit(self._view, phase, *self._rng.choice(self._pages), began + due))
            return [each.result() for each in asked]

    def _view(self, phase: str, who: Browser, path: str, due: float) -> View:
        asked_at, status, page = datetime.now(UTC), 0, ""
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)) as line:
                line.request("GET", path, headers={"Cookie": who.cookie})
                answer = line.getresponse()
                page = answer.read().decode()
                status = answer.status
        except (OSError, http.client.HTTPException, ValueError):
            status = 0
        took_ms = 1000 * (time.monotonic() - due)
        badge = BADGE.search(page)
        whole = page.rstrip().endswith("</html>") or path == "/healthz"
        return View(path, phase, asked_at, datetime.now(UTC), took_ms, status, badge[1] if badge else None, whole)
