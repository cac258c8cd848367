"""Letters about accounts: promised as rows in the transaction of their cause, claimed and sent by background work.

A claim is fenced by a lease token: whoever lost the lease changes nothing any more. Sent is at least once, because a
process may die between sending and noting it; the Message-ID is the same each time.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import delete, select, update

from webapp.accounts.models import Letter
from webapp.accounts.queries.letters import is_due
from webapp.accounts.rules import LETTER_TRIES, LETTERS_KEPT, LetterKind, LetterState
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.work import Work

FIRST_WAIT: Final = timedelta(seconds=30)
LONGEST_WAIT: Final = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Claim:
    """One letter taken for sending, and the token that proves it when the outcome is recorded."""

    letter_id: UUID
    lease: UUID
    attempt: int
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
    """Take a letter for sending; ``None`` when it is not due any more, somebody else has it, or its tries are over.

    The try is counted here and the next one put off, so a letter that kills its work-horse comes round ever less often
    and ends as failed.
    """
    due = select(Letter).where(Letter.id == letter_id, is_due(now)).with_for_update(skip_locked=True)
    letter = work.db.scalar(due)
    if letter is None:
        return None
    if letter.attempts >= LETTER_TRIES:
        letter.state, letter.last_error, letter.lease, letter.lease_until = LetterState.FAILED, "no-answer", None, None
        return None
    lease = uuid4()
    letter.attempts += 1
    letter.lease, letter.lease_until, letter.next_at = lease, now + lease_for, now + wait_after(letter.attempts)
    return Claim(
        letter_id=letter.id,
        lease=lease,
        attempt=letter.attempts,
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
    return _settle(work, claim, {"state": LetterState.SENT, "sent_at": now, "last_error": None})


def record_dropped(work: Work, claim: Claim) -> bool:
    """Note that there is nobody to write to; ``False`` when the lease was lost."""
    return _settle(work, claim, {"state": LetterState.DROPPED, "last_error": None})


def record_failure(work: Work, claim: Claim, problem: str, *, permanent: bool, now: datetime) -> LetterState | None:
    """Note why a try failed; returns the letter's state, ``None`` when the lease was lost.

    ``problem`` is a word without personal data. ``permanent`` means that trying again cannot help; else it is tried
    again later, ``LETTER_TRIES`` times in all.
    """
    given_up = permanent or claim.attempt >= LETTER_TRIES
    values = {"state": LetterState.FAILED} if given_up else {"next_at": now + wait_after(claim.attempt)}
    if not _settle(work, claim, values | {"last_error": problem}):
        return None
    return LetterState.FAILED if given_up else LetterState.PENDING


def forget_old(work: Work, *, now: datetime) -> int:
    """Delete letters of the operator at hand that are long sent, dropped or given up; returns how many."""
    old = delete(Letter).where(Letter.created_at <= now - LETTERS_KEPT, Letter.state != LetterState.PENDING)
    return len(work.db.scalars(old.returning(Letter.id)).all())


def wait_after(attempt: int) -> timedelta:
    """The wait after try number ``attempt``: 30 s, doubling up to two hours, a quarter more or less by chance.

    Mail servers that greylist want to be asked again after some minutes (RFC 6647, section 2).
    """
    seconds = min(FIRST_WAIT.total_seconds() * 2 ** (attempt - 1), LONGEST_WAIT.total_seconds())
    return timedelta(seconds=seconds * (0.75 + secrets.randbelow(501) / 1000))


def _settle(work: Work, claim: Claim, values: Mapping[str, Any]) -> bool:
    """Change a claimed letter and free it, if the lease is still ours."""
    mine = (
        update(Letter)
        .where(Letter.id == claim.letter_id, Letter.state == LetterState.PENDING, Letter.lease == claim.lease)
        .values(**values, lease=None, lease_until=None)
        .returning(Letter.id)
    )
    return work.db.scalar(mine) is not None
