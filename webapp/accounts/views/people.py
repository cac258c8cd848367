"""Pages on which managers and admins look after people: the list, one account, and changing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from webapp.accounts import managing
from webapp.accounts.forms.people import ChangeUserForm, UserFilterForm
from webapp.accounts.queries.users import (
    InvitationRow,
    UserDetail,
    UserRow,
    open_invitations,
    user_detail,
    users_index,
)
from webapp.accounts.rules import idle_limit, may_manage
from webapp.accounts.sessions import settings_in_use
from webapp.accounts.views.blueprint import bp
from webapp.accounts.words import change_told, event_look
from webapp.audit.queries import Happened, history
from webapp.core import clock
from webapp.core.actor import Actor, Permission, Role
from webapp.core.errors import Conflict, Forbidden, Invalid
from webapp.db.work import read_only, retrying
from webapp.operators.queries import OperatorRow, operators_index
from webapp.web.access import current_actor, requires
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.pagination import Page, page_args
from webapp.web.words import _

_RECENT = 10


@dataclass(frozen=True, slots=True)
class UsersPage:
    """The list, with the invitations nobody has accepted yet beside it."""

    page: Page[UserRow]
    invitations: tuple[InvitationRow, ...]
    looked_after: frozenset[UUID]
    """The invitations the actor may send again or withdraw."""
    filtered: bool
    several_operators: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an account, in words."""

    entry: Happened
    icon: str
    title: str
    text: str | None


@dataclass(frozen=True, slots=True)
class UserPage:
    """One account and what happened to it lately."""

    user: UserDetail
    events: tuple[Event, ...]
    mine: bool
    """Whether it is the reader's own."""
    looked_after: bool
    """Whether the reader may change it."""
    viewable: bool
    """Whether the reader may see the desk as this person."""


@bp.get("/users")
@requires(Permission.USER_READ)
def users() -> ResponseReturnValue:
    """The accounts the actor may see, filtered by name or address, operator, role and state."""
    actor, args, now = current_actor(), page_args(request.args), clock.now()
    form = UserFilterForm(request.args, meta={"csrf": False})
    with read_only() as db:
        owners = operators_of(db, actor)
        form.offer(owners)
        valid = form.validate()
        rows, total = users_index(db, form.wanted(), visible_to=actor, limit=args.limit, offset=args.offset)
        invitations = open_invitations(db, visible_to=actor, now=now)
    page = UsersPage(
        page=args.page_of(rows, total),
        invitations=invitations,
        looked_after=frozenset(one.id for one in invitations if may_manage(actor, one.role, one.operator_id)),
        filtered=form.filtered,
        several_operators=len(owners) > 1,
    )
    return render_page_or_fragment(
        "accounts/users.html", "accounts/_users.html", status=200 if valid else 422, people=page, form=form
    )


@bp.get("/users/<uuid:user_id>")
@requires(Permission.USER_READ)
def user(user_id: UUID) -> ResponseReturnValue:
    """One account."""
    actor = current_actor()
    with read_only() as db:
        found = detail_of(db, user_id, actor)
        entries = history(db, [user_id], visible_to=actor, limit=_RECENT)
    page = UserPage(
        user=found,
        events=tuple(Event(entry, *event_look(entry), change_told(entry)) for entry in entries),
        mine=found.id == actor.id,
        looked_after=may_manage(actor, found.role, found.operator_id),
        viewable=actor.may(Permission.VIEW_AS) and found.may_sign_in and found.id != actor.id,
    )
    return render_template("accounts/user.html", page=page)


@bp.get("/users/<uuid:user_id>/change")
@requires(Permission.USER_WRITE)
def change_user_page(user_id: UUID) -> ResponseReturnValue:
    """Change an account's name, role, operator and language."""
    actor = current_actor()
    found, owners = to_look_after(user_id, actor)
    return _change_form(found, ChangeUserForm(actor, found, owners, formdata=None))


@bp.post("/users/<uuid:user_id>/change")
@requires(Permission.USER_WRITE)
def change_user(user_id: UUID) -> ResponseReturnValue:
    """Make the account what the form says."""
    actor = current_actor()
    found, owners = to_look_after(user_id, actor)
    form = ChangeUserForm(actor, found, owners)
    if not form.validate_on_submit():
        return _change_form(found, form, status=422)
    command, seen = form.to_command(), form.seen.data or ""
    try:
        changed = retrying(
            lambda work: managing.change_user(work, user_id, command, by=actor, now=clock.now(), seen=seen)
        )
    except (Conflict, Invalid) as error:
        form.refuse(error)
        return _change_form(found, form, status=422 if isinstance(error, Invalid) else 409)
    flash(_("Saved.") if changed else _("It was like that already; nothing was changed."))
    return redirect_after(url_for("accounts.user", user_id=user_id))


def detail_of(db: Session, user_id: UUID, actor: Actor) -> UserDetail:
    """One account as the actor may see it. Raises ``NotFound``."""
    now, desk_limit = clock.now(), timedelta(minutes=settings_in_use().session_idle_minutes)
    seen_after = {role: now - idle_limit(role, desk_limit) for role in Role}
    return user_detail(db, user_id, visible_to=actor, seen_after=seen_after, now=now)


def operators_of(db: Session, actor: Actor) -> tuple[OperatorRow, ...]:
    """The operators the actor may see, to choose among."""
    owners, _total = operators_index(db, visible_to=actor)
    return owners


def to_look_after(user_id: UUID, actor: Actor) -> tuple[UserDetail, tuple[OperatorRow, ...]]:
    """An account the actor looks after, and the operators it may belong to.

    Raises ``NotFound`` for one that is not there or not the actor's, ``Forbidden`` for one that others look after.
    """
    with read_only() as db:
        found = detail_of(db, user_id, actor)
        owners = operators_of(db, actor)
    if not may_manage(actor, found.role, found.operator_id):
        raise Forbidden("account-not-yours", "You look after your own franchise's staff. Ask an admin to do it.")
    return found, owners


def _change_form(found: UserDetail, form: ChangeUserForm, *, status: int = 200) -> ResponseReturnValue:
    return render_page_or_fragment(
        "accounts/change_user.html", "accounts/_change_user_form.html", status=status, user=found, form=form
    )
