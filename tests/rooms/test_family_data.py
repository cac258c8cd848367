"""A family is given everything that is held of it, and what tells who it is goes when it is erased."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from tests.jobs.builders import Shelf, rows
from tests.make import Make
from tests.rooms.family_story import (
    GUARDIAN,
    LATER,
    SECRETS,
    STUDENTS,
    Family,
    everything,
    family_with_everything,
    revoke_one,
    tells,
)
from tests.web.client import Bell
from webapp.bookings.models import Booking
from webapp.config import Settings
from webapp.core.errors import Conflict, Forbidden, NotFound
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.core.names import ERASED
from webapp.db.base import constraint_of
from webapp.db.tenancy import acting_as
from webapp.db.work import Database
from webapp.desk.erasing import erase_family
from webapp.desk.family_archive import archive
from webapp.desk.family_ledger import LEDGER
from webapp.desk.queries.family_data import family_data
from webapp.households import service as households
from webapp.households.models import Student
from webapp.households.rules import ErasureReason, StudentCommand
from webapp.tables import metadata
from webapp.trainers import service as trainers
from webapp.trainers.models import Trainer

OFTEN_EMPTY = {
    "completed_at",
    "successor_id",
    "expires_at",
    "replaced_by_id",
    "booking_id",
    "course_id",
    "serving_zone",
    "serving_operator",
}
"""Columns that the story leaves open somewhere."""

ONLY_IDS = {"certificate_letters"}
"""Tells nothing by itself, and goes with the guardian it names."""


@pytest.fixture
def family(make: Make, db: Database, settings: Settings, shelf: Shelf) -> Family:
    return family_with_everything(make, db, settings, shelf)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@contextmanager
def refused(code: str) -> Iterator[pytest.ExceptionInfo[Conflict]]:
    """The block is refused with this code, and with nothing else."""
    with pytest.raises(Conflict) as refusal:
        yield refusal
    assert refusal.value.code == code


def erase(db: Database, family: Family, household_id: UUID | None = None) -> bool:
    with db.unit_of_work() as work:
        return erase_family(
            work, household_id or family.id, reason=ErasureReason.ASKED_FOR, by=family.admin.actor, now=LATER
        )


def given(app: Flask, db: Database, family: Family, shelf: Shelf) -> dict[str, bytes]:
    with db.read_only() as session:
        data = family_data(session, family.id, visible_to=family.manager.actor)
    with app.test_request_context():
        made = archive(data, shelf, now=LATER)
    with zipfile.ZipFile(io.BytesIO(made.content)) as file:
        return {name: file.read(name) for name in file.namelist()}


# Giving out


def test_every_row_and_column_of_the_family_is_given_out(
    app: Flask, db: Database, family: Family, shelf: Shelf
) -> None:
    revoke_one(db)
    told: dict[str, Any] = json.loads(given(app, db, family, shelf)["family.json"])
    expected = {held.key for held in LEDGER.values() if held.key}
    assert told.keys() == expected | {"format", "made_at", "names"}
    counted: dict[str, Any] = {
        name: rows(db, f"SELECT count(*) FROM {name}")[0][0]
        for name in ("guardians", "students", "bookings", "certificates", "enquiries", "trainer_blocks")
    }
    counted["guardians"] -= 1  # the other family's
    counted["students"] -= 1
    for table, held in LEDGER.items():
        if held.key is None:
            continue
        part = told[held.key]
        found = [part] if isinstance(part, dict) else part
        assert found, f"the story has something of {table}"
        withheld = {name for names in held.withheld.values() for name in names}
        columns = {column.name for column in metadata.tables[table].columns}
        for row in found:
            assert row.keys() == columns - withheld, table
        for name in columns - withheld:
            assert name in OFTEN_EMPTY or any(row[name] is not None for row in found), f"{table}.{name}"
        if table in counted:
            assert len(found) == counted[table], table


def test_a_parent_can_read_it_in_their_own_language_and_has_the_certificates(
    app: Flask, db: Database, family: Family, shelf: Shelf
) -> None:
    files = given(app, db, family, shelf)
    numbers = {str(number) for (number,) in rows(db, "SELECT number FROM certificates")}
    assert files.keys() == {"family.json", "family.html", "family.txt", *(f"certificates/{n}.pdf" for n in numbers)}
    for number in numbers:
        assert files[f"certificates/{number}.pdf"].startswith(f"%PDF {number}".encode())
    page, plain = files["family.html"].decode(), files["family.txt"].decode()
    assert '<html lang="te" dir="ltr">' in page
    assert "జన" in page, "dates are written in the guardian's language"
    for said in (
        *STUDENTS,
        GUARDIAN,
        "+919848054321",
        "sita@families.example",
        "77 Secret Lane",
        "Mrs Devarakonda asks for mornings",
        "Ravi quarrelled with Sitalakshmi",
        "Sitalakshmi wants later",
        "The Devarakonda family moves",
        "Lakshmi R.",
        "Arunkumar was ill",
        *numbers,
    ):
        assert said in page, said
        assert said in plain, said


def test_nothing_of_others_is_given_out(app: Flask, db: Database, family: Family, shelf: Shelf, make: Make) -> None:
    """Not of another family, nor whom else a trainer teaches, nor how trainers compare."""
    make.booking(operator_id=family.operator_id, household=make.household("Bhavani", operator_id=family.operator_id))
    everything_told = b"".join(given(app, db, family, shelf).values()).decode()
    for foreign in ("Gorantla", "+919999900000", "Bhavani", "explanation", "distance_km", str(family.other_id)):
        assert foreign not in everything_told
    assert str(family.id) in everything_told, "the comparison would notice"


def test_a_foreign_family_is_given_to_nobody(db: Database, family: Family, make: Make) -> None:
    stranger = make.manager().actor
    for household_id in (family.id, new_id()):
        with acting_as(stranger), db.read_only() as session, pytest.raises(NotFound):
            family_data(session, household_id, visible_to=stranger)


# Erasing


def test_nothing_in_the_whole_database_tells_who_an_erased_family_was(db: Database, family: Family) -> None:
    revoke_one(db)
    before = everything(db)
    found = tells(before)
    assert set().union(*found.values()) == set(SECRETS), "each secret is somewhere before"
    wanted = {table for table, held in LEDGER.items() if held.erased or held.removed} - ONLY_IDS
    assert found.keys() >= wanted, "and in each table that something is to go from"
    assert erase(db, family)
    after = everything(db)
    assert tells(after) == {}
    assert all(before[table] and not after[table] for table in ONLY_IDS)
    for table in LEDGER.keys() - {name for name, held in LEDGER.items() if held.removed} - {"audit_entries"}:
        assert len(after[table]) == len(before[table]), f"rows of {table} stay as counts"


def test_what_stays_is_what_the_ledger_says(db: Database, family: Family) -> None:
    """Column by column: kept ones are as they were, erased ones hold nothing or the neutral mark."""
    revoke_one(db)
    before = _columns(db, family)
    erase(db, family)
    after = _columns(db, family)
    bookkeeping = {"version", "erased_at", "file_erased_at", "erasure_noted_at"}
    for table, held in LEDGER.items():
        if held.removed or table == "audit_entries":
            assert held.removed is False or after[table] == []
            continue
        kept = {name for names in held.kept.values() for name in names} - bookkeeping
        if table == "enquiries":
            kept -= {"status"}  # an open one is closed: nobody is left to call
        for was, is_now in zip(before[table], after[table], strict=True):
            assert {name: is_now[name] for name in kept} == {name: was[name] for name in kept}, table
            for name in held.erased:
                assert is_now[name] in (None, "", ERASED, [], False) or is_now[name] != was[name], f"{table}.{name}"


def test_the_other_family_is_untouched(db: Database, family: Family) -> None:
    mine = {name: [row for row in of if str(family.other_id) in row] for name, of in everything(db).items()}
    assert any(mine.values())
    erase(db, family)
    assert mine == {name: [row for row in of if str(family.other_id) in row] for name, of in everything(db).items()}
    with db.read_only() as session:
        assert session.scalar(text("SELECT count(*) FROM guardians WHERE name = 'Gopal Gorantla'")) == 1


def test_a_certificate_keeps_number_hash_and_status_and_loses_name_link_and_words(db: Database, family: Family) -> None:
    revoke_one(db)
    stays = "SELECT id, number, pdf_sha256, state, awarded_on, issued_at, revoked_at FROM certificates ORDER BY id"
    before, tokens = rows(db, stays), rows(db, "SELECT token FROM certificates ORDER BY id")
    erase(db, family)
    assert rows(db, stays) == before
    now = rows(db, "SELECT token FROM certificates ORDER BY id")
    assert not {token for (token,) in tokens} & {token for (token,) in now}
    for said, url, reason, number in rows(
        db, "SELECT payload ->> 'student_name', payload ->> 'verify_url', revoked_reason, number FROM certificates"
    ):
        assert (said, reason) == (ERASED, None)
        assert url == f"http://desk.example/verify/{number}"


def test_the_audit_says_that_and_why_a_family_was_erased_and_nothing_of_it(db: Database, family: Family) -> None:
    erase(db, family)
    ((after, who),) = rows(db, "SELECT after, actor_name FROM audit_entries WHERE what = 'household.erased'")
    assert (after, who) == (
        {
            "reason": "asked_for",
            "erased_at": LATER.isoformat(),
            "bookings": 2,
            "certificates": 2,
            "enquiries": 1,
            "blocks": 1,
        },
        family.admin.name,
    )
    assert rows(db, "SELECT count(*) FROM audit_entries WHERE what = 'certificate.erased'") == [(2,)]
    assert rows(db, "SELECT status FROM enquiries") == [("closed",)]


def test_erasing_twice_changes_nothing(db: Database, family: Family) -> None:
    assert erase(db, family)
    before = everything(db)
    assert not erase(db, family)
    assert everything(db) == before


def test_files_and_the_list_follow_after_the_commit(db: Database, family: Family, bells: list[Bell]) -> None:
    bells.clear()
    erase(db, family)
    assert {name for name, _ in bells} == {JobName.ERASE_FILES, JobName.NOTE_ERASURES}


def test_only_an_admin_erases(db: Database, family: Family, make: Make) -> None:
    for person in (family.manager, family.staff, make.staff(), make.auditor()):
        with db.unit_of_work() as work, pytest.raises(Forbidden):
            erase_family(work, family.id, reason=ErasureReason.ASKED_FOR, by=person.actor, now=LATER)
    with db.unit_of_work() as work, pytest.raises(NotFound):
        erase_family(work, new_id(), reason=ErasureReason.ASKED_FOR, by=family.admin.actor, now=LATER)


def test_a_family_somebody_still_comes_to_is_not_erased(db: Database, family: Family, make: Make) -> None:
    waits = make.booking(household=make.household(phone="+918888800000"))
    (household_id,) = rows(db, "SELECT household_id FROM bookings WHERE id = :id", id=waits.id)[0]
    assert isinstance(household_id, UUID)
    with refused("household-live") as why:
        erase(db, family, household_id)
    assert waits.reference in str(why.value)


def test_the_last_session_has_to_be_over_although_the_booking_is(db: Database, family: Family) -> None:
    with db.unit_of_work() as work:
        last = work.db.scalar(text("SELECT max(upper(period)) FROM schedule_slots"))
    with refused("household-live"), db.unit_of_work() as work:
        before = last.replace(minute=last.minute - 1)
        erase_family(work, family.id, reason=ErasureReason.ASKED_FOR, by=family.admin.actor, now=before)
    with db.unit_of_work() as work:
        assert erase_family(work, family.id, reason=ErasureReason.ASKED_FOR, by=family.admin.actor, now=last)


def test_a_certificate_that_is_being_made_is_waited_for(db: Database, family: Family) -> None:
    with db.unit_of_work() as work:
        work.db.execute(
            text(
                "INSERT INTO certificates (id, operator_id, booking_id, student_id, number, token, state, payload,"
                " salt, awarded_on, awarded_at, valid_from, created_at, attempts, next_at)"
                " SELECT gen_random_uuid(), c.operator_id, b.id, c.student_id, 'ZD-27-00000-00000',"
                " 'a-link-of-its-own', 'pending', c.payload, repeat('0', 32), c.awarded_on, c.awarded_at,"
                " c.valid_from, c.created_at, 0, c.next_at"
                " FROM certificates c, bookings b WHERE b.status = 'cancelled' LIMIT 1"
            )
        )
    with refused("certificate-pending"):
        erase(db, family)
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE certificates SET state = 'failed' WHERE state = 'pending'"))
    assert erase(db, family)
    assert tells(everything(db)) == {}


def test_nothing_new_is_entered_for_an_erased_family(db: Database, family: Family, make: Make) -> None:
    erase(db, family)
    with db.read_only() as session:
        of_family = select(Booking).where(Booking.household_id == family.id).limit(1)
        booking = session.scalars(of_family).one()
        students = session.scalars(select(Student.id).where(Student.household_id == family.id)).all()
        trainer_id = session.scalars(select(Trainer.id).where(Trainer.operator_id == family.operator_id)).first()
    assert trainer_id is not None
    with refused("household-erased"):
        make.booking(
            operator_id=family.operator_id,
            household=households.RegisteredHousehold(family.id, (), tuple(students)),
            zone_id=booking.zone_id,
            course_id=booking.course_id,
            place=Location(booking.lat, booking.lng),
        )
    by = family.staff.actor
    with refused("household-erased"), db.unit_of_work() as work:
        households.add_students(work, family.id, [StudentCommand("Anew")], by=by, now=LATER)
    with refused("household-erased"), db.unit_of_work() as work:
        trainers.block(work, trainer_id, family.id, "Why", by=by, now=LATER)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE households SET erased_at = NULL WHERE id = :id", "households_stay_erased"),
        ("UPDATE students SET name = 'Arun' WHERE household_id = :id", "household_not_erased"),
        (
            "INSERT INTO students (id, operator_id, household_id, name)"
            " SELECT gen_random_uuid(), operator_id, id, 'Arun' FROM households WHERE id = :id",
            "household_not_erased",
        ),
        (
            "INSERT INTO guardians (id, operator_id, household_id, name, phone, language, consent_to_messages)"
            " SELECT gen_random_uuid(), operator_id, id, 'Sita', '+919848012345', 'en', false FROM households"
            " WHERE id = :id",
            "household_not_erased",
        ),
        (
            "INSERT INTO trainer_blocks (operator_id, trainer_id, household_id, reason, created_at)"
            " SELECT h.operator_id, t.id, h.id, 'Why', now() FROM households h"
            " JOIN trainers t ON t.operator_id = h.operator_id WHERE h.id = :id"
            " AND (h.id, t.id) NOT IN (SELECT b.household_id, b.trainer_id FROM trainer_blocks b) LIMIT 1",
            "household_not_erased",
        ),
        ("UPDATE bookings SET household_id = :id WHERE household_id <> :id", "household_not_erased"),
    ],
)
def test_the_database_lets_nobody_enter_a_person_again(
    db: Database, family: Family, make: Make, statement: str, constraint: str
) -> None:
    make.booking(operator_id=family.operator_id)  # another family's, which is not to become theirs
    with db.unit_of_work() as work:
        work.db.execute(text("SAVEPOINT before"))
        if "erased_at = NULL" not in statement:
            assert work.db.execute(text(statement), {"id": family.id}).rowcount  # type: ignore[attr-defined]
        work.db.execute(text("ROLLBACK TO before"))
    erase(db, family)
    with pytest.raises(IntegrityError) as refusal, db.unit_of_work() as work:
        work.db.execute(text(statement), {"id": family.id})
    assert constraint_of(refusal.value) == constraint


def _columns(db: Database, family: Family) -> dict[str, list[dict[str, Any]]]:
    """Every row of the ledger's tables that is the family's own, by primary key."""
    found = {}
    with db.read_only() as session:
        for name in LEDGER:
            table = metadata.tables[name]
            key = ", ".join(column.name for column in table.primary_key)
            condition = " WHERE household_id <> :other" if "household_id" in table.c else ""
            condition = " WHERE id <> :other" if name == "households" else condition
            values = {"other": family.other_id} if condition else {}
            told = session.execute(text(f"SELECT * FROM {name}{condition} ORDER BY {key}"), values).mappings()
            found[name] = [dict(row) for row in told]
    return found
