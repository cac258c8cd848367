"""Drawing a zone and changing one, with htmx and without."""

from __future__ import annotations

import io
import json
from math import cos, radians, sin
from typing import Any

import pytest
from sqlalchemy import text

from tests.make import HOME, Make
from tests.web.client import DeskClient
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID
from webapp.db.work import Database

FORM = {
    "name": "Central",
    "label": "",
    "kind": "circle",
    "center_lat": "17.6868",
    "center_lng": "83.2185",
    "radius_km": "3",
    "time_zone": "",
    "travel_buffer_minutes": "15",
    "active": "y",
    "reason": "",
    "operator": str(COMPANY_ID),
}
SQUARE = "17.60, 83.20\n17.60, 83.24\n17.64, 83.24\n17.64, 83.20\n"


def zones(db: Database) -> list[Any]:
    """The zones there are, by name."""
    with db.read_only() as session:
        return list(session.execute(text("SELECT * FROM zones ORDER BY name")))


def test_an_admin_draws_a_circle(client: DeskClient, make: Make, db: Database) -> None:
    client.sign_in(make.admin())
    assert client.get("zones.create").status_code == 200
    answer = client.post("zones.create", data=FORM)
    (zone,) = zones(db)
    assert (answer.status_code, answer.location) == (303, f"/zones/{zone.id}")
    assert (zone.name, zone.kind, zone.radius_km, zone.time_zone) == ("Central", "circle", 3.0, "Asia/Kolkata")
    assert (zone.version, zone.travel_buffer_minutes, zone.active) == (1, 15, True)


def test_a_manager_draws_a_polygon_of_their_own(client: DeskClient, make: Make, db: Database) -> None:
    manager = client.sign_in(make.manager())
    data = FORM | {"kind": "polygon", "corners": SQUARE, "max_travel_km": "7.5", "center_lat": "rubbish"}
    answer = client.post("zones.create", data=data, htmx=True)
    (zone,) = zones(db)
    assert answer.headers["HX-Redirect"] == f"/zones/{zone.id}"
    assert (zone.operator_id, zone.kind, zone.max_travel_km) == (manager.operator_id, "polygon", 7.5)
    assert zone.ring == [83.20, 17.60, 83.24, 17.60, 83.24, 17.64, 83.20, 17.64]


def test_company_staff_and_auditors_draw_nothing(client: DeskClient, make: Make) -> None:
    zone = make.zone()
    for person in (make.staff(), make.auditor(), make.staff(make.franchise())):
        client.sign_in(person)
        assert client.get("zones.create").status_code == 403
        assert client.get("zones.edit", zone_id=zone).status_code == 403
        assert client.post("zones.preview", data=FORM).status_code == 403
        assert client.post("zones.create", data=FORM).status_code == 403
        assert "/zones/new" not in client.get("zones.index").text


def test_a_manager_changes_nobody_else_s_zone(client: DeskClient, make: Make, db: Database) -> None:
    zone = make.zone(name="Theirs")
    client.sign_in(make.manager())
    for answer in (
        client.get("zones.edit", zone_id=zone),
        client.post("zones.edit", zone_id=zone, data=FORM),
        client.post(f"/zones/preview?zone={zone}", data=FORM),
        client.post("/zones/preview?zone=rubbish", data=FORM),
        client.get("zones.history", zone_id=zone),
    ):
        assert answer.status_code == 404
    assert [row.name for row in zones(db)] == ["Theirs"]


# Names (rule Z1)


def test_central_is_free_for_each_operator_and_taken_within_one(client: DeskClient, make: Make, db: Database) -> None:
    first, second = make.manager(), make.manager()
    client.sign_in(make.admin())
    for number, person in enumerate((None, first, second)):
        data = FORM | {"center_lat": str(17 + number), "center_lng": "80"}
        if person:
            client.sign_in(person)
            del data["operator"]
        assert client.post("zones.create", data=data).status_code == 303
    for again in ("central", "ＣＥＮＴＲＡＬ", " Central  "):
        for htmx in (False, True):
            answer = client.post("zones.create", data=data | {"name": again, "center_lat": "19.5"}, htmx=htmx)
            assert answer.status_code == 422, again
            assert 'id="name-error"' in answer.text
            assert "There is already a zone named" in answer.text
            assert answer.text.count('value="19.5"') == 1, "what was typed stays"
    assert len(zones(db)) == 3


def test_a_name_in_use_is_refused_on_a_change_too(client: DeskClient, make: Make) -> None:
    make.zone(name="Central", center=Location(18, 83))
    zone = make.zone(name="North", center=HOME, radius_km=3)
    client.sign_in(make.admin())
    answer = client.post("zones.edit", zone_id=zone, data=FORM | {"time_zone": "Asia/Kolkata", "version": "1"})
    assert answer.status_code == 422
    assert 'id="name-error"' in answer.text


# Bad input: a message at its field, nothing stored, no 500

BAD = {
    "latitude": ({"center_lat": "90.0001"}, "center_lat", "between -90 and 90"),
    "longitude": ({"center_lng": "-180.5"}, "center_lng", "between -180 and 180"),
    "nan": ({"center_lat": "NaN"}, "center_lat", "Give degrees as a number"),
    "infinite": ({"center_lng": "1e999"}, "center_lng", "Give degrees as a number"),
    "comma": ({"radius_km": "12,5"}, "radius_km", "with a point: 12.5"),
    "comma in degrees": ({"center_lat": "17,6868"}, "center_lat", "with a point"),
    "no radius": ({"radius_km": ""}, "radius_km", "more than 0 and at most 500 km"),
    "radius 0": ({"radius_km": "0"}, "radius_km", "more than 0 and at most 500 km"),
    "radius 1000": ({"radius_km": "1000"}, "radius_km", "more than 0 and at most 500 km"),
    "radius nan": ({"radius_km": "nan"}, "radius_km", "Give kilometres as a number"),
    "no centre": ({"center_lat": "", "center_lng": ""}, "center_lat", "A circle needs a centre"),
    "buffer": ({"travel_buffer_minutes": "-5"}, "travel_buffer_minutes", "whole minutes"),
    "long buffer": ({"travel_buffer_minutes": "9999"}, "travel_buffer_minutes", "0 to 240 minutes"),
    "time zone": ({"time_zone": "Asia/Nowhere"}, "time_zone", "Choose one from the list"),
    "kind": ({"kind": "square"}, "kind", "Choose one from the list"),
    "no name": ({"name": " "}, "name", "Give the zone a name"),
    "invisible name": ({"name": "\u200b"}, "name", "Enter a name"),
    "long name": ({"name": "n" * 121}, "name", "at most 120 characters"),
    "nul": ({"label": "a\0b"}, "label", "invisible characters"),
    "operator": ({"operator": "01920000-0000-7000-8000-00000000ffff"}, "operator", "Choose one from the list"),
    "long reason": ({"reason": "r" * 401}, "reason", "at most 400 characters"),
    "at sea": ({"center_lat": "10", "center_lng": "85"}, "time_zone", "Choose a time zone"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_is_said_at_its_field(client: DeskClient, make: Make, db: Database, what: str) -> None:
    wrong, field, sentence = BAD[what]
    client.sign_in(make.admin())
    for htmx in (False, True):
        answer = client.post("zones.create", data=FORM | wrong, htmx=htmx)
        assert answer.status_code == 422, answer.text
        assert f'id="{field}-error"' in answer.text
        assert sentence in answer.text
    assert zones(db) == []


POLYGON = FORM | {"kind": "polygon", "max_travel_km": "5"}
HUNDRED_THOUSAND = "\n".join(f"17.{n:06d}, 83.{n:06d}" for n in range(100_000))
TEETH = "\n".join([f"{17 + n % 2 / 100}, {83 + n / 3000:.6f}" for n in range(2000)] + ["18, 82"])
BOWTIE = "17.0, 83.0\n17.1, 83.1\n17.1, 83.0\n17.0, 83.1"
HOLED = {
    "type": "Polygon",
    "coordinates": [
        [[83.0, 17.0], [83.2, 17.0], [83.2, 17.2], [83.0, 17.2], [83.0, 17.0]],
        [[83.05, 17.05], [83.1, 17.05], [83.1, 17.1], [83.05, 17.05]],
    ],
}
BAD_BORDERS = {
    "none": ("", "at least three corners"),
    "two": ("17.0, 83.0\n17.1, 83.1", "at least three corners"),
    "a hundred thousand": (HUNDRED_THOUSAND, "This border has 100000 corners; draw at most 10000."),
    "two thousand": (TEETH, "2001 corners are left and at most 1000 are kept"),
    "crossing itself": (BOWTIE, "crosses or touches itself near 17.050000, 83.050000"),
    "over the date line": (
        "17.0, 179.0\n17.0, -179.0\n18.0, -179.0",
        "between 17.000000, 179.000000 and 17.000000, -179",
    ),
    "at the pole": ("90.0, 10.0\n80.0, 10.0\n80.0, 20.0", "cannot reach a pole"),
    "latitude": ("17.0, 83.0\n90.0001, 83.1\n17.1, 83.0", "Corner 2: a latitude lies between -90 and 90, and 90.0001"),
    "longitude": ("17.0, 83.0\n17.1, 183.1\n17.1, 83.0", "Corner 2: a longitude lies between -180 and 180, and 183.1"),
    "nan": ("17.0, 83.0\nNaN, 83.1\n17.1, 83.0", "Line 2: NaN, 83.1 is no number."),
    "commas": ("17,0, 83,0\n17.1, 83.1\n17.1, 83.0", "Line 1: write the decimals with a point"),
    "one comma": ("12,5\n17.1, 83.1\n17.1, 83.0", "Line 1: write the decimals with a point"),
    "words": ("17.0, 83.0\nhere", "Line 2: give latitude and longitude"),
    "a hole": (json.dumps(HOLED), "has a hole at 17.050000, 83.050000"),
    "a point": ('{"type": "Point", "coordinates": [83, 17]}', "There is no GeoJSON Polygon in this"),
    "no json": ('{"type": "Polygon",\n "coordinates": [[}', "This is no GeoJSON: look at line 2."),
    "json with nan": ('{"type": "Polygon", "coordinates": [[[NaN, 17]]]}', "This GeoJSON cannot be read"),
    "a bomb of brackets": ("[" * 200_000, "This GeoJSON cannot be read"),
    "huge numbers": ('{"type": "Polygon", "coordinates": [[[1' + "0" * 5000 + ", 17]]]}", "cannot be read"),
    "positions of words": ('{"type": "Polygon", "coordinates": [[["a", "b"]]]}', "Corner 1 is no pair"),
    "nulls": ('{"type": "Polygon", "coordinates": null}', "There is no GeoJSON Polygon"),
    "a ring of null": ('{"type": "Polygon", "coordinates": [null]}', "There is no GeoJSON Polygon"),
    "several": ('{"type": "FeatureCollection", "features": [1, 2]}', "there are 2 things in this"),
}


@pytest.mark.parametrize("what", BAD_BORDERS)
def test_a_border_that_cannot_be_is_refused_and_told_where(
    client: DeskClient, make: Make, db: Database, what: str
) -> None:
    border, sentence = BAD_BORDERS[what]
    client.sign_in(make.admin())
    for htmx in (False, True):
        answer = client.post("zones.create", data=POLYGON | {"corners": border}, htmx=htmx)
        assert answer.status_code == 422
        assert 'id="corners-error"' in answer.text
        assert sentence in answer.text
    if what != "none":
        told = client.post("zones.preview", data=POLYGON | {"corners": border}, htmx=True)
        assert told.status_code == 422
        assert sentence in told.text
    assert zones(db) == []


def file(content: bytes, name: str = "zone.geojson") -> tuple[io.BytesIO, str]:
    """A file as a form sends it."""
    return io.BytesIO(content), name


def test_a_geojson_file_is_drawn_and_stands_among_the_corners_when_it_is_refused(
    client: DeskClient, make: Make, db: Database
) -> None:
    client.sign_in(make.admin())
    ring = [[83.20, 17.60], [83.24, 17.60], [83.24, 17.64], [83.20, 17.64], [83.20, 17.60]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "properties": {}, "geometry": geometry}
    whole = {"type": "FeatureCollection", "features": [feature]}
    sent = b"\xef\xbb\xbf" + json.dumps(feature).encode()
    answer = client.post("zones.create", data=POLYGON | {"name": "", "geojson": file(sent)})
    assert answer.status_code == 422
    assert "17.6, 83.24\n17.64, 83.24" in answer.text
    for number, found in enumerate((geometry, feature, whole, {"type": "MultiPolygon", "coordinates": [[ring]]})):
        name = f"Zone {number}"
        answer = client.post("zones.create", data=POLYGON | {"name": name, "geojson": file(json.dumps(found).encode())})
        assert answer.status_code == 303, answer.text
    assert {tuple(row.ring) for row in zones(db)} == {(83.20, 17.60, 83.24, 17.60, 83.24, 17.64, 83.20, 17.64)}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe\x00", "no UTF-8 text"),
        (b"", "This is no GeoJSON"),
        (b"[" * 100_000, "cannot be read"),
        (b"\x89PNG\r\n\x1a\n", "no UTF-8 text"),
    ],
)
def test_a_file_that_is_no_border_is_refused_at_its_field(
    client: DeskClient, make: Make, db: Database, content: bytes, sentence: str
) -> None:
    client.sign_in(make.admin())
    answer = client.post("zones.create", data=POLYGON | {"geojson": file(content)})
    assert answer.status_code == 422
    assert 'id="geojson-error"' in answer.text
    assert sentence in answer.text
    assert zones(db) == []


def test_an_upload_of_two_hundred_megabytes_is_refused_at_once(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    headers = {"Content-Length": str(200 * 1024 * 1024)}
    for target in ("zones.create", "zones.preview"):
        answer = client.post(
            target, data=FORM, headers=headers, environ_overrides={"CONTENT_LENGTH": str(200 * 1024 * 1024)}
        )
        assert answer.status_code == 413
        assert "larger than the desk accepts" in answer.text


def test_a_border_of_many_corners_is_simplified_when_asked(client: DeskClient, make: Make, db: Database) -> None:
    corners = [(17.6 + 0.05 * sin(radians(n / 10)), 83.2 + 0.05 * cos(radians(n / 10))) for n in range(3600)]
    border = "\n".join(f"{lat!r}, {lng!r}" for lat, lng in corners)
    client.sign_in(make.admin())
    told = client.post("zones.preview", data=POLYGON | {"corners": border}, htmx=True)
    assert "3600 corners are left and at most 1000 are kept" in told.text
    assert "Fewer corners would do" in told.text
    told = client.post("zones.preview", data=POLYGON | {"corners": border, "simplify_m": "10"}, htmx=True)
    assert told.status_code == 200
    assert "of 3600 drawn" in told.text
    assert client.post("zones.create", data=POLYGON | {"corners": border, "simplify_m": "10"}).status_code == 303
    (zone,) = zones(db)
    assert 20 < len(zone.ring) / 2 < 200
