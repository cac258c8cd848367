"""The reference service does what its contracts and its switches say: other tests rely on each of them."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.reference_service.running import Service, running, signed_hook
from tests.services import ROOT

LIST = "/api/v1/trainers"


@pytest.fixture(scope="module")
def one_service() -> Iterator[Service]:
    """Twelve hundred trainers, for all tests here that change none."""
    with running(1200, seed=7) as service:
        yield service


@pytest.fixture
def service(one_service: Service) -> Service:
    """The same in good health, and asked nothing yet."""
    one_service.clear()
    one_service.reset_counts()
    return one_service


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    """Somebody who asks it, and follows no redirects."""
    with asking(service) as line:
        yield line


def asking(service: Service, timeout: float = 10) -> httpx.Client:
    return httpx.Client(
        base_url=service.url, headers={"Authorization": f"Bearer {service.token}"}, timeout=timeout, trust_env=False
    )


def pages(client: httpx.Client, **query: str) -> Iterator[dict[str, Any]]:
    """The pages of the bulk contract."""
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(LIST, params={**query, **({"cursor": cursor} if cursor else {})}).raise_for_status().json()
        yield page
        cursor = page["nextCursor"]


def ids(client: httpx.Client, **query: str) -> list[str]:
    return [item["trainerId"] for page in pages(client, **query) for item in page["items"]]


def test_bulk_pages_hold_everybody_once_and_500_at_most(service: Service, client: httpx.Client) -> None:
    found = [len(page["items"]) for page in pages(client, limit="9999")]
    assert found == [500, 500, 200]
    assert ids(client, limit="500") == [f"T{number:06d}" for number in range(1, 1201)]
    answer = client.get(LIST, params={"limit": "1"})
    assert answer.headers["X-Total-Count"] == "1200"
    assert abs(parsedate_to_datetime(answer.headers["Date"]) - datetime.now(UTC)) < timedelta(seconds=5)
    assert set(answer.json()["items"][0]) == {
        *("trainerId", "name", "available", "franchiseId", "zoneIds", "certifiedCourses", "location"),
        *("workingHours", "timeOff", "updatedAt"),
    }


def test_the_same_seed_makes_the_same_trainers(service: Service) -> None:
    with running(50, seed=7) as other, running(50, seed=8) as different:
        assert other.trainers() == service.trainers()[:50]
        assert different.trainers() != other.trainers()


def test_what_changed_since_an_instant_includes_the_instant() -> None:
    with running(20) as service, asking(service) as client:
        service.edit("T000003", name="Somebody Else", updatedAt="2026-05-01T10:00:00Z")
        assert ids(client, updated_since="2026-05-01T10:00:00+00:00") == ["T000003"]
        assert ids(client, updated_since="2026-05-01T10:00:00.000001Z") == []
        before = datetime.now(UTC)
        service.edit("T000005", name="Somebody New")
        assert ids(client, updated_since=before.isoformat()) == ["T000005"]


def test_an_etag_answers_304_until_something_changes() -> None:
    with running(20) as service, asking(service) as client:
        etag = client.get(LIST).headers["ETag"]
        assert client.get(LIST, headers={"If-None-Match": etag}).status_code == 304
        assert client.get(LIST, params={"limit": "5"}, headers={"If-None-Match": etag}).status_code == 200
        service.edit("T000001", available=False)
        assert client.get(LIST, headers={"If-None-Match": etag}).status_code == 200


def test_a_cursor_stays_where_it_is_while_others_are_edited_added_and_removed() -> None:
    with running(30) as service, asking(service) as client:
        listing = pages(client, limit="10")
        seen = [item["trainerId"] for item in next(listing)["items"]]
        service.edit("T000002", name="Edited")
        service.remove("T000001")
        service.add(trainerId="T000000")
        for page in listing:
            seen += [item["trainerId"] for item in page["items"]]
        assert seen == [f"T{number:06d}" for number in range(1, 31)]


@pytest.mark.parametrize(("how", "twice", "never"), [("insert", 3, 0), ("remove", 0, 2), ("both", 1, 1)])
def test_a_list_that_shifts_shows_some_twice_or_never(how: str, twice: int, never: int) -> None:
    with running(30, shifting=how) as service, asking(service) as client:
        there = {item["trainerId"] for item in service.trainers()}
        seen = ids(client, limit="10")
        assert len(seen) - len(set(seen)) == twice
        assert len(there - set(seen)) == never


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "updated_since=yesterday", "updated_since=2026-01-01", "cursor=!"]
)
def test_rubbish_is_told_to_be(client: httpx.Client, query: str) -> None:
    assert client.get(f"{LIST}?{query}").status_code == 400


def test_nobody_is_answered_without_the_token(service: Service) -> None:
    assert httpx.get(service.url + LIST, trust_env=False).status_code == 401
    assert httpx.get(service.url + LIST, headers={"Authorization": "Bearer x"}, trust_env=False).status_code == 401


def test_a_bulk_service_knows_no_single_trainers(client: httpx.Client) -> None:
    assert client.get(f"{LIST}/T000001").status_code == 404


@pytest.mark.parametrize("items", [False, True])
def test_the_deployed_contract_in_both_shapes(service: Service, client: httpx.Client, items: bool) -> None:
    service.set(contract="legacy", legacy_items=items)
    data = client.get(LIST, params={"limit": "500", "page": "12"}).json()["data"]
    rows = data["items"] if items else data
    assert [row["trainerId"] for row in rows] == [f"T{number:06d}" for number in range(1101, 1201)]
    assert set(rows[0]) == {"trainerId", "name", "available"}
    assert client.get(LIST, params={"limit": "100", "page": "13"}).json()["data"] in ([], {"items": []})
    one = client.get(f"{LIST}/T000002").json()["data"]
    assert set(one) == {"trainerId", "name", "available", "location", "franchiseId", "profile", "franchise"}
    assert (one["franchiseId"], one["franchise"]) == ("F2", {"id": "F2"})
    assert isinstance(one["profile"]["certifications"], list)
    assert client.get(f"{LIST}/T999999").status_code == 404
    service.set(legacy_rich=True)
    assert {"zoneIds", "workingHours", "timeOff"} < client.get(f"{LIST}/T000002").json()["data"].keys()


def test_both_contracts_at_once_are_told_apart_by_the_page(service: Service, client: httpx.Client) -> None:
    service.set(contract="both")
    assert "items" in client.get(LIST, params={"limit": "500"}).json()
    assert "data" in client.get(LIST, params={"limit": "500", "page": "1"}).json()
    assert client.get(f"{LIST}/T000001").status_code == 200


def test_fields_can_be_left_out_or_null_in_both_contracts(service: Service, client: httpx.Client) -> None:
    service.set(contract="both", leave_out=["franchiseId"], say_null=["franchise", "zoneIds"])
    item = client.get(LIST).json()["items"][0]
    assert "franchiseId" not in item
    assert item["zoneIds"] is None
    one = client.get(f"{LIST}/T000002").json()["data"]
    assert "franchiseId" not in one
    assert one["franchise"] is None


def test_any_field_of_one_trainer_can_be_anything_and_updates_its_stamp() -> None:
    with running(3, zones={None: ["Z9"], "F7": ["Z7"]}, courses=["Chess"], places={"Z7": (10.0, 20.0)}) as service:
        first = service.trainers()[0]
        assert (first["franchiseId"], first["zoneIds"], first["certifiedCourses"]) == ("F7", ["Z7"], ["Chess"])
        assert abs(first["location"]["latitude"] - 10) < 0.02
        service.edit("T000001", drop=["franchiseId"], workingHours="always", updatedAt="yesterday")
        changed = service.trainers()[0]
        assert "franchiseId" not in changed
        assert (changed["workingHours"], changed["updatedAt"]) == ("always", "yesterday")
        service.edit("T000002", name="")
        assert service.trainers()[1]["updatedAt"] > first["updatedAt"]
        assert service.add(2) == ["T000004", "T000005"]
        with pytest.raises(ValueError, match="T999999"):
            service.remove("T999999")


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
    with asking(service, timeout=0.2) as client, pytest.raises(httpx.ReadTimeout):
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
    with running(5, clock_skew_seconds=-7200) as service, asking(service) as client:
        told = parsedate_to_datetime(client.get(LIST).headers["Date"])
        service.edit("T000001", available=False)
        changed = datetime.fromisoformat(service.trainers()[0]["updatedAt"])
        for at in (told, changed):
            assert timedelta(minutes=119) < datetime.now(UTC) - at < timedelta(minutes=121)


def test_headers_can_be_missing(service: Service, client: httpx.Client) -> None:
    service.set(without_headers=["Date", "ETag", "X-Total-Count"])
    assert not {"date", "etag", "x-total-count"} & client.get(LIST).headers.keys()


def test_its_log_tells_what_it_was_asked_and_control_is_not_in_it(service: Service, client: httpx.Client) -> None:
    client.get(LIST, params={"limit": "3"}, headers={"If-None-Match": '"x"'})
    service.set(fault="500")
    client.get(LIST)
    first, second = service.requests()
    assert (first["path"], first["query"], first["status"], first["fault"]) == (LIST, "limit=3", 200, None)
    assert (first["if_none_match"], second["status"], second["fault"]) == ('"x"', 500, "500")
    assert first["monotonic"] < second["monotonic"] <= time.monotonic()
    assert first["bytes"] > 100
    counts = service.counts()
    assert (counts["requests"], counts["lists"], counts["status 200"], counts["status 500"]) == (2, 2, 1, 1)
    assert counts["connections"] == 1
    service.reset_counts()
    assert service.asked == 0


def test_it_tells_how_many_asked_at_once(service: Service, client: httpx.Client) -> None:
    service.set(latency_ms=200)
    with ThreadPoolExecutor(5) as crowd:
        list(crowd.map(lambda _n: client.get(LIST), range(5)))
    assert service.counts()["most_at_once"] == 5


@pytest.mark.parametrize("wrong", [{"fault": "flood"}, {"rates": {"500": 0.7, "503": 0.7}}, {"colour": "red"}])
def test_what_cannot_be_switched_is_told(service: Service, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        service.set(**wrong)


def test_a_page_of_500_takes_less_than_20_ms(service: Service, client: httpx.Client) -> None:
    for _ in range(10):
        client.get(LIST, params={"limit": "500"})
    assert sorted(seen["took_ms"] for seen in service.requests())[5] < 20


def test_a_message_is_signed_as_the_standard_says() -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    hook = signed_hook("T000001", secret=secret, message_id="msg_1")
    said = Webhook(secret).verify(hook.body, hook.headers)
    assert (said["type"], said["data"]) == ("trainer.updated", {"trainerId": "T000001"})
    assert hook.headers["webhook-id"] == "msg_1"


def test_it_goes_when_whoever_started_it_is_killed() -> None:
    """A parent that dies by SIGKILL has no time to stop anything."""
    code = "\n".join(
        (
            "import time",
            "from tests.reference_service.running import running",
            "with running(5) as service:",
            "    print(service.url, flush=True)",
            "    time.sleep(60)",
        )
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        port = int(parent.stdout.readline().rsplit(b":", 1)[1])
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        os.kill(parent.pid, signal.SIGKILL)
    assert gone(port), "it still serves"


def test_it_goes_when_it_is_no_longer_wanted() -> None:
    with running(5) as service:
        port = int(service.url.rsplit(":", 1)[1])
    assert gone(port)


def gone(port: int) -> bool:
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.02)
    return False
