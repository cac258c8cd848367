"""An auditor finds what happened, and finds out when somebody changed it: on a copy of the desk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import time
from threading import Thread
from uuid import UUID

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from werkzeug.serving import make_server

from tests.e2e.conftest import Visit
from tests.e2e.running import RunningDesk, running_copy
from tests.e2e.scene import Scene
from tests.e2e.visitor import Visitor
from tests.make import Person
from tests.services import Servers
from tests.web.client import NOW
from webapp.audit import sealing
from webapp.audit.queries.seals import chain_head, unsealed
from webapp.db import work as work_module
from webapp.db.base import sqlstate_of


@pytest.fixture(scope="module")
def story(desk: RunningDesk) -> tuple[Scene, Person]:
    """Bookings, one proposal, and an auditor; nobody has opened a page yet."""
    before = work_module.database()
    work_module.bind(desk.database)
    scene = Scene(desk.make)
    for hour in (8, 16):
        desk.make.booking(by=scene.staff.actor, **scene.lessons(timeslot=time(hour)))
    desk.make.proposed(scene.trainer, by=scene.staff.actor, **scene.lessons(timeslot=time(18)))
    auditor = desk.make.user(name="Asha Rao", role=desk.make.auditor().role)
    work_module.bind(before)
    return scene, auditor


def faults_of(visitor: Visitor, name: str) -> list[str]:
    """What axe finds and what sticks out, in light, in dark and at 360 px; pictures are kept."""
    visitor.shoot(name)
    found = visitor.violations()
    with visitor.in_dark():
        visitor.shoot(f"{name}-dark")
        found += visitor.violations()
    with visitor.at_360():
        visitor.shoot(f"{name}-360")
        found += [*visitor.violations(), *visitor.overflow()]
    return found


def seal_all(desk: RunningDesk) -> None:
    """What the desk's own sweeper is doing every few seconds: seal what there is, now."""
    while True:
        sealing.seal_new(desk.database, now=NOW)
        with desk.database.read_only() as db:
            if not unsealed(db, after=UUID(int=0), limit=1):
                return


def test_an_auditor_finds_what_happened_and_that_the_chain_is_whole(
    story: tuple[Scene, Person], desk: RunningDesk, visit: Visit
) -> None:
    scene, auditor = story
    visitor = visit(auditor)
    page = visitor.page
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Audit").click()
    expect(page.get_by_role("heading", level=1, name="Audit")).to_be_visible()

    page.get_by_label("Person").fill(scene.staff.name)
    page.get_by_label("What happened").fill("assignment.")
    page.get_by_role("button", name="Search").click()
    entries = page.locator(".zd-log > li")
    expect(entries).to_have_count(1)
    expect(page).to_have_url(re.compile(r"what=assignment\."))
    entries.first.locator("summary").click()
    opened = entries.first
    expect(opened.get_by_role("columnheader", name="Before")).to_be_visible()
    expect(opened.get_by_role("columnheader", name="After")).to_be_visible()
    expect(opened.get_by_text("New", exact=True).first).to_be_visible()
    expect(opened).to_contain_text(scene.franchise_name)
    faults = faults_of(visitor, "audit-entry")

    seal_all(desk)
    page.goto("/audit")
    visitor.mark()
    page.get_by_role("button", name="Verify").click()
    chain = page.locator("#audit-chain")
    expect(chain).to_contain_text("Whole")
    expect(chain).to_contain_text("as they were sealed")
    visitor.assert_not_reloaded()
    faults += faults_of(visitor, "audit-whole")
    visitor.follow(page.get_by_role("link", name="Export"))
    faults += faults_of(visitor, "audit-export")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="CSV for a spreadsheet").click()
    content = downloading.value.path().read_text("utf-8-sig")
    assert content.startswith('"at","what"')
    assert "assignment.proposed" in content
    assert not faults, "\n".join(faults)


def test_the_log_is_searched_and_verified_without_javascript(story: tuple[Scene, Person], visit: Visit) -> None:
    _scene, auditor = story
    page = visit(auditor, javascript=False).page
    page.goto("/audit")
    page.get_by_label("Kind of thing").select_option("booking")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".zd-log > li").first).to_contain_text("booking.")
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("#audit-chain")).to_contain_text("Whole")


def test_a_long_chain_goes_on_by_itself_until_its_end(
    story: tuple[Scene, Person], desk: RunningDesk, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of three seals, each a request, served from here so that they can be made so small."""
    _scene, auditor = story
    seal_all(desk)
    monkeypatch.setattr("webapp.audit.verifying.CHUNK", 3)
    monkeypatch.setattr("webapp.audit.views.STEP_SECONDS", -1.0)
    before = work_module.database()
    work_module.bind(desk.database)
    server = make_server("127.0.0.1", 0, desk.app, threaded=True)
    serving = Thread(target=server.serve_forever)
    serving.start()
    try:
        visitor = Visitor.arrive(chromium, f"http://127.0.0.1:{server.port}")
        visitor.sign_in(auditor)
        page = visitor.page
        page.goto("/audit")
        visitor.mark()
        page.get_by_role("button", name="Verify").click()
        expect(page.locator("#audit-chain")).to_contain_text("as it was sealed", timeout=60_000)
        expect(page.get_by_role("button", name="Go on")).to_have_count(0)
        visitor.assert_not_reloaded()
        page.context.close()
        assert not visitor.faults
    finally:
        server.shutdown()
        serving.join()
        work_module.bind(before)


@pytest.fixture
def copy(
    story: tuple[Scene, Person], desk: RunningDesk, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningDesk]:
    """A desk on a copy of this one's database; this one rests meanwhile."""
    with running_copy(desk, servers, tmp_path_factory.mktemp("copy")) as copied:
        yield copied


def test_on_a_copy_an_entry_that_was_changed_is_named(
    copy: RunningDesk, story: tuple[Scene, Person], visit: Visit
) -> None:
    _scene, auditor = story
    visitor = visit(auditor, at=copy)
    page = visitor.page
    seal_all(copy)
    page.goto("/audit")
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("#audit-chain")).to_contain_text("Whole")
    noted = page.locator("#audit-chain .zd-value").inner_text()

    with copy.database.unit_of_work() as work:
        assert chain_head(work.db).position > 5
        with pytest.raises(DBAPIError) as refused:
            work.db.execute(text("UPDATE audit_entries SET actor_name = 'Nobody'"))
        work.db.rollback()
    assert sqlstate_of(refused.value) == "42501", "the desk itself cannot"
    entry = change_as_owner(copy, position=4)

    page.goto("/audit")
    page.get_by_role("button", name="Verify").click()
    chain = page.locator("#audit-chain")
    expect(chain).to_contain_text("Broken")
    expect(chain).to_contain_text("The entry at position 4 was changed after it was sealed.")
    faults = faults_of(visitor, "audit-broken")
    chain.get_by_role("link", name=entry).click()
    expect(page.locator(".zd-log > li")).to_have_count(1)
    expect(page.locator(".zd-log > li")).to_contain_text("Nobody")

    page.goto("/audit")
    page.get_by_text("Compare with a head noted down earlier").click()
    page.get_by_label("A head noted down earlier").fill("not a head")
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    faults += faults_of(visitor, "audit-head-refused")
    assert not faults, "\n".join(faults)
    assert noted.partition(":")[0].isdigit()


def change_as_owner(desk: RunningDesk, *, position: int) -> str:
    """Do what only the owner of the tables can: change an entry that is sealed. Its id."""
    engine = create_engine(desk.owner_url)
    with engine.connect() as connection:
        # The owner is bound by row-level security as well, until it says that it sees everything.
        connection.execute(text("SELECT set_config('app.sees_everything', 'on', true)"))
        entry = connection.execute(
            text(
                "UPDATE audit_entries SET actor_name = 'Nobody' FROM audit_seals s"
                " WHERE s.entry_id = audit_entries.id AND s.position = :position RETURNING audit_entries.id"
            ),
            {"position": position},
        ).scalar_one()
        connection.commit()
    engine.dispose()
    return str(entry)
