"""What the pages of lower rooms show of trainers: whom a family is kept apart from, and whom it could be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.audit.models import AuditEntry
from webapp.core.actor import Actor
from webapp.db.tenancy import owned_by
from webapp.trainers.models import Trainer, TrainerBlock


@dataclass(frozen=True, slots=True)
class Block:
    """A trainer a family is kept apart from (rule T10): since when, why, and by whom as the audit tells."""

    trainer_id: UUID
    trainer: str
    reason: str
    created_at: datetime
    by: str | None


def blocks_of_household(db: Session, household_id: UUID, actor: Actor) -> tuple[Block, ...]:
    """The trainers a family is kept apart from, the newest first."""
    by = (
        select(AuditEntry.actor_name)
        .where(
            AuditEntry.subject_id == TrainerBlock.trainer_id,
            AuditEntry.what == "trainer.blocked",
            AuditEntry.after["household_id"].astext == str(household_id),
        )
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(1)
        .correlate(TrainerBlock)
        .scalar_subquery()
    )
    rows = db.execute(
        select(TrainerBlock.trainer_id, Trainer.name, TrainerBlock.reason, TrainerBlock.created_at, by)
        .join(Trainer, Trainer.id == TrainerBlock.trainer_id)
        .where(TrainerBlock.household_id == household_id, owned_by(TrainerBlock.operator_id, actor))
        .order_by(TrainerBlock.created_at.desc(), Trainer.name)
    )
    return tuple(Block(*row) for row in rows)


def trainer_choices(db: Session, operator_id: UUID, actor: Actor) -> tuple[tuple[UUID, str], ...]:
    """The active trainers of an operator by name, to choose one from."""
    rows = db.execute(
        select(Trainer.id, Trainer.name)
        .where(Trainer.operator_id == operator_id, Trainer.active, owned_by(Trainer.operator_id, actor))
        .order_by(Trainer.name, Trainer.id)
    )
    return tuple((row[0], row[1]) for row in rows)
