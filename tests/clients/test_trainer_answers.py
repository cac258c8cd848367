"""Headers of the trainer service, read or taken for unsaid."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from webapp.clients.outgoing import Why
from webapp.clients.trainer_service import answers
from webapp.clients.trainer_service.said import Fault

NOW = datetime(2027, 1, 4, 9, tzinfo=UTC)
LATER = "Mon, 04 Jan 2027 09:00:20 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "3600"}, 30),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": LATER}, 20),
        ({"retry-after": "Mon, 04 Jan 2027 08:00:00 GMT"}, 0),
        ({"retry-after": "Mon, 04 Jan 2027 12:00:00 GMT"}, 30),
        ({"retry-after": LATER, "date": "Mon, 04 Jan 2027 09:00:15 GMT"}, 5),
        ({"retry-after": LATER, "date": "rubbish"}, 20),
        ({"retry-after": "Mon, 99 Jan 2027 09:00:20 GMT"}, None),
    ],
)
def test_how_long_the_service_wants_to_be_left_alone(headers: dict[str, str], seconds: float | None) -> None:
    """A date is one of the service's clock: against its own ``Date`` no skew of ours matters."""
    assert answers.retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (LATER, datetime(2027, 1, 4, 9, 0, 20, tzinfo=UTC)),
        ("Mon, 04 Jan 2027 09:00:20 +0530", datetime(2027, 1, 4, 3, 30, 20, tzinfo=UTC)),
        ("Mon, 04 Jan 2027 09:00:20 -0000", datetime(2027, 1, 4, 9, 0, 20, tzinfo=UTC)),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
        ("2027-01-04T09:00:00Z", None),
        ("", None),
    ],
)
def test_when_it_was_answered(text: str, at: datetime | None) -> None:
    assert answers.served_at({"date": text}) == at
    assert answers.served_at({}) is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('"a"', '"a"'),
        (' W/"a b" ', None),
        ('W/"a"', 'W/"a"'),
        ("a", None),
        ('"' + "a" * 199 + '"', None),
        ('"é"', None),
        ("", None),
    ],
)
def test_tags_that_can_be_kept(text: str, kept: str | None) -> None:
    assert answers.etag({"etag": text}) == kept


@pytest.mark.parametrize(
    ("text", "count"), [("10000", 10000), ("0", 0), ("-1", None), ("many", None), ("9" * 10, None)]
)
def test_how_many_there_are(text: str, count: int | None) -> None:
    assert answers.total({"x-total-count": text}) == count
    assert answers.total({}) is None


def test_each_way_of_the_line_to_fail_has_a_fault() -> None:
    named = {Why.TOO_SLOW: Fault.TOO_SLOW, Why.TOO_LARGE: Fault.TOO_LARGE, Why.REDIRECT: Fault.REDIRECT}
    for why in Why:
        expected = Fault.NOT_JSON if why is Why.ENCODED else named.get(why, Fault.NO_CONNECTION)
        assert answers.fault_of_line(why) is expected
