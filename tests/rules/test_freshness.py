"""How old a roster may be before pages say so, and before what is approved on it is looked at again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.config import Settings, load_settings
from webapp.trainers.freshness import RosterState, fresh_target, freshness, recheck_after, scheduled_every
from webapp.trainers.sync_rules import Contract

NOW = datetime(2027, 1, 1, 3, 30, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
URL = "https://trainers.example.org"
NONE, FRESH, STALE, EXPIRED = RosterState
ages = st.timedeltas(timedelta(days=-1), timedelta(days=3))
contracts = st.sampled_from([None, *Contract])


def told(**changes: object) -> Settings:
    """Settings with a trainer service."""
    return load_settings(**{"trainer_service_url": URL, "sentry_dsn": None} | changes)


def state(age: timedelta | None, contract: Contract | None = Contract.BULK, **changes: object) -> RosterState:
    """What is said of a roster of that age."""
    at = None if age is None else NOW - age
    return freshness(at, contract, told(**changes), now=NOW).state


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(), FRESH),
        (60 * SECOND, FRESH),
        (61 * SECOND, STALE),
        (15 * MINUTE, STALE),
        (15 * MINUTE + SECOND, EXPIRED),
        (timedelta(days=400), EXPIRED),
    ],
)
def test_a_roster_is_fresh_for_a_minute_and_good_enough_for_a_quarter_of_an_hour(
    age: timedelta, said: RosterState
) -> None:
    assert state(age) is said


def test_the_deployed_contract_is_asked_seldom_and_promises_as_much() -> None:
    settings = told()
    assert scheduled_every(Contract.LEGACY, settings) == 5 * MINUTE
    assert fresh_target(Contract.LEGACY, settings) == 10 * MINUTE
    assert state(10 * MINUTE, Contract.LEGACY) is FRESH
    assert state(10 * MINUTE + SECOND, Contract.LEGACY) is STALE
    assert state(15 * MINUTE + SECOND, Contract.LEGACY) is EXPIRED
    assert scheduled_every(Contract.LEGACY, told(trainer_sync_seconds=900)) == 15 * MINUTE
    assert scheduled_every(Contract.BULK, settings) == scheduled_every(None, settings) == 30 * SECOND


def test_what_was_never_loaded_counts_as_expired_and_says_no_time() -> None:
    found = freshness(None, None, told(), now=NOW)
    assert (found.as_of, found.state, found.needs_telling) == (None, EXPIRED, True)


def test_without_a_service_there_is_nothing_to_say() -> None:
    alone = load_settings(trainer_service_url=None, sentry_dsn=None)
    found = freshness(NOW - timedelta(days=9), Contract.BULK, alone, now=NOW)
    assert (found.as_of, found.state, found.needs_telling) == (None, NONE, False)
    assert recheck_after(alone) is None


def test_a_limit_shorter_than_the_promise_holds_all_the_same() -> None:
    assert state(40 * SECOND, trainer_recheck_minutes=0.5) is EXPIRED


@given(ages, ages, contracts)
def test_a_roster_only_gets_staler_as_it_ages(one: timedelta, other: timedelta, contract: Contract | None) -> None:
    younger, older = sorted((one, other))
    order = [FRESH, STALE, EXPIRED]
    assert order.index(state(younger, contract)) <= order.index(state(older, contract))


@given(ages, contracts)
def test_what_is_expired_is_exactly_what_is_looked_at_again(age: timedelta, contract: Contract | None) -> None:
    limit = recheck_after(told())
    assert limit is not None
    assert (state(age, contract) is EXPIRED) == (age > limit)
