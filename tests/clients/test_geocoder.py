"""Asking a geocoder: what is sent, what is taken from its answers, and what happens when it is ill."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.child import child
from tests.web.walls import unused_port
from webapp.clients import geocoder as module
from webapp.clients.geocoder import FoundPlace, GeocoderAway, HttpGeocoder, geocoder_from
from webapp.config import load_settings
from webapp.core.geo import Location


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A geocoder of this module's own."""
    with child("tests.reference_geocoder") as port:
        yield f"http://127.0.0.1:{port}"


def asked(url: str) -> dict[str, Any]:
    """What it was asked last."""
    last: dict[str, Any] = httpx.get(f"{url}/asked", trust_env=False).json()[-1]
    return last


def test_places_come_as_the_geocoder_orders_them(url: str) -> None:
    found = HttpGeocoder(f"{url}/search").find("danavaipeta", language="en")
    assert found == (
        FoundPlace("14, Danavaipeta Main Road, Rajahmundry, Andhra Pradesh, India", Location(17.0005, 81.804)),
        FoundPlace("Danavaipeta, Tuni, Andhra Pradesh, India", Location(17.359, 82.546)),
    )
    assert HttpGeocoder(f"{url}/search").find("nobody knows it", language="en") == ()


def test_it_is_asked_in_any_script_and_keeps_its_own_parameters(url: str) -> None:
    (found,) = HttpGeocoder(f"{url}/search?key=k%26y&limit=99&countrycodes=in#x").find("దానవాయిపేట", language="te")
    assert found.place == Location(17.001, 81.803)
    last = asked(url)
    assert last["path"] == "/search"
    assert last["query"] == {
        "key": "k&y",
        "countrycodes": "in",
        "q": "దానవాయిపేట",
        "format": "jsonv2",
        "limit": "5",
    }
    assert last["headers"]["accept-language"] == "te"


def test_it_hears_who_asks_and_nothing_else(url: str) -> None:
    found = geocoder_from(load_settings(geocoder_url=f"{url}/search", public_url="https://desk.example.org"))
    assert found is not None
    found.find("beach road", language="en")
    headers = asked(url)["headers"]
    assert headers["user-agent"] == "zonedesk (https://desk.example.org)"
    of_the_line = {"host", "accept-encoding", "content-length"}
    assert headers.keys() <= of_the_line | {"accept", "accept-language", "user-agent"}
    assert geocoder_from(load_settings()) is None


@pytest.mark.parametrize("ill", ["!broken", "!away", "!huge", "!elsewhere"])
def test_an_answer_that_is_of_no_use_is_no_answer(url: str, ill: str) -> None:
    with pytest.raises(GeocoderAway) as error:
        HttpGeocoder(f"{url}/search?key=secret").find(f"14 Danavaipeta {ill}", language="en")
    assert str(error.value) == ""
    assert error.value.__cause__ is None


def test_what_is_no_place_in_an_answer_is_passed_over(url: str) -> None:
    (found,) = HttpGeocoder(f"{url}/search").find("!odd", language="en")
    assert found.place == Location(17.5, 83.25)
    assert found.name.startswith("Numbers and <b>marks</b> xxx")
    assert len(found.name) == module.MOST_LETTERS


def test_nobody_waits_longer_than_the_deadline(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(GeocoderAway):
        HttpGeocoder(f"{url}/search").find("!slow", language="en")
    assert time.monotonic() - began < 10, "it answers after twenty seconds"


def test_after_failures_in_a_row_it_is_left_alone_for_a_while(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = HttpGeocoder(f"http://127.0.0.1:{unused_port()}/search")
    with pytest.raises(GeocoderAway):
        gone.find("beach road", language="en")
    ill = HttpGeocoder(f"{url}/search")
    for _ in range(module.FAILURES):
        with pytest.raises(GeocoderAway):
            ill.find("!away", language="en")
    with pytest.raises(GeocoderAway):
        ill.find("not even asked", language="en")
    assert asked(url)["query"]["q"] == "!away"
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    back = HttpGeocoder(f"{url}/search")
    for _ in range(module.FAILURES):
        with pytest.raises(GeocoderAway):
            back.find("!broken", language="en")
    assert back.find("beach road", language="en"), "the pause is over"
