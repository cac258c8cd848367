"""Maps of zones in a browser: shown, asked, drawn on with the mouse and with the keyboard."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.conftest import Visit
from tests.e2e.test_pages import faults_of
from tests.make import Make
from webapp.core.geo import Location


def test_a_zone_and_its_neighbours_are_on_the_map(make: Make, visit: Visit) -> None:
    franchise = make.franchise("Godavari Tutors")
    at = make.place_of(franchise)
    zone = make.zone(operator_id=franchise, name="Rajahmundry Central", radius_km=5.0)
    make.zone(name="Coast <b>&", center=Location(at.lat + 0.06, at.lng + 0.05), radius_km=4.0)
    manager = visit(make.manager(franchise))
    page = manager.page
    page.goto(f"/zones/{zone}")
    expect(page.locator(".zd-map-drawn")).to_have_count(1)
    expect(page.locator(".zd-map-name")).to_have_text("Coast <b>&The company")
    found = faults_of(manager, "zone-map")
    page.goto("/zones/lookup")
    expect(page.locator(".zd-map-mine")).to_have_count(1)
    found += faults_of(manager, "zone-lookup-map")
    assert not found, "\n".join(found)
