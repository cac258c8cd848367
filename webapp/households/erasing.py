"""Erasing a family: what this room holds of it. Part of the room's service; ``desk.erasing`` calls it with the others.

The household's row is the first lock of an erasure, and of everything that is entered for a family.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.core.errors import Conflict, NotFound
from webapp.core.job_names import JobName
from webapp.core.names import ERASED
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.households.models import Guardian, Household, Student


def must_live(db: Session, household_id: UUID, *, by: Actor) -> UUID:
    """The operator of a family that may be given something new, which nobody erases until this transaction ends.

    Raises ``NotFound`` when it is not there or not theirs, ``Conflict`` ``household-erased``.
    """
    return _living(db, household_id, owned_by(Household.operator_id, by))


def must_live_at(db: Session, household_id: UUID, operator_id: UUID) -> None:
    """``must_live`` for a family of one operator, whoever asks."""
    _living(db, household_id, Household.operator_id == operator_id)


def _living(db: Session, household_id: UUID, owned: ColumnElement[bool]) -> UUID:
    # Whether it is erased is asked in Python: as part of the SELECT it would be answered before the lock is waited for.
    found = db.execute(
        select(Household.operator_id, Household.erased_at)
        .where(Household.id == household_id, owned)
        .with_for_update(read=True)
    ).one_or_none()
    if found is None:
        raise NotFound()
    operator_id: UUID
    operator_id, erased_at = found
    if erased_at is not None:
        raise Conflict("household-erased", "The data of this family was erased. Enter them as a new family.")
    return operator_id


def lock_to_erase(db: Session, household_id: UUID, *, by: Actor) -> Household:
    """The household under the lock that everything entered for it waits for. Raises ``NotFound``."""
    household = db.scalar(
        select(Household)
        .where(Household.id == household_id, owned_by(Household.operator_id, by))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if household is None:
        raise NotFound()
    return household


def erase_people(work: Work, household: Household, *, erased_at: datetime) -> None:
    """Take the guardians out of a locked household and the names off its students; from now on it is erased.

    That it is will be noted outside the database too: a backup that is restored knows nothing of it.
    """
    household.erased_at = erased_at
    work.db.flush()  # the statements below are no part of the session
    work.db.execute(delete(Guardian).where(Guardian.household_id == household.id))
    work.db.execute(
        update(Student)
        .where(Student.household_id == household.id)
        .values(name=ERASED)
        .execution_options(synchronize_session=False)
    )
    work.after_commit(JobName.NOTE_ERASURES)


def record_noted(work: Work, household_id: UUID, *, now: datetime) -> None:
    """Note that an erasure was noted outside the database; a second time changes nothing."""
    work.db.execute(
        update(Household)
        .where(Household.id == household_id, Household.erased_at.is_not(None), Household.erasure_noted_at.is_(None))
        .values(erasure_noted_at=now)
        .execution_options(synchronize_session=False)
    )
