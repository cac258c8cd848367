"""The overview while a run is open: what it asks again and again, and what that costs."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from tests.make import Make
from tests.web.client import DeskClient
from tests.web.sync_rows import add_link, add_record, add_run, end_runs
from webapp.db.work import read_only, unit_of_work
from webapp.trainers.sync_models import SyncRun
from webapp.trainers.sync_rules import LinkKind, RunState
from webapp.trainers.syncing import names


def polled(page: TestResponse) -> str:
    """The address that the overview asks for its progress."""
    found = re.search(r'id="sync-progress" hx-get="([^"]+)"', page.text)
    assert found
    return html.unescape(found[1])


def test_what_is_asked_every_two_seconds_is_the_progress_alone(admin: DeskClient, service: None) -> None:
    add_run(RunState.RUNNING, seen=7)
    add_record("T-1", code="no-time-zone")
    address = polled(admin.get("trainer_service.index", runs="all", page="2"))
    whole = admin.statements
    part = admin.get(address, htmx=True)
    assert "7 trainers" in part.text
    assert "In quarantine" not in part.text
    assert "HX-Retarget" not in part.headers
    assert polled(part) == address, "it goes on asking the same"
    assert admin.statements <= whole - 6
    plain = admin.get(address)
    assert "In quarantine" in plain.text, "whoever opens the address gets the page"


@pytest.mark.parametrize("how", ["over", "put off", "another"])
def test_the_whole_overview_comes_once_when_there_is_more_to_say(admin: DeskClient, service: None, how: str) -> None:
    run = add_run(RunState.RUNNING, changed=1)
    address = polled(admin.get("trainer_service.index"))
    end_runs()
    if how == "put off":
        with unit_of_work() as work:
            work.db.execute(update(SyncRun).values(state=RunState.WAITING, attempts=1, finished_at=None))
    elif how == "another":
        add_run(RunState.RUNNING)
    part = admin.get(address, htmx=True)
    assert (part.headers["HX-Retarget"], part.headers["HX-Reswap"]) == ("#sync-state", "outerMorph")
    assert 'id="sync-state"' in part.text
    assert str(run) in part.text
    assert "part=progress" not in re.sub(r'id="sync-progress" hx-get="[^"]+"', "", part.text)
    assert ("Synchronise now" in part.text) is (how != "another")
    assert ("hx-trigger" in part.text) is (how != "over")


def test_a_refused_start_leads_back_to_the_overview_and_not_to_where_it_was_sent(
    admin: DeskClient, service: None
) -> None:
    for minutes in range(30):
        add_run(changed=1, minutes_ago=minutes + 1)
    add_run(RunState.RUNNING)
    page = admin.post("trainer_service.start", data={"kind": "everything"})
    assert page.status_code == 422
    assert polled(page).startswith("/trainers/service?part=progress&")
    assert 'href="/trainers/service?page=2"' in page.text
    assert not re.search(r'(href|hx-get)="/trainers/service/runs[?"]', page.text)


def test_what_is_counted_is_what_is_listed(make: Make) -> None:
    add_record("T-1", code="franchise-unknown", facts={"franchise": "F-9"})
    add_record("T-2", code="franchise-unknown", facts={"franchise": "F-9"})
    add_record("T-3", code="zones-unknown", facts={"zones": ["Z-1", "F-9", "Z-known"]})
    add_record("T-4", notes=[{"kind": "course", "name": "F-9"}])
    add_link(LinkKind.ZONE, "Z-known", make.zone())
    with read_only() as db:
        assert names.unlinked_total(db) == names.unlinked(db, limit=9)[1] == 4
        assert names.links_total(db) == names.links_index(db, limit=9)[1] == 1
