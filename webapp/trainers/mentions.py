"""Who is kept apart from whom (rule T10), for the family's page and the trainer's, and whom else it could be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.orm import Session

from webapp.audit.models import AuditEntry
from webapp.core.actor import Actor
from webapp.db.tenancy import owned_by
from webapp.households.models import Guardian, Student
from webapp.trainers.models import Trainer, TrainerBlock


@dataclass(frozen=True, slots=True)
class Block:
    """A trainer a family is kept apart from (rule T10): since when, why, and by whom as the audit tells."""

    trainer_id: UUID
    trainer: str
    reason: str
    created_at: datetime
    by: str | None


@dataclass(frozen=True, slots=True)
class KeptApart:
    """A family a trainer is kept apart from (rule T10): since when, why, and by whom as the audit tells."""

    household_id: UUID
    guardian: str
    students: tuple[str, ...]
    reason: str
    created_at: datetime
    by: str | None


def _by() -> ColumnElement[str | None]:
    """Who kept the family and the trainer of a ``TrainerBlock`` apart, as far as the audit knows."""
    return (
        select(AuditEntry.actor_name)
        .where(
            AuditEntry.subject_id == TrainerBlock.trainer_id,
            AuditEntry.what == "trainer.blocked",
            AuditEntry.after["household_id"].astext == cast(TrainerBlock.household_id, Text),
        )
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(1)
        .correlate(TrainerBlock)
        .scalar_subquery()
    )


def blocks_of_household(db: Session, household_id: UUID, actor: Actor) -> tuple[Block, ...]:
    """The trainers a family is kept apart from, the newest first."""
    rows = db.execute(
        select(TrainerBlock.trainer_id, Trainer.name, TrainerBlock.reason, TrainerBlock.created_at, _by())
        .join(Trainer, Trainer.id == TrainerBlock.trainer_id)
        .where(TrainerBlock.household_id == household_id, owned_by(TrainerBlock.operator_id, actor))
        .order_by(TrainerBlock.created_at.desc(), Trainer.name)
    )
    return tuple(Block(*row) for row in rows)


def families_kept_apart(db: Session, trainer_id: UUID, *, visible_to: Actor) -> tuple[KeptApart, ...]:
    """The families a trainer is kept apart from, the newest first."""
    guardian = (
        select(Guardian.name)
        .where(Guardian.household_id == TrainerBlock.household_id)
        .order_by(Guardian.id)
        .limit(1)
        .correlate(TrainerBlock)
        .scalar_subquery()
    )
    students = (
        select(Student.name)
        .where(Student.household_id == TrainerBlock.household_id)
        .order_by(Student.id)
        .correlate(TrainerBlock)
        .scalar_subquery()
    )
    rows = db.execute(
        select(
            TrainerBlock.household_id,
            guardian,
            func.array(students),
            TrainerBlock.reason,
            TrainerBlock.created_at,
            _by(),
        )
        .where(TrainerBlock.trainer_id == trainer_id, owned_by(TrainerBlock.operator_id, visible_to))
        .order_by(TrainerBlock.created_at.desc(), TrainerBlock.household_id)
    )
    return tuple(KeptApart(id_, name or "", tuple(pupils), *rest) for id_, name, pupils, *rest in rows)


def trainer_choices(db: Session, operator_id: UUID, actor: Actor) -> tuple[tuple[UUID, str], ...]:
    """The active trainers of an operator by name, to choose one from."""
    rows = db.execute(
        select(Trainer.id, Trainer.name)
        .where(Trainer.operator_id == operator_id, Trainer.active, owned_by(Trainer.operator_id, actor))
        .order_by(Trainer.name, Trainer.id)
    )
    return tuple((row[0], row[1]) for row in rows)
