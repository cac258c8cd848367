"""One's own second factors and password: setting up, replacing, removing, changing."""

from __future__ import annotations

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.accounts import queries, second_factors, second_step
from webapp.accounts.forms.own_password import OwnPasswordForm
from webapp.accounts.forms.second_factor import EnrolForm, FirstFactorForm
from webapp.accounts.views.blueprint import bp
from webapp.accounts.views.limits import own_password_limit, second_factor_limit
from webapp.accounts.views.own import myself
from webapp.accounts.views.pages import show_codes, totp_page
from webapp.core import clock
from webapp.core.errors import Conflict, Invalid
from webapp.db.work import read_only, unit_of_work
from webapp.web.access import is_fresh, safe_next, signed_in, to_confirm
from webapp.web.errors import sentence_of
from webapp.web.htmx import redirect_after
from webapp.web.words import _


@bp.route("/account/authenticator", methods=["GET", "POST"])
@signed_in
@second_factor_limit
def totp() -> ResponseReturnValue:
    """Set up an authenticator app: the first second factor takes the password, any other a fresh second factor."""
    user = myself()
    with read_only() as db:
        factors = queries.second_factors_of(db, user.id)
    if factors.any and not is_fresh():
        return to_confirm(url_for(".totp"))
    form = EnrolForm(next=request.args.get("next")) if factors.any else FirstFactorForm(next=request.args.get("next"))
    goal = safe_next(form.next.data)
    if form.validate_on_submit():
        password = form.password.data if isinstance(form, FirstFactorForm) else None
        try:
            made = second_step.set_up(user, code=form.code.data or "", password=password)
        except (Invalid, Conflict) as error:
            form.refuse(error)
        else:
            if made:
                return show_codes(made, email=user.account.email, goal=goal or url_for(".me"))
            flash(_("Your authenticator app is set up."))
            return redirect_after(goal or url_for(".me"))
    page = totp_page(user.account, replaces=factors.totp, goal=goal)
    return render_template("accounts/totp.html", form=form, page=page), 422 if form.is_submitted() else 200


@bp.post("/account/authenticator/remove")
@signed_in
def remove_totp() -> ResponseReturnValue:
    """Remove the authenticator app, unless it is the last second factor of somebody who needs one."""
    user = myself()
    if not is_fresh():
        return to_confirm(url_for(".me"))
    try:
        with unit_of_work() as work:
            needed = second_step.needed(user.account)
            second_factors.remove_totp(work, user.account, needed=needed, by=user.actor, now=clock.now())
    except Conflict as error:
        flash(sentence_of(error), "error")
    else:
        flash(_("Your authenticator app is removed."))
    return redirect_after(url_for(".me"))


@bp.post("/account/recovery-codes")
@signed_in
def recovery_codes() -> ResponseReturnValue:
    """Make recovery codes anew and show them, this once."""
    user = myself()
    if not is_fresh():
        return to_confirm(url_for(".me"))
    try:
        with unit_of_work() as work:
            codes = second_factors.renew_recovery_codes(work, user.account, by=user.actor, now=clock.now())
    except Conflict as error:
        flash(sentence_of(error), "error")
        return redirect_after(url_for(".me"))
    return show_codes(codes, email=user.account.email, goal=safe_next(request.form.get("next")) or url_for(".me"))


@bp.route("/account/password", methods=["GET", "POST"])
@signed_in
@own_password_limit
def password() -> ResponseReturnValue:
    """Change one's own password."""
    form = OwnPasswordForm()
    if form.validate_on_submit():
        try:
            second_step.change_password(myself(), current=form.current.data or "", new=form.new.data or "")
        except (Invalid, Conflict) as error:
            form.refuse(error)
        else:
            flash(_("Your password is changed, and every other browser is signed out."))
            return redirect_after(url_for(".me"))
    return render_template("accounts/password.html", form=form), 422 if form.is_submitted() else 200
