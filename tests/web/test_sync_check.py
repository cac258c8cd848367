"""Checking the connection to the trainer service from its page."""

from __future__ import annotations

import time

import pytest
from flask import Flask

from tests.fault_proxy import proxying
from tests.make import Make
from tests.reference_service.running import running
from tests.web.client import DeskClient
from webapp.config import Settings

CHECK = "trainer_service.check"


def point_at(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch, url: str, token: str) -> None:
    known = settings.model_copy(update={"trainer_service_url": url, "trainer_service_token": token})
    monkeypatch.setitem(app.extensions, "settings", known)


@pytest.mark.parametrize(("contract", "says"), [("bulk", "In bulk"), ("legacy", "One by one")])
def test_a_service_that_answers_says_how_it_speaks(
    admin: DeskClient, app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch, contract: str, says: str
) -> None:
    with running(3, contract=contract) as service:
        point_at(app, settings, monkeypatch, service.url, service.token)
        page = admin.post(CHECK, follow_redirects=True)
        assert len(service.requests()) == 1
    assert "It answers, within" in page.text
    assert says in page.text


def test_one_that_does_not_let_the_desk_in_says_what_to_do(
    admin: DeskClient, app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(3) as service:
        point_at(app, settings, monkeypatch, service.url, "of-another-desk")
        page = admin.post(CHECK, follow_redirects=True)
    assert "does not let the desk in" in page.text
    assert "of-another-desk" not in page.text


def test_nobody_waits_longer_than_a_page_may_take_and_nobody_asks_twice(
    admin: DeskClient, app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(3) as service, proxying(service.url) as proxy:
        proxy.set(latency_ms=5_000)
        point_at(app, settings, monkeypatch, proxy.url, service.token)
        began = time.monotonic()
        page = admin.post(CHECK, follow_redirects=True)
        took = time.monotonic() - began
        assert proxy.counts()["connections"] == 1
    assert "did not answer in time" in page.text
    assert 0.7 < took < 4


def test_without_a_service_there_is_nobody_to_ask(admin: DeskClient) -> None:
    assert admin.post(CHECK).status_code == 409


def test_only_admins_check(client: DeskClient, make: Make, service: None) -> None:
    client.sign_in(make.auditor())
    assert client.post(CHECK).status_code == 403
    assert "/trainers/service/check" not in client.get("trainer_service.index").text
