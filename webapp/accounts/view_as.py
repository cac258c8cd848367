"""Seeing the desk as somebody else: an admin, reading only, for half an hour at most, with both ends in the audit."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import update

from webapp.accounts import queries
from webapp.accounts.models import SignInSession
from webapp.accounts.queries import Account
from webapp.accounts.rules import VIEW_AS_LIMIT
from webapp.audit import service as audit
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Forbidden, NotFound
from webapp.db.work import Work


def begin(work: Work, session_id: UUID, user_id: UUID, *, by: Actor, now: datetime) -> Account:
    """Let a signed-in browser of ``by`` see the desk as another account; returns that account.

    Raises ``NotFound`` for an account that is not there or not the actor's, ``Forbidden`` for oneself and for whoever
    may not, ``Conflict`` for an account that cannot sign in, and when the browser sees the desk as somebody already or
    is signed out.
    """
    if by.viewed_by is not None or not by.may(Permission.VIEW_AS):
        raise Forbidden("view-as", "Only admins see the desk as somebody else.")
    found = queries.account(work.db, user_id)
    if not by.reaches(found.operator_id):
        raise NotFound()
    if found.id == by.id:
        raise Forbidden("view-as-self", "You see the desk as yourself already.")
    if not found.active:
        raise Conflict("view-as-inactive", "This account is switched off: there is no desk to see as this person.")
    begun = work.db.scalar(
        update(SignInSession)
        .where(SignInSession.id == session_id, SignInSession.user_id == by.id, SignInSession.view_as_id.is_(None))
        .values(view_as_id=found.id, view_as_until=now + VIEW_AS_LIMIT)
        .returning(SignInSession.id)
    )
    if begun is None:
        raise Conflict("view-as-already", "You see the desk as somebody already. End that first.")
    audit.record(work, "account.view_as_begun", "user", found.id, operator_id=found.operator_id, by=by, at=now)
    return found


def end(
    work: Work, session_id: UUID, viewed_id: UUID, operator_id: UUID, *, by: Actor, now: datetime, why: str
) -> bool:
    """Let the browser see the desk as its own person again; ``False`` when it did already.

    ``by`` is the admin, ``operator_id`` the seen person's; ``why`` is ``asked``, ``over`` or ``signed_out``.
    """
    ended = work.db.scalar(
        update(SignInSession)
        .where(SignInSession.id == session_id, SignInSession.view_as_id == viewed_id)
        .values(view_as_id=None, view_as_until=None)
        .returning(SignInSession.id)
    )
    if ended is None:
        return False
    audit.record(
        work,
        "account.view_as_ended",
        "user",
        viewed_id,
        operator_id=operator_id,
        by=by,
        after={"why": why},
        at=now,
    )
    return True
