"""Who may open a route. Every view declares its guard; a route that declares none is closed to everybody.

Write the guard below the route::

    @bp.get("/bookings")
    @requires(Permission.BOOKING_READ)      # or @signed_in, or @public
    def index() -> ResponseReturnValue: ...

The decorators only mark the view function. ``guard`` runs before every request and decides; ownership of a row is not
asked here but in the SELECT. A permission in ``core.actor.STEP_UP`` also wants a second factor given some minutes ago
at most: guard the page that leads to such an act with the same permission, so that it asks before anything is typed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import flask_login
import structlog
from flask import (
    Flask,
    Response,
    abort,
    current_app,
    flash,
    g,
    has_request_context,
    redirect,
    request,
    url_for,
)

from webapp.core import clock
from webapp.core.actor import FRESH_FOR, STEP_UP, Actor, Permission
from webapp.core.errors import Forbidden
from webapp.db.tenancy import acting_as, acting_for_nobody
from webapp.web.headers import SAFE_METHODS
from webapp.web.htmx import is_htmx
from webapp.web.words import _

log = structlog.get_logger(__name__)

SIGN_IN_ENDPOINT: Final = "accounts.sign_in"
SIGN_OUT_ENDPOINT: Final = "accounts.sign_out"
CONFIRM_ENDPOINT: Final = "accounts.confirm"
ACCOUNT_ENDPOINT: Final = "accounts.me"
VIEW_AS_END_ENDPOINT: Final = "accounts.view_as_end"

_PUBLIC: Final = "public"
_SIGNED_IN: Final = "signed_in"
_ATTRIBUTE: Final = "__zonedesk_guard__"
_FOREIGN: Final = "zonedesk_foreign_guards"

Guard = Permission | str
View = TypeVar("View", bound=Callable[..., Any])


def requires(permission: Permission) -> Callable[[View], View]:
    """Open the view to actors whose role carries the permission."""

    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, permission)
        return view

    return mark


def public(view: View) -> View:
    """Open the view to everybody, signed in or not."""
    setattr(view, _ATTRIBUTE, _PUBLIC)
    return view


def signed_in(view: View) -> View:
    """Open the view to every signed-in person, whatever the role (their own password, signing out)."""
    setattr(view, _ATTRIBUTE, _SIGNED_IN)
    return view


def declare(app: Flask, endpoint: str, guard: Permission | None) -> None:
    """Declare the guard of a view that a library brings and that cannot be decorated; ``None`` means public."""
    app.extensions.setdefault(_FOREIGN, {})[endpoint] = _PUBLIC if guard is None else guard


def guard_of(app: Flask, endpoint: str) -> Guard | None:
    """The guard an endpoint declares: a permission, ``"public"``, ``"signed_in"``, or ``None`` when it declares none.

    The test that walks over all routes asks this.
    """
    foreign: dict[str, Guard] = app.extensions.get(_FOREIGN, {})
    if endpoint in foreign:
        return foreign[endpoint]
    if endpoint == "static" or endpoint.endswith(".static"):
        return _PUBLIC
    marked: Guard | None = getattr(app.view_functions.get(endpoint), _ATTRIBUTE, None)
    return marked


def actor_or_none() -> Actor | None:
    """Whoever is signed in, or ``None`` for an anonymous visitor and outside a request."""
    if not has_request_context() or not hasattr(current_app, "login_manager"):
        return None
    user = flask_login.current_user
    if not user or not user.is_authenticated:
        return None
    actor: Actor = user.actor
    return actor


def current_actor() -> Actor:
    """Whoever is signed in. Only for views behind a guard: raises ``RuntimeError`` for an anonymous visitor."""
    actor = actor_or_none()
    if actor is None:
        raise RuntimeError("current_actor() was asked in a public view")
    return actor


def view_as_until() -> datetime | None:
    """When seeing the desk as somebody ends by itself (UTC), as ``current_user`` tells. A Jinja global."""
    until: datetime | None = getattr(flask_login.current_user, "view_as_until", None)
    return until


def may(permission: Permission | str) -> bool:
    """Whether the signed-in actor's role carries the permission; templates hide what is not allowed with it."""
    actor = actor_or_none()
    return actor is not None and actor.may(Permission(permission))


def safe_next(target: str | None) -> str | None:
    """The address to return to after signing in, or ``None`` unless it is a path on this very desk.

    Refused: other hosts, ``//host``, schemes, backslashes and control characters, which browsers read as one of these.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    if "\\" in target or any(map(_is_odd, target)):
        return None
    return target


def _is_odd(letter: str) -> bool:
    """A control character, or half of a character, of which no address can be made."""
    return ord(letter) < 32 or ord(letter) == 127 or "\ud800" <= letter <= "\udfff"


def path_here(url: str) -> str | None:
    """Path and query of an address on this very desk, as a browser reports it; ``None`` for another and for rubbish."""
    try:
        seen = urlsplit(url)
    except ValueError:
        return None
    return safe_next(seen.path + ("?" + seen.query if seen.query else "")) if seen.netloc == request.host else None


def _page_being_read() -> str | None:
    """The page the person looks at: the address itself for a page, what htmx reports for a fragment."""
    if is_htmx():
        return path_here(request.headers.get("HX-Current-URL", ""))
    if request.method in ("GET", "HEAD"):
        return safe_next(request.full_path.rstrip("?"))
    return None


def to_sign_in() -> Response:
    """Send an anonymous visitor to the sign-in page and back afterwards.

    A page gets a 303; htmx gets a 401 with ``HX-Redirect``, because its request would follow a 303 unseen.
    """
    url = url_for(SIGN_IN_ENDPOINT, next=_page_being_read())
    if is_htmx():
        return Response(status=401, headers={"HX-Redirect": url})
    answer = redirect(url, 303)
    assert isinstance(answer, Response)
    return answer


def is_fresh() -> bool:
    """Whether whoever is signed in gave a second factor within ``FRESH_FOR``, as ``second_factor_at`` tells."""
    given_at: datetime | None = getattr(flask_login.current_user, "second_factor_at", None)
    return given_at is not None and clock.now() - given_at <= FRESH_FOR


def to_confirm(target: str | None = None) -> Response:
    """Ask for a second factor, then lead on to ``target``, or back to the page being read.

    A page gets a 303; htmx a 401 with ``HX-Redirect``. What a form sent is not kept: the page it stood on asks first.
    """
    url = url_for(CONFIRM_ENDPOINT, next=target or _page_being_read() or _page_sent_from())
    if is_htmx():
        return Response(status=401, headers={"HX-Redirect": url})
    answer = redirect(url, 303)
    assert isinstance(answer, Response)
    return answer


def _page_sent_from() -> str | None:
    """The page on this desk whose form was sent, as the browser tells."""
    return path_here(request.referrer or "")


def guard() -> Response | None:
    """Before each request: let it pass, ask for sign-in or for a fresh second factor, or refuse.

    Raises ``Forbidden`` when the role lacks the permission; a route without a guard answers 403 and is logged.
    """
    if request.endpoint is None:
        return None
    declared = guard_of(current_app, request.endpoint)
    if declared is None:
        log.error("access.undeclared", endpoint=request.endpoint)
        abort(403)
    if declared == _PUBLIC:
        if request.method not in SAFE_METHODS:
            _only_look(declared)
        return None
    actor = actor_or_none()
    if actor is None:
        return to_sign_in()
    _act_as(actor)
    _only_look(declared)
    if isinstance(declared, Permission) and not actor.may(declared):
        raise Forbidden(
            "not-allowed",
            "Your role does not allow this. Ask a manager or an admin to do it.",
        )
    if declared in STEP_UP and not is_fresh():
        return to_confirm()
    return None


def arrive() -> None:
    """Before anything else of a request: act for nobody, until the guard knows who it is."""
    g.acting = ExitStack()
    g.acting.enter_context(acting_for_nobody())


def _only_look(declared: Guard) -> None:
    """Whoever sees the desk as somebody else opens pages, and does nothing else but end that.

    Refused are all unsafe methods, pages that lead to acts of weight, and pages about one's own account, which would
    be the viewer's and not the seen person's. Raises ``Forbidden``.
    """
    actor = actor_or_none()
    stopped: str | None = getattr(flask_login.current_user, "stopped_viewing", None)
    if stopped is not None:
        # What was sent stood on a page of somebody else's desk: it must not be done with the viewer's own rights.
        if request.method not in SAFE_METHODS:
            raise Forbidden("view-as-over", "Seeing the desk as somebody else has just ended. Nothing was changed.")
        flash(_("Seeing the desk as %(name)s has ended by itself.", name=stopped or _("somebody")))
    if actor is None or actor.viewed_by is None or request.endpoint in (VIEW_AS_END_ENDPOINT, SIGN_OUT_ENDPOINT):
        return
    if request.method in SAFE_METHODS and isinstance(declared, Permission) and declared not in STEP_UP:
        return
    raise Forbidden(
        "reading-only",
        "You see the desk as %(name)s, reading only. End that first, with the button at the top of the page.",
        name=actor.name,
    )


def _act_as(actor: Actor) -> None:
    """Let every transaction of this request carry the actor's tenant, until ``leave``."""
    g.actor = actor
    g.acting.enter_context(acting_as(actor))


def leave(_error: BaseException | None = None) -> None:
    """After each request: act for whom the thread acted before."""
    acting: ExitStack | None = g.pop("acting", None)
    if acting is not None:
        acting.close()
