"""Who is signed in: Flask-Login's and Flask-Security's side, over sign-in sessions of our own in PostgreSQL.

The cookie holds ``<fs_uniquifier>.<token>`` under Flask's signature; the token has 256 bits and the database keeps only
its SHA-256. Every request loads session and person in one statement, so signing out, switching an account off or
changing its role works at the next click, and a flush of Valkey signs nobody out.

Flask-Login's user is the read model ``SignedIn``, never a table's row.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import flask_login
from flask import Flask, Request, current_app, g, request, session
from flask_security import Security, UserMixin
from flask_security.datastore import Datastore, UserDatastore

from webapp.accounts import queries, sign_ins, view_as
from webapp.accounts.queries import Account, OpenSignIn
from webapp.accounts.rules import has_ended, idle_limit, may_go_on_viewing
from webapp.config import Environment, Settings
from webapp.core import clock
from webapp.core.actor import Actor, Role
from webapp.db.tenancy import acting_as
from webapp.db.work import read_only, unit_of_work
from webapp.web.htmx import is_poll


@dataclass(frozen=True, eq=False)
class SignedIn(UserMixin):
    """Whoever is signed in, as Flask-Login's ``current_user``."""

    account: Account
    token: str
    session_id: UUID
    method: str
    """How they proved who they are, see ``SignInSession.method``."""
    second_factor_at: datetime | None
    """When they last gave a second factor (UTC): acts of weight want a fresh one."""
    viewed: Account | None = None
    """Whom they see the desk as, reading only. ``account`` stays their own; what pages ask is the seen person's."""
    view_as_until: datetime | None = None
    """When seeing the desk as somebody ends by itself (UTC)."""
    stopped_viewing: str | None = None
    """The name of whom they saw the desk as until this very request, when that ended by itself."""

    @property
    def id(self) -> UUID:  # type: ignore[override]  # the mixin writes a number, ours is a UUID
        """The user's id."""
        return self.account.id

    @property
    def active(self) -> bool:  # type: ignore[override]  # the mixin expects columns, here they are read only
        """Accounts that are switched off are never loaded."""
        return self.account.active

    @property
    def fs_uniquifier(self) -> str:  # type: ignore[override]  # as above
        """What Flask-Login keeps in the cookie."""
        return f"{self.account.fs_uniquifier}.{self.token}"

    @property
    def name(self) -> str:
        """The person's name."""
        return self.seen_as.name

    @property
    def role(self) -> Role:
        """The person's role, read anew for each request."""
        return self.seen_as.role

    @property
    def operator_id(self) -> UUID:
        """The operator the person belongs to."""
        return self.seen_as.operator_id

    @property
    def operator_name(self) -> str:
        """The operator's name, for the page's head."""
        return self.seen_as.operator_name

    @property
    def locale(self) -> str:
        """The reader's own language, whomever they see the desk as."""
        return self.account.locale

    @property
    def actor(self) -> Actor:
        """The person as whoever acts; while viewing the seen person, with the viewer beside."""
        if self.viewed is None:
            return self.account.actor
        return replace(self.viewed.actor, viewed_by=self.account.actor)

    @property
    def seen_as(self) -> Account:
        """Whose desk it is that pages show."""
        return self.viewed or self.account


class SignInStore(Datastore, UserDatastore):
    """Flask-Security's way to our tables: it only ever looks up whoever holds a cookie."""

    def __init__(self) -> None:
        Datastore.__init__(self, None)  # type: ignore[no-untyped-call]  # the library's own gap
        UserDatastore.__init__(self, SignedIn, None)  # type: ignore[arg-type]  # roles are a column, not a table

    def find_user(self, case_insensitive: bool = False, **kwargs: Any) -> UserMixin | None:
        """The person whose cookie value is ``fs_uniquifier``, unless their sign-in is over. Any other key: nobody."""
        cookie = str(kwargs.get("fs_uniquifier", ""))
        uniquifier, _dot, token = cookie.partition(".")
        if not token or request.endpoint == "static" or g.get("sign_in_unreadable"):
            return None
        # Should the database not answer, the error page must not ask it again who is reading.
        g.sign_in_unreadable = True
        found = _open_sign_in(uniquifier, token)
        g.sign_in_unreadable = False
        return _signed_in(found, token) if found is not None else None


def init_sign_in(app: Flask, settings: Settings) -> None:
    """Put Flask-Security into the app with none of its pages, commands or token headers in use."""
    weak = settings.environment is Environment.TEST
    app.config.update(
        SECURITY_PASSWORD_HASH="argon2",  # noqa: S106 - the name of the scheme
        SECURITY_PASSWORD_SCHEMES=["argon2"],
        # Argon2id alone: a second secret in the hash would tie every password to SECRET_KEY.
        SECURITY_PASSWORD_SINGLE_HASH=["argon2"],
        # OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, 2 passes, 1 lane at least.
        SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS={
            "argon2__type": "ID",
            "argon2__memory_cost": 64 if weak else 19_456,
            "argon2__time_cost": 1 if weak else 2,
            "argon2__parallelism": 1,
        },
        SECURITY_CLI_USERS_NAME=False,
        SECURITY_CLI_ROLES_NAME=False,
        SECURITY_API_ENABLED_METHODS=["session"],
        SESSION_PROTECTION=None,
    )
    security = Security(app, SignInStore(), register_blueprint=False)
    # Flask-Principal would load the person before the request has a name, and for public pages and static files too;
    # this desk's guard asks for the person when a route needs one.
    hooks = app.before_request_funcs.get(None, [])
    hooks[:] = [hook for hook in hooks if getattr(hook, "__self__", None) is not security.principal]
    # Without a cookie it would look for a token of its own in the address, a header or a JSON body: a second way in
    # that no page of ours opens, which reads a stranger's body before anything has looked at it.
    app.login_manager.request_loader(_nobody)  # type: ignore[attr-defined]  # Flask-Login puts it there


def _nobody(_request: Request) -> None:
    """Nobody is known by anything but the cookie."""


def person() -> SignedIn | None:
    """Whoever is signed in."""
    user: Any = flask_login.current_user
    found = user._get_current_object() if user else None
    return found if isinstance(found, SignedIn) else None


def hash_of(token: str) -> bytes:
    """What the database knows of a token: its SHA-256. A slow hash would add nothing to 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


def settings_in_use() -> Settings:
    """The settings of the running application."""
    settings: Settings = current_app.extensions["settings"]
    return settings


def browser_with(token: str) -> sign_ins.Browser:
    """The browser of this request, holding ``token``."""
    return sign_ins.Browser(hash_of(token), request.user_agent.string or "", request.remote_addr or "")


def forget_browser() -> None:
    """Begin the cookie anew; the CSRF token Flask-WTF keeps for the running request goes with it."""
    session.clear()
    g.pop("csrf_token", None)


def renew_csrf_token() -> None:
    """Make every form that is open in this browser worthless: what it shows is somebody else's desk now."""
    session.pop("csrf_token", None)
    g.pop("csrf_token", None)


def _signed_in(found: OpenSignIn, token: str) -> SignedIn:
    user = SignedIn(found.account, token, found.session_id, found.method, found.second_factor_at)
    if found.view_as_id is None:
        return user
    seen = found.viewed.actor if found.viewed is not None and found.viewed.active else None
    if may_go_on_viewing(found.account.actor, seen, found.view_as_until, now=clock.now()):
        return replace(user, viewed=found.viewed, view_as_until=found.view_as_until)
    return replace(user, stopped_viewing=_stop_viewing(found))


def _stop_viewing(found: OpenSignIn) -> str:
    """End what has run out, and make every form that was open meanwhile worthless; returns whose desk it was."""
    viewer, viewed = found.account.actor, found.viewed
    operator_id = viewed.operator_id if viewed is not None else found.account.operator_id
    assert found.view_as_id is not None
    with acting_as(viewer), unit_of_work() as work:
        view_as.end(work, found.session_id, found.view_as_id, operator_id, by=viewer, now=clock.now(), why="over")
    renew_csrf_token()
    return viewed.name if viewed is not None else ""


def _open_sign_in(uniquifier: str, token: str) -> OpenSignIn | None:
    with read_only() as db:
        found = queries.open_sign_in(db, hash_of(token), uniquifier)
    if found is None or not found.account.active:
        return None
    settings = settings_in_use()
    if found.second_factor_at is None and settings.needs_second_factor(found.account.role):
        # The role became one that needs a second factor after this sign-in began: it has to begin anew.
        return None
    now = clock.now()
    idle = idle_limit(found.account.role, timedelta(minutes=settings.session_idle_minutes))
    absolute = found.ends_at - found.created_at
    if has_ended(found.created_at, found.last_seen_at, now=now, idle=idle, absolute=absolute):
        return None
    # A page that asks again by itself keeps nobody signed in who has left it open and gone.
    if now - found.last_seen_at >= sign_ins.SEEN_EVERY and not is_poll():
        with acting_as(found.account.actor), unit_of_work() as work:
            sign_ins.note_seen(work, found.session_id, now=now)
    return found
