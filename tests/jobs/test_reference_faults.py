"""The reference service fails exactly as it is asked to."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from tests.jobs.one_service import client, one_service, service
from tests.reference_service.contracts import LIST
from tests.reference_service.running import Service, ids_of, running

__all__ = ["client", "one_service", "service"]


@pytest.mark.parametrize(("how", "twice", "never"), [("insert", 3, 0), ("remove", 0, 2), ("both", 1, 1)])
def test_a_list_that_shifts_shows_some_twice_or_never(how: str, twice: int, never: int) -> None:
    with running(30, shifting=how) as service, service.client() as client:
        there = {item["trainerId"] for item in service.trainers()}
        seen = ids_of(client, limit="10")
        assert len(seen) - len(set(seen)) == twice
        assert len(there - set(seen)) == never


@pytest.mark.parametrize("status", [429, 500, 503])
def test_statuses_come_with_their_headers(service: Service, client: httpx.Client, status: int) -> None:
    service.set(fault=str(status), retry_after="7")
    answer = client.get(LIST)
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == (None if status == 500 else "7")


def test_rates_are_drawn_from_the_seed_and_close_to_what_was_asked(service: Service, client: httpx.Client) -> None:
    service.set(rates={"500": 0.2, "503": 0.1})
    statuses = [client.get(LIST, params={"limit": "1"}).status_code for _ in range(400)]
    assert 50 <= statuses.count(500) <= 110
    assert 20 <= statuses.count(503) <= 65
    assert service.counts()["fault 500"] == statuses.count(500)


def test_faults_can_be_told_one_by_one_and_for_some_paths_only(service: Service, client: httpx.Client) -> None:
    service.set(coming=["503", "ok", "500"])
    assert [client.get(LIST).status_code for _ in range(4)] == [503, 200, 500, 200]
    service.set(contract="both", fault="500", only=f"{LIST}/")
    assert client.get(LIST).status_code == 200
    assert client.get(f"{LIST}/T000001").status_code == 500


def test_latency_keeps_everybody_waiting(service: Service, client: httpx.Client) -> None:
    service.set(latency_ms=150, jitter_ms=50)
    began = time.monotonic()
    assert client.get(LIST).status_code == 200
    assert time.monotonic() - began >= 0.15


def test_a_drip_takes_its_time(service: Service, client: httpx.Client) -> None:
    service.set(fault="drip", drip_bytes_per_second=200)
    began = time.monotonic()
    with client.stream("GET", LIST) as answer:
        assert len(next(answer.iter_raw(10))) == 10
    assert time.monotonic() - began >= 0.04


def test_hanging_says_nothing(service: Service) -> None:
    service.set(fault="hang")
    with service.client(timeout=0.2) as client, pytest.raises(httpx.ReadTimeout):
        client.get(LIST)


@pytest.mark.parametrize(("fault", "error"), [("reset", httpx.ReadError), ("truncated", httpx.RemoteProtocolError)])
def test_a_body_can_end_in_its_middle(
    service: Service, client: httpx.Client, fault: str, error: type[Exception]
) -> None:
    service.set(fault=fault)
    with pytest.raises(error):
        client.get(LIST)
    service.clear()
    assert client.get(LIST).status_code == 200


@pytest.mark.parametrize("fault", ["bad-json", "wrong-length", "html"])
def test_a_body_can_be_no_json(service: Service, client: httpx.Client, fault: str) -> None:
    service.set(fault=fault)
    answer = client.get(LIST)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"."):
        answer.json()


def test_a_page_can_have_wrong_types_in_all_or_in_some_of_it(service: Service, client: httpx.Client) -> None:
    service.set(fault="wrong-types")
    assert isinstance(client.get(LIST).json()["items"], dict)
    service.set(fault="wrong-items")
    wrong = [item for item in client.get(LIST, params={"limit": "100"}).json()["items"] if item["name"] == 7]
    assert len(wrong) == 10


@pytest.mark.parametrize("fault", ["huge", "huge-chunked"])
def test_a_body_can_be_huge(service: Service, client: httpx.Client, fault: str) -> None:
    service.set(fault=fault, huge_bytes=3_000_000)
    answer = client.get(LIST)
    assert len(answer.content) == 3_000_000
    assert ("Content-Length" in answer.headers) == (fault == "huge")


def test_a_redirect_leads_elsewhere_and_whoever_follows_is_seen(service: Service, client: httpx.Client) -> None:
    service.set(fault="redirect", only=LIST)
    assert client.get(LIST).headers["Location"] == "/api/v1/elsewhere"
    assert service.counts().get("elsewhere", 0) == 0
    client.get(LIST, follow_redirects=True)
    assert service.counts()["elsewhere"] == 1


def test_its_clock_can_be_wrong() -> None:
    with running(5, clock_skew_seconds=-7200) as service, service.client() as client:
        told = parsedate_to_datetime(client.get(LIST).headers["Date"])
        service.edit("T000001", available=False)
        changed = datetime.fromisoformat(service.trainers()[0]["updatedAt"])
        for at in (told, changed):
            assert timedelta(minutes=119) < datetime.now(UTC) - at < timedelta(minutes=121)


def test_headers_can_be_missing(service: Service, client: httpx.Client) -> None:
    service.set(without_headers=["Date", "ETag", "X-Total-Count"])
    assert not {"date", "etag", "x-total-count"} & client.get(LIST).headers.keys()


@pytest.mark.parametrize("wrong", [{"fault": "flood"}, {"rates": {"500": 0.7, "503": 0.7}}, {"colour": "red"}])
def test_what_cannot_be_switched_is_told(service: Service, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        service.set(**wrong)
