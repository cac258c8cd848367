"""A trainer falls ill and a family cannot come: what the desk does then, in a browser and on the keyboard alone."""

from __future__ import annotations

import re
from datetime import time
from uuid import UUID

from playwright.sync_api import expect
from sqlalchemy import select

from tests.e2e.conftest import Visit
from tests.e2e.running import RunningDesk
from tests.e2e.scene import FURTHER, NEAR, Scene
from tests.make import Make
from tests.web.client import NOW
from webapp.assignments import service as assignments
from webapp.assignments.limits import Limits
from webapp.bookings.models import CourseSession
from webapp.bookings.service import PlacedBooking
from webapp.core.intervals import Interval
from webapp.trainers import service as trainers


def taught(desk: RunningDesk, make: Make, scene: Scene) -> tuple[PlacedBooking, dict[int, UUID]]:
    """A booking whose trainer is approved, and its sessions by number."""
    booking, made = make.proposed(scene.trainer, by=scene.staff.actor, **scene.lessons(timeslot=time(16)))
    assert made.assignment_id is not None
    boss = scene.manager.actor
    with desk.database.unit_of_work() as work:
        assignments.approve(work, made.assignment_id, version=1, by=boss, now=NOW, limits=Limits())
    with desk.database.read_only() as db:
        found = select(CourseSession.number, CourseSession.id).where(CourseSession.booking_id == booking.id)
        return booking, dict(db.execute(found).all())


def test_a_sick_trainer_s_session_gets_a_substitute(desk: RunningDesk, make: Make, visit: Visit) -> None:
    scene = Scene(make)
    booking, sessions = taught(desk, make, scene)
    ill = Interval(booking.sessions[2].starts_at, booking.sessions[3].ends_at)
    with desk.database.unit_of_work() as work:
        trainers.record_time_off(work, scene.trainer, ill, "fever", by=scene.manager.actor, now=NOW)
    staff, manager = visit(scene.staff), visit(scene.manager)

    # Two sessions need cover; staff tick one off and on again and see the list follow.
    page = staff.page
    page.goto("/cover")
    staff.shoot_all("cover")
    staff.follow(page.get_by_role("link", name="Find a substitute for these 2"))
    who = page.locator("#who")
    expect(who).to_contain_text(f"For 2 sessions: 3, 4. Taught by {NEAR} now.")
    staff.mark()
    page.get_by_role("checkbox", name=re.compile("^4")).uncheck()
    expect(who).to_contain_text(f"For 1 session: 3. Taught by {NEAR} now.")
    page.get_by_role("checkbox", name=re.compile("^4")).check()
    expect(who).to_contain_text(f"For 2 sessions: 3, 4. Taught by {NEAR} now.")
    expect(who.get_by_role("radio", name=FURTHER)).to_be_checked()
    who.get_by_text("Why not the other one?").click()
    expect(who).to_contain_text("Anand Mornings")
    staff.shoot_all("substitute-chosen")
    assert staff.violations() == []

    # Without a reason it comes back, the reason focused; with one it is proposed.
    page.get_by_role("button", name="Propose the substitute").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    expect(page.get_by_role("checkbox", name=re.compile("^4"))).to_be_checked()
    staff.assert_not_reloaded()
    page.get_by_label("Why").fill("Fever until Friday")
    page.get_by_role("button", name="Propose the substitute").click()
    expect(page.get_by_role("alert")).to_contain_text(f"{FURTHER} is proposed.")
    expect(page.locator("main")).to_contain_text(f"{FURTHER} is proposed as substitute for 2 sessions")
    staff.shoot_all("booking-with-substitute-proposed")
    page.goto("/cover")
    expect(page.locator("main")).to_contain_text(f"{FURTHER} is proposed")

    # The manager sees which sessions, who has them and why.
    queue = manager.page
    queue.goto("/approvals")
    expect(queue.locator("#queue")).to_contain_text("Substitute for single sessions")
    queue.get_by_role("link", name="Review").click()
    expect(queue.locator("main")).to_contain_text("Fever until Friday")
    manager.shoot_all("proposal-of-a-substitute")
    assert manager.violations() == []
    queue.get_by_role("button", name="Approve").click()
    expect(queue.get_by_role("alert")).to_contain_text(f"Approved: {FURTHER} teaches these sessions")

    page.goto(f"/sessions/{sessions[3]}")
    expect(page.get_by_role("link", name=FURTHER)).to_be_visible()
    page.goto("/cover")
    expect(page.locator("main")).to_contain_text("Every booked session has its trainer.")


def test_a_session_is_moved_on_the_keyboard_after_a_refusal(desk: RunningDesk, make: Make, visit: Visit) -> None:
    scene = Scene(make)
    _booking, sessions = taught(desk, make, scene)
    staff = visit(scene.staff)
    page = staff.page
    page.goto(f"/sessions/{sessions[3]}")
    staff.tab_to("Move")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Move session 3")
    staff.mark()
    staff.tab_to("Time")
    page.keyboard.type("0500AM")
    page.keyboard.press("Tab")
    answer = page.locator("#answer")
    expect(answer).to_contain_text(f"{NEAR} cannot teach on Wed 6 Jan 2027, 05:00 IST")
    expect(answer).to_contain_text("Outside working hours on Wed 6 Jan 2027 at 05:00")
    staff.shoot_all("move-refused")
    assert staff.violations() == []
    staff.tab_to("07:20")
    page.keyboard.press("Enter")
    expect(answer).to_contain_text(f"{NEAR} is free on Wed 6 Jan 2027, 07:20 IST.")
    expect(page.get_by_label("Time")).to_have_value("07:20")
    expect(page.get_by_role("button", name="Move the session")).to_be_focused()
    staff.shoot_all("move-free")
    staff.assert_not_reloaded()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Session 3 is now on Wed 6 Jan 2027, 07:20 IST.")
    expect(page.get_by_role("link", name=NEAR)).to_be_visible()


def test_a_series_is_paused_and_a_substitute_found_without_javascript(
    desk: RunningDesk, make: Make, visit: Visit
) -> None:
    scene = Scene(make)
    booking, _sessions = taught(desk, make, scene)
    staff = visit(scene.staff, javascript=False)
    page = staff.page
    page.goto(f"/bookings/{booking.id}")
    page.get_by_role("link", name="Pause").click()
    page.get_by_label("First day without a session").fill("2027-01-06")
    page.get_by_label("Last day without a session").fill("2027-01-08")
    page.get_by_role("button", name="Show what changes").last.click()
    answer = page.locator("#answer")
    expect(answer).to_contain_text("8 sessions get new days.")
    expect(answer).to_contain_text("from Wed 13 Jan 2027 to Sat 16 Jan 2027")
    staff.shoot("pause-without-javascript")
    page.get_by_role("button", name="Pause the series").click()
    expect(page.get_by_role("alert")).to_contain_text("Paused: 8 sessions have new days.")

    page.get_by_role("link", name="Find a substitute").click()
    page.get_by_role("checkbox", name=re.compile("^3")).check()
    page.get_by_role("button", name="Show who is free").last.click()
    expect(page.locator("#who")).to_contain_text("For 1 session")
    page.get_by_label("Why").fill("A wedding")
    page.get_by_role("button", name="Propose the substitute").click()
    expect(page.get_by_role("alert")).to_contain_text(f"{FURTHER} is proposed.")
