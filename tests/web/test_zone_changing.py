"""Changing a zone: what it does is shown before it is saved; disputes, history and holes."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from tests.make import HOME, Make
from tests.web.client import DeskClient
from tests.web.test_zone_drawing import FORM, POLYGON, zones
from webapp.config import Settings
from webapp.core.geo import Location
from webapp.db.work import Database

KNOWN = FORM | {"time_zone": "Asia/Kolkata", "travel_buffer_minutes": "0", "version": "1", "radius_km": "10"}
del KNOWN["operator"]


def north(km: float) -> Location:
    """So many kilometres north of the families' home."""
    return Location(HOME.lat + km / 111.195, HOME.lng)


def looked(page: str) -> str:
    """The mark of what was looked at, out of a page."""
    found = re.search(r'name="looked"[^>]*value="([0-9a-f]*)"', page)
    assert found is not None
    return found[1]


def versions(db: Database) -> list[Any]:
    """All versions of all zones."""
    with db.read_only() as session:
        return list(session.execute(text("SELECT * FROM zone_versions ORDER BY zone_id, number")))


@pytest.fixture
def zone(make: Make) -> UUID:
    """The company's zone of ten kilometres around the families' home."""
    return make.zone(name="Central", radius_km=10.0)


@pytest.mark.parametrize("htmx", [False, True])
def test_a_border_that_moves_is_looked_at_first_and_saved_with_a_second_press(
    client: DeskClient, make: Make, db: Database, zone: UUID, htmx: bool
) -> None:
    inside = make.booking(zone_id=zone, place=north(3))
    outside = make.booking(zone_id=zone, place=north(7))
    taken = make.booking(zone_id=zone, place=north(9))
    other = make.franchise("Vizag Learning")
    make.zone(name="Beach", operator_id=other, center=north(12), radius_km=4)
    make.trainer((zone,), (), name="Lakshmi R.", base=north(6))
    admin = client.sign_in(make.admin())
    data = KNOWN | {"radius_km": "5", "do": "look", "reason": "The bridge is closed"}
    page = client.post("zones.edit", zone_id=zone, data=data, htmx=htmx)
    assert page.status_code == 200
    assert client.statements <= 12
    assert "<html" not in page.text if htmx else "<html" in page.text
    assert (
        "2 live bookings are served by another zone afterwards, 1 of them by another operator or by none" in page.text
    )
    assert "1 trainer starts from ground of another zone" in page.text
    assert f"/bookings/{outside.id}" in page.text
    assert f"/bookings/{taken.id}" in page.text
    assert f"/bookings/{inside.id}" not in page.text
    assert "Lakshmi R." in page.text
    assert "Vizag Learning" in page.text
    assert "Save this change" in page.text
    assert len(versions(db)) == 2, "nothing is saved yet"
    answer = client.post("zones.edit", zone_id=zone, data=data | {"do": "save", "looked": looked(page.text)}, htmx=htmx)
    assert (answer.status_code, answer.headers.get("HX-Redirect")) == ((200, f"/zones/{zone}") if htmx else (303, None))
    changed = [row for row in versions(db) if row.zone_id == zone]
    assert [(row.number, row.radius_km, row.reason) for row in changed] == [
        (1, 10.0, None),
        (2, 5.0, "The bridge is closed"),
    ]
    assert (changed[1].changed_by, changed[1].changed_by_name) == (admin.id, admin.name)
    with db.read_only() as session:
        kept = session.execute(text("SELECT zone_id, zone_version FROM bookings")).all()
    assert {tuple(row) for row in kept} == {(zone, 1)}, "nothing moves by itself"


def test_what_is_saved_is_what_was_looked_at(client: DeskClient, make: Make, db: Database, zone: UUID) -> None:
    client.sign_in(make.admin())
    page = client.post("zones.edit", zone_id=zone, data=KNOWN | {"radius_km": "5", "do": "look"})
    for data in (
        {"radius_km": "4", "looked": looked(page.text)},
        {"radius_km": "5"},
        {"radius_km": "5", "looked": "x"},
    ):
        again = client.post("zones.edit", zone_id=zone, data=KNOWN | data | {"do": "save"})
        assert again.status_code == 200
        assert "What this change does" in again.text
    assert "No live booking and no trainer is served by another zone afterwards." in again.text
    assert len(versions(db)) == 1


def test_a_name_is_changed_at_once_for_it_moves_nobody(
    client: DeskClient, make: Make, db: Database, zone: UUID
) -> None:
    client.sign_in(make.admin())
    data = KNOWN | {"name": "Centre", "travel_buffer_minutes": "20", "do": "look"}
    assert client.post("zones.edit", zone_id=zone, data=data).status_code == 303
    assert "Saved." in client.get("zones.show", zone_id=zone).text
    data |= {"version": "2"}
    assert client.post("zones.edit", zone_id=zone, data=data).status_code == 303
    assert "nothing was changed" in client.get("zones.show", zone_id=zone).text
    assert [row.name for row in versions(db)] == ["Central", "Centre"]


def test_the_bookings_are_listed_page_by_page(client: DeskClient, make: Make, zone: UUID) -> None:
    for _ in range(27):
        make.booking(zone_id=zone, place=north(7))
    client.sign_in(make.admin())
    data = KNOWN | {"radius_km": "5"}
    page = client.post("zones.edit", zone_id=zone, data=data | {"do": "look"})
    assert "1–25 of 27 bookings" in page.text
    page = client.post("zones.edit", zone_id=zone, data=data | {"page": "2", "looked": looked(page.text)})
    assert "26–27 of 27 bookings" in page.text
    assert page.text.count("/bookings/0") == 2
    for odd in ("0", "-1", "x", "99999999999999999999"):
        assert client.post("zones.edit", zone_id=zone, data=data | {"page": odd}).status_code == 200


def test_a_zone_is_retired_and_revived(client: DeskClient, make: Make, db: Database, zone: UUID) -> None:
    booking = make.booking(zone_id=zone, place=north(7))
    client.sign_in(make.admin())
    data = {name: value for name, value in KNOWN.items() if name != "active"}
    page = client.post("zones.edit", zone_id=zone, data=data | {"do": "look"})
    assert f"/bookings/{booking.id}" in page.text
    assert "A retired zone takes nobody’s ground." in page.text
    sent = {"do": "save", "looked": looked(page.text)}
    assert client.post("zones.edit", zone_id=zone, data=data | sent).status_code == 303
    assert "Retired" in client.get("zones.history", zone_id=zone).text
    page = client.post("zones.edit", zone_id=zone, data=KNOWN | {"version": "2", "do": "look"})
    sent = {"version": "2", "do": "save", "looked": looked(page.text)}
    assert client.post("zones.edit", zone_id=zone, data=KNOWN | sent).status_code == 303
    assert [row.active for row in versions(db)] == [True, False, True]


@pytest.mark.parametrize("htmx", [False, True])
def test_whoever_was_slower_is_told_who_was_faster_and_loses_nothing(
    client: DeskClient, make: Make, db: Database, zone: UUID, htmx: bool
) -> None:
    client.sign_in(make.user(role=make.admin().role, name="Lakshmi"))
    page = client.post("zones.edit", zone_id=zone, data=KNOWN | {"radius_km": "8", "do": "look"})
    sent = {"radius_km": "8", "do": "save", "looked": looked(page.text)}
    assert client.post("zones.edit", zone_id=zone, data=KNOWN | sent).status_code == 303
    client.sign_in(make.admin())
    mine = KNOWN | {"radius_km": "6", "label": "Harbour", "do": "save"}
    late = client.post("zones.edit", zone_id=zone, data=mine, htmx=htmx)
    assert late.status_code == 409
    assert "Lakshmi changed this zone meanwhile" in late.text
    assert "Now it is: 8" in late.text
    assert 'id="label-error"' not in late.text, "only what somebody changed"
    assert 'value="6"' in late.text
    assert 'value="Harbour"' in late.text
    assert re.search(r'name="version"[^>]*value="2"', late.text)
    assert [row.radius_km for row in versions(db)] == [10.0, 8.0]
    page = client.post("zones.edit", zone_id=zone, data=mine | {"version": "2"}, htmx=htmx)
    assert "What this change does" in page.text
    sent = {"version": "2", "looked": looked(page.text)}
    assert client.post("zones.edit", zone_id=zone, data=mine | sent).status_code == 303
    assert [row.radius_km for row in versions(db)] == [10.0, 8.0, 6.0]


@pytest.mark.parametrize("version", ["", "0", "x", "99", "1e3", "-1", "9" * 40])
def test_a_version_that_nobody_saw_changes_nothing(
    client: DeskClient, make: Make, db: Database, zone: UUID, version: str
) -> None:
    client.sign_in(make.admin())
    for data in ({"name": "Other"}, {"radius_km": "5"}):
        answer = client.post("zones.edit", zone_id=zone, data=KNOWN | data | {"version": version, "do": "save"})
        assert answer.status_code == 409
    assert len(versions(db)) == 1


def test_another_time_zone_waits_until_no_trainer_works_there(
    client: DeskClient, make: Make, db: Database, zone: UUID
) -> None:
    make.trainer((zone,), ())
    client.sign_in(make.admin())
    data = KNOWN | {"time_zone": "Asia/Dubai"}
    page = client.post("zones.edit", zone_id=zone, data=data | {"do": "look"})
    assert "The place keeps Asia/Kolkata, the form says Asia/Dubai." in page.text
    assert "Sessions that are planned keep their times" in page.text
    answer = client.post("zones.edit", zone_id=zone, data=data | {"do": "save", "looked": looked(page.text)})
    assert answer.status_code == 409
    assert "Trainers work in Central: take them out before you change its time zone." in answer.text
    assert len(versions(db)) == 1


def test_a_polygon_that_is_not_touched_stays_as_it_is_to_the_last_digit(
    client: DeskClient, make: Make, db: Database
) -> None:
    client.sign_in(make.admin())
    border = "17.600000000000001, 83.2\n17.6, 83.24000000000001\n17.64, 83.24\n17.64, 83.2000000000123"
    assert client.post("zones.create", data=POLYGON | {"corners": border}).status_code == 303
    (zone,) = zones(db)
    page = client.get("zones.edit", zone_id=zone.id)
    found = re.search(r"<textarea[^>]*>\s*(.*?)</textarea>", page.text, re.S)
    assert found is not None
    data = POLYGON | {"corners": found[1], "version": "1", "time_zone": "Asia/Kolkata", "do": "save"}
    assert client.post("zones.edit", zone_id=zone.id, data=data).status_code == 303
    assert "nothing was changed" in client.get("zones.show", zone_id=zone.id).text
    assert zones(db)[0].ring == zone.ring


# Disputes


@pytest.fixture
def refusing(app: Flask, settings: Settings) -> Any:
    """A desk on which two operators never share ground."""
    app.extensions["settings"] = settings.model_copy(update={"zone_disputes": "refuse"})
    yield
    app.extensions["settings"] = settings


def test_ground_of_another_operator_is_named_and_needs_a_reason(
    client: DeskClient, make: Make, db: Database, zone: UUID
) -> None:
    make.booking(zone_id=zone, place=HOME, household=make.household("Asha", "Arun"))
    client.sign_in(make.manager(make.franchise("Vizag Learning")))
    data = {name: value for name, value in FORM.items() if name != "operator"} | {"name": "Ours"}
    told = client.post("zones.preview", data=data, htmx=True)
    assert told.status_code == 200
    assert "Central of The company: 28 km², fewer than 5 students live there" in told.text
    assert "Give the reason why" in told.text
    assert "Asha" not in told.text
    answer = client.post("zones.create", data=data)
    assert answer.status_code == 422
    assert 'id="reason-error"' in answer.text
    assert "Central of The company has 28 km² of this ground already: say why both may serve it." in answer.text
    assert client.post("zones.create", data=data | {"reason": "Agreed by both"}).status_code == 303
    assert [row.reason for row in versions(db) if row.name == "Ours"] == ["Agreed by both"]
    with db.read_only() as session:
        told_ = session.execute(
            text("SELECT after FROM audit_entries WHERE what = 'zone.created' ORDER BY id DESC")
        ).first()
    assert told_ is not None
    assert told_[0]["disputes"] == [str(zone)]
    assert "Agreed" not in str(told_[0])


def test_the_desk_may_refuse_shared_ground_altogether(
    client: DeskClient, make: Make, db: Database, zone: UUID, refusing: None
) -> None:
    client.sign_in(make.manager())
    data = {name: value for name, value in FORM.items() if name != "operator"} | {"name": "Ours", "reason": "Because"}
    assert "Two operators cannot serve the same ground" in client.post("zones.preview", data=data, htmx=True).text
    answer = client.post("zones.create", data=data)
    assert answer.status_code == 422
    assert 'id="radius_km-error"' in answer.text
    assert "Draw the border around it." in answer.text
    assert client.post("zones.create", data=data | {"center_lat": "18.2"}).status_code == 303
    assert len(zones(db)) == 2


def test_an_admin_is_told_exactly_and_own_ground_is_but_a_note(
    client: DeskClient, make: Make, db: Database, zone: UUID
) -> None:
    make.booking(zone_id=zone, place=HOME, household=make.household("Asha", "Arun"))
    make.booking(zone_id=zone, place=north(8))
    client.sign_in(make.admin())
    told = client.post("zones.preview", data=FORM, htmx=True)
    assert "Central: 28 km², 2 students live there" in told.text
    assert "Ground of own zones" in told.text
    assert "Ground of other operators" not in told.text
    theirs = FORM | {"operator": str(make.franchise())}
    told = client.post("zones.preview", data=theirs, htmx=True)
    assert "Central of The company: 28 km², 2 students live there" in told.text
    assert client.post("zones.create", data=FORM | {"name": "Inner"}).status_code == 303


def test_a_border_that_takes_no_more_of_others_is_not_asked_again(
    client: DeskClient, make: Make, db: Database, zone: UUID, refusing: None
) -> None:
    make.zone(name="Beach", operator_id=make.franchise(), center=north(12), radius_km=4)
    client.sign_in(make.admin())
    for radius, version in (("9.5", "1"), ("9", "2")):
        data = KNOWN | {"radius_km": radius, "version": version}
        page = client.post("zones.edit", zone_id=zone, data=data | {"do": "look"})
        assert "No more of it than before." in page.text
        answer = client.post("zones.edit", zone_id=zone, data=data | {"do": "save", "looked": looked(page.text)})
        assert answer.status_code == 303
    data = KNOWN | {"version": "3"}
    page = client.post("zones.edit", zone_id=zone, data=data | {"do": "look"})
    assert "Two operators cannot serve the same ground" in page.text
    answer = client.post("zones.edit", zone_id=zone, data=data | {"do": "save", "looked": looked(page.text)})
    assert answer.status_code == 422
    assert len([row for row in versions(db) if row.zone_id == zone]) == 3


# While it is drawn


def test_the_panel_waits_for_a_shape_and_nags_about_nothing_else(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    for empty in ({"center_lat": "", "center_lng": "", "radius_km": ""}, {"radius_km": ""}, {"kind": "polygon"}):
        told = client.post("zones.preview", data=FORM | {"name": ""} | empty, htmx=True)
        assert told.status_code == 200
        assert told.text.lstrip().startswith('<div id="zone-preview">')
        assert "appears here" in told.text
    whole = client.post("zones.preview", data=FORM | {"name": ""})
    assert whole.status_code == 200
    assert "<html" in whole.text
    assert "28 km²" in whole.text
    assert "Give the zone a name" not in whole.text
    bad = client.post("zones.preview", data=FORM | {"center_lat": "90.0001"}, htmx=True)
    assert bad.status_code == 422
    assert "between -90 and 90" in bad.text


def test_numbers_the_wrong_way_round_are_noticed(client: DeskClient, make: Make, zone: UUID) -> None:
    client.sign_in(make.admin())
    told = client.post("zones.preview", data=FORM | {"center_lat": "83.2185", "center_lng": "17.6868"}, htmx=True)
    assert "Are latitude and longitude the wrong way round?" in told.text
    assert "17.68680, 83.21850" in told.text
    assert "wrong way round" not in client.post("zones.preview", data=FORM, htmx=True).text
    far = client.post("zones.preview", data=FORM | {"center_lat": "48.2", "center_lng": "16.37"}, htmx=True)
    assert "wrong way round" not in far.text, "far from every zone, but so is the other way round"


def test_a_zone_that_is_changed_does_not_overlap_itself(client: DeskClient, make: Make, zone: UUID) -> None:
    client.sign_in(make.admin())
    told = client.post(f"/zones/preview?zone={zone}", data=KNOWN | {"radius_km": "12"}, htmx=True)
    assert "No other zone shares this ground." in told.text
    assert client.statements <= 12


# History and holes


def test_the_history_tells_what_changed_who_when_and_why(client: DeskClient, make: Make, zone: UUID) -> None:
    admin = client.sign_in(make.admin())
    data = KNOWN | {"radius_km": "5", "label": "Harbour", "reason": "<b>Moved</b>"}
    page = client.post("zones.edit", zone_id=zone, data=data | {"do": "look"})
    client.post("zones.edit", zone_id=zone, data=data | {"do": "save", "looked": looked(page.text)})
    page = client.get("zones.history", zone_id=zone)
    assert client.statements <= 12
    assert "Circle of 10 km about 17.68680, 83.21850, 314 km² → Circle of 5 km about" in page.text
    assert "Harbour" in page.text
    assert "&lt;b&gt;Moved&lt;/b&gt;" in page.text
    assert admin.name in page.text
    assert page.text.index('scope="row" data-label="Version">2<') < page.text.index(
        'scope="row" data-label="Version">1<'
    )
    shown = client.get("zones.show", zone_id=zone)
    assert "version 2" in shown.text
    assert "&lt;b&gt;Moved&lt;/b&gt;" in shown.text
    client.sign_in(make.staff())
    assert client.get("zones.history", zone_id=zone).status_code == 200


def test_holes_between_zones_are_listed_with_their_size(client: DeskClient, make: Make) -> None:
    franchise = make.franchise("Vizag Learning")
    client.sign_in(make.admin())
    assert "There is no hole between the zones." in client.get("zones.holes").text
    for number, (lat, lng) in enumerate(((0.05, 0), (-0.05, 0), (0, 0.05), (0, -0.05))):
        center = Location(HOME.lat + lat, HOME.lng + lng)
        make.zone(name=f"Side {number}", center=center, radius_km=4.2, operator_id=franchise if number else None)
    page = client.get("zones.holes")
    assert client.statements <= 12
    assert "/zones/lookup?place=17.6" in page.text
    assert "Side 0, Side 1, Side 2, Side 3" in page.text
    assert "There is no hole" in client.get("zones.holes", operator=franchise).text
    fragment = client.get("zones.holes", htmx=True).text
    assert fragment.lstrip().startswith('<div id="zone-holes">')
    assert client.get("zones.holes", operator="rubbish").status_code == 422
    client.sign_in(make.staff(franchise))
    page = client.get("zones.holes")
    assert "Side 0" in page.text, "a neighbour's zone closes the hole"
    assert "There is no hole" in client.get("zones.holes", operator=franchise).text, "among its own there is none"
    client.sign_in(make.staff(make.franchise()))
    assert "Side" not in client.get("zones.holes").text
