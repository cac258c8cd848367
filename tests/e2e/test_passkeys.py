"""Passkeys in a real browser, with Chromium's virtual authenticator: made, used everywhere, and what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, expect
from sqlalchemy import update

from tests.e2e.running import RunningDesk
from tests.e2e.visitor import Visitor
from tests.jobs.builders import until
from tests.make import Make, Person
from webapp.accounts.models import User
from webapp.db.tenancy import acting_as

BUTTON = "Use a passkey"


class Device:
    """The authenticator built into somebody's machine, and the finger of its owner.

    It touches by itself only inside ``touching``: else it would answer the question that the sign-in page asks for its
    suggestions, and nobody would ever see that page.
    """

    def __init__(self, visitor: Visitor) -> None:
        self._cdp: CDPSession = visitor.page.context.new_cdp_session(visitor.page)
        self._cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": False,
        }
        made = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._id = made["authenticatorId"]

    @contextmanager
    def touching(self) -> Iterator[None]:
        """The owner is there and touches the device when it asks."""
        self._set("WebAuthn.setAutomaticPresenceSimulation", enabled=True)
        yield
        self._set("WebAuthn.setAutomaticPresenceSimulation", enabled=False)

    @contextmanager
    def in_other_hands(self) -> Iterator[None]:
        """Somebody touches the device whom it does not recognise."""
        self._set("WebAuthn.setUserVerified", isUserVerified=False)
        with self.touching():
            yield
        self._set("WebAuthn.setUserVerified", isUserVerified=True)

    @contextmanager
    def suggesting_nothing(self) -> Iterator[None]:
        """Pages that are opened now find a browser without suggestions: no question waits there but the button's.

        A device that touches by itself may answer the page's question before the button is pressed, and it forgets a
        passkey that was refused: the press would find none, or no button.
        """
        source = "delete PublicKeyCredential.isConditionalMediationAvailable"
        self._cdp.send("Page.enable")
        added = self._cdp.send("Page.addScriptToEvaluateOnNewDocument", {"source": source})
        yield
        self._cdp.send("Page.removeScriptToEvaluateOnNewDocument", added)

    def held(self) -> list[dict[str, Any]]:
        """What is on the device."""
        found: list[dict[str, Any]] = self._cdp.send("WebAuthn.getCredentials", {"authenticatorId": self._id})[
            "credentials"
        ]
        return found

    def _set(self, method: str, **values: bool) -> None:
        self._cdp.send(method, {"authenticatorId": self._id, **values})


@pytest.fixture
def arrive(desk: RunningDesk, chromium: Browser) -> Iterator[Any]:
    """Opens browsers at the desk's name; in the end none of them may have seen a fault."""
    visitors: list[Visitor] = []

    def opened(*, javascript: bool = True) -> Visitor:
        visitors.append(Visitor.arrive(chromium, desk.url_by_name, javascript=javascript))
        return visitors[-1]

    yield opened
    for visitor in visitors:
        visitor.page.context.close()
    faults = [fault for visitor in visitors for fault in visitor.faults] + desk.new_errors()
    assert not faults, "\n".join(faults)


def type_password(visitor: Visitor, person: Person) -> None:
    """The first step of signing in."""
    visitor.page.goto("/sign-in")
    visitor.page.get_by_label("E-mail").fill(person.email)
    visitor.page.get_by_label("Password").fill(person.password)
    visitor.page.get_by_role("button", name="Sign in", exact=True).click()
    expect(visitor.page).not_to_have_url(re.compile(r"sign-in(\?|$)"))


def set_one_up(visitor: Visitor, device: Device, person: Person, name: str = "Work laptop") -> None:
    """Make the first passkey on the account page, by way of the recovery codes."""
    page = visitor.page
    page.goto("/account")
    page.get_by_label("Name of the passkey").fill(name)
    page.get_by_label("Your password").fill(person.password)
    with device.touching():
        page.get_by_role("button", name="Set up a passkey").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Keep recovery codes")
    page.get_by_role("button", name="Show my recovery codes").click()
    expect(page.locator(".zd-codes li")).to_have_count(10)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.locator("#passkeys")).to_contain_text(name)


def sign_out(visitor: Visitor) -> None:
    """Press the sign-out button in the account menu."""
    visitor.page.locator("summary", has=visitor.page.locator(".zd-me")).click()
    visitor.page.get_by_role("button", name="Sign out", exact=True).last.click()
    offered(visitor)


def offered(visitor: Visitor) -> None:
    """The sign-in page is there, and its e-mail field waits for somebody to pick a passkey."""
    expect(visitor.page).to_have_url(re.compile("/sign-in"))
    expect(visitor.page.locator("[data-passkey]")).to_have_attribute("data-autofill", "offered")


def press_passkey(visitor: Visitor, device: Device, name: str) -> None:
    """Press a button that asks for a passkey, and touch the device."""
    with device.touching():
        visitor.page.get_by_role("button", name=name).click()
        expect(visitor.page).not_to_have_url(re.compile("sign-in|confirm"))


def press_on_sign_in(visitor: Visitor, device: Device) -> None:
    """Press the button of the sign-in page and touch the device, where nothing else asks for a passkey."""
    with device.suggesting_nothing():
        visitor.page.goto("/sign-in")
        press_passkey(visitor, device, BUTTON)


def said(visitor: Visitor, sentence: str) -> None:
    """The page says a sentence beside the button, in its live region, and the button has the focus."""
    region = visitor.page.locator("[data-passkey-said]")
    expect(region).to_have_attribute("role", "status")
    expect(region).to_have_text(re.compile(sentence))
    expect(visitor.page.locator("[data-passkey-press]")).to_be_focused()


def faults_of(visitor: Visitor, name: str) -> list[str]:
    """What is wrong with the page that is open; pictures of it are kept."""
    visitor.shoot_all(f"passkey-{name}")
    found = [f"{name}: {fault}" for fault in visitor.violations()]
    with visitor.in_dark():
        found += [f"{name}, dark: {fault}" for fault in visitor.violations()]
    with visitor.at_360():
        found += [f"{name} at 360 px: {fault}" for fault in [*visitor.violations(), *visitor.overflow()]]
    return found


def test_a_passkey_is_made_and_opens_every_door(arrive: Any, make: Make) -> None:
    person, visitor = make.staff(), arrive()
    device, page = Device(visitor), visitor.page
    type_password(visitor, person)
    set_one_up(visitor, device, person)
    assert [key["isResidentCredential"] for key in device.held()] == [True]
    sign_out(visitor)

    # Alone
    press_on_sign_in(visitor, device)
    expect(page.locator(".zd-me")).to_have_text(person.name)
    sign_out(visitor)

    # After the password
    type_password(visitor, person)
    expect(page).to_have_url(re.compile("/sign-in/second"))
    assert not faults_of(visitor, "second")
    press_passkey(visitor, device, "Use a passkey")
    expect(page.locator(".zd-me")).to_have_text(person.name)

    # Before an act of weight
    page.goto("/confirm?next=/bookings")
    assert not faults_of(visitor, "confirm")
    press_passkey(visitor, device, "Use a passkey")
    expect(page).to_have_url(re.compile("/bookings$"))
    assert device.held()[0]["signCount"] >= 3


def test_no_page_of_passkeys_stands_in_anybody_s_way(arrive: Any, make: Make, desk: RunningDesk) -> None:
    person, visitor, found = make.staff(), arrive(), []
    device, page = Device(visitor), visitor.page
    page.goto("/sign-in")
    expect(page.get_by_role("button", name=BUTTON)).to_be_visible()
    found += faults_of(visitor, "sign-in")
    type_password(visitor, person)
    page.goto("/account")
    found += faults_of(visitor, "account-none")
    set_one_up(visitor, device, person, "A key with a name as long as anybody ever gave to one of theirs, and longer")
    found += faults_of(visitor, "account")
    visitor.follow(page.get_by_role("link", name="Rename or remove"))
    found += faults_of(visitor, "show")
    page.goto("/account/recovery-codes/first")
    found += faults_of(visitor, "first-codes")
    assert not found, "\n".join(found)


def test_a_passkey_is_the_first_second_factor_of_a_manager(arrive: Any, make: Make, desk: RunningDesk) -> None:
    person, visitor = make.manager(), arrive()
    device, page = Device(visitor), visitor.page
    with acting_as(person.actor), desk.database.unit_of_work() as work:
        work.db.execute(update(User).where(User.id == person.id).values(totp_secret=None, totp_counter=None))
    type_password(visitor, person)
    expect(page).to_have_url(re.compile("/sign-in/set-up"))
    assert not faults_of(visitor, "set-up")
    with device.touching():
        page.get_by_role("button", name="Set up a passkey and sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Keep recovery codes")
    page.get_by_role("link", name="Later").click()
    expect(page.locator(".zd-me")).to_have_text(person.name)


def test_it_all_works_with_the_keyboard_alone(arrive: Any, make: Make) -> None:
    person, visitor = make.staff(), arrive()
    device, page = Device(visitor), visitor.page
    type_password(visitor, person)
    page.goto("/account")
    visitor.tab_to("Name of the passkey")
    page.keyboard.type("Typed")
    visitor.tab_to("Your password")
    page.keyboard.type(person.password)
    with device.touching():
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Keep recovery codes")
    visitor.tab_to("Later")
    page.keyboard.press("Enter")
    expect(page.locator("#passkeys")).to_contain_text("Typed")
    sign_out(visitor)
    visitor.tab_to(BUTTON)
    with device.touching():
        page.keyboard.press("Enter")
        expect(page.locator(".zd-me")).to_have_text(person.name)


def test_the_suggestions_of_the_e_mail_field_offer_passkeys(arrive: Any, make: Make) -> None:
    person, visitor = make.staff(), arrive()
    device, page = Device(visitor), visitor.page
    type_password(visitor, person)
    set_one_up(visitor, device, person)
    sign_out(visitor)
    expect(page.get_by_label("E-mail")).to_have_attribute("autocomplete", "username webauthn")
    page.goto("/verify")  # the question of the page before ends with it
    with device.touching():  # whoever picks a suggestion touches the device without having pressed a button
        page.goto("/sign-in")
        expect(page.locator(".zd-me")).to_have_text(person.name)


def test_whatever_goes_wrong_is_said_in_plain_words(arrive: Any, make: Make, desk: RunningDesk) -> None:
    person, visitor = make.staff(), arrive()
    device, page = Device(visitor), visitor.page
    type_password(visitor, person)

    page.goto("/account")
    page.get_by_label("Your password").fill("not this one at all")
    page.get_by_role("button", name="Set up a passkey").click()
    said(visitor, "That is not your password")
    set_one_up(visitor, device, person)

    page.goto("/account")
    with device.touching():
        page.get_by_role("button", name="Set up another passkey").click()
        said(visitor, "has a passkey of yours for the desk already")
    assert not faults_of(visitor, "account-said")
    sign_out(visitor)

    with device.in_other_hands():
        page.get_by_role("button", name=BUTTON).click()
        said(visitor, "No passkey was used")
    assert not faults_of(visitor, "sign-in-said")

    press_on_sign_in(visitor, device)
    page.goto("/account")
    page.get_by_role("link", name="Rename or remove").click()
    page.get_by_role("button", name="Remove this passkey").click()
    expect(page.locator(".zd-notices")).to_contain_text("Your passkey is removed")
    sign_out(visitor)
    with device.suggesting_nothing(), device.touching():
        page.goto("/sign-in")
        page.get_by_role("button", name=BUTTON).click()
        said(visitor, "does not know this passkey")


def test_a_removed_passkey_among_the_suggestions_is_refused_and_not_suggested_again(arrive: Any, make: Make) -> None:
    person, visitor = make.staff(), arrive()
    device, page = Device(visitor), visitor.page
    type_password(visitor, person)
    set_one_up(visitor, device, person)
    page.get_by_role("link", name="Rename or remove").click()
    page.get_by_role("button", name="Remove this passkey").click()
    expect(page.locator(".zd-notices")).to_contain_text("Your passkey is removed")
    sign_out(visitor)
    assert len(device.held()) == 1
    page.goto("/verify")  # the question of the page before ends with it
    with device.touching():
        page.goto("/sign-in")
        expect(page.locator("[data-passkey-said]")).to_have_text(re.compile("does not know this passkey"))
    until(lambda: device.held() == [], "the browser forgets it")


def test_at_another_address_the_page_says_where_passkeys_work(chromium: Browser, desk: RunningDesk, make: Make) -> None:
    visitor = Visitor.arrive(chromium, desk.url)
    visitor.page.goto("/sign-in")
    visitor.page.get_by_role("button", name=BUTTON).click()
    said(visitor, f"Passkeys work at {desk.url_by_name} only")
    assert visitor.faults == []
    visitor.page.context.close()


def test_without_javascript_or_without_passkeys_the_page_names_the_other_way(arrive: Any) -> None:
    quiet, old = arrive(javascript=False), arrive()
    quiet.page.goto("/sign-in")
    told = quiet.page.locator("noscript p")
    expect(told).to_be_visible()
    expect(told).to_have_text("Passkeys need JavaScript. Sign in with your password.")
    expect(quiet.page.get_by_role("button", name=BUTTON)).to_be_hidden()
    old.page.add_init_script("delete window.PublicKeyCredential")
    old.page.goto("/sign-in")
    expect(old.page.get_by_text("This browser has no passkeys. Sign in with your password.")).to_be_visible()
    expect(old.page.get_by_role("button", name=BUTTON)).to_be_hidden()


def test_browsers_that_write_no_json_of_passkeys_have_it_written(arrive: Any, make: Make) -> None:
    person, visitor = make.staff(), arrive()
    visitor.page.add_init_script(
        "delete PublicKeyCredential.parseCreationOptionsFromJSON;"
        "delete PublicKeyCredential.parseRequestOptionsFromJSON;"
        "delete PublicKeyCredential.prototype.toJSON;"
    )
    device = Device(visitor)
    type_password(visitor, person)
    set_one_up(visitor, device, person)
    sign_out(visitor)
    press_on_sign_in(visitor, device)
    expect(visitor.page.locator(".zd-me")).to_have_text(person.name)
