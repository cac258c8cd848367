"""What was said of a trainer, kept and read back; and a reader that nothing breaks."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clients.test_trainer_parsing import WHOLE
from webapp.clients.trainer_service import parsing
from webapp.clients.trainer_service.entries import read_trainer
from webapp.clients.trainer_service.said import (
    UNSAID,
    SaidAway,
    SaidHours,
    SaidTrainer,
    ServiceFailed,
)
from webapp.core.errors import Invalid
from webapp.core.geo import Location
from webapp.core.names import clean_name


def _is_name(text: str) -> bool:
    try:
        return clean_name(text) == text
    except Invalid:
        return False


NAMES = st.text(min_size=1, max_size=30).filter(_is_name)
IDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20).filter(
    lambda text: text not in (".", "..")
)
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants its bounds naive
PLACES = st.builds(
    Location,
    st.floats(-90, 90).map(lambda degrees: degrees + 0.0),
    st.floats(-180, 180).map(lambda degrees: degrees + 0.0),
)
HOURS = st.dictionaries(st.integers(0, 6), st.lists(st.integers(0, 47), min_size=2, max_size=2, unique=True)).map(
    lambda days: tuple(
        sorted(
            SaidHours(day, time(min(halves) // 2, min(halves) % 2 * 30), time(max(halves) // 2, max(halves) % 2 * 30))
            for day, halves in days.items()
        )
    )
)
AWAY = st.builds(
    lambda starts, minutes, reason: SaidAway(starts, starts + timedelta(minutes=minutes), reason),
    INSTANTS,
    st.integers(1, 100_000),
    st.just("") | NAMES.filter(str.isprintable),
)


def _once(several: set[Any]) -> tuple[Any, ...]:
    return tuple(sorted(several))


SAID = st.builds(
    SaidTrainer,
    IDS,
    updated_at=st.none() | INSTANTS,
    name=st.just(UNSAID) | NAMES,
    available=st.just(UNSAID) | st.booleans(),
    franchise=st.just(UNSAID) | st.none() | IDS,
    zones=st.just(UNSAID) | st.sets(IDS, max_size=4).map(_once),
    courses=st.just(UNSAID) | st.sets(NAMES, max_size=4).map(_once),
    base=st.just(UNSAID) | st.none() | PLACES,
    hours=st.just(UNSAID) | HOURS,
    time_off=st.just(UNSAID) | st.sets(AWAY, max_size=3).map(_once),
)


@given(SAID)
def test_what_is_kept_is_read_back_as_it_was_said(said: SaidTrainer) -> None:
    kept = json.loads(json.dumps(parsing.as_json(said)))
    assert parsing.from_json(kept) == said
    assert parsing.digest(kept) == parsing.digest(parsing.as_json(parsing.from_json(kept)))


@given(SAID, SAID)
def test_digests_are_equal_where_the_same_is_said_and_nowhere_else(one: SaidTrainer, other: SaidTrainer) -> None:
    same = parsing.digest(parsing.as_json(one)) == parsing.digest(parsing.as_json(other))
    assert same == (one == other)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(st.sampled_from([*WHOLE, "franchise", "id", "items", "data", "profile"]), x, max_size=6)
        ),
    )
)
def test_nothing_that_is_sent_breaks_the_reader(sent: Any) -> None:
    """Whatever it is, it is read, unreadable, or no page: never an error of ours."""
    read_trainer(sent)
    for read in (parsing.bulk_page, parsing.legacy_page, lambda body: parsing.legacy_trainer(body, "T1")):
        with suppress(ServiceFailed):
            read(sent)


def test_what_was_never_kept_is_not_read_back() -> None:
    with pytest.raises(ValueError, match="no trainer"):
        parsing.from_json({"trainerId": "T1", "name": ""})


def test_kept_franchises_tell_unsaid_from_company() -> None:
    assert "franchiseId" not in parsing.as_json(SaidTrainer("T1"))
    assert parsing.as_json(SaidTrainer("T1", franchise=None))["franchiseId"] is None
    assert parsing.from_json(parsing.as_json(SaidTrainer("T1"))).franchise is UNSAID
