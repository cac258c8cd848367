"""Erasing a family: whom it was kept apart from, and why. Part of the room's service."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete

from webapp.db.work import Work
from webapp.trainers.models import TrainerBlock


def erase_blocks(work: Work, household_id: UUID) -> int:
    """Remove what keeps the family and trainers apart (rule T10): nobody is proposed for it again. Returns how many."""
    gone = delete(TrainerBlock).where(TrainerBlock.household_id == household_id).returning(TrainerBlock.trainer_id)
    return len(work.db.scalars(gone).all())
