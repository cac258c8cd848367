"""Inviting people, and what can be done about an invitation nobody has accepted yet."""

from __future__ import annotations

from uuid import UUID

from flask import flash, url_for
from flask.typing import ResponseReturnValue

from webapp.accounts import invitations
from webapp.accounts.forms.people import InviteForm
from webapp.accounts.views.blueprint import bp
from webapp.accounts.views.people import operators_of
from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Invalid
from webapp.db.work import read_only, retrying
from webapp.web.access import current_actor, requires
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.words import _


@bp.get("/users/invite")
@requires(Permission.USER_WRITE)
def invite_page() -> ResponseReturnValue:
    """Whom to invite, as what."""
    return _invite_form(_form(current_actor(), fresh=True))


@bp.post("/users/invite")
@requires(Permission.USER_WRITE)
def invite() -> ResponseReturnValue:
    """Invite somebody. The answer is the same whether the address is known to another operator or to nobody."""
    actor = current_actor()
    form = _form(actor)
    if not form.validate_on_submit():
        return _invite_form(form, status=422)
    command = form.to_command()
    try:
        retrying(lambda work: invitations.invite(work, command, by=actor, now=clock.now()))
    except (Conflict, Invalid) as error:
        form.refuse(error)
        return _invite_form(form, status=422 if isinstance(error, Invalid) else 409)
    flash(_("Invited. A letter goes to %(email)s.", email=command.email))
    return redirect_after(url_for("accounts.users"))


@bp.post("/users/invitations/<uuid:invitation_id>/again")
@requires(Permission.USER_WRITE)
def invite_again(invitation_id: UUID) -> ResponseReturnValue:
    """Send the letter once more, with a fresh link."""
    actor = current_actor()
    retrying(lambda work: invitations.invite_again(work, invitation_id, by=actor, now=clock.now()))
    flash(_("Invited again. A new letter goes out."))
    return redirect_after(url_for("accounts.users"))


@bp.post("/users/invitations/<uuid:invitation_id>/withdraw")
@requires(Permission.USER_WRITE)
def withdraw_invitation(invitation_id: UUID) -> ResponseReturnValue:
    """Take an invitation back: its link is good no longer."""
    actor = current_actor()
    retrying(lambda work: invitations.withdraw(work, invitation_id, by=actor, now=clock.now()))
    flash(_("The invitation is withdrawn."))
    return redirect_after(url_for("accounts.users"))


def _form(actor: Actor, *, fresh: bool = False) -> InviteForm:
    with read_only() as db:
        owners = operators_of(db, actor)
    return InviteForm(actor, owners, formdata=None) if fresh else InviteForm(actor, owners)


def _invite_form(form: InviteForm, *, status: int = 200) -> ResponseReturnValue:
    return render_page_or_fragment("accounts/invite.html", "accounts/_invite_form.html", status=status, form=form)
