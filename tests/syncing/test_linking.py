"""An admin says what a name means, and whoever waited for that is on the roster at once."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from tests.syncing.conftest import Sync, counts, trainer
from tests.syncing.told import Told
from tests.web.client import NOW
from webapp.clients.trainer_service.said import UNSAID, UnreadableTrainer
from webapp.core.actor import SYSTEM
from webapp.core.errors import Forbidden, Invalid, NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.core.job_names import JobName
from webapp.trainers.sync_rules import LinkKind, RunKind
from webapp.trainers.syncing import linking


def unlink(sync: Sync, link_id: UUID) -> None:
    with sync.db.unit_of_work() as work:
        linking.unlink(work, link_id, by=SYSTEM, now=NOW)


def test_a_linked_franchise_lets_its_trainers_in_without_asking_anybody(sync: Sync) -> None:
    franchise = sync.make.franchise()
    zone = sync.make.zone(operator_id=franchise)
    service = Told(trainer("T1", zone, franchise="F1"), trainer("T2", zone, franchise="F2"))
    sync.run(service)
    asked = len(service.asked)
    sync.bells.clear()
    link_id = sync.link(LinkKind.FRANCHISE, "F1", franchise)
    found = sync.trainer("T1")
    assert found is not None
    assert (found["operator_id"], sync.trainer("T2"), len(service.asked)) == (franchise, None, asked)
    assert sync.helped() == {str(franchise)}
    (made,) = sync.audited("trainer_link.made")
    assert (made["subject_kind"], made["subject_id"], made["operator_id"]) == ("trainer_link", link_id, COMPANY_ID)
    assert made["after"] == {"kind": "franchise", "external_id": "F1", "to_operator_id": str(franchise)}
    assert counts(sync.run(service)) == {"seen": 2, "unchanged": 1, "refused": 1}


def test_a_linked_zone_and_a_linked_course_reach_whom_they_were_left_out_of(sync: Sync) -> None:
    zone, other = sync.make.zone(), sync.make.zone()
    sync.run(Told(trainer("T1", zone, "north", courses=("Alchemy", "Hindi")), trainer("T2", "north")))
    sync.link(LinkKind.ZONE, "north", other)
    sync.link(LinkKind.COURSE, "Alchemy", sync.make.course("Chemistry"))
    first, second = sync.trainer("T1"), sync.trainer("T2")
    assert first is not None
    assert second is not None
    assert (set(first["zones"]), first["courses"]) == ({zone, other}, ["Chemistry", "Hindi"])
    assert (second["zones"], sync.record("T2")["refused_code"]) == ([other], None)
    assert sync.record("T1")["notes"] == []


def test_a_link_is_taken_back_and_nobody_changes_operators_by_it(sync: Sync) -> None:
    franchise = sync.make.franchise()
    zone = sync.make.zone(operator_id=franchise)
    link_id = sync.link(LinkKind.FRANCHISE, "F1", franchise)
    sync.run(Told(trainer("T1", zone, franchise="F1")))
    unlink(sync, link_id)
    found = sync.trainer("T1")
    assert found is not None
    assert (found["operator_id"], found["held_back_code"], found["active"]) == (franchise, "franchise-unknown", True)
    (removed,) = sync.audited("trainer_link.removed")
    assert removed["before"]["to_operator_id"] == str(franchise)
    with pytest.raises(NotFound):
        unlink(sync, link_id)


def test_an_unlinked_course_is_taken_away_again(sync: Sync) -> None:
    link_id = sync.link(LinkKind.COURSE, "Alchemy", sync.make.course("Chemistry"))
    sync.run(Told(trainer("T1", sync.make.zone(), courses=("Alchemy",))))
    unlink(sync, link_id)
    found = sync.trainer("T1")
    assert found is not None
    assert (found["courses"], sync.record("T1")["notes"]) == ([], [{"kind": "course", "name": "Alchemy"}])


def test_said_again_a_name_means_the_same_or_something_else(sync: Sync) -> None:
    first, second = sync.make.franchise(), sync.make.franchise()
    link_id = sync.link(LinkKind.FRANCHISE, "F1", first)
    assert sync.link(LinkKind.FRANCHISE, " F1 ", first) == link_id
    assert len(sync.audited("trainer_link.made")) == 1
    assert sync.link(LinkKind.FRANCHISE, "F1", second) == link_id
    assert sync.audited("trainer_link.made")[-1]["before"] == {"to_operator_id": str(first)}


def test_what_cannot_be_a_link_is_refused(sync: Sync) -> None:
    franchise = sync.make.franchise()
    for name in ("", "  ", "x" * 129, "a\x00b"):
        with pytest.raises(Invalid) as refused:
            sync.link(LinkKind.FRANCHISE, name, franchise)
        assert refused.value.field == "name"
    for kind in LinkKind:
        with pytest.raises(Invalid) as refused:
            sync.link(kind, "F1", new_id())
        assert (refused.value.code, refused.value.field) == ("link-target", "target")


@pytest.mark.parametrize("name", ["F\u00a01", "F\u200b1"])
def test_a_letter_that_cannot_be_seen_is_called_that(sync: Sync, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        sync.link(LinkKind.FRANCHISE, name, COMPANY_ID)
    assert (refused.value.code, refused.value.field) == ("link-name-unseen", "name")


def test_nothing_comes_to_mean_what_is_switched_off(sync: Sync) -> None:
    franchise, zone, course = sync.make.franchise(), sync.make.zone(), sync.make.course("Chemistry")
    known = sync.link(LinkKind.COURSE, "Alchemy", course)
    with sync.db.unit_of_work() as work:
        for table, target in (("operators", franchise), ("zones", zone), ("courses", course)):
            work.db.connection().exec_driver_sql(f"UPDATE {table} SET active = false WHERE id = %s", (target,))
    targets = dict(zip(LinkKind, (franchise, zone, course, franchise), strict=True))
    for kind, target in targets.items():
        with pytest.raises(Invalid) as refused:
            sync.link(kind, "N1", target)
        assert (refused.value.code, refused.value.field) == ("link-target-off", "target")
    assert sync.link(LinkKind.COURSE, "Alchemy", course) == known, "what it means already it may mean"
    assert len(sync.rows("SELECT * FROM trainer_service_links")) == 1


def test_nobody_is_moved_unless_that_is_meant(sync: Sync) -> None:
    franchise = sync.make.franchise()
    sync.make.zone(operator_id=franchise)
    sync.run(Told(trainer("T1", sync.make.zone())))
    with pytest.raises(Invalid) as refused:
        sync.link(LinkKind.TRAINER, "T1", franchise, moves=False)
    assert (refused.value.code, refused.value.field) == ("link-moves", "moves")
    assert sync.rows("SELECT * FROM trainer_service_links") == []
    sync.link(LinkKind.TRAINER, "T1", COMPANY_ID, moves=False)
    sync.link(LinkKind.TRAINER, "T2", franchise, moves=False)


@pytest.mark.parametrize("who", ["manager", "auditor", "staff"])
def test_only_who_may_says_what_names_mean(sync: Sync, who: str) -> None:
    person = getattr(sync.make, who)().actor
    franchise = sync.make.franchise()
    with pytest.raises(Forbidden), sync.db.unit_of_work() as work:
        linking.link(work, LinkKind.FRANCHISE, "F1", franchise, by=person, now=NOW)
    with pytest.raises(Forbidden), sync.db.unit_of_work() as work:
        linking.unlink(work, sync.link(LinkKind.FRANCHISE, "F2", franchise), by=person, now=NOW)


def test_the_admin_is_the_one_who_did_it(sync: Sync) -> None:
    admin, franchise = sync.make.admin(), sync.make.franchise()
    sync.run(Told(trainer("T1", sync.make.zone(operator_id=franchise), franchise="F1")))
    with sync.db.unit_of_work() as work:
        linking.link(work, LinkKind.FRANCHISE, "F1", franchise, by=admin.actor, now=NOW)
    assert {entry["actor_id"] for entry in sync.audited("trainer%")} == {admin.id}


def test_of_very_many_the_rest_waits_for_a_run(sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "AT_ONCE", 2)
    franchise = sync.make.franchise()
    zone = sync.make.zone(operator_id=franchise)
    service = Told(*(trainer(f"T{number}", zone, franchise="F1") for number in range(5)), per_page=10)
    sync.run(service)
    sync.link(LinkKind.FRANCHISE, "F1", franchise)
    assert [sync.trainer(f"T{number}") is not None for number in range(5)] == [True, True, False, False, False]
    assert (JobName.SYNC_TRAINERS, {}) in sync.bells
    (waiting,) = sync.rows("SELECT kind, cause FROM trainer_sync_runs WHERE state = 'waiting'")
    assert waiting == {"kind": "full", "cause": "person"}
    sync.go_on(service)
    assert all(sync.trainer(f"T{number}") for number in range(5))


def test_what_could_not_be_read_is_not_placed_by_a_link(sync: Sync) -> None:
    said = trainer("T1", sync.make.zone())
    service = Told(said)
    sync.run(service)
    service.say(UnreadableTrainer("T1", (("name", "missing"),)))
    sync.run(service)
    sync.link(LinkKind.TRAINER, "T1", COMPANY_ID)
    assert sync.record("T1")["refused_code"] == "unreadable"


# -- when something changes here -----------------------------------------------------------------------------------


def test_those_in_quarantine_get_another_chance_at_the_end_of_every_run(
    sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = sync.make.zone()
    zone_id = new_id()
    service = Told(trainer("T1", home), replace(trainer("T2", zone_id)), replace(trainer("T3"), zones=UNSAID))
    franchise = sync.make.franchise()
    service.say(replace(trainer("T3"), zones=UNSAID, franchise="F1"))
    sync.link(LinkKind.FRANCHISE, "F1", franchise)
    run = sync.run(service)
    assert (run["refused"], sync.record("T3")["refused_code"]) == (2, "no-time-zone")
    sync.make.zone(operator_id=franchise)
    with monkeypatch.context() as known_before_it_is_drawn:
        known_before_it_is_drawn.setattr("webapp.zones.service.new_id", lambda: zone_id)
        assert sync.make.zone() == zone_id
    delta = sync.run(service, RunKind.DELTA)
    assert (delta["added"], sync.record("T2")["refused_code"], sync.record("T3")["refused_code"]) == (2, None, None)
    assert {service_id for _kind, service_id, _facts in sync.changes(delta)} == {"T2", "T3"}
    assert sync.record("T2")["seen_run"] == run["id"], "to be placed is not to be seen"


def test_a_franchise_that_nobody_linked_is_not_looked_at_again_each_time(sync: Sync) -> None:
    service = Told(trainer("T1", franchise="FX"))
    sync.run(service)
    service.trainers.clear()
    before = sync.record("T1")
    sync.run(service, RunKind.DELTA)
    assert sync.record("T1") == before


def test_what_an_earlier_desk_kept_and_this_one_cannot_read_waits_until_it_is_said_again(sync: Sync) -> None:
    said = trainer("T1", "north")
    service = Told(said)
    sync.run(service)
    with sync.db.unit_of_work() as work:
        sql = """UPDATE trainer_service_records SET said = said || '{"name": 7}'"""
        work.db.connection().exec_driver_sql(sql)
    sync.link(LinkKind.ZONE, "north", sync.make.zone())
    service.trainers.clear()
    assert (sync.run(service, RunKind.DELTA)["state"], sync.trainer("T1")) == ("done", None)
    service.say(said)
    assert sync.run(service)["added"] == 1
