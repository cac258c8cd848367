"""Signing in and out."""

from __future__ import annotations

from typing import Final

from flask import current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.accounts import signin
from webapp.accounts.forms.signing_in import SignInForm
from webapp.accounts.rules import SignInStage
from webapp.accounts.views.blueprint import bp
from webapp.config import Settings
from webapp.core.errors import Invalid
from webapp.web.access import SIGN_IN_ENDPOINT, public, safe_next, signed_in
from webapp.web.htmx import redirect_after
from webapp.web.limits import account_asked_for, address_key, limiter, times
from webapp.web.nav import home_url

_PER_ADDRESS: Final = 4
"""How many times as many attempts an address may make as an account: several people share one office line."""


def _account_rate() -> str:
    settings: Settings = current_app.extensions["settings"]
    return settings.sign_in_rate


def _address_rate() -> str:
    return times(_account_rate(), _PER_ADDRESS)


@bp.route("/sign-in", methods=["GET", "POST"])
@public
@limiter.limit(_account_rate, key_func=account_asked_for, methods=["POST"])
@limiter.limit(_address_rate, key_func=address_key, methods=["POST"])
def sign_in() -> ResponseReturnValue:
    """The page that asks who you are."""
    form = SignInForm(next=request.args.get("next"))
    goal = safe_next(form.next.data) or home_url()
    if signin.person() is not None and request.method == "GET":
        return redirect_after(goal)
    if form.validate_on_submit():
        try:
            stage = signin.sign_in((form.email.data or "").strip().lower(), form.password.data or "")
        except Invalid as error:
            form.refuse(error)
        else:
            return redirect_after(_next_step(stage, safe_next(form.next.data)))
    return render_template("accounts/sign_in.html", form=form), 422 if form.is_submitted() else 200


def _next_step(stage: SignInStage, goal: str | None) -> str:
    if stage is SignInStage.OPEN:
        return goal or home_url()
    step = "accounts.second_factor" if stage is SignInStage.SECOND_FACTOR else "accounts.set_up"
    return url_for(step, next=goal)


@bp.post("/sign-out")
@signed_in
def sign_out() -> ResponseReturnValue:
    """End this browser's sign-in."""
    signin.sign_out()
    return redirect_after(url_for(SIGN_IN_ENDPOINT))
