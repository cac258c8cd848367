"""What becomes of what is said: on the roster, in quarantine, in the audit, and in how few statements."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection

from tests.make import HOME
from tests.syncing.conftest import LONG_AGO, Sync, counts, trainer
from tests.syncing.told import Told
from tests.web.client import NOW
from webapp.clients.trainer_service.said import UNSAID, SaidAway, SaidHours, SaidTrainer, UnreadableTrainer
from webapp.core.actor import SYSTEM
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID
from webapp.core.intervals import Interval
from webapp.db.work import counting_statements
from webapp.trainers import service as roster
from webapp.trainers.sync_rules import LinkKind, Owned
from webapp.trainers.syncing.applying import apply
from webapp.trainers.syncing.heard import Cause, Heard

HOURS = (SaidHours(0, time(9), time(17)), SaidHours(6, time(9), time(0)))
AWAY = (SaidAway(NOW, NOW + timedelta(days=2), "leave"),)


def whole(sync: Sync, **fields: Any) -> SaidTrainer:
    """A trainer of whom everything is said."""
    zone = sync.make.zone()
    said = trainer("T1", zone, base=HOME, hours=HOURS, time_off=AWAY, courses=("Hindi", "Mathematics"))
    return replace(said, **fields)


def test_a_new_trainer_comes_onto_the_roster_with_all_that_is_said(sync: Sync) -> None:
    said = whole(sync)
    run = sync.run(Told(said))
    found = sync.trainer("T1")
    assert found is not None
    assert (found["name"], found["active"], found["time_zone"]) == ("Trainer T1", True, "Asia/Kolkata")
    assert (found["base_lat"], found["base_lng"]) == (HOME.lat, HOME.lng)
    assert (found["courses"], found["hours"], found["away"]) == (["Hindi", "Mathematics"], 2, ["leave"])
    assert [str(zone) for zone in found["zones"]] == list(said.zones) if said.zones is not UNSAID else False
    assert set(found["service_fields"]) == set(Owned)
    assert (found["operator_id"], found["left_at"], found["held_back_at"]) == (COMPANY_ID, None, None)
    assert (counts(run), sync.changes(run)) == ({"seen": 1, "added": 1}, [("added", "T1", {})])
    record = sync.record("T1")
    assert (record["trainer_id"], record["updated_at"]) == (found["id"], LONG_AGO)
    assert (record["said_at"], record["placed_at"], record["seen_run"]) == (NOW, NOW, run["id"])
    (entry,) = sync.audited()
    assert (entry["what"], entry["subject_id"], entry["actor_name"]) == ("trainer.created", found["id"], "system")
    assert entry["after"]["run_id"] == str(run["id"])
    assert entry["after"]["name"] == "Trainer T1"
    assert [set(away) for away in entry["after"]["time_off"]] == [{"starts_at", "ends_at", "reason_given"}]


def test_what_is_said_again_word_for_word_is_only_seen(sync: Sync) -> None:
    said = whole(sync)
    service = Told(said)
    sync.run(service)
    before = sync.rows("SELECT * FROM trainers"), sync.record("T1")
    again = sync.run(service)
    assert (counts(again), sync.changes(again)) == ({"seen": 1, "unchanged": 1}, [])
    assert (sync.rows("SELECT * FROM trainers"), sync.record("T1")) == (
        before[0],
        before[1] | {"seen_run": again["id"]},
    )
    assert len(sync.audited()) == 1


CHANGES: dict[Owned, tuple[dict[str, Any], str, Any]] = {
    Owned.NAME: ({"name": "Asha"}, "name", "Asha"),
    Owned.ACTIVE: ({"available": False}, "active", False),
    Owned.BASE: ({"base": Location(18.0, 83.0)}, "base", {"lat": 18.0, "lng": 83.0}),
    Owned.COURSES: ({"courses": ()}, "course_ids", []),
    Owned.ZONES: ({"zones": ()}, "zone_ids", []),
    Owned.HOURS: ({"hours": HOURS[:1]}, "hours", [{"weekday": 0, "starts": "09:00:00", "ends": "17:00:00"}]),
    Owned.TIME_OFF: ({"time_off": ()}, "time_off", []),
}


@pytest.mark.parametrize("field", CHANGES)
def test_one_field_that_changes_is_all_that_changes(sync: Sync, field: Owned) -> None:
    said = whole(sync)
    service = Told(said)
    sync.run(service)
    sync.bells.clear()
    change, name, after = CHANGES[field]
    service.say(replace(said, **change))
    run = sync.run(service)
    assert (counts(run), sync.changes(run)) == ({"seen": 1, "changed": 1}, [("changed", "T1", {"fields": [field]})])
    entry = sync.audited()[-1]
    assert entry["what"] == "trainer.changed"
    assert entry["after"] == {name: after, "run_id": str(run["id"])}
    assert set(entry["before"]) == {name}
    assert sync.helped() == (set() if field is Owned.NAME else {str(COMPANY_ID)}), "a name helps nobody"


def test_the_desk_s_own_stays_whatever_the_service_says(sync: Sync) -> None:
    said = replace(whole(sync), hours=UNSAID)
    service = Told(said)
    sync.run(service)
    found = sync.trainer("T1")
    assert found is not None
    period = Interval(NOW, NOW + timedelta(days=1))
    with sync.db.unit_of_work() as work:
        roster.record_time_off(work, found["id"], period, "wedding", by=SYSTEM, now=NOW)
        sql = "UPDATE trainers SET gender = 'female', languages = '{te}', notes = 'x' WHERE id = %s"
        work.db.connection().exec_driver_sql(sql, (found["id"],))
        work.db.connection().exec_driver_sql(
            "INSERT INTO working_hours VALUES (%s, %s, 0, '09:00', '10:00')", (COMPANY_ID, found["id"])
        )
    service.say(replace(said, name="Asha", time_off=()))
    sync.run(service)
    now = sync.trainer("T1")
    assert now is not None
    assert (now["name"], now["gender"], now["languages"], now["notes"], now["hours"]) == (
        "Asha",
        "female",
        ["te"],
        "x",
        1,
    )
    assert [row["reason"] for row in sync.rows("SELECT reason FROM time_off")] == ["wedding"]


def test_a_field_that_is_no_longer_said_is_the_desk_s_with_what_it_held(sync: Sync) -> None:
    said = whole(sync)
    service = Told(said)
    sync.run(service)
    service.say(replace(said, time_off=UNSAID, hours=UNSAID))
    run = sync.run(service)
    found = sync.trainer("T1")
    assert found is not None
    assert (counts(run), found["hours"]) == ({"seen": 1, "unchanged": 1}, 2)
    assert not {Owned.TIME_OFF, Owned.HOURS} & set(found["service_fields"])
    assert sync.rows("SELECT reason, from_service FROM time_off") == [{"reason": "leave", "from_service": False}]


def test_zones_of_another_time_zone_take_the_trainer_along(sync: Sync) -> None:
    said = whole(sync)
    service, dubai = Told(said), sync.make.zone(time_zone="Asia/Dubai")
    sync.run(service)
    service.say(replace(said, zones=(str(dubai),)))
    sync.run(service)
    found = sync.trainer("T1")
    assert found is not None
    assert (found["time_zone"], found["zones"]) == ("Asia/Dubai", [dubai])


def test_more_certifications_than_allowed_stand_as_they_are_said(sync: Sync) -> None:
    names = tuple(f"Course {number}" for number in range(5))
    for name in names:
        sync.make.course(name)
    sync.run(Told(whole(sync, courses=names)))
    found = sync.trainer("T1")
    assert found is not None
    assert found["courses"] == list(names)


# -- quarantine ----------------------------------------------------------------------------------------------------


def test_whom_the_roster_cannot_take_waits_in_quarantine(sync: Sync) -> None:
    service = Told(trainer("T1", franchise="F1"))
    run = sync.run(service)
    assert sync.trainer("T1") is None
    record = sync.record("T1")
    assert (record["refused_code"], record["refused_facts"]) == ("franchise-unknown", {"franchise": "F1"})
    facts = {"code": "franchise-unknown", "facts": {"franchise": "F1"}, "first": True}
    assert (counts(run), sync.changes(run)) == ({"seen": 1, "refused": 1}, [("refused", "T1", facts)])
    again = sync.run(service, now=NOW + timedelta(hours=1))
    assert (counts(again), sync.changes(again)) == ({"seen": 1, "refused": 1}, [])
    assert sync.record("T1")["refused_at"] == NOW, "since when it is so"


def test_a_known_trainer_keeps_the_last_good_data_and_is_held_back_until_it_is_good_again(sync: Sync) -> None:
    said = whole(sync)
    service = Told(said)
    sync.run(service)
    service.say(replace(said, name="Asha", zones=("nowhere",)))
    run = sync.run(service)
    held = sync.trainer("T1")
    assert held is not None
    assert (held["name"], held["active"]) == ("Trainer T1", True)
    assert (held["held_back_code"], held["held_back_at"]) == ("zones-unknown", NOW)
    assert counts(run) == {"seen": 1, "refused": 1}
    service.say(said)
    released = sync.run(service)
    found = sync.trainer("T1")
    assert found is not None
    assert (found["held_back_code"], found["held_back_at"]) == (None, None)
    assert sync.changes(released) == [("changed", "T1", {"fields": [], "released": "zones-unknown"})]
    assert sync.record("T1")["refused_code"] is None


def test_an_entry_that_cannot_be_read_spoils_itself_alone(sync: Sync) -> None:
    said = whole(sync)
    service = Told(said)
    sync.run(service)
    service.say(UnreadableTrainer("T1", (("name", "not-text"),)), UnreadableTrainer("T2", (("name", "missing"),)))
    service.say(trainer("T3", sync.make.zone()))
    run = sync.run(service)
    assert counts(run) == {"seen": 3, "added": 1, "refused": 2}
    held = sync.trainer("T1")
    assert held is not None
    assert (held["name"], held["held_back_code"]) == ("Trainer T1", "unreadable")
    assert sync.record("T1")["said"]["name"] == "Trainer T1", "what was said before is kept"
    assert sync.record("T2")["refused_facts"] == {"problems": [["name", "missing"]]}
    assert counts(sync.run(service)) == {"seen": 3, "unchanged": 1, "refused": 2}
    service.say(said, trainer("T2", sync.make.zone()))
    assert counts(sync.run(service)) == {"seen": 3, "added": 1, "changed": 1, "unchanged": 1}
    released = sync.trainer("T1")
    assert released is not None
    assert released["held_back_code"] is None


def test_what_the_desk_does_not_know_is_left_out_and_noted_until_it_does(sync: Sync) -> None:
    service = Told(whole(sync, courses=("Mathematics", "Alchemy")))
    sync.run(service)
    assert sync.record("T1")["notes"] == [{"kind": "course", "name": "Alchemy"}]
    sync.make.course("alchemy")
    run = sync.run(service)
    found = sync.trainer("T1")
    assert found is not None
    assert (found["courses"], sync.record("T1")["notes"]) == (["Mathematics", "alchemy"], [])
    assert sync.changes(run) == [("changed", "T1", {"fields": ["courses"]})]


def test_of_what_is_said_twice_in_one_breath_the_last_counts(sync: Sync) -> None:
    said = whole(sync)
    with sync.db.unit_of_work() as work:
        found = apply(work, [Heard(said), Heard(replace(said, name="Asha"))], Cause(), now=NOW)
    on_roster = sync.trainer("T1")
    assert on_roster is not None
    assert (found.seen, found.added, on_roster["name"]) == (2, 1, "Asha")


# -- how much it costs ---------------------------------------------------------------------------------------------


def many(sync: Sync, count: int, **fields: Any) -> list[SaidTrainer]:
    """Trainers of whom everything is said."""
    said = whole(sync, **fields)
    return [replace(said, service_id=f"T{number:04}", name=f"Trainer {number}") for number in range(count)]


def test_a_page_takes_few_statements_whatever_its_size(sync: Sync) -> None:
    taken: dict[tuple[str, int], int] = {}
    for size in (3, 60):
        page = many(sync, size)
        for step, said in (
            ("added", page),
            ("unchanged", page),
            ("changed", [replace(one, name="x", zones=(), courses=(), hours=(), time_off=()) for one in page]),
        ):
            with counting_statements() as count, sync.db.unit_of_work() as work:
                apply(work, map(Heard, said), Cause(), now=NOW)
                taken[step, size] = count()
        with sync.db.unit_of_work() as work:
            work.db.connection().exec_driver_sql("DELETE FROM trainer_service_records")
            work.db.connection().exec_driver_sql("UPDATE trainers SET service_id = NULL, service_fields = '{}'")
    for step, most in (("added", 14), ("unchanged", 1), ("changed", 16)):
        # Plans are thrown away where many are added: one statement more.
        assert taken[step, 60] - (step == "added") == taken[step, 3] <= most


def test_trainers_are_locked_in_the_order_of_their_ids_before_anything_is_written(sync: Sync) -> None:
    page = many(sync, 5)
    with sync.db.unit_of_work() as work:
        apply(work, map(Heard, page), Cause(), now=NOW)
    said: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        said.append(" ".join(statement.split()))

    assert isinstance(sync.db.bind, Connection)
    event.listen(sync.db.bind, "before_cursor_execute", note)
    with sync.db.unit_of_work() as work:
        apply(work, [Heard(replace(one, name="x", courses=())) for one in page], Cause(), now=NOW)
    event.remove(sync.db.bind, "before_cursor_execute", note)
    writing = [one.startswith(("INSERT", "UPDATE", "DELETE")) for one in said]
    locking = [number for number, one in enumerate(said) if one.endswith("FOR NO KEY UPDATE")]
    assert [said[number].split(" ORDER BY ")[1] for number in locking] == [
        "trainer_service_records.service_id FOR NO KEY UPDATE",
        "trainers.id FOR NO KEY UPDATE",
    ]
    assert max(locking) < writing.index(True)


def test_an_instant_by_the_service_s_clock_that_alone_has_changed_changes_nothing_else(sync: Sync) -> None:
    said = whole(sync)
    service = Told(said)
    sync.run(service)
    service.say(replace(said, updated_at=NOW))
    run = sync.run(service)
    assert (counts(run), sync.changes(run), len(sync.audited())) == ({"seen": 1, "unchanged": 1}, [], 1)
    assert sync.record("T1")["updated_at"] == NOW


def test_who_is_added_by_a_link_is_told_with_the_link_and_not_with_a_run(sync: Sync) -> None:
    franchise = sync.make.franchise()
    zone = sync.make.zone(operator_id=franchise)
    sync.run(Told(trainer("T1", zone, franchise="F1")))
    link_id = sync.link(LinkKind.FRANCHISE, "F1", franchise)
    (created,) = sync.audited("trainer.created")
    assert created["after"]["link_id"] == str(link_id)
    assert created["operator_id"] == franchise
    assert datetime.fromisoformat(sync.record("T1")["placed_at"].isoformat()) == NOW
