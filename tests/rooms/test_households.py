"""Families on the database: taking them in, finding them, and keeping operators apart."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.make import Make
from tests.web.client import NOW
from webapp.audit.models import AuditEntry
from webapp.core.actor import SYSTEM
from webapp.core.errors import Invalid, NotFound
from webapp.core.ids import COMPANY_ID
from webapp.core.names import search_words
from webapp.db.work import Database
from webapp.households import queries, service
from webapp.households.rules import GuardianCommand, HouseholdCommand, Language, StudentCommand

MOTHER = GuardianCommand("  Sita   Devi ", "+919848012345", "Sita@Example.org", Language.TELUGU, True)
FATHER = GuardianCommand("राम कुमार", "+919848012346", None, Language.HINDI, False)


def test_a_family_is_stored_in_the_order_given(db: Database) -> None:
    command = HouseholdCommand((MOTHER, FATHER), (StudentCommand("అరుణ్"), StudentCommand("Meena")))
    with db.unit_of_work() as work:
        made = service.register(work, command, operator_id=COMPANY_ID, by=SYSTEM, now=NOW)
    with db.read_only() as session:
        family = queries.household(session, made.household_id, visible_to=SYSTEM)
    assert [guardian.name for guardian in family.guardians] == ["Sita Devi", "राम कुमार"]
    assert [guardian.consent_at for guardian in family.guardians] == [NOW, None]
    assert (family.title, family.guardians[0].email) == ("Sita Devi", "sita@example.org")
    assert [(student.id, student.name) for student in family.students] == [
        (made.student_ids[0], "అరుణ్"),
        (made.student_ids[1], "Meena"),
    ]


def test_the_audit_keeps_ids_and_no_names(db: Database, make: Make) -> None:
    make.household("Arun", guardian="Sita")
    with db.read_only() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.what == "household.registered")).one()
    assert "Arun" not in str(entry.after)
    assert "Sita" not in str(entry.after)
    assert len((entry.after or {})["students"]) == 1


def test_children_join_later(db: Database, make: Make) -> None:
    family = make.household("Arun")
    with db.unit_of_work() as work:
        ids = service.add_students(work, family.household_id, [StudentCommand("Meena")], by=SYSTEM, now=NOW)
    with db.read_only() as session:
        students = queries.household(session, family.household_id, visible_to=SYSTEM).students
    assert [student.id for student in students] == [*family.student_ids, *ids]


def test_a_fault_names_the_numbered_field(db: Database, make: Make) -> None:
    family = make.household()
    students = [StudentCommand("Arun"), StudentCommand(" ")]
    with pytest.raises(Invalid) as refused, db.unit_of_work() as work:
        service.add_students(work, family.household_id, students, by=SYSTEM, now=NOW)
    assert refused.value.field == "student-1_name"
    with pytest.raises(Invalid), db.unit_of_work() as work:
        service.add_students(work, family.household_id, [], by=SYSTEM, now=NOW)


def test_a_foreign_family_is_not_there(db: Database, make: Make) -> None:
    family, stranger = make.household(), make.staff(make.franchise()).actor
    with db.read_only() as session, pytest.raises(NotFound):
        queries.household(session, family.household_id, visible_to=stranger)
    with pytest.raises(NotFound), db.unit_of_work() as work:
        service.add_students(work, family.household_id, [StudentCommand("Arun")], by=stranger, now=NOW)
    command = HouseholdCommand((MOTHER,), ())
    with pytest.raises(NotFound), db.unit_of_work() as work:
        service.register(work, command, operator_id=COMPANY_ID, by=stranger, now=NOW)
    with db.read_only() as session:
        assert queries.households_index(session, visible_to=stranger) == ((), 0)


@pytest.mark.parametrize(
    "search", ["sita", "DEVI", "Arun", "98480 12345", "+91 98480-12345", "अरुण", "\x00Sita\ud800", "2345"]
)
def test_a_family_is_found_by_guardian_phone_or_student(db: Database, make: Make, search: str) -> None:
    wanted = make.household("Arun", "अरुण", guardian="Sita Devi", phone="+919848012345")
    make.household("Ravi", guardian="Lakshmi", phone="+919999911111")
    with db.read_only() as session:
        rows, total = queries.households_index(session, visible_to=SYSTEM, search=search_words(search))
    assert [(row.id, row.students) for row in rows] == [(wanted.household_id, ("Arun", "अरुण"))]
    assert total == 1


@pytest.mark.parametrize("search", ["%", "_", "\\", "nobody", "234"])
def test_signs_of_patterns_are_plain_letters(db: Database, make: Make, search: str) -> None:
    make.household("Arun", guardian="Sita Devi", phone="+919848012345")
    with db.read_only() as session:
        assert queries.households_index(session, visible_to=SYSTEM, search=search) == ((), 0)


def test_the_newest_family_comes_first_page_by_page(db: Database, make: Make) -> None:
    ids = [make.household().household_id for _ in range(5)]
    with db.read_only() as session:
        rows, total = queries.households_index(session, visible_to=SYSTEM, limit=2, offset=2)
    assert [row.id for row in rows] == [ids[2], ids[1]]
    assert total == 5
