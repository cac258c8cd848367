"""Who is no longer there: not at once, not by mistake, never deleted, and back when they are seen again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.syncing.conftest import Sync, counts, trainer
from tests.syncing.told import Told
from tests.web.client import NOW
from webapp.clients.trainer_service.said import UNSAID, Fault, SaidTrainer
from webapp.core.actor import SYSTEM
from webapp.core.ids import COMPANY_ID
from webapp.trainers.sync_rules import LinkKind, RunKind
from webapp.trainers.syncing import linking
from webapp.trainers.syncing.closing import BATCH

LATER = NOW + timedelta(hours=6)


def roster(sync: Sync, count: int, *, legacy: bool = False) -> Told:
    """A service of some trainers of the company, on the roster already."""
    zone = sync.make.zone()
    service = Told(*(trainer(f"T{number:02}", zone) for number in range(count)), legacy=legacy, per_page=100)
    sync.run(service)
    return service


def test_two_full_runs_without_a_trainer_and_they_have_left(sync: Sync) -> None:
    service = roster(sync, 3)
    gone = service.trainers.pop("T00")
    first = sync.run(service)
    found = sync.trainer("T00")
    assert found is not None
    assert (first["gone"], found["active"], sync.record("T00")["missed_runs"]) == (0, True, 1)
    second = sync.run(service, now=LATER)
    left = sync.trainer("T00")
    assert left is not None
    assert (left["active"], left["left_at"], left["courses"]) == (False, LATER, ["Mathematics"]), "nothing is deleted"
    assert (sync.record("T00")["gone_at"], counts(second)) == (LATER, {"seen": 2, "unchanged": 2, "gone": 1})
    assert sync.changes(second) == [("gone", "T00", {})]
    (entry,) = sync.audited("trainer.left")
    assert (entry["before"], entry["after"]) == ({"active": True}, {"active": False, "run_id": str(second["id"])})
    assert sync.run(service, now=LATER)["gone"] == 0, "once"
    service.say(gone)
    sync.bells.clear()
    back = sync.run(service, now=LATER)
    returned = sync.trainer("T00")
    assert returned is not None
    assert (returned["id"], returned["active"], returned["left_at"]) == (left["id"], True, None)
    assert sync.changes(back) == [("returned", "T00", {"fields": ["active"]})]
    assert (sync.record("T00")["gone_at"], sync.record("T00")["missed_runs"]) == (None, 0)
    assert sync.audited("trainer.returned")
    assert sync.helped() == {str(COMPANY_ID)}


def test_who_is_seen_in_between_was_never_gone(sync: Sync) -> None:
    service = roster(sync, 3)
    said = service.trainers.pop("T00")
    sync.run(service)
    service.say(said)
    sync.run(service, RunKind.DELTA)
    assert sync.record("T00")["missed_runs"] == 0, "a run for what changed is enough to be seen"
    del service.trainers["T00"]
    assert sync.run(service)["gone"] == 0


def test_a_run_for_what_changed_misses_nobody(sync: Sync) -> None:
    service = roster(sync, 3)
    service.trainers.clear()
    for _ in range(3):
        assert sync.run(service, RunKind.DELTA)["gone"] == 0
    assert sync.record("T00")["missed_runs"] == 0


def test_a_service_that_forgot_more_than_half_is_not_believed(sync: Sync) -> None:
    service = roster(sync, 20)
    for number in range(11):
        del service.trainers[f"T{number:02}"]
    for _ in range(3):
        run = sync.run(service)
        assert (run["state"], run["problem"], run["gone"]) == ("failed", "shrunk", 0)
    assert sync.rows("SELECT sum(missed_runs) AS n FROM trainer_service_records")[0]["n"] == 0
    assert sync.state()["next_at"] - NOW >= timedelta(minutes=4), "it is asked for everybody each time"
    sync.run(service, accept_shrink=True)
    assert sync.run(service, accept_shrink=True)["gone"] == 11


def test_a_service_that_gave_everybody_another_id_is_not_believed_either(sync: Sync) -> None:
    service = roster(sync, 20)
    service.trainers = {f"N{id_}": replace(said, service_id=f"N{id_}") for id_, said in service.trainers.items()}
    run = sync.run(service)
    assert (run["problem"], run["added"]) == ("shrunk", 20)


def test_new_trainers_in_quarantine_hide_no_shrinking(sync: Sync) -> None:
    service = roster(sync, 20)
    service.trainers = {f"N{number}": trainer(f"N{number}", franchise="FX") for number in range(30)}
    assert sync.run(service)["problem"] == "shrunk"


def test_of_a_few_trainers_all_may_leave(sync: Sync) -> None:
    service = roster(sync, 9)
    service.trainers.clear()
    sync.run(service)
    assert sync.run(service)["gone"] == 9


def test_where_entries_name_nobody_nobody_is_missed(sync: Sync) -> None:
    service = roster(sync, 4)
    del service.trainers["T00"]
    service.nameless = 1
    for _ in range(3):
        run = sync.run(service)
    assert (run["gone"], run["refused"]) == (0, 1)
    assert sync.changes(run) == [
        ("refused", "", {"code": "unreadable", "facts": {"problems": [["trainerId", "missing"]]}})
    ]
    assert sync.record("T00")["missed_runs"] == 0


def test_many_leave_in_several_transactions(sync: Sync) -> None:
    zone = sync.make.zone()
    service = Told(*(trainer(f"T{number:04}", zone) for number in range(BATCH + 20)), per_page=300)
    sync.run(service)
    service.trainers = dict(list(service.trainers.items())[:3])
    sync.run(service, accept_shrink=True)
    assert sync.run(service, accept_shrink=True)["gone"] == BATCH + 17
    assert sync.rows("SELECT count(*) AS n FROM trainers WHERE left_at IS NOT NULL")[0]["n"] == BATCH + 17


def test_the_deployed_contract_is_asked_before_somebody_is_taken_to_have_left(sync: Sync) -> None:
    service = roster(sync, 4, legacy=True)
    service.hidden = {"T00"}
    del service.trainers["T01"]
    service.trainers["T00"] = replace(known(service, "T00"), name="Asha")
    sync.run(service)
    run = sync.run(service)
    assert (run["gone"], sync.record("T00")["gone_at"], sync.record("T01")["gone_at"]) == (1, None, NOW)
    found = sync.trainer("T00")
    assert found is not None
    assert (found["name"], found["active"]) == ("Asha", True), "what was heard on the way counts"
    assert sync.record("T00")["missed_runs"] == 0


def test_nobody_leaves_while_the_deployed_contract_cannot_be_asked(sync: Sync) -> None:
    service = roster(sync, 4, legacy=True)
    del service.trainers["T01"]
    sync.run(service)
    service.failures.extend([None, Fault.SERVER_ERROR])
    run = sync.run(service)
    assert (run["state"], run["problem"], run["gone"]) == ("waiting", "server-error", 0)
    sync.go_on(service, now=run["next_at"])
    assert sync.run_of(run["id"])["gone"] == 1, "and counted once"


def test_nobody_leaves_when_the_deployed_contract_knows_nobody_who_is_listed_either(sync: Sync) -> None:
    service = roster(sync, 6, legacy=True)
    everybody = {*service.trainers}
    for name in ("T00", "T01", "T02"):
        del service.trainers[name]
    sync.run(service)
    service.unknown = everybody
    run = sync.run(service)
    assert (run["state"], run["problem"], run["gone"]) == ("waiting", "wrong-shape", 0)
    service.unknown = everybody - {"T05"}
    sync.go_on(service, now=run["next_at"])
    assert sync.run_of(run["id"])["gone"] == 3, "of those listed one is known: so the others have left"


def known(service: Told, service_id: str) -> SaidTrainer:
    said = service.trainers[service_id]
    assert isinstance(said, SaidTrainer)
    return said


# -- from one operator to another ----------------------------------------------------------------------------------


def test_an_admin_s_link_moves_a_trainer_to_another_operator(sync: Sync) -> None:
    first, second = sync.make.franchise(), sync.make.franchise()
    theirs = sync.make.zone(operator_id=second)
    sync.link(LinkKind.FRANCHISE, "F1", first)
    said = trainer("T1", sync.make.zone(operator_id=first), franchise="F1")
    service = Told(said)
    sync.run(service)
    old = sync.trainer("T1")
    assert old is not None
    service.say(replace(said, zones=(str(theirs),)))
    assert sync.run(service)["refused"] == 1, "of the other's zones alone nobody becomes the other's"
    sync.bells.clear()
    sync.link(LinkKind.TRAINER, "T1", second)
    new = sync.trainer("T1")
    assert new is not None
    assert (new["operator_id"], new["active"], new["zones"]) == (second, True, [theirs])
    (before,) = sync.rows("SELECT * FROM trainers WHERE id = :id", id=old["id"])
    assert (before["operator_id"], before["active"], before["left_at"]) == (first, False, NOW)
    assert (before["service_id"], before["service_fields"]) == (None, [])
    assert [entry["operator_id"] for entry in sync.audited("trainer.left")] == [first]
    created = sync.audited("trainer.created")[-1]
    assert (created["operator_id"], created["after"]["moved_from"]) == (second, str(first))
    assert sync.helped() == {str(second)}
    again = sync.run(service)
    assert (again["unchanged"], again["gone"]) == (1, 0)


def test_a_moved_trainer_stays_when_the_link_goes(sync: Sync) -> None:
    first, second = sync.make.franchise(), sync.make.franchise()
    sync.make.zone(operator_id=second)
    sync.link(LinkKind.FRANCHISE, "F1", first)
    service = Told(replace(trainer("T1", franchise="F1"), zones=UNSAID))
    sync.make.zone(operator_id=first)
    sync.run(service)
    link_id = sync.link(LinkKind.TRAINER, "T1", second)
    with sync.db.unit_of_work() as work:
        linking.unlink(work, link_id, by=SYSTEM, now=LATER)
    found = sync.trainer("T1")
    assert found is not None
    assert (found["operator_id"], found["held_back_code"]) == (second, "operator-changed")
