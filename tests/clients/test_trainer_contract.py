"""The written contract: sound OpenAPI, in step with the reader, with examples that are read without complaint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from tests.clients.service import EMPTY, asked_for, header_of, http, serving
from tests.services import ROOT
from webapp.clients.trainer_service import parsing
from webapp.clients.trainer_service.client import Profile
from webapp.clients.trainer_service.http import DEADLINE, MOST_OF_PAGE, MOST_OF_TRAINER, PATH, REFRESHER
from webapp.clients.trainer_service.said import UNSAID, LegacyPage, SaidTrainer
from webapp.clients.trainer_service.shapes import MOST_ID, MOST_OTHER_ID, MOST_REASON, Item
from webapp.core.names import MAX_NAME

CONTRACT: dict[str, Any] = yaml.safe_load((ROOT / "docs/contracts/trainer-service.v1.yaml").read_text("utf-8"))
SCHEMAS: dict[str, Any] = CONTRACT["components"]["schemas"]
LIST: dict[str, Any] = CONTRACT["paths"][PATH]["get"]
DETAIL: dict[str, Any] = CONTRACT["paths"][PATH + "/{trainerId}"]["get"]
HOOK: dict[str, Any] = CONTRACT["webhooks"]["trainerChanged"]["post"]


def examples(operation: dict[str, Any]) -> dict[str, Any]:
    """The bodies a good answer may have, read as they would arrive."""
    named = operation["responses"]["200"]["content"]["application/json"]["examples"]
    return {name: parsing.read_json(json.dumps(one["value"]).encode()) for name, one in named.items()}


def references(part: Any) -> Iterator[str]:
    """Everything that is referred to."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for one in part:
            yield from references(one)


def test_it_is_version_one_of_an_openapi_document_and_hangs_together() -> None:
    assert CONTRACT["openapi"].startswith("3.1.")
    assert CONTRACT["info"]["version"].startswith("1.")
    found = set(references(CONTRACT))
    assert len(found) > 15
    for reference in found:
        place: Any = CONTRACT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


@pytest.mark.parametrize("name", ["bulkFirstPage", "bulkNothingChanged"])
def test_examples_of_bulk_pages_are_read(name: str) -> None:
    body = examples(LIST)[name]
    assert not parsing.is_legacy(body)
    page = parsing.bulk_page(body)
    assert len(page.items) == len(body["items"])
    assert page.next_cursor == body["nextCursor"]
    for said in page.items:
        assert isinstance(said, SaidTrainer), said
        assert UNSAID not in (
            said.name,
            said.available,
            said.franchise,
            said.zones,
            said.courses,
            said.base,
            said.hours,
        )


@pytest.mark.parametrize("name", ["deployedPage", "deployedPageWrapped"])
def test_examples_of_deployed_pages_are_read(name: str) -> None:
    body = examples(LIST)[name]
    assert parsing.is_legacy(body)
    page = parsing.legacy_page(body)
    assert isinstance(page, LegacyPage)
    assert page.rows
    assert page.unreadable == 0


@pytest.mark.parametrize(
    ("name", "whose"), [("ofAFranchise", "12"), ("ofTheCompany", None), ("nobodySaysWhose", UNSAID)]
)
def test_examples_of_deployed_trainers_are_read(name: str, whose: object) -> None:
    read = parsing.legacy_trainer(examples(DETAIL)[name], "4711")
    assert isinstance(read, SaidTrainer), read
    assert read.franchise == whose


def test_every_example_is_one_of_those_that_are_read_here() -> None:
    assert set(examples(LIST)) == {"bulkFirstPage", "bulkNothingChanged", "deployedPage", "deployedPageWrapped"}
    assert set(examples(DETAIL)) == {"ofAFranchise", "ofTheCompany", "nobodySaysWhose"}


def test_the_reader_reads_the_fields_that_are_written_down_and_no_other() -> None:
    read = {field.alias for field in Item.model_fields.values()} | {"trainerId", "franchiseId"}
    assert set(SCHEMAS["Trainer"]["properties"]) == set(SCHEMAS["Trainer"]["required"]) == read
    assert SCHEMAS["Id"]["oneOf"][0]["maxLength"] == MOST_ID
    assert SCHEMAS["OtherId"]["oneOf"][0]["maxLength"] == MOST_OTHER_ID
    assert SCHEMAS["Name"]["maxLength"] == MAX_NAME
    assert str(MOST_REASON) in SCHEMAS["TimeOff"]["properties"]["reason"]["description"]


def test_the_figures_in_its_words_are_those_of_the_client() -> None:
    words = " ".join(CONTRACT["info"]["description"].split())
    assert Profile(1.0, 5.0, 20.0, 3) == REFRESHER
    assert "after 5 seconds without a byte, and after 20 seconds in all" in words
    assert (MOST_OF_PAGE, MOST_OF_TRAINER) == (16 * 1024**2, 1024**2)
    assert "16 MiB at most for a list and 1 MiB for one trainer" in words


def test_the_client_sends_what_is_written_down() -> None:
    known = {parameter["name"] for parameter in LIST["parameters"] if "name" in parameter}
    with serving(EMPTY, EMPTY, http(200, {"data": []})) as (there, client):
        client.first_page(since=datetime(2027, 1, 4, 9, tzinfo=UTC), etag='"a"')
        client.bulk_page(since=None, cursor="c")
        client.legacy_page(2)
        for number in range(len(there.asked)):
            path, _, query = asked_for(there, number).partition("?")
            assert path == PATH
            assert {part.split("=")[0] for part in query.split("&")} <= known
            assert header_of(there, DEADLINE, number)
    assert CONTRACT["components"]["parameters"]["Deadline"]["name"] == DEADLINE


def test_the_webhook_has_the_headers_of_the_standard() -> None:
    required = {one["name"] for one in HOOK["parameters"] if one["required"]}
    assert required == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    for one in HOOK["requestBody"]["content"]["application/json"]["examples"].values():
        assert one["value"]["type"]
        assert set(one["value"]) <= set(SCHEMAS["Message"]["properties"])
