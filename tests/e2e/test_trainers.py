"""Looking after trainers in a browser: entered with the keyboard alone, hours edited, ill, kept from a family."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.conftest import Visit
from tests.e2e.running import RunningDesk
from tests.e2e.scene import NEAR, Scene
from tests.e2e.test_changes import taught
from tests.e2e.test_pages import faults_of
from tests.make import Make

TELUGU = "సీతా మహాలక్ష్మి"


def test_a_manager_enters_a_trainer_with_the_keyboard_alone_and_edits_the_hours(make: Make, visit: Visit) -> None:
    scene = Scene(make)
    manager = visit(scene.manager)
    page, keys = manager.page, manager.page.keyboard
    page.goto("/trainers")
    found = faults_of(manager, "trainers-manager")
    manager.tab_to("New trainer")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("New trainer")
    found += faults_of(manager, "trainer-new")

    # What is wrong comes back in place, all of it at once; what was typed stays.
    manager.tab_to("Name")
    keys.type(TELUGU)
    manager.tab_to("Telugu")
    keys.press("Space")
    manager.tab_to("Base")
    keys.type("90.1, 81.8")
    manager.tab_to("Monday")
    keys.type("9-13, 15-19:30")
    manager.tab_to("Tuesday")
    keys.type("13-9")
    keys.press("Enter")
    summary = page.locator("[data-error-summary]")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("There are 3 problems")
    expect(summary).to_contain_text("A trainer works in at least one zone.")
    expect(summary).to_contain_text("“13-9” ends before it starts.")
    expect(page.get_by_label("Name")).to_have_value(TELUGU)
    expect(page.get_by_label("Telugu")).to_be_checked()
    found += faults_of(manager, "trainer-new-refused")

    manager.tab_to(scene.course_name)
    keys.press("Space")
    manager.tab_to("Rajahmundry Central")
    keys.press("Space")
    manager.tab_to("Base")
    keys.press("Control+A")
    keys.type(f"{scene.center.lat:.4f}, {scene.center.lng:.4f}")
    manager.tab_to("Tuesday")
    keys.press("Control+A")
    keys.type("9am – noon")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(TELUGU)
    expect(page.get_by_role("alert")).to_contain_text("is on the roster now.")
    expect(page.locator("main")).to_contain_text("09:00–13:00, 15:00–19:30")
    found += faults_of(manager, "trainer-entered")

    manager.tab_to("Edit")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Edit {TELUGU}")
    manager.tab_to("Sunday")
    keys.type("20-midnight")
    manager.tab_to("Notes")
    keys.type("Has a scooter.")
    found += faults_of(manager, "trainer-edit")
    manager.tab_to("Save")
    keys.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Saved.")
    expect(page.locator("main")).to_contain_text("20:00–midnight")
    expect(page.locator("main")).to_contain_text("Has a scooter.")
    assert not found, "\n".join(found)


def test_sick_leave_over_booked_sessions_is_found_under_needs_cover(
    desk: RunningDesk, make: Make, visit: Visit
) -> None:
    scene = Scene(make)
    booking, _sessions = taught(desk, make, scene)
    manager = visit(scene.manager)
    page, keys = manager.page, manager.page.keyboard
    page.goto(f"/trainers/{scene.trainer}")
    manager.tab_to("Add time off")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Add time off")
    found = faults_of(manager, "time-off")
    manager.mark()
    manager.tab_to("First day away")
    keys.type("01062027")
    manager.tab_to("Last day away")
    keys.type("01102027")
    manager.tab_to("Reason")
    keys.type("Fever")
    keys.press("Tab")
    answer = page.locator("#answer")
    expect(answer).to_contain_text("5 booked sessions will need cover.")
    expect(answer).to_contain_text("Wed 6 Jan 2027, 16:00 IST")
    manager.assert_not_reloaded()
    expect(page.get_by_label("Reason")).to_have_value("Fever")
    found += faults_of(manager, "time-off-hits")
    page.get_by_role("button", name="Record").focus()
    keys.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Recorded. 5 booked sessions need cover.")
    time_off = page.locator("#time-off")
    expect(time_off).to_contain_text("Fever")
    found += faults_of(manager, "trainer-with-time-off")
    time_off.get_by_role("link", name="5 need cover").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Needs cover")
    expect(page.locator("main").get_by_role("link", name=booking.reference)).to_have_count(5)

    # Better again: taken back, nobody needs cover any more.
    page.goto(f"/trainers/{scene.trainer}")
    page.locator("#time-off").get_by_role("button", name="Take back").click()
    expect(page.get_by_role("alert")).to_contain_text("The time off is taken back.")
    page.goto("/cover")
    expect(page.locator("main")).to_contain_text("Every booked session has its trainer.")
    assert not found, "\n".join(found)


def test_a_trainer_is_kept_apart_from_a_family_and_retired(desk: RunningDesk, make: Make, visit: Visit) -> None:
    scene = Scene(make)
    taught(desk, make, scene)
    make.household("అరుణ్", operator_id=scene.franchise, guardian="Sita Devarakonda")
    manager = visit(scene.manager)
    page = manager.page
    page.goto(f"/trainers/{scene.trainer}")
    manager.follow(page.get_by_role("link", name="no family"))
    manager.mark()
    page.get_by_label("Guardian, phone or student").fill("devara")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("radio", name="Sita Devarakonda · అరుణ్").check()
    page.get_by_label("Reason").fill("They asked for somebody else")
    manager.assert_not_reloaded()
    found = faults_of(manager, "trainer-apart-found")
    page.get_by_role("button", name="Keep apart").click()
    expect(page.get_by_role("alert")).to_contain_text(f"{NEAR} is no longer proposed for this family.")
    found += faults_of(manager, "trainer-apart")

    page.goto(f"/trainers/{scene.trainer}/edit")
    expect(page.locator("main")).to_contain_text("10 booked sessions need cover.")
    page.get_by_label("Active").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Saved. 10 booked sessions need cover now.")
    found += faults_of(manager, "trainer-retired")
    page.goto("/trainers?state=inactive")
    expect(page.locator("#trainer-list tbody tr")).to_have_count(1)
    assert not found, "\n".join(found)


def test_time_off_is_asked_about_and_recorded_without_javascript(desk: RunningDesk, make: Make, visit: Visit) -> None:
    scene = Scene(make)
    taught(desk, make, scene)
    manager = visit(scene.manager, javascript=False)
    page = manager.page
    page.goto(f"/trainers/{scene.trainer}/time-off")
    page.get_by_label("First day away").fill("2027-01-06")
    page.get_by_label("Reason").fill("Wedding")
    page.get_by_role("button", name="Show what it hits").click()
    expect(page.locator("#answer")).to_contain_text("1 booked session will need cover.")
    manager.shoot("time-off-without-javascript")
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("alert")).to_contain_text("Recorded. 1 booked session needs cover.")
    page.locator("#time-off").get_by_role("button", name="Take back").click()
    expect(page.get_by_role("alert")).to_contain_text("The time off is taken back.")
