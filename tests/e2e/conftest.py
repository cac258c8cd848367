"""Fixtures of the browser tests.

``desk``      a running desk for the tests of one module, its clock at ``NOW`` when it starts
``make``      builders on its database; what they make is committed
``visit``     opens a browser: ``visit(person)`` is signed in; ``javascript=False`` switches scripts off

``CHROMIUM`` names the browser when it is none of the usual ones. Pictures of the pages go to ``var/e2e``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.running import RunningDesk, running_desk
from tests.e2e.visitor import SHOTS, Visitor
from tests.make import Make, Person
from tests.services import Servers
from webapp.db import work as work_module

# A machine that has other things to do as well draws a page in seconds; what never comes is as wrong after 20 s.
expect.set_options(timeout=20_000)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Visit(Protocol):
    """How tests open a browser."""

    def __call__(
        self, person: Person | None = None, *, javascript: bool = True, at: RunningDesk | None = None
    ) -> Visitor:
        """A new browser, signed in when a person is given; ``at`` another desk than the module's."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser, started once."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.fail("The browser tests need Chromium: install it, or name it in CHROMIUM.")
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def desk(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    """Everything of ``make run`` but the demo, for one module."""
    with running_desk(servers, tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.fixture
def make(desk: RunningDesk) -> Iterator[Make]:
    """Builders on the running desk's database."""
    before = work_module.database()
    work_module.bind(desk.database)
    yield desk.make
    work_module.bind(before)


@pytest.fixture
def visit(desk: RunningDesk, chromium: Browser) -> Iterator[Visit]:
    """Opens browsers; in the end none of them may have seen a fault, and no process may have logged an error."""
    visitors: list[Visitor] = []

    desks = [desk]

    def arrive(person: Person | None = None, *, javascript: bool = True, at: RunningDesk | None = None) -> Visitor:
        if at is not None:
            desks.append(at)
        visitor = Visitor.arrive(chromium, (at or desk).url, javascript=javascript)
        visitors.append(visitor)
        if person is not None:
            visitor.be_signed_in((at or desk).cookie_of(person))
        return visitor

    yield arrive
    for visitor in visitors:
        visitor.page.context.close()
    faults = [fault for visitor in visitors for fault in visitor.faults]
    faults += [error for one in desks for error in one.new_errors()]
    assert not faults, "\n".join(faults)
