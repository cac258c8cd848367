"""The circuit breaker: when it opens, what it lets through, and what the next process knows of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from webapp.clients.trainer_service.breaker import FAILURES, PAUSE, WELL, Breaker
from webapp.clients.trainer_service.client import BreakerState
from webapp.clients.trainer_service.said import Fault, ServiceFailed

BEGIN = datetime(2027, 1, 4, 9, tzinfo=UTC)


class Desk:
    """Somebody who asks through a breaker, with a clock that stands still unless it is moved."""

    def __init__(self, was: BreakerState | None = None, at: datetime = BEGIN) -> None:
        self.at = at
        self.asked = 0
        self.breaker = Breaker(was or BreakerState(), lambda: self.at)

    def ask(self, fault: Fault | None = None) -> str:
        """Ask; the service fails in that way, or answers. Tells what the caller gets."""

        def question() -> str:
            self.asked += 1
            if fault is not None:
                raise ServiceFailed(fault)
            return "answer"

        try:
            return self.breaker.call(question, seconds=1)
        except ServiceFailed as failed:
            return failed.fault

    def opened(self) -> Desk:
        for _ in range(FAILURES):
            self.ask(Fault.SERVER_ERROR)
        assert self.breaker.is_open
        return self


def test_it_opens_after_failures_in_a_row_and_then_asks_nothing() -> None:
    desk = Desk()
    for _ in range(FAILURES - 1):
        assert desk.ask(Fault.TOO_SLOW) == Fault.TOO_SLOW
    assert desk.ask() == "answer"
    for number in range(FAILURES):
        assert desk.breaker.state == BreakerState(number, None)
        assert desk.ask(Fault.NO_CONNECTION) == Fault.NO_CONNECTION  # the cause, also of the one that opens it
    assert desk.breaker.state == BreakerState(FAILURES, BEGIN)
    asked = desk.asked
    desk.at += PAUSE - timedelta(milliseconds=1)
    assert desk.ask() == Fault.BREAKER_OPEN
    assert desk.asked == asked


def test_it_closes_after_two_answers_in_a_row() -> None:
    desk = Desk().opened()
    desk.at += PAUSE
    assert desk.ask() == "answer"
    assert desk.breaker.state.opened_at == BEGIN  # not yet sure
    assert desk.ask() == "answer"
    assert desk.breaker.state == BreakerState(0, None)


@pytest.mark.parametrize("answered", [0, 1])
def test_one_failure_while_it_is_tried_opens_it_anew(answered: int) -> None:
    desk = Desk().opened()
    desk.at += PAUSE
    for _ in range(answered):
        desk.ask()
    assert desk.ask(Fault.SERVER_ERROR) == Fault.SERVER_ERROR
    assert desk.breaker.state.opened_at == BEGIN + PAUSE
    assert desk.ask() == Fault.BREAKER_OPEN


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.BREAKER_OPEN])
def test_which_failures_count(fault: Fault) -> None:
    desk = Desk()
    for _ in range(FAILURES):
        assert desk.ask(fault) == fault
    assert desk.breaker.is_open == (fault not in WELL)
    assert {Fault.NOT_ALLOWED, Fault.REFUSED} == WELL


def test_the_next_process_goes_on_where_this_one_stopped() -> None:
    desk = Desk()
    for _ in range(FAILURES - 1):
        desk.ask(Fault.SERVER_ERROR)
    following = Desk(desk.breaker.state)
    following.ask(Fault.SERVER_ERROR)
    assert following.breaker.is_open
    third = Desk(following.breaker.state, BEGIN + PAUSE / 2)
    assert (third.ask(), third.asked) == (Fault.BREAKER_OPEN, 0)
    fourth = Desk(third.breaker.state, BEGIN + PAUSE)
    assert [fourth.ask(), fourth.ask()] == ["answer", "answer"]
    assert Desk(fourth.breaker.state).ask() == "answer"
    # One that stopped while it was being tried is tried again.
    fifth = Desk(BreakerState(7, BEGIN), BEGIN + PAUSE)
    fifth.ask()
    assert fifth.breaker.state == BreakerState(0, BEGIN)


def test_a_clock_that_was_set_back_does_not_keep_it_open() -> None:
    assert Desk(BreakerState(5, BEGIN), BEGIN - timedelta(hours=3)).ask() == "answer"


def together(count: int, do: Callable[[], str]) -> list[str]:
    with ThreadPoolExecutor(count) as pool:
        return [one.result(timeout=10) for one in [pool.submit(do) for _ in range(count)]]


def test_questions_are_asked_at_once_while_it_is_closed() -> None:
    """Fails if the library holds its lock while it calls: the four would wait for each other for ever."""
    breaker, all_here = Breaker(BreakerState(), lambda: BEGIN), threading.Barrier(4, timeout=5)

    def question() -> str:
        all_here.wait()
        return "answer"

    assert together(4, lambda: breaker.call(question, seconds=5)) == ["answer"] * 4


@pytest.mark.parametrize(
    ("fault", "outcomes"),
    [(None, ["answer"] * 4), (Fault.SERVER_ERROR, [*[Fault.BREAKER_OPEN] * 3, Fault.SERVER_ERROR])],
)
def test_one_at_a_time_finds_out_whether_the_service_is_back(fault: Fault | None, outcomes: list[str]) -> None:
    breaker = Breaker(BreakerState(FAILURES, BEGIN), lambda: BEGIN + PAUSE)
    under_way: list[int] = []
    most = 0

    def question() -> str:
        nonlocal most
        under_way.append(1)
        most = max(most, len(under_way))
        threading.Event().wait(0.05)
        under_way.pop()
        if fault is not None:
            raise ServiceFailed(fault)
        return "answer"

    def ask() -> str:
        try:
            return breaker.call(question, seconds=5)
        except ServiceFailed as failed:
            return failed.fault

    assert sorted(together(4, ask)) == sorted(outcomes)
    assert most == 1


def test_whoever_cannot_wait_for_the_trial_is_refused() -> None:
    desk = Desk(BreakerState(FAILURES, BEGIN), BEGIN + PAUSE)
    trying, done = threading.Event(), threading.Event()

    def question() -> str:
        trying.set()
        done.wait(5)
        return "answer"

    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(lambda: desk.breaker.call(question, seconds=5))
        trying.wait(5)
        with pytest.raises(ServiceFailed) as refused:
            desk.breaker.call(question, seconds=0.05)
        assert refused.value.fault is Fault.BREAKER_OPEN
        done.set()
        assert trial.result(timeout=5) == "answer"


def test_an_outcome_that_comes_late_changes_nothing() -> None:
    """Asked while it was closed, answered when others had opened it."""
    desk = Desk()

    def question() -> str:
        desk.opened()
        desk.at += timedelta(seconds=3)
        return "answer"

    assert desk.breaker.call(question, seconds=1) == "answer"
    assert desk.breaker.state == BreakerState(FAILURES, BEGIN)
