"""Somebody at a browser of their own, whom nothing escapes: errors, broken policies, sideways scrolling, axe."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Response, expect

from tests.make import Person
from tests.services import ROOT

SHOTS: Final = ROOT / "var" / "e2e"
AXE: Final = Path(__file__).parent / "vendor" / "axe-core-4.14.1"
WIDE: Final = (1280, 900)
NARROW: Final = (360, 780)
_REFUSED: Final = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
"""Chromium reports each refused page on its console; whether the refusal is right is the test's business."""
_TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def axe_source() -> str:
    """axe-core as it was committed. Raises ``AssertionError`` when the file was changed."""
    source = (AXE / "axe.min.js").read_bytes()
    digest = hashlib.sha256(source).hexdigest()
    assert f"{digest}  axe.min.js" in (AXE / "VENDOR.txt").read_text("utf-8")
    return source.decode("utf-8")


@dataclass
class Visitor:
    """One person, one browser context, one page. ``faults`` must be empty when the test is over."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    @classmethod
    def arrive(cls, browser: Browser, url: str, *, javascript: bool = True) -> Visitor:
        """Open a browser that knows nobody."""
        context = browser.new_context(
            base_url=url,
            java_script_enabled=javascript,
            locale="en-GB",
            timezone_id="America/Sao_Paulo",  # nothing a page says may depend on where the browser stands
            viewport={"width": WIDE[0], "height": WIDE[1]},
            reduced_motion="reduce",
        )
        context.set_default_timeout(10_000)
        visitor = cls(context.new_page(), url)
        page = visitor.page
        page.on("console", visitor._heard)
        page.on("pageerror", lambda error: visitor.faults.append(f"script error on {page.url}: {error}"))
        page.on("response", visitor._answered)
        page.on("requestfailed", visitor._failed)
        return visitor

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _REFUSED.match(message.text):
            self.faults.append(f"console on {self.page.url}: {message.text}")

    def _answered(self, response: Response) -> None:
        parts = urlsplit(response.url)
        if parts.scheme in ("http", "https") and f"{parts.scheme}://{parts.netloc}" != self.url:
            self.faults.append(f"asked another site: {response.url}")
        if response.status >= 500 or (response.status >= 400 and parts.path.startswith("/static/")):
            self.faults.append(f"{response.status} from {parts.path}")

    def _failed(self, request: Request) -> None:
        # A request given up for a newer one, or for leaving the page, is none of our concern.
        if request.failure not in ("net::ERR_ABORTED", None):
            self.faults.append(f"{request.url} failed: {request.failure}")

    def sign_in(self, person: Person, code: str | None = None) -> None:
        """Type e-mail and password and, for whoever has an authenticator app, the code it shows."""
        self.type_password(person)
        if person.totp_key is not None:
            assert code is not None, f"{person.name} also types a code"
            expect(self.page.get_by_role("heading", name="Second step")).to_be_visible()
            self.page.get_by_label("Code", exact=True).fill(code)
            self.page.get_by_role("button", name="Sign in").click()
        expect(self.page).not_to_have_url(re.compile("sign-in"))

    def type_password(self, person: Person) -> None:
        """Type e-mail and password, and see what comes of it."""
        self.page.goto("/sign-in")
        self.page.get_by_label("E-mail").fill(person.email)
        self.page.get_by_label("Password").fill(person.password)
        self.page.get_by_role("button", name="Sign in").click()

    def be_signed_in(self, cookie: Any) -> None:
        """Come with the cookie that a sign-in leaves: for tests about something else."""
        self.page.context.add_cookies([cookie])
        self.page.goto("/")

    def shoot(self, name: str) -> None:
        """Keep a picture of the whole page, drawn in a window as tall as the page: nothing sticks half-way down."""
        self.be_there()
        before = self.page.viewport_size or {"width": WIDE[0], "height": WIDE[1]}
        tall = self.page.evaluate("() => { scrollTo(0, 0); return document.documentElement.scrollHeight; }")
        self.page.set_viewport_size({"width": before["width"], "height": max(before["height"], min(tall, 6000))})
        self.page.screenshot(path=SHOTS / f"{name}.png", animations="disabled")
        self.page.set_viewport_size(before)

    def shoot_all(self, name: str) -> None:
        """Keep pictures in light, in dark and at 360 px."""
        self.shoot(name)
        with self.in_dark():
            self.shoot(f"{name}-dark")
        with self.at_360():
            self.shoot(f"{name}-360")

    @contextmanager
    def in_dark(self) -> Iterator[None]:
        """As on a machine set to dark."""
        self.page.emulate_media(color_scheme="dark")
        yield
        self.page.emulate_media(color_scheme="light")

    @contextmanager
    def at_360(self) -> Iterator[None]:
        """As on a small telephone."""
        self.page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
        yield
        self.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})

    def overflow(self) -> list[str]:
        """What sticks out of the page on the right, innermost first, with everything opened that opens.

        Tables may scroll inside their own frame.
        """
        self.be_there()
        found: list[str] = self.page.evaluate(
            """() => {
                const closed = [...document.querySelectorAll("details:not([open])")];
                closed.forEach((e) => { e.open = true; });
                const room = document.documentElement.clientWidth;
                const wide = document.documentElement.scrollWidth > room
                    ? [...document.body.querySelectorAll("*")]
                        .filter((e) => e.getBoundingClientRect().right > room + 1)
                        .map((e) => e.tagName + "#" + e.id + "." + e.className).slice(-5)
                    : [];
                closed.forEach((e) => { e.open = false; });
                return wide;
            }"""
        )
        return found

    def be_there(self) -> None:
        """Wait until the page is whole and its scripts listen: a click returns when its answer begins to arrive."""
        self.page.wait_for_load_state("load")

    def follow(self, link: Locator) -> None:
        """Follow a link to another page, and be there."""
        with self.page.expect_event("load"):
            link.click()

    def violations(self) -> list[str]:
        """What axe finds on the page, one line per element."""
        self.be_there()
        # What is being fetched anew is dimmed until it is there: nobody reads it then.
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(axe_source())
        found: dict[str, Any] = self.page.evaluate(
            "(tags) => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", _TAGS
        )
        return [
            f"{rule['id']}: {node['html'][:160]} ({node['failureSummary'].splitlines()[-1].strip()[:200]})"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    def mark(self) -> None:
        """Leave something in the page's memory that a reload would wipe out."""
        self.be_there()
        self.page.evaluate("() => { window.zdStillHere = true; }")

    def assert_not_reloaded(self) -> None:
        """The page is the very one that was marked."""
        assert self.page.evaluate("() => window.zdStillHere === true"), f"{self.page.url} was loaded again"

    def tab_to(self, name: str, *, presses: int = 80) -> None:
        """Press Tab until the control called ``name`` has the focus, and see it marked."""
        self.be_there()
        for _press in range(presses):
            self.page.keyboard.press("Tab")
            words, outlined = self.page.evaluate(
                """() => {
                    const e = document.activeElement, look = getComputedStyle(e);
                    const label = e.labels && e.labels.length ? e.labels[0].textContent : e.textContent;
                    const seen = (look.outlineStyle !== "none" && parseFloat(look.outlineWidth) > 0)
                        || look.boxShadow !== "none";
                    return [label.replace(/\\s+/g, " ").trim(), seen];
                }"""
            )
            if str(words).startswith(name):
                assert outlined, f"nothing shows that {name!r} has the focus"
                return
        raise AssertionError(f"{name!r} cannot be reached with {presses} presses of Tab on {self.page.url}")
