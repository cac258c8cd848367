"""What F6 looks for is found where it is: a desk without badges, with lying badges, and one that asks the service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.page_views import (
    Look,
    RosterLog,
    View,
    asked_between,
    badges_of_fresh,
    good_percent,
    older_than,
    within_ms,
    without_badge,
)

pytestmark = pytest.mark.faults

START = datetime(2027, 1, 1, tzinfo=UTC)
FRESH = timedelta(seconds=10)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def view(seconds: float, *, badge: str | None = None, status: int = 200, whole: bool = True, took: float = 20) -> View:
    """A page asked for so many seconds after the start."""
    return View("/", "dead", at(seconds), at(seconds + took / 1000), took, status, badge, whole)


@pytest.fixture
def log() -> RosterLog:
    """The roster is as of second 0 until second 30, then as of 29; somebody looks ten times a second."""
    return RosterLog([Look(at(n / 10), at(n / 10 + 0.01), at(0) if n < 300 else at(29)) for n in range(600)])


def test_a_stale_view_without_a_badge_is_found(log: RosterLog) -> None:
    views = [view(5), view(15), view(16, badge="stale"), view(17, badge="expired"), view(35)]
    stale = older_than(views, log, FRESH)
    assert stale == views[1:4]
    assert without_badge(stale, "stale", "expired") == [views[1]]
    assert without_badge(stale, "expired") == views[1:3]


def test_nobody_is_blamed_for_the_moment_in_which_it_changes(log: RosterLog) -> None:
    assert older_than([view(9.99), view(10.0), view(29.99)], log, FRESH) == []
    assert badges_of_fresh([view(30.5, badge="stale"), view(31.9, badge="stale")], log, FRESH) == []


def test_a_badge_on_a_fresh_roster_is_found(log: RosterLog) -> None:
    views = [view(5, badge="stale"), view(5), view(33, badge="expired")]
    assert badges_of_fresh(views, log, FRESH) == [views[0], views[2]]


def test_a_roster_that_was_never_loaded_is_older_than_anything() -> None:
    log = RosterLog([Look(at(n), at(n), None) for n in range(20)])
    assert older_than([view(5)], log, timedelta(days=1))
    assert not log.surely_younger(at(5), at(6), timedelta(days=1))


@pytest.mark.parametrize("bad", [{"status": 500}, {"status": 0}, {"status": 302}, {"whole": False}])
def test_one_bad_page_of_two_hundred_is_too_many(bad: dict[str, Any]) -> None:
    assert good_percent([view(1), *(view(2) for _ in range(198)), view(3, **bad)]) < 99.9
    assert good_percent([]) == 0


def test_one_slow_page_of_ten_is_too_many() -> None:
    views = [view(n, took=2000 if n % 10 == 0 else 20) for n in range(200)]
    assert within_ms(views, 95) > 500


def test_a_desk_that_asks_the_service_for_a_booking_is_found() -> None:
    log = [{"monotonic": 10.5}, {"monotonic": 20.5}, {"monotonic": 12.0}]
    assert asked_between(log, [(10.0, 11.0), (20.0, 21.0)]) == 2
    assert asked_between(log, [(13.0, 14.0)]) == 0
