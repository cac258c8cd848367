"""What every verb of the roster begins and ends with: the trainer's row lock, and the bell for whoever waits.

Whoever changes what the engine relies on locks the trainer's row, as writers of slots do.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.core.job_names import JobName
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.trainers.models import Trainer


def locked(db: Session, trainer_id: UUID, by: Actor) -> Trainer:
    """The trainer under the row lock. Raises ``NotFound`` for one that is not there or not the actor's."""
    # Not FOR UPDATE, which would make every foreign-key check on the trainer wait (rule A3).
    trainer = db.scalar(
        select(Trainer)
        .where(Trainer.id == trainer_id, owned_by(Trainer.operator_id, by))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if trainer is None:
        raise NotFound()
    return trainer


def ring_waitlist(work: Work, operator_id: UUID) -> None:
    """A trainer who is new, or may do more than before, may help somebody on the waitlist (rule A6)."""
    work.after_commit(JobName.RETRY_WAITLIST, operator_id=str(operator_id))
