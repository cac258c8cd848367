"""Signing in as people do: password, code, recovery code; setting the app up; and looking after one's own account."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.codes import STEP, code_at
from tests.e2e.conftest import Visit
from tests.e2e.running import RunningDesk
from tests.e2e.visitor import Visitor
from tests.make import Make
from webapp.core.actor import Role


def looks_right(visitor: Visitor, name: str) -> None:
    """Pictures are kept; nothing sticks out, and axe finds nothing, in light, dark and at 360 px."""
    visitor.shoot_all(name)
    assert visitor.violations() == []
    with visitor.in_dark():
        assert visitor.violations() == []
    with visitor.at_360():
        assert visitor.overflow() == []
        assert visitor.violations() == []


def shown_key(page: Page) -> str:
    """The key that the set-up page shows, as somebody types it into the app."""
    return (page.locator("#totp-key").text_content() or "").replace(" ", "")


def test_an_admin_signs_in_with_password_and_code(desk: RunningDesk, make: Make, visit: Visit) -> None:
    person, visitor = make.admin(), visit()
    assert person.totp_key is not None
    visitor.type_password(person)
    expect(visitor.page.get_by_role("heading", name="Second step")).to_be_visible()
    looks_right(visitor, "second-factor")
    page = visitor.page
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Enter the six digits, or a recovery code.")
    code = page.get_by_label("Code", exact=True)
    code.fill(code_at(person.totp_key, desk.now() - 10 * STEP))
    code.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("That code is not right")
    expect(page.locator("[data-error-summary]")).to_be_focused()
    code.fill(code_at(person.totp_key, desk.now()))
    code.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page).to_have_url(re.compile(r"/$"))


def test_whoever_types_before_the_scripts_have_come_keeps_the_field(make: Make, visit: Visit) -> None:
    person, visitor = make.admin(), visit()
    page, late = visitor.page, list[Route]()
    visitor.type_password(person)
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    page.route(re.compile(r"/static/app\.js"), lambda route: late.append(route))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Enter the six digits, or a recovery code.")
    code = page.get_by_label("Code", exact=True)
    code.fill("12")
    for route in late:
        route.continue_()
    visitor.be_there()
    expect(code).to_be_focused()
    expect(code).to_have_value("12")
    assert len(late) == 1


@pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no-scripts"])
def test_a_new_admin_sets_the_app_up_and_keeps_the_recovery_codes(
    desk: RunningDesk, make: Make, visit: Visit, javascript: bool
) -> None:
    person, visitor = make.user(Role.ADMIN, totp=False), visit(javascript=javascript)
    page = visitor.page
    page.goto("/bookings")
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Set up your second factor")).to_be_visible()
    picture = page.get_by_role("img", name="QR code")
    visitor.be_there()
    assert picture.evaluate("(image) => image.complete && image.naturalWidth > 100") or not javascript
    if javascript:
        looks_right(visitor, "set-up")
    key = shown_key(page)
    page.get_by_label("Code", exact=True).fill(code_at(key, desk.now()))
    page.get_by_role("button", name="Set up and sign in").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    expect(page.locator(".zd-codes code")).to_have_count(10)
    codes = page.locator(".zd-codes code").all_text_contents()
    if javascript:
        looks_right(visitor, "recovery-codes")
        expect(page.get_by_role("button", name="Print")).to_be_visible()
        with page.expect_download() as downloading:
            page.get_by_role("link", name="Download").click()
        kept = downloading.value.path().read_text("utf-8")
        assert all(code in kept for code in codes)
        assert downloading.value.suggested_filename == "zonedesk-recovery-codes.txt"
    page.get_by_role("link", name="I have kept them: go on").click()
    expect(page).to_have_url(re.compile("/bookings$"))
    # The phone is at home the next day.
    other = visit(javascript=javascript)
    other.type_password(person)
    other.page.get_by_text("Use a recovery code instead").click()
    other.page.get_by_label("Recovery code", exact=True).fill(codes[4].lower())
    other.page.get_by_role("button", name="Sign in").click()
    expect(other.page.get_by_role("alert")).to_contain_text("That recovery code is used up.")


def test_one_looks_after_ones_own_account(desk: RunningDesk, make: Make, visit: Visit) -> None:
    person = make.manager(make.franchise())
    assert person.totp_key is not None
    here, there = visit(person), visit(person)
    page = here.page
    page.get_by_text(person.name).first.click()
    page.get_by_role("link", name="Your account").click()
    expect(page.get_by_role("heading", name="Where you are signed in")).to_be_visible()
    expect(page.get_by_text("This one")).to_have_count(1)
    looks_right(here, "account")
    page.get_by_role("button", name="Sign out everywhere else").click()
    expect(page.get_by_role("alert")).to_contain_text("You are signed out everywhere else.")
    there.page.goto("/bookings")
    expect(there.page).to_have_url(re.compile("/sign-in"))
    # New recovery codes want a fresh second factor once ten minutes have gone by.
    page.get_by_role("button", name="Make new recovery codes").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    expect(page.locator(".zd-codes code")).to_have_count(10)
    page.get_by_role("link", name="I have kept them: go on").click()
    page.get_by_role("link", name="Change your password").click()
    looks_right(here, "own-password")
    page.get_by_label("Password now").fill(person.password)
    page.get_by_label("New password", exact=True).fill("123456789qwe")
    page.get_by_label("New password again").fill("123456789qwe")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("alert")).to_contain_text("Many people use this password")
    page.get_by_label("Password now").fill(person.password)
    page.get_by_label("New password", exact=True).fill("mangoes by the river")
    page.get_by_label("New password again").fill("mangoes by the river")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("alert")).to_contain_text("Your password is changed")
    page.get_by_role("link", name="Replace the app").click()
    looks_right(here, "replace-app")


def test_confirming_and_setting_up_look_right(desk: RunningDesk, make: Make, visit: Visit) -> None:
    visitor = visit(make.user(Role.ADMIN))
    visitor.page.goto("/confirm?next=/operators")
    looks_right(visitor, "confirm")
    without = visit(make.staff())
    without.page.goto("/confirm?next=/bookings")
    expect(without.page.get_by_text("You have no second factor yet.")).to_be_visible()
    looks_right(without, "confirm-first")
    without.page.get_by_role("link", name="Set up an authenticator app").click()
    page = without.page
    page.get_by_label("Code", exact=True).fill(code_at(shown_key(page), desk.now()))
    page.get_by_label("Your password").fill("correct horse battery staple")
    page.get_by_role("button", name="Set up").click()
    page.get_by_role("link", name="I have kept them: go on").click()
    expect(page).to_have_url(re.compile("/bookings$"))
