"""The contract as deployed today: a list of everybody, and everybody one by one as seldom as can be."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.syncing.conftest import Sync, counts, trainer
from tests.syncing.told import Told
from tests.web.client import NOW
from webapp.clients.trainer_service.said import UNSAID, Fault, SaidTrainer, UnreadableTrainer
from webapp.db.work import Work
from webapp.trainers.sync_models import ServiceHook
from webapp.trainers.sync_rules import LinkKind, RunCause, RunKind
from webapp.trainers.syncing import deployed, lists

LATER, TOMORROW = NOW + timedelta(hours=1), NOW + timedelta(hours=25)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two and answers written by threes."""
    monkeypatch.setattr(lists, "PER_PAGE", 2)
    monkeypatch.setattr(deployed, "AT_A_TIME", 3)


def service_of(sync: Sync, count: int = 5, **fields: Any) -> Told:
    """A service as it is deployed: neither zones nor hours, and no instants."""
    sync.make.zone()
    said = [replace(trainer(f"T{number}"), updated_at=None, zones=UNSAID, **fields) for number in range(count)]
    return Told(*said, legacy=True)


def details(service: Told) -> list[str]:
    """Whom it was asked for one by one; forgets them."""
    found = sorted(question.removeprefix("detail ") for question in service.asked if question.startswith("detail"))
    service.asked.clear()
    return found


def known(service: Told, service_id: str) -> SaidTrainer:
    said = service.trainers[service_id]
    assert isinstance(said, SaidTrainer)
    return said


def told(sync: Sync, service_id: str | None, now: object = NOW, kind: str = "trainer.updated") -> None:
    def note(work: Work) -> None:
        number = len(sync.rows("SELECT FROM trainer_service_hooks"))
        work.db.add(ServiceHook(id=f"msg_{number}", received_at=now, kind=kind, service_id=service_id, settled_at=None))

    with sync.db.unit_of_work() as work:
        note(work)


def test_everybody_is_listed_once_and_asked_for_once(sync: Sync) -> None:
    service = service_of(sync)
    run = sync.run(service)
    assert [question for question in service.asked if not question.startswith("detail")] == [
        "first since=None etag=None",
        "list 2",
        "list 3",
    ]
    assert details(service) == [f"T{number}" for number in range(5)]
    assert (run["kind"], run["contract"], run["state"]) == ("full", "legacy", "done")
    assert (counts(run), run["requests"], run["pages"]) == ({"seen": 5, "added": 5}, 8, 3)
    found = sync.trainer("T0")
    assert found is not None
    assert (found["active"], found["courses"], found["zones"], found["time_zone"]) == (
        True,
        ["Mathematics"],
        [],
        "Asia/Kolkata",
    )
    assert "active" in found["service_fields"], "it stands in the list"
    again = sync.run(service, now=LATER)
    assert (counts(again), details(service)) == ({"seen": 5, "unchanged": 5}, [])
    assert (sync.state()["fresh_at"], sync.state()["watermark"]) == (LATER, None)


def test_whose_entry_changed_is_asked_for_and_nobody_else(sync: Sync) -> None:
    service = service_of(sync)
    sync.run(service)
    details(service)
    service.say(replace(known(service, "T1"), available=False), replace(known(service, "T2"), name="Asha"))
    run = sync.run(service, now=LATER)
    assert (details(service), counts(run)) == (["T1", "T2"], {"seen": 5, "changed": 2, "unchanged": 3})
    busy, renamed = sync.trainer("T1"), sync.trainer("T2")
    assert busy is not None
    assert renamed is not None
    assert (busy["active"], renamed["name"]) == (False, "Asha")


def test_who_was_not_asked_for_in_a_day_is_asked_for_the_longest_ago_first(sync: Sync) -> None:
    service = service_of(sync)
    sync.run(service)
    details(service)
    service.say(replace(known(service, "T3"), courses=("Hindi",)))
    assert counts(sync.run(service, now=LATER)) == {"seen": 5, "unchanged": 5}, "the list does not tell"
    sync.run(service, now=TOMORROW)
    assert details(service) == [f"T{number}" for number in range(5)]
    found = sync.trainer("T3")
    assert found is not None
    assert (found["courses"], found["active"]) == (["Hindi"], True)
    sync.run(service, now=TOMORROW)
    assert details(service) == []


def test_a_run_asks_for_so_many_at_most_beyond_the_new_ones(sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployed, "MOST_ASKED", 2)
    service = service_of(sync)
    sync.run(service)
    assert len(details(service)) == 5, "new ones count for nothing"
    for said in list(service.trainers.values()):
        assert isinstance(said, SaidTrainer)
        service.say(replace(said, available=False, courses=("Hindi",)))
    run = sync.run(service, now=LATER)
    assert details(service) == ["T0", "T1"]
    assert counts(run) == {"seen": 5, "changed": 5}, "what stands in the list counts at once"
    assert [row["active"] for row in sync.rows("SELECT active FROM trainers")] == [False] * 5
    sync.run(service, now=LATER)
    assert details(service) == ["T2", "T3"]
    sync.run(service, now=LATER)
    assert details(service) == ["T4"]
    sync.run(service, now=TOMORROW + timedelta(hours=2))
    assert len(details(service)) == 2, "the oldest, within the same bound"


def test_whom_a_message_names_is_asked_for_alone(sync: Sync) -> None:
    service = service_of(sync)
    sync.run(service)
    details(service)
    service.say(replace(known(service, "T3"), courses=("Hindi",)))
    told(sync, "T3", LATER)
    told(sync, "T3", LATER)
    told(sync, "nobody", LATER)
    run = sync.run(service, RunKind.DELTA, cause=RunCause.WEBHOOK, now=LATER)
    assert service.asked == ["detail T3", "detail nobody"]
    assert (run["kind"], run["state"], run["changed"]) == ("delta", "done", 1)
    found = sync.trainer("T3")
    assert found is not None
    assert (found["courses"], found["active"]) == (["Hindi"], True), "whether active was said in the list, before"
    assert sync.state()["fresh_at"] == NOW, "of the others nothing was heard"
    assert sync.rows("SELECT FROM trainer_service_hooks WHERE settled_at IS NULL") == []


def test_whom_a_message_names_is_asked_for_by_a_run_for_everybody_too(sync: Sync) -> None:
    service = service_of(sync)
    sync.run(service)
    details(service)
    told(sync, "T3", LATER)
    sync.run(service, now=LATER)
    assert details(service) == ["T3"]


def test_what_a_person_asks_for_is_everybody(sync: Sync) -> None:
    service = service_of(sync)
    sync.run(service)
    assert sync.run(service, RunKind.DELTA, now=LATER)["kind"] == "full"


def test_a_list_that_keeps_to_a_limit_of_its_own_is_read_to_its_end(sync: Sync) -> None:
    """The first question asks for five hundred; a service may answer with so many, or with its usual page."""
    service = service_of(sync)
    for first, asked in ((2, ["list 2", "list 3"]), (4, ["list 3"]), (5, ["list 3"]), (6, ["list 3"])):
        service.asked.clear()
        service.first_page_holds = first
        assert sync.run(service, now=LATER)["state"] == "done"
        assert [one for one in service.asked if one.startswith("list")] == asked
        assert {row["missed_runs"] for row in sync.rows("SELECT missed_runs FROM trainer_service_records")} == {0}


def test_four_are_asked_at_once_and_no_more(sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "PER_PAGE", 100)
    monkeypatch.setattr(deployed, "AT_A_TIME", 20)
    service = service_of(sync, 12)
    service.per_page = 100
    lock, now, most = threading.Lock(), [0], [0]

    def count(question: str) -> None:
        if question.startswith("detail"):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.02)
            with lock:
                now[0] -= 1

    service.before_answer = count
    assert sync.run(service)["added"] == 12
    assert most[0] == 4


def test_what_was_heard_before_a_failure_is_kept_and_not_asked_for_again(sync: Sync) -> None:
    service = service_of(sync)

    def fail(question: str) -> None:
        if question == "detail T3":
            service.before_answer = lambda _question: None
            service.failures.appendleft(Fault.TOO_SLOW)

    service.before_answer = fail
    service.failures.clear()
    run = sync.run(service)
    while run["state"] == "waiting":
        sync.go_on(service, now=run["next_at"])
        run = sync.run_of(run["id"])
    assert run["state"] == "done"
    asked = details(service)
    assert len(sync.rows("SELECT FROM trainers")) == 5
    assert len(asked) <= 7, "one failed, and one may have been on its way"


def test_a_job_hands_over_in_the_middle_of_a_page(sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "PER_PAGE", 100)
    service = service_of(sync, 9)
    service.per_page = 100

    def slow(question: str) -> None:
        if question.startswith("detail"):
            time.sleep(0.1)

    service.before_answer = slow
    run = sync.run(service, seconds=0.15)
    assert (run["state"], run["cursor"]) == ("waiting", "list:1:0")
    assert 0 < run["added"] < 9
    service.before_answer = lambda _question: None
    sync.go_on(service)
    done = sync.run_of(run["id"])
    assert (done["state"], done["added"]) == ("done", 9)
    assert len(details(service)) == 9


def test_who_is_listed_and_yet_not_there_is_left_for_another_day(sync: Sync) -> None:
    service = service_of(sync)
    sync.run(service)
    details(service)
    service.unknown = {"T1"}
    run = sync.run(service, now=TOMORROW)
    assert (run["state"], run["gone"]) == ("done", 0)
    assert sync.record("T1")["detail_at"] == TOMORROW
    assert sync.record("T1")["missed_runs"] == 0


def test_an_answer_that_cannot_be_read_is_asked_for_again_in_every_run_until_it_can(sync: Sync) -> None:
    service = service_of(sync)
    good = known(service, "T1")
    sync.run(service)
    service.say(UnreadableTrainer("T1", (("profile", "not-an-object"),)))
    assert sync.run(service, now=LATER)["refused"] == 1
    details(service)
    again = sync.run(service, now=LATER + timedelta(minutes=5))
    assert (counts(again), details(service)) == ({"seen": 5, "unchanged": 4, "refused": 1}, ["T1"])
    service.say(good)
    sync.run(service, now=LATER + timedelta(minutes=10))
    found = sync.trainer("T1")
    assert found is not None
    assert found["held_back_code"] is None


def test_those_held_back_are_looked_at_again_without_being_asked_for(sync: Sync) -> None:
    service = service_of(sync, franchise="F1")
    sync.run(service)
    details(service)
    franchise = sync.make.franchise()
    sync.make.zone(operator_id=franchise)
    sync.link(LinkKind.FRANCHISE, "F1", franchise)
    run = sync.run(service, now=LATER)
    assert (details(service), counts(run)) == ([], {"seen": 5, "unchanged": 5})
    assert {row["operator_id"] for row in sync.rows("SELECT operator_id FROM trainers")} == {franchise}


def test_entries_without_an_id_are_counted(sync: Sync) -> None:
    service = service_of(sync)
    service.nameless = 2
    run = sync.run(service)
    assert counts(run) == {"seen": 7, "added": 5, "refused": 2}


def test_a_service_that_learns_the_bulk_contract_is_asked_in_bulk(sync: Sync) -> None:
    service = service_of(sync)
    sync.run(service)
    service.legacy = False
    for said in list(service.trainers.values()):
        assert isinstance(said, SaidTrainer)
        service.say(replace(said, updated_at=NOW - timedelta(days=200)))
    run = sync.run(service, now=LATER)
    assert (run["contract"], counts(run)) == ("bulk", {"seen": 5, "unchanged": 5})
    assert sync.run(service, RunKind.DELTA, now=LATER)["kind"] == "delta"


def test_a_service_that_goes_back_to_the_deployed_contract_is_asked_for_everybody(sync: Sync) -> None:
    service = service_of(sync)
    service.legacy = False
    for said in list(service.trainers.values()):
        assert isinstance(said, SaidTrainer)
        service.say(replace(said, updated_at=NOW - timedelta(days=200)))
    sync.run(service)
    service.legacy = True
    run = sync.run(service, RunKind.DELTA, now=LATER)
    assert (run["kind"], run["contract"], run["state"], run["seen"]) == ("full", "legacy", "done", 5)
    assert sync.state()["contract"] == "legacy"
