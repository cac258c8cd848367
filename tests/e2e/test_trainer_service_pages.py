"""An admin watches the roster arrive from a trainer service, and says what its names mean: with a real one beside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from tests.e2e.conftest import Visit
from tests.e2e.running import RunningDesk, running_desk
from tests.e2e.scene import Scene
from tests.e2e.test_pages import faults_of
from tests.e2e.visitor import Visitor
from tests.make import Make, Person
from tests.reference_service.running import TOKEN, Service, running
from tests.services import Servers
from tests.web.client import NOW

OVER = 40_000
"""Milliseconds within which a worker has taken a run up and ended it, on a busy machine."""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """The service, with nobody in it yet."""
    with running(0) as made:
        yield made


@pytest.fixture(scope="module")
def desk(service: Service, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    """A desk that takes its roster from the service, and asks by itself but once."""
    asked = {"TRAINER_SERVICE_URL": service.url, "TRAINER_SERVICE_TOKEN": TOKEN, "TRAINER_SYNC_SECONDS": "3600"}
    with running_desk(servers, tmp_path_factory.mktemp("desk"), **asked) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Roster:
    """An operator with a zone, the franchise it is at the service, and who looks after it all."""

    operator: str
    franchise: str
    zone: UUID
    course: str
    admin: Person


@pytest.fixture
def roster(desk: RunningDesk, make: Make) -> Roster:
    """Another franchise for each test, which the desk knows and the service's name of it not."""
    number = make.number()
    operator = make.franchise(f"Vizag Learning {number}")
    zone, course = make.zone(operator_id=operator), f"Carnatic Music {number}"
    make.course(course)
    return Roster(f"Vizag Learning {number}", f"F-{number}", zone, course, make.admin())


def look(visitor: Visitor, name: str) -> list[str]:
    """What axe finds and what sticks out, in light, in dark and at 360 px; pictures are kept."""
    visitor.shoot(name)
    found = visitor.violations()
    with visitor.in_dark():
        visitor.shoot(f"{name}-dark")
        found += visitor.violations()
    with visitor.at_360():
        visitor.shoot(f"{name}-360")
        found += [*visitor.violations(), *visitor.overflow()]
    return [f"{name}: {fault}" for fault in found]


def first_run_is_over(page: Page) -> None:
    """The desk has asked by itself once; from now on it is asked to."""
    open_until(page, "/trainers/service?runs=all", lambda: page.locator("#sync-state tbody tr").count() > 0)
    no_run_is_open(page)


def no_run_is_open(page: Page) -> None:
    """Open the overview until no run is open, as somebody without JavaScript does."""
    open_until(page, "/trainers/service?runs=all", lambda: page.get_by_role("heading", name="Under way").count() == 0)


def open_until(page: Page, path: str, there: Callable[[], bool]) -> None:
    """Open a page again and again until something is there, half a second apart and not for ever."""
    for _try in range(OVER // 500):
        page.goto(path)
        if there():
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"{path} never showed it")


def test_an_admin_starts_a_run_and_settles_a_franchise(
    roster: Roster, service: Service, desk: RunningDesk, visit: Visit
) -> None:
    visitor = visit(roster.admin)
    page = visitor.page
    page.get_by_role("navigation", name="Main").get_by_role("link", name=re.compile("^Trainer service")).click()
    expect(page.get_by_role("heading", level=1, name="Trainer service")).to_be_visible()
    first_run_is_over(page)
    page.goto("/trainers/service")
    service.add(3, name="Lakshmi Rao", franchiseId=roster.franchise, zoneIds=[str(roster.zone)])
    unsaid = service.add(1, name="Ravi Teja", zoneIds=["Z-far"])
    service.edit(*unsaid, drop=["franchiseId"])

    with desk.worker_asleep():
        visitor.tab_to("Synchronise now")
        page.keyboard.press("Enter")
        state = page.locator("#sync-state")
        expect(state).to_contain_text("Under way")
        faults = look(visitor, "service-under-way")
        visitor.mark()
    newest = state.locator("tbody tr").first
    expect(newest).to_contain_text("Done", timeout=OVER)
    expect(newest).to_contain_text(roster.admin.name)
    expect(page.get_by_role("button", name="Synchronise now")).to_be_visible()
    expect(page.locator("#sync-progress")).to_have_count(0)
    expect(page.get_by_role("link", name=re.compile(r"4\s*In quarantine"))).to_be_visible()
    visitor.assert_not_reloaded()
    faults += look(visitor, "service")

    newest.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1, name="A synchronisation")).to_be_visible()
    expect(page.locator("#sync-run")).to_contain_text(f"Franchise “{roster.franchise}” is none that the desk knows.")
    faults += look(visitor, "service-run")

    page.goto("/trainers/service")
    page.get_by_role("link", name=re.compile(r"4\s*In quarantine")).click()
    faults += look(visitor, "service-quarantine")
    page.get_by_role("link", name="This franchise is… Lakshmi Rao").first.click()
    expect(
        page.get_by_role("heading", level=1, name=f"Which operator is franchise {roster.franchise}?")
    ).to_be_visible()
    expect(page.get_by_text("3 trainers wait for this.")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    faults += look(visitor, "service-link")
    page.get_by_label("This franchise is…").select_option(roster.operator)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("Ravi Teja")
    page.goto("/trainers?q=Lakshmi")
    expect(page.locator("#trainer-list tbody tr")).to_have_count(3)
    expect(page.locator("#trainer-list")).to_contain_text(roster.operator)

    page.goto("/trainers/service/links")
    faults += look(visitor, "service-links")
    assert not faults, "\n".join(faults)


def test_it_all_works_without_javascript(roster: Roster, service: Service, visit: Visit) -> None:
    page = visit(roster.admin, javascript=False).page
    first_run_is_over(page)
    service.add(2, name="Meena Das", franchiseId=roster.franchise, zoneIds=[str(roster.zone)])
    page.goto("/trainers/service")
    page.get_by_role("button", name="Load everybody").click()
    expect(page.get_by_text("a worker begins within seconds")).to_be_visible()
    no_run_is_open(page)
    page.goto("/trainers/service/names")
    page.get_by_role("link", name=f"Say what it is {roster.franchise}").click()
    page.get_by_label("This franchise is…").select_option(roster.operator)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.goto("/trainers?q=Meena")
    expect(page.locator("#trainer-list tbody tr")).to_have_count(2)


def test_a_trainer_changes_operators_when_somebody_says_so(
    roster: Roster, service: Service, visit: Visit, make: Make
) -> None:
    visitor = visit(roster.admin)
    page = visitor.page
    first_run_is_over(page)
    (who,) = service.add(1, name="Anand Moves", franchiseId=roster.franchise, zoneIds=[str(roster.zone)])
    page.goto("/trainers/service/links/new")
    page.get_by_label("What it names").select_option("Franchise")
    page.get_by_label("As the service writes it").fill(roster.franchise)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("This franchise is…").select_option(roster.operator)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    synchronise(page)
    service.edit(who, franchiseId=None, zoneIds=[str(make.zone())])
    synchronise(page)
    page.goto("/trainers/service/quarantine?reason=operator-changed")
    expect(page.locator("tbody")).to_contain_text(f"On the roster with {roster.operator}, said to belong to")
    page.get_by_role("link", name="This trainer belongs to… Anand Moves").click()
    expect(page.get_by_text("their remaining sessions need cover")).to_be_visible()
    faults = look(visitor, "service-move")
    page.get_by_label("This trainer belongs to…").select_option("The company")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-error-summary]")).to_contain_text("tick that you mean it")
    page.get_by_label("Yes, the trainer leaves them").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.goto("/trainers?q=Anand")
    rows = page.locator("#trainer-list tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("The company")
    expect(rows.last).to_contain_text("Has left")
    assert not faults, "\n".join(faults)


def synchronise(page: Page) -> None:
    """Ask for what changed, and wait for it."""
    page.goto("/trainers/service")
    page.get_by_role("button", name="Synchronise now").click()
    expect(page.get_by_role("button", name="Synchronise now")).to_be_visible(timeout=OVER)


def test_what_the_trainer_service_keeps_is_shown_and_not_asked_for(desk: RunningDesk, make: Make, visit: Visit) -> None:
    scene = Scene(make)
    with desk.database.unit_of_work() as work:
        owned = ["name", "active", "base", "courses", "zones", "hours", "time_off"]
        work.db.execute(text("UPDATE trainer_service_state SET fresh_at = :at"), {"at": NOW})
        work.db.execute(
            text("UPDATE trainers SET service_id = 'T-17', service_fields = :owned WHERE id = :id"),
            {"owned": owned, "id": scene.trainer},
        )
        work.db.execute(
            text(
                "UPDATE trainers SET service_id = 'T-18', service_fields = '{name}', held_back_at = :at,"
                " held_back_code = 'zones-time-zone' WHERE operator_id = :own AND name = 'Ravi Teja'"
            ),
            {"at": NOW, "own": scene.franchise},
        )
    admin = visit(make.admin())
    page = admin.page
    page.goto("/trainers?source=service")
    expect(page.locator("#trainer-list")).to_contain_text("From the trainer service, as of 09:")
    found = faults_of(admin, "trainers-service")
    page.get_by_role("link", name="Ravi Teja").click()
    expect(page.locator("main")).to_contain_text("It names zones in different time zones.")
    found += faults_of(admin, "trainer-held-back")
    page.goto(f"/trainers/{scene.trainer}/edit")
    expect(page.get_by_text("Kept by the trainer service: it is changed there.")).to_have_count(6)
    expect(page.get_by_label(re.compile("^Name"))).to_have_count(0)
    found += faults_of(admin, "trainer-edit-service")
    page.get_by_label("Notes").fill("Speaks some Odia.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("Speaks some Odia.")
    page.goto("/trainers/new")
    found += faults_of(admin, "trainer-whose")
    assert not found, "\n".join(found)
