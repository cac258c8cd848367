"""Which approvals rely on too old a roster, and what comes of looking again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.assignments.limits import Limits
from webapp.assignments.rechecks import FoundAgain, recheck_outcome, recheck_since
from webapp.assignments.rules import RecheckOutcome
from webapp.config import load_settings
from webapp.trainers.freshness import RosterState, freshness

NOW = datetime(2027, 1, 1, 3, 30, tzinfo=UTC)
LIMIT = timedelta(minutes=15)
CONFIRMED, LEFT, NOT_CERTIFIED, NOT_IN_ZONE = RecheckOutcome
ages = st.none() | st.timedeltas(timedelta(days=-1), timedelta(days=3))


def since(age: timedelta | None, *, of_service: bool = True, after: timedelta | None = LIMIT) -> datetime | None:
    """What an approval made on a roster of that age is marked with."""
    return recheck_since(None if age is None else NOW - age, of_service=of_service, after=after, now=NOW)


def test_an_approval_is_looked_at_again_where_the_roster_is_past_the_limit() -> None:
    assert since(LIMIT) is None
    assert since(LIMIT + timedelta(seconds=1)) == NOW - LIMIT - timedelta(seconds=1)
    assert since(None) == NOW, "never loaded: all that is known is what stands here now"


def test_nobody_asks_again_about_a_trainer_of_the_desk_s_own_or_without_a_service() -> None:
    assert since(timedelta(days=1), of_service=False) is None
    assert since(timedelta(days=1), after=None) is None
    assert since(None, after=None) is None


@given(ages)
def test_it_is_marked_exactly_while_pages_say_that_it_is(age: timedelta | None) -> None:
    settings = load_settings(trainer_service_url="https://trainers.example.org", sentry_dsn=None)
    fresh_at = None if age is None else NOW - age
    told = freshness(fresh_at, None, settings, now=NOW).state is RosterState.EXPIRED
    limits = Limits.from_settings(settings)
    assert (since(age, after=limits.recheck_after) is not None) == told


def test_without_a_service_the_engine_knows_no_limit() -> None:
    assert Limits.from_settings(load_settings(trainer_service_url=None, sentry_dsn=None)).recheck_after is None
    assert Limits().recheck_after is None


@pytest.mark.parametrize(
    ("on_roster", "certified", "in_zone", "in_doubt", "outcome"),
    [
        (True, True, True, False, CONFIRMED),
        (True, True, True, True, None),
        (False, True, True, True, LEFT),
        (False, False, False, False, LEFT),
        (True, False, False, False, NOT_CERTIFIED),
        (True, False, True, True, NOT_CERTIFIED),
        (True, True, False, False, NOT_IN_ZONE),
    ],
)
def test_the_gravest_is_said_and_a_doubt_confirms_nobody(
    on_roster: bool, certified: bool, in_zone: bool, in_doubt: bool, outcome: RecheckOutcome | None
) -> None:
    assert recheck_outcome(FoundAgain(on_roster, certified, in_zone, in_doubt)) is outcome
