"""Signing in, second step: giving the second factor that is owed, or setting the first one up."""

from __future__ import annotations

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.accounts import queries, second_step, signin
from webapp.accounts.forms.second_factor import EnrolForm, SecondFactorForm
from webapp.accounts.pending import Pending
from webapp.accounts.rules import SignInStage
from webapp.accounts.views.blueprint import bp
from webapp.accounts.views.limits import second_factor_limit
from webapp.accounts.views.pages import SecondFactorPage, show_codes, totp_page
from webapp.core.errors import Conflict, Invalid
from webapp.db.tenancy import acting_as
from webapp.db.work import read_only
from webapp.web.access import SIGN_IN_ENDPOINT, public, safe_next
from webapp.web.errors import sentence_of
from webapp.web.htmx import redirect_after
from webapp.web.nav import home_url
from webapp.web.words import _


@bp.route("/sign-in/second", methods=["GET", "POST"])
@public
@second_factor_limit
def second_factor() -> ResponseReturnValue:
    """The page that asks whoever typed the right password for their second factor."""
    form = SecondFactorForm(next=request.args.get("next"))
    goal = safe_next(form.next.data)
    half = signin.pending()
    if half is None or half.stage is not SignInStage.SECOND_FACTOR:
        return _elsewhere(half, goal)
    if form.validate_on_submit():
        recovery_code = form.recovery_code.data or ""
        try:
            second_step.give(half, code=form.code.data or "", recovery_code=recovery_code)
        except Invalid as error:
            form.refuse(error)
        except Conflict as error:
            return _again(error, goal)
        else:
            if recovery_code.strip():
                flash(_("That recovery code is used up. Your account page tells how many are left."))
            return redirect_after(goal or home_url())
    with acting_as(half.account.actor), read_only() as db:
        page = SecondFactorPage(queries.second_factors_of(db, half.account.id), goal)
    status = 422 if form.is_submitted() else 200
    return render_template("accounts/second_factor.html", form=form, page=page), status


@bp.route("/sign-in/set-up", methods=["GET", "POST"])
@public
@second_factor_limit
def set_up() -> ResponseReturnValue:
    """The page on which somebody whose role needs a second factor sets the first one up before anything else."""
    form = EnrolForm(next=request.args.get("next"))
    goal = safe_next(form.next.data)
    half = signin.pending()
    if half is None or half.stage is not SignInStage.ENROLMENT:
        return _elsewhere(half, goal)
    if form.validate_on_submit():
        try:
            codes = second_step.enrol(half, form.code.data or "")
        except Invalid as error:
            form.refuse(error)
        except Conflict as error:
            return _again(error, goal)
        else:
            return show_codes(codes, email=half.account.email, goal=goal or home_url())
    page = totp_page(half.account, replaces=False, goal=goal)
    return render_template("accounts/set_up.html", form=form, page=page), 422 if form.is_submitted() else 200


def _elsewhere(half: Pending | None, goal: str | None) -> ResponseReturnValue:
    """To the step that is due: on when signed in, else the other second step, else the password."""
    if half is not None:
        step = "accounts.second_factor" if half.stage is SignInStage.SECOND_FACTOR else "accounts.set_up"
        return redirect_after(url_for(step, next=goal))
    if signin.person() is not None:
        return redirect_after(goal or home_url())
    return redirect_after(url_for(SIGN_IN_ENDPOINT, next=goal))


def _again(error: Conflict, goal: str | None) -> ResponseReturnValue:
    """Back to the password, with the reason."""
    signin.end_pending()
    flash(sentence_of(error), "error")
    return redirect_after(url_for(SIGN_IN_ENDPOINT, next=goal))
