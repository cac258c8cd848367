"""The synchronisation over HTTP, with a service that is ill in every way the reference service knows.

Whatever happens on the way: the roster stays as it was, the run says why, and once the service is well everything that
changed meanwhile is on the roster. The client's patience is short here, to spare the tests' time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from tests.clients.service import QUICK
from tests.reference_service.running import Service, running
from tests.reference_service.wishes import Fault as Ill
from tests.syncing.conftest import RHYTHM, Sync, counts
from tests.web.client import NOW
from webapp.clients.trainer_service.http import HttpTrainerService
from webapp.clients.trainer_service.said import Fault
from webapp.core.actor import SYSTEM
from webapp.db.tenancy import acting_as
from webapp.trainers.sync_rules import LinkKind, RunCause, RunKind
from webapp.trainers.syncing import runs
from webapp.trainers.syncing.running import work_off

TRAINERS = 30


@dataclass
class Line:
    """A desk and a service with a line between them. Every run is a minute after the one before."""

    sync: Sync
    service: Service
    franchise: UUID
    now: datetime = NOW
    asked: list[HttpTrainerService] = field(default_factory=list)

    def run(self, kind: RunKind = RunKind.FULL, *, accept_shrink: bool = False) -> dict[str, Any]:
        """Ask for a run and work it off."""
        self.now += timedelta(minutes=1)
        with self.sync.db.unit_of_work() as work:
            run_id = runs.request(work, kind, RunCause.PERSON, by=SYSTEM, now=self.now, accept_shrink=accept_shrink)
        client = partial(HttpTrainerService, self.service.url, self.service.token, profile=QUICK, now=lambda: self.now)
        with acting_as(SYSTEM):
            work_off(self.sync.db, client, RHYTHM, now=lambda: self.now, seconds=60)
        return self.sync.run_of(run_id)

    def until_done(self, kind: RunKind = RunKind.FULL, *, times: int = 40) -> dict[str, Any]:
        """Run until a run is done."""
        for _ in range(times):
            run = self.run(kind)
            if run["state"] == "done":
                return run
        raise AssertionError(f"{run['state']} {run['problem']} {run['errors']}")

    def roster(self) -> list[dict[str, Any]]:
        """Everything of the roster but the stamps that writers of slots renew."""
        return self.sync.rows(
            """
            SELECT service_id, operator_id, name, active, base_lat, base_lng, service_fields, left_at, held_back_code,
                   ARRAY(SELECT course_id FROM trainer_courses c WHERE c.trainer_id = t.id ORDER BY 1) AS courses,
                   ARRAY(SELECT zone_id FROM trainer_zones z WHERE z.trainer_id = t.id ORDER BY 1) AS zones,
                   ARRAY(SELECT weekday || ' ' || starts || ' ' || ends FROM working_hours h WHERE h.trainer_id = t.id
                         ORDER BY weekday, starts) AS hours
            FROM trainers t ORDER BY service_id
            """
        )

    def names(self) -> set[str]:
        """The names on the roster."""
        return {row["name"] for row in self.roster()}


Start = Callable[..., Line]


@pytest.fixture
def start(sync: Sync) -> Iterator[Start]:
    """Starts a service of the company's and a franchise's trainers, and loads the roster."""
    open_services = []

    def begin(*, trainers: int = TRAINERS, **wishes: Any) -> Line:
        franchise = sync.make.franchise()
        zones: Mapping[str | None, list[UUID]] = {
            None: [sync.make.zone(), sync.make.zone()],
            "F1": [sync.make.zone(operator_id=franchise)],
        }
        for course in ("Spoken English", "Telugu", "Physics"):
            sync.make.course(course)
        sync.link(LinkKind.FRANCHISE, "F1", franchise)
        manager = running(trainers, zones=zones, **wishes)
        open_services.append(manager)
        line = Line(sync, manager.__enter__(), franchise)
        first = line.run()
        assert (first["state"], first["added"]) == ("done", trainers)
        line.service.reset_counts()
        return line

    yield begin
    for manager in open_services:
        manager.__exit__(None, None, None)


SPOILED: dict[str, tuple[dict[str, Any], Fault]] = {
    "an error of its own": ({"fault": "500"}, Fault.SERVER_ERROR),
    "a gateway's error": ({"fault": "503", "retry_after": "0"}, Fault.SERVER_ERROR),
    "too many requests": ({"fault": "429", "retry_after": "0"}, Fault.TOO_MANY),
    "not allowed": ({"fault": "401"}, Fault.NOT_ALLOWED),
    "not understood": ({"fault": "400"}, Fault.REFUSED),
    "latency": ({"latency_ms": 900}, Fault.TOO_SLOW),
    Ill.HANG: ({"fault": Ill.HANG}, Fault.TOO_SLOW),
    Ill.DRIP: ({"fault": Ill.DRIP}, Fault.TOO_SLOW),
    Ill.RESET: ({"fault": Ill.RESET}, Fault.NO_CONNECTION),
    Ill.TRUNCATED: ({"fault": Ill.TRUNCATED}, Fault.NO_CONNECTION),
    Ill.WRONG_LENGTH: ({"fault": Ill.WRONG_LENGTH}, Fault.NOT_JSON),
    Ill.BAD_JSON: ({"fault": Ill.BAD_JSON}, Fault.NOT_JSON),
    Ill.HTML: ({"fault": Ill.HTML}, Fault.NOT_JSON),
    Ill.WRONG_TYPES: ({"fault": Ill.WRONG_TYPES}, Fault.WRONG_SHAPE),
    Ill.HUGE: ({"fault": Ill.HUGE}, Fault.TOO_LARGE),
    Ill.HUGE_CHUNKED: ({"fault": Ill.HUGE_CHUNKED}, Fault.TOO_LARGE),
    Ill.REDIRECT: ({"fault": Ill.REDIRECT}, Fault.REDIRECT),
}
"""What spoils every answer, and what the run says of it."""


def test_every_illness_of_the_reference_service_is_tried() -> None:
    alone = {Ill.WRONG_ITEMS}
    assert {Ill(name) for name in SPOILED if name in set(Ill)} | alone == set(Ill)


@pytest.mark.parametrize("illness", SPOILED)
@pytest.mark.parametrize("contract", ["bulk", "legacy"])
def test_the_roster_stays_as_it_is_and_catches_up_afterwards(start: Start, contract: str, illness: str) -> None:
    wishes, fault = SPOILED[illness]
    line = start(trainers=6, contract=contract)
    before, fresh_at = line.roster(), line.sync.state()["fresh_at"]
    line.service.edit("T000001", name="Asha Meanwhile")
    line.service.set(**wishes)
    for kind in (RunKind.DELTA, RunKind.FULL):
        run = line.run(kind)
        assert (run["state"], run["problem"]) == ("failed", fault.value)
        assert run["errors"][fault.value] >= 1
    assert (line.roster(), line.sync.state()["fresh_at"]) == (before, fresh_at)
    line.service.clear()
    line.until_done()
    assert "Asha Meanwhile" in line.names()
    assert line.sync.state()["fresh_at"] == line.now


def test_a_service_that_is_gone_is_one_refused_connection_and_then_the_breaker(start: Start) -> None:
    line = start(trainers=4)
    before, url = line.roster(), line.service.url
    line.service.url = "http://127.0.0.1:1"
    problems = {line.run(RunKind.DELTA)["problem"] for _ in range(8)}
    assert Fault.NO_CONNECTION.value in problems
    assert line.sync.state()["opened_at"] is not None
    line.now -= timedelta(seconds=59)
    assert line.run(RunKind.DELTA)["problem"] == Fault.BREAKER_OPEN.value, "it is remembered from run to run"
    assert line.roster() == before
    line.service.url = url
    assert line.until_done()["state"] == "done"
    assert line.sync.state()["opened_at"] is None


def test_errors_by_rate_cost_pages_and_no_trainer(start: Start) -> None:
    line = start(trainers=1200)
    line.service.edit("T000007", name="Asha Meanwhile")
    line.service.set(rates={"503": 0.3}, retry_after="0")
    line.until_done()
    assert "Asha Meanwhile" in line.names()
    assert len(line.roster()) == 1200
    assert {row["missed_runs"] for row in line.sync.rows("SELECT missed_runs FROM trainer_service_records")} == {0}


def test_a_run_that_breaks_off_in_the_middle_goes_on_from_its_page(start: Start) -> None:
    line = start(trainers=1200)
    line.service.edit("T000007", "T001100", name="Asha Meanwhile")
    line.service.set(coming=["ok", "ok", "reset", "reset", "reset"])
    broken = line.run()
    assert (broken["state"], broken["problem"], broken["seen"]) == ("waiting", Fault.NO_CONNECTION.value, 1000)
    line.service.clear()
    line.service.reset_counts()
    done = line.run()
    assert (done["id"], done["state"], done["seen"]) == (broken["id"], "done", 1200)
    assert line.service.asked == 1
    assert sum(row["name"] == "Asha Meanwhile" for row in line.roster()) == 2


def test_entries_of_wrong_types_spoil_themselves_alone(start: Start) -> None:
    line = start()
    before = line.roster()
    line.service.set(fault=Ill.WRONG_ITEMS)
    run = line.run()
    assert (run["state"], run["refused"], run["unchanged"]) == ("done", 3, TRAINERS - 3)
    held = line.sync.rows("SELECT service_id FROM trainers WHERE held_back_code = 'unreadable'")
    assert len(held) == 3
    assert line.names() == {row["name"] for row in before}
    line.service.clear()
    assert line.run()["changed"] == 3
    assert line.roster() == before


def test_latency_within_patience_is_only_slow(start: Start) -> None:
    line = start(trainers=4)
    line.service.edit("T000001", name="Asha Meanwhile")
    line.service.set(latency_ms=150, jitter_ms=100)
    assert line.run()["state"] == "done"
    assert "Asha Meanwhile" in line.names()


@pytest.mark.parametrize("hours", [-2000, 2000])
def test_a_clock_that_is_months_wrong_skips_no_change(start: Start, hours: int) -> None:
    line = start(trainers=4, clock_skew_seconds=hours * 3600)
    for name in ("Asha", "Ravi", "Meena"):
        line.service.edit("T000002", name=name)
        line.run(RunKind.DELTA)
        assert name in line.names()


def test_a_clock_that_is_set_back_hides_a_change_until_everybody_is_asked_for_at_the_latest(start: Start) -> None:
    line = start(trainers=4)
    line.service.set(clock_skew_seconds=-7200.0)
    line.service.edit("T000002", name="Asha")
    line.run()
    assert "Asha" in line.names()


@pytest.mark.parametrize("shifting", ["insert", "remove", "both"])
def test_pages_that_shift_while_they_are_read_make_nobody_leave(start: Start, shifting: str) -> None:
    line = start(trainers=1200)
    line.service.set(shifting=shifting)
    for _ in range(3):
        assert line.run()["state"] == "done"
    line.service.clear()
    there = {str(item["trainerId"]) for item in line.service.trainers()}
    line.run()
    line.run()
    left = line.sync.rows("SELECT service_id FROM trainers WHERE left_at IS NOT NULL")
    assert {row["service_id"] for row in left} & there == set()
    active = line.sync.rows("SELECT service_id FROM trainers WHERE left_at IS NULL AND service_id IS NOT NULL")
    assert {row["service_id"] for row in active} == there


@pytest.mark.parametrize("contract", ["bulk", "legacy"])
@pytest.mark.parametrize("how", ["leave_out", "say_null"])
@pytest.mark.parametrize(
    "field", ["name", "available", "franchiseId", "zoneIds", "certifiedCourses", "location", "workingHours", "timeOff"]
)
def test_a_trainer_of_a_franchise_never_becomes_the_company_s_whatever_is_left_out(
    start: Start, contract: str, how: str, field: str
) -> None:
    line = start(trainers=6, contract=contract, legacy_rich=True)
    theirs = {row["service_id"] for row in line.roster() if row["operator_id"] == line.franchise}
    assert theirs
    same = {"franchiseId": ["franchise"], "certifiedCourses": ["profile"]}
    wishes: dict[str, Any] = {how: [field, *same.get(field, [])]}
    line.service.set(**wishes)
    line.service.edit(available=True)  # everybody is said anew
    line.now += timedelta(hours=25)
    assert line.run()["state"] == "done"
    assert {row["service_id"] for row in line.roster() if row["operator_id"] == line.franchise} == theirs
    new = line.service.add(4, franchiseId="F1")
    assert line.run()["state"] == "done"
    company = line.sync.rows(
        "SELECT service_id FROM trainers WHERE service_id = ANY(:new) AND operator_id <> :franchise",
        new=new,
        franchise=line.franchise,
    )
    if how == "say_null" and field == "franchiseId":
        # For who was never seen before, null is the contract's word for the company.
        assert {row["service_id"] for row in company} <= set(new)
    else:
        assert company == []


def test_nothing_changed_is_one_request_and_a_304(start: Start) -> None:
    line = start(trainers=1200)
    line.run(RunKind.DELTA)
    line.service.reset_counts()
    run = line.run(RunKind.DELTA)
    assert (run["requests"], counts(run)) == (1, {})
    assert line.service.counts()["status 304"] == 1


def test_a_first_load_asks_once_for_each_page_of_five_hundred(start: Start) -> None:
    line = start(trainers=1200)
    (first,) = line.sync.rows("SELECT pages, requests FROM trainer_sync_runs")
    assert (first["pages"], first["requests"]) == (3, 3)


@pytest.mark.parametrize("legacy_cap", [100, 500])
def test_the_deployed_list_is_read_to_its_end_whatever_it_makes_of_the_first_limit(
    start: Start, legacy_cap: int
) -> None:
    line = start(trainers=230, contract="legacy", legacy_cap=legacy_cap)
    assert len(line.roster()) == 230
