"""Using a passkey: to sign in with nothing else, after the password, and again before an act of weight."""

from __future__ import annotations

from flask import url_for
from flask.typing import ResponseReturnValue

from webapp.accounts import ceremonies, signin
from webapp.accounts.rules import ChallengePurpose, SignInStage
from webapp.accounts.views.blueprint import bp
from webapp.accounts.views.limits import second_factor_limit
from webapp.accounts.views.own import myself
from webapp.accounts.views.passkey_json import (
    answer_limit,
    go_first,
    go_on,
    question,
    question_limit,
    sent,
    text_of,
)
from webapp.web.access import SIGN_IN_ENDPOINT, public, safe_next, signed_in
from webapp.web.nav import home_url
from webapp.web.words import _


def half_way(stage: SignInStage) -> signin.Pending | None:
    """Whoever has typed the password in this browser and stands at ``stage``."""
    found = signin.pending()
    return found if found is not None and found.stage is stage else None


def password_again() -> ResponseReturnValue:
    """Nobody is half-way any more: back to the sign-in page."""
    signin.end_pending()
    return go_first(url_for(SIGN_IN_ENDPOINT), _("That took too long. Type your password again."))


@bp.post("/sign-in/passkey/options")
@public
@question_limit
def passkey_question() -> ResponseReturnValue:
    """Ask any passkey of the desk: who are you?"""
    return question(ceremonies.ask(ChallengePurpose.SIGN_IN))


@bp.post("/sign-in/passkey")
@public
@answer_limit
def passkey_answer() -> ResponseReturnValue:
    """Use a passkey alone: something one has, opened by something one is or knows."""
    body = sent()
    account = ceremonies.recognise(ChallengePurpose.SIGN_IN, body["credential"])
    signin.let_in(account, method="passkey", second_factor=True)
    return go_on(safe_next(text_of(body, "next")) or home_url())


@bp.post("/sign-in/second/passkey/options")
@public
@question_limit
def second_passkey_question() -> ResponseReturnValue:
    """Ask for a passkey of whoever has just typed the password."""
    found = half_way(SignInStage.SECOND_FACTOR)
    if found is None:
        return password_again()
    return question(ceremonies.ask(ChallengePurpose.SECOND_FACTOR, found.account))


@bp.post("/sign-in/second/passkey")
@public
@second_factor_limit
def second_passkey_answer() -> ResponseReturnValue:
    """Complete a sign-in that began with the password."""
    body, found = sent(), half_way(SignInStage.SECOND_FACTOR)
    if found is None or not signin.take_try(found):
        return password_again()
    account = ceremonies.recognise(ChallengePurpose.SECOND_FACTOR, body["credential"], found.account)
    signin.let_in(account, method="password+passkey", second_factor=True)
    return go_on(safe_next(text_of(body, "next")) or home_url())


@bp.post("/confirm/passkey/options")
@signed_in
@question_limit
def confirm_passkey_question() -> ResponseReturnValue:
    """Ask for a passkey of whoever is signed in."""
    return question(ceremonies.ask(ChallengePurpose.STEP_UP, myself().account))


@bp.post("/confirm/passkey")
@signed_in
@second_factor_limit
def confirm_passkey_answer() -> ResponseReturnValue:
    """Open the way to acts of weight for a while."""
    body, user = sent(), myself()
    ceremonies.recognise(ChallengePurpose.STEP_UP, body["credential"], user.account)
    signin.second_factor_given(user, method="passkey")
    return go_on(safe_next(text_of(body, "next")) or home_url())
