"""Each constraint of operators, courses, zones, families and the roster rejects the row it exists for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.make import Make
from tests.web.client import NOW
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.base import constraint_of, sqlstate_of
from webapp.db.work import Database
from webapp.households.models import Guardian, Household

ZONE = {
    "franchise_id": None,
    "name": "Central",
    "name_key": "central",
    "label": "",
    "kind": "circle",
    "center_lat": 17.0,
    "center_lng": 83.0,
    "radius_km": 3.0,
    "ring": None,
    "max_travel_km": None,
    "bounds": "(84,18),(82,16)",
    "area_km2": 28.0,
    "time_zone": "Asia/Kolkata",
    "travel_buffer_minutes": 0,
    "active": True,
    "created_at": "2027-01-01T00:00:00Z",
}
POLYGON = {"kind": "polygon", "radius_km": None, "ring": [83.0, 17.0, 84.0, 17.0, 84.0, 18.0], "max_travel_km": 5.0}


def insert(db: Database, table: str, **values: Any) -> None:
    """Insert one row past every check of ours."""
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    casts = {
        "ring": "CAST(:ring AS double precision[])",
        "bounds": "CAST(:bounds AS box)",
        "period": "CAST(:period AS tstzrange)",
    }
    casts |= {name: f"CAST(:{name} AS timestamptz)" for name in ("created_at", "consent_at")}
    casts |= {name: f"CAST(:{name} AS time)" for name in ("starts", "ends")}
    for name in values.keys() & casts.keys():
        places = places.replace(f":{name}", casts[name])
    with db.unit_of_work() as work:
        work.db.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({places})"), values)


def refusal(db: Database, table: str, **values: Any) -> str | None:
    """The name of the constraint that refuses the row. Fails when none does."""
    with pytest.raises(IntegrityError) as refused:
        insert(db, table, **values)
    return constraint_of(refused.value)


# Operators and courses


def test_there_is_one_company(db: Database) -> None:
    row = {"name": "X", "auto_approve": False, "four_eyes": True, "active": True, "created_at": "2027-01-01T00:00:00Z"}
    said = refusal(db, "operators", id=new_id(), kind="company", name_key="x", **row)
    assert said == "ck_operators_one_company"
    assert refusal(db, "operators", id=new_id(), kind="franchise", name_key="", **row) == "ck_operators_name_key"
    assert refusal(db, "operators", id=new_id(), kind="shop", name_key="x", **row) == "ck_operators_kind"
    insert(db, "operators", id=new_id(), kind="franchise", name_key="x", **row)
    assert refusal(db, "operators", id=new_id(), kind="franchise", name_key="x", **row) == "uq_operators_name_key"


def test_a_course_has_a_name_of_its_own(db: Database) -> None:
    row = {"name": "X", "description": "", "active": True, "created_at": "2027-01-01T00:00:00Z"}
    assert refusal(db, "courses", id=new_id(), name_key="", **row) == "ck_courses_name_key"
    insert(db, "courses", id=new_id(), name_key="x", **row)
    assert refusal(db, "courses", id=new_id(), name_key="x", **row) == "uq_courses_name_key"


# Zones


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"name_key": ""}, "ck_zones_name_key"),
        ({"franchise_id": COMPANY_ID}, "ck_zones_franchise"),
        ({"center_lat": 90.1}, "ck_zones_center"),
        ({"center_lng": -180.1}, "ck_zones_center"),
        ({"center_lat": float("nan")}, "ck_zones_center"),
        ({"radius_km": None}, "ck_zones_radius"),
        ({"radius_km": 0}, "ck_zones_radius_range"),
        ({"radius_km": 501}, "ck_zones_radius_range"),
        ({"kind": "square"}, "ck_zones_kind"),
        ({"max_travel_km": 5.0}, "ck_zones_max_travel"),
        (POLYGON | {"radius_km": 3.0}, "ck_zones_radius"),
        (POLYGON | {"ring": None}, "ck_zones_ring"),
        (POLYGON | {"max_travel_km": None}, "ck_zones_max_travel"),
        (POLYGON | {"max_travel_km": 0}, "ck_zones_max_travel_range"),
        ({"travel_buffer_minutes": -1}, "ck_zones_travel_buffer"),
        ({"travel_buffer_minutes": 241}, "ck_zones_travel_buffer"),
        ({"area_km2": 0}, "ck_zones_area"),
        ({"franchise_id": UUID(int=9)}, "fk_zones_franchise_id"),
    ],
)
def test_a_zone_that_cannot_be_is_refused(db: Database, wrong: dict[str, Any], constraint: str) -> None:
    said = refusal(db, "zones", id=new_id(), **ZONE | wrong)
    assert said in {constraint, "fk_zones_operator_id"} if constraint.startswith("fk_") else said == constraint


@pytest.mark.parametrize("shape", [{}, POLYGON])
def test_a_sound_circle_and_a_sound_polygon_are_taken(db: Database, shape: dict[str, Any]) -> None:
    insert(db, "zones", id=new_id(), **ZONE | shape)


def test_rule_z1_is_held_by_two_partial_unique_indexes(db: Database, make: Make) -> None:
    one, other = make.franchise(), make.franchise()
    for franchise_id in (None, one, other):
        insert(db, "zones", id=new_id(), **ZONE | {"franchise_id": franchise_id})
    assert refusal(db, "zones", id=new_id(), **ZONE) == "uq_zones_company_name_key"
    assert refusal(db, "zones", id=new_id(), **ZONE | {"franchise_id": one}) == "uq_zones_franchise_name_key"


def test_a_zones_operator_is_generated_and_cannot_be_written(db: Database, make: Make) -> None:
    franchise, company_zone, franchise_zone = make.franchise(), new_id(), new_id()
    insert(db, "zones", id=company_zone, **ZONE)
    insert(db, "zones", id=franchise_zone, **ZONE | {"franchise_id": franchise})
    with db.read_only() as session:
        rows = session.execute(text("SELECT id, operator_id FROM zones"))
        assert {row[0]: row[1] for row in rows} == {company_zone: COMPANY_ID, franchise_zone: franchise}
    with pytest.raises(DBAPIError) as refused:
        insert(db, "zones", id=new_id(), operator_id=franchise, **ZONE | {"name_key": "other"})
    assert sqlstate_of(refused.value) == "428C9"  # generated_always


# Families


def test_a_guardian_has_a_real_number_and_a_dated_consent(db: Database, make: Make) -> None:
    family = make.household()
    row = {
        "operator_id": COMPANY_ID,
        "household_id": family.household_id,
        "name": "G",
        "email": None,
        "language": "en",
    }
    agreed: dict[str, Any] = {"consent_to_messages": True, "consent_at": "2027-01-01T00:00:00Z"}
    silent: dict[str, Any] = {"consent_to_messages": False, "consent_at": None}
    for phone in ("9848012345", "+0848012345", "+91 98480", "+123", "", "+91x848012345"):
        assert refusal(db, "guardians", id=new_id(), phone=phone, **row, **silent) == "ck_guardians_phone"
    phone = "+919848012345"
    for consent in (agreed | {"consent_at": None}, silent | {"consent_at": agreed["consent_at"]}):
        assert refusal(db, "guardians", id=new_id(), phone=phone, **row, **consent) == "ck_guardians_consent"
    for consent in (agreed, silent):
        insert(db, "guardians", id=new_id(), phone=phone, **row, **consent)


def test_guardians_and_students_belong_to_their_familys_operator(db: Database, make: Make) -> None:
    family, franchise = make.household(), make.franchise()
    row = {"operator_id": franchise, "household_id": family.household_id, "name": "N"}
    assert refusal(db, "students", id=new_id(), **row) == "fk_students_operator_id_household_id"
    guardian = row | {"phone": "+919848012345", "language": "en", "consent_to_messages": False}
    assert refusal(db, "guardians", id=new_id(), **guardian) == "fk_guardians_operator_id_household_id"
    assert refusal(db, "students", id=new_id(), **row | {"operator_id": COMPANY_ID, "name": ""}) == "ck_students_name"


# The roster

TRAINER = {
    "operator_id": COMPANY_ID,
    "name": "T",
    "active": True,
    "time_zone": "Asia/Kolkata",
    "base_lat": 17.0,
    "base_lng": 83.0,
    "gender": None,
    "languages": [],
    "created_at": "2027-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"name": ""}, "ck_trainers_name"),
        ({"base_lat": None}, "ck_trainers_base"),
        ({"base_lng": 181.0}, "ck_trainers_base_range"),
        ({"base_lat": -91.0}, "ck_trainers_base_range"),
        ({"operator_id": UUID(int=9)}, "fk_trainers_operator_id"),
    ],
)
def test_a_trainer_that_cannot_be_is_refused(db: Database, wrong: dict[str, Any], constraint: str) -> None:
    assert refusal(db, "trainers", id=new_id(), **TRAINER | wrong) == constraint


def test_all_zones_of_a_trainer_share_their_time_zone_and_operator(db: Database, make: Make) -> None:
    zone, dubai, franchise = make.zone(), make.zone(time_zone="Asia/Dubai"), make.franchise()
    theirs = make.zone(operator_id=franchise)
    trainer = make.trainer((zone,), ())
    row = {"operator_id": COMPANY_ID, "trainer_id": trainer}
    of_trainer = "fk_trainer_zones_operator_id_trainer_id_time_zone"
    of_zone = "fk_trainer_zones_operator_id_zone_id_time_zone"
    assert refusal(db, "trainer_zones", zone_id=dubai, time_zone="Asia/Dubai", **row) == of_trainer
    assert refusal(db, "trainer_zones", zone_id=dubai, time_zone="Asia/Kolkata", **row) == of_zone
    assert refusal(db, "trainer_zones", zone_id=theirs, time_zone="Asia/Kolkata", **row) == of_zone
    stolen = {"operator_id": franchise, "trainer_id": trainer, "zone_id": theirs, "time_zone": "Asia/Kolkata"}
    assert refusal(db, "trainer_zones", **stolen) == of_trainer


def test_certifications_blocks_and_hours_belong_to_the_trainers_operator(db: Database, make: Make) -> None:
    trainer, franchise, course = make.trainer((make.zone(),), ()), make.franchise(), make.course()
    row = {"operator_id": franchise, "trainer_id": trainer}
    assert refusal(db, "trainer_courses", course_id=course, **row) == "fk_trainer_courses_operator_id_trainer_id"
    mine = row | {"operator_id": COMPANY_ID}
    assert refusal(db, "trainer_courses", course_id=new_id(), **mine) == "fk_trainer_courses_course_id"
    block = {"reason": "r", "created_at": "2027-01-01T00:00:00Z"}
    theirs = make.household(operator_id=franchise)
    said = refusal(db, "trainer_blocks", household_id=theirs.household_id, **mine, **block)
    assert said == "fk_trainer_blocks_operator_id_household_id"


@pytest.mark.parametrize(
    ("weekday", "starts", "ends", "constraint"),
    [
        (7, "09:00", "10:00", "ck_working_hours_weekday"),
        (-1, "09:00", "10:00", "ck_working_hours_weekday"),
        (0, "10:00", "10:00", "ck_working_hours_order"),
        (0, "10:00", "09:00", "ck_working_hours_order"),
    ],
)
def test_working_hours_run_forward_within_a_day(
    db: Database, make: Make, weekday: int, starts: str, ends: str, constraint: str
) -> None:
    trainer = make.trainer((make.zone(),), (), hours=())
    row = {"operator_id": COMPANY_ID, "trainer_id": trainer}
    assert refusal(db, "working_hours", weekday=weekday, starts=starts, ends=ends, **row) == constraint
    insert(db, "working_hours", weekday=0, starts="18:00", ends="00:00", **row)


@pytest.mark.parametrize("period", ["empty", "[2027-01-01,)", "(,2027-01-01]", "(,)"])
def test_time_off_begins_and_ends(db: Database, make: Make, period: str) -> None:
    trainer = make.trainer((make.zone(),), ())
    row = {"id": new_id(), "operator_id": COMPANY_ID, "trainer_id": trainer, "reason": ""}
    assert refusal(db, "time_off", period=period, **row) == "ck_time_off_period"
    insert(db, "time_off", period="[2027-01-01,2027-01-02)", **row)


# Assignments


def test_a_booking_has_one_trainer_and_one_proposed_instead_and_any_number_of_substitutes(
    db: Database, make: Make
) -> None:
    """Rule A7: the index is over the status, so that a trainer can be proposed beside the one a booking has."""
    zone_id, course_id = make.zone(), make.course()
    trainer_id, booking = make.trainer((zone_id,), (course_id,)), make.booking(zone_id=zone_id, course_id=course_id)
    row = {
        "operator_id": COMPANY_ID,
        "booking_id": booking.id,
        "trainer_id": trainer_id,
        "automatic": False,
        "proposed_by_name": "x",
        "proposed_at": NOW,
        "expires_at": NOW,
        "explanation": "[]",
        "version": 1,
    }

    def alive(status: str, kind: str, **more: Any) -> dict[str, Any]:
        return row | {"id": new_id(), "kind": kind, "status": status} | more

    decided = {"decided_at": NOW, "decided_by_name": "x"}
    insert(db, "assignments", **alive("approved", "course", **decided))
    insert(db, "assignments", **alive("proposed", "replacement", purpose="x" * 400))
    for _ in range(2):
        insert(db, "assignments", **alive("proposed", "substitute"))
        insert(db, "assignments", **alive("approved", "substitute", **decided))
        insert(db, "assignments", **alive("replaced", "course", **decided))
    again = "uq_assignments_live_booking_id_status"
    assert refusal(db, "assignments", **alive("approved", "replacement", **decided)) == again
    assert refusal(db, "assignments", **alive("proposed", "course")) == again
    assert refusal(db, "assignments", **alive("proposed", "exchange")) == "ck_assignments_kind"


# The order of writing


def test_a_family_may_be_added_after_its_guardian_in_one_unit_of_work(db: Database) -> None:
    household_id = new_id()
    with db.unit_of_work() as work:
        # Guardian sorts before Household, so the alphabet does not help.
        work.db.add(
            Guardian(
                id=new_id(),
                operator_id=COMPANY_ID,
                household_id=household_id,
                name="G",
                phone="+919848012345",
                language="en",
                consent_to_messages=False,
            )
        )
        work.db.add(Household(id=household_id, operator_id=COMPANY_ID, created_at=NOW))
    with db.read_only() as session:
        assert (
            session.scalar(text("SELECT count(*) FROM guardians WHERE household_id = :id"), {"id": household_id}) == 1
        )
