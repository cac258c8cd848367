"""A desk with pictures of maps and a search for addresses of somebody else's: what is asked of whom."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import expect

from tests.child import child
from tests.e2e.conftest import Visit
from tests.e2e.running import RunningDesk, running_desk
from tests.e2e.test_pages import faults_of
from tests.make import Make
from tests.services import Servers
from webapp.core.geo import Location


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Somebody else's server, who draws maps and knows addresses."""
    with child("tests.reference_geocoder") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def desk(servers: Servers, tmp_path_factory: pytest.TempPathFactory, elsewhere: str) -> Iterator[RunningDesk]:
    """A desk that uses it."""
    settings = {
        "MAP_TILE_URL": f"{elsewhere}/tiles/{{z}}/{{x}}/{{y}}.png",
        "MAP_ATTRIBUTION": "© Somebody <b>else</b>",
        "GEOCODER_URL": f"{elsewhere}/search",
    }
    with running_desk(servers, tmp_path_factory.mktemp("desk"), **settings) as running:
        yield running


def test_pictures_come_from_the_one_host_and_addresses_are_found(
    desk: RunningDesk, make: Make, visit: Visit, elsewhere: str
) -> None:
    franchise = make.franchise("Godavari Tutors")
    make.zone(operator_id=franchise, name="Danavaipeta", center=Location(17.0, 81.8), radius_km=3.0)
    staff = visit(make.staff(franchise))
    page = staff.page
    page.goto("/zones/lookup")
    expect(page.locator("img.leaflet-tile-loaded").first).to_be_visible()
    expect(page.locator(".leaflet-control-attribution")).to_have_text("© Somebody <b>else</b>")
    expect(page.locator(".zd-map-mine")).to_have_count(1)
    found = faults_of(staff, "lookup-tiles")

    page.get_by_label("Address").fill("danavaipeta")
    page.get_by_role("button", name="Look up").click()
    expect(page.get_by_role("heading", name="Which place is it?")).to_be_visible()
    found += faults_of(staff, "lookup-which")
    page.get_by_role("link", name="14, Danavaipeta Main Road").click()
    expect(page.locator("main")).to_contain_text("is served by Danavaipeta")
    expect(page.get_by_label("Address")).to_have_value("danavaipeta")

    # The host learns which desk asks, and no page of it.
    asked = httpx.get(f"{elsewhere}/asked", trust_env=False).json()
    referrers = {one["headers"].get("Referer") for one in asked if one["path"].startswith("/tiles/")}
    assert referrers == {f"{desk.url}/"}
    assert not found, "\n".join(found)

    # A page without a map may show no picture of that host.
    page.goto("/zones")
    refused = page.evaluate(
        """(address) => new Promise((told) => {
            document.addEventListener("securitypolicyviolation", (event) => told(event.violatedDirective));
            new Image().src = address;
        })""",
        f"{elsewhere}/tiles/1/1/1.png",
    )
    assert refused == "img-src"
    # Nobody but that host was asked, whatever the page was.
    others = [fault for fault in staff.faults if fault.startswith("asked another site")]
    assert others
    assert {f"http://{urlsplit(fault.rpartition(' ')[2]).netloc}" for fault in others} == {elsewhere}
    staff.faults[:] = [fault for fault in staff.faults if elsewhere not in fault]
