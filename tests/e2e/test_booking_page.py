"""The booking page without JavaScript, outside every zone, and empty."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time

from playwright.sync_api import expect

from tests.e2e.conftest import Visit
from tests.e2e.running import RunningDesk
from tests.e2e.scene import FURTHER, NEAR, TELUGU, Scene, fill_course
from tests.make import HOME, Make
from tests.web.client import NOW
from webapp.core.intervals import Interval
from webapp.trainers import service as trainers


def test_the_same_booking_without_javascript(make: Make, visit: Visit) -> None:
    scene = Scene(make)
    staff, manager = visit(scene.staff, javascript=False), visit(scene.manager, javascript=False)
    page = staff.page
    page.goto("/bookings/new")
    fill_course(page, scene, script=False)
    page.get_by_role("button", name="Check").last.click()
    plan = page.locator("#plan")
    expect(plan).to_contain_text("Rajahmundry Central")
    expect(plan).to_contain_text("30 sessions")
    expect(page.get_by_label("Student", exact=True)).to_have_value(TELUGU)
    expect(plan.get_by_role("radio", name=NEAR)).to_be_checked()
    staff.shoot("new-booking-without-javascript")
    plan.get_by_role("radio", name=FURTHER).check()
    page.get_by_role("button", name="Propose").click()
    expect(page.get_by_role("alert")).to_contain_text(f"{FURTHER} is proposed for")
    expect(page.get_by_text("Pending approval").first).to_be_visible()

    manager.page.goto("/approvals")
    manager.page.get_by_role("link", name="Review").click()
    manager.page.get_by_role("button", name="Approve").click()
    expect(manager.page.get_by_role("alert")).to_contain_text(f"Approved: {FURTHER} teaches")


def test_the_panel_follows_every_kind_of_schedule(make: Make, visit: Visit) -> None:
    scene = Scene(make)
    staff = visit(scene.staff)
    page, plan = staff.page, staff.page.locator("#plan")
    page.goto("/bookings/new")
    fill_course(page, scene)
    expect(plan).to_contain_text("all at home")
    page.get_by_label("Days").select_option("sunday_only")
    expect(plan).to_contain_text(re.compile(r"16:00\s+and\s+16:40 IST"))
    expect(plan).to_contain_text("Sun 10 Jan 2027")
    page.get_by_label("Class").select_option("hybrid")
    page.get_by_label("Days").select_option("hybrid")
    expect(plan).to_contain_text("18 online, 12 at home")
    staff.mark()
    page.get_by_label("First day").fill("2026-12-31")
    expect(plan.get_by_role("button", name="Propose")).to_have_count(0)
    expect(plan.locator(".zd-error").first).to_be_visible()
    staff.assert_not_reloaded()
    assert staff.violations() == []


def test_a_place_outside_every_zone_is_kept_as_an_enquiry(make: Make, visit: Visit) -> None:
    scene = Scene(make)
    staff = visit(scene.staff)
    page = staff.page
    page.goto("/bookings/new")
    page.get_by_label("Guardian").fill("Meena Rao")
    page.get_by_label("Phone").fill("98480 22339")
    page.get_by_label("Location").fill(f"{HOME.lat - 4:.4f}, {HOME.lng - 3:.4f}")
    expect(page.locator("#plan")).to_contain_text("Nobody serves this place yet")
    staff.shoot("new-booking-outside")
    page.get_by_role("button", name="Record an enquiry").click()
    expect(page.get_by_role("alert")).to_contain_text("The enquiry is recorded.")
    expect(page.locator("main")).to_contain_text("Meena Rao")
    staff.shoot_all("enquiries")


def away_one_afternoon(make: Make, desk: RunningDesk, scene: Scene, day: int) -> None:
    """The nearest trainer is away in one session of the course."""
    ill = Interval(datetime(2027, 1, day, 10, 20, tzinfo=UTC), datetime(2027, 1, day, 11, 10, tzinfo=UTC))
    with desk.database.unit_of_work() as work:
        trainers.record_time_off(work, scene.trainer, ill, "dentist", by=scene.manager.actor, now=NOW)


def test_a_change_applied_on_the_keyboard_leaves_the_focus_where_it_is_proposed(
    make: Make, visit: Visit, desk: RunningDesk
) -> None:
    scene = Scene(make)
    away_one_afternoon(make, desk, scene, 6)
    staff = visit(scene.staff)
    page, plan = staff.page, staff.page.locator("#plan")
    page.goto("/bookings/new")
    fill_course(page, scene)
    plan.get_by_text("Why not the 2 others?").click()
    staff.shoot_all("new-booking-why-not")
    first = plan.locator("#trainers-others li").first
    expect(first).to_contain_text(NEAR)
    first.get_by_role("button", name="Apply this change").focus()
    page.keyboard.press("Enter")
    expect(plan).to_contain_text("Session 3 is moved to")
    expect(page.get_by_role("button", name=f"Propose {NEAR}")).to_be_focused()
    # Whoever only types on is not sent away by the panel that follows.
    page.get_by_label("Address").focus()
    page.keyboard.type("2 ")
    page.locator("#trainers-others summary").focus()
    with page.expect_response("**/preview*"):
        page.get_by_label("Time", exact=True).evaluate("(e) => e.dispatchEvent(new Event('change', {bubbles: true}))")
    expect(page.locator("[aria-busy]")).to_have_count(0)
    expect(page.locator("#trainers-others summary")).to_be_focused()


def test_what_is_typed_after_a_change_was_applied_stays(make: Make, visit: Visit) -> None:
    scene = Scene(make)
    waiting = make.booking(by=scene.staff.actor, retried=False, **scene.lessons(timeslot=time(16)))
    staff = visit(scene.staff)
    page, plan = staff.page, staff.page.locator("#plan")
    page.goto(f"/bookings/{waiting.id}/edit?fix=move_course/{scene.trainer}/16:20")
    at = page.get_by_label("Time", exact=True)
    expect(at).to_have_value("16:20")
    at.fill("17:40")
    expect(plan).to_contain_text("17:40")
    expect(at).to_have_value("17:40")
    page.get_by_label("First day").fill("2027-01-05")
    expect(plan).to_contain_text("Tue 5 Jan 2027")
    expect(plan).to_contain_text("17:40")
    expect(at).to_have_value("17:40")


def test_the_title_says_error_as_long_as_the_summary_stands(make: Make, visit: Visit) -> None:
    scene = Scene(make)
    page = visit(scene.staff).page
    page.goto("/bookings/new")
    page.get_by_role("button", name="Put on the waitlist").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    page.get_by_label("Location").fill(f"{scene.center.lat:.4f}, {scene.center.lng:.4f}")
    expect(page.locator("#plan")).to_contain_text("Rajahmundry Central")
    expect(page.get_by_label("Location")).to_be_focused()
    expect(page.locator("[data-error-summary]")).to_be_visible()
    expect(page).to_have_title(re.compile("^Error: "))


def test_an_empty_form_says_what_is_missing_and_takes_the_reader_there(make: Make, visit: Visit) -> None:
    scene = Scene(make)
    staff = visit(scene.staff)
    page = staff.page
    page.goto("/bookings/new")
    page.get_by_role("button", name="Put on the waitlist").click()
    summary = page.locator("[data-error-summary]")
    expect(summary).to_be_focused()
    expect(page).to_have_title(re.compile("^Error: "))
    summary.get_by_role("link", name="Give a phone number.").click()
    expect(page.get_by_label("Phone")).to_be_focused()
    staff.shoot_all("new-booking-errors")
    assert staff.violations() == []
