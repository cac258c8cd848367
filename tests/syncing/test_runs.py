"""A run's life: asked for, taken up, carried on, put off, done or failed; and when the next is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from tests.syncing.conftest import LONG_AGO, RHYTHM, Sync, counts, trainer
from tests.syncing.told import Told
from tests.web.client import NOW
from webapp.clients.trainer_service.client import BreakerState
from webapp.clients.trainer_service.said import BulkPage, Fault, SaidTrainer
from webapp.core.actor import SYSTEM
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.work import Work
from webapp.trainers.sync_models import ServiceHook, ServiceState, SyncRun
from webapp.trainers.sync_rules import Contract, RunCause, RunKind
from webapp.trainers.syncing import progress, runs
from webapp.trainers.syncing.running import work_off
from webapp.trainers.syncing.runs import LeaseLost, Widened

LATER = NOW + timedelta(minutes=1)


def ask(sync: Sync, kind: RunKind, cause: RunCause = RunCause.SCHEDULE, **more: Any) -> UUID:
    with sync.db.unit_of_work() as work:
        return runs.request(work, kind, cause, by=SYSTEM, now=NOW, **more)


def claimed(sync: Sync, now: datetime = NOW) -> runs.Claim:
    with sync.db.unit_of_work() as work:
        claim = runs.claim(work, now=now)
    assert claim is not None
    return claim


def bulk(sync: Sync, count: int = 5) -> Told:
    """A service of some trainers who changed at different times, two to a page."""
    zone = sync.make.zone()
    said = [trainer(f"T{number}", zone, updated_at=LONG_AGO + timedelta(days=number)) for number in range(count)]
    return Told(*said, served_at=LONG_AGO + timedelta(days=100))


# -- asking --------------------------------------------------------------------------------------------------------


def test_one_run_is_open_at_a_time_and_the_next_who_asks_gets_that_one(sync: Sync) -> None:
    first = ask(sync, RunKind.FULL)
    assert ask(sync, RunKind.DELTA, RunCause.WEBHOOK) == first
    assert ask(sync, RunKind.FULL, RunCause.PERSON) == first
    run = sync.run_of(first)
    assert (run["kind"], run["cause"], run["state"]) == ("full", "schedule", "waiting")
    assert (JobName.SYNC_TRAINERS, {}) in sync.bells


def test_who_wants_everybody_widens_a_run_for_what_changed(sync: Sync) -> None:
    waiting = ask(sync, RunKind.DELTA, after=timedelta(hours=1))
    admin = sync.make.admin()
    with sync.db.unit_of_work() as work:
        same = runs.request(work, RunKind.FULL, RunCause.PERSON, by=admin.actor, now=NOW, accept_shrink=True)
    run = sync.run_of(waiting)
    assert same == waiting
    assert (run["kind"], run["requested_by"], run["accept_shrink"], run["next_at"]) == ("full", admin.id, True, NOW)


def test_a_person_widens_a_run_for_messages_where_the_list_tells_no_changes(sync: Sync) -> None:
    sync.run(Told(legacy=True))
    ask(sync, RunKind.DELTA, RunCause.WEBHOOK)
    run_id = ask(sync, RunKind.DELTA, RunCause.PERSON)
    assert (sync.run_of(run_id)["kind"], sync.run_of(run_id)["cause"]) == ("full", "person")


def test_a_run_under_way_that_is_widened_begins_anew_as_one_for_everybody(sync: Sync) -> None:
    service = bulk(sync)
    sync.run(service)
    asked = len(service.asked)
    service.say(replace(trainer("T9"), updated_at=LONG_AGO + timedelta(days=50)))

    def widen(_question: str) -> None:
        service.before_answer = lambda _next: None
        ask(sync, RunKind.FULL, RunCause.PERSON)

    service.before_answer = widen
    run = sync.run(service, RunKind.DELTA, now=LATER)
    assert (run["kind"], run["state"], run["cursor"], run["added"]) == ("full", "waiting", None, 0)
    assert sync.bells[-1] == (JobName.SYNC_TRAINERS, {})
    sync.go_on(service, now=LATER)
    done = sync.run_of(run["id"])
    assert (done["state"], done["added"], done["pages"]) == ("done", 1, 3)
    assert service.asked[asked + 1] == "first since=None etag=None"


# -- the lease -----------------------------------------------------------------------------------------------------


def test_a_run_is_taken_up_once_and_again_when_the_lease_has_run_out(sync: Sync) -> None:
    ask(sync, RunKind.FULL)
    first = claimed(sync)
    with sync.db.unit_of_work() as work:
        assert runs.claim(work, now=NOW + runs.LEASE) is None
    second = claimed(sync, NOW + runs.LEASE + timedelta(seconds=1))
    assert (second.run_id, second.started_at) == (first.run_id, NOW)
    with pytest.raises(LeaseLost), sync.db.unit_of_work() as work:
        runs.hold(work.db, first)
    with sync.db.unit_of_work() as work:
        assert runs.hold(work.db, second).attempts == 2


def test_who_was_overtaken_writes_nothing(sync: Sync) -> None:
    service = bulk(sync)

    def overtake(question: str) -> None:
        if question == "page 2":
            with sync.db.unit_of_work() as work:
                work.db.execute(update(SyncRun).values(lease=new_id()))

    service.before_answer = overtake
    run = sync.run(service)
    assert (run["state"], counts(run)) == ("running", {"seen": 2, "added": 2})
    assert sync.trainer("T2") is None


def test_hold_tells_of_a_run_that_was_widened(sync: Sync) -> None:
    sync.run(bulk(sync))
    ask(sync, RunKind.DELTA)
    claim = claimed(sync)
    assert claim.kind is RunKind.DELTA
    ask(sync, RunKind.FULL)
    with pytest.raises(Widened), sync.db.unit_of_work() as work:
        runs.hold(work.db, claim)


def test_a_killed_worker_is_taken_over_from_the_last_page(sync: Sync) -> None:
    service = bulk(sync)

    class Killed(BaseException):
        """Nothing catches it, as nothing catches SIGKILL."""

    def kill(question: str) -> None:
        if question == "page 4":
            raise Killed

    service.before_answer = kill
    with pytest.raises(Killed):
        sync.run(service)
    service.before_answer = lambda _question: None
    assert sync.go_on(service) is None, "the lease still runs"
    run_id = sync.go_on(service, now=LATER)
    assert run_id is not None
    run = sync.run_of(run_id)
    assert service.asked == ["first since=None etag=None", "page 2", "page 4", "page 4"]
    assert (run["state"], counts(run), run["attempts"]) == ("done", {"seen": 5, "added": 5}, 2)
    assert len(sync.audited("trainer.created")) == 5


# -- time ----------------------------------------------------------------------------------------------------------


def test_a_job_hands_over_when_its_time_is_up(sync: Sync) -> None:
    service = bulk(sync)
    run = sync.run(service, seconds=0.0)
    assert (run["state"], run["next_at"], run["lease"]) == ("waiting", NOW, None)
    assert sync.bells[-1] == (JobName.SYNC_TRAINERS, {})
    sync.go_on(service)
    assert sync.run_of(run["id"])["state"] == "done"
    assert service.asked.count("first since=None etag=None") == 1


def test_a_run_for_everybody_that_fails_goes_on_from_its_page_at_the_next_turn(sync: Sync) -> None:
    service = bulk(sync)
    service.failures.extend([None, Fault.SERVER_ERROR])
    run = sync.run(service)
    assert (run["state"], run["problem"], run["cursor"]) == ("waiting", "server-error", "page:2")
    assert (run["errors"], run["requests"]) == ({"server-error": 1}, 2)
    wait = run["next_at"] - NOW
    assert timedelta(seconds=27) <= wait <= timedelta(seconds=33), "a tenth earlier or later by chance"
    assert sync.go_on(service, now=NOW + wait - timedelta(seconds=1)) is None, "no sooner"
    sync.go_on(service, now=NOW + wait)
    done = sync.run_of(run["id"])
    assert (done["state"], done["problem"], done["attempts"], done["requests"]) == ("done", None, 2, 4)
    assert counts(done) == {"seen": 5, "added": 5}


def test_one_that_began_an_hour_ago_begins_anew(sync: Sync) -> None:
    service = bulk(sync)
    service.failures.extend([None, Fault.TOO_SLOW])
    old = sync.run(service)
    late = NOW + timedelta(hours=1, seconds=1)
    new_run = sync.go_on(service, now=late)
    assert new_run not in (None, old["id"])
    assert (sync.run_of(old["id"])["state"], sync.run_of(old["id"])["problem"]) == ("failed", "too-slow")
    assert new_run is not None
    assert (sync.run_of(new_run)["state"], sync.run_of(new_run)["started_at"]) == ("done", late)


def test_one_that_goes_on_failing_for_an_hour_is_over(sync: Sync) -> None:
    service = bulk(sync)
    service.failures.extend([None, *[Fault.TOO_SLOW] * 200])
    run = sync.run(service)
    while run["state"] == "waiting":
        now = run["next_at"]
        sync.go_on(service, now=now)
        run = sync.run_of(run["id"])
    assert (run["state"], run["problem"]) == ("failed", "too-slow")
    assert run["finished_at"] - NOW <= timedelta(hours=1, minutes=1)
    assert run["attempts"] > 100


def test_a_first_page_that_fails_a_run_for_changes_and_a_refused_cursor_end_the_run(sync: Sync) -> None:
    service = bulk(sync)
    service.failures.append(Fault.NO_CONNECTION)
    assert sync.run(service)["state"] == "failed"
    service.failures.extend([None, Fault.REFUSED])
    refused = sync.run(service)
    assert (refused["state"], refused["problem"]) == ("failed", "refused")
    assert sync.run(service)["state"] == "done"
    service.failures.append(Fault.NOT_JSON)
    assert sync.run(service, RunKind.DELTA)["state"] == "failed"
    assert sync.state()["fresh_at"] == NOW


def test_a_service_that_wants_to_be_left_alone_is_left_alone(sync: Sync) -> None:
    service = bulk(sync)
    service.failures.append(Fault.TOO_MANY)
    service.retry_after = 120.0
    sync.run(service)
    assert sync.state()["next_at"] - NOW >= timedelta(seconds=120 * 0.9)


def test_a_bug_fails_the_run_with_its_name_and_is_raised(sync: Sync) -> None:
    service = bulk(sync)

    def bug(_question: str) -> None:
        raise ZeroDivisionError

    service.before_answer = bug
    with pytest.raises(ZeroDivisionError):
        sync.run(service)
    (run,) = sync.rows("SELECT state, problem FROM trainer_sync_runs")
    assert run == {"state": "failed", "problem": "unexpected-ZeroDivisionError"}


def test_breaker_and_retries_are_remembered_from_one_process_to_the_next(sync: Sync) -> None:
    service = bulk(sync)
    begun: list[tuple[BreakerState, float]] = []

    def opened(*, breaker: BreakerState, retry_tokens: float) -> Told:
        begun.append((breaker, retry_tokens))
        service(breaker=BreakerState(3, NOW), retry_tokens=0.7)
        return service

    service.failures.append(Fault.NO_CONNECTION)
    for _ in range(3):
        ask(sync, RunKind.FULL)
        work_off(sync.db, opened, RHYTHM, now=lambda: NOW, seconds=60)
    assert begun == [
        (BreakerState(0, None), 0.0),
        (BreakerState(3, NOW), 0.7),
        (BreakerState(0, None), 0.7),
    ], "a run whose every question was answered closes the breaker"


# -- what is known of the service ----------------------------------------------------------------------------------


def test_a_run_for_everybody_tells_since_when_changes_are_asked_for(sync: Sync) -> None:
    service = bulk(sync)
    sync.run(service)
    newest = LONG_AGO + timedelta(days=4)
    state = sync.state()
    assert (state["watermark"], state["contract"]) == (newest - progress.OVERLAP, "bulk")
    assert (state["fresh_at"], state["full_at"]) == (NOW, NOW)
    run = sync.run(service, RunKind.DELTA, now=LATER)
    assert service.asked[-1] == f"first since={newest - progress.OVERLAP} etag=None"
    assert (run["requests"], counts(run)) == (1, {"seen": 1, "unchanged": 1})
    assert (sync.state()["fresh_at"], sync.state()["full_at"]) == (LATER, NOW)


def test_nothing_changed_is_one_request_with_the_tag_of_the_answer_before(sync: Sync) -> None:
    service = bulk(sync)
    sync.run(service)
    sync.run(service, RunKind.DELTA)
    run = sync.run(service, RunKind.DELTA, now=LATER)
    assert (run["requests"], run["seen"], run["state"]) == (1, 0, "done")
    assert "etag=None" not in service.asked[-1]
    assert sync.state()["fresh_at"] == LATER
    service.say(replace(trainer("T9", *(sync.trainer("T1") or {})["zones"]), updated_at=LONG_AGO + timedelta(days=9)))
    assert sync.run(service, RunKind.DELTA)["added"] == 1


def test_the_tag_of_one_page_of_several_is_not_kept(sync: Sync) -> None:
    service = bulk(sync)
    sync.run(service)
    for said in list(service.trainers.values()):
        assert isinstance(said, SaidTrainer)
        service.say(replace(said, updated_at=LONG_AGO + timedelta(days=20)))
    assert sync.run(service, RunKind.DELTA)["pages"] == 3
    assert sync.state()["etag"] is None


def test_clocks_that_go_wrong_never_skip_a_change(sync: Sync) -> None:
    """Neither a trainer updated in a far future nor a service far ahead of us moves the watermark past its answer.

    Whoever was asked for everybody is believed about the time as well: asking for too much costs little.
    """
    service = bulk(sync)
    service.say(replace(trainer("T8"), updated_at=datetime.max.replace(tzinfo=NOW.tzinfo)))
    sync.run(service)
    assert service.served_at is not None
    assert sync.state()["watermark"] == service.served_at - progress.OVERLAP
    service.served_at -= timedelta(days=50)  # its clock was set back
    sync.run(service)
    assert sync.state()["watermark"] == service.served_at - progress.OVERLAP


def test_who_goes_on_with_a_run_leaves_the_watermark_at_what_is_noted(sync: Sync) -> None:
    service = bulk(sync)
    service.failures.extend([None, Fault.TOO_SLOW])
    run = sync.run(service)
    sync.go_on(service, now=run["next_at"])
    assert sync.state()["watermark"] == LONG_AGO + timedelta(days=1) - progress.OVERLAP


def test_a_service_that_says_nothing_of_when_is_always_asked_for_everybody(sync: Sync) -> None:
    zone = sync.make.zone()
    service = Told(trainer("T1", zone, updated_at=None))
    sync.run(service)
    assert sync.run(service, RunKind.DELTA)["kind"] == "full"


def test_a_service_that_always_names_another_page_is_asked_no_further(
    sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.trainers.syncing.bulk.MOST_PAGES", 5)
    service = bulk(sync)
    monkeypatch.setattr(service, "bulk_page", lambda *, since, cursor: BulkPage((), f"{cursor}0", None, None))
    assert sync.run(service)["problem"] == "wrong-shape"


# -- the schedule --------------------------------------------------------------------------------------------------


def due(sync: Sync, now: datetime) -> dict[str, object] | None:
    """What the schedule asks for at some time, if anything; nothing of it stays."""
    with sync.db.unit_of_work() as work:
        progress.schedule(work, RHYTHM, now=now)
    found = sync.rows("SELECT kind, cause FROM trainer_sync_runs WHERE state = 'waiting'")
    with sync.db.unit_of_work() as work:
        work.db.connection().exec_driver_sql("DELETE FROM trainer_sync_runs WHERE state = 'waiting'")
    return found[0] if found else None


def test_the_schedule_asks_for_changes_and_for_everybody_once_in_a_while(sync: Sync) -> None:
    full, delta = ({"kind": kind, "cause": "schedule"} for kind in ("full", "delta"))
    assert due(sync, NOW) == full, "a desk that was just set up"
    sync.run(bulk(sync))
    assert due(sync, NOW + timedelta(seconds=26)) is None
    assert due(sync, NOW + timedelta(seconds=34)) == delta
    assert due(sync, NOW + timedelta(hours=6)) == full


def test_the_deployed_contract_is_always_asked_for_everybody_and_not_as_often(sync: Sync) -> None:
    sync.run(Told(trainer("T1", sync.make.zone()), legacy=True))
    assert sync.state()["contract"] == Contract.LEGACY
    assert due(sync, NOW + timedelta(minutes=4)) is None
    assert due(sync, NOW + timedelta(minutes=6)) == {"kind": "full", "cause": "schedule"}


def test_the_schedule_rings_for_what_waits_and_for_what_nobody_is_at(sync: Sync) -> None:
    def rings(now: datetime) -> bool:
        sync.bells.clear()
        with sync.db.unit_of_work() as work:
            assert progress.schedule(work, RHYTHM, now=now) == (now > LATER)
        return sync.bells == [(JobName.SYNC_TRAINERS, {})]

    ask(sync, RunKind.FULL)
    claimed(sync)
    assert not rings(NOW)
    assert rings(LATER + timedelta(seconds=1))


def test_messages_that_came_meanwhile_ask_for_another_run_and_the_earlier_ones_are_settled(sync: Sync) -> None:
    service = bulk(sync)
    sync.run(service)
    told(sync, "msg_1", NOW)

    def later(_question: str) -> None:
        service.before_answer = lambda _next: None
        told(sync, "msg_2", LATER + timedelta(seconds=1))

    service.before_answer = later
    sync.run(service, RunKind.DELTA, cause=RunCause.WEBHOOK, now=LATER)
    assert sync.rows("SELECT id, settled_at FROM trainer_service_hooks ORDER BY id") == [
        {"id": "msg_1", "settled_at": LATER},
        {"id": "msg_2", "settled_at": None},
    ]
    (waiting,) = sync.rows("SELECT kind, cause, next_at FROM trainer_sync_runs WHERE state = 'waiting'")
    assert waiting == {"kind": "delta", "cause": "webhook", "next_at": LATER + progress.FOLLOW_UP}


def told(sync: Sync, message_id: str, at: datetime, kind: str = "trainer.updated") -> None:
    with sync.db.unit_of_work() as work:
        work.db.add(ServiceHook(id=message_id, received_at=at, kind=kind, service_id="T1", settled_at=None))


def test_a_message_that_somebody_is_gone_is_settled_by_a_look_at_everybody_alone(sync: Sync) -> None:
    service = bulk(sync)
    sync.run(service)
    told(sync, "msg_1", NOW - timedelta(seconds=1), "trainer.deleted")
    sync.run(service, RunKind.DELTA, now=LATER)
    (waiting,) = sync.rows("SELECT kind FROM trainer_sync_runs WHERE state = 'waiting'")
    assert waiting == {"kind": "full"}
    sync.go_on(service, now=LATER + timedelta(seconds=3))
    assert sync.rows("SELECT FROM trainer_service_hooks WHERE settled_at IS NULL") == []


def test_a_message_whose_run_was_lost_is_found_by_the_schedule_but_an_ill_service_is_not_asked_faster(
    sync: Sync,
) -> None:
    service = bulk(sync)
    sync.run(service)
    told(sync, "msg_1", NOW)
    soon = NOW + timedelta(seconds=5)
    assert due(sync, soon) == {"kind": "delta", "cause": "webhook"}
    service.failures.append(Fault.SERVER_ERROR)
    assert sync.run(service, RunKind.DELTA, now=soon)["state"] == "failed"
    assert due(sync, soon + timedelta(seconds=5)) is None


def test_what_is_long_over_is_forgotten(sync: Sync) -> None:
    service = bulk(sync)
    old = sync.run(service)
    told(sync, "msg_1", NOW)
    told(sync, "msg_2", NOW + timedelta(days=31))
    with sync.db.unit_of_work() as work:
        work.db.execute(update(ServiceHook).where(ServiceHook.id == "msg_1").values(settled_at=NOW))
    sync.run(service, now=NOW + timedelta(days=30, seconds=1))
    assert sync.rows("SELECT FROM trainer_sync_runs WHERE id = :id", id=old["id"]) == []
    assert sync.rows("SELECT FROM trainer_sync_changes WHERE run_id = :id", id=old["id"]) == []
    assert [row["id"] for row in sync.rows("SELECT id FROM trainer_service_hooks")] == ["msg_2"]


def test_the_state_is_one_row(sync: Sync) -> None:
    with sync.db.read_only() as db:
        assert db.get_one(ServiceState, 1).contract is None


def test_what_can_wait_is_not_rung_for(sync: Sync) -> None:
    def later(work: Work) -> UUID:
        return runs.request(work, RunKind.FULL, RunCause.WEBHOOK, by=SYSTEM, now=NOW, after=timedelta(seconds=2))

    with sync.db.unit_of_work() as work:
        later(work)
    assert sync.bells == []
    assert sync.go_on(Told(), now=NOW + timedelta(seconds=1)) is None
