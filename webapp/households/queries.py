"""Reading families. Always within the actor's operator: nothing here crosses owners."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, or_, select, text
from sqlalchemy.orm import Session, aliased

from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.core.names import ERASED
from webapp.db.tenancy import owned_by
from webapp.households.models import Guardian, Household, Student
from webapp.households.rules import Language
from webapp.operators.models import Operator

_FEWEST_DIGITS = 4
"""Fewer digits than this are no telephone number to look for."""


@dataclass(frozen=True, slots=True)
class HouseholdRow:
    """A family in a list: its first guardian, and its students' names."""

    id: UUID
    operator_name: str
    guardian_name: str
    phone: str
    students: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class GuardianDetail:
    """A grown-up of the family; ``consent_at`` is when they agreed to be messaged, if they did."""

    id: UUID
    name: str
    phone: str
    email: str | None
    language: Language
    consent_at: datetime | None


@dataclass(frozen=True, slots=True)
class StudentDetail:
    """A child who is taught."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class HouseholdDetail:
    """A family as its page shows it; the first guardian is who the desk calls."""

    id: UUID
    operator_id: UUID
    operator_name: str
    created_at: datetime
    erased_at: datetime | None
    guardians: tuple[GuardianDetail, ...]
    students: tuple[StudentDetail, ...]

    @property
    def title(self) -> str:
        """What the family is called: its first guardian's name, until that was erased."""
        return self.guardians[0].name if self.guardians else ERASED


def households_index(
    db: Session,
    *,
    visible_to: Actor,
    search: str = "",
    operator_id: UUID | None = None,
    but_for: Collection[UUID] = (),
    limit: int | None = None,
    offset: int = 0,
) -> tuple[tuple[HouseholdRow, ...], int]:
    """The families the actor may see, newest first, and how many there are in all; those of ``but_for`` left out.

    ``search`` is looked for in guardians' names and telephone numbers and in students' names.
    """
    wanted = [owned_by(Household.operator_id, visible_to)]
    if but_for:
        wanted.append(Household.id.not_in(but_for))
    if operator_id is not None:
        wanted.append(Household.operator_id == operator_id)
    if search:
        wanted.append(_matches(search))
    first = (
        select(Guardian.id)
        .where(Guardian.household_id == Household.id)
        .order_by(Guardian.id)
        .limit(1)
        .correlate(Household)
        .scalar_subquery()
    )
    students = (
        select(Student.name)
        .where(Student.household_id == Household.id)
        .order_by(Student.id)
        .correlate(Household)
        .scalar_subquery()
    )
    rows = db.execute(
        select(Household.id, Operator.name, Guardian.name, Guardian.phone, func.array(students), Household.created_at)
        .join(Operator, Operator.id == Household.operator_id)
        .outerjoin(Guardian, Guardian.id == first)
        .where(*wanted)
        .order_by(Household.created_at.desc(), Household.id.desc())
        .limit(limit)
        .offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(Household).where(*wanted)) or 0
    return tuple(
        HouseholdRow(id_, operator, name or "", phone or "", tuple(names), created_at)
        for id_, operator, name, phone, names, created_at in rows
    ), total


def household(db: Session, household_id: UUID, *, visible_to: Actor) -> HouseholdDetail:
    """One family with guardians and students. Raises ``NotFound``, also for another operator's (rule E2)."""
    row = db.execute(
        select(Household.id, Household.operator_id, Operator.name, Household.created_at, Household.erased_at)
        .join(Operator, Operator.id == Household.operator_id)
        .where(Household.id == household_id, owned_by(Household.operator_id, visible_to))
    ).one_or_none()
    if row is None:
        raise NotFound()
    guardians = db.execute(
        select(Guardian.id, Guardian.name, Guardian.phone, Guardian.email, Guardian.language, Guardian.consent_at)
        .where(Guardian.household_id == household_id)
        .order_by(Guardian.id)
    )
    students = db.execute(
        select(Student.id, Student.name).where(Student.household_id == household_id).order_by(Student.id)
    )
    return HouseholdDetail(
        *row,
        guardians=tuple(
            GuardianDetail(id_, name, phone, email, Language(language), consent_at)
            for id_, name, phone, email, language, consent_at in guardians
        ),
        students=tuple(StudentDetail(*student) for student in students),
    )


# A function of the database that looks at every operator's households and tells ids only.
_TO_NOTE = text("SELECT id, operator_id FROM erasures_to_note(:limit)")


def due_erasure_notes(db: Session, *, limit: int) -> tuple[tuple[UUID, UUID], ...]:
    """Erased households that are not on the list outside the database yet, with their operators, oldest first."""
    return tuple((row[0], row[1]) for row in db.execute(_TO_NOTE, {"limit": limit}))


def erased_at(db: Session, household_id: UUID) -> datetime | None:
    """When a household was erased; ``None`` when it was not, or is not there for whoever asks."""
    return db.scalar(select(Household.erased_at).where(Household.id == household_id))


def _matches(search: str) -> ColumnElement[bool]:
    # Aliases, because the list itself already reads the first guardian.
    guardian, student = aliased(Guardian), aliased(Student)
    guardians = [guardian.name.icontains(search, autoescape=True)]
    digits = re.sub(r"[^0-9]", "", search)
    if len(digits) >= _FEWEST_DIGITS:
        guardians.append(guardian.phone.contains(digits, autoescape=True))
    return or_(
        exists().where(guardian.household_id == Household.id, or_(*guardians)),
        exists().where(student.household_id == Household.id, student.name.icontains(search, autoescape=True)),
    )
