"""Step-up: a second factor given again before an act of weight."""

from __future__ import annotations

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.accounts import codes, queries, signin
from webapp.accounts.forms.second_factor import SecondFactorForm
from webapp.accounts.views.blueprint import bp
from webapp.accounts.views.limits import second_factor_limit
from webapp.accounts.views.own import myself
from webapp.accounts.views.pages import SecondFactorPage
from webapp.core.errors import Invalid
from webapp.db.work import read_only
from webapp.web.access import safe_next, signed_in
from webapp.web.htmx import redirect_after
from webapp.web.nav import home_url


@bp.route("/confirm", methods=["GET", "POST"])
@signed_in
@second_factor_limit
def confirm() -> ResponseReturnValue:
    """The page that asks for a second factor again; whoever has none is sent to set one up first."""
    user = myself()
    form = SecondFactorForm(next=request.args.get("next"))
    goal = safe_next(form.next.data)
    with read_only() as db:
        factors = queries.second_factors_of(db, user.id)
    if not factors.any and form.is_submitted():
        return redirect_after(url_for(".confirm", next=goal))
    if form.validate_on_submit():
        recovery_code = form.recovery_code.data or ""
        method = codes.given(user.account, code=form.code.data or "", recovery_code=recovery_code)
        if method is not None:
            signin.second_factor_given(user, method=method)
            return redirect_after(goal or home_url())
        field = "recovery_code" if recovery_code.strip() else "code"
        form.refuse(Invalid("code-wrong", "That code is not right, or it was used before.", field=field))
    status = 422 if form.is_submitted() else 200
    return render_template("accounts/confirm.html", form=form, page=SecondFactorPage(factors, goal)), status
