"""A family is given everything and then erased, by an admin at a browser; what is left is looked at by everybody."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import text

from tests.e2e.conftest import Visit
from tests.e2e.running import RunningDesk
from tests.e2e.visitor import Visitor
from tests.jobs.builders import rows, until
from tests.make import Make
from tests.rooms.family_story import GUARDIAN, Family, everything, family_with_everything, tells
from webapp.clients.files import store_from_url
from webapp.config import Settings


@pytest.fixture
def family(desk: RunningDesk, make: Make) -> Family:
    """As of New Year everything of it is over, and its certificates are issued."""
    settings: Settings = desk.app.extensions["settings"]
    family = family_with_everything(make, desk.database, settings, store_from_url(settings.certificate_store_url))
    desk.make_keys()
    with desk.database.unit_of_work() as work:
        work.db.execute(text("DELETE FROM schedule_slots"))
    until(lambda: _number(desk, "state <> 'issued'") == 0, "certificates issued")
    return family


def _number(desk: RunningDesk, condition: str) -> object:
    return rows(desk.database, f"SELECT count(*) FROM certificates WHERE {condition}")[0][0]


def _looked_at(visitor: Visitor, name: str) -> None:
    visitor.shoot_all(name)
    with visitor.in_dark():
        assert visitor.violations() == []
    with visitor.at_360():
        assert visitor.overflow() == []
        assert visitor.violations() == []
    assert visitor.violations() == []


def test_an_admin_gives_a_family_everything_and_erases_it(
    desk: RunningDesk, visit: Visit, family: Family, tmp_path: Path
) -> None:
    number, token = rows(desk.database, "SELECT number, token FROM certificates ORDER BY id LIMIT 1")[0]
    admin = visit(family.admin)
    page = admin.page
    page.goto(f"/households/{family.id}")
    page.get_by_role("link", name="Give out or erase what we hold").click()
    expect(page.get_by_role("heading", name="What stays, and why")).to_be_visible()
    _looked_at(admin, "family-data")

    with page.expect_download() as download:
        page.get_by_role("button", name="Download everything").click()
    download.value.save_as(tmp_path / "family.zip")
    with zipfile.ZipFile(tmp_path / "family.zip") as file:
        told: dict[str, Any] = json.loads(file.read("family.json"))
    assert told["guardians"][0]["name"] == GUARDIAN

    page.get_by_role("button", name="Erase this family's data").click()
    expect(page.get_by_text("There are 2 problems")).to_be_visible()
    _looked_at(admin, "family-data-refused")
    page.get_by_label("Reason").select_option("asked_for")
    page.get_by_label("Name of the first guardian").fill(GUARDIAN)
    page.get_by_role("button", name="Erase this family's data").click()
    expect(page.get_by_role("heading", name="Erased family")).to_be_visible()
    expect(page.get_by_text("The family's data was erased.")).to_be_visible()
    _looked_at(admin, "erased-family")
    assert tells(everything(desk.database)) == {}
    until(lambda: _number(desk, "file_erased_at IS NULL") == 0, "files removed by the worker")

    anybody = visit()
    anybody.page.goto(f"/verify/{number}/{token}")
    expect(anybody.page.get_by_role("heading", name="This certificate is genuine")).to_be_visible()
    assert "Devarakonda" not in anybody.page.content()
    _looked_at(anybody, "verify-erased")
    for address, name in (("/bookings", "erased-bookings"), ("/certificates", "erased-certificates")):
        page.goto(address)
        expect(page.get_by_text("Erased family").first).to_be_visible()
        admin.shoot(name)
    page.get_by_role("table").get_by_role("link").first.click()
    expect(page.get_by_text("Its file is gone.")).to_be_visible()
    _looked_at(admin, "erased-certificate")


def test_without_javascript_it_is_the_same(visit: Visit, make: Make) -> None:
    admin, family = make.admin(), make.household(guardian="Sita Devi")
    page = visit(admin, javascript=False).page
    page.goto(f"/households/{family.household_id}/data")
    page.get_by_label("Reason").select_option("mistake")
    page.get_by_label("Name of the first guardian").fill("Somebody else")
    page.get_by_role("button", name="Erase this family's data").click()
    expect(page.get_by_text("Type the name exactly as it is shown.").first).to_be_visible()
    page.get_by_label("Name of the first guardian").fill("sita devi")
    page.get_by_role("button", name="Erase this family's data").click()
    expect(page.get_by_role("heading", name="Erased family")).to_be_visible()
