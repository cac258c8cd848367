"""What is asked again, when, and how many retries there are."""

from __future__ import annotations

import time

import pytest

from webapp.clients.trainer_service.retries import MOST, Pauses, RetryBudget, may_be_retried
from webapp.clients.trainer_service.said import RETRIED, Fault, ServiceFailed

BUSY = ServiceFailed(Fault.SERVER_ERROR, 503)


def pauses(budget: RetryBudget, *, tries: int = 3, seconds: float = 20, open_: bool = False) -> Pauses:
    return Pauses(budget, tries=tries, ends=time.monotonic() + seconds, goes_on=lambda: not open_)


def test_ten_questions_earn_one_retry_and_it_is_spent_once() -> None:
    budget = RetryBudget(0)
    for _ in range(9):
        budget.earn()
    assert not budget.spend()
    budget.earn()
    assert budget.tokens == 1
    assert budget.spend()
    assert not budget.spend()


def test_no_more_than_ten_are_in_store_and_none_are_owed() -> None:
    budget = RetryBudget(10_000)
    budget.earn()
    assert budget.tokens == MOST
    assert RetryBudget(-3).tokens == 0


@pytest.mark.parametrize(
    ("fault", "status", "again"),
    [
        (Fault.NO_CONNECTION, None, True),
        (Fault.TOO_MANY, 429, True),
        (Fault.SERVER_ERROR, 502, True),
        (Fault.SERVER_ERROR, 503, True),
        (Fault.SERVER_ERROR, 504, True),
        (Fault.SERVER_ERROR, 500, False),
        (Fault.SERVER_ERROR, 501, False),
        *((fault, None, False) for fault in Fault if fault not in RETRIED),
    ],
)
def test_what_may_be_asked_again(fault: Fault, status: int | None, again: bool) -> None:
    assert may_be_retried(ServiceFailed(fault, status)) is again
    budget = RetryBudget(5)
    assert (pauses(budget)(ServiceFailed(fault, status)) is not False) is again
    assert budget.tokens == 5 - again


def test_the_pause_is_jittered_from_nothing_on_and_grows() -> None:
    budget = RetryBudget(10)
    first = [pauses(RetryBudget(1))(BUSY) for _ in range(200)]
    assert 0 <= min(first) < 0.02
    assert 0.08 < max(first) <= 0.1
    both = pauses(budget)
    seconds = []
    for _ in range(2):
        seconds.append(both(BUSY))
    assert both(BUSY) is False  # the third try was the last
    assert seconds[1] <= 0.2
    assert budget.tokens == 8


def test_it_is_waited_as_long_as_the_service_asks() -> None:
    asked = ServiceFailed(Fault.TOO_MANY, 429, retry_after=7)
    assert pauses(RetryBudget(1))(asked) == 7


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 6.9])
def test_nothing_is_asked_again_after_the_end_and_nothing_spent_on_it(seconds: float) -> None:
    budget = RetryBudget(1)
    assert pauses(budget, seconds=seconds)(ServiceFailed(Fault.TOO_MANY, 429, retry_after=7)) is False
    assert budget.tokens == 1


def test_nothing_is_asked_again_while_the_breaker_is_open_or_by_whoever_asks_once() -> None:
    budget = RetryBudget(1)
    assert pauses(budget, open_=True)(BUSY) is False
    assert pauses(budget, tries=1)(BUSY) is False
    assert pauses(budget)(RuntimeError("a bug")) is False
    assert budget.tokens == 1
    assert pauses(RetryBudget(0.9))(BUSY) is False
