"""Where pictures of maps and places of addresses may come from, as the environment says."""

from __future__ import annotations

import pytest

from webapp.config import SettingsError, load_settings
from webapp.config_checks import tile_host


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://tiles.example.org/{z}/{x}/{y}.png", "https://tiles.example.org"),
        ("https://tiles.example.org:8443/a/{z}/{y}/{x}?k=1", "https://tiles.example.org:8443"),
        ("http://127.0.0.1:9000/{z}/{x}/{y}", "http://127.0.0.1:9000"),
        ("https://{s}.example.org/{z}/{x}/{y}.png", None),
        ("https://*.example.org/{z}/{x}/{y}.png", None),
        ("https://me:pw@tiles.example.org/{z}/{x}/{y}.png", None),
        ("https://tiles.example.org;script-src *;/{z}/{x}/{y}.png", None),
        ("https://tiles.example.org /{z}/{x}/{y}.png", None),
        ("https://tiles.example.org/{z}/{x}/{y}.png\n", None),
        ("https://tiles.example.org/{z}/{x}.png", None),
        ("ftp://tiles.example.org/{z}/{x}/{y}.png", None),
        ("//tiles.example.org/{z}/{x}/{y}.png", None),
        ("", None),
    ],
)
def test_tiles_come_from_one_host_that_is_spelled_as_one(url: str, host: str | None) -> None:
    assert tile_host(url) == host
    if host is None:
        with pytest.raises(SettingsError, match="MAP_TILE_URL"):
            load_settings(map_tile_url=url)
    else:
        assert load_settings(map_tile_url=url).map_tile_host == host


def test_without_tiles_there_is_no_host() -> None:
    assert load_settings().map_tile_host is None


@pytest.mark.parametrize(
    "url",
    [
        *("", "geocoder.example.org", "ftp://geocoder.example.org/", "https://a:b@example.org/", "https:///search"),
        *("https://geo coder.example.org/", "https://geo_coder.example.org/", "https://geocoder.example.org/a b"),
    ],
)
def test_a_geocoder_is_a_whole_address_without_a_user(url: str) -> None:
    with pytest.raises(SettingsError, match="GEOCODER_URL"):
        load_settings(geocoder_url=url)


def test_a_geocoder_s_address_may_hold_a_key_and_is_not_shown() -> None:
    settings = load_settings(geocoder_url="https://geocoder.example.org/search?key=secret")
    assert "secret" not in repr(settings)


def test_production_refuses_pictures_and_addresses_in_clear_text() -> None:
    with pytest.raises(SettingsError) as found:
        load_settings(
            ZONEDESK_ENV="production",
            map_tile_url="http://tiles.example.org/{z}/{x}/{y}.png",
            geocoder_url="http://geocoder.example.org/search",
        )
    assert "MAP_TILE_URL has to be https" in str(found.value)
    assert "GEOCODER_URL would send addresses" in str(found.value)
