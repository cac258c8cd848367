"""Pages of the trainer service, bulk and deployed: what spoils an entry, and what the whole page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.clients.test_trainer_parsing import WHOLE, trainer
from webapp.clients.trainer_service import parsing
from webapp.clients.trainer_service.said import (
    UNSAID,
    Fault,
    LegacyRow,
    SaidTrainer,
    ServiceFailed,
    UnreadableTrainer,
)
from webapp.core.geo import Location

AT = datetime(2026, 11, 26, 10, tzinfo=UTC)


def failed(body: bytes) -> Fault:
    """Why a body is no page of the bulk contract."""
    with pytest.raises(ServiceFailed) as refused:
        parsing.bulk_page(parsing.read_json(body))
    return refused.value.fault


def page(*items: Any, **more: Any) -> bytes:
    """A body of the bulk contract."""
    return json.dumps({"items": items, "nextCursor": None} | more).encode()


def test_one_spoiled_entry_leaves_the_others() -> None:
    body = page(WHOLE, {"trainerId": "T2", "location": {"latitude": 91, "longitude": 0}}, 7, nextCursor="c")
    read = parsing.bulk_page(parsing.read_json(body), served_at=AT, etag='"a"', total=3)
    assert (read.next_cursor, read.etag, read.served_at, read.total) == ("c", '"a"', AT, 3)
    assert read.items == (
        trainer(),
        UnreadableTrainer("T2", (("location.latitude", "out-of-range"),)),
        UnreadableTrainer(None, (("", "not-an-object"),)),
    )


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"error": "later"}',
        page(items=None),
        page(items={"T1": {}}),
        page(nextCursor=7),
        page(nextCursor=""),
        page(nextCursor="c" * 1001),
        page(nextCursor="a\nb"),
        page(nextCursor={"after": "T1"}),
    ],
)
def test_what_is_no_page_is_refused_whole(body: bytes) -> None:
    assert failed(body) is Fault.WRONG_SHAPE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"items": [',
        b'{"items": [NaN], "nextCursor": null}',
        b'{"items": [-Infinity], "nextCursor": null}',
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        b'{"items": [' + b"[" * 300 + b"]" * 300 + b"]}",
        b'{"items": ["\xff"]}',
        b'{"items": ["\\ud800"]}',
        b"1" * 10_000,
        b"\xff\xfe" + '{"items": []}'.encode("utf-16-le"),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_json_is_refused_and_harms_nobody(body: bytes) -> None:
    with pytest.raises(ServiceFailed) as refused:
        parsing.read_json(body)
    assert refused.value.fault is Fault.NOT_JSON
    assert refused.value.__context__ is None  # whose words would quote the body


def test_a_next_page_that_is_this_one_again_would_never_end() -> None:
    body = parsing.read_json(page(WHOLE, nextCursor="c"))
    assert parsing.bulk_page(body, asked="b").next_cursor == "c"
    with pytest.raises(ServiceFailed):
        parsing.bulk_page(body, asked="c")


def test_a_full_page_that_lost_its_cursor_is_not_taken_for_the_last() -> None:
    def without_cursor(count: int) -> dict[str, Any]:
        return {"items": [{"trainerId": number} for number in range(count)]}

    assert parsing.bulk_page(without_cursor(499)).next_cursor is None
    with pytest.raises(ServiceFailed):
        parsing.bulk_page(without_cursor(500))
    assert parsing.bulk_page(without_cursor(500) | {"nextCursor": None}).next_cursor is None


def test_a_trainer_who_is_twice_on_a_page_is_read_as_last_updated() -> None:
    older, newer = WHOLE | {"name": "Old"}, WHOLE | {"name": "New", "updatedAt": "2026-11-27T00:00:00Z"}
    for both in ((older, newer), (newer, older)):
        (read,) = parsing.bulk_page(parsing.read_json(page(*both))).items
        assert isinstance(read, SaidTrainer)
        assert read.name == "New"
    undated = [{"trainerId": "T1", "name": name} for name in ("One", "Two")]
    assert parsing.bulk_page({"items": undated}).items == (SaidTrainer("T1", name="Two"),)


def test_a_trainer_who_is_twice_on_a_page_and_not_clearly_whose_is_unreadable() -> None:
    (read,) = parsing.bulk_page(parsing.read_json(page(WHOLE, WHOLE | {"franchiseId": None}))).items
    assert read == UnreadableTrainer("T1", (("franchiseId", "contradictory"),))
    for both in ((WHOLE, WHOLE | {"name": ""}), (WHOLE | {"name": ""}, WHOLE)):
        (read,) = parsing.bulk_page(parsing.read_json(page(*both))).items
        assert read == UnreadableTrainer("T1", (("name", "empty"),))


def test_a_field_that_is_said_twice_is_not_what_was_said_last() -> None:
    body = b'{"items": [{"trainerId": "T1", "franchiseId": "F1", "franchiseId": null}], "nextCursor": null}'
    assert parsing.bulk_page(parsing.read_json(body)).items == (
        UnreadableTrainer("T1", (("franchiseId", "not-text"),)),
    )
    body = b'{"items": [], "items": [{"trainerId": "T1"}], "nextCursor": null}'
    assert failed(body) is Fault.WRONG_SHAPE
    # The same thing twice is merely odd.
    body = b'{"items": [{"trainerId": "T1", "franchiseId": "F1", "franchiseId": "F1"}], "nextCursor": null}'
    assert parsing.bulk_page(parsing.read_json(body)).items == (SaidTrainer("T1", franchise="F1"),)


# -- the deployed contract -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_deployed_list_is_read_in_both_its_forms(wrapped: bool) -> None:
    rows: list[Any] = [
        {"trainerId": "T1", "available": True, "name": "A"},
        {"trainerId": 2, "x": [1]},
        {"trainerId": ""},
        7,
    ]
    body = {"data": {"items": rows} if wrapped else rows}
    assert parsing.is_legacy(body)
    read = parsing.legacy_page(body)
    assert read.rows == (
        LegacyRow("T1", True, parsing.digest(rows[0]), "A"),
        LegacyRow("2", UNSAID, parsing.digest(rows[1])),
    )
    assert (read.unreadable, read.entries) == (2, 4)


def test_a_deployed_page_is_as_long_as_what_it_holds_readable_or_not() -> None:
    rows: list[Any] = [{"trainerId": "T1"}] * 99
    read = parsing.legacy_page({"data": [*rows, None]})
    assert (read.entries, len(read.rows), read.unreadable) == (100, 1, 1)


def test_a_row_that_is_sent_anew_in_another_order_has_the_same_digest_and_any_change_another() -> None:
    def row(body: bytes) -> LegacyRow:
        return parsing.legacy_page(parsing.read_json(body)).rows[0]

    first = row(b'{"data": [{"trainerId": "T1", "available": true, "rating": 4.5}]}')
    assert row(b'{"data": [{"rating": 4.5, "available": true, "trainerId": "T1"}]}') == first
    assert row(b'{"data": [{"trainerId": "T1", "available": true, "rating": 4.6}]}').digest != first.digest
    assert row(b'{"data": [{"trainerId": "T1", "rating": 1, "rating": 2}]}').digest != first.digest
    assert row(b'{"data": [{"trainerId": "T1", "available": "yes", "name": ""}]}').available is UNSAID


@pytest.mark.parametrize("body", [[], {"data": None}, {"data": {}}, {"data": {"items": {}}}, {"data": "T1"}])
def test_what_is_no_deployed_list_is_refused(body: Any) -> None:
    with pytest.raises(ServiceFailed) as refused:
        parsing.legacy_page(body)
    assert refused.value.fault is Fault.WRONG_SHAPE


def test_a_body_with_items_is_bulk_whatever_else_it_holds() -> None:
    assert not parsing.is_legacy({"items": [], "data": []})
    assert not parsing.is_legacy([])


def test_a_deployed_trainer_is_read() -> None:
    body = {
        "data": {
            "profile": {"certifications": ["Hindi", 7], "name": "Asha Rao"},
            "location": {"latitude": 17.7, "longitude": 83.2, "address": "ignored"},
            "franchise": {"id": 12, "name": "North"},
        }
    }
    assert parsing.legacy_trainer(body, "T1") == SaidTrainer(
        "T1", name="Asha Rao", franchise="12", courses=("7", "Hindi"), base=Location(17.7, 83.2)
    )
    assert parsing.legacy_trainer({"data": {}}, "T1") == SaidTrainer("T1")
    whole = parsing.legacy_trainer({"data": WHOLE | {"profile": {"name": "Other"}}}, "T1")
    assert whole == trainer(name="Other")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, ("data", "not-an-object")),
        ([], ("data", "not-an-object")),
        ({"profile": 3}, ("profile", "not-an-object")),
        ({"profile": {"certifications": "Hindi"}}, ("certifiedCourses", "not-a-list")),
        ({"trainerId": "T2"}, ("trainerId", "another-trainer")),
        ({"trainerId": ""}, ("trainerId", "empty")),
        ({"franchiseId": "F1", "franchise": {"id": "F2"}}, ("franchiseId", "contradictory")),
    ],
)
def test_a_deployed_trainer_who_cannot_be_read_is_still_who_was_asked_for(data: Any, problem: tuple[str, str]) -> None:
    assert parsing.legacy_trainer({"data": data}, "T1") == UnreadableTrainer("T1", (problem,))


@pytest.mark.parametrize("body", [[], "T1", {"error": "x"}, {"items": []}])
def test_what_is_no_deployed_trainer_is_refused(body: Any) -> None:
    with pytest.raises(ServiceFailed):
        parsing.legacy_trainer(body, "T1")
