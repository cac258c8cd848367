"""Letters about accounts: promised as rows in the transaction of their cause, claimed and sent by background work.

Sent is at least once, because a process may die between sending and noting it; the Message-ID is the same each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete

from webapp.accounts.models import Letter
from webapp.accounts.rules import LETTER_TRIES, LETTERS_KEPT, LetterKind, LetterState
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.promises import Held, RetriedPromises, doubling
from webapp.db.work import Work

wait_after: Final = doubling(timedelta(seconds=30), timedelta(hours=2))
"""Mail servers that greylist want to be asked again after some minutes (RFC 6647, section 2)."""
LETTERS: Final = RetriedPromises(Letter, LetterState.PENDING, wait_after, LetterState.FAILED, LETTER_TRIES)


@dataclass(frozen=True, slots=True)
class Claim(Held):
    """One letter taken for sending."""

    kind: LetterKind
    email: str
    locale: str
    operator_id: UUID
    user_id: UUID | None
    invitation_id: UUID | None
    promised_at: datetime


def promise_letter(
    work: Work,
    kind: LetterKind,
    *,
    operator_id: UUID,
    email: str,
    locale: str,
    user_id: UUID | None = None,
    invitation_id: UUID | None = None,
    now: datetime,
) -> UUID:
    """Promise a letter to a normalised ``email``, in the person's language; returns the row's id.

    ``user_id`` says whose account it is about (an invitation and a forgotten password have none yet), ``operator_id``
    is that account's. ``now`` is when what it tells of happened. Needs the operator's tenant, as every row does.
    """
    letter_id = new_id()
    work.db.add(
        Letter(
            id=letter_id,
            operator_id=operator_id,
            kind=kind,
            email=email,
            locale=locale,
            user_id=user_id,
            invitation_id=invitation_id,
            state=LetterState.PENDING,
            created_at=now,
            sent_at=None,
            attempts=0,
            next_at=now,
            lease=None,
            lease_until=None,
            last_error=None,
        )
    )
    work.after_commit(JobName.SEND_LETTERS)
    return letter_id


def claim(work: Work, letter_id: UUID, *, now: datetime, lease_for: timedelta) -> Claim | None:
    """Take a letter for sending; ``None`` when it is not due any more, somebody else has it, or its tries are over."""
    found = LETTERS.claim(work, letter_id, now=now, lease_for=lease_for)
    if found is None:
        return None
    letter, held = found
    return Claim(
        id=held.id,
        lease=held.lease,
        attempt=held.attempt,
        kind=letter.kind,
        email=letter.email,
        locale=letter.locale,
        operator_id=letter.operator_id,
        user_id=letter.user_id,
        invitation_id=letter.invitation_id,
        promised_at=letter.created_at,
    )


def record_sent(work: Work, claim: Claim, *, now: datetime) -> bool:
    """Note that a letter was taken by the mail server; ``False`` when the lease was lost."""
    values = {"state": LetterState.SENT, "sent_at": now, "last_error": None}
    return LETTERS.settle(work, claim, values) is not None


def record_dropped(work: Work, claim: Claim) -> bool:
    """Note that there is nobody to write to; ``False`` when the lease was lost."""
    return LETTERS.settle(work, claim, {"state": LetterState.DROPPED, "last_error": None}) is not None


def record_failure(work: Work, claim: Claim, problem: str, *, permanent: bool, now: datetime) -> LetterState | None:
    """Note why a try failed; see ``RetriedPromises.record_failure``. ``permanent``: trying again cannot help."""
    return LETTERS.record_failure(work, claim, problem, lasting=permanent, now=now)


def forget_old(work: Work, *, now: datetime) -> int:
    """Delete letters of the operator at hand that are long sent, dropped or given up; returns how many."""
    old = delete(Letter).where(Letter.created_at <= now - LETTERS_KEPT, Letter.state != LetterState.PENDING)
    return len(work.db.scalars(old.returning(Letter.id)).all())
