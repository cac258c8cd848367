"""The overview of the synchronisation, its runs, and starting one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.make import Make
from tests.web.client import NOW, DeskClient
from tests.web.sync_rows import TOKEN, add_change, add_record, add_run, end_runs, put_on_roster, set_state
from webapp.core.actor import Role
from webapp.core.ids import new_id
from webapp.db.work import Database
from webapp.trainers.sync_models import SyncRun
from webapp.trainers.sync_rules import ChangeKind, Contract, RunCause, RunKind, RunState

START = "trainer_service.start"


def test_without_a_service_the_page_says_how_to_set_one_up_and_offers_nothing(admin: DeskClient) -> None:
    page = admin.get("trainer_service.index")
    assert "No trainer service is set up." in page.text
    assert "TRAINER_SERVICE_URL" in page.text
    assert "TRAINER_SERVICE_TOKEN" in page.text
    assert "Synchronise now" not in page.text
    assert "/trainers/service/runs" not in page.text
    refused = admin.post(START, data={"kind": "delta"})
    assert refused.status_code == 409
    assert "nobody to ask" in refused.text


def test_the_cards_tell_how_the_service_is(admin: DeskClient, service: None) -> None:
    set_state(fresh_at=NOW - timedelta(seconds=20), full_at=NOW - timedelta(hours=3), retry_tokens=3.4)
    page = admin.get("trainer_service.index")
    assert "roster.example.org:8443" in page.text
    assert TOKEN not in page.text
    assert "In bulk" in page.text
    assert ">Fresh<" in page.text
    assert "at most 60 s old" in page.text
    assert "3 h ago" in page.text
    assert ">Closed<" in page.text
    assert "3.4 of 10" in page.text
    assert admin.statements <= 12


@pytest.mark.parametrize(
    ("contract", "old", "word"),
    [
        (Contract.BULK, timedelta(seconds=61), "Stale"),
        (Contract.BULK, timedelta(minutes=16), "Too old"),
        (Contract.LEGACY, timedelta(seconds=590), "Fresh"),
        (Contract.LEGACY, timedelta(seconds=610), "Stale"),
    ],
)
def test_a_roster_that_is_too_old_says_so(
    admin: DeskClient, service: None, contract: Contract, old: timedelta, word: str
) -> None:
    set_state(contract=contract, fresh_at=NOW - old)
    assert f">{word}<" in admin.get("trainer_service.index").text


def test_a_roster_that_was_never_loaded_says_so(admin: DeskClient, service: None) -> None:
    set_state(contract=None, fresh_at=None)
    page = admin.get("trainer_service.index")
    assert "Never loaded" in page.text
    assert "Not known yet" in page.text
    assert "Nothing was synchronised yet." in page.text


@pytest.mark.parametrize(("seconds", "word"), [(4, "Open"), (11, "Half open")])
def test_the_breaker_says_whether_the_service_is_asked(
    admin: DeskClient, service: None, seconds: int, word: str
) -> None:
    set_state(failures=5, opened_at=NOW - timedelta(seconds=seconds))
    assert f">{word}<" in admin.get("trainer_service.index").text


def test_the_last_runs_are_listed_with_what_they_cost_and_changed(admin: DeskClient, service: None) -> None:
    add_run(added=2, changed=3, refused=1, gone=4, seen=1200, requests=3, retries=1, minutes_ago=1)
    add_run(RunState.FAILED, problem="not-allowed", errors={"not-allowed": 1}, minutes_ago=2)
    person = add_run(cause=RunCause.PERSON, requested_by_name="Asha Rao", kind=RunKind.FULL, minutes_ago=3)
    page = admin.get("trainer_service.index")
    assert "1200" in page.text
    assert "The trainer service does not let the desk in" in page.text
    assert "Asha Rao" in page.text
    assert "3.2 s" in page.text
    assert f"/trainers/service/runs/{person}" in page.text
    assert admin.statements <= 12


def test_runs_by_schedule_that_changed_nothing_are_left_out_until_asked_for(admin: DeskClient, service: None) -> None:
    quiet, loud = add_run(seen=1), add_run(changed=1)
    page = admin.get("trainer_service.index")
    assert str(loud) in page.text
    assert str(quiet) not in page.text
    page = admin.get("trainer_service.index", runs="all")
    assert str(loud) in page.text
    assert str(quiet) in page.text


@pytest.mark.parametrize(("kind", "wanted"), [("delta", RunKind.DELTA), ("full", RunKind.FULL)])
@pytest.mark.parametrize("htmx", [False, True])
def test_an_admin_starts_a_run(
    admin: DeskClient, service: None, db: Database, kind: str, wanted: RunKind, htmx: bool
) -> None:
    page = admin.get("trainer_service.index")
    assert f'name="kind" value="{kind}"' in page.text
    done = admin.post(START, data={"kind": kind}, htmx=htmx)
    assert (done.status_code, done.headers.get("HX-Redirect")) == ((200, "/trainers/service") if htmx else (303, None))
    assert "a worker begins within seconds" in admin.get("trainer_service.index").text
    with db.read_only() as session:
        run = session.scalars(select(SyncRun)).one()
    assert (run.kind, run.cause, run.state, run.accept_shrink) == (wanted, RunCause.PERSON, RunState.WAITING, False)


def test_a_run_that_is_open_is_the_only_one(admin: DeskClient, service: None, db: Database) -> None:
    add_run(RunState.RUNNING)
    assert admin.post(START, data={"kind": "full"}).status_code == 303
    assert "under way already" in admin.get("trainer_service.index").text
    with db.read_only() as session:
        assert len(session.scalars(select(SyncRun.id)).all()) == 1


def test_rubbish_starts_nothing(admin: DeskClient, service: None, db: Database) -> None:
    for data in ({"kind": "everything"}, {}):
        page = admin.post(START, data=data)
        assert page.status_code == 422
    with db.read_only() as session:
        assert session.scalars(select(SyncRun)).all() == []


def test_far_fewer_trainers_are_believed_only_when_that_was_the_problem(
    admin: DeskClient, service: None, db: Database
) -> None:
    add_run(RunState.FAILED, kind=RunKind.FULL, problem="server-error", minutes_ago=9)
    assert "accept_shrink" not in admin.get("trainer_service.index").text
    add_run(RunState.FAILED, kind=RunKind.FULL, problem="shrunk", minutes_ago=8)
    add_run(changed=1)
    page = admin.get("trainer_service.index")
    assert 'name="accept_shrink"' in page.text
    assert "less than half" in page.text
    assert admin.post(START, data={"kind": "full", "accept_shrink": "y"}).status_code == 303
    with db.read_only() as session:
        run = session.scalars(select(SyncRun).where(SyncRun.state == RunState.WAITING)).one()
    assert run.accept_shrink


def test_only_a_run_for_everybody_can_believe_that_many_have_left(
    admin: DeskClient, service: None, db: Database
) -> None:
    assert admin.post(START, data={"kind": "delta", "accept_shrink": "y"}).status_code == 303
    with db.read_only() as session:
        assert not session.scalars(select(SyncRun)).one().accept_shrink


def test_an_open_run_asks_for_its_progress_and_a_finished_one_does_not(admin: DeskClient, service: None) -> None:
    run = add_run(RunState.RUNNING, kind=RunKind.FULL, seen=620, expected=10000, pages=2, requests=3)
    for address in ("/trainers/service", f"/trainers/service/runs/{run}"):
        page = admin.get(address)
        assert 'hx-trigger="every 2s"' in page.text
        assert "620 of 10000 trainers" in page.text
        assert 'max="10000" value="620"' in page.text
        assert "Synchronise now" not in page.text
        part = admin.get(address, htmx=True)
        assert "<html" not in part.text
        assert "620 of 10000 trainers" in part.text
    end_runs()
    for address in ("/trainers/service", f"/trainers/service/runs/{run}"):
        assert "hx-trigger" not in admin.get(address, htmx=True).text


def test_one_run_tells_what_went_wrong_and_what_it_changed(admin: DeskClient, service: None, make: Make) -> None:
    zone, course = make.zone(), make.course()
    trainer = make.trainer((zone,), (course,), name="Lakshmi Rao")
    put_on_roster(trainer, "T-1")
    run = add_run(
        RunState.FAILED, problem="too-slow", errors={"too-slow": 3, "server-error": 1}, requests=9, received=2_345_678
    )
    add_change(
        run, ChangeKind.CHANGED, "T-1", name="Lakshmi Rao", trainer_id=trainer, facts={"fields": ["base", "hours"]}
    )
    add_change(
        run, ChangeKind.REFUSED, "T-2", name="Ravi", facts={"code": "franchise-unknown", "facts": {"franchise": "F-9"}}
    )
    page = admin.get("trainer_service.run", run_id=run)
    assert "did not answer in time" in page.text
    assert "answered with an error of its own" in page.text
    assert "2.3 MB" in page.text
    assert f"/trainers/{trainer}" in page.text
    assert "base, working hours" in page.text
    assert "Franchise “F-9” is none that the desk knows." in page.text
    assert page.text.index("T-2") < page.text.index("T-1"), "what needs somebody comes first"
    assert admin.statements <= 12


def test_what_a_run_changed_comes_in_pages(admin: DeskClient, service: None) -> None:
    run = add_run(changed=60)
    for number in range(60):
        add_change(run, ChangeKind.CHANGED, f"T-{number:03}", name=f"Trainer {number:03}")
    page = admin.get("trainer_service.run", run_id=run, page="2")
    assert "Trainer 025" in page.text
    assert "Trainer 024" not in page.text
    assert "26–50 of 60" in page.text
    assert "Nothing on this page." in admin.get("trainer_service.run", run_id=run, page="9").text


def test_a_run_that_is_not_there_is_not_found(admin: DeskClient, service: None) -> None:
    assert admin.get("trainer_service.run", run_id=new_id()).status_code == 404


ADDRESSES = ["", "/quarantine", "/names", "/links", f"/runs/{new_id()}", "/links/new", f"/links/{new_id()}/remove"]


@pytest.mark.parametrize("role", [Role.FRANCHISE_STAFF, Role.FRANCHISE_MANAGER, Role.COMPANY_STAFF])
def test_nobody_else_sees_or_starts_anything(client: DeskClient, make: Make, service: None, role: Role) -> None:
    client.sign_in(make.user(role))
    assert "/trainers/service" not in client.get("trainers.index").text
    for address in ADDRESSES:
        assert client.get(f"/trainers/service{address}").status_code == 403
    for address in ("/runs", "/links/new", f"/links/{new_id()}/remove"):
        assert client.post(f"/trainers/service{address}", data={"kind": "delta"}).status_code == 403


def test_an_auditor_reads_and_has_nothing_to_press(client: DeskClient, make: Make, service: None, db: Database) -> None:
    run = add_run(RunState.FAILED, kind=RunKind.FULL, problem="shrunk")
    add_record("T-9", code="franchise-unknown", facts={"franchise": "F-9"})
    client.sign_in(make.auditor())
    for address in ("", "/quarantine", "/names", "/links", f"/runs/{run}"):
        page = client.get(f"/trainers/service{address}")
        assert page.status_code == 200
        main = page.text.partition("<main")[2]
        assert "<form" not in main
        assert "/links/new" not in main
        assert "<button" not in main
    assert client.get("trainer_service.link").status_code == 403
    assert client.post(START, data={"kind": "full"}).status_code == 403


def test_whoever_sees_the_desk_as_somebody_sees_no_more_than_they_do(
    client: DeskClient, make: Make, service: None
) -> None:
    staff, auditor = make.staff(), make.auditor()
    client.sign_in(make.admin())
    assert client.post("accounts.view_as_begin", user_id=staff.id).status_code == 303
    assert client.get("trainer_service.index").status_code == 403
    assert "/trainers/service" not in client.get("trainers.index").text
    assert client.post("accounts.view_as_end").status_code == 303
    assert client.post("accounts.view_as_begin", user_id=auditor.id).status_code == 303
    page = client.get("trainer_service.index")
    assert page.status_code == 200
    assert "Synchronise now" not in page.text
    assert client.post(START, data={"kind": "full"}).status_code == 403


def test_the_navigation_counts_who_is_in_quarantine(client: DeskClient, make: Make, service: None) -> None:
    add_record("T-1", code="franchise-unsaid")
    add_record("T-2", code="no-time-zone")
    add_record("T-3")
    add_record("T-4", code="franchise-unsaid", gone_at=NOW)
    counted = '<span>Trainer service</span><span class="zd-count" aria-label="2 waiting">2</span>'
    for person in (make.admin(), make.auditor()):
        client.sign_in(person)
        assert counted in client.get("trainers.index").text
    client.sign_in(make.manager())
    assert "<span>Trainer service</span>" not in client.get("trainers.index").text


def test_the_navigation_asks_once_for_all_that_waits(client: DeskClient, make: Make, service: None) -> None:
    taken = []
    for person in (make.manager(), make.admin()):
        client.sign_in(person)
        client.get("courses.index")  # the first page of all looks up how old the roster is, and in which time zone
        client.get("courses.index")
        taken.append(client.statements)
    assert taken[0] == taken[1]
