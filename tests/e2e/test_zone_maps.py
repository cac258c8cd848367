"""Maps of zones in a browser: shown, asked, drawn on with the mouse, followed from the keyboard, and left out."""

from __future__ import annotations

from datetime import time
from uuid import UUID

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visit
from tests.e2e.test_pages import faults_of
from tests.make import Make
from webapp.core.actor import Actor, ActorKind
from webapp.core.geo import Location
from webapp.db.work import read_only
from webapp.zones import queries

Point = tuple[float, float]
"""A place on the map, as shares of its width and height."""


def canvas(page: Page) -> tuple[float, float, float, float]:
    """Where the map lies in the window, which is scrolled to it."""
    map_ = page.locator("[data-map-canvas]")
    map_.scroll_into_view_if_needed()
    box = map_.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def click(page: Page, *points: Point) -> None:
    """Click places on the map; the mouse comes to each of them as a hand's does."""
    x, y, width, height = canvas(page)
    for across, down in points:
        page.mouse.move(x + across * width - 4, y + down * height - 4)
        page.mouse.move(x + across * width, y + down * height)
        page.mouse.down()
        page.mouse.up()


def drag(page: Page, handle: int, east: float, south: float) -> None:
    """Pull a handle by so many pixels."""
    canvas(page)
    box = page.locator("[data-map-canvas] .marker-icon").nth(handle).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + east / 2, y + south / 2, steps=4)
    page.mouse.move(x + east, y + south, steps=4)
    page.mouse.up()


def corners(page: Page) -> list[list[float]]:
    """What the field of corners says."""
    lines = page.locator("#corners").input_value().splitlines()
    return [[float(number) for number in line.split(",")] for line in lines]


def stored(page: Page) -> queries.ZoneDetail:
    """The zone whose page is open, as the database has it."""
    zone_id = UUID(page.url.rpartition("/")[2])
    with read_only() as db:
        return queries.zone(db, zone_id, visible_to=Actor(ActorKind.SYSTEM, None, "test", None, None))


def said(page: Page, *sentences: str) -> None:
    """The panel says all of it, sooner or later."""
    for sentence in sentences:
        expect(page.locator("#zone-preview")).to_contain_text(sentence)


def test_a_zone_and_its_neighbours_are_on_the_map(make: Make, visit: Visit) -> None:
    franchise = make.franchise("Godavari Tutors")
    at = make.place_of(franchise)
    zone = make.zone(operator_id=franchise, name="Rajahmundry Central", radius_km=5.0)
    make.zone(name="Coast <b>&", center=Location(at.lat + 0.06, at.lng + 0.05), radius_km=4.0)
    manager = visit(make.manager(franchise))
    page = manager.page
    page.goto(f"/zones/{zone}")
    expect(page.locator(".zd-map-drawn")).to_have_count(1)
    # A name is text, whatever stands in it; the zone itself is no neighbour of its own.
    expect(page.locator(".zd-map-name")).to_have_text("Coast <b>&The company")
    expect(page.locator(".zd-map-theirs")).to_have_count(1)
    found = faults_of(manager, "zone-map")
    assert not found, "\n".join(found)


def test_a_polygon_is_drawn_with_the_mouse(make: Make, visit: Visit) -> None:
    franchise = make.franchise("Coastal Classes")
    make.zone(operator_id=franchise, name="Old town", radius_km=3.0)
    manager = visit(make.manager(franchise))
    page = manager.page
    page.goto("/zones/new")
    expect(page.locator(".zd-map-mine")).to_have_count(1)
    found = faults_of(manager, "zone-new")
    manager.mark()
    page.get_by_label("Name", exact=True).fill("Harbour")

    # Given up half-way, nothing was drawn.
    page.get_by_role("button", name="Draw a polygon").click()
    expect(page.get_by_text("Click each corner, and at last the first one again.")).to_be_visible()
    click(page, (0.2, 0.2), (0.3, 0.2))
    page.get_by_role("button", name="Stop drawing").click()
    expect(page.get_by_role("button", name="Stop drawing")).to_be_hidden()
    assert corners(page) == []

    page.get_by_role("button", name="Draw a polygon").click()
    click(page, (0.12, 0.2), (0.36, 0.15), (0.8, 0.9))
    page.get_by_role("button", name="Remove the last corner").click()
    click(page, (0.40, 0.7), (0.2, 0.8), (0.12, 0.2))
    expect(page.get_by_label("A polygon")).to_be_checked()
    expect(page.get_by_text("Drawn. The fields hold it now")).to_be_visible()
    expect(page.locator("[data-map-measure]")).to_have_text("Corners: 4")
    drawn = corners(page)
    assert len(drawn) == 4
    said(page, "Area", "Old town: ", "Ground of own zones")
    manager.assert_not_reloaded()
    found += faults_of(manager, "zone-drawn")

    # A corner is pulled elsewhere; the others stay, and the panel hears of it.
    drag(page, 0, -25, -15)
    expect(page.get_by_role("textbox", name="Corners")).not_to_have_value(
        "\n".join(f"{lat:.6f}, {lng:.6f}" for lat, lng in drawn)
    )
    pulled = corners(page)
    moved = [index for index in range(4) if pulled[index] != drawn[index]]
    assert len(moved) == 1
    assert pulled[moved[0]][1] < drawn[moved[0]][1]

    page.get_by_label("Trainers come from at most (km)").fill("8")
    page.get_by_role("button", name="Draw the zone").click()
    expect(page.get_by_role("alert")).to_contain_text("Harbour is drawn.")
    ring = stored(page).ring
    assert ring is not None
    assert sorted([corner.lat, corner.lng] for corner in ring) == sorted(pulled)
    assert not found, "\n".join(found)


def test_a_circle_is_drawn_and_its_radius_dragged(make: Make, visit: Visit) -> None:
    franchise = make.franchise("Hill Tutors")
    make.zone(operator_id=franchise, name="Valley", radius_km=3.0)
    manager = visit(make.manager(franchise))
    page = manager.page
    page.goto("/zones/new")
    expect(page.locator(".zd-map-mine")).to_have_count(1)
    page.get_by_role("button", name="Draw a circle").click()
    click(page, (0.3, 0.3), (0.4, 0.3))
    radius = page.get_by_label("Radius in km")
    expect(radius).not_to_have_value("")
    first = float(radius.input_value())
    expect(page.locator("[data-map-measure]")).to_have_text(f"Radius: {first:g} km")
    said(page, "Area")
    # The circle has two handles: its centre, and one on its rim.
    drag(page, 1, 40, 0)
    expect(radius).not_to_have_value(f"{first:g}")
    second = float(radius.input_value())
    assert second > first
    lat = float(page.get_by_label("Centre: latitude").input_value())
    drag(page, 0, 0, 30)
    expect(page.get_by_label("Centre: latitude")).not_to_have_value(f"{lat:.6f}")
    assert float(page.get_by_label("Centre: latitude").input_value()) < lat

    # And the other way round: what is typed moves the map.
    before = page.locator(".zd-map-drawn").get_attribute("d")
    radius.fill("1")
    expect(page.locator(".zd-map-drawn")).not_to_have_attribute("d", str(before))
    expect(page.locator("[data-map-measure]")).to_have_text("Radius: 1 km")

    # A refusal swaps the form and leaves the map at work.
    page.get_by_role("button", name="Draw the zone").click()
    expect(page.locator("[data-error-summary]")).to_contain_text("Give the zone a name.")
    expect(page.locator(".zd-map-drawn")).to_have_count(1)
    drag(page, 1, 40, 0)
    expect(radius).not_to_have_value("1")
    page.get_by_label("Name", exact=True).fill("Ridge")
    page.get_by_role("button", name="Draw the zone").click()
    expect(page.get_by_role("alert")).to_contain_text("Ridge is drawn.")


def test_a_polygon_is_drawn_with_the_keyboard_alone(make: Make, visit: Visit) -> None:
    franchise = make.franchise("River School")
    at = make.place_of(franchise)
    manager = visit(make.manager(franchise))
    page, keys = manager.page, manager.page.keyboard
    page.goto("/zones")
    manager.tab_to("New zone")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("New zone")
    manager.tab_to("Name")
    keys.type("Ghats")
    manager.tab_to("A circle")
    keys.press("ArrowDown")
    expect(page.get_by_label("A polygon")).to_be_checked()
    # The map can be passed over in one step.
    manager.tab_to("Skip the map")
    keys.press("Enter")
    manager.tab_to("Corners", presses=2)
    ring = [(at.lat, at.lng), (at.lat, at.lng + 0.05), (at.lat + 0.04, at.lng + 0.05), (at.lat + 0.05, at.lng)]
    keys.type("\n".join(f"{lat:.4f}, {lng:.4f}" for lat, lng in ring))
    said(page, "Area", "No other zone shares this ground.")
    expect(page.locator(".zd-map-drawn")).to_have_count(1)
    expect(page.locator("[data-map-measure]")).to_have_text("Corners: 4")
    found = faults_of(manager, "zone-typed")
    manager.tab_to("Trainers come from at most")
    keys.type("6.5")
    manager.tab_to("Draw the zone")
    keys.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Ghats is drawn.")
    zone = stored(page)
    assert zone.ring is not None
    assert {(corner.lat, corner.lng) for corner in zone.ring} == {(round(a, 4), round(b, 4)) for a, b in ring}
    assert zone.max_travel_km == 6.5
    assert not found, "\n".join(found)


def test_a_dispute_is_met_while_drawing(make: Make, visit: Visit) -> None:
    franchise = make.franchise("Lake Lessons")
    at = make.place_of(franchise)
    mine = make.zone(operator_id=franchise, name="Lake", radius_km=2.0)
    # Somebody else's ground next door, and two children who are taught there.
    east = Location(at.lat, at.lng + 0.045)
    theirs = make.zone(name="Company East", center=east, radius_km=2.0)
    make.booking(zone_id=theirs, place=east, household=make.household("Arun", "Divya"))
    manager = visit(make.manager(franchise))
    page = manager.page
    page.goto(f"/zones/{mine}/edit")
    expect(page.locator(".zd-map-theirs")).to_have_count(1)
    drag(page, 1, 160, 0)
    said(page, "Ground of other operators", "Company East of The company: ", "km²")
    expect(page.locator(".zd-map-name")).to_have_text("Company EastThe company")
    found = faults_of(manager, "zone-dispute")
    save = page.get_by_role("button", name="Save", exact=True)
    save.click()
    page.get_by_role("button", name="Save this change").click()
    expect(page.locator("[data-error-summary]")).to_contain_text("say why both may serve it.")
    page.get_by_label("Reason").fill("The company's trainer leaves in March.")
    save.click()
    page.get_by_role("button", name="Save this change").click()
    expect(page.get_by_role("alert")).to_contain_text("Saved.")
    found += faults_of(manager, "zone-disputed")
    assert not found, "\n".join(found)


def test_a_border_is_moved_with_live_bookings(make: Make, visit: Visit) -> None:
    franchise = make.franchise("Port Pupils")
    at = make.place_of(franchise)
    zone = make.zone(operator_id=franchise, name="Port", radius_km=5.0)
    inside, rim = at, Location(at.lat, at.lng + 0.035)
    make.booking(operator_id=franchise, zone_id=zone, place=inside)
    left = make.booking(operator_id=franchise, zone_id=zone, place=rim, timeslot=time(18))
    manager = visit(make.manager(franchise))
    page = manager.page
    page.goto(f"/zones/{zone}/edit")
    expect(page.locator(".zd-map-drawn")).to_have_count(1)
    radius = page.get_by_label("Radius in km")
    drag(page, 1, -90, 0)
    expect(radius).not_to_have_value("5")
    small = float(radius.input_value())
    assert 0.3 < small < 3.6, "the home on the rim lies 3.7 km from the middle"
    page.get_by_role("button", name="Save", exact=True).click()
    effect = page.locator("#zone-effect")
    expect(effect).to_contain_text("1 live booking is served by another zone afterwards")
    expect(effect.get_by_role("link", name=left.reference)).to_be_visible()
    expect(effect).to_contain_text("no zone")
    # The map still shows what is about to be saved.
    expect(page.locator(".zd-map-drawn")).to_have_count(1)
    found = faults_of(manager, "zone-border-moves")
    page.get_by_role("button", name="Save this change").click()
    expect(page.get_by_role("alert")).to_contain_text("Saved.")
    assert stored(page).radius_km == small
    assert stored(page).version == 2
    assert not found, "\n".join(found)


def test_a_click_asks_who_serves_a_place_and_keeps_what_nobody_serves(make: Make, visit: Visit) -> None:
    franchise = make.franchise("Delta Desk")
    make.zone(operator_id=franchise, name="Delta", radius_km=2.0)
    staff = visit(make.staff(franchise))
    page = staff.page
    page.goto("/zones/lookup")
    expect(page.locator(".zd-map-mine")).to_have_count(1)
    found = faults_of(staff, "lookup")
    click(page, (0.5, 0.5))
    expect(page.locator("main")).to_contain_text("is served by Delta")
    expect(page.locator(".zd-map-place")).to_have_count(1)
    found += faults_of(staff, "lookup-served")
    click(page, (0.03, 0.5))
    expect(page.locator("main")).to_contain_text("No zone holds")
    expect(page.locator("main")).to_contain_text("The nearest border is")
    found += faults_of(staff, "lookup-unserved")
    page.get_by_role("button", name="Keep as demand").click()
    expect(page.get_by_role("alert")).to_contain_text("Kept as demand.")
    expect(page.locator("#demand-list tbody tr")).to_have_count(1)
    found += faults_of(staff, "demand")
    assert not found, "\n".join(found)


def test_without_javascript_there_is_no_map_and_nothing_is_missed(make: Make, visit: Visit) -> None:
    franchise = make.franchise("Quiet Quarter")
    at = make.place_of(franchise)
    manager = visit(make.manager(franchise), javascript=False)
    page = manager.page
    page.goto("/zones/new")
    expect(page.locator("#zone-map")).to_be_hidden()
    page.get_by_label("Name", exact=True).fill("Plain")
    page.get_by_label("Centre: latitude").fill(str(at.lat))
    page.get_by_label("Centre: longitude").fill(str(at.lng))
    page.get_by_label("Radius in km").fill("2.5")
    page.get_by_role("button", name="Draw the zone").click()
    expect(page.get_by_role("alert")).to_contain_text("Plain is drawn.")
    expect(page.locator("#zone-map")).to_be_hidden()
    page.goto(f"/zones/lookup?place={at.lat},{at.lng}")
    expect(page.locator("main")).to_contain_text("is served by Plain")
    manager.shoot("lookup-without-javascript")
