"""Asking the trainer service while it is well, and the breaker between: real sockets, counted requests."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.clients.service import (
    BUSY,
    EMPTY,
    ONE_TRY,
    SECRET_PATH,
    TOKEN,
    asked_for,
    client_of,
    header_of,
    http,
    page,
    resets,
    serving,
)
from webapp.clients.trainer_service.breaker import FAILURES, PAUSE
from webapp.clients.trainer_service.client import BreakerState, TrainerService
from webapp.clients.trainer_service.http import INTERACTIVE, REFRESHER, HttpTrainerService, trainer_service_from
from webapp.clients.trainer_service.said import (
    BulkPage,
    Fault,
    LegacyPage,
    NotModified,
    SaidTrainer,
    ServiceFailed,
    UnreadableTrainer,
)
from webapp.config import load_settings

BEGIN = datetime(2027, 1, 4, 9, tzinfo=UTC)


def test_it_is_what_the_desk_expects() -> None:
    asks: TrainerService = HttpTrainerService("https://trainers.example.org", None, profile=REFRESHER)
    assert inspect.isfunction(type(asks).first_page)


# -- questions -----------------------------------------------------------------------------------------------------


def test_everybody_is_asked_for_and_the_headers_say_what_is_needed() -> None:
    headers = {"ETag": '"v1"', "Date": "Mon, 04 Jan 2027 09:00:00 GMT", "X-Total-Count": "1200"}
    answer = http(200, {"items": [{"trainerId": "T1"}], "nextCursor": "next page=2&x"}, **headers)
    with serving(answer, EMPTY) as (there, client):
        first = client.first_page(since=None, etag=None)
        assert isinstance(first, BulkPage)
        assert first == BulkPage((SaidTrainer("T1"),), "next page=2&x", '"v1"', BEGIN, 1200)
        assert asked_for(there) == "/api/v1/trainers?limit=500"
        assert header_of(there, "Authorization") == f"Bearer {TOKEN}"
        assert header_of(there, "Accept") == "application/json"
        assert header_of(there, "User-Agent") == "zonedesk"
        assert header_of(there, "If-None-Match") is None
        assert 30_000 < int(header_of(there, "X-Deadline-Ms") or 0) <= 60_000
        client.bulk_page(since=None, cursor="next page=2&x")
        assert asked_for(there, 1) == "/api/v1/trainers?limit=500&cursor=next%20page%3D2%26x"
        assert (client.tally.requests, client.tally.retries, client.tally.errors) == (2, 0, {})
        assert client.tally.received > 50


def test_changes_are_asked_for_since_an_instant_and_unless_nothing_changed() -> None:
    date = {"Date": "Mon, 04 Jan 2027 09:00:00 GMT"}
    unchanged = b"HTTP/1.1 304 Not Modified\r\nDate: Mon, 04 Jan 2027 09:00:00 GMT\r\n\r\n"
    with serving(unchanged, http(200, {"items": [], "nextCursor": None}, **date)) as (there, client):
        since = datetime(2027, 1, 4, 14, 0, 0, 5, tzinfo=timezone(timedelta(hours=5, minutes=30)))
        assert client.first_page(since=since, etag='"v1"') == NotModified(BEGIN)
        assert asked_for(there) == "/api/v1/trainers?limit=500&updated_since=2027-01-04T08%3A30%3A00.000005Z"
        assert header_of(there, "If-None-Match") == '"v1"'
        assert client.first_page(since=since, etag='"v1"') == BulkPage((), None, None, BEGIN)
        client.bulk_page(since=since, cursor="c")
        assert asked_for(there, 2).endswith("&updated_since=2027-01-04T08%3A30%3A00.000005Z&cursor=c")


def test_the_answer_tells_the_contract() -> None:
    with serving(http(200, {"data": [{"trainerId": 1, "available": True}]}), EMPTY) as (there, client):
        first = client.first_page(since=None, etag=None)
        assert isinstance(first, LegacyPage)
        assert [row.service_id for row in first.rows] == ["1"]
        assert len(there.asked) == 1
        with pytest.raises(ServiceFailed):
            client.legacy_page(2)  # bulk all of a sudden
        assert asked_for(there, 1) == "/api/v1/trainers?limit=100&page=2"


def test_single_trainers_are_asked_for_by_an_id_that_leads_nowhere_else() -> None:
    detail = http(200, {"data": {"profile": {"name": "Asha Rao"}, "franchiseId": None}})
    gone = [http(status, {"error": "nobody"}, Content_Type="application/json; charset=utf-8") for status in (404, 410)]
    with serving(detail, *gone, http(200, {"data": 7})) as (there, client):
        asked = "a/../b?c#d é"
        assert client.legacy_trainer(asked) == SaidTrainer(asked, name="Asha Rao", franchise=None)
        assert asked_for(there) == "/api/v1/trainers/a%2F..%2Fb%3Fc%23d%20%C3%A9"
        assert client.legacy_trainer("T2") is None
        assert client.legacy_trainer("T3") is None
        assert client.legacy_trainer("T4") == UnreadableTrainer("T4", (("data", "not-an-object"),))
        assert client.tally.errors == {}
        assert client.breaker.state == BreakerState(0, None)


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"<h1>Not Found</h1>", "text/html"), (b"", "application/json"), (b"{}", "text/plain"), (b"gone", None)],
)
def test_that_somebody_is_not_there_only_the_service_itself_says(status: int, body: bytes, kind: str | None) -> None:
    sent = http(status, body) if kind is None else http(status, body, Content_Type=kind)
    with serving(sent) as (_there, client), pytest.raises(ServiceFailed) as failed:
        client.legacy_trainer("T1")
    assert failed.value.fault is Fault.NOT_JSON


@pytest.mark.parametrize("service_id", ["", ".", "..", " T1", "T\n1", "T" * 65])
def test_nobody_is_asked_for_by_what_is_no_id(service_id: str) -> None:
    with serving(http(200, {"data": {}})) as (there, client):
        assert client.legacy_trainer(service_id) is None
        assert there.asked == []


def test_a_service_without_a_token_is_asked_without_one() -> None:
    with serving(EMPTY) as (there, _):
        HttpTrainerService(f"http://127.0.0.1:{there.port}", None, profile=REFRESHER).first_page(since=None, etag=None)
        assert header_of(there, "Authorization") is None


def test_several_ask_at_once_and_everything_is_counted() -> None:
    detail = http(200, {"data": {}})
    with serving(detail) as (there, client), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(client.legacy_trainer, map(str, range(60)))) == [SaidTrainer(str(n)) for n in range(60)]
        assert client.tally.requests == len(there.asked) == 60
        assert client.tally.received == 60 * len(b'{"data": {}}')


def test_the_settings_say_where_and_with_what() -> None:
    with serving(EMPTY) as (there, _):
        url = f"http://127.0.0.1:{there.port}{SECRET_PATH}"
        settings = load_settings(trainer_service_url=url, trainer_service_token=TOKEN)
        client = trainer_service_from(settings, profile=INTERACTIVE, retry_tokens=3.0)
        client.first_page(since=None, etag=None)
        assert header_of(there, "Authorization") == f"Bearer {TOKEN}"
        assert client.retry_tokens == 3.1
    with pytest.raises(ValueError, match="TRAINER_SERVICE_URL"):
        trainer_service_from(load_settings(), profile=INTERACTIVE)


# -- the breaker between -------------------------------------------------------------------------------------------


def test_five_failures_stop_the_questions_and_two_answers_let_them_through_again() -> None:
    now = BEGIN

    def fault(client: HttpTrainerService) -> Fault | None:
        try:
            client.first_page(since=None, etag=None)
        except ServiceFailed as failed:
            return failed.fault
        return None

    answers = [BUSY] * (FAILURES + 1) + [EMPTY]
    with serving(*answers, profile=ONE_TRY, now=lambda: now) as (there, client):
        assert [fault(client) for _ in range(FAILURES + 3)] == [*[Fault.SERVER_ERROR] * 5, *[Fault.BREAKER_OPEN] * 3]
        assert len(there.asked) == client.tally.requests == FAILURES
        assert client.tally.errors == {"server-error": FAILURES}  # what is not sent does not fail
        now = BEGIN + PAUSE  # half open: one request, which fails
        assert [fault(client), fault(client)] == [Fault.SERVER_ERROR, Fault.BREAKER_OPEN]
        assert len(there.asked) == FAILURES + 1
        now = BEGIN + 2 * PAUSE  # as another process, which knows what this one knew
        following = client_of(there, profile=ONE_TRY, now=lambda: now, breaker=client.breaker.state)
        assert [fault(following), fault(following)] == [None, None]
        assert following.breaker.state == BreakerState(0, None)
        assert len(there.asked) == FAILURES + 3


def test_whoever_opens_it_is_told_the_cause_and_does_not_ask_again() -> None:
    with serving(BUSY, breaker=BreakerState(FAILURES - 1)) as (there, client):
        with pytest.raises(ServiceFailed) as failed:
            client.first_page(since=None, etag=None)
        assert (failed.value.fault, failed.value.status) == (Fault.SERVER_ERROR, 503)
        assert len(there.asked) == 1
        assert client.retry_tokens == 10  # no retry was spent on what would not have been asked


def test_a_process_that_begins_while_it_is_open_asks_nothing() -> None:
    opened = BreakerState(FAILURES, BEGIN)
    with serving(EMPTY, breaker=opened, now=lambda: BEGIN + PAUSE / 2, retry_tokens=0.0) as (there, client):
        with pytest.raises(ServiceFailed) as failed:
            client.first_page(since=None, etag=None)
        assert failed.value.fault is Fault.BREAKER_OPEN
        assert (there.asked, client.tally.requests, client.retry_tokens) == ([], 0, 0)
        assert client.breaker.state == opened


def test_useless_answers_open_it_and_refusals_in_good_order_do_not() -> None:
    for answer, opens in ((http(200, b"<html>"), True), (resets(), True), (http(401), False), (http(400), False)):
        with serving(answer, profile=ONE_TRY) as (_, client):
            for _ in range(FAILURES):
                with pytest.raises(ServiceFailed):
                    client.first_page(since=None, etag=None)
            assert client.breaker.is_open is opens


def test_a_page_that_is_good_again_forgets_the_failures_before() -> None:
    with serving(BUSY, page("T1"), profile=ONE_TRY) as (_, client):
        with pytest.raises(ServiceFailed):
            client.first_page(since=None, etag=None)
        assert client.breaker.state.failures == 1
        client.first_page(since=None, etag=None)
        assert client.breaker.state.failures == 0
