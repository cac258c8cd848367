"""Acts on an account that are explained first: switching it off and on, ending its sign-ins, new second factors.

Each has a page that says what will happen, and a button. The page asks for the right, and so for a fresh second factor,
before anybody presses anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from webapp.accounts import managing
from webapp.accounts.views.blueprint import bp
from webapp.accounts.views.people import to_look_after
from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict
from webapp.db.work import Work, retrying
from webapp.web.access import current_actor, requires
from webapp.web.forms import BaseForm
from webapp.web.htmx import redirect_after


@dataclass(frozen=True, slots=True)
class Act:
    """An act: how it is asked for, what it means, what is said afterwards, and what does it."""

    endpoint: str
    heading: Any
    meaning: tuple[Any, ...]
    button: Any
    icon: str
    tone: str
    done: Any
    do: Callable[[Work, UUID, Actor], object]


DISABLE: Final = Act(
    "accounts.disable_user",
    _l("Switch the account of %(name)s off"),
    (
        _l("Every browser is signed out at once, and nobody can sign in with this account."),
        _l("What the person did stays as it is, and the account can be switched on again."),
        _l("The person is told by letter."),
    ),
    _l("Switch off"),
    "user-off",
    "danger",
    _l("The account is switched off and signed out everywhere."),
    lambda work, user_id, by: managing.set_active(work, user_id, False, by=by, now=clock.now()),
)
ENABLE: Final = Act(
    "accounts.enable_user",
    _l("Switch the account of %(name)s on"),
    (
        _l("The person can sign in again, with the password and second factor they had."),
        _l("The person is told by letter."),
    ),
    _l("Switch on"),
    "user-check",
    "primary",
    _l("The account is switched on."),
    lambda work, user_id, by: managing.set_active(work, user_id, True, by=by, now=clock.now()),
)
END_SIGN_INS: Final = Act(
    "accounts.sign_user_out",
    _l("Sign %(name)s out everywhere"),
    (_l("Every browser is signed out at once. The person can sign in again."),),
    _l("Sign out everywhere"),
    "logout",
    "danger",
    _l("Signed out everywhere."),
    lambda work, user_id, by: managing.end_sign_ins(work, user_id, by=by, now=clock.now()),
)
NEW_FACTORS: Final = Act(
    "accounts.reset_second_factors",
    _l("Let %(name)s set up second factors anew"),
    (
        _l("Authenticator app, passkeys and recovery codes are forgotten, and every browser is signed out."),
        _l("The next sign-in asks for the password alone, and for a new second factor where the role needs one."),
        _l("Do this only after you have made sure who is asking: ring the person back on a number you know."),
        _l("The person is told by letter."),
    ),
    _l("Forget the second factors"),
    "shield-check",
    "danger",
    _l("The second factors are forgotten. The person sets them up anew at the next sign-in."),
    lambda work, user_id, by: managing.reset_second_factors(work, user_id, by=by, now=clock.now()),
)


@bp.route("/users/<uuid:user_id>/disable", methods=["GET", "POST"])
@requires(Permission.USER_WRITE)
def disable_user(user_id: UUID) -> ResponseReturnValue:
    """Switch an account off."""
    return _perform(DISABLE, user_id)


@bp.route("/users/<uuid:user_id>/enable", methods=["GET", "POST"])
@requires(Permission.USER_WRITE)
def enable_user(user_id: UUID) -> ResponseReturnValue:
    """Switch an account on again."""
    return _perform(ENABLE, user_id)


@bp.route("/users/<uuid:user_id>/sign-out", methods=["GET", "POST"])
@requires(Permission.USER_WRITE)
def sign_user_out(user_id: UUID) -> ResponseReturnValue:
    """Sign an account out everywhere."""
    return _perform(END_SIGN_INS, user_id)


@bp.route("/users/<uuid:user_id>/second-factors", methods=["GET", "POST"])
@requires(Permission.USER_WRITE)
def reset_second_factors(user_id: UUID) -> ResponseReturnValue:
    """Let a person set up second factors anew."""
    return _perform(NEW_FACTORS, user_id)


def _perform(act: Act, user_id: UUID) -> ResponseReturnValue:
    """Explain the act, or do it when its button was pressed. Raises like ``to_look_after``."""
    actor, form, status = current_actor(), BaseForm(), 200
    found, _owners = to_look_after(user_id, actor)
    if request.method == "POST" and form.validate_on_submit():
        try:
            retrying(lambda work: act.do(work, user_id, actor))
        except Conflict as error:
            form.refuse(error)
            status = 409
        else:
            flash(str(act.done))
            return redirect_after(url_for("accounts.user", user_id=user_id))
    heading = str(act.heading) % {"name": found.name}
    return render_template("accounts/act.html", act=act, heading=heading, user=found, form=form), status
