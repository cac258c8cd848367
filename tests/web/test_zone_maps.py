"""What the maps of zones ask for, and where their pictures may come from."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.make import HOME, KOLKATA, Make
from tests.web.client import NOW, DeskClient
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.core.geo import Location
from webapp.db.work import unit_of_work
from webapp.zones import near, service
from webapp.zones.rules import ZoneCommand

TILES = "https://tiles.example.org/{z}/{x}/{y}.png?key=a;b"


def box_around(place: Location, degrees: float = 1.0) -> str:
    """As the map asks: west, south, east, north."""
    return ",".join(
        str(number) for number in (place.lng - degrees, place.lat - degrees, place.lng + degrees, place.lat + degrees)
    )


def zones_of(client: DeskClient, bbox: str) -> dict[str, dict[str, Any]]:
    """The zones of an answer, by name."""
    answer = client.get("zone_map.near", bbox=bbox)
    assert answer.status_code == 200
    return {zone["name"]: zone for zone in answer.get_json()["zones"]}


def test_the_zones_in_a_box_come_with_their_borders_whoever_owns_them(client: DeskClient, make: Make) -> None:
    franchise = make.franchise("Godavari Tutors")
    mine = make.zone(operator_id=franchise, name="Mine", center=HOME, radius_km=3.0)
    triangle = (Location(17.7, 83.2), Location(17.8, 83.2), Location(17.7, 83.3))
    with unit_of_work() as work:
        command = ZoneCommand("Harbour", None, KOLKATA, ring=triangle, max_travel_km=9.0, label="VSP-07")
        service.create(work, command, by=SYSTEM, now=NOW)
    make.zone(name="Far away", center=Location(20.0, 83.2))
    client.sign_in(make.staff(franchise))
    found = zones_of(client, box_around(HOME))
    assert found.keys() == {"Mine", "Harbour · VSP-07"}
    assert found["Mine"] == {
        "id": str(mine),
        "name": "Mine",
        "operator": "Godavari Tutors",
        "mine": True,
        "url": f"/zones/{mine}",
        "center": [HOME.lat, HOME.lng],
        "radius_km": 3.0,
    }
    # Of another operator's zone: what the lookup of a place tells, and its border; no page to open.
    assert found["Harbour · VSP-07"] == {
        "name": "Harbour · VSP-07",
        "operator": "The company",
        "mine": False,
        "ring": [[corner.lat, corner.lng] for corner in triangle],
    }
    client.sign_in(make.admin())
    assert zones_of(client, box_around(HOME))["Mine"]["url"] == f"/zones/{mine}"


def test_a_retired_zone_is_nobody_s_neighbour(client: DeskClient, make: Make) -> None:
    zone = make.zone(name="Retired")
    with unit_of_work() as work:
        service.change(work, zone, ZoneCommand("Retired", None, KOLKATA, HOME, 3.0, active=False), by=SYSTEM, now=NOW)
    client.sign_in(make.staff())
    assert zones_of(client, box_around(HOME)) == {}


@pytest.mark.parametrize("lng", [179.99, -179.99, 180.0, -180.0])
def test_a_box_over_the_180th_meridian_finds_zones_on_both_sides(client: DeskClient, make: Make, lng: float) -> None:
    make.zone(name="West of it", center=Location(-17, 179.9), radius_km=5.0)
    make.zone(name="East of it", center=Location(-17, -179.9), radius_km=5.0)
    make.zone(name="Over it", center=Location(-17, 180.0), radius_km=5.0)
    client.sign_in(make.staff())
    assert len(zones_of(client, box_around(Location(-17, lng)))) == 3


def test_an_answer_has_bounds_and_says_when_it_left_zones_out(
    client: DeskClient, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near, "SHOWN", 3)
    for step in range(5):
        make.zone(name=f"Zone {step}", center=Location(HOME.lat + step / 10, HOME.lng), radius_km=1.0)
    client.sign_in(make.staff())
    client.get("zone_map.near", bbox=box_around(HOME))
    answer = client.get("zone_map.near", bbox=box_around(HOME))
    assert client.statements <= 2
    told = answer.get_json()
    # The ones nearest to the middle of what is shown.
    assert [zone["name"] for zone in told["zones"]] == ["Zone 0", "Zone 1", "Zone 2"]
    assert told["whole"] is False
    monkeypatch.setattr(near, "SHOWN", 5)
    assert client.get("zone_map.near", bbox=box_around(HOME)).get_json()["whole"] is True
    monkeypatch.setattr(near, "CORNERS", 0)
    assert client.get("zone_map.near", bbox=box_around(HOME)).get_json()["whole"] is True, "circles have no corners"


@pytest.mark.parametrize(
    "bbox",
    [
        *("", "1", "1,2,3", "1,2,3,4,5", "a,b,c,d", "nan,1,2,3", "inf,1,2,3", "3,1,2,4", "1,4,2,3", "1,2,1,2"),
        *("0,-91,1,-90", "0,89,1,90.1", "-361,1,-360,2", "0,0,6.1,1", "0,0,1,6.1", "1e400,1,2,3", "0,0,1,1\0"),
    ],
)
def test_a_bad_box_is_refused_in_words(client: DeskClient, make: Make, bbox: str) -> None:
    client.sign_in(make.staff())
    answer = client.get("zone_map.near", bbox=bbox, headers={"Accept": "application/json"})
    assert answer.status_code == 422
    assert answer.get_json()["code"] in ("no-box", "box-too-wide")


def test_maps_may_not_ask_for_ever(client: DeskClient, make: Make, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    client.sign_in(make.staff())
    settings: Settings = app.extensions["settings"]
    monkeypatch.setitem(app.extensions, "settings", settings.model_copy(update={"map_rate": "3 per minute"}))
    asked = [client.get("zone_map.near", bbox=box_around(HOME)).status_code for _ in range(4)]
    assert asked == [200, 200, 200, 429]


def test_a_map_begins_where_the_reader_s_zones_are(client: DeskClient, make: Make) -> None:
    franchise = make.franchise()
    client.sign_in(make.staff(franchise))
    assert client.get("zone_map.extent").get_json() == {"bounds": None}
    make.zone(operator_id=franchise, center=Location(17.0, 82.0))
    make.zone(operator_id=franchise, center=Location(18.0, 83.0))
    make.zone(center=Location(-40.0, 10.0))
    assert client.get("zone_map.extent").get_json() == {"bounds": [17.0, 82.0, 18.0, 83.0]}


def test_without_a_setting_no_page_may_fetch_a_picture_from_anywhere(client: DeskClient, make: Make) -> None:
    client.sign_in(make.staff())
    page = client.get("zones.lookup")
    assert "img-src 'self' data:;" in page.headers["Content-Security-Policy"]
    assert "data-tiles" not in page.text


def test_tiles_open_the_policy_of_pages_with_a_map_for_their_host_alone(
    client: DeskClient, make: Make, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = make.zone()
    settings: Settings = app.extensions["settings"]
    tiles = {"map_tile_url": TILES, "map_attribution": "© <b>Somebody</b>"}
    monkeypatch.setitem(app.extensions, "settings", settings.model_copy(update=tiles))
    client.sign_in(make.staff())
    for page in (client.get("zones.lookup"), client.get("zones.show", zone_id=zone)):
        assert "img-src 'self' data: https://tiles.example.org;" in page.headers["Content-Security-Policy"]
        assert f'data-tiles="{TILES}"' in page.text
        assert "© &lt;b&gt;Somebody&lt;/b&gt;" in page.text
    for other in (client.get("zones.index"), client.get("zone_map.extent")):
        assert "tiles.example.org" not in other.headers["Content-Security-Policy"]
