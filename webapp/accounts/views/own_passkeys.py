"""One's own passkeys: making one, at first sign-in or later; calling it something else; removing it."""

from __future__ import annotations

from uuid import UUID

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.accounts import ceremonies, passkeys, queries, second_step, signin
from webapp.accounts.forms.passkey import PasskeyForm
from webapp.accounts.queries import Account
from webapp.accounts.queries.passkeys import passkey_of
from webapp.accounts.rules import SignInStage
from webapp.accounts.views.blueprint import bp
from webapp.accounts.views.limits import own_password_limit, second_factor_limit
from webapp.accounts.views.own import myself
from webapp.accounts.views.passkey_json import go_first, go_on, object_sent, question, question_limit, sent, text_of
from webapp.accounts.views.passkeys import half_way, password_again
from webapp.core import clock
from webapp.core.errors import Conflict, Invalid
from webapp.db.tenancy import acting_as
from webapp.db.work import read_only, unit_of_work
from webapp.web.access import CONFIRM_ENDPOINT, is_fresh, public, safe_next, signed_in, to_confirm
from webapp.web.errors import sentence_of
from webapp.web.htmx import redirect_after
from webapp.web.nav import home_url
from webapp.web.words import _


@bp.post("/sign-in/set-up/passkey/options")
@public
@question_limit
def enrol_passkey_question() -> ResponseReturnValue:
    """Ask for the first passkey of somebody who has only the password so far and needs more."""
    half = half_way(SignInStage.ENROLMENT)
    return password_again() if half is None else question(ceremonies.ask_for_new(half.account))


@bp.post("/sign-in/set-up/passkey")
@public
@second_factor_limit
def enrol_passkey_answer() -> ResponseReturnValue:
    """Keep the first passkey and let its person in."""
    body, half = sent(), half_way(SignInStage.ENROLMENT)
    if half is None or not signin.take_try(half):
        return password_again()
    ceremonies.register(half.account, body["credential"], text_of(body, "name"), first=True)
    signin.let_in(half.account, method="password+passkey", second_factor=True)
    return go_on(_codes_before(half.account, safe_next(text_of(body, "next")) or home_url()))


@bp.post("/account/passkeys/options")
@signed_in
@own_password_limit
def new_passkey_question() -> ResponseReturnValue:
    """Ask for a new passkey: the first second factor takes the password, any other a fresh second factor."""
    user = myself()
    with read_only() as db:
        factors = queries.second_factors_of(db, user.id)
    if factors.any and not is_fresh():
        return go_first(_to_confirm())
    if not factors.any:
        second_step.check_own_password(user.account, text_of(object_sent(), "password"), field="password")
    return question(ceremonies.ask_for_new(user.account))


@bp.post("/account/passkeys")
@signed_in
@second_factor_limit
def new_passkey_answer() -> ResponseReturnValue:
    """Keep a new passkey."""
    body, user = sent(), myself()
    fresh = is_fresh()
    with read_only() as db:
        if not fresh and queries.second_factors_of(db, user.id).any:
            return go_first(_to_confirm())
    # Whoever had no second factor was asked for the password; should there be one by now, that was not enough.
    ceremonies.register(user.account, body["credential"], text_of(body, "name"), first=not fresh)
    signin.second_factor_given(user, method="passkey")
    flash(_("Your passkey is set up."))
    return go_on(_codes_before(user.account, url_for(".me")))


@bp.get("/account/recovery-codes/first")
@signed_in
def first_codes() -> ResponseReturnValue:
    """The page that says what recovery codes are for, before it shows them."""
    return render_template("accounts/first_codes.html", goal=safe_next(request.args.get("next")) or url_for(".me"))


@bp.route("/account/passkeys/<uuid:passkey_id>", methods=["GET", "POST"])
@signed_in
def passkey(passkey_id: UUID) -> ResponseReturnValue:
    """One of the person's passkeys: its name, and the way to remove it."""
    user = myself()
    with read_only() as db:
        row = passkey_of(db, user.account, passkey_id)
    form = PasskeyForm(name=row.name)
    if form.validate_on_submit():
        try:
            with unit_of_work() as work:
                passkeys.rename(work, user.account, passkey_id, form.name.data or "", now=clock.now())
        except Invalid as error:
            form.refuse(error)
        else:
            flash(_("Your passkey is renamed."))
            return redirect_after(url_for(".me", _anchor="passkeys"))
    return render_template("accounts/passkey.html", form=form, page=row), 422 if form.is_submitted() else 200


@bp.post("/account/passkeys/<uuid:passkey_id>/remove")
@signed_in
def remove_passkey(passkey_id: UUID) -> ResponseReturnValue:
    """Remove one of the person's passkeys, unless it is the last second factor of somebody who needs one."""
    user = myself()
    if not is_fresh():
        return to_confirm(url_for(".passkey", passkey_id=passkey_id))
    try:
        with unit_of_work() as work:
            needed = second_step.needed(user.account)
            passkeys.remove(work, user.account, passkey_id, needed=needed, now=clock.now())
    except Conflict as error:
        flash(sentence_of(error), "error")
    else:
        flash(_("Your passkey is removed."))
    return redirect_after(url_for(".me", _anchor="passkeys"))


def _to_confirm() -> str:
    return url_for(CONFIRM_ENDPOINT, next=url_for(".me", _anchor="passkeys"))


def _codes_before(account: Account, goal: str) -> str:
    """Where to go on: by way of the recovery codes when the person has none to fall back on."""
    with acting_as(account.actor), read_only() as db:
        left = queries.second_factors_of(db, account.id).recovery_codes_left
    return goal if left else url_for(".first_codes", next=goal)
