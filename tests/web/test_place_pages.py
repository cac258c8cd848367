"""Who serves a place: by coordinates, Plus Code and address; and keeping a place that nobody serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from re import search
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from tests.child import child
from tests.make import HOME, KOLKATA, Make
from tests.web.client import NOW, DeskClient
from tests.web.walls import unused_port
from webapp.audit.service import plain
from webapp.bookings.enquiries import EnquiryCommand, close_enquiry, record_enquiry
from webapp.bookings.rules import EnquiryStatus
from webapp.clients.geocoder import HttpGeocoder
from webapp.core.actor import SYSTEM
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.work import read_only, unit_of_work
from webapp.zones import addresses, service
from webapp.zones.rules import ZoneCommand

NOWHERE = Location(14.1, 88.9)
"""In the Bay of Bengal."""


@pytest.fixture(scope="module")
def geocoder_url() -> Iterator[str]:
    """A geocoder of this module's own."""
    with child("tests.reference_geocoder") as port:
        yield f"http://127.0.0.1:{port}/search"


@pytest.fixture
def searching(app: Flask, monkeypatch: pytest.MonkeyPatch, geocoder_url: str) -> None:
    """A desk that can search for addresses."""
    monkeypatch.setitem(app.extensions, addresses._EXTENSION, HttpGeocoder(geocoder_url))


def test_without_a_geocoder_the_page_asks_for_coordinates_and_codes(client: DeskClient, make: Make) -> None:
    client.sign_in(make.staff())
    assert 'name="address"' not in client.get("zones.lookup").text
    answer = client.get("zones.lookup", address="Beach Road")
    assert answer.status_code == 422
    assert "This desk cannot search for addresses." in answer.text


def test_a_short_plus_code_is_read_with_its_town(client: DeskClient, make: Make) -> None:
    make.zone(name="Vizag", radius_km=30.0)
    client.sign_in(make.staff())
    page = client.get("zones.lookup", place="M6P9+PC Visakhapatnam")
    assert page.status_code == 200
    assert "is served by Vizag" in page.text


@pytest.mark.usefixtures("searching")
def test_an_address_that_means_one_place_is_answered_at_once(client: DeskClient, make: Make) -> None:
    make.zone(name="Vizag", radius_km=3.0)
    client.sign_in(make.staff())
    page = client.get("zones.lookup", address="beach road")
    assert page.status_code == 200
    assert "Found as: Beach Road, Visakhapatnam" in page.text
    assert "17.686800, 83.218500 is served by Vizag" in page.text
    assert client.statements <= 5


@pytest.mark.usefixtures("searching")
def test_an_address_that_means_several_places_is_asked_back(client: DeskClient, make: Make) -> None:
    client.sign_in(make.staff())
    page = client.get("zones.lookup", address="danavaipeta")
    assert "Which place is it?" in page.text
    assert "/zones/lookup?place=17.359000,+82.546000&amp;address=danavaipeta" in page.text
    assert "Keep as demand" not in page.text


@pytest.mark.usefixtures("searching")
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("Xyzzy", "No such place was found."),
        ("!away", "The search for addresses does not answer."),
        ("!broken", "The search for addresses does not answer."),
        ("", "Give latitude and longitude, a Plus Code, or an address."),
        (" ", "Give latitude and longitude, a Plus Code, or an address."),
        ("x" * 401, "400"),
        ("a\0b", "characters"),
    ],
)
def test_what_cannot_be_found_is_said_on_the_field(client: DeskClient, make: Make, address: str, said: str) -> None:
    client.sign_in(make.staff())
    answer = client.get("zones.lookup", address=address)
    assert answer.status_code == 422
    assert said in answer.text
    assert "Keep as demand" not in answer.text


def test_a_geocoder_that_is_gone_leaves_the_rest_of_the_page_at_work(
    client: DeskClient, make: Make, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = HttpGeocoder(f"http://127.0.0.1:{unused_port()}/search")
    monkeypatch.setitem(app.extensions, addresses._EXTENSION, gone)
    make.zone(name="Vizag")
    client.sign_in(make.staff())
    assert "does not answer" in client.get("zones.lookup", address="beach road").text
    page = client.get("zones.lookup", address="beach road", place=f"{HOME.lat}, {HOME.lng}")
    assert page.status_code == 200
    assert "is served by Vizag" in page.text


@pytest.mark.usefixtures("searching")
def test_the_geocoder_is_not_asked_for_ever(
    client: DeskClient, make: Make, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = app.extensions["settings"].model_copy(update={"geocoder_rate": "2 per minute"})
    monkeypatch.setitem(app.extensions, "settings", settings)
    client.sign_in(make.staff())
    asked = [client.get("zones.lookup", address="beach road").status_code for _ in range(3)]
    assert asked == [200, 200, 429]
    assert client.get("zones.lookup", place="17, 83").status_code == 200


def test_outside_every_zone_the_way_to_their_borders_is_told(client: DeskClient, make: Make) -> None:
    franchise = make.franchise("Godavari Tutors")
    make.zone(operator_id=franchise, name="Round", center=Location(17.0, 83.0), radius_km=10.0)
    ring = (Location(17.2, 82.8), Location(17.2, 83.2), Location(17.4, 83.2), Location(17.4, 82.8))
    with unit_of_work() as work:
        square = ZoneCommand("Square", None, KOLKATA, ring=ring, max_travel_km=9.0)
        service.create(work, square, by=SYSTEM, now=NOW)
    make.zone(name="Far", center=Location(40.0, 83.0), radius_km=10.0)
    client.sign_in(make.staff(franchise))
    page = client.get("zones.lookup", place="17.15, 83.0").text
    # The circle's centre is nearer (16.7 km), the square's border is (5.6 km).
    assert "The nearest border is 5.6 km away: Square of The company." in page
    assert page.index(">Square<") < page.index(">Round<") < page.index(">Far<")
    assert 'data-label="To its border" class="zd-num">6.7 km<' in page
    assert client.statements <= 6


def kept() -> list[dict[str, Any]]:
    """Every enquiry there is."""
    with read_only() as db:
        rows = db.execute(text("SELECT * FROM enquiries ORDER BY created_at, id")).mappings()
        return [dict(row) for row in rows]


def kept_from(client: DeskClient, place: str, **more: str) -> dict[str, str]:
    """What the page's own form would send."""
    page = client.get("zones.lookup", place=place, **more).text
    sent = {}
    for name in ("place", "address", "key"):
        found = search(rf'type="hidden" name="{name}" value="([^"]*)"', page)
        assert found is not None, name
        sent[name] = found[1]
    return sent


def test_a_place_nobody_serves_is_kept_with_what_is_known_and_only_once(client: DeskClient, make: Make) -> None:
    franchise = make.franchise()
    person = client.sign_in(make.staff(franchise))
    sent = kept_from(client, "14.1, 88.9", address="Nowhere Farm")
    for _ in range(2):
        answer = client.post("demand.keep", data=sent)
        assert (answer.status_code, answer.location) == (303, "/enquiries/demand")
    (row,) = kept()
    assert (row["status"], row["operator_id"], row["created_by"]) == ("service_not_available", franchise, person.id)
    assert (row["lat"], row["lng"], row["address"]) == (14.1, 88.9, "Nowhere Farm")
    with read_only() as db:
        told = db.execute(text("SELECT after FROM audit_entries WHERE what = 'enquiry.recorded'")).scalars().all()
    assert len(told) == 1
    assert "Nowhere" not in plain(str(told)), "the audit holds no addresses"


def test_another_operator_s_place_is_recorded_for_them(client: DeskClient, make: Make) -> None:
    make.zone(name="Vizag")
    client.sign_in(make.staff(make.franchise()))
    page = client.get("zones.lookup", place=f"{HOME.lat}, {HOME.lng}").text
    assert "Record an enquiry for them" in page
    sent = kept_from(client, f"{HOME.lat}, {HOME.lng}")
    assert client.post("demand.keep", data=sent).location == "/enquiries"
    (row,) = kept()
    assert (row["status"], row["serving_zone"], row["serving_operator"]) == ("other_operator", "Vizag", "The company")


def test_a_place_that_one_serves_oneself_is_no_demand(client: DeskClient, make: Make) -> None:
    make.zone(name="Vizag")
    sent = {"place": f"{HOME.lat}, {HOME.lng}", "key": str(new_id())}
    for person in (make.staff(), make.admin()):
        client.sign_in(person)
        assert "Keep as demand" not in client.get("zones.lookup", place=sent["place"]).text
        answer = client.post("demand.keep", data=sent)
        assert answer.status_code == 409
        assert "Vizag serves this place: enter a booking instead." in answer.text
    assert kept() == []


@pytest.mark.parametrize(
    "changed",
    [{"place": ""}, {"place": "90.0001, 1"}, {"place": "nan, 1"}, {"key": ""}, {"key": "x"}, {"address": "x" * 401}],
)
def test_what_no_page_sends_is_refused_and_nothing_kept(
    client: DeskClient, make: Make, changed: dict[str, str]
) -> None:
    client.sign_in(make.staff())
    sent = {"place": "14.1, 88.9", "address": "", "key": str(new_id())} | changed
    assert client.post("demand.keep", data=sent).status_code == 400
    assert kept() == []


def test_auditors_see_demand_and_keep_none(client: DeskClient, make: Make) -> None:
    client.sign_in(make.auditor())
    assert "Keep as demand" not in client.get("zones.lookup", place="14.1, 88.9").text
    sent = {"place": "14.1, 88.9", "key": str(new_id())}
    assert client.post("demand.keep", data=sent).status_code == 403
    assert client.get("demand.index").status_code == 200


def asked_for(make: Make, operator_id: Any, place: Location, *, at: datetime = NOW, **more: Any) -> Any:
    """An enquiry for a place."""
    person = make.staff(operator_id)
    known: dict[str, Any] = {"status": EnquiryStatus.SERVICE_NOT_AVAILABLE, "place": place, **more}
    command = EnquiryCommand(**known)
    with unit_of_work() as work:
        return record_enquiry(work, command, by=person.actor, now=at)


def test_demand_is_counted_by_place_and_told_without_homes(client: DeskClient, make: Make) -> None:
    franchise = make.franchise()
    make.zone(name="Coast", operator_id=franchise, center=Location(14.1, 88.0), radius_km=20.0)
    for north in (0.0, 0.0012, 0.0049):
        asked_for(make, franchise, Location(14.1 + north, 88.9), guardian_name="Meena Rao", address="Nowhere Farm")
    asked_for(make, COMPANY_ID, Location(14.1, 88.9))
    asked_for(make, COMPANY_ID, Location(-33.9, 18.4))
    # None of these is demand for a place that nobody serves.
    asked_for(make, franchise, NOWHERE, status=EnquiryStatus.DRAFT)
    asked_for(make, franchise, NOWHERE, status=EnquiryStatus.OTHER_OPERATOR, serving_zone="A", serving_operator="B")

    client.sign_in(make.staff(franchise))
    page = client.get("demand.index").text
    assert "14.10, 88.90" in page
    assert 'data-label="Asked for" class="zd-num">3<' in page
    assert "-33.90" not in page
    assert "Operators asked" not in page
    for home in ("Meena", "Nowhere Farm", "14.1012"):
        assert home not in page
    assert "centre 97 km away" in page

    client.sign_in(make.staff())
    page = client.get("demand.index").text
    assert 'data-label="Asked for" class="zd-num">4<' in page
    assert 'data-label="Operators asked" class="zd-num">2<' in page
    assert "-33.90, 18.40" in page
    assert page.index("14.10, 88.90") < page.index("-33.90, 18.40")
    assert client.statements <= 5


def test_closed_demand_still_counts_and_a_place_that_is_served_by_now_says_so(
    client: DeskClient, make: Make, at: Callable[[datetime], None]
) -> None:
    enquiry = asked_for(make, COMPANY_ID, NOWHERE, at=NOW - timedelta(days=200))
    person = client.sign_in(make.staff())
    with unit_of_work() as work:
        close_enquiry(work, enquiry, by=person.actor, now=NOW)
    assert 'data-label="Still open" class="zd-num">0<' in client.get("demand.index").text
    assert "in this time" in client.get("demand.index", days=90).text
    assert client.get("demand.index", days="rubbish").status_code == 422
    assert client.get("demand.index", days=31).status_code == 422
    make.zone(name="Islands", center=NOWHERE, radius_km=5.0)
    assert "served by Islands now" in client.get("demand.index", days=0).text


def test_many_places_cost_no_more_statements_than_few(client: DeskClient, make: Make) -> None:
    client.sign_in(make.staff())
    assert "Nobody asked for a place without service" in client.get("demand.index", days=0).text
    for step in range(27):
        asked_for(make, COMPANY_ID, Location(14 + step / 10, 88.9))
    page = client.get("demand.index")
    assert "1–25 of 27 places" in page.text
    assert client.statements <= 5
    assert "26–27 of 27 places" in client.get("demand.index", page=2).text


def test_admins_read_how_often_lookups_were_remembered(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    client.get("zones.lookup", place="14.1, 88.9")
    assert "were answered from memory" in client.get("zones.lookup").text
    client.sign_in(make.staff())
    assert "were answered from memory" not in client.get("zones.lookup").text
