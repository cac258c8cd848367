"""Invitations: somebody is asked to join an operator's desk, and has an account from when they accept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert

from webapp.accounts import queries, service
from webapp.accounts.letters import promise_letter
from webapp.accounts.links import use_link, void_invitation
from webapp.accounts.models import Invitation
from webapp.accounts.queries.letters import letter_waits
from webapp.accounts.resetting import DEAD_LINK
from webapp.accounts.rules import (
    INVITATION_GOOD_FOR,
    InvitationState,
    LetterKind,
    check_locale,
    check_may_give,
    normalised_email,
)
from webapp.audit import service as audit
from webapp.core.actor import SYSTEM, Actor, ActorKind, Role
from webapp.core.errors import Conflict, NotFound
from webapp.core.ids import new_id
from webapp.core.names import clean_name
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.operators import queries as operators


@dataclass(frozen=True, slots=True)
class InvitationCommand:
    """Whom to invite, to which operator, as what; ``locale`` is the language of their letter and pages."""

    operator_id: UUID
    email: str
    name: str
    role: Role
    locale: str = "en"


@dataclass(frozen=True, slots=True)
class JoinCommand:
    """What somebody who accepts may say about themselves. Role, operator and address stand in the invitation."""

    name: str
    locale: str


def invite(work: Work, command: InvitationCommand, *, by: Actor, now: datetime) -> UUID:
    """Invite somebody, or renew the invitation that is open for the address at the operator; returns its id.

    Whether the address has an account already is never looked at here: that is for its owner alone to read in the
    letter. Raises ``Invalid`` for email, name, role or locale, ``NotFound`` for an operator that is not the actor's to
    see, ``Forbidden`` for a role the actor may not give, ``Conflict`` for an operator that is switched off.
    """
    email, name = normalised_email(command.email), clean_name(command.name)
    check_locale(command.locale)
    operator = operators.operator_seen_by(work.db, command.operator_id, visible_to=by)
    check_may_give(by, command.role, command.operator_id)
    if not operator.active:
        raise Conflict("operator-inactive", "This operator is switched off: nobody can join it.")
    _close_for_another_role(work, command, email, by=by, now=now)
    values = {
        "name": name,
        "role": command.role,
        "locale": command.locale,
        "invited_by": by.id,
        "invited_by_name": by.name,
        "expires_at": now + INVITATION_GOOD_FOR,
    }
    fresh_id = new_id()
    stored = insert(Invitation).values(
        id=fresh_id,
        operator_id=command.operator_id,
        email=email,
        state=InvitationState.OPEN,
        created_at=now,
        **values,
    )
    stored = stored.on_conflict_do_update(
        index_elements=[Invitation.operator_id, Invitation.email],
        # A constant: with a parameter the server cannot see the partial index once it plans for any value.
        index_where=text("state = 'open'"),
        set_=values,
    )
    invitation_id = work.db.execute(stored.returning(Invitation.id)).scalar_one()
    _write_to(work, invitation_id, command, email=email, now=now)
    after = {"role": command.role, "locale": command.locale}
    what = "invited" if invitation_id == fresh_id else "invited_again"
    _audit(work, what, invitation_id, command.operator_id, by=by, now=now, after=after)
    return invitation_id


def _close_for_another_role(work: Work, command: InvitationCommand, email: str, *, by: Actor, now: datetime) -> None:
    """Void the links of an open invitation that is about to be one to another role.

    A link says what the letter said that carried it. Raises ``Forbidden`` when the actor may not give the role that
    stands there: nobody takes back through renewing what they may not withdraw.
    """
    standing = work.db.execute(
        select(Invitation.id, Invitation.role)
        .where(
            Invitation.operator_id == command.operator_id,
            Invitation.email == email,
            Invitation.state == InvitationState.OPEN,
        )
        .with_for_update()
    ).one_or_none()
    if standing is not None and standing.role is not command.role:
        check_may_give(by, standing.role, command.operator_id)
        void_invitation(work, standing.id, now=now)


def invite_again(work: Work, invitation_id: UUID, *, by: Actor, now: datetime) -> UUID:
    """Renew an invitation, or make one that was withdrawn or has expired anew; returns the id of the open one.

    Raises like ``invite``, ``NotFound`` also for another operator's, ``Conflict`` for one that was accepted.
    """
    row = _locked(work, invitation_id, by)
    if row.state is InvitationState.ACCEPTED:
        raise Conflict("invitation-accepted", "This invitation has been accepted already.")
    return invite(work, InvitationCommand(row.operator_id, row.email, row.name, row.role, row.locale), by=by, now=now)


def withdraw(work: Work, invitation_id: UUID, *, by: Actor, now: datetime) -> None:
    """Take an open invitation back: its links are dead, a letter that still waits is not sent.

    Raises ``NotFound`` for one that is not the actor's to see, ``Forbidden`` for a role the actor may not give,
    ``Conflict`` for one that is not open.
    """
    row = _locked(work, invitation_id, by)
    check_may_give(by, row.role, row.operator_id)
    if row.state is not InvitationState.OPEN:
        raise Conflict("invitation-closed", "This invitation is not open any more.")
    row.state = InvitationState.WITHDRAWN
    _audit(work, "invitation_withdrawn", row.id, row.operator_id, by=by, now=now)


def accept(work: Work, link_hash: bytes, command: JoinCommand, password_hash: str, *, now: datetime) -> UUID:
    """Make the account that an invitation promised to whoever got its link; returns the user's id. Signs nobody in.

    Raises ``NotFound`` for a link that is wrong, used or too old, an invitation that is not open, and one whose inviter
    could not make it today; ``Invalid`` for name or locale, and for email when the address has an account by now.
    """
    invited = queries.invited_by_link(work.db, link_hash, now)
    if invited is None or not invited.stands:
        raise NotFound("link-dead", DEAD_LINK)
    check_locale(command.locale)
    taken = (
        update(Invitation)
        .where(Invitation.id == invited.invitation_id, Invitation.state == InvitationState.OPEN)
        .values(state=InvitationState.ACCEPTED, accepted_at=now)
        .returning(Invitation.id)
    )
    # Of two who accept at once one waits here for the other, and then finds the invitation taken.
    if work.db.scalar(taken) is None or not use_link(work, link_hash, now=now):
        raise NotFound("link-dead", DEAD_LINK)
    person = service.UserCommand(invited.operator_id, invited.email, command.name, invited.role, command.locale)
    user_id = service.create_user(work, person, password_hash, by=SYSTEM, now=now)
    joined = Actor(
        kind=ActorKind.USER,
        id=user_id,
        name=clean_name(command.name),
        role=invited.role,
        operator_id=invited.operator_id,
    )
    audit.record(
        work,
        "account.joined",
        "user",
        user_id,
        operator_id=invited.operator_id,
        by=joined,
        after={"invitation_id": invited.invitation_id, "invited_by": invited.invited_by, "role": invited.role},
        at=now,
    )
    return user_id


def expire(work: Work, operator_id: UUID, *, now: datetime) -> int:
    """Close the open invitations of an operator whose time is over; returns how many."""
    over = (
        update(Invitation)
        .where(
            Invitation.operator_id == operator_id,
            Invitation.state == InvitationState.OPEN,
            Invitation.expires_at <= now,
        )
        .values(state=InvitationState.EXPIRED)
        .returning(Invitation.id)
    )
    expired = work.db.scalars(over).all()
    for invitation_id in expired:
        _audit(work, "invitation_expired", invitation_id, operator_id, by=SYSTEM, now=now)
    return len(expired)


def _write_to(work: Work, invitation_id: UUID, command: InvitationCommand, *, email: str, now: datetime) -> None:
    # Pressed twice, sent once: the letter reads the invitation when it is sent, and there finds what was renewed.
    if letter_waits(work.db, invitation_id):
        return
    promise_letter(
        work,
        LetterKind.INVITATION,
        operator_id=command.operator_id,
        email=email,
        locale=command.locale,
        invitation_id=invitation_id,
        now=now,
    )


def _locked(work: Work, invitation_id: UUID, by: Actor) -> Invitation:
    mine = select(Invitation).where(Invitation.id == invitation_id, owned_by(Invitation.operator_id, by))
    row = work.db.scalar(mine.with_for_update())
    if row is None:
        raise NotFound()
    return row


def _audit(
    work: Work,
    what: str,
    invitation_id: UUID,
    operator_id: UUID,
    *,
    by: Actor,
    now: datetime,
    after: Mapping[str, object] | None = None,
) -> None:
    """Without name and address: the audit outlives the invitation."""
    audit.record(
        work, f"account.{what}", "invitation", invitation_id, operator_id=operator_id, by=by, after=after, at=now
    )
