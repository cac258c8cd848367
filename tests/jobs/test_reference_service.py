"""The reference service does what its contracts and its switches say: other tests rely on each of them."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest
from standardwebhooks import Webhook

from tests.jobs.one_service import client, one_service, service
from tests.reference_service.contracts import LIST
from tests.reference_service.running import Service, ids_of, pages_of, running, signed_hook
from tests.services import ROOT

__all__ = ["client", "one_service", "service"]


def test_bulk_pages_hold_everybody_once_and_500_at_most(service: Service, client: httpx.Client) -> None:
    found = [len(page["items"]) for page in pages_of(client, limit="9999")]
    assert found == [500, 500, 200]
    assert ids_of(client, limit="500") == [f"T{number:06d}" for number in range(1, 1201)]
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
    with running(20) as service, service.client() as client:
        service.edit("T000003", name="Somebody Else", updatedAt="2026-05-01T10:00:00Z")
        assert ids_of(client, updated_since="2026-05-01T10:00:00+00:00") == ["T000003"]
        assert ids_of(client, updated_since="2026-05-01T10:00:00.000001Z") == []
        before = datetime.now(UTC)
        service.edit("T000005", name="Somebody New")
        assert ids_of(client, updated_since=before.isoformat()) == ["T000005"]


def test_an_etag_answers_304_until_something_changes() -> None:
    with running(20) as service, service.client() as client:
        etag = client.get(LIST).headers["ETag"]
        assert client.get(LIST, headers={"If-None-Match": etag}).status_code == 304
        assert client.get(LIST, params={"limit": "5"}, headers={"If-None-Match": etag}).status_code == 200
        service.edit("T000001", available=False)
        assert client.get(LIST, headers={"If-None-Match": etag}).status_code == 200


def test_a_cursor_stays_where_it_is_while_others_are_edited_added_and_removed() -> None:
    with running(30) as service, service.client() as client:
        listing = pages_of(client, limit="10")
        seen = [item["trainerId"] for item in next(listing)["items"]]
        service.edit("T000002", name="Edited")
        service.remove("T000001")
        service.add(trainerId="T000000")
        for page in listing:
            seen += [item["trainerId"] for item in page["items"]]
        assert seen == [f"T{number:06d}" for number in range(1, 31)]


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
