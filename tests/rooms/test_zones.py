"""Who serves a place, on the real database; drawing, changing and importing zones."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import create_engine, select, text, update

from tests.make import Make
from tests.services import Servers
from tests.web.client import NOW
from webapp.audit.models import AuditEntry
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.geo import Location, distance_km
from webapp.core.ids import COMPANY_ID
from webapp.db.work import Database
from webapp.zones import queries, service
from webapp.zones.importing import MAX_BYTES, plan_import, read_zones
from webapp.zones.models import Zone
from webapp.zones.rules import ZoneCommand, ZoneFacts, containing

REAL_FILE = Path(__file__).parents[2].parent / "shared" / "data" / "andhra_pradesh_service_areas.csv"
HEAD = "name,label,city,state,country,time_zone,center_lat,center_lng,radius_km\n"
ONE = "VSP-01,Central,Visakhapatnam,Andhra Pradesh,India,Asia/Kolkata,17.6868,83.2185,3\n"


def draw(db: Database, command: ZoneCommand, *, at: datetime = NOW) -> UUID:
    with db.unit_of_work() as work:
        return service.create(work, command, by=SYSTEM, now=at)


def circle(name: str, center: Location, radius_km: float = 3.0, franchise_id: UUID | None = None) -> ZoneCommand:
    return ZoneCommand(name, franchise_id, "Asia/Kolkata", center, radius_km)


def serving(db: Database, place: Location) -> list[str]:
    with db.read_only() as session:
        return [zone.name for zone in queries.zones_at(session, place)]


# Rule Z2 and Z3: who serves a place


def test_example_4_the_older_of_two_equally_near_zones_wins(db: Database) -> None:
    draw(db, circle("A", Location(17.6868, 83.2185)))
    draw(db, circle("B", Location(17.7068, 83.2185)), at=NOW + timedelta(days=1))
    with db.read_only() as session:
        found = queries.zones_at(session, Location(17.6968, 83.2185))
    assert [zone.name for zone in found] == ["A", "B"]
    assert [round(zone.distance_km, 2) for zone in found] == [1.11, 1.11]
    assert round(distance_km(Location(17.6868, 83.2185), Location(17.7068, 83.2185)), 2) == 2.22


def test_example_4_does_not_hang_on_the_order_of_drawing(db: Database) -> None:
    draw(db, circle("B", Location(17.7068, 83.2185)), at=NOW + timedelta(days=1))
    draw(db, circle("A", Location(17.6868, 83.2185)))
    assert serving(db, Location(17.6968, 83.2185)) == ["A", "B"]


def test_the_nearest_centre_wins_then_the_smaller_area(db: Database) -> None:
    here = Location(17.0, 83.0)
    draw(db, circle("wide", here, 9.0))
    draw(db, circle("near", Location(17.001, 83.0), 20.0))
    draw(db, circle("tight", here, 4.0))
    assert serving(db, here) == ["tight", "wide", "near"]


def test_a_retired_zone_serves_nobody(db: Database) -> None:
    draw(db, replace(circle("gone", Location(17.0, 83.0)), active=False))
    assert serving(db, Location(17.0, 83.0)) == []


def test_zones_of_every_operator_are_found_with_their_owner(db: Database, make: Make) -> None:
    franchise = make.franchise("Vizag Learning")
    draw(db, circle("theirs", Location(17.0, 83.0), 3.0, franchise))
    with db.read_only() as session:
        (found,) = queries.zones_at(session, Location(17.0, 83.0))
    assert (found.operator_id, found.operator_name, found.reach_km) == (franchise, "Vizag Learning", 3.0)


def test_a_circle_over_the_date_line_holds_places_on_both_sides(db: Database) -> None:
    draw(db, circle("Taveuni", Location(-16.85, 179.99), 10.0))
    assert serving(db, Location(-16.85, -179.97)) == ["Taveuni"]
    assert serving(db, Location(-16.85, 179.95)) == ["Taveuni"]
    assert serving(db, Location(-16.85, -179.8)) == []


def test_a_place_half_a_metre_over_the_rim_still_counts_as_rounded(db: Database) -> None:
    center = Location(17.0, 83.0)
    draw(db, circle("rim", center, 3.0))
    over = Location(17.0 + (3.0 + 0.0004) / 111.195, 83.0)
    assert distance_km(center, over) == 3.0
    assert serving(db, over) == ["rim"]


def test_the_database_agrees_with_the_rule_on_random_zones_and_places(db: Database) -> None:
    random = Random(20270104)
    zones: list[ZoneFacts] = []
    for number in range(120):
        lat, lng = random.uniform(-84, 84), random.uniform(-180, 180)
        if number % 3:
            lat, lng = 17.7 + random.uniform(-0.3, 0.3), 83.2 + random.uniform(-0.3, 0.3)
        center, radius, ring = Location(lat, lng), random.choice([1.0, 3.0, 20.0, 400.0]), None
        if number % 5 == 0 and abs(lng) < 178:
            ring = tuple(Location(lat + d, lng + e) for d, e in ((-0.2, -0.1), (0.1, -0.2), (0.25, 0.1), (-0.1, 0.3)))
        at = NOW + timedelta(minutes=random.randrange(3))
        shape = {"ring": ring, "max_travel_km": radius} if ring else {"center": center, "radius_km": radius}
        command = ZoneCommand(f"Zone {number}", None, "Asia/Kolkata", **shape)  # type: ignore[arg-type]
        zone_id = draw(db, command, at=at)
        zones.append(
            ZoneFacts(
                id=zone_id,
                operator_id=COMPANY_ID,
                name=command.name,
                center=command.measured_center,
                radius_km=None if ring else radius,
                ring=ring,
                area_km2=command.area_km2,
                created_at=at,
                active=True,
                time_zone="Asia/Kolkata",
                max_travel_km=radius if ring else None,
            )
        )
    places = [Location(17.7 + random.uniform(-0.4, 0.4), 83.2 + random.uniform(-0.4, 0.4)) for _ in range(60)]
    places += [Location(random.uniform(-90, 90), random.uniform(-180, 180)) for _ in range(60)]
    places += [Location(-90, 0), Location(90, 180), Location(0, -180)]
    held = 0
    with db.read_only() as session:
        for place in places:
            said = [(zone.id, zone.distance_km) for zone in queries.zones_at(session, place)]
            assert said == [(zone.zone_id, zone.distance_km) for zone in containing(zones, place)]
            held += len(said)
    assert held > 100


def test_five_thousand_zones_are_asked_through_the_spatial_index(servers: Servers) -> None:
    """As the functions themselves ask, with the plan they keep: the server tells each plan it runs (auto_explain)."""
    engine = create_engine(servers.admin_url)
    with engine.connect() as connection, connection.begin() as outer:
        connection.execute(
            text(
                """
                INSERT INTO zones (id, name, name_key, label, kind, center_lat, center_lng, radius_km, bounds, area_km2,
                                   time_zone, travel_buffer_minutes, active, created_at)
                SELECT gen_random_uuid(), 'z' || n, 'z' || n, '', 'circle', n % 100 - 50, n / 100 * 3 - 75, 3,
                       box(point(n / 100 * 3 - 74.9, n % 100 - 49.9), point(n / 100 * 3 - 75.1, n % 100 - 50.1)), 28,
                       'UTC', 0, true, now()
                FROM generate_series(1, 5000) AS n
                """
            )
        )
        connection.execute(text("ANALYZE zones"))
        plans: list[str] = []
        driver: Any = connection.connection.driver_connection
        driver.add_notice_handler(lambda told: plans.append(told.message_primary))
        connection.execute(text("LOAD 'auto_explain'"))
        for setting in ("log_min_duration = 0", "log_nested_statements = on"):
            connection.execute(text(f"SET LOCAL auto_explain.{setting}"))
        connection.execute(text("SET LOCAL client_min_messages = log"))
        for asked in (
            "zones_at(17.01, 30.01)",
            "zones_nearest(17.01, 30.01, 3)",
            f"zones_sharing_a_box('{UUID(int=1)}')",
        ):
            plans.clear()
            connection.execute(text(f"SELECT * FROM {asked}"))
            told = "\n".join(plans)
            assert "ix_zones_bounds" in told, told
            assert "Seq Scan on zones" not in told, told
        outer.rollback()
    engine.dispose()


def test_nearest_zones_are_named_where_nobody_serves(db: Database) -> None:
    for number, lat in enumerate((10.0, 11.0, 12.0, 40.0)):
        draw(db, circle(f"Z{number}", Location(lat, 80.0)))
    with db.read_only() as session:
        found = queries.nearest_zones(session, Location(10.9, 80.0))
    assert [zone.name for zone in found] == ["Z1", "Z0", "Z2"]
    assert found[0].distance_km == pytest.approx(11.12, abs=0.01)


# Overlaps


def test_overlaps_are_those_that_share_ground_not_just_a_box(db: Database) -> None:
    first = draw(db, circle("first", Location(17.0, 83.0)))
    draw(db, circle("touching box only", Location(17.045, 83.045), 3.0))
    draw(db, circle("overlapping", Location(17.04, 83.0), 3.0))
    corners = tuple(Location(lat, lng) for lat, lng in ((16.99, 82.9), (17.01, 82.9), (17.01, 82.98), (16.99, 82.98)))
    draw(db, ZoneCommand("polygon near", None, "Asia/Kolkata", ring=corners, max_travel_km=5.0))
    away = tuple(Location(corner.lat, corner.lng - 0.02) for corner in corners)
    draw(db, ZoneCommand("polygon off", None, "Asia/Kolkata", ring=away, max_travel_km=5.0))
    with db.read_only() as session:
        assert {zone.name for zone in queries.overlaps_of(session, first)} == {"overlapping", "polygon near"}


def test_two_polygons_overlap_where_their_edges_cross(db: Database) -> None:
    square = tuple(Location(lat, lng) for lat, lng in ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0)))
    first = draw(db, ZoneCommand("first", None, "UTC", ring=square, max_travel_km=5.0))
    crossing = tuple(Location(corner.lat + 0.5, corner.lng + 0.5) for corner in square)
    draw(db, ZoneCommand("crossing", None, "UTC", ring=crossing, max_travel_km=5.0))
    draw(db, circle("inside", Location(0.2, 0.2), 1.0))
    with db.read_only() as session:
        assert {zone.name for zone in queries.overlaps_of(session, first)} == {"crossing", "inside"}


# Drawing and changing


def test_the_company_and_two_franchises_may_each_have_a_central(db: Database, make: Make) -> None:
    for franchise in (None, make.franchise(), make.franchise()):
        draw(db, circle("Central", Location(17.0, 83.0), 3.0, franchise))


@pytest.mark.parametrize("again", ["Central", " CENTRAL ", "Ｃentral", "ce\u200bntral"])
def test_one_operator_has_a_name_once(db: Database, make: Make, again: str) -> None:
    for franchise in (None, make.franchise()):
        draw(db, circle("Central", Location(17.0, 83.0), 3.0, franchise))
        with pytest.raises(Invalid) as refused:
            draw(db, circle(again, Location(18.0, 83.0), 3.0, franchise))
        assert (refused.value.field, refused.value.code) == ("name", "zone-name-taken")


def test_a_manager_cannot_draw_for_another_operator(db: Database, make: Make) -> None:
    manager = make.manager()
    with pytest.raises(NotFound), db.unit_of_work() as work:
        service.create(work, circle("Mine", Location(17.0, 83.0)), by=manager.actor, now=NOW)


def test_changing_a_zone_is_audited_with_what_changed_and_nothing_else(db: Database) -> None:
    command = circle("Central", Location(17.0, 83.0))
    zone_id = draw(db, command)
    with db.unit_of_work() as work:
        assert not service.change(work, zone_id, command, by=SYSTEM, now=NOW)
        assert service.change(work, zone_id, replace(command, radius_km=5.0), by=SYSTEM, now=NOW)
    with db.read_only() as session:
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.subject_id == zone_id).order_by(AuditEntry.id)
        ).all()
        assert [entry.what for entry in entries] == ["zone.created", "zone.changed"]
        assert (entries[1].before, entries[1].after) == ({"radius_km": 3.0}, {"radius_km": 5.0})
        assert queries.zone(session, zone_id, visible_to=SYSTEM).radius_km == 5.0
    assert serving(db, Location(17.04, 83.0)) == ["Central"]


SQUARE = (Location(17.0, 83.0), Location(17.0, 83.1), Location(17.1, 83.1), Location(17.1, 83.0))


def ring(*corners: Location) -> ZoneCommand:
    return ZoneCommand("Ring", None, "Asia/Kolkata", ring=corners, max_travel_km=5.0)


def test_a_ring_is_kept_open_and_without_doubles(db: Database) -> None:
    zone_id = draw(db, ring(*SQUARE, SQUARE[3], SQUARE[0]))
    with db.unit_of_work() as work:
        assert queries.zone(work.db, zone_id, visible_to=SYSTEM).ring == SQUARE
        assert not service.change(work, zone_id, ring(*SQUARE, SQUARE[0]), by=SYSTEM, now=NOW)


def test_a_ring_that_crosses_itself_is_refused_where_it_is_drawn_and_where_it_is_changed(db: Database) -> None:
    a, b, c, d = SQUARE
    with pytest.raises(Invalid, match=r"near 17\.050000, 83\.050000") as refused:
        draw(db, ring(a, c, b, d))
    assert (refused.value.code, refused.value.field) == ("ring-crosses-itself", "ring")
    zone_id = draw(db, ring(*SQUARE))
    with pytest.raises(Invalid), db.unit_of_work() as work:
        service.change(work, zone_id, ring(a, c, b, d), by=SYSTEM, now=NOW)


def test_a_zone_whose_ring_is_older_than_the_checks_can_still_be_retired(db: Database) -> None:
    a, b, c, d = SQUARE
    crossed = (a, c, b, Location(17.2, 83.0))
    zone_id = draw(db, ring(a, b, c, d))
    with db.unit_of_work() as work:
        work.db.execute(update(Zone).values(ring=crossed))
    with db.unit_of_work() as work:
        assert service.change(work, zone_id, replace(ring(*crossed), active=False), by=SYSTEM, now=NOW)


def test_whole_numbers_are_coordinates_too(db: Database) -> None:
    draw(db, ring(Location(17, 83), Location(17.5, 84), Location(18, 83)))
    assert serving(db, Location(17.5, 83.5)) == ["Ring"]


def test_a_zone_where_trainers_work_keeps_its_time_zone(db: Database, make: Make) -> None:
    zone_id = make.zone(name="Central")
    make.trainer((zone_id,), ())
    with db.read_only() as session:
        command = queries.zones_by_key(session, COMPANY_ID)["central"].command
    with pytest.raises(Conflict, match="Trainers work in Central"), db.unit_of_work() as work:
        service.change(work, zone_id, replace(command, time_zone="Asia/Dubai"), by=SYSTEM, now=NOW)


def test_a_foreign_zone_is_not_there(db: Database, make: Make) -> None:
    zone_id, stranger = make.zone(), make.staff(make.franchise())
    with db.read_only() as session, pytest.raises(NotFound):
        queries.zone(session, zone_id, visible_to=stranger.actor)
    with db.read_only() as session:
        assert queries.zones_index(session, visible_to=stranger.actor) == ((), 0)


# Files


def imported(db: Database, data: bytes) -> tuple[int, int, int]:
    read = read_zones(data, franchise_id=None)
    assert read.faults == ()
    with db.unit_of_work() as work:
        plan = service.import_zones(work, read.zones, operator_id=COMPANY_ID, by=SYSTEM, now=NOW)
    return len(plan.created), len(plan.updated), plan.unchanged


def test_importing_twice_changes_nothing_the_second_time(db: Database) -> None:
    data = (HEAD + ONE).encode()
    assert imported(db, data) == (1, 0, 0)
    assert imported(db, data) == (0, 0, 1)
    assert imported(db, data.replace(b",3\n", b",4\n").replace(b"VSP-01", b"vsp-01")) == (0, 1, 0)
    with db.read_only() as session:
        (zone,), total = queries.zones_index(session, visible_to=SYSTEM)
    assert (zone.name, zone.label, zone.reach_km, total) == ("vsp-01", "Central", 4.0, 1)


def test_an_import_leaves_travel_buffers_and_retired_zones_alone(db: Database) -> None:
    data = (HEAD + ONE).encode()
    imported(db, data)
    with db.unit_of_work() as work:
        work.db.execute(update(Zone).values(travel_buffer_minutes=15, active=False))
    assert imported(db, data) == (0, 0, 1)


def test_a_byte_order_mark_and_windows_lines_are_fine() -> None:
    read = read_zones(b"\xef\xbb\xbf" + (HEAD + ONE).replace("\n", "\r\n").encode(), franchise_id=None)
    assert [zone.command.name for zone in read.zones] == ["VSP-01"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", ["The file is empty."]),
        (HEAD.encode(), ["The file has a heading but no zones."]),
        (b"\xff\xfe" + (HEAD + ONE).encode(), ["The file is not UTF-8. Save it as UTF-8 CSV."]),
        ((HEAD + ONE).encode("utf-16-le"), ["The file is not text. Save it as UTF-8 CSV."]),
        (b"x" * (MAX_BYTES + 1), ["The file is larger than 10 MiB."]),
        (b"name,radius\nA,3\n", ["line 1, time_zone: This column is missing.", "line 1, radius: This column is not"]),
        ((HEAD.replace("label", "name") + ONE).encode(), ["line 1: A column appears twice."]),
        ((HEAD + "A,B\n").encode(), ["line 2: The line has 2 cells, the heading 9."]),
        ((HEAD + '"A\n').encode(), ["line 2: This line is not CSV"]),
        ((HEAD + ONE + ONE.replace("VSP", "vsp")).encode(), ["line 3, name: Line 2 has the same name."]),
        ((HEAD + ONE.replace("17.6868", "=1+1")).encode(), ["line 2, center_lat: =1+1 is not a number"]),
        ((HEAD + ONE.replace("17.6868", "nan")).encode(), ["line 2, center_lat: nan is not a number"]),
        ((HEAD + ONE.replace("17.6868", "117.6868")).encode(), ["line 2, center_lat: Degrees lie between -90 and 90."]),
        ((HEAD + ONE.replace("83.2185", "-183.2")).encode(), ["line 2, center_lng: Degrees lie between -180 and 180."]),
        ((HEAD + ONE.replace(",3\n", ",0\n")).encode(), ["line 2, radius_km: Enter a radius of more than 0"]),
        ((HEAD + ONE.replace(",3\n", ",\n")).encode(), ["line 2, radius_km: – is not a number"]),
        (
            (HEAD + ONE.replace("Asia/Kolkata", "Asia/Vizag")).encode(),
            ["line 2, time_zone: This time zone is not"],
        ),
        ((HEAD + ONE.replace("VSP-01", "")).encode(), ["line 2, name: Enter a name."]),
        ((HEAD + ONE.replace("Central", "x" * 121)).encode(), ["line 2, label: Use at most 120 characters."]),
    ],
)
def test_a_faulty_file_says_which_line_and_field_and_changes_nothing(data: bytes, said: list[str]) -> None:
    read = read_zones(data, franchise_id=None)
    assert read.zones == ()
    for sentence in said:
        assert any(str(fault).startswith(sentence) for fault in read.faults), read.faults


def test_every_fault_of_a_line_is_named_once() -> None:
    read = read_zones((HEAD + "A,,,,,Nowhere,x,y,z\n").encode(), franchise_id=None)
    assert [fault.field for fault in read.faults] == ["center_lat", "center_lng", "radius_km", "time_zone"]


def test_a_formula_is_text_where_text_belongs() -> None:
    (zone,) = read_zones((HEAD + ONE.replace("Central", "=SUM(A1)")).encode(), franchise_id=None).zones
    assert zone.command.label == "=SUM(A1)"


def test_the_real_service_areas_are_taken_as_they_are(db: Database) -> None:
    if not REAL_FILE.exists():
        pytest.skip("the file of real service areas is not beside this clone")
    assert imported(db, REAL_FILE.read_bytes()) == (60, 0, 0)
    assert imported(db, REAL_FILE.read_bytes()) == (0, 0, 60)
    assert serving(db, Location(17.6868, 83.2185))[0] == "VSP-01"


def test_the_command_imports_for_a_franchise_and_says_what_it_did(
    app: Flask, db: Database, make: Make, tmp_path: Path
) -> None:
    franchise = make.franchise("Vizag Learning")
    file = tmp_path / "zones.csv"
    file.write_text(HEAD + ONE, encoding="utf-8")
    run = app.test_cli_runner().invoke
    asked = ["zones", "import", str(file), "--operator", "vizag learning"]
    assert run(args=[*asked, "--dry-run"]).output == (
        "Would be: 1 created, 0 updated, 0 unchanged. Nothing was changed.\n"
    )
    with db.read_only() as session:
        assert queries.zones_by_key(session, franchise) == {}
    assert run(args=asked).output == "Zones: 1 created, 0 updated, 0 unchanged.\n"
    assert run(args=asked).output == "Zones: 0 created, 0 updated, 1 unchanged.\n"
    with db.read_only() as session:
        assert set(queries.zones_by_key(session, franchise)) == {"vsp-01"}


def test_the_command_refuses_in_words(app: Flask, db: Database, tmp_path: Path) -> None:
    file = tmp_path / "zones.csv"
    file.write_text(HEAD + ONE.replace("17.6868", "far"), encoding="utf-8")
    run = app.test_cli_runner().invoke
    faulty = run(args=["zones", "import", str(file)])
    assert faulty.exit_code == 1
    assert "line 2, center_lat: far is not a number like 17.6868." in faulty.output
    unknown = run(args=["zones", "import", str(file), "--operator", "Nobody"])
    assert unknown.exit_code == 1
    assert "There is no operator named Nobody." in unknown.output


def test_a_plan_needs_no_database() -> None:
    (zone,) = read_zones((HEAD + ONE).encode(), franchise_id=None).zones
    plan = plan_import({}, [zone])
    assert (plan.created, plan.updated, plan.unchanged) == ((zone.command,), (), 0)
