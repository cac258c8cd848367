"""What a stranger's address answers, and the keyboard as the only tool."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.codes import code_at
from tests.e2e.conftest import Visit
from tests.e2e.running import RunningDesk
from tests.make import Make


def test_staff_of_another_franchise_find_nothing_behind_a_booking_s_address(make: Make, visit: Visit) -> None:
    ours, theirs = make.franchise(), make.franchise()
    zone, course = make.zone(operator_id=ours), make.course()
    trainer = make.trainer((zone,), (course,), operator_id=ours)
    booking, proposed = make.proposed(trainer, operator_id=ours, zone_id=zone, course_id=course)

    insider, stranger = visit(make.staff(ours)), visit(make.staff(theirs))
    for path in (f"/bookings/{booking.id}", f"/approvals/{proposed.assignment_id}", f"/trainers/{trainer}"):
        seen = insider.page.goto(path)
        assert seen is not None
        assert seen.status == 200, path
        refused = stranger.page.goto(path)
        assert refused is not None
        assert refused.status == 404, path
        said = stranger.page.locator("main").inner_text()
        unknown = stranger.page.goto(path[:-4] + "0000")
        assert unknown is not None
        assert unknown.status == 404
        assert stranger.page.locator("main").inner_text() == said, "a foreign id answers as an unknown one"
    stranger.shoot("not-found")


def test_a_proposal_is_approved_with_the_keyboard_alone(desk: RunningDesk, make: Make, visit: Visit) -> None:
    franchise = make.franchise()
    zone, course = make.zone(operator_id=franchise), make.course()
    trainer = make.trainer((zone,), (course,), operator_id=franchise, name="Lakshmi R.")
    make.proposed(trainer, operator_id=franchise, zone_id=zone, course_id=course)
    person = make.manager(franchise)

    manager = visit()
    page, keys = manager.page, manager.page.keyboard
    page.goto("/sign-in")
    manager.tab_to("E-mail")
    keys.type(person.email)
    manager.tab_to("Password")
    keys.type(person.password)
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    manager.tab_to("Code")
    assert person.totp_key is not None
    keys.type(code_at(person.totp_key, desk.now()))
    keys.press("Enter")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()

    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    manager.tab_to("Approvals")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Approvals")).to_be_visible()
    manager.tab_to("Review")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Lakshmi R.")
    manager.tab_to("Approve")
    keys.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Approved: Lakshmi R. teaches")
    manager.shoot("approved-by-keyboard")
