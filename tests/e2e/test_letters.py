"""From a letter to the desk: an invitation accepted and a password forgotten, with letters a worker really wrote."""

from __future__ import annotations

import re
import time
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.conftest import Visit
from tests.e2e.running import RunningDesk
from tests.e2e.visitor import Visitor
from tests.make import Make
from tests.web.client import NOW
from webapp.accounts import invitations
from webapp.accounts.invitations import InvitationCommand
from webapp.core.actor import Role

PASSWORD = "seven lamps along the river"


def link_in_letter(desk: RunningDesk, to: str, page: str) -> str:
    """The link of a page in the newest letter to somebody, once the worker has written it."""
    folder: Path = desk.folder / "mail"
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        for path in sorted(folder.glob("*.eml"), reverse=True):
            message = message_from_bytes(path.read_bytes(), policy=default)
            found = re.search(rf"https?://\S+/{page}/\S+", message.get_content())
            if message["To"] == to and found:
                return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no letter to {to}")


def looks_right(visitor: Visitor, name: str) -> None:
    """In light, dark and at 360 px: nothing for axe, nothing sticks out."""
    visitor.shoot_all(name)
    assert visitor.violations() == []
    with visitor.in_dark():
        assert visitor.violations() == []
    with visitor.at_360():
        assert visitor.overflow() == []


def test_an_invitation_leads_to_the_desk(desk: RunningDesk, make: Make, visit: Visit) -> None:
    manager = make.manager(make.franchise("Coastal Tutors"))
    with desk.database.unit_of_work() as work:
        command = InvitationCommand(manager.operator_id, "ravi@example.org", "Ravi", Role.FRANCHISE_STAFF)
        invitations.invite(work, command, by=manager.actor, now=NOW)
    link = link_in_letter(desk, "ravi@example.org", "join")

    guest = visit()
    page = guest.page
    page.goto(link)
    assert page.url == f"{desk.url}/join", "no token stays in the address"
    expect(page.get_by_role("heading", level=1)).to_have_text("Join Coastal Tutors")
    looks_right(guest, "join")
    page.get_by_label("Your name").fill("Ravi Teja")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Join").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    looks_right(guest, "join-refused")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("alert")).to_contain_text("Your account is ready")

    page.get_by_label("E-mail").fill("ravi@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    expect(page.locator("body")).to_contain_text("Ravi Teja")
    expect(page.locator("body")).to_contain_text("Coastal Tutors")

    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link does not work")
    looks_right(guest, "dead-link")


def test_a_forgotten_password_without_scripts(desk: RunningDesk, make: Make, visit: Visit) -> None:
    person = make.staff(make.franchise())
    visitor = visit(javascript=False)
    page = visitor.page
    page.goto("/sign-in")
    visitor.follow(page.get_by_role("link", name="Forgot your password?"))
    visitor.shoot_all("forgotten")
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_role("button", name="Send the letter").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mail")
    visitor.shoot_all("forgotten-sent")
    page.goto(link_in_letter(desk, person.email, "reset"))
    assert page.url == f"{desk.url}/reset"
    visitor.shoot_all("reset")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Set the new password").click()
    expect(page.get_by_role("alert")).to_contain_text("Your password was changed")
    page.get_by_label("E-mail").fill(person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Main").first).to_be_visible()
