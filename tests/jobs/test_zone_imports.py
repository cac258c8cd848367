"""Importing zones in the background: whatever is repeated, overtaken or killed, all zones are written once or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.jobs.builders import DONE, later, rows
from tests.make import Make, Person
from tests.web.client import Bell
from webapp import jobs as every_job
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict, NotFound
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database, counting_statements
from webapp.trainers.queries import worked_in
from webapp.zones import jobs, queries, service
from webapp.zones.bulk import BATCH
from webapp.zones.files.said import FileFormat
from webapp.zones.import_rules import KEPT, LEASE, MAX_ATTEMPTS, MAX_OPEN, ImportMode, ImportState
from webapp.zones.imports import checking, claiming, promising
from webapp.zones.rules import Disputes, ZoneCommand

HEAD = "name,label,time_zone,center_lat,center_lng,radius_km,reason\n"
HERE, FAR = Location(17.7, 83.2), Location(28.6, 77.2)


def line(
    name: str, *, label: str = "", at: Location = HERE, radius: object = 3, reason: str = "", zone: str = "Asia/Kolkata"
) -> str:
    return f'"{name}","{label}",{zone},{at.lat},{at.lng},{radius},"{reason}"\n'


def sent(db: Database, *lines: str, by: Actor = SYSTEM, operator_id: UUID = COMPANY_ID, head: str = HEAD) -> UUID:
    content = (head + "".join(lines)).encode()
    with db.unit_of_work() as work:
        return promising.take_file(work, content, FileFormat.CSV, operator_id=operator_id, by=by, now=DONE)


def confirmed(db: Database, import_id: UUID, by: Actor, mode: ImportMode = ImportMode.ALL) -> None:
    with db.unit_of_work() as work:
        promising.ask_to_write(work, import_id, mode, by=by, now=DONE)


def work_off(ctx: JobContext) -> int:
    return jobs.import_zones(ctx, worked_in=worked_in)


def state(db: Database, import_id: UUID) -> dict[str, Any]:
    with db.read_only() as session:
        found = session.execute(text("SELECT * FROM zone_imports WHERE id = :id"), {"id": import_id})
        return dict(found.mappings().one())


def report(db: Database, import_id: UUID) -> dict[int, tuple[str, list[Any]]]:
    told = rows(db, "SELECT line, verdict, faults FROM zone_import_rows WHERE import_id = :id", id=import_id)
    return {number: (verdict, faults) for number, verdict, faults in told}


def zones(db: Database) -> dict[str, tuple[str, float]]:
    return {name: (label, radius) for name, label, radius in rows(db, "SELECT name, label, radius_km FROM zones")}


def audited(db: Database) -> Counter[str]:
    return Counter(what for (what,) in rows(db, "SELECT what FROM audit_entries WHERE what LIKE 'zone%'"))


@pytest.fixture
def admin(make: Make) -> Person:
    return make.admin()


def test_a_file_is_looked_at_then_written_and_a_second_time_changes_nothing(
    db: Database, ctx: JobContext, admin: Person, bells: list[Bell]
) -> None:
    lines = (line("VSP-01", label="Central"), line("VSP-02", at=FAR))
    first = sent(db, *lines, by=admin.actor)
    assert bells[-1] == (JobName.IMPORT_ZONES, {})
    assert work_off(ctx) == 1
    looked = state(db, first)
    assert (looked["state"], looked["rows"], looked["count_new"], looked["count_bad"]) == ("checked", 2, 2, 0)
    assert (looked["lease"], looked["finished_at"]) == (None, None)
    assert zones(db) == {}, "looking writes nothing"
    assert work_off(ctx) == 0, "nobody has asked for it to be written"
    confirmed(db, first, admin.actor)
    assert work_off(ctx) == 1
    done = state(db, first)
    assert (done["state"], done["content"], done["progress"]) == ("done", None, 2)
    assert zones(db) == {"VSP-01": ("Central", 3.0), "VSP-02": ("", 3.0)}
    (told,) = rows(db, "SELECT actor_id, actor_name FROM audit_entries WHERE what = 'zone.created' LIMIT 1")
    assert told == (admin.id, admin.name), "who pressed the button drew the zones"
    assert audited(db)["zone_import.written"] == 1

    second = sent(db, *lines, by=admin.actor)
    before = rows(db, "SELECT xmin, ctid FROM zones ORDER BY name"), rows(db, "SELECT version FROM zone_set")
    assert work_off(ctx) == 1
    assert {verdict for verdict, _faults in report(db, second).values()} == {"same"}
    with pytest.raises(Conflict, match="nothing to write"):
        confirmed(db, second, admin.actor)
    assert (rows(db, "SELECT xmin, ctid FROM zones ORDER BY name"), rows(db, "SELECT version FROM zone_set")) == before


def test_every_bad_row_is_told_with_its_column_and_only_the_good_ones_are_written_when_asked_for(
    db: Database, ctx: JobContext, admin: Person
) -> None:
    import_id = sent(
        db,
        line("Good"),
        line("Twelve", radius='"12,5"'),
        line("North", at=Location(17, 83)).replace(",17,", ",90.0001,").replace(",17.0,", ",90.0001,"),
        line("Nowhere", zone="Mars/Base"),
        line("Nothing", radius=0),
        line("Huge", radius=1000),
        line("good"),
        line("NaN", radius="nan"),
        line("Ｆｉｎｅ", at=FAR),
        by=admin.actor,
    )
    work_off(ctx)
    told = report(db, import_id)
    assert Counter(verdict for verdict, _faults in told.values()) == {"bad": 8, "new": 1}
    assert {number: fault[0][0] for number, (_verdict, fault) in told.items() if fault} == {
        2: "name",
        3: "radius_km",
        4: "center_lat",
        5: "time_zone",
        6: "radius_km",
        7: "radius_km",
        8: "name",
        9: "radius_km",
    }
    assert told[2][1][0][2] == {"line": 8}, "of two of one name nobody knows which is meant"
    with pytest.raises(Conflict, match="as a whole"):
        confirmed(db, import_id, admin.actor, ImportMode.ALL)
    confirmed(db, import_id, admin.actor, ImportMode.GOOD)
    work_off(ctx)
    assert set(zones(db)) == {"Ｆｉｎｅ"}
    assert state(db, import_id)["state"] == "done"


def test_a_name_in_another_case_and_width_is_the_same_zone(db: Database, ctx: JobContext, admin: Person) -> None:
    import_id = sent(db, line("Central"), by=admin.actor)
    work_off(ctx)
    confirmed(db, import_id, admin.actor)
    work_off(ctx)
    again = sent(db, line("ＣＥＮＴＲＡＬ", label="New"), by=admin.actor)
    work_off(ctx)
    assert report(db, again)[2][0] == "changed"
    confirmed(db, again, admin.actor)
    work_off(ctx)
    assert zones(db) == {"ＣＥＮＴＲＡＬ": ("New", 3.0)}


def test_what_the_file_leaves_unsaid_stays(db: Database, ctx: JobContext, admin: Person, make: Make) -> None:
    command = ZoneCommand("Ring", None, "UTC", ring=(Location(1, 1), Location(1, 2), Location(2, 2)), max_travel_km=7.0)
    with db.unit_of_work() as work:
        kept = replace(command, travel_buffer_minutes=15, active=False, label="Old")
        service.create(work, kept, by=SYSTEM, now=DONE)
    head = "name,time_zone,corners\n"
    import_id = sent(db, "ring,UTC,1 1; 1 2; 2 2\n", head=head, by=admin.actor)
    work_off(ctx)
    assert report(db, import_id)[2][0] == "changed", "its name is spelled anew"
    confirmed(db, import_id, admin.actor)
    work_off(ctx)
    with db.read_only() as session:
        assert queries.zones_by_key(session, COMPANY_ID)["ring"].command == replace(kept, name="ring")


def test_a_zone_changed_between_the_look_and_the_writing_stops_all_of_it_and_is_named(
    db: Database, ctx: JobContext, admin: Person
) -> None:
    import_id = sent(db, line("A"), line("B", at=FAR), by=admin.actor)
    work_off(ctx)
    confirmed(db, import_id, admin.actor)
    with db.unit_of_work() as work:
        zone_id = service.create(work, ZoneCommand("b", None, "UTC", FAR, 1.0), by=SYSTEM, now=DONE)
    work_off(ctx)
    back = state(db, import_id)
    assert (back["state"], back["problem"], back["touched"], back["mode"]) == ("waiting", "changed-since", [3], None)
    assert set(zones(db)) == {"b"}
    work_off(ctx)
    assert report(db, import_id) == {2: ("new", []), 3: ("changed", [])}
    assert state(db, import_id)["problem"] == "changed-since", "the new report says why there is one"
    with db.unit_of_work() as work:
        # Another zone, which the file does not name, is nothing to it.
        service.create(work, ZoneCommand("C", None, "UTC", Location(1, 1), 1.0), by=SYSTEM, now=DONE)
    confirmed(db, import_id, admin.actor)
    work_off(ctx)
    assert zones(db) == {"A": ("", 3.0), "B": ("", 3.0), "C": ("", 1.0)}
    assert rows(db, "SELECT id FROM zones WHERE name = 'B'") == [(zone_id,)]


def disputed(db: Database, make: Make) -> None:
    with db.unit_of_work() as work:
        command = ZoneCommand("Theirs", make.franchise("Vizag Learning"), "Asia/Kolkata", HERE, 2.0)
        service.create(work, command, by=SYSTEM, now=DONE)


def test_ground_of_another_operator_needs_a_reason_and_is_named(
    db: Database, ctx: JobContext, admin: Person, make: Make
) -> None:
    disputed(db, make)
    import_id = sent(db, line("A"), line("B", reason="Both agreed"), line("C", at=FAR), by=admin.actor)
    work_off(ctx)
    told = report(db, import_id)
    ((field, sentence, params),) = told[2][1]
    assert (told[2][0], told[3][0], told[4][0]) == ("bad", "new", "new")
    assert (field, sentence % params) == (
        "reason",
        "Theirs of Vizag Learning has 13 km² of this ground already: say why both may serve it.",
    )
    ((kept,),) = rows(db, "SELECT disputes FROM zone_import_rows WHERE line = 3")
    assert kept[0][:2] == ["Vizag Learning", "Theirs"]
    confirmed(db, import_id, admin.actor, ImportMode.GOOD)
    work_off(ctx)
    versions = "SELECT name, number, reason FROM zone_versions WHERE name IN ('B', 'C') ORDER BY name"
    assert rows(db, versions) == [("B", 1, "Both agreed"), ("C", 1, None)]
    again = sent(db, line("B", radius=4, reason="Both agreed again"), by=admin.actor)
    work_off(ctx)
    confirmed(db, again, admin.actor)
    work_off(ctx)
    assert rows(db, "SELECT number, reason, changed_by_name FROM zone_versions WHERE name = 'B' ORDER BY number") == [
        (1, "Both agreed", admin.actor.name),
        (2, "Both agreed again", admin.actor.name),
    ]


def test_where_disputes_are_refused_no_reason_helps(db: Database, ctx: JobContext, admin: Person, make: Make) -> None:
    disputed(db, make)
    refusing = replace(ctx, settings=ctx.settings.model_copy(update={"zone_disputes": "refuse"}))
    import_id = sent(db, line("B", reason="Both agreed"), by=admin.actor)
    work_off(refusing)
    assert [fault[0] for fault in report(db, import_id)[2][1]] == ["radius_km"]


def test_a_dispute_that_began_after_the_look_stops_the_writing(
    db: Database, ctx: JobContext, admin: Person, make: Make
) -> None:
    import_id = sent(db, line("A"), line("B", at=FAR), by=admin.actor)
    work_off(ctx)
    confirmed(db, import_id, admin.actor)
    disputed(db, make)
    work_off(ctx)
    assert (state(db, import_id)["state"], state(db, import_id)["touched"]) == ("waiting", [2])
    work_off(ctx)
    assert report(db, import_id)[2][0] == "bad"


def test_a_border_that_takes_no_new_ground_of_others_is_no_dispute(
    db: Database, ctx: JobContext, admin: Person, make: Make
) -> None:
    with db.unit_of_work() as work:
        service.create(work, ZoneCommand("A", None, "Asia/Kolkata", HERE, 3.0), by=SYSTEM, now=DONE)
    disputed(db, make)
    import_id = sent(db, line("A", radius=2.5, label="Smaller"), by=admin.actor)
    work_off(ctx)
    assert report(db, import_id)[2] == ("changed", [])


def test_a_time_zone_that_trainers_hold_is_told_before_anything_is_written(
    db: Database, ctx: JobContext, admin: Person, make: Make
) -> None:
    make.trainer((make.zone(name="Central"),), ())
    make.zone(name="Free", center=FAR)
    import_id = sent(db, line("Central", zone="UTC"), line("Free", zone="UTC", at=FAR), by=admin.actor)
    work_off(ctx)
    told = report(db, import_id)
    assert (told[2][0], told[3][0]) == ("bad", "changed")
    assert "time_zone" in [fault[0] for fault in told[2][1]]


def test_two_workers_at_once_do_it_once(db: Database, ctx: JobContext, admin: Person) -> None:
    import_id = sent(db, line("A"), by=admin.actor)
    with db.unit_of_work() as work:
        held = claiming.claim(work, import_id, now=DONE)
    assert held is not None
    with db.unit_of_work() as work:
        assert claiming.claim(work, import_id, now=DONE) is None
    assert work_off(ctx) == 0
    assert work_off(later(ctx, LEASE)) == 1, "the first one gave no sign for so long"
    with pytest.raises(claiming.LeaseLost):
        checking.check(db, held, worked_in=worked_in, asking=Disputes.REASON, now=ctx.now)
    assert report(db, import_id) == {2: ("new", [])}


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


def test_killed_half_way_through_the_look_it_begins_anew(
    db: Database, ctx: JobContext, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = sent(db, *(line(f"Zone {n}", at=Location(n % 80, n % 170)) for n in range(2 * BATCH)), by=admin.actor)
    beats = iter(range(10))

    def dies(*args: Any, **kwargs: Any) -> None:
        if next(beats) == 1:
            raise Killed
        claiming.beat(*args, **kwargs)

    monkeypatch.setattr(checking, "beat", dies)
    with pytest.raises(Killed):
        work_off(ctx)
    assert state(db, import_id)["progress"] == BATCH
    assert len(report(db, import_id)) == BATCH
    monkeypatch.undo()
    work_off(later(ctx, LEASE))
    assert state(db, import_id)["count_new"] == len(report(db, import_id)) == 2 * BATCH


def test_killed_half_way_through_the_writing_nothing_is_written_and_then_all_of_it(
    db: Database, ctx: JobContext, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = sent(db, *(line(f"Zone {n}", at=Location(n % 80, n % 170)) for n in range(2 * BATCH)), by=admin.actor)
    work_off(ctx)
    confirmed(db, import_id, admin.actor)

    def dies(work: Any, drawn: Any, **kwargs: Any) -> None:
        if rows(db, "SELECT 1 FROM zones LIMIT 1"):
            raise Killed
        real(work, drawn, **kwargs)

    real: Callable[..., None] = service.draw_all
    monkeypatch.setattr(service, "draw_all", dies)
    with pytest.raises(Killed):
        work_off(ctx)
    monkeypatch.undo()
    assert zones(db) == {}
    assert audited(db)["zone.created"] == 0
    assert work_off(ctx) == 0, "its lease still runs"
    assert work_off(later(ctx, LEASE)) == 1
    assert len(zones(db)) == audited(db)["zone.created"] == 2 * BATCH
    assert state(db, import_id)["state"] == "done"


def test_an_import_that_kills_its_work_horse_every_time_ends_as_failed(
    db: Database, ctx: JobContext, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = sent(db, line("A"), by=admin.actor)

    def dies(*_args: Any, **_kwargs: Any) -> None:
        raise Killed

    monkeypatch.setattr(jobs, "check", dies)
    for n in range(MAX_ATTEMPTS):
        with pytest.raises(Killed):
            work_off(later(ctx, n * LEASE))
    assert work_off(later(ctx, MAX_ATTEMPTS * LEASE)) == 0
    ended = state(db, import_id)
    assert (ended["state"], ended["problem"], ended["content"]) == ("failed", "no-answer", None)


def test_a_fault_of_ours_ends_it_and_is_raised(
    db: Database, ctx: JobContext, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = sent(db, line("A"), by=admin.actor)

    def stumbles(*_args: Any, **_kwargs: Any) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(jobs, "check", stumbles)
    with pytest.raises(KeyError):
        work_off(ctx)
    assert (state(db, import_id)["state"], state(db, import_id)["problem"]) == ("failed", "unexpected-KeyError")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEAD.encode() + "Caf\xe9,,UTC,1,1,1,\n".encode("latin-1"), "UTF-8"),
        (HEAD.encode() + b'A,,UTC,1,1,1,\n"B\n', "lone quote"),
        (b"name,time_zone\nA,UTC\n", "column is missing"),
        (HEAD.encode(), "no zones"),
        (b'{"type":"FeatureCollection","features":[{"type":"Feature"', "not JSON"),
        (b'{"type":"FeatureCollection","features":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}", "nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_fails_in_words_and_leaves_nothing(
    db: Database, ctx: JobContext, admin: Person, content: bytes, said: str
) -> None:
    kind = FileFormat.GEOJSON if content.startswith(b"{") else FileFormat.CSV
    with db.unit_of_work() as work:
        import_id = promising.take_file(work, content, kind, operator_id=COMPANY_ID, by=admin.actor, now=DONE)
    work_off(ctx)
    ended = state(db, import_id)
    assert (ended["state"], ended["problem"], ended["content"]) == ("failed", "file", None)
    assert said in ended["faults"][0][2]
    assert report(db, import_id) == {}


def test_the_sweeper_rings_for_what_waits_and_lets_old_imports_go(
    db: Database, ctx: JobContext, admin: Person, bells: list[Bell]
) -> None:
    import_id = sent(db, line("A"), by=admin.actor)
    bells.clear()
    assert not jobs.ring_for_imports(ctx)
    assert jobs.ring_for_imports(later(ctx, jobs.RING_AGAIN_AFTER))
    assert bells == [(JobName.IMPORT_ZONES, {})]
    work_off(ctx)
    assert not jobs.ring_for_imports(later(ctx, jobs.RING_AGAIN_AFTER))
    jobs.ring_for_imports(later(ctx, KEPT))
    assert state(db, import_id)["state"] == "checked"
    jobs.ring_for_imports(later(ctx, KEPT + timedelta(seconds=1)))
    assert rows(db, "SELECT id FROM zone_imports") == rows(db, "SELECT line FROM zone_import_rows") == []


def test_a_file_takes_few_statements_however_many_rows_it_has(db: Database, ctx: JobContext, admin: Person) -> None:
    import_id = sent(db, *(line(f"Zone {n}", at=Location(n % 80, n % 170)) for n in range(2 * BATCH)), by=admin.actor)
    with counting_statements() as count:
        work_off(ctx)
        assert count() <= 14 + 5 * 2
    confirmed(db, import_id, admin.actor)
    with counting_statements() as count:
        work_off(ctx)
        assert count() <= 10 + 5 * 2


def test_nobody_sends_or_writes_for_a_stranger_and_few_files_wait_at_once(
    db: Database, make: Make, admin: Person
) -> None:
    franchise = make.franchise()
    stranger = make.manager(make.franchise())
    with pytest.raises(NotFound):
        sent(db, line("A"), by=stranger.actor, operator_id=franchise)
    import_id = sent(db, line("A"), by=make.manager(franchise).actor, operator_id=franchise)
    with pytest.raises(NotFound):
        confirmed(db, import_id, stranger.actor)
    for _ in range(MAX_OPEN - 1):
        sent(db, line("A"), by=admin.actor, operator_id=franchise)
    with pytest.raises(Conflict, match="files wait already"):
        sent(db, line("A"), by=admin.actor, operator_id=franchise)


def test_a_state_moves_only_along_the_table(db: Database, ctx: JobContext, admin: Person) -> None:
    import_id = sent(db, line("A"), by=admin.actor)
    with pytest.raises(Conflict, match="moved on"):
        confirmed(db, import_id, admin.actor)
    work_off(ctx)
    confirmed(db, import_id, admin.actor)
    with pytest.raises(Conflict, match="moved on"):
        confirmed(db, import_id, admin.actor)
    assert ImportState(state(db, import_id)["state"]) is ImportState.WRITING


def test_the_job_under_its_name_knows_where_trainers_work(db: Database, ctx: JobContext, admin: Person) -> None:
    import_id = sent(db, line("A"), by=admin.actor)
    every_job.HANDLERS[JobName.IMPORT_ZONES](ctx)
    assert state(db, import_id)["state"] == "checked"
