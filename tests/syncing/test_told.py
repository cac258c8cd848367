"""Messages under the deployed contract: whom they name is asked for, once, and nobody is settled unasked."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.syncing.conftest import Sync, trainer
from tests.syncing.told import Told
from tests.web.client import NOW
from webapp.clients.trainer_service.said import UNSAID, SaidTrainer
from webapp.trainers.sync_models import ServiceHook
from webapp.trainers.sync_rules import RunCause, RunKind
from webapp.trainers.syncing import told

BEFORE = NOW - timedelta(seconds=1)


def deployed(service_id: str, **fields: object) -> SaidTrainer:
    """A trainer as a deployed service knows them: neither zones nor instants."""
    return replace(trainer(service_id, **fields), updated_at=None, zones=UNSAID)


def service_of(sync: Sync, count: int) -> Told:
    """A service that was loaded."""
    sync.make.zone()
    service = Told(*[deployed(f"T{number}") for number in range(count)], legacy=True, per_page=100)
    sync.run(service, now=NOW - timedelta(hours=1))
    service.asked.clear()
    return service


def message(sync: Sync, service_id: str | None, *, at: datetime = BEFORE, kind: str = "trainer.updated") -> None:
    number = len(sync.rows("SELECT FROM trainer_service_hooks"))
    with sync.db.unit_of_work() as work:
        row = ServiceHook(id=f"msg_{number}", received_at=at, kind=kind, service_id=service_id, settled_at=None)
        work.db.add(row)


def delta(sync: Sync, service: Told, *, seconds: float = 60.0) -> dict[str, object]:
    """The run that a message asks for."""
    return sync.run(service, RunKind.DELTA, cause=RunCause.WEBHOOK, seconds=seconds)


def unsettled(sync: Sync) -> list[str]:
    """Whom messages name that nobody has looked into."""
    rows = sync.rows("SELECT service_id FROM trainer_service_hooks WHERE settled_at IS NULL ORDER BY 1")
    return [row["service_id"] for row in rows]


def test_many_messages_are_worked_off_by_one_job_after_another(sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "AT_A_TIME", 2)
    service = service_of(sync, 8)
    for number in range(8):
        message(sync, f"T{number}")
    service.before_answer = lambda _question: time.sleep(0.6)
    run = delta(sync, service, seconds=0.5)
    assert run["state"] == "waiting"
    for _ in range(8):
        sync.go_on(service, seconds=0.5)
    asked = [question for question in service.asked if question.startswith("detail")]
    assert (sorted(asked), unsettled(sync)) == ([f"detail T{number}" for number in range(8)], [])
    assert [row["state"] for row in sync.rows("SELECT state FROM trainer_sync_runs WHERE kind = 'delta'")] == ["done"]


def test_more_messages_than_one_by_one_is_worth_are_a_look_at_everybody(
    sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told, "MOST_TOLD", 3)
    service = service_of(sync, 5)
    for number in range(4):
        message(sync, f"T{number}")
    run = delta(sync, service)
    assert (run["kind"], run["state"], run["seen"]) == ("full", "done", 5)
    assert service.asked[0].startswith("first")
    assert unsettled(sync) == []


def test_who_is_new_is_placed_as_the_list_says(sync: Sync) -> None:
    service = service_of(sync, 2)
    service.say(deployed("T9", available=False))
    message(sync, "T9")
    run = delta(sync, service)
    assert (run["kind"], run["state"], run["added"]) == ("full", "done", 1)
    found = sync.trainer("T9")
    assert found is not None
    assert not found["active"]
    assert unsettled(sync) == []


def test_who_comes_back_is_placed_as_the_list_says(sync: Sync) -> None:
    service = service_of(sync, 3)
    said = service.trainers.pop("T1")
    assert isinstance(said, SaidTrainer)
    for _ in range(2):
        sync.run(service)
    assert sync.record("T1")["gone_at"] is not None
    service.say(replace(said, available=False))
    message(sync, "T1")
    assert delta(sync, service)["kind"] == "full"
    found = sync.trainer("T1")
    assert found is not None
    assert not found["active"]


def test_who_is_new_and_in_no_list_ends_with_one_look_at_everybody(sync: Sync) -> None:
    service = service_of(sync, 2)
    service.say(deployed("T9"))
    service.hidden = {"T9"}
    message(sync, "T9")
    assert delta(sync, service)["kind"] == "full"
    assert (sync.trainer("T9"), unsettled(sync)) == (None, [])
    assert sync.rows("SELECT FROM trainer_sync_runs WHERE state = 'waiting'") == []


@pytest.mark.parametrize("kind", RunKind)
def test_a_message_that_came_to_light_late_is_looked_into_all_the_same(sync: Sync, kind: RunKind) -> None:
    service = service_of(sync, 3)
    message(sync, "T1")

    def late(question: str) -> None:
        if question == "detail T1":
            message(sync, "T0")
            service.before_answer = lambda _question: None

    service.before_answer = late
    assert sync.run(service, kind, cause=RunCause.WEBHOOK)["state"] == "done"
    assert ("detail T0" in service.asked, unsettled(sync)) == (False, ["T0"])
    (then,) = sync.rows("SELECT kind, next_at FROM trainer_sync_runs WHERE state = 'waiting'")
    assert then["kind"] == "delta"
    sync.go_on(service, now=then["next_at"])
    assert ("detail T0" in service.asked, unsettled(sync)) == (True, [])
    assert sync.rows("SELECT FROM trainer_sync_runs WHERE state = 'waiting'") == []


def test_somebody_whom_the_list_hides_is_asked_for_when_a_message_names_them(sync: Sync) -> None:
    service = service_of(sync, 3)
    service.hidden = {"T1"}
    message(sync, "T1")
    sync.run(service)
    assert unsettled(sync) == ["T1"], "the list gave no reason to ask"
    (then,) = sync.rows("SELECT next_at FROM trainer_sync_runs WHERE state = 'waiting'")
    sync.go_on(service, now=then["next_at"])
    assert ("detail T1" in service.asked, unsettled(sync)) == (True, [])


@pytest.mark.parametrize(("service_id", "what"), [(None, "roster.updated"), ("T1", "trainer.deleted")])
def test_a_message_that_takes_a_look_at_everybody_gets_one(sync: Sync, service_id: str | None, what: str) -> None:
    service = service_of(sync, 3)
    message(sync, service_id, kind=what)
    delta(sync, service)
    (then,) = sync.rows("SELECT kind, next_at FROM trainer_sync_runs WHERE state = 'waiting'")
    assert then["kind"] == "full"
    sync.go_on(service, now=then["next_at"])
    assert unsettled(sync) == []
    assert sync.rows("SELECT FROM trainer_sync_runs WHERE state = 'waiting'") == []
