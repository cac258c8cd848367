"""Which letters wait, and what the due ones need to be written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from webapp.accounts.models import Letter
from webapp.accounts.rules import LetterState


@dataclass(frozen=True, slots=True)
class LettersInTrouble:
    """How many letters nobody sends although they are due, and how many were given up."""

    late: int
    failed: int


# Functions of the database that look at every operator's letters: who has something due, and numbers only.
_DUE = text("SELECT id, operator_id FROM letters_due(:now, :limit)")
_IN_TROUBLE = text("SELECT late, failed FROM letters_in_trouble(:late)")


def due_letters(db: Session, now: datetime, limit: int) -> tuple[tuple[UUID, UUID], ...]:
    """Letters that wait to be sent at ``now``, as (id, operator's id), the one due longest first."""
    return tuple((row[0], row[1]) for row in db.execute(_DUE, {"now": now, "limit": limit}))


def letters_in_trouble(db: Session, late_since: datetime) -> LettersInTrouble:
    """Whether letters go out at all: how many were due at ``late_since`` and still are, and how many were given up."""
    return LettersInTrouble(*db.execute(_IN_TROUBLE, {"late": late_since}).one())


def letter_waits(db: Session, invitation_id: UUID) -> bool:
    """Whether a letter of an invitation is still to be sent: a second one would say the same."""
    waiting = select(Letter.id).where(Letter.invitation_id == invitation_id, Letter.state == LetterState.PENDING)
    return db.scalar(waiting.limit(1)) is not None
