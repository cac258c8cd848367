"""Pages of the zones."""

from __future__ import annotations

from tests.make import HOME, Make
from tests.web.client import DeskClient
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID, new_id


def test_the_list_counts_trainers_and_live_bookings(client: DeskClient, make: Make) -> None:
    zone = make.zone(name="VSP-01")
    make.trainer((zone,), ())
    make.booking(zone_id=zone)
    client.sign_in(make.staff())
    page = client.get("zones.index")
    assert page.status_code == 200
    assert "VSP-01" in page.text
    assert 'data-label="Trainers" class="zd-num">1<' in page.text
    assert 'data-label="Live bookings" class="zd-num">1<' in page.text


def test_many_zones_cost_no_more_statements_than_few(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    make.zone()
    client.get("zones.index")
    few = client.statements
    for _ in range(30):
        make.trainer((make.zone(),), ())
    page = client.get("zones.index")
    assert "1–25 of 31 zones" in page.text
    assert client.statements == few <= 12
    assert "26–31 of 31 zones" in client.get("zones.index", page=2).text


def test_staff_see_the_zones_of_their_operator_alone(client: DeskClient, make: Make) -> None:
    franchise = make.franchise()
    mine, theirs = make.zone(operator_id=franchise, name="Mine"), make.zone(name="Theirs", center=Location(1, 1))
    client.sign_in(make.staff(franchise))
    page = client.get("zones.index")
    assert "Mine" in page.text
    assert "Theirs" not in page.text
    assert client.get("zones.show", zone_id=mine).status_code == 200
    assert client.get("zones.show", zone_id=theirs).status_code == 404
    assert client.get("zones.show", zone_id=new_id()).status_code == 404
    assert client.get("/zones/not-an-id").status_code == 404


def test_filters_live_in_the_address_and_bad_ones_are_named(client: DeskClient, make: Make) -> None:
    franchise = make.franchise("Vizag Learning")
    make.zone(name="North"), make.zone(name="South", operator_id=franchise)
    client.sign_in(make.admin())
    found = client.get("zones.index", q="nor")
    assert "North" in found.text
    assert "South" not in found.text
    assert "North" not in client.get("zones.index", operator=franchise).text
    assert "No zone matches" in client.get("zones.index", q="%%").text
    assert client.get("zones.index", operator="rubbish").status_code == 422
    assert client.get("zones.index", operator=new_id()).status_code == 422
    assert client.get("/zones?q=%00&page=-7").status_code in (200, 422)


def test_htmx_gets_the_list_alone(client: DeskClient, make: Make) -> None:
    client.sign_in(make.admin())
    make.zone(name="North")
    fragment = client.get("zones.index", q="north", htmx=True)
    assert fragment.text.lstrip().startswith('<div id="zone-list">')
    assert "<html" not in fragment.text


def test_a_zone_shows_its_trainers_and_whom_it_overlaps(client: DeskClient, make: Make) -> None:
    zone = make.zone(name="Mine")
    trainer = make.trainer((zone,), (), name="Lakshmi R.")
    foreign = make.zone(name="Foreign", operator_id=make.franchise("Vizag Learning"), center=HOME)
    client.sign_in(make.staff())
    page = client.get("zones.show", zone_id=zone)
    assert "Lakshmi R." in page.text
    assert f"/trainers/{trainer}" in page.text
    assert "Foreign" in page.text
    assert "Vizag Learning" in page.text
    assert f"/zones/{foreign}" not in page.text
    assert client.statements <= 12
    client.sign_in(make.auditor())
    assert f"/zones/{foreign}" in client.get("zones.show", zone_id=zone).text


def test_who_serves_a_place(client: DeskClient, make: Make) -> None:
    make.zone(name="Wide", radius_km=20.0)
    make.zone(name="Near", radius_km=3.0, operator_id=make.franchise("Vizag Learning"), center=HOME)
    client.sign_in(make.staff())
    assert client.get("zones.lookup").status_code == 200
    page = client.get("zones.lookup", place=f"{HOME.lat}, {HOME.lng}")
    assert "17.686800, 83.218500 is served by Near" in page.text
    assert "you can record an enquiry for them, not a booking" in page.text
    assert page.text.index("Near") < page.text.index("Wide")
    assert "is served by Near" in client.get("zones.lookup", place="7M95M6P9+PC").text


def test_a_place_that_nobody_serves_names_the_nearest_zones(client: DeskClient, make: Make) -> None:
    make.zone(name="Only", radius_km=3.0)
    client.sign_in(make.staff())
    page = client.get("zones.lookup", place="18.2, 83.2185")
    assert "No zone holds 18.200000, 83.218500" in page.text
    assert "Only" in page.text
    assert "57 km" in page.text


def test_rubbish_for_a_place_is_refused_at_its_field(client: DeskClient, make: Make) -> None:
    client.sign_in(make.staff())
    for rubbish in ("", "here", "91, 0", "0, 181", "nan, nan", "17,6868 83,2185"):
        page = client.get("zones.lookup", place=rubbish)
        assert page.status_code == 422, rubbish
        assert 'id="place-error"' in page.text


def test_an_empty_desk_says_why_and_what_next(client: DeskClient, make: Make) -> None:
    client.sign_in(make.staff(COMPANY_ID))
    assert "There are no zones yet." in client.get("zones.index").text
