"""Letters about accounts: promising one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from webapp.accounts.models import Letter
from webapp.accounts.rules import LetterKind, LetterState
from webapp.core.ids import new_id
from webapp.db.work import Work


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
) -> None:
    """Promise somebody a letter, in the transaction of what it is about."""
    work.db.add(
        Letter(
            id=new_id(),
            operator_id=operator_id,
            kind=kind,
            email=email,
            locale=locale,
            user_id=user_id,
            invitation_id=invitation_id,
            state=LetterState.PENDING,
            created_at=now,
            next_at=now,
        )
    )
