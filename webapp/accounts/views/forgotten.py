"""A forgotten password: asking for a letter, and setting another password with its link."""

from __future__ import annotations

from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from webapp.accounts import queries, signin
from webapp.accounts.forms.links import ForgottenForm, NewPasswordForm
from webapp.accounts.resetting import ask_for_reset, reset_password
from webapp.accounts.rules import LinkPurpose, check_password, normalised_email
from webapp.accounts.views import links
from webapp.accounts.views.blueprint import bp
from webapp.core import clock
from webapp.core.errors import Invalid, NotFound
from webapp.core.ids import COMPANY_ID
from webapp.db.tenancy import acting_for
from webapp.db.work import read_only, unit_of_work
from webapp.web import locale_tag
from webapp.web.access import public
from webapp.web.limits import account_asked_for, address_key, limiter
from webapp.web.words import _


@bp.route("/forgotten", methods=["GET", "POST"])
@public
@limiter.limit(links.reset_rate, key_func=account_asked_for, methods=["POST"])
@limiter.limit(links.reset_rate_of_client, key_func=address_key, methods=["POST"])
def forgotten() -> ResponseReturnValue:
    """The page that asks where to send the letter. Does the same whether the address is known or not."""
    form = ForgottenForm()
    if form.validate_on_submit():
        try:
            email = normalised_email(form.email.data or "")
        except Invalid as error:
            form.refuse(error)
        else:
            with acting_for(COMPANY_ID), unit_of_work() as work:
                ask_for_reset(work, email, locale=locale_tag(), now=clock.now())
            return redirect(url_for(".forgotten_sent"), 303)
    return render_template("accounts/forgotten.html", form=form), 422 if form.is_submitted() else 200


@bp.get("/forgotten/sent")
@public
def forgotten_sent() -> ResponseReturnValue:
    """What happens now, if there is such an account."""
    return render_template("accounts/forgotten_sent.html")


@bp.get("/reset/<token>")
@public
def reset_link(token: str) -> ResponseReturnValue:
    """The link in the letter."""
    return links.exchange(LinkPurpose.RESET, token, ".reset")


@bp.route("/reset", methods=["GET", "POST"])
@public
def reset() -> ResponseReturnValue:
    """The page that asks for the new password of whoever came with a link that works."""
    link = links.link_in_browser(LinkPurpose.RESET)
    with read_only() as db:
        account = queries.account_of_reset_link(db, link, clock.now()) if link else None
    if account is None or link is None:
        return links.dead_link(LinkPurpose.RESET)
    form = NewPasswordForm()
    if form.validate_on_submit():
        try:
            check_password(form.password.data or "", email=account.email, name=account.name)
            hashed = signin.hash_password(form.password.data or "")
            with acting_for(account.operator_id), unit_of_work() as work:
                reset_password(work, link, hashed, now=clock.now())
        except Invalid as error:
            form.refuse(error)
        except NotFound:  # somebody was faster with the same link, or the account has changed this very moment
            return links.dead_link(LinkPurpose.RESET)
        else:
            return links.done(LinkPurpose.RESET, _("Your password was changed. Sign in with the new one."))
    page = render_template("accounts/reset.html", form=form, email=account.email, least=links.password_hint())
    return page, 422 if form.is_submitted() else 200
