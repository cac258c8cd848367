"""Taking families in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.errors import Invalid, NotFound
from webapp.core.ids import new_id
from webapp.db.work import Work
from webapp.households.erasing import must_live
from webapp.households.models import Guardian, Household, Student
from webapp.households.rules import HouseholdCommand, StudentCommand


@dataclass(frozen=True, slots=True)
class RegisteredHousehold:
    """The ids a registration made, guardians and students in the order they were given."""

    household_id: UUID
    guardian_ids: tuple[UUID, ...]
    student_ids: tuple[UUID, ...]


def register(
    work: Work, command: HouseholdCommand, *, operator_id: UUID, by: Actor, now: datetime
) -> RegisteredHousehold:
    """Enter a family for an operator. Raises ``Invalid`` with a numbered field, ``NotFound`` for a foreign operator.

    The audit keeps ids and counts, no names: what families may ask to have erased stays out of what never is.
    """
    if not by.sees_everything and by.operator_id != operator_id:
        raise NotFound()
    checked = command.checked()
    made = RegisteredHousehold(
        household_id=new_id(),
        guardian_ids=tuple(new_id() for _ in checked.guardians),
        student_ids=tuple(new_id() for _ in checked.students),
    )
    work.db.add(Household(id=made.household_id, operator_id=operator_id, created_at=now))
    work.db.flush()  # the foreign keys of guardians and students need the row
    for guardian_id, guardian in zip(made.guardian_ids, checked.guardians, strict=True):
        work.db.add(
            Guardian(
                id=guardian_id,
                operator_id=operator_id,
                household_id=made.household_id,
                name=guardian.name,
                phone=guardian.phone,
                email=guardian.email,
                language=guardian.language.value,
                consent_to_messages=guardian.consents,
                consent_at=now if guardian.consents else None,
            )
        )
    _add(work, made.household_id, operator_id, zip(made.student_ids, checked.students, strict=True))
    audit.record(
        work,
        "household.registered",
        "household",
        made.household_id,
        operator_id=operator_id,
        by=by,
        after={
            "guardians": made.guardian_ids,
            "students": made.student_ids,
            "consented": [i for i, g in zip(made.guardian_ids, checked.guardians, strict=True) if g.consents],
        },
        at=now,
    )
    return made


def add_students(
    work: Work, household_id: UUID, commands: Iterable[StudentCommand], *, by: Actor, now: datetime
) -> tuple[UUID, ...]:
    """Enter more children of a family; their ids in the order given.

    Raises ``NotFound`` for a foreign household, ``Conflict`` for an erased one, ``Invalid`` with a numbered field for a
    bad name or for none at all.
    """
    checked = tuple(command.checked(field=f"student-{n}_name") for n, command in enumerate(commands))
    if not checked:
        raise Invalid("no-student", "Enter at least one student.", field="students")
    operator_id = must_live(work.db, household_id, by=by)
    ids = tuple(new_id() for _ in checked)
    _add(work, household_id, operator_id, zip(ids, checked, strict=True))
    audit.record(
        work,
        "household.students_added",
        "household",
        household_id,
        operator_id=operator_id,
        by=by,
        after={"students": ids},
        at=now,
    )
    return ids


def rename_student(
    work: Work, household_id: UUID, student_id: UUID, command: StudentCommand, *, by: Actor, now: datetime
) -> bool:
    """Correct how a child's name is written; False when it is written so already.

    Certificates that are out keep the name they bear. Raises ``NotFound`` for a foreign household or a child of
    another, ``Conflict`` for an erased one, ``Invalid`` for ``student_name``. The audit keeps no names.
    """
    checked = command.checked()
    operator_id = must_live(work.db, household_id, by=by)
    student = work.db.scalar(
        select(Student).where(Student.id == student_id, Student.household_id == household_id).with_for_update()
    )
    if student is None:
        raise NotFound()
    if student.name == checked.name:
        return False
    student.name = checked.name
    audit.record(
        work,
        "household.student_renamed",
        "household",
        household_id,
        operator_id=operator_id,
        by=by,
        after={"student_id": student_id},
        at=now,
    )
    return True


def _add(work: Work, household_id: UUID, operator_id: UUID, students: Iterable[tuple[UUID, StudentCommand]]) -> None:
    for student_id, student in students:
        work.db.add(Student(id=student_id, operator_id=operator_id, household_id=household_id, name=student.name))
