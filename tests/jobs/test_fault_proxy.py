"""The bad line is as bad as it was asked to be, and no worse."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.fault_proxy import Proxy, proxying
from tests.reference_service.contracts import LIST
from tests.reference_service.running import Service, running


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Something to stand in front of."""
    with running(1000) as service:
        yield service


@pytest.fixture(scope="module")
def one_proxy(service: Service) -> Iterator[Proxy]:
    """One process for all tests here."""
    with proxying(service.url, seed=3) as proxy:
        yield proxy


@pytest.fixture
def proxy(one_proxy: Proxy) -> Proxy:
    """A good line, nothing counted."""
    one_proxy.heal()
    one_proxy.reset_counts()
    return one_proxy


@pytest.fixture
def client(service: Service, proxy: Proxy) -> Iterator[httpx.Client]:
    """Somebody who asks through it."""
    headers = {"Authorization": f"Bearer {service.token}"}
    with httpx.Client(base_url=proxy.url, headers=headers, timeout=10, trust_env=False) as line:
        yield line


def outcomes(client: httpx.Client, times: int) -> Counter[str]:
    """What became of so many questions."""
    found: Counter[str] = Counter()
    for _ in range(times):
        try:
            found[str(client.get(LIST, params={"limit": "5"}).status_code)] += 1
        except httpx.TransportError as error:
            found[type(error).__name__] += 1
    return found


def test_a_good_line_changes_nothing_and_counts(service: Service, proxy: Proxy, client: httpx.Client) -> None:
    through = client.get(LIST, params={"limit": "500"})
    direct = httpx.get(
        service.url + LIST, params={"limit": "500"}, headers=dict(client.headers), timeout=10, trust_env=False
    )
    assert through.content == direct.content
    assert outcomes(client, 20) == {"200": 20}
    assert proxy.counts() == {"connections": 1, "answers": 21}


def test_latency_and_jitter_come_before_each_answer(proxy: Proxy, client: httpx.Client) -> None:
    proxy.set(latency_ms=100, jitter_ms=50)
    for _ in range(3):
        began = time.monotonic()
        client.get(LIST, params={"limit": "500"})
        assert time.monotonic() - began >= 0.1


def test_a_drip_passes_so_many_bytes_a_second(proxy: Proxy, client: httpx.Client) -> None:
    proxy.set(drip_bytes_per_second=4000)
    began = time.monotonic()
    answer = client.get(LIST, params={"limit": "2"})
    assert answer.status_code == 200
    assert time.monotonic() - began >= len(answer.content) / 4000 * 0.9


def test_answers_are_reset_and_cut_as_often_as_asked(proxy: Proxy, client: httpx.Client) -> None:
    proxy.set(reset_rate=0.3, cut_rate=0.2)
    found = outcomes(client, 200)
    counts = proxy.counts()
    assert 40 <= counts["resets"] <= 80
    assert 20 <= counts["cuts"] <= 60
    assert found["200"] == 200 - counts["resets"] - counts["cuts"]
    assert found["ReadError"] == counts["resets"]
    assert found["RemoteProtocolError"] == counts["cuts"]


def test_a_dead_line_refuses_and_heals(service: Service, proxy: Proxy, client: httpx.Client) -> None:
    assert outcomes(client, 1) == {"200": 1}
    service.reset_counts()
    proxy.dead()
    found = outcomes(client, 5)
    assert found["ConnectError"] >= 4, "the first may still have held a connection"
    assert found["200"] == 0
    proxy.dead()
    assert service.asked == 0
    proxy.heal()
    assert outcomes(client, 3) == {"200": 3}


def test_a_silent_line_keeps_everybody_waiting(service: Service, proxy: Proxy, client: httpx.Client) -> None:
    service.reset_counts()
    proxy.set(silent=True)
    with pytest.raises(httpx.ReadTimeout):
        client.get(LIST, timeout=0.3)
    assert service.asked == 0


def test_a_target_that_is_away_resets(proxy: Proxy) -> None:
    with running(1) as away:
        url = away.url
    with proxying(url) as line, httpx.Client(base_url=line.url, trust_env=False) as client:
        assert outcomes(client, 2)["200"] == 0
        assert line.counts()["unreachable"] == 2


def test_what_cannot_be_set_is_told(proxy: Proxy) -> None:
    with pytest.raises(ValueError, match="colour"):
        proxy.set(colour="red")
