"""Looking after people in a browser: inviting, switching off, the truth table, and the desk as somebody else."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.conftest import Visit
from tests.e2e.test_pages import faults_of
from tests.make import Make
from webapp.core.actor import Role


def test_a_manager_invites_staff_with_the_keyboard_alone(make: Make, visit: Visit) -> None:
    franchise = make.franchise(f"Godavari Tutors {make.number()}")
    manager = visit(make.manager(franchise))
    page, keys = manager.page, manager.page.keyboard
    page.goto("/users")
    found = faults_of(manager, "users-manager")
    manager.tab_to("Invite somebody")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Invite somebody")
    expect(page.get_by_label("Role")).to_have_count(0)
    manager.tab_to("Name")
    keys.type("లక్ష్మీ దేవి")
    manager.tab_to("E-mail address")
    keys.type("not an address")
    keys.press("Enter")
    expect(page.locator("[data-error-summary]")).to_be_focused()
    expect(page.locator("[data-error-summary]")).to_contain_text("like name@example.org")
    expect(page.get_by_label("Name")).to_have_value("లక్ష్మీ దేవి")
    found += faults_of(manager, "invite-refused")
    page.get_by_label("E-mail address").fill("lakshmi@example.org")
    manager.tab_to("Invite")
    keys.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("A letter goes to lakshmi@example.org")
    invitations = page.locator("#invitations")
    expect(invitations).to_contain_text("లక్ష్మీ దేవి")
    found += faults_of(manager, "users-invited")
    invitations.get_by_role("button", name="Withdraw").click()
    expect(invitations).to_contain_text("Nobody is invited at the moment.")
    assert not found, "\n".join(found)


def test_an_admin_finds_somebody_and_switches_the_account_off(make: Make, visit: Visit) -> None:
    name = f"Ravi Teja {make.number()}"
    staff = make.user(Role.FRANCHISE_STAFF, name=name)
    theirs, admin = visit(staff), visit(make.admin())
    page = admin.page
    page.goto("/users")
    admin.mark()
    page.get_by_label("Name or address").fill(name)
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#user-list tbody tr")).to_have_count(1)
    admin.assert_not_reloaded()
    found = faults_of(admin, "users")
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    found += faults_of(admin, "user")
    page.get_by_role("link", name="Change", exact=True).click()
    expect(page.get_by_label("Operator")).to_be_visible()
    found += faults_of(admin, "user-change")
    page.go_back()
    page.get_by_role("link", name="Switch off").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Switch the account of {name} off")
    found += faults_of(admin, "user-off")
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("alert")).to_contain_text("signed out everywhere")
    expect(page.locator("main")).to_contain_text("Inactive")
    theirs.page.goto("/bookings")
    expect(theirs.page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert not found, "\n".join(found)


def test_an_admin_founds_and_closes_a_franchise(make: Make, visit: Visit) -> None:
    name = f"Krishna Tutors {make.number()}"
    admin = visit(make.admin())
    page = admin.page
    page.goto("/operators")
    page.get_by_role("link", name="New franchise").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("New franchise")
    found = faults_of(admin, "operator-new")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Found the franchise").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.get_by_role("link", name="Change").click()
    page.get_by_label("The desk approves its proposals by itself").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("By the desk itself, at once")
    page.get_by_role("link", name="Switch off").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Switch {name} off")
    found += faults_of(admin, "operator-off")
    page.get_by_role("button", name="Switch off").click()
    expect(page.locator("main")).to_contain_text("nobody who belongs to it can sign in")
    found += faults_of(admin, "operator-closed")
    assert not found, "\n".join(found)


def test_the_truth_table_is_legible_wide_and_narrow(make: Make, visit: Visit) -> None:
    admin = visit(make.admin())
    page = admin.page
    page.goto("/rights")
    found = faults_of(admin, "rights")
    page.locator("details.zd-routes summary").first.click()
    page.evaluate("() => scrollTo(0, 1200)")
    heading = page.locator(".zd-rights thead th").nth(1)
    box, top = heading.bounding_box(), page.locator(".zd-top").bounding_box()
    assert box is not None
    assert top is not None
    assert abs(box["y"] - (top["y"] + top["height"])) < 2, "the roles stay in sight"
    page.get_by_label("Role", exact=True).select_option("auditor")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".zd-rights thead th").nth(1)).to_have_text("Auditor")
    expect(page.locator(".zd-rights table").first.locator("thead th")).to_have_count(2)
    found += faults_of(admin, "rights-auditor")
    assert not found, "\n".join(found)


def test_an_admin_sees_the_desk_as_staff_reads_and_changes_nothing(make: Make, visit: Visit) -> None:
    franchise = make.franchise(f"Penna Tutors {make.number()}")
    name = f"Asha Rao {make.number()}"
    staff = make.user(Role.FRANCHISE_STAFF, operator_id=franchise, name=name)
    household = make.household(operator_id=franchise, guardian="Meena Rao")
    zone, course = make.zone(operator_id=franchise), make.course()
    make.trainer((zone,), (course,), operator_id=franchise, name="Lakshmi R.")
    admin = visit(make.admin())
    page = admin.page
    page.goto(f"/users/{staff.id}")
    page.get_by_role("link", name="See the desk as this person").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"See the desk as {name}")
    found = faults_of(admin, "view-as")
    page.get_by_role("button", name="Begin").click()
    banner = page.locator(".zd-viewing")
    expect(banner.get_by_role("status")).to_contain_text(f"You see the desk as {name}, Franchise staff")
    expect(banner.get_by_role("status")).to_contain_text("reading only")
    expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Users")).to_have_count(0)
    found += faults_of(admin, "viewing-home")
    page.goto(f"/households/{household.household_id}/apart")
    page.get_by_label("Trainer").select_option("Lakshmi R.")
    page.get_by_label("Reason").fill("Asked for")
    page.get_by_role("button", name="Keep apart").click()
    expect(page.locator("#toasts")).to_contain_text("reading only")
    expect(page.get_by_label("Reason")).to_have_value("Asked for")
    found += faults_of(admin, "viewing-refused")
    refused = page.goto("/users")
    assert refused is not None
    assert refused.status == 403
    expect(banner).to_be_visible()
    banner.get_by_role("button", name=f"Stop seeing it as {name}").click()
    expect(page.get_by_role("alert")).to_contain_text("You see the desk as yourself again.")
    expect(banner).to_have_count(0)
    expect(page.locator("main")).to_contain_text("An admin stopped seeing the desk as this person")
    assert not found, "\n".join(found)
