"""Forgotten passwords: asking for a letter, and setting another password with its link."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from webapp.accounts import queries, service
from webapp.accounts.letters import promise_letter
from webapp.accounts.links import use_link
from webapp.accounts.rules import LetterKind
from webapp.core.errors import NotFound
from webapp.core.ids import COMPANY_ID
from webapp.core.words import msgid
from webapp.db.work import Work

DEAD_LINK: Final = msgid("This link does not work, or does not work any more.")


def ask_for_reset(work: Work, email: str, *, locale: str, now: datetime) -> None:
    """Promise a letter to a normalised address, whether anybody has an account with it or not.

    The same single row either way, owned by the company; who it is for, if anybody, is found out when it is sent.
    """
    promise_letter(work, LetterKind.RESET, operator_id=COMPANY_ID, email=email, locale=locale, now=now)


def reset_password(work: Work, link_hash: bytes, password_hash: str, *, now: datetime) -> UUID:
    """Set the password of whoever got the link in a letter; returns the user's id.

    Uses the link up, voids all others of the person, ends all their sign-ins, signs nobody in, leaves second factors as
    they are, and promises a letter about it. Raises ``NotFound`` for a link that is wrong, used or too old, and for one
    that went to an address the account no longer has.
    """
    account = queries.account_of_reset_link(work.db, link_hash, now)
    if account is None or not use_link(work, link_hash, now=now):
        raise NotFound("link-dead", DEAD_LINK)
    service.set_password(work, account.id, password_hash, by=account.actor, now=now)
    promise_letter(
        work,
        LetterKind.PASSWORD_CHANGED,
        operator_id=account.operator_id,
        email=account.email,
        locale=account.locale,
        user_id=account.id,
        now=now,
    )
    return account.id
