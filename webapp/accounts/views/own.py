"""One's own account: where one is signed in, and ending that."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue

from webapp.accounts import queries, second_step, sign_ins, signin
from webapp.accounts.queries.passkeys import passkeys_of
from webapp.accounts.queries.sign_ins import open_sign_ins
from webapp.accounts.rules import idle_limit
from webapp.accounts.sessions import SignedIn, settings_in_use
from webapp.accounts.views.blueprint import bp
from webapp.accounts.views.pages import MePage, own_sign_in
from webapp.core import clock
from webapp.db.work import read_only, unit_of_work
from webapp.web.access import SIGN_IN_ENDPOINT, signed_in
from webapp.web.htmx import redirect_after
from webapp.web.words import _


def myself() -> SignedIn:
    """Whoever is signed in, behind a guard that lets nobody else pass."""
    user = signin.person()
    if user is None:
        raise RuntimeError("myself() was asked in a public view")
    return user


@bp.get("/account")
@signed_in
def me() -> ResponseReturnValue:
    """The person's own account."""
    user, now = myself(), clock.now()
    seen_after = now - idle_limit(user.role, timedelta(minutes=settings_in_use().session_idle_minutes))
    with read_only() as db:
        rows = open_sign_ins(db, user.id, seen_after=seen_after, now=now)
        factors = queries.second_factors_of(db, user.id)
        passkeys = passkeys_of(db, user.account) if factors.passkeys else ()
    shown = tuple(own_sign_in(row, here=user.session_id) for row in rows)
    page = MePage(user.account, shown, factors, second_step.needed(user.account), passkeys)
    return render_template("accounts/me.html", page=page)


@bp.post("/account/sign-ins/<uuid:session_id>/end")
@signed_in
def end_sign_in(session_id: UUID) -> ResponseReturnValue:
    """Sign one of the person's browsers out."""
    user = myself()
    if session_id == user.session_id:
        signin.sign_out()
        return redirect_after(url_for(SIGN_IN_ENDPOINT))
    with unit_of_work() as work:
        sign_ins.end_own_sign_in(work, user.account, session_id, now=clock.now())
    flash(_("That browser is signed out."))
    return redirect_after(url_for(".me"))


@bp.post("/account/sign-out-elsewhere")
@signed_in
def sign_out_elsewhere() -> ResponseReturnValue:
    """Sign every browser of the person out but this one."""
    user = myself()
    with unit_of_work() as work:
        sign_ins.end_every_sign_in(work, user.account, by=user.actor, keep=user.session_id, now=clock.now())
    flash(_("You are signed out everywhere else."))
    return redirect_after(url_for(".me"))


@bp.post("/account/sign-out-everywhere")
@signed_in
def sign_out_everywhere() -> ResponseReturnValue:
    """Sign every browser of the person out, this one too."""
    user = myself()
    with unit_of_work() as work:
        sign_ins.end_every_sign_in(work, user.account, by=user.actor, now=clock.now())
    signin.sign_out()
    flash(_("You are signed out everywhere."))
    return redirect_after(url_for(SIGN_IN_ENDPOINT))
