"""Accepting an invitation."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from webapp.accounts import invitations, queries, signin
from webapp.accounts.forms.links import JoinForm
from webapp.accounts.queries import Invited
from webapp.accounts.rules import LinkPurpose, check_password
from webapp.accounts.views import links
from webapp.accounts.views.blueprint import bp
from webapp.core import clock
from webapp.core.errors import Invalid, NotFound
from webapp.db.tenancy import acting_for
from webapp.db.work import read_only, unit_of_work
from webapp.web.access import public
from webapp.web.words import _


@bp.get("/join/<token>")
@public
def join_link(token: str) -> ResponseReturnValue:
    """The link in the letter."""
    return links.exchange(LinkPurpose.INVITATION, token, ".join")


@bp.route("/join", methods=["GET", "POST"])
@public
def join() -> ResponseReturnValue:
    """The page that makes an account of an invitation; whoever has it then signs in like everybody."""
    link = links.link_in_browser(LinkPurpose.INVITATION)
    with read_only() as db:
        invited = queries.invited_by_link(db, link, clock.now()) if link else None
    if link is None or invited is None or not invited.stands:
        return links.dead_link(LinkPurpose.INVITATION)
    form = JoinForm(name=invited.name, locale=invited.locale)
    if form.validate_on_submit():
        try:
            _accept(form, link, invited)
        except Invalid as error:
            form.refuse(error)
        except NotFound:  # accepted twice at once, withdrawn or closed this very moment
            return links.dead_link(LinkPurpose.INVITATION)
        else:
            return links.done(LinkPurpose.INVITATION, _("Your account is ready. Sign in with your new password."))
    page = render_template("accounts/join.html", form=form, invited=invited, least=links.password_hint())
    return page, 422 if form.is_submitted() else 200


def _accept(form: JoinForm, link: bytes, invited: Invited) -> None:
    check_password(form.password.data or "", email=invited.email, name=form.name.data or "")
    hashed = signin.hash_password(form.password.data or "")
    with acting_for(invited.operator_id), unit_of_work() as work:
        invitations.accept(work, link, form.to_command(), hashed, now=clock.now())
