"""Keeping families and trainers apart (rule T10). Part of the room's service, which hands these verbs out."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.errors import Invalid, NotFound
from webapp.core.names import clean_name
from webapp.db.base import violates
from webapp.db.work import Work
from webapp.households.erasing import must_live
from webapp.trainers.locking import locked, ring_waitlist
from webapp.trainers.models import TrainerBlock


def block(work: Work, trainer_id: UUID, household_id: UUID, reason: str, *, by: Actor, now: datetime) -> None:
    """Keep a family and a trainer apart (rule T10); blocking them again for the same reason changes nothing.

    Raises ``NotFound`` for a trainer or family that is not there or of another operator, ``Conflict`` for a family that
    was erased; ``Invalid`` for no reason, and ``already-apart`` for another one than they are kept apart for.
    """
    must_live(work.db, household_id, by=by)
    trainer = locked(work.db, trainer_id, by)
    words = clean_name(reason, field="reason")
    try:
        fresh = work.db.scalar(
            insert(TrainerBlock)
            .values(
                operator_id=trainer.operator_id,
                trainer_id=trainer_id,
                household_id=household_id,
                reason=words,
                created_at=now,
            )
            .on_conflict_do_nothing()
            .returning(TrainerBlock.trainer_id)
        )
    except IntegrityError as error:
        if violates(error, ["fk_trainer_blocks_operator_id_household_id"]):
            raise NotFound() from error
        raise
    if fresh is None:
        kept = work.db.execute(
            select(TrainerBlock.reason, TrainerBlock.created_at).where(
                TrainerBlock.trainer_id == trainer_id, TrainerBlock.household_id == household_id
            )
        ).one()
        if kept.reason != words:
            raise already_apart(kept.created_at)
        return
    audit.record(
        work,
        "trainer.blocked",
        "trainer",
        trainer_id,
        operator_id=trainer.operator_id,
        by=by,
        after={"household_id": household_id},  # why, people may want erased: it stays on the row
        at=now,
    )


def already_apart(since: datetime) -> Invalid:
    """The refusal of a second reason for keeping them apart; its edge words ``since``."""
    sentence = "Already kept apart since %(since)s: end that first to change the reason."
    return Invalid("already-apart", sentence, field="trainer", since=since)


def unblock(work: Work, trainer_id: UUID, household_id: UUID, *, by: Actor, now: datetime) -> None:
    """Keep a family and a trainer apart no longer; doing it again changes nothing.

    Raises ``NotFound`` for a trainer that is not there or not the actor's.
    """
    trainer = locked(work.db, trainer_id, by)
    gone = work.db.execute(
        delete(TrainerBlock)
        .where(TrainerBlock.trainer_id == trainer_id, TrainerBlock.household_id == household_id)
        .returning(TrainerBlock.trainer_id)
    ).one_or_none()
    if gone is None:
        return
    audit.record(
        work,
        "trainer.unblocked",
        "trainer",
        trainer_id,
        operator_id=trainer.operator_id,
        by=by,
        before={"household_id": household_id},
        at=now,
    )
    ring_waitlist(work, trainer.operator_id)
